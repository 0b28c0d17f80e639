"""Forms on the screen: the keyboard alone fills them in, and only what will do is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from kvtui.actions.confirm import Sheet
from kvtui.resources.form import Answers, Choice, Form, Number, Option, Text, Toggle
from kvtui.ui.dialogs.form import FormDialog
from kvtui.ui.hacks import screen_text
from kvtui.ui.program import Program

FORM = Form(
    "clone web",
    (
        Text("name", "name", default="web-clone", hint="of the new VM",
             check=lambda answers: "there is one of that name" if answers.text("name") == "db" else ""),
        Choice("kind", "kind", options=(Option("full", note="copies every disk"), Option("linked"),
                                        Option("thin", reason="the pool cannot"))),
        Number("memory", "memory", unit="MiB", default="512", least=16,
               asked=lambda answers: answers.text("kind") == "full"),
        Toggle("start", "start it"),
    ),
    about=("its disks are 3 GiB",),
    warn=lambda answers: ("both would have one address",) if answers.flag("start") else (),
)  # fmt: skip


class Filled:
    """A form that is being filled in."""

    def __init__(self, pilot: Pilot[Any], answers: list[Answers | None]) -> None:
        self.pilot = pilot
        self.answers = answers

    @property
    def text(self) -> str:
        return screen_text(self.pilot.app)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    @property
    def answered(self) -> Answers:
        (found,) = self.answers
        assert found is not None
        return found


Fill = Callable[..., AbstractAsyncContextManager[Filled]]


@pytest.fixture
def fill() -> Fill:
    """Shows a form."""

    @asynccontextmanager
    async def run(sheet: Sheet, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Filled]:
        app = Program("kvtui-dark")
        answers: list[Answers | None] = []
        async with app.run_test(size=size) as pilot:
            app.push_screen(FormDialog(sheet), answers.append)
            await pilot.pause()
            yield Filled(pilot, answers)

    return run


async def test_enter_takes_what_stands_there(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        assert "its disks are 3 GiB" in form.text
        assert "of the new VM" in form.text
        await form.press("enter")
        assert form.answered.text("name") == "web-clone"
        assert form.answered.number("memory") == 512


async def test_escape_leaves_it(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("escape")
        assert form.answers == [None]


async def test_keys_change_each_field(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("2", "down", "down", "ctrl+u", "4", "G", "tab", "space", "enter")
        answers = form.answered
        assert (answers.text("name"), answers.number("memory"), answers.flag("start")) == ("web-clone2", 4096, True)


async def test_a_field_that_is_not_asked_is_not_there(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        assert "memory" in form.text
        await form.press("down", "right")
        assert "< linked >" in form.text
        assert "memory" not in form.text
        await form.press("down")
        assert "> start it" in form.text


async def test_what_will_not_do_keeps_the_form_and_says_why(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("ctrl+u", "d", "b", "down", "enter")
        assert form.answers == []
        assert "there is one of that name" in form.text
        assert "> name" in form.text
        await form.press("2", "enter")
        assert form.answered.text("name") == "db2"


async def test_an_option_that_is_impossible_says_why_and_cannot_be_sent(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("down", "left")
        assert "not possible: the pool cannot" in form.text
        await form.press("enter")
        assert form.answers == []


async def test_what_has_no_room_beside_an_option_is_said_below_it(fill: Fill) -> None:
    long = "both ends are held here: should kvtui end, the VM stays where it is"
    why = "not possible: kvm2 has no network called storage-backbone-of-the-second-rack"
    options = (
        Option("direct", note=long),
        Option("tunnelled", reason=why.partition(": ")[2]),
        Option("p2p", note="by itself"),
    )
    sheet = Sheet(Form("migrate web", (Choice("way", "way", options=options, hint="how its memory goes"),)))
    async with fill(sheet) as form:
        text = " ".join(form.text.replace("│", " ").split())
        assert long in text
        assert "how its memory goes" in text
        await form.press("right")
        assert why.partition(": ")[2] in " ".join(form.text.replace("│", " ").split())
        await form.press("right")
        assert form.text.count("by itself") == 1


async def test_a_form_that_warns_of_nothing_has_no_line_for_it(fill: Fill) -> None:
    def height(form: Filled) -> int:
        return form.pilot.app.screen.query_one(".form").size.height

    fields = (Toggle("start", "start it"),)
    async with fill(Sheet(Form("x", fields))) as bare, fill(Sheet(Form("x", fields), ("it is lost",))) as warned:
        assert height(bare) == height(warned) - 1


async def test_letters_find_an_option(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("down", "l", "i", "n", "enter")
        assert form.answered.text("kind") == "linked"


async def test_warnings_follow_what_is_answered(fill: Fill) -> None:
    async with fill(Sheet(FORM, ("the guest stands still meanwhile",))) as form:
        assert "! the guest stands still meanwhile" in form.text
        assert "both would have one address" not in form.text
        await form.press("up", "space")
        assert "! both would have one address" in form.text


async def test_a_word_that_is_asked_for_must_be_typed_in_full(fill: Fill) -> None:
    async with fill(Sheet(Form("undefine web", (Toggle("nvram", "NVRAM"),)), (), "web")) as form:
        assert 'type "web"' in form.text
        await form.press("enter")
        assert form.answers == []
        await form.press("w", "e", "enter")
        assert form.answers == []
        assert "that was not it" in form.text
        await form.press("w", "e", "b", "enter")
        assert not form.answered.flag("nvram")


async def test_text_of_the_data_is_no_markup_and_no_control(fill: Fill) -> None:
    async with fill(
        Sheet(Form("clone [b]x[/b]", (Text("name", "[red]n", default="[i]"),), about=("a\x1b[31mb",)))
    ) as form:
        assert "clone [b]x[/b]" in form.text
        assert "[red]n" in form.text
        assert "\x1b" not in form.text


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_a_long_form_scrolls_to_where_the_keyboard_is(fill: Fill, size: tuple[int, int]) -> None:
    many = Form("x", [Toggle(f"f{number}", f"volume {number}") for number in range(30)])
    async with fill(Sheet(many, ("all is lost",), "x"), size) as form:
        await form.press("up", "space")
        assert "> volume 29              [x] yes" in form.text
        assert "! all is lost" in form.text
        assert 'type "x"' in form.text
        assert "esc leaves" in form.text
