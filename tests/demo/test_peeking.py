"""Objects that are only looked at: all who do share them, and nobody changes them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import msgspec
import pytest

from kvtui.demo import kinds
from kvtui.demo.storage import Kind, Object, Storage
from kvtui.demo.world import World
from tests.demo.test_storage import NOW, vm
from tests.demo.worlds import START


def test_what_is_only_looked_at_is_what_is_stored_and_stays_as_it_was() -> None:
    storage = Storage(lambda: NOW)
    storage.create(kinds.VM, vm(labels={"app": "web"}))
    before = storage.peek(kinds.VM, "shop", "web-1")
    assert before == storage.get(kinds.VM, "shop", "web-1")
    assert before is storage.peek(kinds.VM, "shop", "web-1")
    writes: tuple[Callable[[], Object | None], ...] = (
        lambda: storage.modify(kinds.VM, "shop", "web-1", lambda obj: obj["spec"].update(runStrategy="Halted")),
        lambda: storage.update(kinds.VM, {**vm(labels={"app": "shop"}), "status": {}}),
        lambda: storage.update(kinds.VM, {**vm(), "status": {"printableStatus": "Stopped"}}, status=True),
    )
    for write in writes:
        kept = storage.peek(kinds.VM, "shop", "web-1")
        assert kept is not None
        copied = copy.deepcopy(kept)
        written = write()
        assert written == storage.peek(kinds.VM, "shop", "web-1")
        assert written is not None
        written["spec"]["runStrategy"] = written["status"]["printableStatus"] = "Manual"
        assert kept == copied
        assert storage.peek(kinds.VM, "shop", "web-1") == storage.get(kinds.VM, "shop", "web-1") != written
    storage.delete(kinds.VM, "shop", "web-1")
    assert storage.peek(kinds.VM, "shop", "web-1") is None


def test_who_only_looks_at_an_object_never_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    peek, looked_at = Storage.peek, dict[bytes, Object]()

    def note(storage: Storage, kind: Kind, namespace: str, name: str) -> Object | None:
        found = peek(storage, kind, namespace, name)
        if found is not None:
            looked_at[storage.raw(kind, namespace, name).raw] = found
        return found

    monkeypatch.setattr(Storage, "peek", note)
    World(start=START)
    assert len(looked_at) > 1000
    assert [found for raw, found in looked_at.items() if msgspec.json.decode(raw) != found] == []
