"""OpenSSH's server for the tests: run by this user, on a free port, with files of its own."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from tests.wire.support import eventually

SSHD: Final = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
USER: Final = getpass.getuser()


@dataclass
class Sshd:
    """A running server."""

    port: int
    key: asyncssh.SSHKey
    """Its host key."""
    folder: Path
    process: asyncio.subprocess.Process

    @property
    def hop(self) -> str:
        """The server as one writes it behind --jump."""
        return f"{USER}@127.0.0.1:{self.port}"

    @property
    def known(self) -> str:
        """Its line in a file of known hosts."""
        return f"[127.0.0.1]:{self.port} {self.key.export_public_key().decode()}"

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text()

    @property
    def logins(self) -> int:
        """How many logins there were."""
        return len(re.findall(r"Accepted publickey", self.log))

    @property
    def connections(self) -> list[int]:
        """The processes that serve the connections which there are now."""
        return sorted(_children(self.process.pid))

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections meanwhile, for the system does, and says nothing."""
        pids = [self.process.pid, *self.connections]
        _send(signal.SIGSTOP, pids)
        try:
            yield
        finally:
            _send(signal.SIGCONT, pids)

    def cut(self) -> None:
        """Cut the connections that there are."""
        _send(signal.SIGKILL, self.connections)

    async def go_down(self) -> None:
        """End, and cut what there is."""
        connections = self.connections
        await self.stop()
        _send(signal.SIGKILL, connections)

    async def stop(self) -> None:
        """Let it end; connections that it has go on until they are cut."""
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


def _send(which: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        # It may have ended with the one before.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, which)


def _children(pid: int) -> set[int]:
    direct = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return direct.union(*map(_children, direct))


@contextlib.asynccontextmanager
async def running_sshd(
    folder: Path, *authorized: asyncssh.SSHKey, options: str = "", key: asyncssh.SSHKey | None = None, port: int = 0
) -> AsyncIterator[Sshd]:
    """A server that lets this user in with any of the keys."""
    assert SSHD is not None
    key = key or asyncssh.generate_private_key("ssh-ed25519")
    port = port or _free_port()
    write_server(folder, key, authorized, port, options)
    before = (folder / "log").read_text().count("listening on")
    process = await asyncio.create_subprocess_exec(
        SSHD, "-D", "-f", folder / "config", "-E", folder / "log", stdin=subprocess.DEVNULL
    )
    server = Sshd(port, key, folder, process)
    try:
        await eventually(lambda: server.log.count("listening on") > before, lambda: server.log)
        yield server
    finally:
        await server.stop()


def write_server(
    folder: Path, key: asyncssh.SSHKey, authorized: Sequence[asyncssh.SSHKey], port: int = 22, options: str = ""
) -> None:
    """The files of a server with a host key, the configuration in ``config``."""
    if os.getuid() == 0:
        # Where the part of it that is not trusted lives.
        Path("/run/sshd").mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    (folder / "log").touch()
    key.write_private_key(str(folder / "host_key"))
    (folder / "host_key").chmod(0o600)
    (folder / "authorized").write_bytes(b"".join(each.export_public_key() for each in authorized))
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nLogLevel VERBOSE\nPrintMotd no\nPrintLastLog no\n"
        # What the user's own profile does may last, and must not be cut in the middle.
        f"SetEnv HOME={folder}\n{options}\n"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
