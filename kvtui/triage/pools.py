"""Pools of hosts that are not active, have no room left, or promised more than they have. Evidence: libvirt.md 4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kvtui.joins.domain import host_answers
from kvtui.joins.storage import (
    has_old_sizes,
    name_run,
    pools_in_trouble,
    pools_of_host,
    promised_in,
    runs_from,
    starved_by,
    waiting_for,
)
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.libvirt import POOL_FULL, POOL_NEARLY_FULL, Domain, Host, StoragePool, StorageVolume
from kvtui.store import View
from kvtui.text import percent, size
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

TIGHT = 0.85
"""Share of a pool in use from which it is a warning what its volumes may grow by; before that it is a note."""
_WORTH = 0.01
"""Share of a pool from which it is worth a word that its volumes grew."""
_PROMISED = "is promised beyond its size"
_REVIVE = "start the pool: until then these disks cannot be copied, snapshot or grown, and the VMs may not start again"


def _judge_pool(view: View, ref: Ref, _now: float) -> Judgement:
    pool = view.find(StoragePool, ref)
    if pool is None:
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    if pool.state in ("degraded", "inaccessible"):
        return Judgement(_of_pool(ref, pool, Severity.BAD, f"is {pool.state}", f"libvirt says {pool.state}"))
    if pool.state == "inactive":
        return _judge_inactive(view, ref, pool)
    starved = starved_by(view, ref.backend, pool)
    if starved:
        words = f"nothing more can be written in {pool.path or 'it'}"
        if has_old_sizes(pool, starved):
            words += f"; the {size(pool.free)} free are of libvirt's last look into it, before that"
        step = "make room, unpause what it has paused, and refresh the pool to see how much is free"
        return Judgement(_of_pool(ref, pool, Severity.BAD, "is full", words, step))
    return _judge_room(view, ref, pool)


def _judge_inactive(view: View, ref: Ref, pool: StoragePool) -> Judgement:
    runs = runs_from(view, ref.backend, pool)
    if runs:
        return Judgement(_of_pool(ref, pool, Severity.WARN, "is inactive", name_run(pool, runs), _REVIVE))
    waiting = waiting_for(view, ref.backend, pool)
    if not pool.autostart and not waiting:
        return WELL
    words = "it is to start with its host; its volumes cannot be used until then"
    if waiting:
        are = "is" if len(waiting) == 1 else "are"
        words = f"VM {', '.join(waiting)} {are} to start with the host, and cannot without it"
    return Judgement(_of_pool(ref, pool, Severity.WARN, "is inactive", words, "start the pool, and see why it did not"))


def _judge_room(view: View, ref: Ref, pool: StoragePool) -> Judgement:
    taken = pool.strain
    promised = promised_in(view, ref.backend, pool) if taken >= TIGHT else 0
    if taken < POOL_NEARLY_FULL and promised <= pool.left:
        return WELL
    severity, trouble = _grade(taken)
    step = "remove volumes or snapshots, or let the pool grow"
    return Judgement(_of_pool(ref, pool, severity, trouble, _tell_room(pool, promised), step))


def _judge_promise(view: View, ref: Ref, _now: float) -> Judgement:
    """While there is room. It is a rule of its own, so that what comes of it is as old as that is."""
    pool = view.find(StoragePool, ref)
    if pool is None or pool.state != "running" or not 0 < pool.strain < TIGHT or starved_by(view, ref.backend, pool):
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    promised = promised_in(view, ref.backend, pool)
    if promised <= pool.left:
        return WELL
    step = f"nothing yet, but to watch how full it gets: from {percent(TIGHT, 1.0)} on this is a warning"
    finding = _of_pool(ref, pool, Severity.INFO, _PROMISED, _tell_room(pool, promised), step)
    return Judgement(replace(finding, rule="pool.promise"))


def _judge_sizes(view: View, ref: Ref, _now: float) -> Judgement:
    pool = view.find(StoragePool, ref)
    if pool is None or pool.state != "running" or not pool.outgrown or starved_by(view, ref.backend, pool):
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    words = f"its volumes took {size(pool.grown)} since libvirt last looked into it, when {size(pool.free)} were free: "
    words += "it is larger now, or others made room"
    step = "refresh the pool to see how much is free"
    finding = _of_pool(ref, pool, Severity.INFO, "has other sizes by now", words, step)
    return Judgement(replace(finding, rule="pool.sizes"))


def _tell_room(pool: StoragePool, promised: int) -> str:
    words = f"{percent(pool.strain, 1.0)} of {size(pool.capacity)} taken, {size(pool.left)} left"
    if pool.grown >= _WORTH * pool.capacity:
        words += f"; {size(pool.grown)} of it since libvirt last looked into it"
    if promised > pool.left:
        words += f"; its volumes may grow by {size(promised)}"
    return words


def _grade(taken: float) -> tuple[Severity, str]:
    if taken >= POOL_FULL:
        return Severity.BAD, "is full"
    return Severity.WARN, "is nearly full" if taken >= POOL_NEARLY_FULL else _PROMISED


def _of_pool(ref: Ref, pool: StoragePool, severity: Severity, trouble: str, cause: str, step: str = "") -> Finding:
    return Finding(
        rule="pool.state",
        severity=severity,
        subject=ref,
        label="pool",
        trouble=trouble,
        cause=cause,
        evidence=_evidence(ref, pool),
        step=step,
    )


def _evidence(ref: Ref, pool: StoragePool) -> tuple[Evidence, ...]:
    name = f"pool {ref.name}"
    state = Evidence(name, "state", pool.state)
    if pool.state == "inactive" or not pool.capacity:
        return (state,)
    sizes = f"{size(pool.allocation)} of {size(pool.capacity)}, {size(pool.free)} free"
    looked = Evidence(name, "allocation at libvirt's last look", sizes, pool.looked)
    if pool.grown < _WORTH * pool.capacity:
        return (state, looked)
    left = "" if pool.outgrown else f", {size(pool.left)} left"
    return (state, looked, Evidence(name, "its volumes since then", f"{size(pool.grown)} more{left}"))


def _of_volume(view: View, ref: Ref, volume: StorageVolume) -> Iterator[Ref]:
    """Its pool, where its volumes take their space as they are written to."""
    pool = view.get(StoragePool, ref.backend, "", volume.pool)
    if pool is not None and (pool.strain or pool.outgrown):
        yield pool.ref(ref.backend)


RULES = (
    Rule(
        "pool.state",
        _judge_pool,
        {StoragePool: itself, Domain: pools_in_trouble, StorageVolume: _of_volume, Host: pools_of_host},
        linger=LINGER,
        detects="a pool that is full or nearly, promised beyond its size from 85 % on, inactive, degraded or not there",
        severities="bad, warn",
    ),
    Rule(
        "pool.promise",
        _judge_promise,
        {StoragePool: itself, Domain: pools_in_trouble, StorageVolume: _of_volume, Host: pools_of_host},
        detects="a pool that is promised beyond its size, while less than 85 % of it are taken",
        severities="info",
    ),
    Rule(
        "pool.sizes",
        _judge_sizes,
        {StoragePool: itself, Domain: pools_in_trouble, Host: pools_of_host},
        detects="a pool whose volumes took more than libvirt last saw free, so that its sizes are out of date",
        severities="info",
    ),
)
