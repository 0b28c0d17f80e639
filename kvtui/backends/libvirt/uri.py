"""URIs of libvirt: how hosts are named by them, and which lead through ssh. Source: libvirt's uri.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from kvtui.errors import ConfigError
from kvtui.text import clean_line

_SSH: Final = "ssh"
_SOCKETS: Final = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
"""Where the daemon listens: the one for all drivers, and that of QEMU alone (daemons.html)."""


@dataclass(frozen=True, slots=True)
class RemoteUri:
    """A URI with the transport ssh."""

    driver: str
    user: str
    host: str
    port: int | None
    path: str
    socket: str
    """Named by the URI; empty for the usual ones."""

    @property
    def sockets(self) -> tuple[str, ...]:
        """Where the daemon may listen there."""
        return (self.socket,) if self.socket else _SOCKETS

    def through(self, socket: str) -> str:
        """The URI that leads to a socket of this machine."""
        return f"{self.driver}+unix://{self.path}?socket={socket}"


def check_uri(uri: str) -> str:
    """The URI. Raises ConfigError when it can be none."""
    parts = urlsplit(uri)
    if parts.scheme.endswith("+ssh") and parts.path == "/session" and "socket=" not in parts.query:
        hint = "name it: ?socket=/run/user/1000/libvirt/libvirt-sock"
        raise ConfigError(f"{clean_line(uri)}: where the socket of a session is depends on the user", hint=hint)
    if not parts.scheme or "/" not in uri:
        raise ConfigError(
            f"{clean_line(uri)!r} is no URI of libvirt", hint="as in qemu:///system or qemu+ssh://root@kvm1/system"
        )
    return uri


def name_host(uri: str) -> str:
    """What a host is called that got no name: that of the machine, or the URI itself for this one."""
    try:
        return clean_line(urlsplit(uri).hostname or uri)
    except ValueError:
        return clean_line(uri)


def is_simulated(uri: str) -> bool:
    """Whether it leads to libvirt's test driver, whose domains are but told of."""
    return urlsplit(uri).scheme.partition("+")[0] == "test"


def explain_distance(uri: str) -> str:
    """What keeps us from the network of a host, and the way out; empty for this machine and for what ssh leads to."""
    parts = urlsplit(uri)
    driver, _, transport = parts.scheme.partition("+")
    if transport == _SSH or not parts.hostname:
        return ""
    return (
        f"{clean_line(parts.hostname)} is reached by libvirt's {clean_line(transport) or 'TLS'} alone; "
        f"{clean_line(driver)}+ssh://USER@{clean_line(parts.hostname)}{clean_line(parts.path)} would do"
    )


def parse_remote(uri: str) -> RemoteUri | None:
    """The parts of a URI that leads through ssh; None for all others."""
    parts = urlsplit(uri)
    driver, _, transport = parts.scheme.partition("+")
    if transport != _SSH or not parts.hostname:
        return None
    return RemoteUri(
        driver,
        parts.username or "",
        parts.hostname,
        parts.port,
        parts.path or "/system",
        next(iter(parse_qs(parts.query).get("socket", [])), ""),
    )
