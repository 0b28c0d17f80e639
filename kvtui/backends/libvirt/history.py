"""What libvirt told of each domain while we watched: it keeps no events itself.

Numbers: libvirt's include/libvirt/libvirt-domain.h, virDomainEventType and what details each.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from kvtui.backends.base import Happening
from kvtui.backends.libvirt.events import Events, Plain
from kvtui.model import Tone
from kvtui.text import clean_line

_EACH: Final = 200
"""Happenings of one domain that are kept."""
_ALL: Final = 2_000
"""Domains of which something is kept, the latest ones."""
_ONE: Final = 15.0
"""Seconds within which the same thing again counts as the same: SeaBIOS resets a machine twice at a reboot."""
_LIFECYCLE: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("defined", ("new", "changed", "renamed", "from snapshot")),
    ("undefined", ("", "renamed")),
    ("started", ("booted", "migrated", "restored", "from snapshot", "event wakeup", "recovered")),
    (
        "paused",
        ("user", "migrated", "I/O error", "watchdog", "restored", "from snapshot", "api error", "post-copy",
         "post-copy failed", "guest shut down"),
    ),
    ("unpaused", ("user", "migrated", "from snapshot", "post-copy", "post-copy failed")),
    ("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "recreated")),
    ("shut down", ("finished", "by the guest", "by the host")),
    ("suspended", ("to memory", "to disk")),
    ("crashed", ("panicked", "crash kernel loaded")),
)  # fmt: skip
_BAD: Final = frozenset(
    {("paused", "I/O error"), ("paused", "watchdog"), ("paused", "post-copy failed"), ("paused", "api error"),
     ("unpaused", "post-copy failed"), ("stopped", "crashed"), ("stopped", "failed"), ("crashed", "panicked"),
     ("crashed", "crash kernel loaded")}
)  # fmt: skip
_AGENT: Final = ("", "connected", "disconnected")
_IO_ACTIONS: Final = ("nothing was done", "the domain is paused", "the guest was told")
_WATCHDOG: Final = ("nothing was done", "paused", "reset", "powered off", "shut down", "debugged", "an interrupt sent")


class History:
    """Keeps a bounded list for each domain of one backend, over all its connections."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._of: OrderedDict[str, deque[Happening]] = OrderedDict()

    def attach(self, events: Events) -> None:
        """Listen to the events of a new connection."""
        for name, describe in _DESCRIBED.items():
            events.listen((name,), partial(self._hear, describe))

    def of(self, uuid: str) -> Sequence[Happening]:
        """What happened to a domain, or to the host (whose UUID is empty here), the oldest first."""
        return tuple(self._of.get(uuid, ()))

    def note(self, uuid: str, what: str, detail: str = "", tone: Tone | None = None) -> None:
        """Something happened now."""
        kept = self._of.setdefault(uuid, deque(maxlen=_EACH))
        self._of.move_to_end(uuid)
        if len(self._of) > _ALL:
            self._of.popitem(last=False)
        now = Happening(self._clock(), what, detail, tone)
        last = kept[-1] if kept else None
        if last is not None and (last.what, last.detail) == (what, detail) and now.moment - last.moment < _ONE:
            kept[-1] = replace(now, count=last.count + 1)
        else:
            kept.append(now)

    def _hear(self, describe: _Describe, uuid: str, _name: str, details: tuple[Plain, ...]) -> None:
        self.note(uuid, *describe(details))


_Words = tuple[str, str, Tone | None]
_Describe = Callable[[tuple[Plain, ...]], _Words]


def _lifecycle(details: tuple[Plain, ...]) -> _Words:
    event, detail = _number(details, 0), _number(details, 1)
    if not 0 <= event < len(_LIFECYCLE):
        return f"event {event}", "", None
    what, reasons = _LIFECYCLE[event]
    reason = reasons[detail] if 0 <= detail < len(reasons) else ""
    return what, reason, Tone.BAD if (what, reason) in _BAD else None


def _reboot(_details: tuple[Plain, ...]) -> _Words:
    return "rebooted", "", None


def _watchdog(details: tuple[Plain, ...]) -> _Words:
    return "watchdog", _name(_WATCHDOG, _number(details, 0)), Tone.BAD


def _io_error(details: tuple[Plain, ...]) -> _Words:
    path, alias, reason = (_text(details, at) for at in (0, 1, 3))
    told = f"{alias} {path}".strip()
    done = _name(_IO_ACTIONS, _number(details, 2))
    return "I/O error", ", ".join(filter(None, (told, reason, done))), Tone.BAD


def _agent(details: tuple[Plain, ...]) -> _Words:
    return f"guest agent {_name(_AGENT, _number(details, 0))}".strip(), "", None


def _device(what: str, details: tuple[Plain, ...]) -> _Words:
    return what, _text(details, 0), None


def _medium(details: tuple[Plain, ...]) -> _Words:
    return "medium changed", f"{_text(details, 2)}: {_text(details, 1) or 'empty'}", None


def _number(details: tuple[Plain, ...], at: int) -> int:
    value = details[at] if at < len(details) else None
    return value if isinstance(value, int) else -1


def _text(details: tuple[Plain, ...], at: int) -> str:
    value = details[at] if at < len(details) else None
    return clean_line(value) if isinstance(value, str) else ""


def _name(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else ""


_DESCRIBED: Final[dict[str, _Describe]] = {
    "LIFECYCLE": _lifecycle,
    "REBOOT": _reboot,
    "WATCHDOG": _watchdog,
    "IO_ERROR_REASON": _io_error,
    "AGENT_LIFECYCLE": _agent,
    "DEVICE_ADDED": partial(_device, "device added"),
    "DEVICE_REMOVED": partial(_device, "device removed"),
    "DISK_CHANGE": _medium,
}
"""By the names of events; block jobs and migrations have panes of their own."""
