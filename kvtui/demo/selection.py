"""The selectors of one list or watch, applied to stored objects and to changes."""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.demo.changes import Change, ChangeType
from kvtui.demo.selectors import FieldSelector, LabelSelector, parse_fields, parse_labels
from kvtui.demo.storage import Kind, Stored


@dataclass(frozen=True, slots=True)
class Selection:
    """A label and a field selector; false when neither has a term."""

    labels: LabelSelector
    fields: FieldSelector

    @classmethod
    def parse(cls, kind: Kind, labels: str, fields: str) -> Selection:
        """Read both. Raises StorageError 400."""
        return cls(parse_labels(labels), parse_fields(kind, fields))

    def __bool__(self) -> bool:
        return bool(self.labels.requirements or self.fields.terms)

    def matches(self, row: Stored) -> bool:
        """Whether a stored object is chosen."""
        return self.labels.matches(row.labels) and self.fields.matches(row.namespace, row.name, row.raw)

    def event_of(self, change: Change) -> ChangeType | None:
        """What a change is to a watch with these selectors: entering is ADDED, leaving is DELETED; None for nothing."""
        before = (
            change.previous is not None
            and self.labels.matches(change.previous_labels or {})
            and self.fields.matches(change.namespace, change.name, change.previous)
        )
        if change.type == "DELETED":
            return "DELETED" if before else None
        now = self.labels.matches(change.labels) and self.fields.matches(change.namespace, change.name, change.raw)
        if now:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None
