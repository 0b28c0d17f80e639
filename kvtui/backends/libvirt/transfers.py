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
_COUNTED: Final = frozenset({"upload", "download"})
"""Of which whoever sends them counts every byte; how far others are is seen by how much their volumes take."""


class Transfer:
    """One that was begun here. All methods may be called from any thread."""

    def __init__(self, transfers: Transfers, name: str) -> None:
        self._transfers = transfers
        self._name = name

    def advance(self, done: int) -> None:
        """So many bytes are over."""
        self._transfers.advance(self._name, done)

    def skip(self, length: int) -> None:
        """So many bytes more are over that were not sent: they are a hole."""
        self._transfers.skip(self._name, length)

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
        self._listeners: dict[str, Callable[[], None]] = {}

    def on_change(self, who: str, listener: Callable[[], None]) -> None:
        """Call `listener` after each change, in whatever thread, in place of the one that `who` had before."""
        self._listeners[who] = listener

    def begin(self, name: str, operation: str, total: int, source: str = "") -> Transfer:
        """A ``build``, ``upload``, ``download`` or ``copy`` of the volume ``POOL/VOLUME`` begins."""
        now = self._clock()
        with self._lock:
            self._put(name, operation, source, 0, total, now)
        self._wake()
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

    def skip(self, name: str, length: int) -> None:
        """So many bytes more of it are over, which counts for no rate."""
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and not job.is_final:
                moment, before = self._moments[name]
                self._moments[name] = (moment, before + length)
                self._jobs[name] = msgspec.structs.replace(job, done=job.done + length)

    def end(self, name: str, phase: str, reason: str = "") -> None:
        """It has ended."""
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and not job.is_final:
                done = job.total if phase == "Completed" else job.done
                self._jobs[name] = msgspec.structs.replace(
                    job, phase=phase, reason=reason, done=done, rate=None, ended=self._clock()
                )
        self._wake()

    def grow(self, name: str, path: str, done: int, total: int) -> None:
        """A volume was seen to grow: that nobody here fills, or of a job that does not count itself."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None:
                self._put(name, FILLING, path, done, total, self._clock())
                return
        if job.operation not in _COUNTED:
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

    def watched(self) -> set[str]:
        """The volumes that are being filled, as far as only a look at them tells how far."""
        with self._lock:
            return {job.target for job in self._jobs.values() if not job.is_final and job.operation not in _COUNTED}

    def jobs(self) -> list[BlockJob]:
        """All of them; those that ended long ago are forgotten."""
        now = self._clock()
        with self._lock:
            for name, job in tuple(self._jobs.items()):
                if job.ended is not None and now - job.ended > KEPT:
                    del self._jobs[name], self._moments[name]
            return list(self._jobs.values())

    def _wake(self) -> None:
        for listener in tuple(self._listeners.values()):
            listener()

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
