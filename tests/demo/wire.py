"""Short words for tests that speak to the demo cluster."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

VMS = "/apis/kubevirt.io/v1/virtualmachines"
VMIS = "/apis/kubevirt.io/v1/virtualmachineinstances"
SUBRESOURCES = "/apis/subresources.kubevirt.io/v1"
_PATIENCE = 10.0


def vms(namespace: str, name: str = "") -> str:
    """The path of a namespace's machines, or of one."""
    base = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachines"
    return f"{base}/{name}" if name else base


def machine(name: str, namespace: str = "shop", strategy: str = "Halted", **labels: str) -> dict[str, Any]:
    """The least VirtualMachine."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "runStrategy": strategy,
            "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "1Gi"}}}},
        },
    }


async def fetch(
    session: aiohttp.ClientSession, path: str, *, method: str = "GET", status: int = 200, **options: Any
) -> Any:
    """The decoded answer; the status is checked."""
    async with session.request(method, path, **options) as response:
        text = await response.text()
        assert response.status == status, text
        return json.loads(text)


async def create(session: aiohttp.ClientSession, obj: dict[str, Any]) -> Any:
    """Create a VirtualMachine."""
    return await fetch(session, vms(obj["metadata"]["namespace"]), method="POST", status=201, json=obj)


class Watch:
    """The events of an open watch, one by one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Type and object of the next event."""
        line = await asyncio.wait_for(self._response.content.readuntil(b"\n"), _PATIENCE)
        event = json.loads(line)
        return event["type"], event["object"]

    async def names(self, count: int) -> list[tuple[str, str]]:
        """Types and names of the next events."""
        found = [await self.next() for _ in range(count)]
        return [(event, obj["metadata"].get("name", "")) for event, obj in found]

    async def ended(self) -> bool:
        """Whether the server closes the stream now, without another event."""
        return await asyncio.wait_for(self._response.content.read(), _PATIENCE) == b""


async def open_watch(session: aiohttp.ClientSession, path: str, **query: str) -> Watch:
    """Open a watch; it is closed with the session."""
    response = await session.get(path, params={"watch": "true", **query})
    assert response.status == 200, await response.text()
    return Watch(response)
