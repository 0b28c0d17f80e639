"""Lists on the wire: pages, versions, selectors, forms, compression."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import aiohttp
import pytest

from kvtui.demo import kinds
from tests.cluster import RunningCluster
from tests.demo.wire import VMIS, VMS, create, fetch, machine, vms

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


def _places(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in document["items"]]


async def test_a_list_is_ordered_and_has_the_present_version(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    document = await fetch(admin, VMS)
    assert document["kind"] == "VirtualMachineList"
    assert document["metadata"]["resourceVersion"] == str(cluster.world.storage.revision)
    assert _places(document) == sorted(_places(document))
    assert len(document["items"]) == cluster.world.storage.count(kinds.VM) > 0


async def test_pages_show_one_moment(admin: aiohttp.ClientSession) -> None:
    whole = await fetch(admin, VMS)
    page = await fetch(admin, VMS, params={"limit": "5"})
    first = page["metadata"]
    assert first["remainingItemCount"] == len(whole["items"]) - 5
    await create(admin, machine("aaa-new"))
    places, query = _places(page), {"limit": "5", "continue": first["continue"]}
    while True:
        page = await fetch(admin, VMS, params=query)
        assert page["metadata"]["resourceVersion"] == first["resourceVersion"]
        places += _places(page)
        if not page["metadata"].get("continue"):
            break
        query["continue"] = page["metadata"]["continue"]
    assert places == _places(whole)


async def test_pages_of_one_namespace(admin: aiohttp.ClientSession) -> None:
    for number in range(3):
        await create(admin, machine(f"page-{number}", "lab"))
    page = await fetch(admin, vms("lab"), params={"limit": "1", "labelSelector": "!absent"})
    assert "remainingItemCount" not in page["metadata"]
    rest = await fetch(admin, vms("lab"), params={"limit": "500", "continue": page["metadata"]["continue"]})
    assert _places(page) + _places(rest) == _places(await fetch(admin, vms("lab")))


async def test_a_page_after_compaction_is_gone_and_offers_to_go_on(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    page = await fetch(admin, VMS, params={"limit": "5"})
    await create(admin, machine("zzz-new", "web"))
    cluster.world.storage.compact()
    query = {"limit": "5", "continue": page["metadata"]["continue"]}
    gone = await fetch(admin, VMS, params=query, status=410)
    assert (gone["reason"], gone["code"]) == ("Expired", 410)
    assert "too old to display a consistent list" in gone["message"]
    rest = await fetch(admin, VMS, params={"continue": gone["metadata"]["continue"]})
    assert _places(page) + _places(rest) == _places(await fetch(admin, VMS))


@pytest.mark.parametrize(
    "token", ["nonsense!", "e30", base64.urlsafe_b64encode(b'{"v":"other","rv":1,"start":""}').decode(), "é"]
)
async def test_a_broken_token_is_a_bad_request(admin: aiohttp.ClientSession, token: str) -> None:
    answer = await fetch(admin, VMS, params={"limit": "5", "continue": token}, status=400)
    assert answer["message"].startswith("continue key is not valid")


async def test_the_watch_cache_knows_no_pages(admin: aiohttp.ClientSession) -> None:
    whole = await fetch(admin, VMS, params={"limit": "2", "resourceVersion": "0"})
    assert "continue" not in whole["metadata"]
    assert len(whole["items"]) > 2


async def test_an_exact_version_is_the_past(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    before = await fetch(admin, VMS)
    await create(admin, machine("later"))
    query = {"resourceVersion": before["metadata"]["resourceVersion"], "resourceVersionMatch": "Exact"}
    assert _places(await fetch(admin, VMS, params=query)) == _places(before)
    cluster.world.storage.compact()
    gone = await fetch(admin, VMS, params=query, status=410)
    assert gone["message"] == "The resourceVersion for the provided list is too old."


async def test_a_version_of_the_future_is_too_large(admin: aiohttp.ClientSession) -> None:
    answer = await fetch(admin, VMS, params={"resourceVersion": "99999999"}, status=504)
    assert answer["message"].startswith("Timeout: Too large resource version: 99999999, current: ")
    assert answer["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"resourceVersion": "abc"}, 400),
        ({"limit": "many"}, 400),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "1", "resourceVersionMatch": "Perhaps"}, 422),
        ({"sendInitialEvents": "true"}, 422),
        ({"labelSelector": "a in b"}, 400),
        ({"fieldSelector": "spec.nope=1"}, 400),
    ],
)
async def test_bad_options_are_refused(admin: aiohttp.ClientSession, query: dict[str, str], status: int) -> None:
    assert (await fetch(admin, VMS, params=query, status=status))["status"] == "Failure"


async def test_selectors_choose(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("red-1", colour="red"))
    await create(admin, machine("blue-1", colour="blue"))
    by_label = await fetch(admin, VMS, params={"labelSelector": "colour in (red, green)"})
    assert _places(by_label) == [("shop", "red-1")]
    by_name = await fetch(admin, vms("shop"), params={"fieldSelector": "metadata.name=blue-1"})
    assert _places(by_name) == [("shop", "blue-1")]
    running = await fetch(admin, "/api/v1/pods", params={"fieldSelector": "status.phase!=Running"})
    assert all(pod["status"]["phase"] != "Running" for pod in running["items"])


async def test_an_unknown_namespace_is_empty(admin: aiohttp.ClientSession) -> None:
    assert (await fetch(admin, vms("nowhere")))["items"] == []


async def test_a_table_has_a_row_for_each_object(admin: aiohttp.ClientSession) -> None:
    whole = await fetch(admin, VMS)
    table = await fetch(admin, VMS, headers={"Accept": _TABLE})
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Age", "Status", "Ready"]
    assert [row["cells"][0] for row in table["rows"]] == [name for _, name in _places(whole)]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    bare = await fetch(admin, VMS, headers={"Accept": _TABLE}, params={"includeObject": "None"})
    assert all(row["object"] is None for row in bare["rows"])
    full = await fetch(admin, VMS, headers={"Accept": _TABLE}, params={"includeObject": "Object"})
    assert full["rows"][0]["object"] == whole["items"][0]


async def test_metadata_alone(admin: aiohttp.ClientSession) -> None:
    whole = await fetch(admin, VMIS)
    partial = await fetch(admin, VMIS, headers={"Accept": _PARTIAL})
    assert partial["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"] for item in partial["items"]] == [item["metadata"] for item in whole["items"]]
    assert all(item.keys() == {"kind", "apiVersion", "metadata"} for item in partial["items"])


async def test_one_object_as_a_table(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    table = await fetch(admin, vms("shop", "one"), headers={"Accept": _TABLE})
    assert [row["cells"][0] for row in table["rows"]] == ["one"]


async def test_large_answers_are_compressed_for_those_who_ask(cluster: RunningCluster) -> None:
    async with cluster.session() as session:
        session._auto_decompress = False
        plain = await session.get("/api/v1/pods", headers={"Accept-Encoding": "identity"})
        packed = await session.get("/api/v1/pods", headers={"Accept-Encoding": "gzip"})
        small = await session.get("/api/v1/namespaces/nowhere/pods", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers
        assert "Content-Encoding" not in small.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        body = await plain.read()
        assert len(body) > 128 * 1024
        assert json.loads(gzip.decompress(await packed.read())) == json.loads(body)
