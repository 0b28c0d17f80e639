"""One connection to libvirt. No call of libvirt ever runs in the thread of the event loop (libvirt.md 3f)."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kvtui.backends.libvirt.words import translate, translate_opening
from kvtui.backends.libvirt.workers import Workers, tell
from kvtui.errors import BackendError, KvtuiError, UnauthorizedError, UnreachableError

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

_WORKERS: Final = 4
"""Calls of one connection at a time: the poll of states, that of figures, and what the user asks for."""
_KEEPALIVE: Final = (5, 3)
"""Seconds between two probes, and how many may stay without an answer."""
_REASONS: Final = ("the connection failed", "the server closed the connection", "no answer to keepalive probes",
                   "closed by kvtui")  # fmt: skip
"""By ``virConnectCloseReason``."""

_starting: Final = threading.Lock()
_started = False


def load() -> Any:
    """The module libvirt, with its own event loop running in a thread. Raises BackendError with the way to get it."""
    global _started
    try:
        module = importlib.import_module("libvirt")
    except ImportError as error:
        raise BackendError(
            "hosts need libvirt-python, which is not installed here",
            str(error),
            "install kvtui[libvirt], with libvirt-dev, gcc and pkg-config, or your system's python3-libvirt",
        ) from None
    with _starting:
        if not _started:
            _started = True
            # Otherwise every error is printed over the screen.
            module.registerErrorHandler(lambda *_: None, None)
            module.virEventRegisterDefaultImpl()
            threading.Thread(target=_turn, args=(module,), name="libvirt events", daemon=True).start()
    return module


def _turn(module: Any) -> None:
    while True:
        module.virEventRunDefaultImpl()


class Link:
    """An open connection, its threads, and its events. Only those threads touch what is libvirt's."""

    def __init__(self, uri: str, on_lost: Callable[[str], None]) -> None:
        """`on_lost` is called in the event loop's thread with the reason, once, when the connection ends by itself."""
        self.uri = uri
        self.read_only = False
        """Whether it was only granted for looking."""
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._workers = Workers(f"libvirt {uri}", _WORKERS)
        self._connection: libvirt.virConnect | None = None
        self._events: list[tuple[str, int]] = []
        """How to deregister, and the number of each callback."""
        self._closed = False

    async def open(self, *, read_only: bool = False) -> None:
        """Connect. Raises BackendError, within the time that the network takes."""
        await self._workers.run(lambda: self._open(read_only))

    async def call(self, ask: Callable[[libvirt.virConnect], T], title: str) -> T:
        """What `ask` returns, called with the connection in one of its threads. It must return plain values.

        Raises BackendError that begins with `title`; UnreachableError when the connection is gone.
        """
        return await self._workers.run(lambda: self._ask(ask, title))

    def lend(self) -> libvirt.virConnect:
        """The connection, for a call that has two of them. Only in a thread of another connection."""
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        """Let go of it; nobody waits for what a dead host answers."""
        if not self._closed:
            self._closed = True
            self._workers.submit(self._close)
            self._workers.close()

    # In the threads of the connection -------------------------------------------------------------------------------

    def _open(self, read_only: bool) -> None:
        module = load()
        connection, self.read_only = self._connect(module, read_only)
        try:
            connection.registerCloseCallback(self._lost, None)
            connection.setKeepAlive(*_KEEPALIVE)
        except module.libvirtError:
            # Drivers that live in this process have no connection that could be lost.
            pass
        self._connection = connection

    def _connect(self, module: Any, read_only: bool) -> tuple[libvirt.virConnect, bool]:
        """The connection, and whether it is one for looking only: as asked for, or as nothing else is granted."""
        failure: KvtuiError | None = None
        for only in (False, True) if not read_only else (True,):
            try:
                return (module.openReadOnly if only else module.open)(self.uri), only
            except module.libvirtError as error:
                found = translate_opening(error.get_error_code(), error.get_error_message() or str(error), self.uri)
                failure = failure or found
                denied = isinstance(found, UnauthorizedError) or "permission denied" in found.detail.lower()
            if not denied:
                break
        assert failure is not None
        raise failure

    def _ask(self, ask: Callable[[libvirt.virConnect], T], title: str) -> T:
        module = load()
        connection = self._connection
        if connection is None:
            raise UnreachableError(title, "the connection is closed")
        try:
            return ask(connection)
        except module.libvirtError as error:
            failure = translate(error.get_error_code(), error.get_error_message() or str(error), title)
        raise failure

    def subscribe(self, connection: libvirt.virConnect, kind: str, event: int, callback: Callable[..., None]) -> bool:
        """Have `callback` called in libvirt's thread with plain values; whether the driver has such events.

        `kind` is ``domain``, ``network``, ``storagePool`` or ``nodeDevice``. Called in a thread of the connection.
        """
        module = load()
        try:
            number = getattr(connection, f"{kind}EventRegisterAny")(None, event, callback, None)
        except module.libvirtError:
            return False
        self._events.append((f"{kind}EventDeregisterAny", number))
        return True

    def _close(self) -> None:
        module = load()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            # While callbacks are registered, the connection outlives its closing.
            for method, number in self._events:
                getattr(connection, method)(number)
            connection.unregisterCloseCallback()
            connection.close()
        except module.libvirtError:
            pass

    # In libvirt's thread --------------------------------------------------------------------------------------------

    def _lost(self, _connection: libvirt.virConnect, reason: int, _opaque: object) -> None:
        words = _REASONS[reason] if 0 <= reason < len(_REASONS) else "the connection is gone"
        tell(self._loop, lambda: None if self._closed else self._on_lost(words))
