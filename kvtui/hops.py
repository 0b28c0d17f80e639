"""The way to a remote place over ssh, as users write it: ``USER@BASTION[:PORT],USER@NEXT``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DIRECT: Final = "none"
"""What is written where a way from elsewhere, as from the configuration, is not to be taken."""
PORT: Final = 22
_PORTS: Final = range(1, 65_536)
_SCHEME: Final = "ssh://"
_NAME: Final = re.compile(r"[\w.+][\w.+-]*")
"""A host name or the alias of one; like ssh, we take none that would look like an option."""
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?")
_USER: Final = re.compile(r"[^\s\x00-\x20\x7f-\x9f,-][^\s\x00-\x20\x7f-\x9f,]*")


class Hop(NamedTuple):
    """One ssh server on the way. Without a user or port, ``~/.ssh/config`` knows them, or it is the usual."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


Route = tuple[Hop, ...]
"""The ssh servers on the way, the nearest first; without any, there is nothing in between."""


def parse_route(text: str) -> Route:
    """The hops of ``[USER@]HOST[:PORT][,...]``; none for ``none``. Raises ValueError with a sentence."""
    if text.strip().lower() == DIRECT:
        return ()
    if not text.strip():
        raise ValueError(f"the jump host has no name; {DIRECT} means that there is none")
    return tuple(_parse_hop(part.strip()) for part in text.split(","))


def write_route(route: Route) -> str:
    """The text of which `parse_route` makes the route."""
    return ",".join(map(str, route)) or DIRECT


def _parse_hop(text: str) -> Hop:
    if not text:
        raise ValueError("a jump host between the commas has no name")
    user, at, place = text.removeprefix(_SCHEME).rpartition("@")
    if at and not _USER.fullmatch(user):
        raise ValueError(f"{text!r} has no user before the @ that one could log in as")
    host, port = _split(text, place)
    return Hop(host, user, _parse_port(text, port))


def _split(text: str, place: str) -> tuple[str, str | None]:
    """Host and port; an IPv6 address has brackets."""
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or not _ADDRESS.fullmatch(host):
            raise ValueError(f"{text!r} is no jump host: in brackets stands an IPv6 address, as in [fd00::1]:22")
        return host, rest[1:] if rest else None
    if place.count(":") > 1:
        raise ValueError(f"{text!r} is no jump host: write an IPv6 address in brackets, as in [fd00::1]:22")
    host, colon, port = place.partition(":")
    if not _NAME.fullmatch(host):
        raise ValueError(f"{text!r} is no jump host: write USER@HOST or USER@HOST:PORT")
    return host, port if colon else None


def _parse_port(text: str, port: str | None) -> int:
    if port is None:
        return 0
    # `isdecimal` takes digits of every script, and `int` any number of them.
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) not in _PORTS:
        raise ValueError(f"{text!r} has no port from 1 to 65535 behind the colon")
    return int(port)
