"""Hosts that have promised more than they have, and clocks that are not ours."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from kvtui.model import Finding, Severity, Usage
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import Domain, DomainState, StoragePool, StorageVolume
from kvtui.store import Put, SetUsage
from kvtui.triage.engine import Engine
from tests.triage.hosts import NOW, domain, fill, host, judge

GIB = 2**30


def guest(name: str, gib: float, held: float = 0.5, **more: object) -> Domain:
    """One on a host of 16 GiB."""
    amounts = {"memory": int(gib * GIB), "memory_most": int(gib * GIB), "resident": int(held * GIB)}
    made = domain(metadata=Meta(name=name, uid=name))
    for field, value in {**amounts, **more}.items():
        setattr(made, field, value)
    return made


def of_host(*records: Record, free: float | None = 8.0) -> Sequence[Finding]:
    """What is found of a host that has so many of its 16 GiB free; None while that is not measured."""
    store = fill(kvm1=[host(), *records])
    if free is not None:
        store.post(SetUsage("kvm1", "Host", {("", "kvm1"): Usage(1.0, (16 - free) * GIB)}))
    return judge(store, waits=False)


def test_memory_that_is_promised_twice_is_a_note_while_enough_of_it_is_free() -> None:
    (finding,) = of_host(guest("web", 10), guest("db", 10))
    assert (finding.rule, finding.severity) == ("host.memory", Severity.INFO)
    assert finding.cause == "its 2 VMs may use 20Gi of the 16Gi that it has; 8Gi are free now"


def test_it_is_a_problem_once_little_is_left() -> None:
    (finding,) = of_host(guest("web", 10, 7.0), guest("db", 10, 7.0), free=2.0)
    assert finding.severity is Severity.WARN
    (finding,) = of_host(guest("web", 10, 7.5), guest("db", 10, 7.5), free=None)
    assert finding.severity is Severity.WARN
    assert finding.cause.endswith("15Gi are held now")


@pytest.mark.parametrize(
    ("what", "one", "other"),
    [
        ("a VM that is off", guest("web", 10), guest("db", 10, state=DomainState.SHUTOFF, id=None)),
        ("a balloon that gives memory back", guest("web", 10), guest("db", 5, memory_most=10 * GIB)),
        ("huge pages", guest("web", 10), guest("db", 10, huge_pages=True)),
    ],
)
def test_what_takes_no_memory_from_others_is_not_counted(what: str, one: Domain, other: Domain) -> None:
    assert of_host(one, other) == (), what


def test_memory_that_is_set_aside_for_huge_pages_is_nobody_elses() -> None:
    known = host()
    known.huge_pages = 8 * GIB
    (finding,) = judge(fill(kvm1=[known, guest("web", 10)]), waits=False)
    assert finding.cause == "its VM may use 10Gi of the 8Gi that it has; 512Mi are held now"


def test_a_host_with_next_to_nothing_left_is_short_of_memory_whatever_it_promised() -> None:
    (finding,) = of_host(guest("web", 10), free=0.5)
    assert (finding.trouble, finding.severity) == ("is short of memory", Severity.WARN)
    assert finding.cause == "512Mi are free now of its 16Gi"


def pool_of(used: int, *volumes: tuple[int, int], kind: str = "dir") -> Sequence[Finding]:
    """A pool of 100 GiB, and its volumes with their capacity and what they take."""
    pool = StoragePool(
        metadata=Meta(name="fast"), type=kind, state="running", capacity=100 * GIB, free=(100 - used) * GIB
    )
    made = [
        StorageVolume(metadata=Meta(name=f"fast/{at}"), pool="fast", capacity=capacity * GIB, allocation=taken * GIB)
        for at, (capacity, taken) in enumerate(volumes)
    ]
    return judge(fill(kvm1=[host(), pool, *made]))


def test_thin_volumes_are_a_note_while_there_is_room_for_what_they_hold() -> None:
    (finding,) = pool_of(60, (500, 30), (500, 30))
    assert (finding.trouble, finding.severity) == ("is promised beyond its size", Severity.INFO)
    assert finding.cause == "60% of 100Gi taken, 40Gi left; its volumes may grow by 940Gi"
    assert pool_of(60, (50, 30), (50, 30)) == ()
    assert pool_of(60, (500, 30), kind="logical") == ()


def test_a_pool_that_fills_up_is_so_for_as_long_as_it_is_and_not_since_it_was_promised_beyond_its_size() -> None:
    pool = StoragePool(metadata=Meta(name="fast"), state="running", capacity=100 * GIB, free=40 * GIB)
    thin = StorageVolume(metadata=Meta(name="fast/a"), pool="fast", capacity=500 * GIB, allocation=60 * GIB)
    store = fill(kvm1=[host(), pool, thin])
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    assert [(one.trouble, one.since) for one in engine.findings] == [("is promised beyond its size", None)]
    store.post(Put("kvm1", replace(pool, free=1 * GIB)))
    engine.update(store, store.drain(), NOW + 900)
    assert [(one.trouble, one.since) for one in engine.findings] == [("is full", NOW + 900)]


def test_a_pool_whose_volumes_may_outgrow_the_little_that_is_left_is_a_problem_before_it_is_full() -> None:
    (finding,) = pool_of(87, (100, 60), (50, 27))
    assert (finding.trouble, finding.severity) == ("is promised beyond its size", Severity.WARN)
    assert finding.cause == "87% of 100Gi taken, 13Gi left; its volumes may grow by 63Gi"
    assert pool_of(87, (60, 60), (30, 27)) == ()


def test_a_pool_that_is_given_away_as_a_whole_starves_nobody() -> None:
    assert pool_of(100, (100, 100), kind="logical") == ()
    assert pool_of(100, (100, 100), kind="iscsi") == ()
    (finding,) = pool_of(100, (100, 100), kind="rbd")
    assert finding.trouble == "is full"


def clocks(**ahead: float) -> list[Domain]:
    return [guest(name, 1, clock=clock, agent=True) for name, clock in ahead.items()]


def test_a_guest_whose_clock_is_off_is_told_by_how_much() -> None:
    (finding,) = of_host(*clocks(web=1.0, db=-300.0, mail=0.0))
    assert (finding.subject.name, finding.trouble) == ("db", "has the wrong time")
    assert finding.cause == "its clock is 5m behind ours, as its agent tells"


def test_clocks_that_are_off_together_are_not_the_guests_fault() -> None:
    (finding,) = of_host(*clocks(web=301.0, db=300.0, mail=299.0))
    assert (finding.subject.kind, finding.trouble) == ("Host", "has another time")
    assert finding.cause == "the clocks of most of its 3 guests are 5m ahead of ours: its clock is wrong, or ours is"
    assert [finding.rule for finding in of_host(*clocks(web=301.0, db=300.0))] == ["domain.clock", "domain.clock"]
