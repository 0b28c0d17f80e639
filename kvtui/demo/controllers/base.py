"""Level-triggered reconciliation on the virtual clock.

A controller keeps a queue of object keys. A change of anything it watches puts the key of the object it is responsible
for into the queue; `reconcile` then looks at the present state only, takes the next step, and asks to be called again
when the step after that is due. So it does not matter who made the object: the seed, kubectl or the TUI.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from kvtui.demo.storage import Change, Kind, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

Key = tuple[str, str]
"""Namespace and name."""
_DOWN = 5.0
"""Virtual seconds between two looks at whether its pods are back."""
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 300.0
"""Virtual seconds before an object that could not be reconciled is tried again; the time doubles."""


class Controller:
    """One control loop. Subclasses say what they watch and reconcile one key at a time."""

    kinds: ClassVar[tuple[Kind, ...]] = ()
    """Changes of these kinds are told to `keys_for`."""
    component: ClassVar[str] = ""
    """The Deployment in whose pods it runs; empty for those that never fail here."""
    latency: ClassVar[float] = 0.05
    """Virtual seconds between a change and the reaction to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.storage = world.storage
        self.clock = world.clock
        self.random = world.random
        self._queue: dict[Key, float] = {}
        self._stages: dict[str, dict[str, float]] = {}
        self._tries: dict[Key, int] = {}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The keys to look at after a change; by default the changed object's own."""
        return ((change.namespace, change.name),)

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring one object a step nearer to what it should be. Called again after every change of its inputs."""
        raise NotImplementedError

    def observe(self, change: Change) -> None:
        """Queue what a change concerns."""
        for key in self.keys_for(change):
            self.enqueue(key)

    def enqueue(self, key: Key, delay: float | None = None) -> None:
        """Reconcile the key after `delay` virtual seconds, unless it is queued for an earlier moment already."""
        due = self.clock.elapsed + (self.latency if delay is None else delay)
        if self._queue.get(key, float("inf")) <= due:
            return
        self._queue[key] = due
        self.clock.call_later(due - self.clock.elapsed, partial(self._run, key, due))

    def _run(self, key: Key, due: float) -> None:
        if self._queue.get(key) != due:
            return
        del self._queue[key]
        if self.component in self.world.down:
            self.enqueue(key, _DOWN)
            return
        what = f"{type(self).__name__} {self.kinds[0].kind} {'/'.join(filter(None, key))}"
        try:
            self.reconcile(*key)
        except StorageError:
            # A write that the storage refuses is tried again, as a real controller does.
            self._retry_later(key)
        except Exception as error:  # noqa: BLE001 - boundary: one object stops neither the others nor the clock
            self.world.failures.tell(what, error)
            self._retry_later(key)
        else:
            if self._tries.pop(key, 0):
                self.world.failures.over(what)

    def _retry_later(self, key: Key) -> None:
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        self.enqueue(key, min(_FIRST_RETRY * 2 ** min(tries - 1, 16), _LONGEST_RETRY))

    def elapsed(self, key: Key, uid: str, stage: str, seconds: float) -> bool:
        """Whether `seconds` have passed since the stage of this object was first asked about.

        Till then the key is queued for the moment when they have.
        """
        stages = self._stages.setdefault(uid, {})
        due = stages.setdefault(stage, self.clock.elapsed + seconds)
        if self.clock.elapsed >= due - 1e-6:
            return True
        self.enqueue(key, due - self.clock.elapsed)
        return False

    def restart_stage(self, uid: str, stage: str) -> None:
        """Let the stage begin anew when it is asked about next."""
        self._stages.get(uid, {}).pop(stage, None)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._stages.pop(uid, None)
