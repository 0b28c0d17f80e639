"""Every recorded object decodes without fault and shows in every column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvtui.model import Cell, Platform
from kvtui.resources import RESOURCES, resources_for
from kvtui.store import Put, Store
from kvtui.text import clean
from tests.machines import DATA, RECORDED, TYPES, Object, record_of

COPIES = {"VirtualMachineSnapshot", "VirtualMachineRestore", "VirtualMachineClone", "VirtualMachineExport"}
"""The recorded cluster had none of them; tests/resources/test_copies.py has those of the demo cluster."""
STORAGE = {"PersistentVolume", "CephCluster", "CSIDriver", "CSINode", "DaemonSet", "DataSource"}
"""Nor of these; see tests/resources/test_provisioning.py."""
SERVED = {
    "APIService",
    "Application",
    "Cluster",
    "KubeadmConfig",
    "KubeadmControlPlane",
    "KubevirtCluster",
    "KubevirtMachine",
    "Machine",
    "MachineDeployment",
    "ResourceQuota",
}
"""Nor were these asked for; see test_apiservices.py, tests/triage/test_gitops.py and test_drills.py."""
FILES = sorted((DATA / "recordings").glob("*/*.json*")) + sorted((DATA / "machines").glob("*.json"))


def objects(path: Path) -> Iterator[Object]:
    """The objects in a file, with the kind that items of a list lack."""
    text = path.read_text()
    if path.suffix == ".jsonl":
        events = [json.loads(line).get("event") for line in text.splitlines()]
        found = [event["object"] for event in events if event]
        kind = ""
    else:
        whole = json.loads(text)
        found = whole if isinstance(whole, list) else whole["items"]
        kind = "" if isinstance(whole, list) else whole.get("kind", "").removesuffix("List")
    for item in found:
        if "name" in item.get("metadata", {}):
            yield {"kind": kind, **item}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_recorded_objects_decode_and_render(path: Path) -> None:
    store = Store()
    for item in objects(path):
        record = record_of(item)
        assert record.fault == ""
        assert record.metadata.uid == item["metadata"]["uid"]
        store.post(Put("c", record))
    store.drain()
    for resource in RESOURCES:
        for ref in resource.refs(store):
            row = resource.row(store, ref)
            assert row is not None
            assert resource.ref(row) == ref
            for column in resource.columns:
                cell = column.cell(row, RECORDED)
                assert isinstance(cell, Cell), column.title
                assert cell.text == clean(cell.text), column.title
            assert resource.health(row, RECORDED).word
            assert all(isinstance(value, str) for value in resource.fields(row).values())


def test_the_recordings_hold_every_kind_that_is_watched() -> None:
    seen = {item["kind"] for path in FILES for item in objects(path)}
    assert seen >= set(TYPES) - {"CDI"} - COPIES - STORAGE - SERVED


def test_names_and_aliases_are_used_once() -> None:
    names = [name for resource in RESOURCES for name in (resource.name, *resource.aliases)]
    assert len(names) == len(set(names))


def test_action_keys_do_not_clash_within_a_resource_nor_with_the_screens_own() -> None:
    reserved = set("q01234z/:?wydlxtcavLno") | {"space", "ctrl+space", "ctrl+p", "f", "j", "k", "g", "G", "O"}
    for resource in RESOURCES:
        # Without a key it is only in the menu of actions.
        keys = [key for action in resource.actions if action.key for key in action.key.split(",")]
        assert len(keys) == len(set(keys)), resource.name
        assert not reserved & set(keys), resource.name


def test_an_object_that_cannot_be_read_is_shown_as_such() -> None:
    for resource in resources_for({Platform.KUBERNETES}):
        type_ = resource.sources[0].type
        store = Store()
        store.post(Put("c", record_of({"kind": type_.KIND, "metadata": {"name": "x", "uid": "u"}, "status": 7})))
        store.drain()
        (ref,) = resource.refs(store)
        row = resource.row(store, ref)
        assert row is not None
        assert [column.cell(row, RECORDED) for column in resource.columns]
        assert resource.health(row, RECORDED).word
