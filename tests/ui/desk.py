"""A console that is open in a running app, and the one who reads it."""

from __future__ import annotations

from textual import events

from kvtui.ui.consoles.terminal import Terminal
from tests.ui.backend import ConsoleLine, Stage
from tests.ui.conftest import Screen
from tests.ui.test_consoles import open_console, sees, until


class Desk:
    """A console that is open, and the one who reads it."""

    def __init__(self, screen: Screen, line: ConsoleLine) -> None:
        self.screen = screen
        self.line = line

    @property
    def terminal(self) -> Terminal:
        terminal = self.screen.main.consoles.shown
        assert terminal is not None
        return terminal

    @property
    def view(self) -> list[str]:
        """The lines of the console's view."""
        region = self.terminal.region
        lines = self.screen.text.split("\n")[region.y : region.bottom]
        return [text[region.x : region.right].rstrip() for text in lines]

    @property
    def bar(self) -> str:
        return self.view[-1]

    @property
    def copied(self) -> str:
        return self.screen.app.clipboard

    async def say(self, data: bytes, words: str) -> None:
        """The guest sends something, of which `words` are to be seen."""
        self.line.say(data)
        await until(self.screen, sees(self.screen, words))

    async def say_unseen(self, data: bytes) -> None:
        """The guest sends something while the view stands still."""
        received = self.terminal.session.received
        self.line.say(data)
        await until(self.screen, lambda: self.terminal.session.received == received + len(data))
        for _ in range(3):
            await self.screen.pilot.pause(0.06)

    async def press(self, *keys: str) -> None:
        await self.screen.press(*keys)

    async def write(self, text: str) -> None:
        await self.press(*("space" if character == " " else character for character in text))

    async def search(self, words: str) -> None:
        await self.press("slash")
        await self.write(words)
        await self.press("enter")
        await until(self.screen, lambda: "searching" not in self.bar)

    async def mouse(
        self, what: type[events.MouseEvent], x: int, y: int, *, button: int = 1, shift: bool = False
    ) -> None:
        """The mouse does something at a cell of the view, or beyond it."""
        region = self.terminal.region
        at = (region.x + x, region.y + y)
        event = what(None, *at, 0, 0, button, shift, False, False, *at)
        self.screen.app.screen._forward_event(event)
        await self.screen.settle()

    async def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        await self.mouse(events.MouseDown, *start)
        await self.mouse(events.MouseMove, *end)
        await self.mouse(events.MouseUp, *end)


async def sit(screen: Screen, stage: Stage, count: int = 200) -> Desk:
    """Open a console in which so many lines went by."""
    desk = Desk(screen, await open_console(screen, stage))
    if count:
        await desk.say(b"\r\n".join(b"line %d" % number for number in range(count)), f"line {count - 1}")
    return desk
