"""What forms make of what is typed into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.resources.form import Answers, Choice, Draft, Form, Number, Option, Text, Toggle

MEMORY = Number("memory", "memory", unit="MiB", least=16, most=65536, default="2048")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("512", 512),
        (" 4Gi ", 4096),
        ("4GiB", 4096),
        ("4gi", 4096),
        ("512 Mi", 512),
        ("65536Ki", 64),
        ("1.5Gi", 1536),
        ("4G", 3815),
        ("4gb", 3815),
        ("512 M", 489),
        ("0.064T", 61036),
    ],
)
def test_an_amount_may_be_typed_in_another_unit(typed: str, number: int) -> None:
    assert MEMORY.read(typed) == number


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "a number is needed"), ("much", "'much' is no amount: as in 4096 or 4Gi"), ("-1", "not less than 16 MiB"),
     ("8", "not less than 16 MiB"), ("1Ti", "not more than 65536 MiB"), ("1.5", "'1.5' is no amount"),
     ("9" * 5000, "is no amount"), ("٣", "is no amount"), ("4Ei", "is no amount"), ("-4Gi", "not less than 16 MiB")],
)  # fmt: skip
def test_what_is_no_possible_amount_says_why(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MEMORY.read(typed)


def test_an_amount_that_is_rounded_says_what_it_is_taken_as() -> None:
    draft = Draft(Form("x", (Number("size", "size", unit="GiB", default="10"),)))
    assert list(draft.warnings) == []
    draft.put("size", "12G")
    assert (draft.answers.number("size"), draft.warnings) == (12, ["size: 12G is taken as 12 GiB"])
    draft.put("size", "12Gi")
    assert (draft.answers.number("size"), list(draft.warnings)) == (12, [])


@pytest.mark.parametrize(
    ("number", "unit", "told"),
    [(5723, "MiB", "5723 MiB (5.6 GiB)"), (512, "MiB", "512 MiB"), (2048, "GiB", "2048 GiB (2 TiB)"), (3, "s", "3 s")],
)
def test_an_amount_is_told_as_people_say_it(number: int, unit: str, told: str) -> None:
    assert Number("amount", "amount", unit=unit).tell(number) == told


@pytest.mark.parametrize("typed", ["4Gi", "1.5", "4G"])
def test_a_count_is_no_amount(typed: str) -> None:
    with pytest.raises(ValueError, match="is no whole number"):
        Number("cpus", "CPUs").read(typed)


@given(st.text(max_size=30))
def test_any_text_is_a_number_in_the_limits_or_a_sentence(typed: str) -> None:
    draft = Draft(Form("x", (MEMORY,)))
    draft.put("memory", typed)
    number = draft.answers.number("memory")
    assert draft.refusal.isprintable()
    assert (draft.refusal == "") == (number is not None and 16 <= number <= 65536)


def test_a_number_that_need_not_be_given_may_be_missing() -> None:
    draft = Draft(Form("x", (Number("limit", "limit", needed=False),)))
    assert draft.refusal == ""
    assert draft.answers.number("limit") is None


def disks() -> Form:
    def volumes(answers: Answers) -> list[Option]:
        pool = answers.text("pool")
        return [Option(f"{pool}/a"), Option(f"{pool}/b", reason="in use")]

    return Form(
        "attach a disk",
        (
            Choice("from", "from", options=(Option("new"), Option("volume"))),
            Choice("pool", "pool", options=(Option("fast"), Option("slow"))),
            Choice("volume", "volume", options=volumes, asked=lambda answers: answers.text("from") == "volume"),
            Text("name", "name", asked=lambda answers: answers.text("from") == "new"),
            Toggle("read_only", "read-only"),
        ),
        warn=lambda answers: ("the guest cannot write to it",) if answers.flag("read_only") else (),
    )


def test_a_field_is_only_asked_while_the_answers_before_it_leave_it_open() -> None:
    draft = Draft(disks())
    assert [field.name for field in draft.asked] == ["from", "pool", "name", "read_only"]
    assert draft.refusal == "name: must not be empty"
    draft.put("from", "volume")
    assert [field.name for field in draft.asked] == ["from", "pool", "volume", "read_only"]
    assert draft.refusal == ""


def test_what_was_typed_into_a_field_that_is_not_asked_any_more_counts_for_nothing() -> None:
    draft = Draft(disks())
    draft.put("name", "data")
    assert draft.answers.text("name") == "data"
    draft.put("from", "volume")
    assert draft.answers.text("name") == ""


def test_a_choice_follows_the_choice_before_it_and_says_what_cannot_be_chosen() -> None:
    draft = Draft(disks())
    draft.put("from", "volume")
    assert draft.answers.text("volume") == "fast/a"
    draft.put("volume", "fast/b")
    assert draft.refusal == "volume: in use"
    draft.put("pool", "slow")
    assert (draft.answers.text("volume"), draft.refusal) == ("slow/a", "")


def test_warnings_follow_the_answers() -> None:
    draft = Draft(disks())
    assert not draft.warnings
    draft.put("read_only", True)
    assert list(draft.warnings) == ["the guest cannot write to it"]


def test_a_choice_of_nothing_cannot_be_sent() -> None:
    draft = Draft(Form("x", (Choice("pool", "pool"),)))
    assert draft.refusal == "pool: there is nothing to choose from"


def test_what_is_typed_is_cleaned() -> None:
    draft = Draft(Form("x", (Text("name", "name"),)))
    draft.put("name", "  we\x1bb\u202e ")
    assert draft.answers.text("name").isprintable()


def test_a_form_says_why_the_answers_do_not_fit_together() -> None:
    form = Form(
        "move",
        (Toggle("copy", "copy disks"), Toggle("shared", "shared disks")),
        refuse=lambda answers: "either, not both" if answers.flag("copy") and answers.flag("shared") else "",
    )
    draft = Draft(form)
    draft.put("copy", True)
    assert draft.refusal == ""
    draft.put("shared", True)
    assert draft.refusal == "either, not both"
