"""Machines that something else manages: what their owners do when somebody changes or deletes one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvtui.demo import kinds, lifecycle
from kvtui.demo.admission import admit
from kvtui.demo.catalog.owners import OWNERS, PROTECTION
from kvtui.demo.drills.making import edit
from kvtui.demo.metadata import StorageError
from kvtui.demo.storage import Kind, Object
from kvtui.demo.world import World
from kvtui.joins.moments import list_fields
from tests.demo.worlds import START


@pytest.fixture
def world() -> World:
    """A world in which all is well, with several machines of each owner."""
    return World(60, 0, START, troubles=False)


def strategy(world: World, namespace: str, name: str) -> str:
    found: str = world.storage.get(kinds.VM, namespace, name)["spec"]["runStrategy"]
    return found


def settings(kind: Kind, world: World, change: Callable[[Object], None]) -> None:
    owner = next(owner for owner in OWNERS.values() if owner.kind is kind)
    world.storage.modify(kind, owner.namespace, owner.name, lambda found: change(found["spec"]))


def names(world: World, namespace: str, application: str) -> list[str]:
    rows = world.storage.raw_list(kinds.VM, namespace)
    return [row.name for row in rows if row.name.startswith(f"{application}-") and not row.deleting]


@pytest.mark.parametrize(
    ("namespace", "name", "within"),
    [("data", "kafka-1", 10), ("monitoring", "gateway-1", 65), ("data", "clickhouse-1", 65)],
)
def test_what_is_declared_in_git_runs_again_after_it_was_stopped(
    world: World, namespace: str, name: str, within: int
) -> None:
    world.advance(30)
    lifecycle.stop(world, namespace, name, {})
    world.advance(2)
    assert strategy(world, namespace, name) == "Halted"
    world.advance(within)
    assert strategy(world, namespace, name) == "Always"
    world.advance(120)
    assert world.storage.get(kinds.VM, namespace, name)["status"]["printableStatus"] == "Running"


def test_what_is_declared_in_git_is_made_anew_after_it_was_deleted(world: World) -> None:
    old = world.storage.get(kinds.VM, "data", "kafka-1")["metadata"]["uid"]
    world.storage.delete(kinds.VM, "data", "kafka-1")
    world.advance(120)
    assert world.storage.get(kinds.VM, "data", "kafka-1")["metadata"]["uid"] != old


def test_an_application_tells_that_it_is_out_of_sync_while_it_is(world: World) -> None:
    def status() -> str:
        found: str = world.storage.get(kinds.APPLICATION, "argocd", "streaming")["status"]["sync"]["status"]
        return found

    assert status() == "Synced"
    lifecycle.stop(world, "data", "kafka-1", {})
    world.advance(3)
    assert status() == "OutOfSync"
    world.advance(10)
    assert status() == "Synced"


def test_a_self_heal_is_an_operation_of_the_application_and_takes_the_fields_from_who_changed_them(
    world: World,
) -> None:
    def memory(vm: Object) -> None:
        vm["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "24Gi"

    edit(world, kinds.VM, "data", "kafka-1", memory)
    world.advance(20)
    written = {
        entry["manager"]: list_fields(entry["fieldsV1"])
        for entry in world.storage.get(kinds.VM, "data", "kafka-1")["metadata"]["managedFields"]
    }
    assert "kubectl-edit" not in written
    assert written["argocd-controller"] == ["spec.template.spec.domain.memory.guest"]
    state = world.storage.get(kinds.APPLICATION, "argocd", "streaming")["status"]["operationState"]
    assert (state["phase"], state["operation"]["initiatedBy"]) == ("Succeeded", {"automated": True})
    assert state["operation"]["sync"]["resources"] == [
        {"group": "kubevirt.io", "kind": "VirtualMachine", "name": "kafka-1"}
    ]
    assert state["operation"]["sync"]["autoHealAttemptsCount"] == 1
    assert [one["message"] for one in state["syncResult"]["resources"]] == [
        "virtualmachine.kubevirt.io/kafka-1 configured"
    ]


def test_what_differs_together_is_put_back_by_one_operation(world: World) -> None:
    for name in ("kafka-1", "kafka-2"):
        lifecycle.stop(world, "data", name, {})
    world.advance(20)
    state = world.storage.get(kinds.APPLICATION, "argocd", "streaming")["status"]["operationState"]
    names = ["kafka-1", "kafka-2"]
    assert sorted(one["name"] for one in state["operation"]["sync"]["resources"]) == names
    assert sorted(one["name"] for one in state["syncResult"]["resources"]) == names
    assert state["operation"]["sync"]["autoHealAttemptsCount"] == 1


def test_flux_applies_on_the_server_side_and_takes_the_fields_from_who_changed_them(world: World) -> None:
    lifecycle.stop(world, "monitoring", "gateway-1", {})
    world.advance(600)
    written = {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in world.storage.get(kinds.VM, "monitoring", "gateway-1")["metadata"]["managedFields"]
    }
    assert written["kustomize-controller", "Apply"]["f:spec"]["f:runStrategy"] == {}
    assert ("virt-api", "Update") not in written


def test_an_application_that_does_not_heal_itself_leaves_a_change(world: World) -> None:
    settings(kinds.APPLICATION, world, lambda spec: spec["syncPolicy"].pop("automated"))
    lifecycle.stop(world, "data", "kafka-1", {})
    world.advance(600)
    assert strategy(world, "data", "kafka-1") == "Halted"


def test_a_suspended_kustomization_leaves_a_change(world: World) -> None:
    settings(kinds.KUSTOMIZATION, world, lambda spec: spec.update({"suspend": True}))
    lifecycle.stop(world, "monitoring", "gateway-1", {})
    world.advance(600)
    assert strategy(world, "monitoring", "gateway-1") == "Halted"


def test_a_helm_release_leaves_a_change_until_it_is_upgraded(world: World) -> None:
    lifecycle.stop(world, "erp", "winfile-1", {})
    world.advance(600)
    assert strategy(world, "erp", "winfile-1") == "Halted"


def test_a_label_that_git_does_not_name_stays(world: World) -> None:
    def mark(vm: Object) -> None:
        vm["metadata"]["labels"] |= {"mine": "yes", "team": "nobody"}

    world.storage.modify(kinds.VM, "data", "kafka-1", mark)
    world.advance(20)
    labels = world.storage.get(kinds.VM, "data", "kafka-1")["metadata"]["labels"]
    assert (labels["mine"], labels["team"]) == ("yes", "data")


# Pools -----------------------------------------------------------------------------------------------------------


def test_a_pool_makes_another_machine_for_one_that_was_deleted(world: World) -> None:
    before = names(world, "ci", "runner")
    world.storage.delete(kinds.VM, "ci", before[1])
    world.advance(60)
    after = names(world, "ci", "runner")
    assert len(after) == len(before)
    assert set(after) - set(before) == {"runner-0"}


def test_a_pool_has_as_many_machines_as_it_is_told(world: World) -> None:
    settings(kinds.POOL, world, lambda spec: spec.update({"replicas": 3}))
    world.advance(120)
    assert names(world, "ci", "runner") == ["runner-1", "runner-2", "runner-3"]
    settings(kinds.POOL, world, lambda spec: spec.update({"replicas": 5}))
    world.advance(120)
    assert names(world, "ci", "runner") == ["runner-0", "runner-1", "runner-2", "runner-3", "runner-4"]
    assert world.storage.get(kinds.POOL, "ci", "runner")["status"]["replicas"] == 5


def test_a_pool_overwrites_a_change_when_its_template_changes_and_not_before(world: World) -> None:
    def shrink(vm: Object) -> None:
        vm["spec"]["template"]["spec"]["domain"]["cpu"]["cores"] = 1

    def cores() -> int:
        found: int = world.storage.get(kinds.VM, "ci", "runner-1")["spec"]["template"]["spec"]["domain"]["cpu"]["cores"]
        return found

    world.storage.modify(kinds.VM, "ci", "runner-1", shrink)
    world.advance(600)
    assert cores() == 1
    settings(kinds.POOL, world, lambda spec: spec["virtualMachineTemplate"]["metadata"]["labels"].update(tier="fast"))
    world.advance(60)
    assert cores() == 4


# Cluster API -----------------------------------------------------------------------------------------------------


def test_a_machine_of_a_tenants_cluster_is_made_anew_and_never_put_right(world: World) -> None:
    lifecycle.stop(world, "tenants", "k8s-node-1", {})
    world.storage.delete(kinds.VM, "tenants", "k8s-node-2")
    world.advance(600)
    assert strategy(world, "tenants", "k8s-node-1") == "Halted"
    assert not world.storage.get(kinds.KUBEVIRT_MACHINE, "tenants", "k8s-node-1")["status"]["ready"]
    assert world.storage.get(kinds.VM, "tenants", "k8s-node-2")["status"]["printableStatus"] == "Running"


def test_machines_of_a_tenants_cluster_can_be_followed_to_their_cluster(world: World) -> None:
    labels = world.storage.get(kinds.VM, "tenants", "k8s-node-4")["metadata"]["labels"]
    made = world.storage.get(kinds.KUBEVIRT_MACHINE, "tenants", labels["capk.cluster.x-k8s.io/kubevirt-machine-name"])
    path = [made["kind"]]
    while made["metadata"].get("ownerReferences"):
        row = world.storage.by_uid(made["metadata"]["ownerReferences"][0]["uid"])
        assert row is not None
        made = world.storage.get(row.kind, row.namespace, row.name)
        path.append(made["kind"])
    assert path == ["KubevirtMachine", "Machine", "MachineSet", "MachineDeployment", "Cluster"]


def test_a_cluster_has_three_control_plane_machines_where_it_can(world: World) -> None:
    roles = [
        vm["metadata"]["labels"]["cluster.x-k8s.io/role"]
        for vm in world.storage.list(kinds.VM, "tenants")
        if vm["metadata"]["name"].startswith("k8s-node-")
    ]
    assert roles == ["control-plane"] * 3 + ["worker"] * 2


# Protection ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "refused"), [("True", True), ("true", True), ("TRUE", False), ("False", False)])
def test_a_protected_machine_is_not_deleted(world: World, value: str, refused: bool) -> None:
    vm = world.storage.get(kinds.VM, "erp", "mssql-1")
    vm["metadata"]["labels"][PROTECTION] = value
    if not refused:
        assert admit(world, kinds.VM, vm, vm, "DELETE") == vm
        return
    with pytest.raises(StorageError) as caught:
        admit(world, kinds.VM, vm, vm, "DELETE")
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == (
        'virtualmachines.kubevirt.io "mssql-1" is forbidden: ValidatingAdmissionPolicy '
        "'kubevirt-vm-deletion-protection' with binding 'kubevirt-vm-deletion-protection' denied request: "
        "VirtualMachine mssql-1 cannot be deleted, disable/remove label 'kubevirt.io/vm-delete-protection' from "
        "VirtualMachine before deleting it"
    )


def test_without_the_policy_nothing_is_protected(world: World) -> None:
    world.storage.delete(kinds.ADMISSION_POLICY, "", "kubevirt-vm-deletion-protection")
    vm = world.storage.get(kinds.VM, "erp", "mssql-1")
    assert admit(world, kinds.VM, vm, vm, "DELETE") == vm


def test_nobody_corrects_anything_while_nobody_changes_anything(world: World) -> None:
    before = {(row.namespace, row.name): row.raw for row in world.storage.raw_list(kinds.VM)}
    world.advance(3600)
    events = [event for event in world.storage.list(kinds.EVENT) if "Updated" in event["message"]]
    after = {(row.namespace, row.name): row.raw for row in world.storage.raw_list(kinds.VM)}
    assert (events, before.keys()) == ([], after.keys())
