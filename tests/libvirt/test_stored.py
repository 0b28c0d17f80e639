"""Stored definitions that another client changes without an event."""

from __future__ import annotations

from typing import Any

from kvtui.backends.libvirt.stored import StoredDefinitions


class Handle:
    """A domain as a look sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = f"<domain><name>{name}</name></domain>"

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return self.name

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        return self.text


def test_what_another_client_stores_is_found_within_25_looks_and_once() -> None:
    handles: list[Any] = [Handle(f"vm-{at}") for at in range(50)]
    stored = StoredDefinitions()
    for handle in handles:
        stored.note(handle.name, handle.text)
    handles[31].text = "<domain><name>vm-31</name><memory>2</memory></domain>"
    assert sorted(uuid for _ in range(25) for uuid in stored.find_changed(handles)) == ["vm-31"]


def test_each_look_asks_of_a_few_only() -> None:
    handles: list[Any] = [Handle(f"vm-{at}") for at in range(1000)]
    stored = StoredDefinitions()
    assert len(stored.find_changed(handles)) == 40
    assert stored.find_changed([]) == set()
