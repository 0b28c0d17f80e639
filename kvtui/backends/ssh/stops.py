"""What the user's ssh configuration says of the hops of a route: addresses, users, keys, and hosts in between."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asyncssh.config import SSHClientConfig

from kvtui.backends.ssh.account import Account, default_agent
from kvtui.errors import ConfigError
from kvtui.hops import PORT, Hop, Route, parse_route
from kvtui.text import clean_line

_MOST: Final = 16
"""Hops that a route may come to with all ProxyJump."""
_GLOBAL: Final = Path("/etc/ssh/ssh_config")
_KNOWN: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_KNOWN_GLOBALLY: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@dataclass(frozen=True, slots=True)
class Stop:
    """One ssh server on the way, with all that is known of it."""

    alias: str
    """The host as it was written, which is what ``Host`` in the configuration matches."""
    host: str
    port: int
    user: str
    label: str
    """As sentences name it."""
    known_as: str
    """Its name in files of known hosts."""
    known_anyhow: str
    """Its name there without the port, where one has a port; OpenSSH takes a key that is known so."""
    account: Account
    known_hosts: tuple[Path, ...]
    """Files of known hosts; new ones come into the first."""
    configs: tuple[Path, ...]
    """The files of the ssh configuration."""
    before: Route
    """Its ProxyJump."""
    picky: bool
    """Whether its HostKeyAlgorithms are configured."""

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What makes it another server, or another account there."""
        return self.user, self.host, self.port, self.known_as


def find_stops(route: Route, handshake: float) -> list[Stop]:
    """The ssh servers on the way to the last hop of a route. Raises ConfigError for a configuration that is broken.

    As with ``ssh -J``, ProxyJump counts for the first hop alone: the others are reached through the one before.
    """
    stops = [_find(hop, handshake) for hop in route]
    while stops and stops[0].before:
        before = stops[0].before
        if len(stops) + len(before) > _MOST or any(hop.host == stop.alias for hop in before for stop in stops):
            raise ConfigError(
                f"the ProxyJump of {stops[0].alias} leads in a circle",
                " > ".join([*(hop.host for hop in before), *(stop.alias for stop in stops)]),
                "correct ~/.ssh/config",
            )
        stops[:0] = [_find(hop, handshake) for hop in before]
    return stops


def _find(hop: Hop, handshake: float) -> Stop:
    files = tuple(path for path in (Path("~/.ssh/config").expanduser(), _GLOBAL) if os.access(path, os.R_OK))
    config = _load(hop, files)
    host = str(config.get("Hostname", hop.host))
    port = int(config.get("Port", PORT))
    user = str(config.get("User") or _local_user())
    alias = config.get("HostKeyAlias")
    known = str(alias or host).lower()
    has_port = port != PORT and not alias
    label = hop.host if port == PORT else f"{hop.host}:{port}"
    account = Account(
        label,
        user,
        _paths(config.get("IdentityFile") or ()),
        bool(config.get("IdentitiesOnly")),
        False,
        handshake,
        key_option="IdentityFile and IdentitiesOnly in ~/.ssh/config",
        user_option="USER@HOST, or User and IdentityFile in ~/.ssh/config",
        agent=_agent(config),
        certificates=_paths(config.get("CertificateFile") or ()),
    )
    return Stop(
        hop.host,
        host,
        port,
        user,
        label,
        f"[{known}]:{port}" if has_port else known,
        known if has_port else "",
        account,
        _paths(
            [
                *(config.get("UserKnownHostsFile", _KNOWN) or ("/dev/null",)),
                *(config.get("GlobalKnownHostsFile", _KNOWN_GLOBALLY) or ()),
            ]
        ),
        files,
        _jump(hop, config),
        bool(config.get("HostKeyAlgorithms")),
    )


def _load(hop: Hop, files: Sequence[Path]) -> Any:
    try:
        return SSHClientConfig.load(
            None, list(files), False, False, False, _local_user(), hop.user or (), hop.host, hop.port or ()
        )
    # A line that makes no sense, bytes that are no text, a file that is no more.
    except (ValueError, OSError, IndexError) as error:
        words = clean_line(str(error))
        raise ConfigError(f"the ssh configuration cannot be used for {hop.host}", words, "correct it") from error


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigError("this user has no name on this machine", hint="set LOGNAME; ssh asks for it") from error


def _jump(hop: Hop, config: Any) -> Route:
    text = config.get("ProxyJump")
    if not text:
        return ()
    try:
        route = parse_route(str(text))
    except ValueError as error:
        raise ConfigError(
            f"the ProxyJump of {hop.host} in the ssh configuration makes no sense", str(error), "correct it"
        ) from error
    # ``Host *`` with a ProxyJump matches the jump host as well.
    return () if route[-1:] and route[-1].host == hop.host else route


def _agent(config: Any) -> str:
    path = config.get("IdentityAgent", "SSH_AUTH_SOCK")
    if path is None:
        return ""
    return default_agent() if path == "SSH_AUTH_SOCK" else str(Path(path).expanduser())


def _paths(names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(Path(name).expanduser() for name in names)
