"""URIs of libvirt: how hosts are named by them, and which lead through ssh. Source: libvirt's uri.html."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

from kvtui.errors import AbsentError, BackendError, ConfigError
from kvtui.text import clean_line

_SSH: Final = "ssh"
_SOCKETS: Final = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
"""Where the daemon listens: the one for all drivers, and that of QEMU alone (daemons.html)."""
_ELSEWHERE: Final = {
    "keyfile": "name it as IdentityFile in ~/.ssh/config",
    "known_hosts": "name it as UserKnownHostsFile in ~/.ssh/config",
    "known_hosts_verify": "leave it out: a host key that is not known is asked about",
    "no_verify": "leave it out: a host key that is not known is asked about",
    "command": "name it as ProxyCommand in ~/.ssh/config",
}
"""What URIs may tell libvirt's own ssh (uri.html), and where ours is told."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_ADDRESS: Final = re.compile(r"[0-9.]+|.*:.*")


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


def check_uri(uri: str) -> None:
    """Raise ConfigError when a URI does not say what is needed, or says what would not be heeded."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"{clean_line(uri)} is no URI", clean_line(str(error))) from None
    if not parts.scheme.endswith(f"+{_SSH}"):
        return
    if not parts.hostname:
        # libvirt would run an ssh of its own, which asks on our terminal.
        raise ConfigError(f"{clean_line(uri)} names no machine", hint="as in qemu+ssh://root@kvm1/system")
    if parts.path == "/session" and "socket=" not in parts.query:
        hint = "name it: ?socket=/run/user/1000/libvirt/libvirt-sock"
        raise ConfigError(f"{clean_line(uri)}: where the socket of a session is depends on the user", hint=hint)
    ignored = next((name for name in parse_qs(parts.query) if name in _ELSEWHERE), "")
    if ignored:
        words = f"{clean_line(uri)}: {ignored}= is for libvirt's own ssh, which is not used"
        raise ConfigError(words, hint=_ELSEWHERE[ignored])


def is_uri(text: str) -> bool:
    """Whether it may be a URI, and not the name of a host."""
    return _SCHEME.match(text) is not None


def name_hosts(uris: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """What hosts are called that got no names: each as shortly as tells it from all others, and from names `taken`.

    That is the machine: ``kvm1``, else ``kvm1.example.com``, else ``kvm1.example.com-session``, and else a number.
    """
    offers = {uri: _offer_names(uri) for uri in dict.fromkeys(uris)}
    found: dict[str, str] = {}
    for uri, names in offers.items():
        others = {name for other, theirs in offers.items() if other != uri for name in theirs}.union(taken)
        numbered = (f"{names[0]}-{number}" for number in range(1, len(offers) + len(taken) + 2))
        unique = (name for name in (*names, *numbered) if name not in others and name not in found.values())
        found[uri] = next(unique)
    return found


def _offer_names(uri: str) -> list[str]:
    """Names for a host, the shortest first."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return [clean_line(uri)]
    machine = _name_machine(parts)
    short = machine if _ADDRESS.fullmatch(machine) else machine.partition(".")[0]
    what = PurePosixPath(parts.path).stem
    return [clean_line(name) for name in (short, machine, *([f"{machine}-{what}"] if what else []))]


def _name_machine(parts: SplitResult) -> str:
    """The machine of a URI, which is this one where it names none; a simulated one is called as its file."""
    if parts.hostname:
        return parts.hostname
    if parts.scheme.partition("+")[0] == "test":
        file = PurePosixPath(parts.path)
        return file.stem if file.suffix else "test"
    return socket.gethostname() or "localhost"


def has_machine(uri: str) -> bool:
    """Whether it names a machine, so that it leads over a network."""
    return bool(urlsplit(uri).hostname)


def is_simulated(uri: str) -> bool:
    """Whether it leads to libvirt's test driver, whose domains are but told of."""
    return urlsplit(uri).scheme.partition("+")[0] == "test"


def check_file(uri: str) -> None:
    """Raise AbsentError or BackendError when the file of a simulated host cannot be read, or is no XML.

    libvirt would have libxml2 tell that on the terminal, whatever is on it.
    """
    parts = urlsplit(uri)
    if not is_simulated(uri) or parts.path in ("", "/", "/default"):
        return
    title = f"{clean_line(uri)} cannot be opened"
    try:
        ET.parse(unquote(parts.path))
    except FileNotFoundError:
        raise AbsentError(title, f"there is no file {clean_line(parts.path)}", "test:///default needs none") from None
    except OSError as error:
        raise BackendError(title, error.strerror or str(error)) from None
    except ET.ParseError as error:
        raise BackendError(title, f"{clean_line(parts.path)} is no XML: {clean_line(str(error))}") from None


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
