"""The demo cluster answers as a real one did: recorded exchanges, played against machines of the same names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cluster import RunningCluster
from tests.demo.wire import create, machine

_FILE = Path(__file__).parents[1] / "data/demo/exchanges.json"
EXCHANGES: list[dict[str, Any]] = json.loads(_FILE.read_text())["exchanges"]


@pytest.fixture
async def recorded(cluster: RunningCluster, admin: aiohttp.ClientSession) -> RunningCluster:
    """The machines that the recordings speak of, in the same state."""
    for name in ("web-1", "web-2"):
        await create(admin, machine(name, strategy="Always"))
    pending = machine("db-2", strategy="Always")
    pending["spec"]["template"]["spec"] |= {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "db-2-data"}}],
    }
    pending["spec"]["template"]["spec"]["domain"]["devices"] = {"disks": [{"name": "data", "disk": {"bus": "virtio"}}]}
    await create(admin, pending)
    for name in ("web-5", "batch-1"):
        await create(admin, machine(name))
    cluster.advance(120)
    return cluster


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange["name"] for exchange in EXCHANGES])
async def test_answers_as_recorded(recorded: RunningCluster, exchange: dict[str, Any]) -> None:
    headers = dict(exchange["headers"])
    user = exchange["user"]
    if user not in recorded.server.access.accounts:
        headers["Authorization"] = "Bearer wrong"
    body = exchange["body"]
    data = None if body is None else body if isinstance(body, str) else json.dumps(body)
    async with (
        recorded.session(None if "Authorization" in headers else user) as session,
        session.request(exchange["method"], exchange["path"], headers=headers, data=data) as response,
    ):
        text = await response.text()
        assert response.status == exchange["status"], text
        if "json" not in exchange:
            assert text.replace(" ", "").replace("\n", "") == exchange["text"].replace(" ", "").replace("\n", "")
            return
        answered = json.loads(text)
    expected = exchange["json"]
    assert {key: answered.get(key) for key in expected} == expected
