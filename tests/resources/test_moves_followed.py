"""A move between hosts is followed until its end: what is said of it meanwhile, and what counts as its end."""

from __future__ import annotations

import pytest

from kvtui.joins.domain import join_guest
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, DomainJob, DomainState, Host
from kvtui.resources.base import Progress
from kvtui.resources.domain_moves import MOVES
from kvtui.resources.form import Answers
from kvtui.store import Put, Store

ASKED = 1000.0
TARGET = Answers({"target": "kvm2", "transport": "direct"})


def domain(state: DomainState = DomainState.RUNNING, reason: str = "booted") -> Domain:
    number = None if state is DomainState.SHUTOFF else 1
    return Domain(metadata=Meta(name="web", uid="u"), state=state, reason=reason, id=number)


def job(phase: str = "Running", *, ended: float | None = None, reason: str = "") -> DomainJob:
    return DomainJob(
        metadata=Meta(name="web", uid="u 1"), domain="web", domain_uid="u", operation="outgoing migration",
        phase=phase, source="kvm1", began=ASKED, ended=ended, reason=reason, total=1000, left=750, step="disks",
    )  # fmt: skip


def follow(
    here: Domain | None,
    there: Domain | None = None,
    job: DomainJob | None = None,
    *,
    before: Domain | None = None,
    link: str = "connected",
) -> Progress:
    """What is said of a move of `before` from kvm1, connected or not, to kvm2 with these on the two."""
    store = Store()
    store.post(Put("kvm1", before or domain()))
    store.drain()
    ref, _ = next(iter(store.items(Domain)))
    row = join_guest(store, ref)
    assert row is not None
    now = Store()
    for backend, record in (("kvm1", here), ("kvm2", there), ("kvm1", job),
                            ("kvm1", Host(metadata=Meta(name="kvm1"), link=link)),
                            ("kvm2", Host(metadata=Meta(name="kvm2"), link="connected"))):  # fmt: skip
        if record is not None:
            now.post(Put(backend, record))
    now.drain()
    assert MOVES[0].follow is not None
    return MOVES[0].follow(now, row, TARGET, ASKED)


MIGRATING = domain(DomainState.PAUSED, "migrating")


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        (domain(), None, "moving to kvm2, disks, 25% of 1000"),
        (domain(), MIGRATING, "moving to kvm2, disks, 25% of 1000"),
        (None, None, "it has left kvm1, and is not seen on kvm2 yet"),
        (None, MIGRATING, "it has left kvm1; on kvm2 it is paused (migrating)"),
    ],
)
def test_it_is_under_way_until_it_has_left_its_host_and_runs_on_the_other(
    here: Domain | None, there: Domain | None, words: str
) -> None:
    assert follow(here, there, job() if here else None) == Progress(words)


def test_it_is_over_where_it_stands_as_it_stood() -> None:
    assert follow(None, domain()) == Progress("it runs on kvm2", over=True)
    still, paused = domain(DomainState.SHUTOFF), domain(DomainState.PAUSED, "user")
    assert follow(None, still, before=still) == Progress("it is on kvm2", over=True)
    assert follow(None, paused, before=paused) == Progress("it is on kvm2", over=True)


def test_one_that_powers_off_as_it_arrives_has_moved_and_is_told_as_off() -> None:
    off = domain(DomainState.SHUTOFF, "shutdown")
    assert follow(None, off) == Progress("it is on kvm2, and off since: shutdown", over=True)


def test_a_failed_one_stays_with_the_reason_and_one_that_failed_before_is_none_of_it() -> None:
    failed = job("Failed", ended=ASKED + 5, reason="no route to host")
    assert follow(domain(), None, failed) == Progress("it stays on kvm1", failure="no route to host")
    dead = domain(DomainState.SHUTOFF, "crashed")
    assert follow(dead, None, failed) == Progress("it is shut off on kvm1", failure="no route to host")
    assert not follow(domain(), None, job("Failed", ended=ASKED - 5)).failure


def test_while_its_host_is_lost_nobody_knows_and_no_old_figure_is_told() -> None:
    progress = follow(domain(), MIGRATING, job(), link="lost")
    assert progress == Progress("kvm1 is lost: nobody knows how far it is")
