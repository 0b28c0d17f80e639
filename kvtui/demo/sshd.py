"""The ssh server of the simulated guests: real SSH, whose shell is the guest's.

The only module of the demo that imports `asyncssh`, and imported itself by the first connection alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import socket
from collections.abc import Collection, Mapping
from typing import Final

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kvtui.demo.guest import Guest
from kvtui.demo.guests.pseudo import PseudoTerminal

logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)

_END_OF_FILE: Final = b"\x04"
_BUFFERED: Final = 2**18
"""Bytes that wait for a slow client before the program that writes them has to wait."""


def host_key(uid: str) -> asyncssh.SSHKey:
    """The ed25519 key of the VM with that uid, always the same one: it outlives restarts of VM and demo cluster."""
    secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"kvtui demo {uid}".encode()).digest())
    return asyncssh.import_private_key(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def serve_ssh(end: socket.socket, guest: Guest, uid: str, authorized: Collection[str]) -> None:
    """Speak SSH on a socket for a guest until the connection ends. `authorized`: lines of an authorized_keys."""
    # What a client does wrong is its own trouble.
    with contextlib.suppress(asyncssh.Error, OSError):
        connection = await asyncssh.run_server(
            end,
            config=None,
            server_factory=lambda: _Server(guest, authorized),
            server_host_keys=[host_key(uid)],
            server_version="OpenSSH_10.0",
            encoding=None,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
        )
        try:
            await connection.wait_closed()
        finally:
            connection.abort()


class _Server(asyncssh.SSHServer):
    """One connection: any password is right for the users that the guest has, as on its serial line."""

    def __init__(self, guest: Guest, authorized: Collection[str]) -> None:
        self._guest = guest
        self._authorized = {asyncssh.import_public_key(line).public_data for line in authorized if _is_key(line)}
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return bool(password) and username in self._guest.users

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username in self._guest.users and key.public_data in self._authorized

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        assert self._connection is not None
        return _Session(self._guest, self._connection)


def _is_key(line: str) -> bool:
    try:
        asyncssh.import_public_key(line)
    except asyncssh.KeyImportError:
        return False
    return True


class _Session(asyncssh.SSHServerSession[bytes]):
    """One shell or command."""

    def __init__(self, guest: Guest, connection: asyncssh.SSHServerConnection) -> None:
        self._guest = guest
        self._connection = connection
        self._size: tuple[int, int] | None = None
        """Columns and rows, where a terminal was asked for."""
        self._line: str | None = None
        self._terminal: PseudoTerminal | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        chan.set_write_buffer_limits(high=_BUFFERED)

    def pty_requested(self, _type: str, term_size: tuple[int, int, int, int], _modes: Mapping[int, int]) -> bool:
        self._size = term_size[:2]
        return True

    def shell_requested(self) -> bool:
        return self._guest.state == "running"

    def exec_requested(self, command: str) -> bool:
        self._line = command
        return self._guest.state == "running"

    def session_started(self) -> None:
        terminal = self._guest.open_terminal(
            self._connection.get_extra_info("username"),
            self._channel.write,
            self._ended,
            line=self._line,
            is_terminal=self._size is not None,
        )
        if self._size is not None:
            terminal.resize(*self._size)
        self._terminal = terminal
        terminal.start()

    def terminal_size_changed(self, width: int, height: int, _pixwidth: int, _pixheight: int) -> None:
        if self._terminal is not None:
            self._terminal.resize(width, height)

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        if self._terminal is not None:
            self._terminal.receive(data)

    def eof_received(self) -> bool:
        if self._terminal is not None:
            self._terminal.receive(_END_OF_FILE)
        return True

    def pause_writing(self) -> None:
        if self._terminal is not None:
            self._terminal.paused = True

    def resume_writing(self) -> None:
        if self._terminal is not None:
            self._terminal.paused = False

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._terminal is not None:
            self._terminal.hang_up()

    def _ended(self, status: int | None) -> None:
        if status is not None:
            self._channel.exit(status)
        elif not self._channel.is_closing():
            # The system goes down, and its network with it.
            self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, "the system goes down")
