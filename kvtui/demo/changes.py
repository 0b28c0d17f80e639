"""The bounded log of all changes of the storage, and those who listen to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from kvtui.demo.metadata import Kind, StorageError

_LARGEST_LOG = 64 * 1024 * 1024

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log."""

    revision: int
    type: ChangeType
    kind: Kind
    namespace: str
    name: str
    raw: bytes
    """The object after the change; for DELETED its last state with the revision of the deletion."""
    labels: dict[str, str] = field(default_factory=dict)
    previous_labels: dict[str, str] | None = None
    """Labels before the change, for watches with a selector that the object enters or leaves."""
    previous: bytes | None = None
    """The object before the change, for the same reason with field selectors; None when it is new."""


class ChangeLog:
    """The last changes in the order of their revisions: at most `size`, and fewer when they exceed 64 MiB."""

    def __init__(self, size: int, revision: int) -> None:
        self._size = size
        self._bytes = 0
        self._kept: deque[Change] = deque()
        self._compacted = revision
        self._listeners: list[Callable[[Change], None]] = []
        self._undelivered: deque[Change] = deque()
        self._delivering = False

    def append(self, change: Change) -> None:
        """Keep a change; the listeners hear of it with the next `deliver`."""
        self._kept.append(change)
        self._bytes += len(change.raw)
        while len(self._kept) > self._size or self._bytes > _LARGEST_LOG:
            self._forget_oldest()
        self._undelivered.append(change)

    def since(self, revision: int) -> Iterable[Change]:
        """The changes after a revision. Raises StorageError 410 Expired when it is compacted."""
        if revision < self._compacted:
            raise StorageError(410, "Expired", f"too old resource version: {revision} ({self._compacted})")
        newer = []
        for change in reversed(self._kept):
            if change.revision <= revision:
                break
            newer.append(change)
        return reversed(newer)

    def compact(self, revision: int) -> None:
        """Forget all changes up to a revision."""
        while self._kept and self._kept[0].revision <= revision:
            self._forget_oldest()
        self._compacted = max(self._compacted, revision)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Tell `listener` every change from now on; what is returned ends it."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def deliver(self) -> None:
        """Tell the listeners what is new; a listener that writes adds to the end of what is being told."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._undelivered:
                change = self._undelivered.popleft()
                for listener in [*self._listeners]:
                    listener(change)
        finally:
            self._delivering = False

    def _forget_oldest(self) -> None:
        oldest = self._kept.popleft()
        self._bytes -= len(oldest.raw)
        self._compacted = oldest.revision
