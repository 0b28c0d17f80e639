"""less, as far as people use it."""

from __future__ import annotations

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import ERASE, INTERRUPT, Painter, Tty, caret, clip

_DOWN = ("j", "\r", "\n", "\x1b[B", "\x1bOB", "e")
_UP = ("k", "\x1b[A", "\x1bOA", "y")
_PAGE_DOWN = (" ", "f", "\x06", "\x1b[6~")
_PAGE_UP = ("b", "\x02", "\x1b[5~")


class Less(Process):
    """Shows a text page by page on the alternate screen."""

    def __init__(self, system: System, tty: Tty, text: str, name: str) -> None:
        super().__init__(system, tty)
        self._painter = Painter(self.tty)
        self._name = name
        self._top = 0
        self._asking: str | None = None  # the pattern being typed
        self._pattern = ""
        self._message = name
        self._text = text
        self._rows = self._wrap(text)

    def start(self) -> None:
        """Take the screen."""
        self.tty.write("\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[H\x1b[2J")
        self._paint()

    def on_key(self, key: str) -> None:
        """Move, search, quit."""
        if self._asking is not None:
            self._ask(key)
        elif key in ("q", "Q", INTERRUPT):
            self.tty.write(f"\x1b[{self.tty.rows};1H\x1b[K\x1b[?1l\x1b>\x1b[?1049l\x1b[23;0;0t")
            self.finish()
            return
        else:
            self._message = ""
            self._command(key)
        self._paint()

    def _command(self, key: str) -> None:
        page = max(1, self.tty.rows - 1)
        moves = {_DOWN: 1, _UP: -1, _PAGE_DOWN: page, _PAGE_UP: -page}
        for keys, rows in moves.items():
            if key in keys:
                self._go(self._top + rows)
        if key in ("g", "<", "\x1b[H", "\x1b[1~"):
            self._go(0)
        elif key in ("G", ">", "\x1b[F", "\x1b[4~"):
            self._go(len(self._rows))
        elif key in ("d", "u"):
            self._go(self._top + (page // 2 if key == "d" else -page // 2))
        elif key == "/":
            self._asking = ""
        elif key in ("n", "N"):
            self._search(1 if key == "n" else -1)
        elif key == "\x0c":
            self._painter.forget()

    def _ask(self, key: str) -> None:
        typed = self._asking or ""
        if key in ("\r", "\n"):
            self._asking = None
            self._pattern = typed or self._pattern
            self._search(1)
        elif key in (INTERRUPT, "\x1b") or (key in ERASE and not typed):
            self._asking = None
        elif key in ERASE:
            self._asking = typed[:-1]
        elif len(key) == 1 and key >= " ":
            self._asking = typed + key

    def _go(self, top: int) -> None:
        self._top = max(0, min(top, len(self._rows) - (self.tty.rows - 1)))

    def _search(self, step: int) -> None:
        places = range(self._top + 1, len(self._rows)) if step > 0 else range(self._top - 1, -1, -1)
        found = next((row for row in places if self._pattern and self._pattern in self._rows[row]), None)
        if found is None:
            self._message = "Pattern not found  (press RETURN)"
        else:
            self._go(found)

    def on_resize(self) -> None:
        """Break the lines anew, and stay about where it was."""
        share = self._top / max(1, len(self._rows))
        self._rows = self._wrap(self._text)
        self._painter.forget()
        self._go(int(share * len(self._rows)))
        self._paint()

    def _wrap(self, text: str) -> list[str]:
        rows = []
        for line in text.splitlines():
            rest = "".join(caret(char) for char in line.expandtabs(8))
            while len(part := clip(rest, self.tty.cols)) < len(rest) and part:
                rows.append(part)
                rest = rest[len(part) :]
            rows.append(rest)
        return rows

    def _paint(self) -> None:
        room = max(0, self.tty.rows - 1)
        shown = self._rows[self._top : self._top + room]
        if self._pattern:
            shown = [row.replace(self._pattern, f"\x1b[7m{self._pattern}\x1b[27m") for row in shown]
        at_end = self._top + room >= len(self._rows)
        if self._asking is not None:
            status = clip("/" + self._asking, self.tty.cols - 1)
        elif self._message or at_end:
            text = f"{self._message} (END)" if at_end and self._message == self._name else self._message or "(END)"
            status = f"\x1b[7m{clip(text.strip(), self.tty.cols - 1)}\x1b[27m"
        else:
            status = ":"
        plain = status.replace("\x1b[7m", "").replace("\x1b[27m", "")
        lines = [*shown, *["~"] * (room - len(shown)), status]
        self._painter.paint(lines, (self.tty.rows - 1, min(len(plain), max(0, self.tty.cols - 1))))


def less(call: Call) -> int | Process:
    """Page through a file or what comes out of the pipe."""
    operands = call.options()[1]
    if operands:
        text = call.read(operands[0])
        if text is None:
            return 1
    elif call.stdin is None:
        return call.fail('Missing filename ("less --help" for help)')
    else:
        text = call.stdin
    return Less(call.system, call.tty, text, operands[0] if operands else "")


COMMANDS: dict[str, Command] = {"less": less, "more": less}
