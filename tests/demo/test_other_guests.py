"""Machines whose guest is not the simulated one: whoever starts the server may say who is behind the consoles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime

import aiohttp
import pytest

from kvtui.demo import kinds
from kvtui.demo.guest import State
from kvtui.demo.seriallog import SerialLog
from kvtui.demo.storage import Object
from tests.cluster import RunningCluster, running_cluster
from tests.demo.wire import SUBRESOURCES, create, machine

INSTANCE = f"{SUBRESOURCES}/namespaces/lab/virtualmachineinstances/bird"


def lose(data: bytes) -> None:
    """Nobody is attached."""


class Parrot:
    """A guest that says everything back, and ends at Q."""

    def __init__(self, vmi: Object, now: datetime) -> None:
        self.name = vmi["metadata"]["name"]
        self.state: State = "running"
        self.calls: list[str] = []
        self.log = SerialLog()
        self._send: Callable[[bytes], None] = lose

    def attach(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        send(b"I am " + self.name.encode())

    def detach(self) -> None:
        self._send = lose

    def receive(self, data: bytes) -> None:
        self._send(data)
        if data == b"Q":
            self.state = "off"

    def advance(self, seconds: float) -> None:
        pass

    def reboot(self) -> None:
        self.calls.append("reboot")

    def shut_down(self) -> None:
        self.calls.append("shut down")

    def power_off(self) -> None:
        self.calls.append("power off")


@pytest.fixture
def parrots() -> list[Parrot]:
    """The guests that were made."""
    return []


@pytest.fixture
async def cluster(parrots: list[Parrot]) -> AsyncIterator[RunningCluster]:
    """With a machine lab/bird that runs."""

    def make_parrot(vmi: Object, now: datetime) -> Parrot:
        parrots.append(Parrot(vmi, now))
        return parrots[-1]

    async with running_cluster(size=1, make_guest=make_parrot) as running, running.session() as admin:
        await create(admin, machine("bird", "lab", strategy="RerunOnFailure"))
        running.advance(120)
        yield running


async def test_a_console_leads_to_the_guest_that_was_given(
    cluster: RunningCluster, admin: aiohttp.ClientSession, parrots: list[Parrot]
) -> None:
    assert parrots == [], "nobody looked at it yet"
    async with admin.ws_connect(f"{INSTANCE}/console") as console:
        assert await console.receive_bytes(timeout=10) == b"I am bird"
        await console.send_bytes(b"hello")
        assert await console.receive_bytes(timeout=10) == b"hello"
        async with admin.put(f"{INSTANCE}/reset", headers={"Accept": "*/*"}) as response:
            assert response.status == 200
    assert [parrot.calls for parrot in parrots] == [["reboot"]]


async def test_a_guest_that_is_off_ends_its_instance(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with admin.ws_connect(f"{INSTANCE}/console") as console:
        await console.send_bytes(b"Q")
        while await console.receive_bytes(timeout=10) != b"Q":
            pass
        cluster.advance(1)
        assert (await console.receive(timeout=10)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    vmi = cluster.world.storage.find(kinds.VMI, "lab", "bird")
    assert vmi is None or vmi["status"]["phase"] == "Succeeded"


async def test_deleting_an_instance_presses_the_power_button_of_its_guest(
    cluster: RunningCluster, admin: aiohttp.ClientSession, parrots: list[Parrot]
) -> None:
    async with admin.ws_connect(f"{INSTANCE}/console") as console:
        await console.receive_bytes(timeout=10)
        path = f"{SUBRESOURCES}/namespaces/lab/virtualmachines/bird/stop"
        async with admin.put(path, json={}, headers={"Accept": "*/*"}) as response:
            assert response.status == 202
        cluster.advance(120)
    assert parrots[0].calls == ["shut down", "power off"]
