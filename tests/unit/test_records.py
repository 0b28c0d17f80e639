from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from kvtui.records.base import Record, StampedMeta
from kvtui.records.cdi import DataVolume
from kvtui.records.decode import decode_record
from kvtui.records.hardware import Cpu
from kvtui.records.kubernetes import Pod
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from tests.recordings import CUT, TYPES, WHOLE, items


def make(type_: type[Any], **parts: object) -> Any:
    record = decode_record(msgspec.json.encode({"metadata": {"namespace": "shop", "name": "web-1"}} | parts), type_)
    assert not record.fault
    return record


def differences(value: object, raw: object, path: str = "$") -> list[str]:
    """Where a decoded value says something else than the JSON that it came from."""
    if isinstance(value, msgspec.Struct) and isinstance(raw, dict):
        found: list[str] = []
        for field in msgspec.structs.fields(value):
            told = getattr(value, field.name)
            at = f"{path}.{field.encode_name}"
            written = raw.get(field.encode_name)
            if isinstance(value, StampedMeta) and field.name == "managed_fields" and written:
                written = [max(written, key=lambda stamp: str(stamp.get("time", "")))]
            if written is not None:
                found += differences(told, written, at)
            elif told:
                found += differences(told, {}, at) if isinstance(told, msgspec.Struct) else [f"{at}: made up {told!r}"]
        return found
    if isinstance(value, tuple) and isinstance(raw, list) and len(value) == len(raw):
        return [text for index, item in enumerate(value) for text in differences(item, raw[index], f"{path}[{index}]")]
    return [] if value == raw else [f"{path}: {value!r} is not {raw!r}"]


def assert_decodes_truly(type_: type[Record], item: dict[str, Any]) -> None:
    record = decode_record(json.dumps(item).encode(), type_)
    assert not record.fault
    assert not differences(record, item)
    ref = record.ref("prod")
    assert (ref.kind, ref.name, ref.uid) == (item.get("kind", type_.KIND), item["metadata"]["name"], ref.uid)
    assert record.created is not None
    assert all(link and value for link, value in record.links())


@pytest.mark.parametrize("resource", sorted(TYPES))
def test_recorded_objects_decode_to_what_they_say(resource: str) -> None:
    recorded = items(resource, CUT)
    assert recorded
    for item in recorded:
        assert_decodes_truly(TYPES[resource], item)


@pytest.mark.skipif(not WHOLE.exists(), reason=f"the whole recordings are not at {WHOLE.parent.name}/{WHOLE.name}")
@pytest.mark.parametrize("resource", sorted(TYPES))
def test_all_recorded_objects_decode_to_what_they_say(resource: str) -> None:
    recorded = items(resource, WHOLE)
    assert recorded
    for item in recorded:
        assert_decodes_truly(TYPES[resource], item)


@pytest.mark.parametrize("resource", sorted(TYPES))
def test_recorded_objects_need_no_repair(resource: str) -> None:
    # Repairing costs twenty times as much as decoding, so no field that real servers write as null may need it.
    decoder = msgspec.json.Decoder(TYPES[resource])
    for item in items(resource):
        decoder.decode(json.dumps(item))


def test_differences_are_found() -> None:
    item = {"metadata": {"name": "web-1", "labels": {"app": "shop"}}, "status": {"phase": "Running"}}
    record = make(VirtualMachineInstance, **item)
    assert differences(record, item) == []
    other = {"metadata": {"name": "web-2"}, "status": {}}
    assert len(differences(record, other)) == 3


@pytest.mark.parametrize(
    ("spec", "status", "strategy"),
    [
        ({"runStrategy": "Manual"}, {}, "Manual"),
        ({"runStrategy": "Manual", "running": True}, {}, "Manual"),
        ({"running": True}, {}, "Always"),
        ({"running": False}, {"runStrategy": "Always"}, "Halted"),
        ({}, {"runStrategy": "RerunOnFailure"}, "RerunOnFailure"),
        ({}, {}, ""),
    ],
)
def test_run_strategy(spec: dict[str, object], status: dict[str, object], strategy: str) -> None:
    assert make(VirtualMachine, spec=spec, status=status).run_strategy == strategy


@pytest.mark.parametrize(
    ("cpu", "count"),
    [
        (Cpu(), 0),
        (Cpu(cores=4), 4),
        (Cpu(sockets=2), 2),
        (Cpu(cores=4, sockets=2, threads=2), 16),
        (Cpu(model="host-passthrough"), 0),
    ],
)
def test_vcpus_are_sockets_times_cores_times_threads(cpu: Cpu, count: int) -> None:
    assert cpu.count == count


DISKS = [
    {"name": "root", "dataVolume": {"name": "web-1-root"}},
    {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    {"name": "os", "containerDisk": {"image": "fedora"}},
]


def test_a_vm_points_at_its_disks() -> None:
    vm = make(VirtualMachine, spec={"template": {"spec": {"volumes": DISKS}}})
    assert list(vm.links()) == [("disk", "shop/web-1-root"), ("disk", "shop/data")]


def test_a_vmi_points_at_the_nodes_that_it_runs_on_and_moves_to() -> None:
    moving = {"startTimestamp": "2026-11-21T02:00:00Z", "sourceNode": "n1", "targetNode": "n2"}
    vmi = make(VirtualMachineInstance, status={"nodeName": "n1", "migrationState": moving})
    assert list(vmi.links()) == [("node", "n1"), ("node", "n2")]
    arrived = moving | {"endTimestamp": "2026-11-21T02:01:00Z"}
    vmi = make(VirtualMachineInstance, status={"nodeName": "n2", "migrationState": arrived})
    assert list(vmi.links()) == [("node", "n2")]


def test_a_vmi_points_at_its_disks_whether_it_has_a_vm_or_not() -> None:
    owner = {"kind": "VirtualMachine", "name": "web-1", "uid": "u1", "controller": True}
    alone = make(VirtualMachineInstance, spec={"volumes": DISKS})
    owned = make(VirtualMachineInstance, spec={"volumes": DISKS}, metadata={"ownerReferences": [owner]})
    assert list(alone.links()) == [("disk", "shop/web-1-root"), ("disk", "shop/data")]
    assert [value.rpartition("/")[2] for _, value in owned.links()] == ["web-1-root", "data"]


def test_only_launchers_point_at_a_vmi() -> None:
    labels = {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "u1"}
    launcher = make(Pod, metadata={"labels": labels}, spec={"nodeName": "n1"})
    assert list(launcher.links()) == [("node", "n1"), ("vmi", "u1")]
    other = make(Pod, metadata={"labels": labels | {"kubevirt.io": "virt-handler"}}, spec={"nodeName": "n1"})
    assert list(other.links()) == [
        ("node", "n1"),
        ("component", "virt-handler"),
        ("component on", "n1"),
        ("components", ""),
    ]


def test_a_migration_points_at_its_vmi_and_is_unfinished_until_it_ends() -> None:
    running = make(Migration, spec={"vmiName": "web-1"}, status={"phase": "Running"})
    ended = make(Migration, spec={"vmiName": "web-1"}, status={"phase": "Failed"})
    assert ("vmi", "shop/web-1") in list(running.links())
    assert ("unfinished", "true") in list(running.links())
    assert list(ended.links()) == [("vmi", "shop/web-1")]


def test_a_data_volume_fills_the_claim_of_its_name_unless_it_says_another() -> None:
    filled = {"phase": "Succeeded"}
    assert list(make(DataVolume, status=filled).links()) == [("claim", "shop/web-1")]
    assert list(make(DataVolume, status={**filled, "claimName": "prime"}).links()) == [("claim", "shop/prime")]


def test_a_data_volume_that_is_not_filled_yet_points_at_the_controller_that_fills_it() -> None:
    assert ("worker", "cdi-deployment") in list(make(DataVolume, status={"phase": "Pending"}).links())


def test_what_two_objects_say_alike_is_kept_once() -> None:
    made = ({"metadata": {"name": name}, "spec": {"storage": {"accessModes": ["ReadWriteMany"]}}} for name in "ab")
    first, second = (decode_record(json.dumps(item).encode(), DataVolume) for item in made)
    assert first.spec is second.spec
    other = {"metadata": {"name": "c"}, "spec": {"storage": {"accessModes": ["ReadWriteOnce"]}}}
    assert decode_record(json.dumps(other).encode(), DataVolume).spec != first.spec


def test_the_texts_that_objects_have_in_common_are_kept_once() -> None:
    owner = {"kind": "VirtualMachine", "name": "web-7", "uid": "b2b7"}
    volume = {"name": "root", "dataVolume": {"name": "web-7-root"}}
    vm = make(
        VirtualMachine, metadata={"name": "web-7", "uid": "b2b7"}, spec={"template": {"spec": {"volumes": [volume]}}}
    )
    disk = make(DataVolume, metadata={"name": "web-7-root", "ownerReferences": [owner]})
    assert disk.metadata.owner_references[0].name is vm.metadata.name
    assert disk.metadata.owner_references[0].uid is vm.metadata.uid
    assert vm.spec.template.spec.volumes[0].data_volume.name is disk.metadata.name
