"""Pictures of machines, asked for again and again while they are in sight, a few at a time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kvtui.backends.base import Screens
from kvtui.errors import BackendError, ForbiddenError, KvtuiError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.libvirt import Domain
from kvtui.resources.base import AnyResource
from kvtui.store import View

AT_ONCE: Final = 4
"""Requests under way: each makes a hypervisor read out a screen."""
_PATIENCE: Final = 30.0
"""Seconds for one picture, for backends that have no bound of their own."""
_FORBIDDEN_PAUSE: Final = 60.0
"""Seconds until it is tried again what the account may not do."""
_TROUBLE_PAUSE: Final = 10.0


class Cancellable(Protocol):
    """Work under way."""

    def cancel(self) -> None:
        """End it."""


Start = Callable[[Coroutine[Any, Any, None]], Cancellable]
"""How work is begun; whoever gives this tells of faults and ends what is under way when it ends itself."""


@dataclass
class Shot:
    """What is known of a machine's screen."""

    data: bytes = b""
    """The latest picture, PNG or PPM."""
    digest: bytes = b""
    taken: float | None = None
    """When it came, in seconds since the epoch."""
    trouble: str = ""
    """Why no newer one did."""
    due: float = 0.0
    """When the next one is asked for, on the loop's clock."""

    def take(self, data: bytes, now: float) -> None:
        """A picture came."""
        self.data, self.taken, self.trouble = data, now, ""
        self.digest = hashlib.blake2b(data, digest_size=16).digest()

    def drop(self, trouble: str = "") -> None:
        """What was known is no picture, or none of how it is now."""
        self.data, self.digest, self.taken, self.trouble = b"", b"", None, trouble


class Photographer:
    """Looks at the machines that are in sight."""

    def __init__(
        self, fleet: Fleet, resource: AnyResource, interval: float, start: Start, changed: Callable[[Ref], None]
    ) -> None:
        """`interval` is in seconds; `changed` is called when an answer came that says something new."""
        self.interval = interval
        self.paused = False
        self._fleet = fleet
        self._resource = resource
        self._start = start
        self._changed = changed
        self._shots: dict[Ref, Shot] = {}
        self._in_sight: Sequence[Ref] = ()
        self._asking: dict[Ref, Cancellable] = {}

    def shot(self, ref: Ref) -> Shot | None:
        """What is known of a machine that is watched."""
        return self._shots.get(ref)

    def watch(self, in_sight: Sequence[Ref], kept: Sequence[Ref]) -> None:
        """Ask for these from now on, the first one first; of others only what is `kept` stays in memory."""
        self._in_sight = in_sight
        self._shots = {ref: self._shots.get(ref) or Shot() for ref in dict.fromkeys((*in_sight, *kept))}
        for ref in [ref for ref in self._asking if ref not in in_sight]:
            self._asking.pop(ref).cancel()
        self.look()

    def again(self) -> None:
        """Ask for all that is in sight now, also for what was refused."""
        for shot in self._shots.values():
            shot.due = 0.0
        self.look()

    def look(self) -> None:
        """Ask for what is due, as far as it may be asked for at once."""
        if self.paused:
            return
        now = asyncio.get_running_loop().time()
        for ref in sorted(self._in_sight, key=lambda ref: (ref != self._in_sight[0], self._shots[ref].due)):
            if len(self._asking) >= AT_ONCE:
                return
            shot = self._shots[ref]
            if ref not in self._asking and shot.due <= now and not self.absence(ref):
                shot.due = now + self.interval
                self._asking[ref] = self._start(self._ask(ref, shot))

    def absence(self, ref: Ref) -> str:
        """Why there is no screen to look at, as far as the store knows; empty when there should be one."""
        view = self._fleet.view
        if self._resource.row(view, ref) is None:
            return "this VM is gone"
        if ref.kind == Domain.KIND:
            return explain_absence(view, ref)
        if view.feed(ref.backend, VirtualMachineInstance.KIND).state is not FeedState.LIVE:
            return ""
        vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
        if vmi is None or vmi.is_final:
            return "no screen: the VM does not run"
        return "" if vmi.status.phase == "Running" else "no screen yet: the VM does not run yet"

    async def _ask(self, ref: Ref, shot: Shot) -> None:
        before = shot.digest, shot.trouble
        try:
            shot.take(await self._take(ref), self._fleet.clock())
        except KvtuiError as error:
            shot.trouble = explain(error)
            pause = _FORBIDDEN_PAUSE if isinstance(error, ForbiddenError) else _TROUBLE_PAUSE
            shot.due = asyncio.get_running_loop().time() + pause
        self._asking.pop(ref, None)
        if self._shots.get(ref) is shot and (shot.digest, shot.trouble) != before:
            self._changed(ref)
        self.look()

    async def _take(self, ref: Ref) -> bytes:
        backend = self._fleet.backends[ref.backend]
        if not isinstance(backend, Screens):
            raise KvtuiError(f"{ref.backend} has no pictures of screens")
        try:
            async with asyncio.timeout(_PATIENCE):
                data = await backend.take_screenshot(ref)
        except TimeoutError:
            raise UnreachableError(f"no picture of {ref.path} came within {_PATIENCE:g} seconds") from None
        if not data:
            raise BackendError(f"picture of {ref.path}", "the server sent an empty one")
        return data


def explain_absence(view: View, ref: Ref) -> str:
    """The same of a domain; where it runs on another host by now, its row is there."""
    domain = view.find(Domain, ref)
    if domain is None or view.feed(ref.backend, Domain.KIND).state is not FeedState.LIVE:
        return ""
    if not domain.active:
        return "no screen: the VM does not run"
    if domain.hung:
        return "no picture: its QEMU does not answer"
    return "" if domain.screen else "no screen: the VM has no video card"


def explain(error: KvtuiError) -> str:
    """Why there is no picture, in one sentence."""
    if isinstance(error, ForbiddenError):
        return f"forbidden: {error.detail or error.title}"
    if isinstance(error, UnreachableError):
        return "the server does not answer"
    if isinstance(error, BackendError):
        return f"no picture: {error.detail or error.title}"
    return str(error)
