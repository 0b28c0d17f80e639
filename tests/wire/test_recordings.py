"""What a real API server answered, served again and read by the reflector."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.backends.base import Source
from kvtui.model import FeedState
from kvtui.records.base import Record
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Event, Namespace, Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import Drop, Put
from tests.wire.fake import Fake, begin, serving
from tests.wire.support import eventually, kept, write_kubeconfig

RECORDINGS = Path(__file__).parent.parent / "data" / "recordings"
TYPES: dict[str, tuple[type[Record], str, str]] = {
    "nodes": (Node, "", "v1"),
    "pods": (Pod, "", "v1"),
    "events": (Event, "", "v1"),
    "namespaces": (Namespace, "", "v1"),
    "persistentvolumeclaims": (Claim, "", "v1"),
    "virtualmachines": (VirtualMachine, "kubevirt.io", "v1"),
    "virtualmachineinstances": (VirtualMachineInstance, "kubevirt.io", "v1"),
    "virtualmachineinstancemigrations": (Migration, "kubevirt.io", "v1"),
    "kubevirts": (KubeVirt, "kubevirt.io", "v1"),
    "datavolumes": (DataVolume, "cdi.kubevirt.io", "v1beta1"),
}


def recorded_events(file: Path) -> list[dict[str, Any]]:
    """The events of a recorded watch, without their times and the request."""
    return [json.loads(line)["event"] for line in file.read_text().splitlines()[1:]]


def source(plural: str) -> Source:
    type_, group, version = TYPES[plural]
    return Source(type_, group, (version,), plural)


class Replay(Fake):
    """Answers every list with `body`, in pieces of `size` bytes, and every watch with `events`."""

    def __init__(self, body: bytes, events: bytes = b"", size: int = 1000) -> None:
        super().__init__(self._list, self._watch)
        self.body, self.events, self.size = body, events, size

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if "resourceVersion" in request.query:
            return await (self._watch if "watch" in request.query else self._list)(request)
        if request.path.count("/") == 2 and request.path.startswith("/apis/"):
            return web.json_response({"versions": [{"version": "v1"}, {"version": "v1beta1"}]})
        return web.Response(status=404, text="404 page not found\n")

    async def _list(self, request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        for start in range(0, len(self.body), self.size):
            await response.write(self.body[start : start + self.size])
        return response

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(self.events)
        await asyncio.sleep(60)
        return response


@pytest.mark.parametrize("compact", [True, False], ids=["as sent", "indented"])
@pytest.mark.parametrize("plural", TYPES)
async def test_every_recorded_object_is_read(tmp_path: Path, plural: str, compact: bool) -> None:
    body = (RECORDINGS / "lists" / f"{plural}.json").read_bytes()
    document = json.loads(body)
    if compact:
        body = json.dumps(document, separators=(",", ":")).encode()
    wanted = source(plural)
    async with serving(Replay(body)) as fake, kept(write_kubeconfig(tmp_path, fake.url), wanted) as state:
        await state.reaches(wanted.type, FeedState.LIVE)
        metas = [item["metadata"] for item in document["items"]]
        paths = {"/".join(filter(None, (meta.get("namespace"), meta["name"]))) for meta in metas}
        assert state.names(wanted.type) == paths
        for ref, record in state.store.items(wanted.type):
            assert not record.fault, f"{ref.path}: {record.fault}"
            assert record.created


@pytest.mark.parametrize("file", sorted((RECORDINGS / "watch").glob("*.jsonl")), ids=lambda file: file.stem)
async def test_every_recorded_event_is_applied(tmp_path: Path, file: Path) -> None:
    events = recorded_events(file)
    plural = "virtualmachines" if file.stem == "bookmarks-only" else file.stem
    wanted = source(plural)
    lines = b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events)
    empty = b'{"items":[],"metadata":{"resourceVersion":"1"}}'
    count = sum(event["type"] != "BOOKMARK" for event in events)
    async with serving(Replay(empty, lines)) as fake, kept(write_kubeconfig(tmp_path, fake.url), wanted) as state:
        await eventually(lambda: sum(isinstance(said, (Put, Drop)) for said in state.said) == count)
        changes = [said for said in state.said if isinstance(said, (Put, Drop))]
        for event, change in zip((event for event in events if event["type"] != "BOOKMARK"), changes, strict=True):
            assert isinstance(change, Drop) is (event["type"] == "DELETED")
            if isinstance(change, Put):
                assert not change.record.fault
                assert change.record.metadata.uid == event["object"]["metadata"]["uid"]
