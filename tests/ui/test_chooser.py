"""A choice of many, or of what is mostly impossible, is a list while it has the keyboard; of few it is a line."""

from __future__ import annotations

from collections.abc import Sequence

from kvtui.actions.confirm import Sheet
from kvtui.resources.form import Choice, Form, Option, Text
from tests.ui.test_form import Fill, Filled, fill

__all__ = ["fill"]

WHY = "has no CPU model Cascadelake-Server-noTSX of those that the guest asks for"
NODES = (
    Option("", "any node", note="9 of 50 other nodes could take it"),
    *(Option(f"host-{number}", f"worker-{number:02}") for number in range(9)),
    Option("cp-1", reason="taint node-role.kubernetes.io/control-plane"),
    *(Option(f"old-{number:02}", reason=WHY) for number in range(40)),
)


def sheet(options: Sequence[Option] = NODES) -> Sheet:
    return Sheet(Form("migrate web", (Choice("node", "to", options=options, hint="its target"),)))


def among_others(options: Sequence[Option] = NODES) -> Sheet:
    return Sheet(Form("migrate web", (Choice("node", "to", options=options, hint="its target"), Text("note", "note",
                      needed=False))))  # fmt: skip


def listed(form: Filled) -> list[str]:
    """The lines of the list, without their borders."""
    lines = [line.replace("│", " ").rstrip() for line in form.text.splitlines()]
    names = {option.label or option.value for option in NODES}
    return [line.strip() for line in lines if names & {" ".join(line.split()[at : at + 2]) for at in range(3)}
            or names & set(line.split()[:3])]  # fmt: skip


async def test_many_stand_side_by_side_the_impossible_with_their_reasons(fill: Fill) -> None:
    async with fill(sheet(), size=(120, 35)) as form:
        assert listed(form)[0] == ">   any node   9 of 50 other nodes could take it"
        assert [line.split()[0] for line in listed(form)[1:10]] == [f"worker-{number:02}" for number in range(9)]
        assert listed(form)[10] == "x cp-1       taint node-role.kubernetes.io/control-plane"
        assert listed(form)[11] == f"x old-00     {WHY}"
        assert "1-14 of 51" in form.text


async def test_in_a_low_window_the_list_scrolls_and_the_way_out_stays(fill: Fill) -> None:
    async with fill(sheet()) as form:
        shown = len(listed(form))
        assert 4 <= shown <= 9
        for _ in range(14):
            await form.press("down")
        assert len(listed(form)) == shown
        assert any(line.startswith("> x old-03") for line in listed(form))
        assert WHY in " ".join(form.text.replace("│", " ").split())
        assert "esc leaves" in form.text
        await form.press("pagedown", "pageup", *["up"] * 20)
        assert listed(form)[0].startswith(">   any node")


async def test_what_is_not_possible_is_not_taken_and_the_next_that_is_is(fill: Fill) -> None:
    async with fill(sheet()) as form:
        await form.press(*["down"] * 10, "enter")
        assert "x to: taint node-role.kubernetes.io/control-plane" in form.text
        assert not form.answers
        await form.press("up", "enter")
        assert form.answered.text("node") == "host-8"


async def test_typing_leaves_those_that_have_it_by_name_or_reason(fill: Fill) -> None:
    async with fill(sheet()) as form:
        await form.press(*"taint")
        assert [line.split()[2] for line in listed(form)] == ["cp-1"]
        assert "1 with 'taint'" in form.text
        await form.press(*["backspace"] * 5, *"r-07", "enter")
        assert form.answered.text("node") == "host-7"


async def test_letters_that_nothing_has_change_nothing(fill: Fill) -> None:
    async with fill(sheet()) as form:
        await form.press(*"worker-03", "z", "q", "enter")
        assert form.answered.text("node") == "host-3"


async def test_among_other_fields_up_and_down_change_nothing_and_space_opens_the_list(fill: Fill) -> None:
    async with fill(among_others()) as form:
        await form.press("down", "up")
        assert "< any node >  1/51" in form.text
        assert "space opens the list" in form.text
        await form.press("space", "down", "down")
        assert any(line.startswith(">   worker-01") for line in listed(form))
        await form.press("escape")
        assert "< worker-01 >  3/51" in form.text
        assert not form.answers
        await form.press(*"r-04", "tab", *"by hand", "enter")
        assert (form.answered.text("node"), form.answered.text("note")) == ("host-4", "by hand")


async def test_past_the_end_of_the_list_down_leads_to_the_next_field(fill: Fill) -> None:
    async with fill(among_others(NODES[:9])) as form:
        await form.press("space", *["down"] * 9, *"by hand", "enter")
        assert (form.answered.text("node"), form.answered.text("note")) == ("host-7", "by hand")


async def test_a_click_chooses_the_line_under_it(fill: Fill) -> None:
    async with fill(sheet()) as form:
        await form.pilot.click("Chooser", offset=(5, 3))
        await form.press("enter")
        assert form.answered.text("node") == "host-2"


async def test_few_stay_on_their_line_and_several_impossible_ones_do_not(fill: Fill) -> None:
    few = (Option("full"), Option("linked"), Option("thin", reason="the pool cannot"))
    async with fill(sheet(few)) as form:
        assert "< full >  1/3" in form.text
    async with fill(sheet((*few, Option("raw", reason="no room")))) as form:
        assert "x thin    the pool cannot" in form.text
        assert "x raw     no room" in form.text
