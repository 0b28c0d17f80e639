"""All backends, the one store they feed and the rules over it: what the screen and the command line both drive."""

from __future__ import annotations

import asyncio
import importlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from kvtui.backends.base import Backend, Retrier, Source
from kvtui.backends.ssh import Routes
from kvtui.model import Care, Feed, FeedState, Platform, Ref
from kvtui.resources import RESOURCES, resources_for
from kvtui.resources.base import AnyResource
from kvtui.store import Delta, Store, View
from kvtui.text import clean_line
from kvtui.triage.engine import Engine

TICK = 0.1
"""Seconds between two steps of the store."""
SLICE = 0.003
"""Seconds that rules may take at a time: between two slices the keyboard has its turn."""
_FIRST = 4.0
"""Seconds that rows may go before rules."""
_FEW = 200
"""Changes in a tick: where there are more, lists still come, and what is judged now is judged again at the next."""

_NO_CARE = Care()

Listener = Callable[[Delta], None]


class Fleet:
    """Runs the backends and, ten times a second, moves what they learnt into the store."""

    def __init__(
        self,
        backends: Iterable[Backend],
        *,
        routes: Routes | None = None,
        clock: Callable[[], float] = time.time,
        care: Mapping[str, Care] | None = None,
    ) -> None:
        """`routes` are those that backends go to remote places by; they are closed with the fleet. `care` says by
        backend how careful the user wants to be.
        """
        self.routes = routes
        self.backends: dict[str, Backend] = {backend.name: backend for backend in backends}
        self.store = Store()
        self.engine = Engine()
        self.clock = clock
        self._care = dict(care or {})
        self._listeners: list[Listener] = []
        if routes is not None:
            routes.bastions.inbox = self.store.post
            routes.bastions.revive = self._revive

    @property
    def view(self) -> View:
        """The read-only side of the store."""
        return self.store

    @property
    def namespace(self) -> str:
        """The namespace to which all backends are confined; empty where they are not, or not all to the same."""
        names = {backend.info.namespace for backend in self.backends.values()}
        return names.pop() if len(names) == 1 else ""

    def name(self, ref: Ref, part: str = "") -> str:
        """The path of an object, and a part of it; where there are several backends, with its context or host:
        ``shop/db-2 in prod``, ``web on kvm1``.
        """
        path = clean_line(f"{ref.path} {part}".rstrip())
        backend = self.backends.get(ref.backend)
        if len(self.backends) < 2 or ref.path == ref.backend:
            return path
        is_host = backend is not None and backend.info.platform is Platform.LIBVIRT
        return f"{path} {'on' if is_host else 'in'} {clean_line(ref.backend)}"

    def care(self, backend: str) -> Care:
        """How careful the user wants to be with a backend."""
        return self._care.get(backend, _NO_CARE)

    @property
    def production(self) -> Sequence[str]:
        """The backends that are production."""
        return [name for name in self.backends if self.care(name).production]

    @property
    def resources(self) -> Sequence[AnyResource]:
        """What there is to see on the platforms of the backends."""
        return resources_for({backend.info.platform for backend in self.backends.values()})

    def feeds(self, sources: Iterable[Source]) -> list[Feed]:
        """The feeds of some kinds, in every backend whose platform has them."""
        platforms = {backend.name: backend.info.platform for backend in self.backends.values()}
        return [
            self.store.feed(name, source.feed)
            for source in sources
            for name, platform in platforms.items()
            if platform is source.platform
        ]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every step that changed something; what is returned ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def step(self, patience: float = math.inf) -> Delta:
        """Apply what is in the inbox, judge it, for `patience` seconds at most, and tell the listeners."""
        delta = self.store.drain()
        self._judge(delta, patience)
        return delta

    def _judge(self, delta: Delta, patience: float) -> None:
        self._tell(delta, judged=self.engine.update(self.store, delta, self.clock(), patience))

    def _tell(self, delta: Delta, *, judged: bool = False) -> None:
        if delta or judged:
            for listener in tuple(self._listeners):
                listener(delta)

    async def run(self, sources: Sequence[Source] | None = None) -> None:
        """Keep all backends live until cancelled. A backend that fails for good is a feed in trouble, not an end."""
        wanted = tuple(sources) if sources is not None else all_sources(self.resources)
        async with asyncio.TaskGroup() as tasks:
            for backend in self.backends.values():
                tasks.create_task(self._keep_live(backend, wanted), name=f"backend {backend.name}")
            await self._show_first()
            while True:
                await self._tick()

    async def _show_first(self) -> None:
        """Show what comes in the first moments, and judge it then: rules take a moment to load."""
        end, begun = time.monotonic() + _FIRST, False
        while time.monotonic() < end:
            delta = self.store.drain()
            self.engine.put_off(delta)
            self._tell(delta)
            if begun and len(delta.changes) < _FEW:
                break
            begun = begun or bool(delta.changes)
            await asyncio.sleep(TICK)
        await asyncio.to_thread(importlib.import_module, "kvtui.triage.rules")

    async def _tick(self) -> None:
        """One step, and the rest of the judging as far as the time to the next one suffices."""
        end = time.monotonic() + TICK
        self.step(SLICE)
        while self.engine.behind and time.monotonic() < end:
            await asyncio.sleep(0)
            self._judge(Delta(), SLICE)
        await asyncio.sleep(max(0.0, end - time.monotonic()))

    async def _keep_live(self, backend: Backend, wanted: Sequence[Source]) -> None:
        sources = [source for source in wanted if source.platform is backend.info.platform]
        try:
            await backend.run(sources, self.store.post)
        except Exception as error:  # noqa: BLE001 - boundary: one backend's fault must not end the others
            now, words = self.clock(), f"a fault of kvtui: {error!r}"
            for source in sources:
                self.store.post(Feed(backend.name, source.feed, FeedState.FAILED, now, words))

    @property
    def asks(self) -> bool:
        """Whether the user is being asked something on the way to a backend: nobody should lose patience meanwhile."""
        return self.routes is not None and self.routes.questions.open

    async def prepare(self) -> None:
        """Let the user answer what is asked on the way to the backends, before any time limit begins."""
        if self.routes is not None:
            await self.routes.prepare()

    def retry(self) -> None:
        """Try again at once what failed: hops that turned us away, servers that do not answer."""
        if self.routes is not None:
            self.routes.retry()
        for backend in self.backends.values():
            if isinstance(backend, Retrier):
                backend.retry()

    def _revive(self, name: str) -> None:
        backend = self.backends[name]
        if isinstance(backend, Retrier):
            backend.retry()

    async def close(self) -> None:
        """Let go of all backends."""
        await asyncio.gather(*(backend.close() for backend in self.backends.values()))
        if self.routes is not None:
            await self.routes.close()


def all_sources(resources: Iterable[AnyResource] = RESOURCES) -> tuple[Source, ...]:
    """Every source that a resource names, each once."""
    found = {source.feed: source for resource in resources for source in resource.sources}
    return tuple(found.values())
