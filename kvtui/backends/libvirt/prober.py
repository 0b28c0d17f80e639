"""Questions that wait for the QEMU of a domain, asked domain by domain: one that hangs holds nobody else up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from kvtui.backends.libvirt.link import Lane, Link

if TYPE_CHECKING:
    from concurrent.futures import Future

    import libvirt

T = TypeVar("T")
AskEach = Callable[["libvirt.virConnect", str], T]
"""Asks about the domain of a UUID. Returns plain values, and raises libvirtError only where all would fail."""

_HELD: Final = 1.5
"""Seconds after which a domain counts as one that holds its question up."""
_TITLE: Final = "domains were asked in vain"


class Prober(Protocol):
    """Asks domains, each for itself."""

    def ask_each(self, connection: libvirt.virConnect, uuids: Iterable[str], ask: AskEach[T]) -> dict[str, T]:
        """What they answer; who holds its question up is left out, now and as long as the question lasts.

        In the thread of `connection`. Raises BackendError when the connection is gone.
        """


class LinkProber:
    """Asks through connections of their own: a question that is held up keeps its connection, others get the next."""

    def __init__(self, link: Link, lane: Lane = Lane.PROBES) -> None:
        self._link = link
        self._lane = lane
        self._lock = threading.Lock()
        self._held: set[str] = set()
        """Whose question has not been answered yet, and is not waited for any more."""

    def ask_each(self, connection: libvirt.virConnect, uuids: Iterable[str], ask: AskEach[T]) -> dict[str, T]:
        """See Prober."""
        if self._link.is_alone:
            return {uuid: ask(connection, uuid) for uuid in uuids}
        answers: dict[str, T] = {}
        with self._lock:
            left = [uuid for uuid in uuids if uuid not in self._held]
        while left:
            turn = _Turn(left, ask, self._release)
            self._wait(turn, self._link.begin(turn.run, _TITLE, self._lane))
            with self._lock:
                left = turn.give_up(self._held) if not turn.ended else []
            answers.update(turn.answers)
        return answers

    def _wait(self, turn: _Turn[T], asked: Future[None]) -> None:
        """Until it has ended, or one domain has held it up for too long."""
        while True:
            try:
                asked.result(_HELD)
            except TimeoutError:
                if not asked.done() and time.monotonic() - turn.moved < _HELD:
                    continue
            return

    def _release(self, uuid: str) -> None:
        with self._lock:
            self._held.discard(uuid)


class _Turn(Generic[T]):
    """Domains that are asked one after another, in a thread of a connection."""

    def __init__(self, uuids: Sequence[str], ask: AskEach[T], release: Callable[[str], None]) -> None:
        self._uuids = uuids
        self._ask = ask
        self._release = release
        self._lock = threading.Lock()
        self._at = -1
        """Which of them is being asked; -1 between two."""
        self._done = 0
        self._given_up = threading.Event()
        self._answers: dict[str, T] = {}
        self.moved = time.monotonic()
        """When it last went on to the next domain."""
        self.ended = False

    @property
    def answers(self) -> dict[str, T]:
        """What was answered until now."""
        with self._lock:
            return dict(self._answers)

    def run(self, connection: libvirt.virConnect) -> None:
        """Ask one after another until all have answered, or nobody waits any more."""
        for at, uuid in enumerate(self._uuids):
            with self._lock:
                if self._given_up.is_set():
                    return
                self._at, self.moved = at, time.monotonic()
            try:
                answer = self._ask(connection, uuid)
            finally:
                with self._lock:
                    self._at, given_up = -1, self._given_up.is_set()
                if given_up:
                    # What it answers so late is asked anew.
                    self._release(uuid)
            with self._lock:
                self._done = at + 1
                self._answers[uuid] = answer
        self.ended = True

    def give_up(self, held: set[str]) -> list[str]:
        """Wait no more for the domain that is being asked, which becomes one of `held`; those that are still to ask.

        There are none where it has not begun: every connection is held up.
        """
        with self._lock:
            self._given_up.set()
            if self._at >= 0:
                held.add(self._uuids[self._at])
                return list(self._uuids[self._at + 1 :])
            return list(self._uuids[self._done :]) if self._done else []
