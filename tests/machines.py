"""Stores filled with recorded objects, for tests of resources, rules and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kvtui.fleet import all_sources
from kvtui.model import Feed, FeedState, Platform
from kvtui.records.base import Record
from kvtui.records.decode import decode_record
from kvtui.resources import resources_for
from kvtui.store import Put, Store
from kvtui.text import parse_time

DATA = Path(__file__).parent / "data"
RECORDED = parse_time("2026-11-21T01:56:00Z") or 0.0
"""A moment shortly after the recordings ended."""

TYPES: dict[str, type[Record]] = {
    source.kind: source.type for source in all_sources(resources_for([Platform.KUBERNETES]))
}

Object = dict[str, Any]


def read_machine(name: str) -> list[Object]:
    """The recorded objects of one machine."""
    found: list[Object] = json.loads((DATA / "machines" / f"{name}.json").read_text())
    return found


def record_of(item: Object) -> Record:
    """The record of an object of a known kind."""
    return decode_record(json.dumps(item).encode(), TYPES[item["kind"]])


def store_of(items: Iterable[Object]) -> Store:
    """A store that knows these objects, every feed live."""
    store = Store()
    for kind in TYPES:
        store.post(Feed("c", kind, FeedState.LIVE))
    for item in items:
        store.post(Put("c", record_of(item)))
    return store


def machine_store(name: str, edit: Callable[[dict[str, Object]], None] | None = None) -> Store:
    """A store of one recorded machine; `edit` gets its objects by kind (the last of each) to change them first."""
    items = read_machine(name)
    if edit is not None:
        edit({item["kind"]: item for item in items})
    store = store_of(items)
    store.drain()
    return store
