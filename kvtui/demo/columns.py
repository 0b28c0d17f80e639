"""One column of a Table, and the helpers that fill its cells from decoded JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kvtui import text
from kvtui.demo.metadata import Object

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"

NAME_WORDS = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
AGE_WORDS = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column definition of a Table, and its cell for an object at a moment."""

    name: str
    cell: Callable[[Object, datetime], Any]
    type: str = "string"
    priority: int = 0
    description: str = ""
    format: str = ""

    def definition(self) -> Object:
        """The entry of ``columnDefinitions``."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def plain(cell: Callable[[Object], Any]) -> Callable[[Object, datetime], Any]:
    """A cell that does not depend on the time."""
    return lambda obj, _now: cell(obj)


def find(obj: Any, *path: str) -> Any:
    """The value at a path of member names, or None."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj


def field(*path: str, absent: Any = "") -> Callable[[Object, datetime], Any]:
    """A cell with the value at a path, or `absent` when there is none or it is empty."""

    def cell(obj: Object, _now: datetime) -> Any:
        value = find(obj, *path)
        return absent if value is None or value == "" else value

    return cell


def condition_status(obj: Object, kind: str) -> Any:
    """The status of a condition, or None."""
    conditions = find(obj, "status", "conditions") or ()
    return next((found.get("status") for found in conditions if found.get("type") == kind), None)


def condition(kind: str) -> Callable[[Object, datetime], Any]:
    """A cell with the status of a condition, or null."""
    return plain(lambda obj: condition_status(obj, kind))


def since(moment: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 moment was, as the server prints ages."""
    seconds = text.parse_time(moment)
    return UNKNOWN if seconds is None else text.age(now.timestamp() - seconds)


def created(obj: Object, now: datetime) -> str:
    """The age of an object."""
    return since(find(obj, "metadata", "creationTimestamp"), now)


def labels_text(labels: Object | None) -> str:
    """Labels as ``a=b,c=d``."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def joined(values: Iterable[Any]) -> str:
    """Values with commas between them."""
    return ",".join(str(value) for value in values)


NAME = Column("Name", field("metadata", "name"), description=NAME_WORDS, format="name")
AGE = Column("Age", created, description=AGE_WORDS)
