"""What the demo cluster refuses or hands on: impersonation, media types, namespaces that go, streams into pods."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest

from kvtui.demo import kinds
from tests.cluster import RunningCluster
from tests.demo.wire import VMS, create, fetch, machine

_METRICS = "/apis/metrics.k8s.io/v1beta1"


def _secret(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"}, **parts}


async def test_metrics_honour_selectors(admin: aiohttp.ClientSession) -> None:
    nodes = await fetch(admin, f"{_METRICS}/nodes", params={"labelSelector": "topology.kubernetes.io/rack=rack-a"})
    assert 0 < len(nodes["items"]) < 13
    named = await fetch(admin, f"{_METRICS}/nodes", params={"fieldSelector": "metadata.name=cp-1"})
    assert [item["metadata"]["name"] for item in named["items"]] == ["cp-1"]
    pods = await fetch(admin, f"{_METRICS}/pods", params={"labelSelector": "kubevirt.io=virt-launcher"})
    assert pods["items"]
    assert all(item["metadata"]["labels"]["kubevirt.io"] == "virt-launcher" for item in pods["items"])


async def test_only_the_admin_acts_for_others(cluster: RunningCluster) -> None:
    async with cluster.session("view", **{"Impersonate-User": "joe"}) as session:
        answer = await fetch(session, VMS, status=403)
        assert 'User "demo-view" cannot impersonate resource "users"' in answer["message"]
    async with cluster.session("admin", **{"Impersonate-User": "joe"}) as session:
        answer = await fetch(session, VMS, status=403)
        assert 'User "joe" cannot list' in answer["message"]
    async with cluster.session("admin", **{"Impersonate-User": "demo-view"}) as session:
        await fetch(session, VMS)
        await fetch(session, "/api/v1/secrets", status=403)


async def test_media_types_that_are_not_served(admin: aiohttp.ClientSession) -> None:
    answer = await fetch(admin, VMS, status=406, headers={"Accept": "text/html"})
    assert answer["reason"] == "NotAcceptable"
    await fetch(admin, VMS, headers={"Accept": "text/html, */*"})


@pytest.mark.parametrize("verb", ["exec", "attach", "portforward"])
async def test_pods_take_no_streams(cluster: RunningCluster, admin: aiohttp.ClientSession, verb: str) -> None:
    pod = cluster.world.storage.list(kinds.POD, "shop")[0]["metadata"]["name"]
    answer = await fetch(admin, f"/api/v1/namespaces/shop/pods/{pod}/{verb}", method="POST", status=400)
    assert answer["message"].startswith("the demo cluster runs no real containers")


async def test_texts_of_a_secret_become_data(admin: aiohttp.ClientSession) -> None:
    path = "/api/v1/namespaces/shop/secrets"
    made = await fetch(admin, path, method="POST", status=201, json=_secret(stringData={"a": "b"}))
    assert made["data"] == {"a": base64.b64encode(b"b").decode()}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


async def test_a_namespace_goes_after_its_contents(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "brief"}}
    await fetch(admin, "/api/v1/namespaces", method="POST", status=201, json=space)
    await create(admin, machine("one", "brief", strategy="Always"))
    cluster.advance(60)
    await fetch(admin, "/api/v1/namespaces/brief", method="DELETE")
    found = await fetch(admin, "/api/v1/namespaces/brief")
    assert found["status"]["phase"] == "Terminating"
    assert found["spec"]["finalizers"] == ["kubernetes"]
    path = "/apis/kubevirt.io/v1/namespaces/brief/virtualmachines"
    refused = await fetch(admin, path, method="POST", status=403, json=machine("two", "brief"))
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    cluster.advance(180)
    assert cluster.world.storage.contents("brief") == []
    await fetch(admin, "/api/v1/namespaces/brief", status=404)


async def test_the_log_of_a_container_that_waits_for_its_restart(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "crashing", "namespace": "shop"},
        "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]},
    }
    await fetch(admin, "/api/v1/namespaces/shop/pods", method="POST", status=201, json=pod)
    cluster.advance(120)
    cluster.world.kubelet.restart("shop", "crashing", "it broke", waiting=True)
    cluster.advance(60)
    path = "/api/v1/namespaces/shop/pods/crashing/log"
    async with admin.get(path) as response:
        assert response.status == 200
        last = await response.text()
    assert "starting" in last
    async with admin.get(path, params={"previous": "true"}) as response:
        assert await response.text() == last
