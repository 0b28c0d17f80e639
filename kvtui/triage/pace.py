"""How long things usually take here: stated defaults, and what the fleet's own objects tell of the last times.

A rule says "slow" only beyond both the default and several times what is usual. What is usual is the middle of the
durations that lie between timestamps of the objects themselves; a fleet is sampled, once a minute at most. Of deletions
nothing remains that tells how long they took: for them the grace period counts, and no history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final
from weakref import WeakKeyDictionary

from kvtui.model import Evidence
from kvtui.records.base import Record, find_condition
from kvtui.records.cdi import DataVolume
from kvtui.records.kubevirt import Migration, PhaseTransition, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import age, parse_time

_SAMPLE: Final = 200
"""Objects of a fleet that are looked at, evenly over all of it."""
_FEW: Final = 5
"""Durations from which on something is usual."""
_TIMES: Final = 5.0
"""How many times what is usual may pass before it is slow."""
_KEPT: Final = 60.0
"""Seconds for which a look at the fleet counts."""
_GIB: Final = 2.0**30


@dataclass(frozen=True, slots=True)
class Stage:
    """Something that takes time, and how long it may where the fleet tells nothing."""

    name: str
    default: float
    """Seconds."""
    type: type[Record]
    durations: Callable[[Record], Iterator[float]]
    """Of one object, the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a stage may take in a fleet before it is slow."""

    limit: float
    """Seconds."""
    usual: float | None = None
    """The middle of those seen; None where too few are seen."""
    seen: int = 0

    def tell(self) -> str:
        """``usually 40s here, 21 of them``; where that is not known, nothing."""
        return "" if self.usual is None else f"usually {age(self.usual)} here, {self.seen} of them"

    def evidence(self, subject: str, field: str, began: float | None) -> Evidence:
        """What is usual, beside how long it takes now."""
        return Evidence(subject, field, self.tell() or f"more than {age(self.limit)} is slow", began)


_Known = dict[tuple[str, str], tuple[float, Pace]]
_paces: WeakKeyDictionary[View, _Known] = WeakKeyDictionary()
"""By backend and stage, when it was looked at and what was seen."""


def pace_of(view: View, backend: str, stage: Stage, now: float) -> Pace:
    """How long a stage may take on this backend."""
    known = _paces.setdefault(view, {})
    looked, pace = known.get((backend, stage.name), (None, Pace(stage.default)))
    if looked is None or not 0 <= now - looked < _KEPT:
        pace = _measure(view, backend, stage)
        known[backend, stage.name] = (now, pace)
    return pace


def _measure(view: View, backend: str, stage: Stage) -> Pace:
    records = [record for _, record in view.items(stage.type, backend)]
    sample = records[:: max(1, len(records) // _SAMPLE)]
    seen = [seconds for record in sample for seconds in stage.durations(record) if seconds >= 0]
    if len(seen) < _FEW:
        return Pace(stage.default)
    usual = median(seen)
    return Pace(max(stage.default, _TIMES * usual), usual, len(seen))


def _entered(steps: tuple[PhaseTransition, ...]) -> dict[str, float]:
    """When each phase was entered, the last time."""
    return {step.phase: at for step in steps if (at := parse_time(step.phase_transition_timestamp)) is not None}


def _between(record: VirtualMachineInstance | Migration, first: str, last: str) -> Iterator[float]:
    entered = _entered(record.status.phase_transition_timestamps)
    if first in entered and last in entered:
        yield entered[last] - entered[first]


def _starts(record: Record) -> Iterator[float]:
    """From its launcher pod to the guest."""
    assert isinstance(record, VirtualMachineInstance)
    yield from _between(record, "Scheduling", "Running")


def _preparations(record: Record) -> Iterator[float]:
    """From its target pod to the first byte of memory."""
    assert isinstance(record, Migration)
    yield from _between(record, "Scheduling", "Running")


def _copies(record: Record) -> Iterator[float]:
    """The copy of memory of those that went through."""
    assert isinstance(record, Migration)
    state = record.status.migration_state
    if record.status.phase == "Succeeded" and state is not None:
        began, ended = parse_time(state.start_timestamp), parse_time(state.end_timestamp)
        if began is not None and ended is not None:
            yield ended - began


def _fillings(record: Record) -> Iterator[float]:
    """From the DataVolume to its filled claim."""
    assert isinstance(record, DataVolume)
    ready = find_condition(record.status.conditions, "Ready")
    if record.status.phase == "Succeeded" and ready is not None and ready.status == "True":
        at = parse_time(ready.last_transition_time)
        if at is not None and record.created is not None:
            yield at - record.created


START: Final = Stage("start", 300.0, VirtualMachineInstance, _starts)
"""From the launcher pod to the running guest."""
PREPARATION: Final = Stage("preparation", 60.0, Migration, _preparations)
"""Until the target of a migration is ready."""
COPY: Final = Stage("copy", 300.0, Migration, _copies)
"""The copy of a guest's memory; a large one may take longer."""
IMPORT: Final = Stage("import", 3600.0, DataVolume, _fillings)
"""Until a disk is filled."""
BEGIN_LIMIT: Final = 600.0
"""Seconds until an import, a clone or an upload has begun: what went on before is not dated."""
STOP_GRACE: Final = 60.0
"""Seconds beyond its grace period that an end may take."""
