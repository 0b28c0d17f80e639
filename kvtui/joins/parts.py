"""The records that a row is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from kvtui.model import Ref
from kvtui.records.base import Record


def records_of(row: Any) -> Iterator[Record]:
    """The records that a row is or was joined from."""
    if isinstance(row, Record):
        yield row
    elif is_dataclass(row):
        for field in fields(row):
            value = getattr(row, field.name)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Record):
                    yield item


def parts_of(row: Any, backend: str) -> list[Ref]:
    """The objects that belong to a row, but for the node or host: its events are other machines' too."""
    return [record.ref(backend) for record in records_of(row) if record.KIND not in ("Node", "Host")]
