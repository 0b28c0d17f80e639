"""Data sources whose image is gone, and the disks that wait for it: kubevirt-api.md 9.3, row 55."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Condition, find_condition
from kvtui.records.cdi import DataSource, DataVolume
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself

SETTLE: Final = 60.0
"""Seconds for which an import that replaces the image may leave none."""
_GONE: Final = frozenset({"NotFound", "NoSource", "NoPvc"})
"""Other reasons are phases of an import that fills it."""


def find_missing(record: DataSource) -> Condition | None:
    """What says that there is no image behind a data source; None while there is, or while it comes."""
    ready = find_condition(record.status.conditions, "Ready")
    return ready if ready is not None and ready.status == "False" and ready.reason in _GONE else None


def tell_missing(record: DataSource) -> str:
    """What is missing, in a sentence about the data source."""
    return f"its {record.origin} does not exist" if record.origin else "it names no source"


def _judge(view: View, ref: Ref, _now: float) -> Judgement:
    record = view.find(DataSource, ref)
    missing = find_missing(record) if record is not None else None
    if record is None or missing is None or record.metadata.deletion_timestamp:
        return WELL
    waits = view.linked(DataVolume, ref.backend, "source", ref.path)
    # Many clusters come with names for images that nobody has ever imported.
    severity = Severity.WARN if waits else Severity.INFO
    since = parse_time(missing.last_transition_time)
    evidence = Evidence(f"DataSource {ref.name}", f"Ready=False {missing.reason}", missing.message, since)
    step = "import the image anew, or let spec.source name one that exists"
    return Judgement(
        Finding(
            "datasource.ready", severity, ref, "data source", "has no image", tell_missing(record), since, (evidence,),
            step,
        )
    )  # fmt: skip


def _source_of(view: View, ref: Ref, volume: DataVolume) -> Iterator[Ref]:
    if volume.source_path:
        namespace, _, name = volume.source_path.partition("/")
        record = view.get(DataSource, ref.backend, namespace, name)
        if record is not None:
            yield record.ref(ref.backend)


RULES: Final = (
    Rule(
        "datasource.ready",
        _judge,
        {DataSource: itself, DataVolume: _source_of},
        settle=SETTLE,
        linger=LINGER,
        detects="a data source whose image is gone, and whether disks wait for it",
        severities="warn, info",
    ),
)
