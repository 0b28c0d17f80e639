"""Ssh servers of the tests' own behind a plain stream, and a user who answers what is asked."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import SSHPacket, String, UInt32

from kvtui.backends.ssh import Shell, open_shell
from kvtui.errors import UnreachableError
from kvtui.model import Ref

VM = Ref("prod", "VirtualMachine", "shop", "web-1", "uid")
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")


class User:
    """Answers questions one after the other, and gives up when there is no answer left."""

    def __init__(self, *answers: str) -> None:
        self.answers = [*answers]
        self.asked: list[tuple[str, bool]] = []

    async def ask(self, prompt: str, secret: bool) -> str | None:
        self.asked.append((prompt, secret))
        return self.answers.pop(0) if self.answers else None


class Absent:
    """A user who answers nothing, and does not give up either."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def ask(self, prompt: str, secret: bool) -> str | None:
        self.asked.set()
        await asyncio.Event().wait()
        return None


class Wire:
    """A TCP connection as a ByteStream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.closed = False

    async def read(self) -> bytes:
        try:
            return await self._reader.read(65_536)
        except OSError as error:
            raise UnreachableError("the wire was cut", "by the test") from error

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise UnreachableError("the wire was cut", "by the test") from error

    async def close(self) -> None:
        self.closed = True
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Door(asyncssh.SSHServer):
    """Lets `root` in with the password ``right``, and whoever comes with one of the keys."""

    def __init__(self, keys: set[bytes], passwords: bool = True) -> None:
        self._keys = keys
        self._passwords = passwords

    def password_auth_supported(self) -> bool:
        return self._passwords

    def kbdint_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("root", "right")

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data in self._keys


class Questions(Door):
    """Asks two questions by keyboard-interactive, one of them with a control character, and has no passwords."""

    def __init__(self) -> None:
        super().__init__(set(), passwords=False)

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "Two\x1b[31m things:", "", [("Password: ", False), ("Code: ", True)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return list(responses) == ["right", "123456"]


async def echo_shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Says the terminal's size at the start and at each change, what was typed, and ends at q with the status 3."""
    size = process.get_terminal_size()
    process.stdout.write(f"{process.get_terminal_type()} {size[0]}x{size[1]} {process.command or 'shell'}\r\n".encode())
    while True:
        try:
            data = await process.stdin.read(65_536)
        except asyncssh.TerminalSizeChanged as change:
            process.stdout.write(f"now {change.width}x{change.height}\r\n".encode())
            continue
        except asyncssh.BreakReceived:
            continue
        if not data or data == b"q":
            process.exit(3 if data else 0)
            return
        process.stdout.write(data)


@contextlib.asynccontextmanager
async def ssh_server(
    door: Callable[[], asyncssh.SSHServer] = lambda: Door(set()),
    shell: Callable[[Any], Awaitable[None]] = echo_shell,
    **options: Any,
) -> AsyncIterator[int]:
    """An ssh server on a free port."""
    chosen = {"server_host_keys": [HOST_KEY], "encoding": None, "line_editor": False} | options
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=door, process_factory=shell, config=None, **chosen)
    try:
        yield server.get_port()
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A TCP server on a free port, for what is no ssh server."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wire_to(port: int) -> Wire:
    """A stream to a port of this machine."""
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


async def shell_at(port: int, asker: User | Absent, file: Path, **options: Any) -> Shell:
    chosen: dict[str, Any] = {"user": "root", **options}
    return await open_shell(await wire_to(port), VM, asker=asker, known_hosts=file, **chosen)


async def read_until(shell: Shell, words: bytes) -> bytes:
    text = b""
    while words not in text:
        piece = await asyncio.wait_for(shell.read(), 10)
        assert piece, text
        text += piece
    return text


async def read_to_end(shell: Shell) -> bytes:
    text = b""
    while piece := await asyncio.wait_for(shell.read(), 10):
        text += piece
    return text


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the loops, that of the shell's thread too, would have put on standard error."""
    gc.collect()
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


class Agent:
    """An ssh-agent that holds one key."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self.key = key
        self.left = asyncio.Event()
        """Whoever came has closed the connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer SSH_AGENTC_REQUEST_IDENTITIES (11) and SSH_AGENTC_SIGN_REQUEST (13), as in draft-miller-ssh-agent."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                message = SSHPacket(await reader.readexactly(size))
                if message.get_byte() == 11:
                    answer = bytes([12]) + UInt32(1) + String(self.key.public_data) + String("of the test")
                else:
                    message.get_string()
                    answer = bytes([14]) + String(self.key.sign(message.get_string(), self.key.algorithm))
                writer.write(String(answer))
        self.left.set()
        writer.close()


def write_key(file: Path, passphrase: str | None = None) -> asyncssh.SSHKey:
    """A new key in a file."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    file.parent.mkdir(exist_ok=True)
    key.write_private_key(str(file), passphrase=passphrase, rounds=50)
    file.chmod(0o600)
    return key
