"""Serial lines and pictures of domains (virDomainOpenConsole, virDomainScreenshot; facts: libvirt.md 3e and 3f)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from kvtui.backends.libvirt.acts import NO_DOMAIN, find_domain
from kvtui.backends.libvirt.link import Lane, Link, load, wait_for_events
from kvtui.backends.libvirt.words import is_unsupported
from kvtui.backends.libvirt.workers import tell
from kvtui.errors import AbsentError, BackendError, ConflictError, UnconnectedError, UnreachableError
from kvtui.model import Ref
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_PIECE: Final = 65_536
_ROUNDS: Final = 16
"""Pieces that are received before libvirt's thread sees to its other connections."""
_MOST: Final = 1_048_576
"""Bytes that may wait to be read; beyond them libvirt keeps the rest, until half of them are read."""
_FULL: Final = 0.01
"""Seconds until a line that takes no more is tried again: only drivers in this process have such."""
_OPENING: Final = 20.0
"""Seconds that opening may last, with the connection."""
_CLOSING: Final = 0.3
"""Seconds that the host is given to say good-bye."""
_LARGEST_PICTURE: Final = 32 * 2**20
"""Bytes of a screenshot that are read: a PPM of 3840 by 2160 pixels has 25 MB."""
_PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"P6")
_NOT_RUNNING: Final = 55  # VIR_ERR_OPERATION_INVALID
_NO_LINE: Final = ("cannot find console device", "cannot find character device", "no console device")
"""qemu_driver.c, qemuDomainOpenConsole: a mere internal error."""


class _Nobody:
    """Takes the place of a stream that has ended, in what libvirt holds of it."""

    def _dispatchStreamEventCallback(self, _events: int, _data: object) -> int:  # noqa: N802 - libvirt-python's name
        return 0


_NOBODY: Final = _Nobody()


class Console:
    """A serial line of a domain. Implements ByteStream.

    libvirt's thread receives, and the thread of the connection sends. Neither waits for the other, for a send to a
    host that hangs lasts for seconds, and libvirt's thread is that of all hosts.
    """

    def __init__(
        self, link: Link, title: str, on_end: Callable[[Console], None], on_lost: Callable[[str], None]
    ) -> None:
        """`title` is for sentences; `on_end` is called once, when nothing of the line is left; `on_lost` when a call
        finds that the whole connection is gone.
        """
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._title = title
        self._on_end = on_end
        self._on_lost = on_lost
        # Shared by the threads, under the lock, which is never held during a call that may wait.
        self._lock = threading.Lock()
        self._stream: libvirt.virStream | None = None
        self._held: dict[str, Any] = {}
        """What libvirt holds as long as the process lives (libvirt.md 3f.3)."""
        self._waiting = 0
        self._masked = False
        self._over = False
        # The event loop's.
        self._pieces: deque[bytes] = deque()
        self._moved = asyncio.Event()
        self._has_ended = False
        self._error: BackendError | None = None
        """What ended it, unless that was the guest's end."""
        self._shutting: Future[None] | None = None

    async def open(self, ref: Ref, line: str, *, take: bool) -> None:
        """Open it; who gives up meanwhile leaves nothing open. Raises BackendError."""
        with ExitStack() as on_failure:
            on_failure.callback(self._end, None)
            ask = partial(self._open, ref=ref, line=line, take=take)
            await self._link.call(ask, self._title, Lane.STATES)
            on_failure.pop_all()

    async def read(self) -> bytes:
        """The next bytes; empty when the guest's end closed the line. Raises BackendError when it was cut."""
        while not self._pieces:
            if self._has_ended:
                if self._error is not None:
                    raise self._error
                return b""
            self._moved.clear()
            await self._moved.wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        with self._lock:
            self._waiting -= len(data)
            resumes = self._masked and self._waiting < _MOST // 2
        if resumes:
            self._link.submit(self._unmask)
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes; libvirt takes them long before the guest does. Raises BackendError when the line is cut."""
        if self._has_ended:
            raise self._error or _cut("it has ended")
        try:
            await self._link.call(lambda _connection: self._send(data), self._title, Lane.STATES)
        except UnreachableError as error:
            self._on_lost(error.detail)
            raise (self._error or error) from None

    async def close(self) -> None:
        """End the line; nobody waits for a host that does not answer."""
        self._end(None)
        if self._shutting is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING):
                    await asyncio.shield(asyncio.wrap_future(self._shutting))

    def lose(self, reason: str) -> None:
        """The connection is gone."""
        self._end(_lost(reason))

    def _end(self, error: BackendError | None) -> None:
        """In the event loop's thread."""
        if self._has_ended:
            return
        self._has_ended, self._error = True, error
        self._moved.set()
        with self._lock:
            self._over = True
        self._shutting = self._link.submit(self._shut)
        # The stream must be gone before the connection may.
        self._shutting.add_done_callback(lambda _: tell(self._loop, lambda: self._on_end(self)))

    def _take(self, data: bytes) -> None:
        self._pieces.append(data)
        self._moved.set()

    # In the thread of the connection -------------------------------------------------------------------------------

    def _open(self, connection: libvirt.virConnect, *, ref: Ref, line: str, take: bool) -> None:
        module = load()
        stream = connection.newStream(module.VIR_STREAM_NONBLOCK)
        find_domain(connection, ref).openConsole(line or None, stream, module.VIR_DOMAIN_CONSOLE_FORCE if take else 0)
        with self._lock:
            self._stream = stream
            self._held = {"stream": stream, "cb": self._hear, "opaque": None}
        # Not stream.eventAddCallback(): what that hands over is never let go of, and the connection with it.
        if module.libvirtmod.virStreamEventAddCallback(stream._o, self._mask(reads=True), self._held) == -1:
            raise module.libvirtError("virStreamEventAddCallback() failed")
        if self._over:
            self._shut()

    def _send(self, data: bytes) -> None:
        while data:
            with self._lock:
                stream = self._stream
            if stream is None:
                return
            sent = stream.send(data[:_PIECE])
            if sent < 0:
                time.sleep(_FULL)
            data = data[max(0, sent) :]

    def _unmask(self) -> None:
        with self._lock:
            if self._masked and self._stream is not None:
                self._masked = False
                with suppress(load().libvirtError):
                    self._stream.eventUpdateCallback(self._mask(reads=True))

    def _shut(self) -> None:
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is None:
            return
        failure = load().libvirtError
        with suppress(failure):
            stream.eventRemoveCallback()
        wait_for_events()
        with suppress(failure):
            stream.abort()
        # An event that is on its way yet must find somebody.
        self._held.update(stream=_NOBODY, cb=None)

    # In libvirt's thread --------------------------------------------------------------------------------------------

    def _hear(self, stream: libvirt.virStream, events: int, _opaque: object) -> None:
        module = load()
        if self._over:
            return
        try:
            if events & module.VIR_STREAM_EVENT_READABLE and self._receive(stream):
                self._finish(None)
            elif events & (module.VIR_STREAM_EVENT_ERROR | module.VIR_STREAM_EVENT_HANGUP):
                self._finish(_cut("the host closed it"))
        except module.libvirtError as error:
            self._finish(_cut(clean_line(error.get_error_message() or str(error))))

    def _receive(self, stream: libvirt.virStream) -> bool:
        """Hand over what there is; whether the guest's end has closed the line."""
        for _ in range(_ROUNDS):
            data: object = stream.recv(_PIECE)
            if not isinstance(data, bytes):
                # Nothing more for now.
                return False
            if not data:
                return True
            self._hand_over(data)
            with self._lock:
                self._waiting += len(data)
                if self._waiting > _MOST:
                    self._masked = True
                    stream.eventUpdateCallback(self._mask(reads=False))
                    return False
        return False

    def _hand_over(self, data: bytes) -> None:
        tell(self._loop, lambda: self._take(data))

    def _finish(self, error: BackendError | None) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
        tell(self._loop, lambda: self._end(error))

    @staticmethod
    def _mask(*, reads: bool) -> int:
        module = load()
        ends: int = module.VIR_STREAM_EVENT_ERROR | module.VIR_STREAM_EVENT_HANGUP
        return ends | (module.VIR_STREAM_EVENT_READABLE if reads else 0)


class Consoles:
    """The open consoles of one host, on one connection that nothing else uses: a flood there slows no other call."""

    def __init__(self, find_uri: Callable[[], Awaitable[str]]) -> None:
        """`find_uri` tells where the connection leads to."""
        self._find_uri = find_uri
        self._link: Link | None = None
        self._open: set[Console] = set()
        self._opening = 0

    async def open(self, ref: Ref, line: str, *, take: bool) -> Console:
        """A serial line of a domain, by its alias or the first one. Raises BackendError."""
        title = f"the console of {clean_line(ref.path)}"
        self._opening += 1
        try:
            uri = await self._find_uri()
            # Of its lanes only the one whose loss is told.
            self._link = self._link or Link(uri, self._lose)
            console = Console(self._link, title, self._forget, self._lose)
            self._open.add(console)
            async with asyncio.timeout(_OPENING):
                await console.open(ref, line, take=take)
        except TimeoutError:
            raise UnreachableError(title, f"{ref.backend} does not answer") from None
        except UnconnectedError as error:
            raise UnconnectedError(f"{ref.backend} cannot be reached", error.detail, error.hint) from error
        except BackendError as error:
            raise _explain(error, ref, line) from error
        finally:
            self._opening -= 1
            self._rest()
        return console

    def close(self) -> None:
        """End all of them, at once."""
        self._lose("closed by kvtui")

    def _lose(self, reason: str) -> None:
        """The connection is gone, and all consoles with it; its thread sees to what is left of them."""
        for console in tuple(self._open):
            console.lose(reason)
        self._open.clear()
        self._hang_up()

    def _forget(self, console: Console) -> None:
        self._open.discard(console)
        self._rest()

    def _rest(self) -> None:
        """Without consoles the connection is not kept."""
        if not self._open and not self._opening:
            self._hang_up()

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()


def read_screenshot(connection: libvirt.virConnect, ref: Ref) -> bytes:
    """What a domain shows on its first screen: PNG, or PPM of older hosts. In a thread; raises libvirtError and
    BackendError.
    """
    stream = connection.newStream(0)
    find_domain(connection, ref).screenshot(stream, 0, 0)
    picture = bytearray()
    while data := stream.recv(_PIECE):
        picture += data
        if len(picture) > _LARGEST_PICTURE:
            stream.abort()
            raise BackendError(f"the picture of {ref.path} is too large", f"more than {_LARGEST_PICTURE >> 20} MiB")
    stream.finish()
    if not picture.startswith(_PICTURES):
        raise BackendError(f"no picture of {ref.path} came", "the answer is neither PNG nor PPM")
    return bytes(picture)


def _cut(words: str) -> BackendError:
    return BackendError(
        "the console was cut", f"taken over by another client, or the machine stopped or moved: {words}"
    )


def _lost(reason: str) -> BackendError:
    error = UnreachableError("the console was cut", reason)
    error.silent = True
    return error


def _explain(error: BackendError, ref: Ref, line: str) -> BackendError:
    """Why a line could not be opened, with the codes that tell whether it is worth to wait."""
    folded = error.detail.lower()
    if any(words in folded for words in _NO_LINE):
        what = f"has no serial line {clean_line(line)}" if line else "has no serial line"
        return AbsentError(error.title, f"No serial console: {clean_line(ref.path)} {what}")
    if is_unsupported(error.code):
        return BackendError(error.title, "this driver of libvirt has no consoles", code=error.code)
    if isinstance(error, AbsentError) and error.code == NO_DOMAIN:
        error.code = 404
    elif isinstance(error, ConflictError) and error.code == _NOT_RUNNING:
        error.code = 409
    return error
