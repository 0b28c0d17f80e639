"""The shell of a guest over a forwarded port, as a stream for the screen.

SSH runs in a thread of its own with its own event loop: a flood that is decrypted in the screen's loop makes keys wait
(design.md: 203 ms against 19 ms). A pair of sockets carries the encrypted bytes to the thread, a `Pipe` the plain ones
back; both make whoever is too quick wait. Whatever ends the pair of sockets ends the thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kvtui.backends.base import ByteStream
from kvtui.backends.ssh.errand import Errand, NobodyError
from kvtui.backends.ssh.known_hosts import KnownHosts, alias_of
from kvtui.backends.ssh.pipe import Pipe
from kvtui.backends.ssh.questions import Asker
from kvtui.config import state_dir
from kvtui.errors import BackendError, KvtuiError, UnreachableError
from kvtui.model import Ref
from kvtui.text import clean_line

if TYPE_CHECKING:
    from kvtui.backends.ssh.client import Client

_CHUNK: Final = 2**16
_FAREWELL: Final = 0.25
"""Seconds that the thread gets to end; it is a daemon, so that nobody has to wait longer."""


async def open_shell(
    stream: ByteStream,
    ref: Ref,
    *,
    user: str,
    asker: Asker,
    keys: Sequence[Path] = (),
    known_hosts: Path | None = None,
    command: str = "",
    terminal: str = "xterm-256color",
    columns: int = 80,
    lines: int = 24,
    handshake: float = 15.0,
    keepalive: float = 15.0,
) -> Shell:
    """The shell of a user on a VM or VMI, over a stream to its ssh server; the stream is closed with it.

    Without a `user` it is asked for. `keys` are the only ones that are offered; without any, those of the agent and the
    usual files in ``~/.ssh``. Of ``~/.ssh/config`` nothing is read: its hosts are not guests. `known_hosts` is by
    default a file of kvtui's own. Without `terminal` the `command` gets plain pipes. Raises BackendError.
    """
    async with AsyncExitStack() as on_failure:
        on_failure.push_async_callback(stream.close)
        name = user
        if not name:
            with suppress(NobodyError):
                name = await asker.ask(f"user on {ref.path}", False) or ""
        if not name:
            raise BackendError(
                f"not logged in to {ref.path}", "no user was named", "name one (-l, or [ssh] user in the configuration)"
            )
        hosts = KnownHosts(known_hosts or state_dir() / "known_hosts")
        errand = Errand(
            ref.path,
            alias_of(ref),
            name,
            tuple(keys),
            hosts,
            command,
            terminal,
            columns,
            lines,
            handshake,
            keepalive,
        )
        shell = Shell(stream, errand, asker)
        on_failure.pop_all()
        on_failure.push_async_callback(shell.close)
        await shell.login()
        on_failure.pop_all()
    return shell


class Shell:
    """A ByteStream that is a terminal: it has a size, and a status when it has ended."""

    def __init__(self, stream: ByteStream, errand: Errand, asker: Asker) -> None:
        self.exit_status: int | None = None
        """Of the shell or command, once `read` came to the end; 128 and more for a signal; None when nobody said."""
        self._stream = stream
        self._errand = errand
        self._asker = asker
        self._loop = asyncio.get_running_loop()
        self._pipe = Pipe()
        self._asking: asyncio.Task[str | None] | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        """Done when the shell is there, or has failed to come."""
        self._over = asyncio.Event()
        """The thread has nothing more to say."""
        self._closed = False
        self._error: KvtuiError | None = None
        self._cut: KvtuiError | None = None
        """How the stream below broke."""
        self._client: Client | None = None
        self._client_loop: asyncio.AbstractEventLoop | None = None
        self._serving = False
        """Whether the thread's loop takes on what it is sent to do; while it ends, nobody would wait for that."""
        self._calls: set[asyncio.Task[None]] = set()
        """What the thread was sent to do, kept by it until it is done."""
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._pumps = [
            self._loop.create_task(self._from_guest(), name=f"ssh of {errand.guest}, received"),
            self._loop.create_task(self._to_guest(), name=f"ssh of {errand.guest}, sent"),
        ]
        self._thread = threading.Thread(target=self._run, name=f"ssh {errand.guest}", daemon=True)
        self._thread.start()

    async def login(self) -> None:
        """Wait until the shell is there. Raises BackendError when it does not come."""
        await asyncio.shield(self._opened)

    async def read(self) -> bytes:
        """The next bytes; empty when the shell has ended. Raises UnreachableError when the connection was cut."""
        piece = await self._pipe.get()
        if not piece and not self._closed:
            await self._over.wait()
            if self._error is not None:
                raise self._error
        return piece

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises UnreachableError when the connection was cut."""
        client = self._live_client()
        await self._in_thread(lambda: client.write(data))

    async def end_input(self) -> None:
        """Say that nothing more will be written: a command that reads to the end of its input goes on."""
        client = self._live_client()
        await self._in_thread(client.end_input)

    def resize(self, columns: int, lines: int) -> None:
        """The terminal has another size now."""
        if self._client is not None and self._client_loop is not None:
            # The thread may have ended by itself.
            with suppress(RuntimeError):
                self._client_loop.call_soon_threadsafe(self._client.resize, columns, lines)

    async def close(self) -> None:
        """End the shell, its thread and the stream below; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._opened.cancel()
        if self._asking is not None:
            self._asking.cancel()
        for pump in self._pumps:
            pump.cancel()
        try:
            # The loop watches the socket for them until they have ended.
            await asyncio.gather(*self._pumps, return_exceptions=True)
        finally:
            self._here.close()
        await self._stream.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._over.wait()
        # It has said its last, and ends by itself.
        self._thread.join(_FAREWELL if self._over.is_set() else 0)
        self._pipe.end()

    # In the screen's loop

    async def _from_guest(self) -> None:
        try:
            while data := await self._stream.read():
                await self._loop.sock_sendall(self._here, data)
        except KvtuiError as error:
            self._cut = error
        except OSError:
            # The thread left first, and says why.
            return
        with suppress(OSError):
            self._here.shutdown(socket.SHUT_WR)

    async def _to_guest(self) -> None:
        with suppress(KvtuiError, OSError):
            while data := await self._loop.sock_recv(self._here, _CHUNK):
                await self._stream.write(data)

    async def _ask(self, prompt: str, secret: bool) -> str | None:
        if self._closed:
            return None
        self._asking = asyncio.ensure_future(self._asker.ask(prompt, secret))
        try:
            return await self._asking
        finally:
            self._asking = None

    def _finish(self, status: int | None, error: KvtuiError | None) -> None:
        self.exit_status = status
        self._error = self._cut or error if isinstance(error, UnreachableError) else error
        self._over.set()
        if not self._opened.done():
            self._opened.set_exception(self._error or BackendError(f"no shell of {self._errand.guest} came"))

    def _open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _live_client(self) -> Client:
        if self._client is None or self._over.is_set() or self._closed:
            raise self._error or UnreachableError(f"the shell of {self._errand.guest} has ended")
        return self._client

    async def _in_thread(self, call: Callable[[], Awaitable[None]]) -> None:
        """Do it in the thread's loop. Raises UnreachableError when it fails so, or the thread ends meanwhile."""
        done: asyncio.Future[UnreachableError | None] = self._loop.create_future()

        def settle(failure: UnreachableError | None) -> None:
            if not done.done():
                done.set_result(failure)

        async def run() -> None:
            failure = None
            try:
                await call()
            except UnreachableError as error:
                failure = error
            self._post(lambda: settle(failure))

        def start() -> None:
            if not self._serving:
                return
            task = asyncio.ensure_future(run())
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

        assert self._client_loop is not None
        try:
            # No future of the thread is waited for it could fail unheard, or its loop be closed before it is done.
            self._client_loop.call_soon_threadsafe(start)
        except RuntimeError as error:
            raise UnreachableError(f"the shell of {self._errand.guest} has ended") from error
        over = asyncio.ensure_future(self._over.wait())
        waiting: set[asyncio.Future[Any]] = {done, over}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if done.done():
            failure: KvtuiError | None = done.result()
        else:
            failure = self._error or UnreachableError(f"the shell of {self._errand.guest} has ended")
        if failure is not None:
            raise failure

    # In the thread

    def _run(self) -> None:
        status: int | None = None
        error: KvtuiError | None = None
        try:
            # A sixth of a second of imports, which the screen does not wait for.
            importlib.import_module("kvtui.backends.ssh.client")
            status = asyncio.run(self._serve())
        except KvtuiError as failure:
            error = failure
        except Exception as fault:  # noqa: BLE001 - boundary: the screen is told, and goes on
            error = BackendError(f"the shell of {self._errand.guest} failed", f"a fault of kvtui: {_words(fault)}")
        finally:
            self._there.close()
            self._post(lambda: self._finish(status, error))
            self._pipe.end()

    async def _serve(self) -> int | None:
        from kvtui.backends.ssh.client import Client

        client = Client(self._errand, self._there, self._pipe, self._ask_from_thread)
        loop = self._client_loop = asyncio.get_running_loop()
        self._client = client

        def go_on() -> None:
            # The thread may have ended by itself.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(client.go_on)

        self._pipe.on_room = go_on
        self._serving = True
        try:
            return await client.run(lambda: self._post(self._open))
        finally:
            self._serving = False

    def _ask_from_thread(self, prompt: str, secret: bool) -> concurrent.futures.Future[str | None]:
        return asyncio.run_coroutine_threadsafe(self._ask(prompt, secret), self._loop)

    def _post(self, call: Callable[[], None]) -> None:
        # The screen's loop may be closed already, when the program ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)


def _words(fault: BaseException) -> str:
    return clean_line(repr(fault))
