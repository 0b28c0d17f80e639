"""Refusals and defaults of the webhooks, in the words that were recorded or are in the reference."""

from __future__ import annotations

import pytest

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.drills.making import import_of, migration_of, small_machine
from kvtui.demo.storage import Kind, Object, StorageError
from tests.demo.worlds import create, quiet_world, running_machine


def refusal(kind: Kind, obj: Object, old: Object | None = None) -> StorageError:
    world = quiet_world()
    with pytest.raises(StorageError) as found:
        admit(world, kind, obj, old, "CREATE" if old is None else "UPDATE")
    return found.value


def test_a_run_strategy_of_the_wrong_type() -> None:
    vm = small_machine("shop", "bad")
    vm["spec"]["runStrategy"] = 7
    found = refusal(kinds.VM, vm)
    # Recording create-invalid-type.
    told = 'spec.runStrategy in body must be of type string: "number"'
    assert found.message == f'admission webhook "virtualmachines-mutator.kubevirt.io" denied the request: {told}'
    assert (found.code, found.reason, found.details) == (422, "Invalid", {"causes": [{"message": told}]})


def test_running_and_run_strategy_exclude_each_other() -> None:
    vm = small_machine("shop", "bad")
    vm["spec"]["running"] = True
    assert "Running and RunStrategy are mutually exclusive" in refusal(kinds.VM, vm).message


def test_a_disk_without_volume() -> None:
    vm = small_machine("shop", "bad")
    vm["spec"]["template"]["spec"]["volumes"].pop(0)
    assert "devices.disks[0].Name 'rootdisk' not found." in refusal(kinds.VM, vm).message


@pytest.mark.parametrize(
    ("guest", "words"),
    [
        ("9Gi", "Guest memory is greater than the configured maxGuest memory"),
        ("1025Mi", "Guest memory must be 2Mi aligned"),
        ("512Mi", "Memory hotplug is only available for VMs with at least 1Gi of guest memory"),
        ("-5Mi", "must be greater than 0."),
    ],
)
def test_memory_that_does_not_go_with_how_far_it_may_grow(guest: str, words: str) -> None:
    vm = small_machine("shop", "bad")
    vm["spec"]["template"]["spec"]["domain"]["memory"] = {"guest": guest, "maxGuest": "8Gi"}
    assert words in refusal(kinds.VM, vm).message


def test_a_migration_of_nothing() -> None:
    found = refusal(kinds.VMIM, migration_of("shop", "nope"))
    # Recording vmim-create-absent-vmi.
    assert found.code == 400
    assert found.message == (
        'admission webhook "migration-create-validator.kubevirt.io" denied the request: '
        'the VMI "shop/nope" does not exist'
    )


def test_a_machine_gets_firmware_and_machine_type() -> None:
    world = quiet_world()
    vm = create(world, kinds.VM, small_machine("lab", "box-1"))
    domain = vm["spec"]["template"]["spec"]["domain"]
    assert len(domain["firmware"]["uuid"]) == 36
    assert domain["machine"] == {"type": "q35"}


def test_an_instance_cannot_be_changed() -> None:
    world = quiet_world()
    running_machine(world)
    old = world.storage.get(kinds.VMI, "lab", "box-1")
    new = world.storage.get(kinds.VMI, "lab", "box-1")
    new["spec"]["domain"]["memory"]["guest"] = "64Gi"
    assert "update of VMI object is restricted" in refusal(kinds.VMI, new, old).message


def test_a_data_volume_needs_a_source_and_a_size() -> None:
    volume = import_of("ci", "disk", "https://images.example.org/a.qcow2")
    volume["spec"].pop("storage")
    assert "Missing Data volume PVC" in refusal(kinds.DATA_VOLUME, volume).message
    volume = import_of("ci", "disk", "https://images.example.org/a.qcow2")
    volume["spec"]["source"] = {}
    assert "Missing source" in refusal(kinds.DATA_VOLUME, volume).message


def test_an_import_runs_to_its_end() -> None:
    world = quiet_world()
    create(world, kinds.DATA_VOLUME, import_of("ci", "disk", "https://images.example.org/a.qcow2"))
    seen: list[str] = []
    for _ in range(240):
        world.advance(1)
        status = world.storage.get(kinds.DATA_VOLUME, "ci", "disk")["status"]
        if not seen or seen[-1] != status["phase"]:
            seen.append(status["phase"])
    assert seen == ["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"]
    assert status["progress"] == "100.0%"
    assert world.storage.get(kinds.PVC, "ci", "disk")["status"]["phase"] == "Bound"
    assert [claim["metadata"]["name"] for claim in world.storage.list(kinds.PVC, "ci")].count("disk") == 1
    assert not any(claim["metadata"]["name"].startswith("prime-") for claim in world.storage.list(kinds.PVC, "ci"))
