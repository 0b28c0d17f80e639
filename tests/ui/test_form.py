"""Forms on the screen: the keyboard alone fills them in, and only what will do is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from kvtui.actions.confirm import Sheet
from kvtui.errors import UnreachableError
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


class Judge:
    """A server that is asked whether it would take the answers, and answers when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: asyncio.Queue[str | UnreachableError] = asyncio.Queue()

    async def rehearse(self, answers: Answers) -> str:
        self.asked.append(answers.text("name"))
        answer = await self.answers.get()
        if isinstance(answer, UnreachableError):
            raise answer
        return answer

    def sheet(self, names: Sequence[str] = ()) -> Sheet:
        return Sheet(FORM, rehearse=self.rehearse, names=names)


async def test_what_the_server_refuses_is_said_in_the_form_and_what_was_typed_stays(fill: Fill) -> None:
    judge = Judge()
    judge.answers.put_nowait("exceeded quota: small")
    async with fill(judge.sheet()) as form:
        await form.press("2", "enter")
        assert form.answers == []
        assert "x exceeded quota: small" in form.text
        assert "web-clone2" in form.text
        judge.answers.put_nowait("")
        await form.press("3")
        assert "exceeded quota" not in form.text
        await form.press("enter")
        assert form.answered.text("name") == "web-clone23"
        assert judge.asked == ["web-clone2", "web-clone23"]


async def test_a_server_that_refuses_is_asked_again_by_another_enter(fill: Fill) -> None:
    judge = Judge()
    judge.answers.put_nowait("etcd is down")
    async with fill(judge.sheet()) as form:
        await form.press("enter")
        assert form.answers == []
        judge.answers.put_nowait("")
        await form.press("enter")
        assert form.answered.text("name") == "web-clone"


async def test_while_the_server_is_asked_nothing_is_typed_and_nothing_is_asked_twice(fill: Fill) -> None:
    judge = Judge()
    async with fill(judge.sheet()) as form:
        await form.press("enter")
        assert "asking the server" in form.text
        await form.press("x", "enter", "down")
        judge.answers.put_nowait("")
        await form.press()
        assert form.answered.text("name") == "web-clone"
        assert len(judge.asked) == 1


async def test_a_form_whose_server_is_asked_can_be_left(fill: Fill) -> None:
    judge = Judge()
    async with fill(judge.sheet()) as form:
        await form.press("enter", "escape")
        assert form.answers == [None]


async def test_a_server_that_does_not_answer_locks_no_form(fill: Fill) -> None:
    judge = Judge()
    judge.answers.put_nowait(UnreachableError("prod did not answer within 6s"))
    async with fill(judge.sheet()) as form:
        await form.press("enter")
        assert form.answers == []
        assert "prod did not answer within 6s: enter once more does it all the same" in form.text
        await form.press("enter")
        assert form.answered.text("name") == "web-clone"


async def test_what_is_refused_of_one_of_several_may_be_asked_of_the_others(fill: Fill) -> None:
    judge = Judge()
    judge.answers.put_nowait("it is protected")
    async with fill(judge.sheet(["shop/web-1", "shop/web-2"])) as form:
        await form.press("enter")
        assert form.answers == []
        assert "x shop/web-1: it is protected: enter once more asks it of all of them" in form.text
        await form.press("enter")
        assert form.answered.text("name") == "web-clone"


async def test_a_form_can_begin_with_what_was_answered_before_but_for_secrets(fill: Fill) -> None:
    secret = Text("password", "password", secret=True, needed=False)
    before = Answers({"name": "db-3", "kind": "full", "memory": 1024, "start": True, "password": "hunter2"})
    sheet = Sheet(replace(FORM, fields=(*FORM.fields, secret)), before=before)
    async with fill(sheet) as form:
        assert "db-3" in form.text
        assert "1024" in form.text
        await form.press("enter")
        answers = form.answered
        assert (answers.text("name"), answers.number("memory"), answers.flag("start")) == ("db-3", 1024, True)
        assert answers.text("password") == ""


async def test_an_empty_field_says_what_is_asked_before_it_says_that_it_is_empty(fill: Fill) -> None:
    text = Text("labels", "labels", hint="KEY=VALUE sets, KEY- takes away")
    async with fill(Sheet(Form("labels of web", (text,)))) as form:
        assert "KEY=VALUE sets" in form.text
        assert "must not be empty" not in form.text
        await form.press("enter")
        assert form.answers == []
        assert "x labels: must not be empty" in form.text
        await form.press("a", "backspace")
        assert "x must not be empty" in form.text


async def test_escape_leaves_it(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("escape")
        assert form.answers == [None]


async def test_keys_change_each_field(fill: Fill) -> None:
    async with fill(Sheet(FORM)) as form:
        await form.press("2", "down", "down", "ctrl+u", "4", "G", "i", "tab", "space", "enter")
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
