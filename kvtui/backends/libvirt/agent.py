"""What the agent in a guest tells (virDomainGetGuestInfo). Asked only when somebody wants to read it: it may hang."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from kvtui.backends.libvirt.acts import find_domain
from kvtui.backends.libvirt.link import load
from kvtui.model import Ref
from kvtui.records.libvirt import Address, Filesystem, Guest
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

Told = Mapping[str, object]
"""Typed parameters: ``fs.0.mountpoint``."""
_MOST: Final = 256
"""Entries of a list that are read: a guest may say what it likes."""


def read_guest(connection: libvirt.virConnect, ref: Ref) -> Guest:
    """Ask the agent. In a thread; raises libvirtError when it tells nothing at all."""
    domain = find_domain(connection, ref)
    told: Any = domain.guestInfo(0, 0)
    silent: list[str] = []
    clock = _try("time", domain.getTime, silent)
    ahead = None if clock is None else clock["seconds"] + clock["nseconds"] / 1e9 - time.time()
    return describe_guest(told, ahead, silent)


def describe_guest(told: Told, clock: float | None = None, silent: list[str] | None = None) -> Guest:
    """The parameters as a record."""
    return Guest(
        os=_text(told, "os.pretty-name") or f"{_text(told, 'os.name')} {_text(told, 'os.version')}".strip(),
        kernel=_text(told, "os.kernel-release"),
        hostname=_text(told, "hostname"),
        timezone=_text(told, "timezone.name"),
        users=tuple(filter(None, (_text(told, f"{user}.name") for user in _each(told, "user")))),
        filesystems=tuple(
            Filesystem(
                mount=_text(told, f"{fs}.mountpoint"),
                type=_text(told, f"{fs}.fstype"),
                device=_text(told, f"{fs}.name"),
                total=_number(told, f"{fs}.total-bytes"),
                used=_number(told, f"{fs}.used-bytes"),
            )
            for fs in _each(told, "fs")
        ),
        addresses=tuple(
            Address(_text(told, f"{card}.hwaddr"), _text(told, f"{address}.addr"), "agent")
            for card in _each(told, "if")
            if _text(told, f"{card}.name") != "lo"
            for address in _each(told, f"{card}.addr")
        ),
        clock=clock,
        silent=tuple(silent or ()),
    )


def _each(told: Told, prefix: str) -> Iterator[str]:
    return (f"{prefix}.{index}" for index in range(min(_MOST, _number(told, f"{prefix}.count") or 0)))


def _text(told: Told, name: str) -> str:
    value = told.get(name)
    return clean_line(value) if isinstance(value, str) else ""


def _number(told: Told, name: str) -> int | None:
    value = told.get(name)
    return value if isinstance(value, int) and value >= 0 else None


def _try(what: str, ask: Callable[[], Any], silent: list[str]) -> Any:
    try:
        return ask()
    except load().libvirtError as error:
        silent.append(f"{what}: {clean_line(error.get_error_message() or str(error))}")
        return None
