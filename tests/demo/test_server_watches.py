"""Watches on the wire: resuming, bookmarks, initial events, selectors, time-outs, compaction."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
import pytest

from kvtui.demo import kinds
from kvtui.demo.watches import _BACKLOG_BYTES
from tests.cluster import RunningCluster, running_cluster
from tests.demo.wire import VMS, create, fetch, machine, open_watch, vms

_INITIAL = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}
_LARGE = {"name": "large", "namespace": "shop"}
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def _now(session: aiohttp.ClientSession) -> str:
    return str((await fetch(session, VMS, params={"limit": "1"}))["metadata"]["resourceVersion"])


async def test_changes_arrive_in_order(admin: aiohttp.ClientSession) -> None:
    watch = await open_watch(admin, vms("shop"), resourceVersion=await _now(admin))
    await create(admin, machine("one"))
    await fetch(
        admin,
        vms("shop", "one"),
        method="PATCH",
        data='{"metadata":{"labels":{"a":"b"}}}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    await fetch(admin, vms("shop", "one"), method="DELETE")
    events = [await watch.next() for _ in range(3)]
    assert [event for event, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in events]
    assert versions == sorted(set(versions))


async def test_a_watch_resumes_where_it_ended(admin: aiohttp.ClientSession) -> None:
    begin = await _now(admin)
    await create(admin, machine("one"))
    await create(admin, machine("two", "lab"))
    watch = await open_watch(admin, VMS, resourceVersion=begin)
    assert await watch.names(2) == [("ADDED", "one"), ("ADDED", "two")]
    last = await _now(admin)
    resumed = await open_watch(admin, VMS, resourceVersion=last)
    await create(admin, machine("three"))
    assert await resumed.names(1) == [("ADDED", "three")]


async def test_other_namespaces_are_left_out(admin: aiohttp.ClientSession) -> None:
    watch = await open_watch(admin, vms("lab"), resourceVersion=await _now(admin))
    await create(admin, machine("elsewhere", "shop"))
    await create(admin, machine("here", "lab"))
    assert await watch.names(1) == [("ADDED", "here")]


async def test_initial_events_end_with_a_bookmark(admin: aiohttp.ClientSession) -> None:
    present = await fetch(admin, VMS)
    watch = await open_watch(admin, VMS, **_INITIAL)
    names = [("ADDED", item["metadata"]["name"]) for item in present["items"]]
    assert await watch.names(len(names)) == names
    event, mark = await watch.next()
    assert event == "BOOKMARK"
    assert mark["kind"] == "VirtualMachine"
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert mark["metadata"]["resourceVersion"] == present["metadata"]["resourceVersion"]
    await create(admin, machine("after"))
    assert await watch.names(1) == [("ADDED", "after")]


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_from_anywhere_begins_with_what_there_is(admin: aiohttp.ClientSession, version: str) -> None:
    present = await fetch(admin, VMS)
    watch = await open_watch(admin, VMS, resourceVersion=version)
    names = [("ADDED", item["metadata"]["name"]) for item in present["items"]]
    assert await watch.names(len(names)) == names


async def test_initial_events_need_their_match(admin: aiohttp.ClientSession) -> None:
    answer = await fetch(admin, VMS, params={"watch": "1", "sendInitialEvents": "true"}, status=422)
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in answer["message"]


async def test_after_compaction_the_stream_says_gone(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    begin = await _now(admin)
    await create(admin, machine("one"))
    cluster.world.storage.compact()
    watch = await open_watch(admin, VMS, resourceVersion=begin)
    event, status = await watch.next()
    assert (event, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"] == f"too old resource version: {begin} ({cluster.world.storage.revision})"
    assert await watch.ended()


async def test_the_server_ends_a_watch_in_time(admin: aiohttp.ClientSession) -> None:
    started = time.monotonic()
    watch = await open_watch(admin, VMS, resourceVersion=await _now(admin), timeoutSeconds="1")
    assert await watch.ended()
    assert 0.9 < time.monotonic() - started < 3


async def test_bookmarks_carry_the_version_forward() -> None:
    async with running_cluster(size=3, bookmark_interval=0.05) as cluster, cluster.session() as session:
        watch = await open_watch(session, vms("lab"), resourceVersion=await _now(session), allowWatchBookmarks="true")
        await create(session, machine("elsewhere", "shop"))
        event = ""
        while event != str(cluster.world.storage.revision):
            kind, mark = await watch.next()
            assert kind == "BOOKMARK"
            assert "annotations" not in mark["metadata"]
            event = mark["metadata"]["resourceVersion"]


async def test_entering_and_leaving_a_label_selector(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one", colour="red"))
    watch = await open_watch(admin, VMS, resourceVersion=await _now(admin), labelSelector="colour=blue")

    async def paint(colour: str) -> None:
        await fetch(
            admin,
            vms("shop", "one"),
            method="PATCH",
            json={"metadata": {"labels": {"colour": colour}}},
            headers={"Content-Type": "application/merge-patch+json"},
        )

    await paint("blue")
    await paint("red")
    await fetch(admin, vms("shop", "one"), method="DELETE")
    await create(admin, machine("two", colour="blue"))
    assert await watch.names(3) == [("ADDED", "one"), ("DELETED", "one"), ("ADDED", "two")]


async def test_a_field_selector_follows_one_object(admin: aiohttp.ClientSession) -> None:
    watch = await open_watch(admin, VMS, resourceVersion=await _now(admin), fieldSelector="metadata.name=two")
    await create(admin, machine("one"))
    await create(admin, machine("two"))
    assert await watch.names(1) == [("ADDED", "two")]


async def test_a_table_watch_sends_rows(admin: aiohttp.ClientSession) -> None:
    begin = await _now(admin)
    async with admin.get(VMS, params={"watch": "1", "resourceVersion": begin}, headers={"Accept": _TABLE}) as response:
        await create(admin, machine("one"))
        line = await asyncio.wait_for(response.content.readline(), 10)
    table = json.loads(line)["object"]
    assert table["kind"] == "Table"
    assert [row["cells"][0] for row in table["rows"]] == ["one"]


async def test_many_watchers_hear_the_same(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    begin = await _now(admin)
    watches = [await open_watch(admin, VMS, resourceVersion=begin) for _ in range(5)]
    for number in range(50):
        cluster.world.storage.create(kinds.VM, machine(f"many-{number:02}"))
    expected = [("ADDED", f"many-{number:02}") for number in range(50)]
    assert await asyncio.gather(*(watch.names(50) for watch in watches)) == [expected] * 5


async def test_a_client_that_does_not_read_is_cut_off(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    begin = await _now(admin)
    response = await admin.get(VMS, params={"watch": "1", "resourceVersion": begin})
    storage = cluster.world.storage
    storage.create(kinds.VM, machine("large"))
    text = "x" * 1_000_000
    for number in range(2 * _BACKLOG_BYTES // len(text)):
        annotations = {"text": f"{number}{text}"}
        storage.update(kinds.VM, machine("large") | {"metadata": {**_LARGE, "annotations": annotations}})
    received = 0
    async with asyncio.timeout(20):
        async for piece in response.content.iter_any():
            received += len(piece)
    assert received < 1.5 * _BACKLOG_BYTES


async def test_watches_end_with_the_server(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    watch = await open_watch(admin, VMS, resourceVersion=await _now(admin))
    started = time.monotonic()
    await cluster.server.stop()
    assert time.monotonic() - started < 0.3
    assert await watch.ended()
