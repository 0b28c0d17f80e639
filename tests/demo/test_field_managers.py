"""Who wrote which fields last, as the server notes it of every write on the wire."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from kvtui.demo import kinds
from kvtui.demo.managers import note_writer
from kvtui.demo.metadata import Object
from tests.cluster import RunningCluster
from tests.demo.wire import create, fetch, machine, vms

_MERGE = {"Content-Type": "application/merge-patch+json"}
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_ONE = vms("shop", "one")


def written(obj: Object) -> dict[str, Object]:
    """The fields of each writer."""
    found = {}
    for entry in obj["metadata"].get("managedFields", ()):
        under = f" {entry['subresource']}" if "subresource" in entry else ""
        found[f"{entry['manager']} {entry['operation']}{under}"] = entry["fieldsV1"]
    return found


async def patch(session: aiohttp.ClientSession, change: Any, manager: str, path: str = _ONE) -> Object:
    found: Object = await fetch(session, f"{path}?fieldManager={manager}", method="PATCH", headers=_MERGE, json=change)
    return found


def memory(amount: str) -> Object:
    return {"spec": {"template": {"spec": {"domain": {"memory": {"guest": amount}}}}}}


MEMORY: Object = {"f:spec": {"f:template": {"f:spec": {"f:domain": {"f:memory": {"f:guest": {}}}}}}}


async def test_a_creator_has_all_fields_under_the_first_part_of_its_user_agent(cluster: RunningCluster) -> None:
    async with cluster.session(**{"User-Agent": "terraform/1.9 (linux/amd64)"}) as session:
        created = await create(session, machine("one", app="web"))
    (entry,) = created["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("terraform", "Update", "kubevirt.io/v1")
    assert entry["time"] == cluster.world.clock.stamp()
    assert entry["fieldsV1"]["f:metadata"]["f:labels"] == {".": {}, "f:app": {}}
    assert entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:domain"]["f:memory"] == {".": {}, "f:guest": {}}


async def test_a_field_goes_over_to_who_changes_it(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    await fetch(admin, f"{vms('shop')}?fieldManager=kubectl-create", method="POST", status=201, json=machine("one"))
    cluster.advance(60.0)
    await patch(admin, memory("2Gi"), "kubectl-patch")
    found = await patch(admin, memory("3Gi"), "kubectl-edit")
    assert written(found)["kubectl-edit Update"] == MEMORY
    assert found["metadata"]["managedFields"][-1]["time"] == cluster.world.clock.stamp()
    assert "kubectl-patch Update" not in written(found)
    assert written(found)["kubectl-create Update"]["f:spec"]["f:template"]["f:spec"]["f:domain"]["f:memory"] == {
        ".": {}
    }


async def test_many_writes_of_one_writer_are_one_entry(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    for step in range(5):
        await patch(admin, {"metadata": {"labels": {f"l{step}": "x"}}}, "kubectl-label")
    found = await patch(admin, memory("4Gi"), "kubectl-label")
    assert len(found["metadata"]["managedFields"]) == 2
    labels = written(found)["kubectl-label Update"]["f:metadata"]["f:labels"]
    assert sorted(labels) == ["f:l0", "f:l1", "f:l2", "f:l3", "f:l4"]


async def test_a_write_that_changes_nothing_is_no_write(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    cluster.advance(60.0)
    before = await fetch(admin, _ONE)
    assert await patch(admin, memory("1Gi"), "kubectl-patch") == before
    meta = {key: value for key, value in before["metadata"].items() if key != "managedFields"}
    same = before | {"metadata": meta}
    assert await fetch(admin, f"{_ONE}?fieldManager=kubectl-replace", method="PUT", json=same) == before


async def test_what_is_removed_is_nobodys(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    await patch(admin, {"metadata": {"labels": {"tier": "gold"}}}, "kubectl-label")
    found = await patch(admin, {"metadata": {"labels": {"tier": None}}}, "kubectl-edit")
    assert not {"kubectl-label Update", "kubectl-edit Update"} & set(written(found))


async def test_status_is_written_under_its_subresource(admin: aiohttp.ClientSession) -> None:
    created = await create(admin, machine("one"))
    ready = {"status": {"restoreInProgress": "r"}, "metadata": {"labels": {"not": "taken"}}}
    found = await patch(admin, ready, "virt-controller", f"{_ONE}/status")
    assert written(found)["virt-controller Update status"]["f:status"]["f:restoreInProgress"] == {}
    assert len(written(found)) == len(written(created)) + 1
    assert "f:metadata" not in written(found)["virt-controller Update status"]


async def test_an_applier_conflicts_with_an_editor_unless_it_forces(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    await create(admin, machine("one"))
    await patch(admin, memory("2Gi"), "kubectl-edit")
    wanted = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", **memory("8Gi")}
    options: dict[str, Any] = {"method": "PATCH", "headers": _APPLY, "json": wanted}
    refusal = await fetch(admin, f"{_ONE}?fieldManager=kubectl", status=409, **options)
    assert refusal["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using kubevirt.io/v1 '
        f"at {cluster.world.clock.stamp()}: .spec.template.spec.domain.memory.guest"
    )
    forced = written(await fetch(admin, f"{_ONE}?fieldManager=kubectl&force=true", **options))
    assert forced["kubectl Apply"] == MEMORY
    assert "kubectl-edit Update" not in forced


async def test_an_applier_that_applies_another_value_wrote_it_then(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    await create(admin, machine("two"))
    for amount in ("8Gi", "9Gi"):
        cluster.advance(60.0)
        wanted = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", **memory(amount)}
        path = f"{vms('shop', 'two')}?fieldManager=kubectl&force=true"
        found = await fetch(admin, path, method="PATCH", headers=_APPLY, json=wanted)
    times = {entry["manager"]: entry["time"] for entry in found["metadata"]["managedFields"]}
    assert times["kubectl"] == cluster.world.clock.stamp()


async def test_a_verb_of_kubevirt_writes_as_virt_api(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    path = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/one/start"
    async with admin.put(path, headers={"Accept": "*/*"}) as response:
        assert response.status == 202
    assert written(await fetch(admin, _ONE))["virt-api Update"] == {"f:spec": {"f:runStrategy": {}}}


@pytest.mark.parametrize("given", [[], [{}]])
async def test_a_client_may_have_all_writers_forgotten(admin: aiohttp.ClientSession, given: list[Object]) -> None:
    await create(admin, machine("one"))
    found = await patch(admin, {"metadata": {"managedFields": given}}, "kubectl-patch")
    assert written(found) == {}


def test_elements_of_a_list_are_fields_of_their_own() -> None:
    def node(*conditions: Object) -> Object:
        return {"metadata": {"name": "n"}, "status": {"conditions": list(conditions)}}

    before = node({"type": "Ready", "status": "True"})
    after = node({"type": "Ready", "status": "False"}, {"type": "GpuLost", "status": "True"})
    note_writer(kinds.NODE, before, after, "kubelet", "2026-11-21T02:51:00Z", subresource="status")
    assert written(after)["kubelet Update status"]["f:status"]["f:conditions"] == {
        'k:{"type":"Ready"}': {"f:status": {}},
        'k:{"type":"GpuLost"}': {".": {}, "f:type": {}, "f:status": {}},
    }
