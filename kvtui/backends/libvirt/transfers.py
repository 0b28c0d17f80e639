"""What fills volumes: builds, uploads, clones. libvirt keeps no list of them, so who begins one says so here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from kvtui.records.base import Meta
from kvtui.records.libvirt import BlockJob

KEPT: Final = 600.0
"""Seconds for which a job that has ended is shown."""
FILLING: Final = "filling"
"""What is done to a volume by somebody else: all that is seen is that it grows."""


class Transfer:
    """One that was begun here. All methods may be called from any thread."""

    def __init__(self, transfers: Transfers, name: str) -> None:
        self._transfers = transfers
        self._name = name

    def advance(self, done: int) -> None:
        """So many bytes are over."""
        self._transfers.advance(self._name, done)

    def end(self, phase: str, reason: str = "") -> None:
        """It is ``Completed``, ``Failed`` or ``Cancelled``."""
        self._transfers.end(self._name, phase, reason)


class Transfers:
    """Those of one host, running and lately ended."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[str, BlockJob] = {}
        self._moments: dict[str, tuple[float, int]] = {}
        """When each last advanced, and to how many bytes."""
        self.wake: Callable[[], None] = lambda: None
        """Called after each change, in whatever thread."""

    def begin(self, name: str, operation: str, total: int, source: str = "") -> Transfer:
        """A ``build``, ``upload``, ``download`` or ``copy`` of the volume ``POOL/VOLUME`` begins."""
        now = self._clock()
        with self._lock:
            self._put(name, operation, source, 0, total, now)
        self.wake()
        return Transfer(self, name)

    def advance(self, name: str, done: int) -> None:
        """So many bytes of it are over."""
        now = self._clock()
        with self._lock:
            job = self._jobs.get(name)
            if job is None or job.is_final:
                return
            moment, before = self._moments[name]
            rate = (done - before) / (now - moment) if now - moment >= 1 else None
            if rate is not None:
                self._moments[name] = (now, done)
            self._jobs[name] = msgspec.structs.replace(job, done=done, rate=rate if rate is not None else job.rate)

    def end(self, name: str, phase: str, reason: str = "") -> None:
        """It has ended."""
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and not job.is_final:
                done = job.total if phase == "Completed" else job.done
                self._jobs[name] = msgspec.structs.replace(
                    job, phase=phase, reason=reason, done=done, rate=None, ended=self._clock()
                )
        self.wake()

    def grow(self, name: str, path: str, done: int, total: int) -> None:
        """A volume was seen to grow that nobody here fills."""
        with self._lock:
            if name not in self._jobs:
                self._put(name, FILLING, path, done, total, self._clock())
                return
        self.advance(name, done)

    def stop_growing(self, name: str, *, full: bool = False) -> None:
        """A volume that was seen to grow does so no more, or is gone; whoever fills one from here tells the end."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None or job.operation != FILLING or job.is_final:
                return
            if not full:
                # Whether that was all, nobody can tell.
                del self._jobs[name], self._moments[name]
        if full:
            self.end(name, "Completed")

    def jobs(self) -> list[BlockJob]:
        """All of them; those that ended long ago are forgotten."""
        now = self._clock()
        with self._lock:
            for name, job in tuple(self._jobs.items()):
                if job.ended is not None and now - job.ended > KEPT:
                    del self._jobs[name], self._moments[name]
            return list(self._jobs.values())

    def _put(self, name: str, operation: str, source: str, done: int, total: int, now: float) -> None:
        self._moments[name] = (now, done)
        self._jobs[name] = BlockJob(
            metadata=Meta(name=name, uid=f"{operation} {now:.3f}"),
            target=name,
            operation=operation,
            done=done,
            total=total,
            began=now,
            source=source,
        )
