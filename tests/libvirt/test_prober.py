"""Who is asked domain by domain is held up by none of them."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from kvtui.backends.libvirt.prober import LinkProber
from kvtui.backends.libvirt.workers import Workers


class Lanes:
    """A link with some connections, which are their numbers."""

    is_alone = False

    def __init__(self, most: int) -> None:
        self._workers = [Workers(f"probe {number}", 1) for number in range(most)]
        self._asked: list[Future[None]] = []

    def begin(self, run: Any, _title: str, _lane: object) -> Future[None]:
        busy = sum(not asked.done() for asked in self._asked)
        self._asked.append(self._workers[min(busy, len(self._workers) - 1)].submit(lambda: run(None)))
        return self._asked[-1]


class Guests:
    """Domains of which some hang until they are let go."""

    def __init__(self, *hung: str) -> None:
        self._gates = {name: threading.Event() for name in hung}
        self.asked: list[str] = []

    def ask(self, _connection: object, name: str) -> str:
        self.asked.append(name)
        if name in self._gates:
            self._gates[name].wait(30)
        return name.upper()

    def thaw(self) -> None:
        for gate in self._gates.values():
            gate.set()


def _ask(prober: LinkProber, guests: Guests, *names: str) -> dict[str, str]:
    nothing: Any = None
    return prober.ask_each(nothing, names, guests.ask)


def test_the_others_answer_while_some_hang_and_these_are_asked_again_once_they_have_answered() -> None:
    lanes: Any = Lanes(4)
    prober, guests = LinkProber(lanes), Guests("b", "c")
    try:
        assert _ask(prober, guests, "a", "b", "c", "d") == {"a": "A", "d": "D"}
        assert _ask(prober, guests, "a", "b", "c", "d") == {"a": "A", "d": "D"}
        assert guests.asked.count("b") == 1
    finally:
        guests.thaw()
    while len(answers := _ask(prober, guests, "a", "b", "c")) < 3:
        pass
    assert answers == {"a": "A", "b": "B", "c": "C"}


def test_where_every_connection_is_held_up_it_goes_on_without_an_answer() -> None:
    lanes: Any = Lanes(1)
    prober, guests = LinkProber(lanes), Guests("a")
    try:
        assert _ask(prober, guests, "a", "b") == {}
    finally:
        guests.thaw()
    while (answers := _ask(prober, guests, "a", "b")) != {"a": "A", "b": "B"}:
        assert answers in ({}, {"b": "B"})
