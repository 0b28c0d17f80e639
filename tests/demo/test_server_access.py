"""Who may do what, and the control endpoints that change it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from tests.cluster import RunningCluster
from tests.demo.wire import VMS, create, fetch, machine, open_watch, vms

_MATCH = {"resourceVersionMatch": "NotOlderThan"}
_REVIEWS = "/apis/authorization.k8s.io/v1"


async def _may(session: aiohttp.ClientSession, **attributes: str) -> bool:
    review = {"spec": {"resourceAttributes": attributes}}
    path = f"{_REVIEWS}/selfsubjectaccessreviews"
    return bool((await fetch(session, path, method="POST", status=201, json=review))["status"]["allowed"])


async def test_without_a_token_one_is_anonymous(cluster: RunningCluster) -> None:
    async with cluster.session(None) as anonymous:
        answer = await fetch(anonymous, VMS, status=403)
        assert answer["message"] == (
            'virtualmachines.kubevirt.io is forbidden: User "system:anonymous" cannot list resource "virtualmachines" '
            'in API group "kubevirt.io" at the cluster scope'
        )
        discovery = await fetch(anonymous, "/apis", status=403)
        assert discovery["message"] == 'forbidden: User "system:anonymous" cannot get path "/apis"'


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic eDp5", "nonsense"])
async def test_a_wrong_token_is_unauthorized(cluster: RunningCluster, header: str) -> None:
    async with cluster.session(None, Authorization=header) as session:
        answer = await fetch(session, "/version", status=401)
    assert (answer["reason"], answer["message"]) == ("Unauthorized", "Unauthorized")


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ("view", "/api/v1/nodes"),
        ("view", "/api/v1/namespaces/shop/secrets"),
        ("view", "/apis/storage.k8s.io/v1/storageclasses"),
        ("none", "/api/v1/pods"),
        ("none", "/demo/compact"),
        ("view", "/metrics"),
    ],
)
async def test_what_roles_do_not_give(cluster: RunningCluster, user: str, path: str) -> None:
    async with cluster.session(user) as session:
        assert (await fetch(session, path, status=403))["reason"] == "Forbidden"


@pytest.mark.parametrize(
    "path",
    [
        VMS,
        "/apis/kubevirt.io/v1/virtualmachineinstancemigrations",
        "/apis/cdi.kubevirt.io/v1beta1/datavolumes",
        "/api/v1/pods",
        "/api/v1/events",
        "/api/v1/namespaces",
        "/apis/kubevirt.io/v1/kubevirts",
        "/apis/metrics.k8s.io/v1beta1/pods",
        "/apis",
    ],
)
async def test_what_a_viewer_reads(cluster: RunningCluster, path: str) -> None:
    async with cluster.session("view") as session:
        await fetch(session, path)


@pytest.mark.parametrize(
    ("user", "verb", "resource", "sub", "allowed"),
    [
        ("view", "update", "virtualmachines", "start", False),
        ("view", "get", "virtualmachineinstances", "guestosinfo", True),
        ("view", "get", "virtualmachineinstances", "console", False),
        ("edit", "update", "virtualmachines", "start", True),
        ("edit", "get", "virtualmachineinstances", "console", True),
        ("edit", "update", "virtualmachines", "migrate", False),
        ("edit", "get", "virtualmachineinstances", "vnc/screenshot", False),
        ("admin", "update", "virtualmachines", "migrate", True),
        ("none", "get", "virtualmachineinstances", "guestosinfo", False),
    ],
)
async def test_reviews_know_the_roles(
    cluster: RunningCluster, user: str, verb: str, resource: str, sub: str, *, allowed: bool
) -> None:
    async with cluster.session(user) as session:
        group = "subresources.kubevirt.io"
        assert (
            await _may(session, verb=verb, group=group, resource=resource, subresource=sub, namespace="shop")
        ) is allowed


async def test_rules_and_names_of_oneself(cluster: RunningCluster) -> None:
    async with cluster.session("view") as session:
        body = {"spec": {"namespace": "shop"}}
        path = f"{_REVIEWS}/selfsubjectrulesreviews"
        status = (await fetch(session, path, method="POST", status=201, json=body))["status"]
        rule = next(rule for rule in status["resourceRules"] if "virtualmachines" in rule["resources"])
        assert rule["verbs"] == ["get", "list", "watch"]
        assert status["incomplete"] is False
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        who = await fetch(session, path, method="POST", status=201, json={})
        assert who["status"]["userInfo"] == {"username": "demo-view", "groups": ["system:authenticated"]}


async def test_a_revoked_right_ends_watches_and_heals(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with cluster.session("view") as session:
        watch = await open_watch(session, VMS, resourceVersion="0", sendInitialEvents="false", **_MATCH)
        other = await open_watch(admin, VMS, resourceVersion="0", sendInitialEvents="false", **_MATCH)
        rights = {"user": "view", "resource": "virtualmachines"}
        assert await fetch(admin, "/demo/revoke", method="POST", json=rights) == {"cut": 1}
        assert await watch.ended()
        await fetch(session, VMS, status=403)
        assert not await _may(session, verb="list", group="kubevirt.io", resource="virtualmachines")
        await fetch(session, "/api/v1/pods")
        await fetch(admin, "/demo/grant", method="POST", json=rights)
        await fetch(session, VMS)
    await create(admin, machine("still-watched"))
    assert await other.names(1) == [("ADDED", "still-watched")]


async def test_one_verb_may_be_revoked(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    rights = {"user": "demo-view", "resource": "pods", "verbs": ["watch"]}
    await fetch(admin, "/demo/revoke", method="POST", json=rights)
    async with cluster.session("view") as session:
        await fetch(session, "/api/v1/pods")
        await fetch(session, "/api/v1/pods", params={"watch": "1"}, status=403)


async def test_a_new_right_may_be_granted(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    await fetch(admin, "/demo/grant", method="POST", json={"user": "view", "resource": "nodes", "verbs": ["list"]})
    async with cluster.session("view") as session:
        await fetch(session, "/api/v1/nodes")
        await fetch(session, "/api/v1/nodes", params={"watch": "1"}, status=403)


async def test_compaction_makes_the_past_gone(admin: aiohttp.ClientSession) -> None:
    begin = (await fetch(admin, VMS))["metadata"]["resourceVersion"]
    await create(admin, machine("one"))
    await fetch(admin, "/demo/compact", method="POST")
    event, status = await (await open_watch(admin, VMS, resourceVersion=begin)).next()
    assert (event, status["code"]) == ("ERROR", 410)


async def test_cutting_ends_watches(admin: aiohttp.ClientSession) -> None:
    watch = await open_watch(admin, VMS, resourceVersion="0", sendInitialEvents="false", **_MATCH)
    assert await fetch(admin, "/demo/cut", method="POST", json={"resource": "pods"}) == {"cut": 0}
    assert await fetch(admin, "/demo/cut", method="POST") == {"cut": 1}
    assert await watch.ended()


async def test_a_hanging_server_answers_later(admin: aiohttp.ClientSession) -> None:
    watch = await open_watch(admin, VMS, resourceVersion="0", sendInitialEvents="false", **_MATCH)
    await fetch(admin, "/demo/hang", method="POST", json={"seconds": 0.4})
    started = time.monotonic()
    await asyncio.gather(create(admin, machine("one")), fetch(admin, "/version"))
    assert await watch.names(1) == [("ADDED", "one")]
    assert time.monotonic() - started > 0.3


async def test_a_starting_server_refuses_lists(admin: aiohttp.ClientSession) -> None:
    await fetch(admin, "/demo/starting", method="POST", json={"seconds": 60})
    async with admin.get(VMS) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
        assert (await response.json())["message"] == "storage is (re)initializing"
    await fetch(admin, "/demo/starting", method="POST", json={"seconds": 0})
    await fetch(admin, VMS)


async def test_time_is_advanced(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    before = cluster.world.clock.elapsed
    await fetch(admin, "/demo/advance", method="POST", json={"seconds": 90})
    assert cluster.world.clock.elapsed == before + 90


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("advance", {"seconds": -1}),
        ("advance", {"seconds": "soon"}),
        ("hang", {}),
        ("revoke", {"user": "view"}),
        ("grant", {"user": "view", "resource": "pods", "verbs": "all"}),
        ("compact", []),
    ],
)
async def test_bad_controls(admin: aiohttp.ClientSession, name: str, body: Any) -> None:
    assert (await fetch(admin, f"/demo/{name}", method="POST", json=body, status=400))["message"]


async def test_controls_are_for_the_admin(cluster: RunningCluster) -> None:
    async with cluster.session("edit") as session:
        await fetch(session, "/demo/advance", method="POST", json={"seconds": 1}, status=403)
    async with cluster.session("admin") as session:
        await fetch(session, "/demo/revoke", method="POST", json={"user": "x", "resource": "pods"}, status=404)
        await fetch(session, "/demo/advance", status=405)
        async with session.post("/demo/nothing") as response:
            assert response.status == 404


async def test_edit_may_write_but_not_delete_collections(cluster: RunningCluster) -> None:
    async with cluster.session("edit") as session:
        await create(session, machine("mine", "lab"))
        await fetch(session, vms("lab"), method="DELETE", status=403)
        await fetch(session, vms("lab", "mine"), method="DELETE")
