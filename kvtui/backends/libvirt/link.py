"""The connections to one host. No call of libvirt ever runs in the thread of the event loop (libvirt.md 3f)."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kvtui.backends.libvirt.uri import check_file
from kvtui.backends.libvirt.words import translate, translate_opening
from kvtui.backends.libvirt.workers import Workers, tell
from kvtui.errors import BackendError, KvtuiError, UnauthorizedError, UnconnectedError, UnreachableError

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

_CALLS: Final = 4
"""Connections for what the user asks or looks at, of which some may hang."""
_KEEPALIVE: Final = (5, 3)
"""Seconds between two probes, and how many may stay without an answer."""
_PASSING: Final = 1.0
"""Seconds after which libvirt's thread is not waited for any more."""
_REASONS: Final = ("the connection failed", "the server closed the connection", "no answer to keepalive probes",
                   "closed by kvtui")  # fmt: skip
"""By ``virConnectCloseReason``."""

_starting: Final = threading.Lock()
_started = False


class Lane(Enum):
    """What a connection is for: each hangs by itself."""

    STATES = "states"
    """States and events: never anything that waits for a guest or for storage."""
    FIGURES = "figures"
    """Counters, which wait for a QEMU that hangs."""
    JOBS = "jobs"
    """What goes on with domains, which is to be told while one of them hangs: nothing that waits for a QEMU."""
    PROBES = "probes"
    """Questions about that which wait for a QEMU that hangs."""
    STORAGE = "storage"
    """Pools and volumes, which wait for storage that hangs."""
    GUESTS = "guests"
    """Where guests are reached, which may take its time."""
    AGENTS = "agents"
    """Questions to agents, which wait without end for one that hangs."""
    LOOKS = "looks"
    """Screens and agents that somebody wants to see, which wait for a QEMU that hangs."""
    CALLS = "calls"
    """What the user asks."""
    ERRANDS = "errands"
    """What the user asks and lasts: what is written to disk or copied."""


_SEVERAL: Final = frozenset({Lane.CALLS, Lane.ERRANDS, Lane.LOOKS, Lane.PROBES, Lane.AGENTS})
"""Those of which one call may hang while others go on."""


def load() -> Any:
    """The module libvirt, with its own event loop running in a thread. Raises BackendError with the way to get it."""
    global _started
    try:
        module = importlib.import_module("libvirt")
    except ImportError as error:
        raise BackendError(
            "hosts need libvirt-python, which is not installed here",
            "install kvtui[libvirt], or your system's python3-libvirt",
            f"the former is built with libvirt-dev, gcc and pkg-config; {error}",
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


def wait_for_events() -> None:
    """Wait until libvirt's thread has done with the events of now: what they are about may be let go of then.

    Otherwise it is that thread which lets go of it last, and perhaps of the connection, which waits for the host.
    """
    module, done = load(), threading.Event()

    def pass_by(timer: int, _opaque: object) -> None:
        module.virEventRemoveTimeout(timer)
        done.set()

    module.virEventAddTimeout(0, pass_by, None)
    done.wait(_PASSING)


class _Connection:
    """One connection with the one thread that uses it.

    libvirt allows calls of several threads on a connection, but its client for remote daemons can crash the process
    when the daemon goes away under two of them (CVE-2024-4418; before libvirt 10.3).
    """

    def __init__(self, uri: str, name: str, on_lost: Callable[[str], None]) -> None:
        """`on_lost` is called in libvirt's thread."""
        self._uri = uri
        self._on_lost = on_lost
        self._workers = Workers(f"libvirt {uri} {name}", 1)
        self._connection: libvirt.virConnect | None = None
        self._events: list[tuple[str, int]] = []
        """How to deregister, and the number of each callback."""
        self._closed = False
        self.read_only = False
        self.calls = 0
        """Those that are under way or wait. Only for the event loop's thread."""

    async def call(self, ask: Callable[[libvirt.virConnect], T], title: str, *, read_only: bool) -> T:
        """What `ask` returns; connects first where that is due."""
        self.calls += 1
        try:
            return await self._workers.run(lambda: self._ask(ask, title, read_only))
        finally:
            self.calls -= 1

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call in its thread, from any thread; it does not connect."""
        return self._workers.submit(call)

    def close(self) -> None:
        """Let go of it once the present call has ended; nobody waits for that."""
        self._closed = True
        self._workers.submit(self._close)
        self._workers.close()

    def subscribe(self, kind: str, event: int, callback: Callable[..., None]) -> bool:
        """Register for an event; whether the driver has it. In its thread."""
        module = load()
        try:
            number = getattr(self._connection, f"{kind}EventRegisterAny")(None, event, callback, None)
        except module.libvirtError:
            return False
        self._events.append((f"{kind}EventDeregisterAny", number))
        return True

    def lend(self) -> libvirt.virConnect:
        """What the thread uses."""
        assert self._connection is not None
        return self._connection

    # In its thread --------------------------------------------------------------------------------------------------

    def _ask(self, ask: Callable[[libvirt.virConnect], T], title: str, read_only: bool) -> T:
        module = load()
        if self._closed:
            raise UnconnectedError(title, "the connection is closed")
        if self._connection is None:
            self._open(module, read_only)
        try:
            assert self._connection is not None
            return ask(self._connection)
        except module.libvirtError as error:
            failure = translate(error.get_error_code(), error.get_error_message() or str(error), title)
        if isinstance(failure, UnreachableError):
            self._close()
        raise failure

    def _open(self, module: Any, read_only: bool) -> None:
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
        check_file(self._uri)
        failure: KvtuiError | None = None
        for only in (False, True) if not read_only else (True,):
            try:
                return (module.openReadOnly if only else module.open)(self._uri), only
            except module.libvirtError as error:
                found = translate_opening(error.get_error_code(), error.get_error_message() or str(error), self._uri)
                failure = failure or found
                denied = isinstance(found, UnauthorizedError) or "permission denied" in found.detail.lower()
            if not denied:
                break
        assert failure is not None
        raise failure

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        module = load()
        try:
            # While callbacks are registered, the connection outlives its closing.
            for method, number in self._events:
                getattr(connection, method)(number)
            connection.unregisterCloseCallback()
            connection.close()
        except module.libvirtError:
            pass
        finally:
            self._events.clear()

    # In libvirt's thread --------------------------------------------------------------------------------------------

    def _lost(self, _connection: libvirt.virConnect, reason: int, _opaque: object) -> None:
        if not self._closed:
            self._on_lost(_REASONS[reason] if 0 <= reason < len(_REASONS) else "the connection is gone")


class Link:
    """An open way to a host: a connection for each lane, made when it is first used."""

    def __init__(self, uri: str, on_lost: Callable[[str], None]) -> None:
        """`on_lost` is called in the event loop's thread with the reason when the connection ends by itself."""
        self.uri = uri
        self.read_only = False
        """Whether it was only granted for looking."""
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self.is_alone = uri.startswith("test:")
        """Whether all lanes are one connection: what lies in a file is that of the one which has read it."""
        self._lanes: dict[tuple[Lane, int], _Connection] = {}
        self._closed = False

    async def open(self, *, read_only: bool = False) -> None:
        """Connect. Raises BackendError, within the time that the network takes."""
        self.read_only = read_only
        first = self._lane(Lane.STATES)
        await first.call(lambda _: None, f"{self.uri} cannot be opened", read_only=read_only)
        self.read_only = first.read_only

    async def call(self, ask: Callable[[libvirt.virConnect], T], title: str, lane: Lane = Lane.CALLS) -> T:
        """What `ask` returns, called in the thread of a connection. It must return plain values.

        Raises BackendError that begins with `title`; UnreachableError when the connection is gone,
        UnconnectedError when there was none.
        """
        if self._closed:
            raise UnconnectedError(title, "the connection is closed")
        # Who may only look is shown no screens and told nothing of agents, unless the connection could do more.
        return await self._lane(lane).call(ask, title, read_only=self.read_only and lane is not Lane.LOOKS)

    def begin(self, ask: Callable[[libvirt.virConnect], T], title: str, lane: Lane) -> Future[T]:
        """Begin what `call` does, from any thread but the event loop's. Raises UnconnectedError."""
        call = self.call(ask, title, lane)
        try:
            return asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError:
            # The program is ending.
            call.close()
            raise UnconnectedError(title, "the connection is closed") from None

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call in the thread of `Lane.STATES`, from any thread, once there was a call in it."""
        return self._lanes[Lane.STATES, 0].submit(call)

    def subscribe(self, kind: str, event: int, callback: Callable[..., None]) -> bool:
        """Have `callback` called in libvirt's thread with plain values; whether the driver has such events.

        `kind` is ``domain``, ``network``, ``storagePool`` or ``nodeDevice``. Only within a call in `Lane.STATES`.
        """
        return self._lanes[Lane.STATES, 0].subscribe(kind, event, callback)

    def lend(self) -> libvirt.virConnect:
        """The connection for states, for a call that has two of them. Only in a thread of another connection."""
        return self._lanes[Lane.STATES, 0].lend()

    def close(self) -> None:
        """Let go of it; nobody waits for what a dead host answers."""
        if not self._closed:
            self._closed = True
            for connection in self._lanes.values():
                connection.close()

    def _lane(self, lane: Lane) -> _Connection:
        """The connection to use: of several the one that has least to do."""
        if self.is_alone:
            lane = Lane.STATES
        most = _CALLS if lane in _SEVERAL else 1
        for number in range(most):
            found = self._lanes.get((lane, number))
            if found is None:
                on_lost = self._tell_lost if lane is Lane.STATES else _say_nothing
                found = self._lanes[lane, number] = _Connection(self.uri, f"{lane.value} {number}", on_lost)
            if found.calls == 0:
                return found
        return min((self._lanes[lane, number] for number in range(most)), key=lambda one: one.calls)

    def _tell_lost(self, reason: str) -> None:
        tell(self._loop, lambda: None if self._closed else self._on_lost(reason))


def _say_nothing(_reason: str) -> None:
    """A further connection that is lost is made anew by its next call."""
