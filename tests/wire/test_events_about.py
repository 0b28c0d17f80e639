"""Which events are about an object: by kind and name, and by uid as far as they have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.model import Ref
from kvtui.records.kubernetes import Event
from tests.wire.fake import Fake, serving
from tests.wire.support import kept, write_kubeconfig


def event(uid: str | None, message: str) -> dict[str, Any]:
    about = {"kind": "VirtualMachine", "namespace": "shop", "name": "a"} | ({} if uid is None else {"uid": uid})
    return {"metadata": {"name": message, "namespace": "shop"}, "involvedObject": about, "message": message}


@pytest.mark.parametrize(
    ("ref", "messages"),
    [
        (Ref("test", "VirtualMachine", "shop", "a", "u1"), ["reported", "by hand"]),
        (Ref("test", "VirtualMachine", "shop", "a"), ["reported", "by hand", "former"]),
        (Ref("test", "Node", "", "a", "u1"), ["reported", "by hand", "former"]),
    ],
)
async def test_events_without_a_uid_are_found(tmp_path: Path, ref: Ref, messages: list[str]) -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        assert request.query["fieldSelector"] == f"involvedObject.name=a,involvedObject.kind={ref.kind}"
        items = [event("u1", "reported"), event(None, "by hand"), event("u0", "former")]
        return web.json_response({"kind": "EventList", "apiVersion": "v1", "items": items})

    paths = {"/api/v1/namespaces/shop/events": events, "/api/v1/events": events}
    async with serving(Fake(events, events, dict(paths))) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        found = await state.backend.fetch_events(ref)
    assert [event.message for event in found if isinstance(event, Event)] == messages
