"""Create, update, patch and delete on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import yaml

from kvtui.demo import kinds
from tests.cluster import RunningCluster
from tests.demo.wire import create, fetch, machine, open_watch, vms

_MERGE = {"Content-Type": "application/merge-patch+json"}
_STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
_APPLY = {"Content-Type": "application/apply-patch+yaml"}


async def test_create_fills_in_what_the_server_owns(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    obj = machine("one")
    obj["metadata"] |= {"uid": "mine", "resourceVersion": "7"}
    created = await create(admin, obj | {"status": {"ready": True}})
    metadata = created["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["resourceVersion"] == str(cluster.world.storage.revision)
    assert metadata["creationTimestamp"] == cluster.world.clock.stamp()
    assert "ready" not in created.get("status", {})


async def test_generated_names(admin: aiohttp.ClientSession) -> None:
    obj = machine("")
    obj["metadata"] = {"generateName": "made-"}
    created = await fetch(admin, vms("shop"), method="POST", status=201, json=obj)
    assert created["metadata"]["name"].startswith("made-")
    assert len(created["metadata"]["name"]) == len("made-") + 5
    assert created["metadata"]["namespace"] == "shop"


async def test_yaml_is_taken_too(admin: aiohttp.ClientSession) -> None:
    body = yaml.safe_dump(machine("one"))
    headers = {"Content-Type": "application/yaml"}
    created = await fetch(admin, vms("shop"), method="POST", status=201, data=body, headers=headers)
    assert created["metadata"]["name"] == "one"


async def test_a_dry_run_keeps_nothing(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    before = cluster.world.storage.revision
    dry = {"dryRun": "All"}
    created = await fetch(admin, vms("shop"), method="POST", status=201, json=machine("one"), params=dry)
    assert created["metadata"]["uid"]
    await fetch(admin, vms("shop", "one"), status=404)
    assert cluster.world.storage.revision == before
    await create(admin, machine("one"))
    kept = cluster.world.storage.revision
    await fetch(admin, vms("shop"), method="POST", status=409, json=machine("one"), params=dry)
    patched = await fetch(
        admin, vms("shop", "one"), method="PATCH", json={"metadata": {"labels": {"a": "b"}}}, headers=_MERGE, params=dry
    )
    assert patched["metadata"]["labels"] == {"a": "b"}
    await fetch(admin, vms("shop", "one"), method="DELETE", params=dry)
    assert not (await fetch(admin, vms("shop", "one")))["metadata"].get("labels")
    assert cluster.world.storage.revision == kept


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"apiVersion": "v1"}, 400, "does not match the expected API version (kubevirt.io/v1"),
        ({"kind": "Pod"}, 400, "does not match the expected API version"),
        ({"metadata": {"name": "x", "namespace": "lab"}}, 400, "does not match the namespace sent on the request"),
        ({"metadata": {"name": "Bad_Name"}}, 422, "a lowercase RFC 1123 subdomain"),
        ({"metadata": {}}, 422, "name or generateName is required"),
        ({"metadata": "nonsense"}, 400, "unrecognized"),
    ],
)
async def test_bad_objects_are_refused(
    admin: aiohttp.ClientSession, change: dict[str, Any], status: int, words: str
) -> None:
    answer = await fetch(admin, vms("shop"), method="POST", status=status, json=machine("x") | change)
    assert words in answer["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe"])
async def test_broken_bodies_are_refused(admin: aiohttp.ClientSession, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await fetch(admin, vms("shop"), method="POST", status=400, data=body, headers=headers)
    assert answer["reason"] == "BadRequest"


async def test_an_unknown_namespace_takes_nothing(admin: aiohttp.ClientSession) -> None:
    obj = machine("one", "nowhere")
    answer = await fetch(admin, vms("nowhere"), method="POST", status=404, json=obj)
    assert answer["message"] == 'namespaces "nowhere" not found'


async def test_update_needs_the_present_version(admin: aiohttp.ClientSession) -> None:
    created = await create(admin, machine("one"))
    created["metadata"]["labels"] = {"a": "1"}
    updated = await fetch(admin, vms("shop", "one"), method="PUT", json=created)
    assert updated["metadata"]["labels"] == {"a": "1"}
    stale = await fetch(admin, vms("shop", "one"), method="PUT", json=created, status=409)
    assert (stale["reason"], stale["details"]["name"]) == ("Conflict", "one")
    assert "please apply your changes to the latest version" in stale["message"]


async def test_update_of_another_name_is_refused(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    answer = await fetch(admin, vms("shop", "one"), method="PUT", json=machine("two"), status=400)
    assert answer["message"] == "the name of the object (two) does not match the name on the URL (one)"


async def test_status_and_spec_are_apart(admin: aiohttp.ClientSession) -> None:
    created = await create(admin, machine("one"))
    created["status"] = {"printableStatus": "Odd"}
    created["spec"]["runStrategy"] = "Manual"
    await fetch(admin, vms("shop", "one") + "/status", method="PUT", json=created)
    found = await fetch(admin, vms("shop", "one"))
    assert found["status"]["printableStatus"] == "Odd"
    assert found["spec"]["runStrategy"] == "Halted"


async def test_json_patch(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    operations = [
        {"op": "test", "path": "/spec/runStrategy", "value": "Halted"},
        {"op": "replace", "path": "/spec/runStrategy", "value": "Manual"},
    ]
    headers = {"Content-Type": "application/json-patch+json"}
    path = vms("shop", "one")
    patched = await fetch(admin, path, method="PATCH", json=operations, headers=headers)
    assert (patched["spec"]["runStrategy"], patched["metadata"]["generation"]) == ("Manual", 2)
    await fetch(admin, path, method="PATCH", json=operations, headers=headers, status=422)


async def test_strategic_patch_of_a_core_kind(admin: aiohttp.ClientSession) -> None:
    node = (await fetch(admin, "/api/v1/nodes"))["items"][0]["metadata"]["name"]
    path = f"/api/v1/nodes/{node}"
    body = {"spec": {"unschedulable": True}}
    assert (await fetch(admin, path, method="PATCH", json=body, headers=_STRATEGIC))["spec"]["unschedulable"] is True


async def test_apply_creates_and_then_changes(admin: aiohttp.ClientSession) -> None:
    query = {"fieldManager": "tests", "force": "true"}
    body = yaml.safe_dump(machine("one"))
    path = vms("shop", "one")
    created = await fetch(admin, path, method="PATCH", data=body, headers=_APPLY, params=query, status=201)
    same = await fetch(admin, path, method="PATCH", data=body, headers=_APPLY, params=query)
    assert same["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    changed = yaml.safe_dump(machine("one", strategy="Manual"))
    applied = await fetch(admin, path, method="PATCH", data=changed, headers=_APPLY, params=query)
    assert applied["spec"]["runStrategy"] == "Manual"


async def test_delete_answers_success_or_the_waiting_object(admin: aiohttp.ClientSession) -> None:
    path = "/api/v1/namespaces/shop/configmaps"
    config = {"metadata": {"name": "plain"}}
    uid = (await fetch(admin, path, method="POST", status=201, json=config))["metadata"]["uid"]
    gone = await fetch(admin, f"{path}/plain", method="DELETE")
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    assert gone["details"] == {"name": "plain", "kind": "configmaps", "uid": uid}
    held = {"metadata": {"name": "held", "finalizers": ["example.org/hold"]}}
    await fetch(admin, path, method="POST", status=201, json=held)
    waiting = await fetch(admin, f"{path}/held", method="DELETE")
    assert waiting["metadata"]["deletionTimestamp"]
    await fetch(admin, f"{path}/held", method="PATCH", json={"metadata": {"finalizers": None}}, headers=_MERGE)
    await fetch(admin, f"{path}/held", status=404)


async def test_preconditions_of_a_deletion(admin: aiohttp.ClientSession) -> None:
    created = await create(admin, machine("one"))
    wrong = {"preconditions": {"uid": "other"}}
    answer = await fetch(admin, vms("shop", "one"), method="DELETE", json=wrong, status=409)
    assert "does not match the UID in record" in answer["message"]
    right = {"preconditions": {"uid": created["metadata"]["uid"]}, "propagationPolicy": "Foreground"}
    await fetch(admin, vms("shop", "one"), method="DELETE", json=right)


@pytest.mark.parametrize("options", [{"propagationPolicy": "Perhaps"}, {"dryRun": ["Some"]}])
async def test_bad_delete_options(admin: aiohttp.ClientSession, options: dict[str, Any]) -> None:
    await create(admin, machine("one"))
    await fetch(admin, vms("shop", "one"), method="DELETE", json=options, status=422)
    await fetch(admin, vms("shop", "one"))


async def test_delete_collection_takes_the_chosen(admin: aiohttp.ClientSession) -> None:
    for name, colour in (("one", "red"), ("two", "red"), ("three", "blue")):
        await create(admin, machine(name, "lab", colour=colour))
    await fetch(admin, vms("lab"), method="DELETE", params={"labelSelector": "colour=red"})
    left = {item["metadata"]["name"] for item in (await fetch(admin, vms("lab")))["items"]}
    assert "three" in left
    assert not left & {"one", "two"}


async def test_a_pod_is_given_its_grace_period(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    pod = next(pod for pod in cluster.world.storage.list(kinds.POD) if pod["status"]["phase"] == "Running")
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    deleted = await fetch(admin, path, method="DELETE", params={"gracePeriodSeconds": "5"})
    assert deleted["metadata"]["deletionGracePeriodSeconds"] == 5
    cluster.advance(60)
    await fetch(admin, path, status=404)


async def test_a_namespace_goes_with_its_contents(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    await fetch(admin, "/api/v1/namespaces", method="POST", status=201, json={"metadata": {"name": "short"}})
    path = "/api/v1/namespaces/short/configmaps"
    await fetch(admin, path, method="POST", status=201, json={"metadata": {"name": "one"}})
    await fetch(admin, "/api/v1/namespaces/short", method="DELETE")
    cluster.advance(30)
    await fetch(admin, f"{path}/one", status=404)
    await fetch(admin, "/api/v1/namespaces/short", status=404)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", vms("shop", "one")), ("PUT", vms("shop")), ("POST", "/apis/kubevirt.io/v1/virtualmachines")],
)
async def test_methods_that_do_not_fit(admin: aiohttp.ClientSession, method: str, path: str) -> None:
    answer = await fetch(admin, path, method=method, json=machine("one"), status=405)
    assert answer["reason"] == "MethodNotAllowed"


async def test_a_machine_that_is_started_runs(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one", strategy="Always"))
    watch = await open_watch(admin, vms("shop"), fieldSelector="metadata.name=one")
    cluster.advance(120)

    async def wait_until_running() -> None:
        status = ""
        while status != "Running":
            _, obj = await watch.next()
            status = obj.get("status", {}).get("printableStatus", "")

    await asyncio.wait_for(wait_until_running(), 10)
