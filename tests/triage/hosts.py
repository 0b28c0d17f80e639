"""Hosts of libvirt and what is on them before the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kvtui.model import Finding
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.store import Put, Store
from kvtui.triage.engine import Engine
from kvtui.triage.rules import RULES
from tests.triage.looking import find_unfollowed

UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
NOW = 1_000_000.0


def host(link: str = "connected", trouble: str = "") -> Host:
    known = Host(metadata=Meta(name="kvm1"), uri="qemu:///system", cpus=8, memory=2**34)
    known.link, known.link_since, known.trouble = link, NOW - 60, trouble
    return known


def domain(state: DomainState = DomainState.RUNNING, reason: str = "", **more: object) -> Domain:
    active = state is not DomainState.SHUTOFF
    made = Domain(
        metadata=Meta(name="w1", uid=UUID), state=state, reason=reason, id=3 if active else None, since=NOW - 5
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def fill(**backends: Iterable[Record]) -> Store:
    store = Store()
    for backend, records in backends.items():
        for record in records:
            store.post(Put(backend, record))
    return store


def judge(store: Store, now: float = NOW, *, waits: bool = True) -> Sequence[Finding]:
    """What is found at a moment; told at once also what has to stand for a while where nobody waits.

    Whatever is found has to be followed, too.
    """
    engine = Engine()
    engine.waits = waits
    engine.update(store, store.drain(), now)
    assert find_unfollowed(store, RULES, now) == []
    return engine.findings
