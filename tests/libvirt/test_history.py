"""What libvirt told while we watched, in words and within bounds."""

from __future__ import annotations

import pytest

from kvtui.backends.libvirt.events import Plain
from kvtui.backends.libvirt.history import _DESCRIBED, History
from kvtui.model import Tone


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("event", "details", "told"),
    [
        ("LIFECYCLE", (2, 0), ("started", "booted", None)),
        ("LIFECYCLE", (3, 2), ("paused", "I/O error", Tone.BAD)),
        ("LIFECYCLE", (5, 3), ("stopped", "migrated", None)),
        ("LIFECYCLE", (5, 5), ("stopped", "failed", Tone.BAD)),
        ("LIFECYCLE", (8, 0), ("crashed", "panicked", Tone.BAD)),
        ("LIFECYCLE", (99, 99), ("event 99", "", None)),
        ("LIFECYCLE", (), ("event -1", "", None)),
        ("REBOOT", (), ("rebooted", "", None)),
        ("AGENT_LIFECYCLE", (1, 2), ("guest agent connected", "", None)),
        ("IO_ERROR_REASON", ("/a.img", "virtio0", 1, "enospc"),
         ("I/O error", "virtio0 /a.img, enospc, the domain is paused", Tone.BAD)),
        ("DISK_CHANGE", ("/old.iso", None, "sata0", 0), ("medium changed", "sata0: empty", None)),
        ("DEVICE_ADDED", ("net\x1b[31m1",), ("device added", "net\ufffd[31m1", None)),
    ],
)  # fmt: skip
def test_each_event_is_told_in_words(
    event: str, details: tuple[Plain, ...], told: tuple[str, str, Tone | None]
) -> None:
    assert _DESCRIBED[event](details) == told


def test_the_same_thing_again_within_a_moment_is_counted_and_later_told_anew() -> None:
    clock = Clock()
    history = History(clock)
    history.note("a", "rebooted")
    clock.now += 2
    history.note("a", "rebooted")
    clock.now += 60
    history.note("a", "rebooted")
    assert [(one.moment, one.count) for one in history.of("a")] == [(1002.0, 2), (1062.0, 1)]


def test_a_domain_that_is_told_of_all_the_time_takes_no_more_memory_and_the_latest_stay() -> None:
    history = History(Clock())
    for number in range(500):
        history.note("a", f"event {number}")
    kept = history.of("a")
    assert (len(kept), kept[-1].what) == (200, "event 499")
    for number in range(3000):
        history.note(f"domain {number}", "started")
    assert history.of("a") == ()
    assert history.of("domain 2999")
