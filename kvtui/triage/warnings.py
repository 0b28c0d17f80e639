"""Warnings: what events say of an object, as long as that is news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kvtui.model import Evidence, Ref, Severity
from kvtui.records.base import Record
from kvtui.records.kubernetes import Deployment, Event, Node
from kvtui.records.kubevirt import Migration, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import shorten
from kvtui.triage.messages import read_message

EVENT_RECENT: Final = 600.0
"""Seconds for which a warning is news."""
REPEATED: Final = 5
"""From how many times on a warning is more than a note."""
REPLICA_SET: Final = "ReplicaSet"


def list_warnings(view: View, backend: str, record: Record) -> list[Event]:
    """What is told of an object, where some of that is a warning that is its own to answer."""
    if isinstance(record, Migration) and record.is_final:
        return []
    about = [event for _, event in _events_about(view, backend, record)]
    if not any(event.type == "Warning" for event in about):
        return []
    return [event for event in about if not _is_of_migration(view, backend, event)]


def is_warned_of(view: View, backend: str, record: Record) -> bool:
    """Whether somebody may warn of an object: by its name, or by its uid, for some write another namespace into what
    they tell of it.
    """
    meta = record.metadata
    if view.count_linked(Event, backend, "warns", f"{record.KIND} {meta.namespace}/{meta.name}"):
        return True
    made = f"{REPLICA_SET} {meta.namespace}/{meta.name}"
    if isinstance(record, Deployment) and view.count_linked(Event, backend, "warns of", made):
        return True
    return any(view.count_linked(Event, backend, "about", uid) for uid in _uids_of(record))


def list_news(events: Sequence[Event], now: float) -> list[Event]:
    """The newest warning of each reason among what is told of an object, while it is news and nobody has told of
    progress since; the newest first.
    """
    warnings = (event for event in events if event.type == "Warning")
    newest = {event.reason: event for event in sorted(warnings, key=lambda event: event.last_seen or 0.0)}
    news = [one for one in newest.values() if now < (one.last_seen or 0.0) + EVENT_RECENT]
    news = [one for one in news if not _is_answered(one, events)]
    return sorted(news, key=lambda event: -(event.last_seen or 0.0))


def read_warning(event: Event) -> tuple[Severity, str, Evidence, str]:
    """How grave a warning is, what it says, as evidence, and the step where its message is known."""
    about = event.involved_object
    sentence, step = read_words(event.message or event.reason or "it gives neither a reason nor words")
    words = f"{sentence}{f' ({count_times(event.times)})' if event.times > 1 else ''}"
    subject = f"Event of {name_kind(about.kind)} {about.name}"
    evidence = Evidence(subject, event.reason, event.message, event.first_seen)
    return Severity.WARN if event.times >= REPEATED else Severity.INFO, words, evidence, step


def read_words(words: str) -> tuple[str, str]:
    """What a controller says, in a sentence and with a step where its message is known."""
    reading = read_message(words)
    return (reading.sentence, reading.step) if reading is not None else (shorten(words, _LONGEST), "")


_LONGEST: Final = 400
"""Columns of a message that a sentence may have: all of it is in the evidence."""


def _events_about(view: View, backend: str, record: Record) -> list[tuple[Ref, Event]]:
    """What is told of an object, by its uid. Who writes events by hand leaves that out: what such a one says from
    before the object was made is of another. What is told of the ReplicaSets of a Deployment is told of that.
    """
    meta = record.metadata
    by_uid = [found for uid in _uids_of(record) for found in view.linked(Event, backend, "about", uid)]
    by_name = view.linked(Event, backend, "about", f"{record.KIND} {meta.namespace}/{meta.name}")
    if isinstance(record, Deployment):
        by_name += view.linked(Event, backend, "warns of", f"{REPLICA_SET} {meta.namespace}/{meta.name}")
    return by_uid + [(ref, event) for ref, event in by_name if (event.last_seen or 0.0) >= (record.created or 0.0)]


def _uids_of(record: Record) -> tuple[str, ...]:
    """By what events call an object; the kubelet calls its node by its name."""
    meta = record.metadata
    if isinstance(record, Node):
        return (meta.uid, meta.name)
    return (meta.uid,) if meta.uid else ()


def _is_answered(warning: Event, events: Iterable[Event]) -> bool:
    """Whether who warned has told of progress since; what repeats itself comes again after each new try."""
    told = (one for one in events if one.type == "Normal" and one.reporter == warning.reporter)
    return warning.times < REPEATED and any((one.last_seen or 0.0) > (warning.last_seen or 0.0) for one in told)


def _is_of_migration(view: View, backend: str, event: Event) -> bool:
    """Whether it repeats of an instance what a migration of it says of itself (kubevirt-api.md 5.4), or tells of one
    that somebody cancelled: that is gone by then.
    """
    about = event.involved_object
    if event.reason != "Migrated" or about.kind != VirtualMachineInstance.KIND:
        return False
    moves = view.linked(Migration, backend, "vmi", f"{about.namespace}/{about.name}")
    vmi = view.get(VirtualMachineInstance, backend, about.namespace, about.name)
    last = vmi.status.migration_state if vmi is not None else None
    cancelled = (last.migration_uid,) if last is not None and last.abort_requested else ()
    return any(uid and uid in event.message for uid in (*cancelled, *(move.uid for move, _ in moves)))


def name_kind(kind: str) -> str:
    """What a kind is called in a sentence."""
    return _KINDS.get(kind, kind)


_KINDS: Final = {
    "VirtualMachine": "VM",
    "VirtualMachineInstance": "VMI",
    "VirtualMachineInstanceMigration": "migration",
    "PersistentVolumeClaim": "PVC",
    "PersistentVolume": "PV",
    "NetworkAttachmentDefinition": "NAD",
}


def count_times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"
