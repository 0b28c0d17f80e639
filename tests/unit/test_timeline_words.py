"""Timelines in words: times, objects, lines for a terminal and rows for a ticket."""

from __future__ import annotations

import time

import pytest

from kvtui.joins.involved import Layer
from kvtui.joins.timeline import lay_out
from kvtui.joins.timeline_words import Clockface, tell_markdown, tell_text, tell_time
from kvtui.model import Ref, Tone
from tests.unit.test_timeline import BEGIN, VM, moment


@pytest.mark.parametrize(
    ("before", "face", "words"),
    [
        (0, Clockface.UTC, "01:50:00"),
        (7200, Clockface.UTC, "11-20 23:50:00"),
        (400 * 86400, Clockface.UTC, "2025-10-17 01:50:00"),
        (840, Clockface.AGO, "14m ago"),
        (-60, Clockface.AGO, "in 60s"),
    ],
)
def test_times_have_their_date_where_it_is_not_today(before: float, face: Clockface, words: str) -> None:
    assert tell_time(BEGIN - before, BEGIN, face) == words


def test_local_time_is_that_of_the_zone_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    try:
        lines = list(tell_text(lay_out([moment(BEGIN)], BEGIN + 60), VM, BEGIN + 60))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert lines == ["02:50:00   vm         x", "02:51:00  now, 2026-11-21, CET, UTC+01:00"]


def test_markdown_takes_signs_as_they_are_and_has_dates() -> None:
    hostile = moment(BEGIN, "Failed", detail="a | b\n*c*", tone=Tone.WARN)
    lines = list(tell_markdown(lay_out([hostile], BEGIN + 60), "vm shop/web-1", BEGIN + 60, ["pods: forbidden"]))
    assert "| 2026-11-21 01:50:00 | ! | vm | shop/web-1 | **Failed**: a \\| b \\*c\\* |" in lines
    assert lines[-1] == "- pods: forbidden"


def test_markdown_tells_objects_of_one_name_by_their_kinds() -> None:
    disks = [
        moment(BEGIN, "created", layer=Layer.DISK, subject=Ref("c", kind, "shop", "web-1-root", kind))
        for kind in ("DataVolume", "PersistentVolumeClaim")
    ]
    lines = list(tell_markdown(lay_out(disks, BEGIN), "vm shop/web-1", BEGIN, []))
    assert [line.split(" | ")[3] for line in lines if "web-1-root" in line] == [
        "dv shop/web-1-root",
        "pvc shop/web-1-root",
    ]


def test_an_object_that_the_timeline_is_of_is_not_named_on_every_line() -> None:
    node = Ref("c", "Node", "", "n1", "7")
    down = moment(BEGIN, "Ready Unknown", layer=Layer.NODE, subject=node)
    assert "n1" not in next(tell_text([down], node, BEGIN))
    assert "n1 Ready Unknown" in next(tell_text([down], VM, BEGIN))
