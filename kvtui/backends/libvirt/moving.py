"""Moving domains from host to host. Facts, parameters and errors: libvirt.md 5; libvirt's migration.html."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from kvtui.backends.acting import Guard
from kvtui.backends.base import MoveCheck, MovePlan, Transport
from kvtui.backends.libvirt.checks import find_loss, look_at_source, look_at_target
from kvtui.backends.libvirt.link import Link, load
from kvtui.backends.libvirt.uri import is_simulated
from kvtui.errors import AbsentError, BackendError, ConflictError, KvtuiError, UnreachableError
from kvtui.model import Ref

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

_BEGUN: Final = 0.05
"""Seconds between two looks whether memory travels."""
_PARTING: Final = 1.0
"""Seconds that the aborts may take when we have to go; without us libvirt ends what we carry, too."""
_PATIENCE: Final = 30.0
"""Seconds after which a move counts as begun though no job shows itself: the source makes ready."""


class Peer(Protocol):
    """Another host of the fleet."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def uri(self) -> str:
        """By which other hosts reach it."""

    async def call(self, ask: Callable[[libvirt.virConnect], T], title: str) -> T:
        """Ask it something."""

    async def open_link(self) -> Link:
        """A connection of its own, for what takes long."""


_ABORTED: Final = 78  # VIR_ERR_OPERATION_ABORTED


@dataclass(frozen=True, slots=True)
class Failure:
    """A move that came to nothing after it had begun."""

    ref: Ref
    target: str
    words: str
    aborted: bool = False
    """Whether somebody ended it."""


class Mover:
    """Moves the domains of one host to the others, which it is told by `find_peer`."""

    def __init__(
        self, own: Peer, guard: Guard, find_peer: Callable[[str], Peer | None], on_failure: Callable[[Failure], None]
    ) -> None:
        """`on_failure` hears of moves that had begun, in the event loop's thread."""
        self._own = own
        self._guard = guard
        self._find_peer = find_peer
        self._on_failure = on_failure
        self._moves: set[asyncio.Task[None]] = set()
        self._carried: dict[asyncio.Task[None], Ref] = {}
        """Those of them that end with us, and whom they move."""

    async def check(self, ref: Ref, target: str) -> MoveCheck:
        """Ask both hosts. Raises BackendError."""
        peer = self._peer(target)
        for host in (self._own, peer):
            if is_simulated(host.uri):
                raise BackendError(f"{host.name} is libvirt's test driver, which moves no VMs")
        title = f"whether {ref.name} can move to {target} cannot be told"
        departure = await self._own.call(lambda connection: look_at_source(connection, ref.uid), title)
        return await peer.call(lambda connection: look_at_target(connection, target, departure), title)

    async def move(self, ref: Ref, plan: MovePlan) -> None:
        """Begin to move; returns once memory travels. Raises BackendError."""
        await self._guard.act(f"migrate to {plan.target}", ref, lambda: self._begin(ref, plan))

    async def abort(self, ref: Ref) -> None:
        """End what goes on with the domain. Raises BackendError."""
        await self._on_job("abort job", ref, lambda handle: handle.abortJob())

    async def switch_to_post_copy(self, ref: Ref) -> None:
        """Switch. Raises BackendError, when the move was not begun for it, too."""
        await self._on_job("switch to post-copy", ref, lambda handle: handle.migrateStartPostCopy(0))

    async def set_bandwidth(self, ref: Ref, bandwidth: int) -> None:
        """MiB a second. Raises BackendError."""
        await self._on_job(
            f"limit migration to {bandwidth} MiB/s", ref, lambda one: one.migrateSetMaxSpeed(bandwidth, 0)
        )

    async def set_downtime(self, ref: Ref, downtime: int) -> None:
        """Milliseconds. Raises BackendError."""
        await self._on_job(f"allow {downtime} ms downtime", ref, lambda one: one.migrateSetMaxDowntime(downtime, 0))

    async def close(self) -> None:
        """Abort the moves that we carry, so that the guests run on where they are, and wait for no other any more."""
        carried = dict(self._carried)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await asyncio.gather(*map(self.abort, carried.values()), return_exceptions=True)
                await asyncio.gather(*carried, return_exceptions=True)
        for task in self._moves:
            task.cancel()

    async def _on_job(self, verb: str, ref: Ref, do: Callable[[Any], object]) -> None:
        def ask(connection: libvirt.virConnect) -> None:
            do(connection.lookupByUUIDString(ref.uid))

        await self._guard.act(verb, ref, lambda: self._own.call(ask, f"cannot {verb} of {ref.name}"))

    def _peer(self, target: str) -> Peer:
        peer = self._find_peer(target)
        if peer is None:
            raise AbsentError(f"{target} is no host of this fleet")
        if peer.name == self._own.name:
            raise ConflictError(f"{target} is the host that it runs on")
        return peer

    async def _begin(self, ref: Ref, plan: MovePlan) -> None:
        peer = self._peer(plan.target)
        title = f"cannot migrate {ref.name} to {plan.target}"
        await self._keep_data(peer, ref, plan, title)
        source = await self._own.open_link()
        try:
            target = await peer.open_link() if plan.transport is Transport.DIRECT else None
        except BackendError:
            source.close()
            raise
        if plan.downtime is not None:
            # Some hypervisors take it only once the job is there; then it is set again below.
            await self._try_downtime(source, ref, plan.downtime)
        moving = asyncio.create_task(self._carry(source, target, peer.uri, ref, plan, title), name=f"move {ref.name}")
        self._moves.add(moving)
        moving.add_done_callback(self._moves.discard)
        if plan.transport is Transport.DIRECT:
            self._carried[moving] = ref
            moving.add_done_callback(lambda task: self._carried.pop(task, None))
        try:
            await self._wait_begun(moving, ref, title)
        except asyncio.CancelledError:
            # It may have begun; who asked looks at its job.
            moving.add_done_callback(lambda task: self._tell_end(task, ref, plan))
            raise
        if moving.done():
            moving.result()
            return
        if plan.downtime is not None:
            await self._try_downtime(source, ref, plan.downtime)
        moving.add_done_callback(lambda task: self._tell_end(task, ref, plan))

    async def _keep_data(self, peer: Peer, ref: Ref, plan: MovePlan, title: str) -> None:
        """Raises ConflictError when the move would destroy what is there: what was checked before may be old."""
        departure = await self._own.call(lambda connection: look_at_source(connection, ref.uid), title)
        loss = await peer.call(lambda connection: find_loss(connection, plan.target, departure, plan), title)
        if loss:
            raise ConflictError(title, loss)

    async def _wait_begun(self, moving: asyncio.Task[None], ref: Ref, title: str) -> None:
        """Until the source has a job for it, or it has ended already."""
        module = load()

        def has_begun(connection: libvirt.virConnect) -> bool:
            return bool(connection.lookupByUUIDString(ref.uid).jobInfo()[0] != module.VIR_DOMAIN_JOB_NONE)

        end = asyncio.get_running_loop().time() + _PATIENCE
        while not moving.done() and asyncio.get_running_loop().time() < end:
            await asyncio.wait({moving}, timeout=_BEGUN)
            if not moving.done() and await self._own.call(has_begun, title):
                return

    async def _carry(self, source: Link, target: Link | None, uri: str, ref: Ref, plan: MovePlan, title: str) -> None:
        """The whole move, in a thread of a connection that does nothing else."""
        lost: list[str] = []

        def ask(connection: libvirt.virConnect) -> None:
            handle = connection.lookupByUUIDString(ref.uid)
            flags, parameters = _terms(plan, bool(handle.isActive()), bool(handle.isPersistent()))
            try:
                if target is not None:
                    handle.migrate3(target.lend(), parameters, flags)
                else:
                    handle.migrateToURI3(uri, parameters, flags)
            except load().libvirtError:
                ends = {self._own.name: connection} if target is None else {
                    self._own.name: connection, plan.target: target.lend()}  # fmt: skip
                lost.extend(name for name, end in ends.items() if not end.isAlive())
                raise

        try:
            await source.call(ask, title)
        except BackendError as error:
            if not lost:
                raise
            # libvirt's words do not say of which of the two they are.
            words = f"{' and '.join(lost)} was lost meanwhile ({error.detail})"
            raise UnreachableError(error.title, words) from error
        finally:
            source.close()
            if target is not None:
                target.close()

    async def _try_downtime(self, link: Link, ref: Ref, downtime: int) -> None:
        def ask(connection: libvirt.virConnect) -> None:
            connection.lookupByUUIDString(ref.uid).migrateSetMaxDowntime(downtime, 0)

        try:
            await link.call(ask, "the downtime cannot be set")
        except BackendError:
            return

    def _tell_end(self, task: asyncio.Task[None], ref: Ref, plan: MovePlan) -> None:
        """Tell of a move that had begun how it ended: the log always, who watches it of failures."""
        error = None if task.cancelled() else task.exception()
        verb = f"migrate to {plan.target}"
        if error is None:
            self._guard.note_end(verb, ref, "unknown" if task.cancelled() else "done")
        elif isinstance(error, UnreachableError) and plan.transport is not Transport.DIRECT:
            # The source carries it on: its job tells what comes of it.
            self._guard.note_end(verb, ref, "unknown", error.detail)
        elif isinstance(error, KvtuiError):
            words = error.detail or str(error)
            if plan.copied:
                words += f"; what was copied of {', '.join(plan.copied)} may be left on {plan.target}"
            self._guard.note_end(verb, ref, "failed", words)
            self._on_failure(Failure(ref, plan.target, words, _is_abort(error)))


def _is_abort(error: KvtuiError) -> bool:
    return isinstance(error, BackendError) and error.code == _ABORTED


def _terms(plan: MovePlan, active: bool, persistent: bool) -> tuple[int, dict[str, object]]:
    """Flags and parameters of libvirt for a plan."""
    module = load()
    wanted = {
        "LIVE": active,
        "OFFLINE": not active,
        "PERSIST_DEST": persistent or not active,
        "UNDEFINE_SOURCE": persistent,
        "PEER2PEER": plan.transport is not Transport.DIRECT,
        "TUNNELLED": plan.transport is Transport.TUNNELLED,
        "NON_SHARED_DISK": bool(plan.copied),
        "POSTCOPY": plan.post_copy and active,
        "AUTO_CONVERGE": plan.auto_converge and active,
        "UNSAFE": plan.unsafe,
        "ABORT_ON_ERROR": active,
    }
    flags = sum(getattr(module, f"VIR_MIGRATE_{name}") for name, on in wanted.items() if on)
    parameters: dict[str, object] = {}
    if plan.bandwidth is not None:
        parameters[module.VIR_MIGRATE_PARAM_BANDWIDTH] = plan.bandwidth
    if plan.uri:
        parameters[module.VIR_MIGRATE_PARAM_URI] = plan.uri
    if plan.copied:
        parameters[module.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(plan.copied)
    return flags, parameters
