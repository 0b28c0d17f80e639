"""Discovery, health, schemas, and kinds that come and go with their definitions."""

from __future__ import annotations

import aiohttp
import pytest

from kvtui.demo.discovery import AGGREGATED
from tests.cluster import RunningCluster
from tests.demo.wire import VMS, fetch, open_watch

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def test_groups_name_their_versions(admin: aiohttp.ClientSession) -> None:
    groups = {group["name"]: group for group in (await fetch(admin, "/apis"))["groups"]}
    assert groups["kubevirt.io"]["preferredVersion"] == {"groupVersion": "kubevirt.io/v1", "version": "v1"}
    assert {"cdi.kubevirt.io", "subresources.kubevirt.io", "metrics.k8s.io", "authorization.k8s.io"} <= groups.keys()


async def test_core_version(admin: aiohttp.ClientSession) -> None:
    document = await fetch(admin, "/api")
    assert (document["kind"], document["versions"]) == ("APIVersions", ["v1"])


async def test_resources_with_short_names_and_subresources(admin: aiohttp.ClientSession) -> None:
    document = await fetch(admin, "/apis/kubevirt.io/v1")
    assert (document["kind"], document["groupVersion"]) == ("APIResourceList", "kubevirt.io/v1")
    resources = {entry["name"]: entry for entry in document["resources"]}
    assert resources["virtualmachines"]["shortNames"] == ["vm", "vms"]
    assert resources["virtualmachines"]["singularName"] == "virtualmachine"
    assert resources["virtualmachines/status"]["verbs"] == ["get", "patch", "update"]
    assert "virtualmachineinstances/status" not in resources


async def test_aggregated_discovery(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/apis", headers={"Accept": f"{AGGREGATED},application/json"}) as response:
        assert response.headers["Content-Type"] == AGGREGATED
        document = await response.json(content_type=None)
    assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
    kubevirt = next(item for item in document["items"] if item["metadata"]["name"] == "kubevirt.io")
    resources = {entry["resource"]: entry for entry in kubevirt["versions"][0]["resources"]}
    assert resources["virtualmachines"]["responseKind"]["kind"] == "VirtualMachine"
    assert resources["virtualmachines"]["subresources"][0]["subresource"] == "status"
    async with admin.get("/api", headers={"Accept": AGGREGATED}) as response:
        core = (await response.json(content_type=None))["items"][0]["versions"][0]
    pods = next(entry for entry in core["resources"] if entry["resource"] == "pods")
    assert {sub["subresource"] for sub in pods["subresources"]} == {"eviction", "log", "proxy", "status"}


async def test_subresource_group_has_no_verbs(admin: aiohttp.ClientSession) -> None:
    document = await fetch(admin, "/apis/subresources.kubevirt.io/v1")
    assert {"virtualmachines/start", "virtualmachineinstances/console"} <= {r["name"] for r in document["resources"]}
    assert all(entry["verbs"] is None for entry in document["resources"])


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/readyz/ping"])
async def test_health_is_open_to_everyone(cluster: RunningCluster, path: str) -> None:
    async with cluster.session(None) as anonymous, anonymous.get(path) as response:
        assert (response.status, await response.text()) == (200, "ok")


async def test_version(admin: aiohttp.ClientSession) -> None:
    assert (await fetch(admin, "/version"))["minor"] == "36"


async def test_openapi_of_a_group(admin: aiohttp.ClientSession) -> None:
    index = await fetch(admin, "/openapi/v3")
    address = index["paths"]["apis/kubevirt.io/v1"]["serverRelativeURL"]
    assert "paths" in await fetch(admin, address)


async def test_a_kind_goes_with_its_definition_and_comes_back(admin: aiohttp.ClientSession) -> None:
    name = "datavolumes.cdi.kubevirt.io"
    definition = await fetch(admin, f"{_CRDS}/{name}")
    volumes = "/apis/cdi.kubevirt.io/v1beta1/datavolumes"
    before = await fetch(admin, volumes)
    watch = await open_watch(admin, volumes, resourceVersion=before["metadata"]["resourceVersion"])
    await fetch(admin, f"{_CRDS}/{name}", method="DELETE")
    assert await watch.ended()
    async with admin.get(volumes) as response:
        assert (response.status, await response.text()) == (404, "404 page not found\n")
    resources = (await fetch(admin, "/apis/cdi.kubevirt.io/v1beta1"))["resources"]
    assert "datavolumes" not in {entry["name"] for entry in resources}
    await fetch(admin, _CRDS, method="POST", status=201, json=definition)
    after = await fetch(admin, volumes)
    assert len(after["items"]) == len(before["items"]) > 0


async def test_a_foreign_definition_brings_its_kind(admin: aiohttp.ClientSession) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "volumes.longhorn.io"},
        "spec": {
            "group": "longhorn.io",
            "names": {"plural": "volumes", "kind": "Volume"},
            "scope": "Namespaced",
            "versions": [{"name": "v1beta2", "served": True, "storage": True}],
        },
    }
    await fetch(admin, _CRDS, method="POST", status=201, json=definition)
    path = "/apis/longhorn.io/v1beta2/namespaces/default/volumes"
    volume = {"apiVersion": "longhorn.io/v1beta2", "kind": "Volume", "metadata": {"name": "v1"}}
    await fetch(admin, path, method="POST", status=201, json=volume)
    assert [item["metadata"]["name"] for item in (await fetch(admin, path))["items"]] == ["v1"]


async def test_a_broken_definition_is_refused(admin: aiohttp.ClientSession) -> None:
    definition = {"metadata": {"name": "volumes.longhorn.io"}, "spec": {"group": "longhorn.io"}}
    answer = await fetch(admin, _CRDS, method="POST", status=422, json=definition)
    assert answer["reason"] == "Invalid"
    await fetch(admin, VMS)


async def test_an_ill_aggregated_api_answers_503(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
    service = await fetch(admin, path)
    await fetch(admin, "/apis/metrics.k8s.io/v1beta1/nodes")
    service["status"]["conditions"] = [{"type": "Available", "status": "False"}]
    await fetch(admin, f"{path}/status", method="PUT", json=service)
    async with admin.get("/apis/metrics.k8s.io/v1beta1/nodes") as response:
        assert response.status == 503
    await fetch(admin, path, method="DELETE")
    async with admin.get("/apis/metrics.k8s.io/v1beta1/nodes") as response:
        assert (response.status, await response.text()) == (404, "404 page not found\n")
