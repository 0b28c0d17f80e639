"""A server that hangs with all connections open, and everything that must not be taken for one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from kvtui.model import FeedState, Usage
from kvtui.records.kubevirt import KubeVirt, VirtualMachine
from tests.wire.fake import Fake, begin, line, listed, machine, serving, status
from tests.wire.support import KUBEVIRTS, MACHINES, QUICK, eventually, kept, write_kubeconfig

LIST = "GET /apis/kubevirt.io/v1/virtualmachines"
WATCH = f"{LIST}?watch"
POLL = "GET /apis/kubevirt.io/v1/kubevirts"
PULSE = "GET /version"
PODS = "/apis/metrics.k8s.io/v1beta1/pods"

PATIENT = replace(QUICK, answer=60.0, list_answer=60.0, watch_silence=60.0, poll=3600.0)
"""Waits long for everything but the pulse."""


@dataclass
class Hanging:
    """A server of which a test hangs what it likes: requests wait at the gate, or for ever once it `forgets`."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    forgets: bool = False
    fake: Fake = field(init=False)

    def __post_init__(self) -> None:
        self.gate.set()
        self.fake = Fake(self.answer, self.watch, {"/version": self.answer, POLL.split()[1]: self.answer})

    async def pass_gate(self) -> None:
        if self.forgets and not self.gate.is_set():
            await asyncio.sleep(60)
        await self.gate.wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await self.pass_gate()
        return web.json_response({"gitVersion": "v1"}) if request.path == "/version" else listed(machine("a"))

    async def watch(self, request: web.Request) -> web.StreamResponse:
        await self.pass_gate()
        await begin(request)
        await asyncio.sleep(60)
        raise AssertionError("the client went away before this")

    async def slow(self, request: web.Request) -> web.StreamResponse:
        """Answer the first question never and the others at once."""
        if self.fake.counts[PULSE] == 2:
            await asyncio.sleep(60)
        return status(404, "no such page")


async def test_a_hung_server_makes_stale_what_was_live_and_keeps_its_watches(tmp_path: Path) -> None:
    server = Hanging()
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, KUBEVIRTS, timings=PATIENT) as state,
    ):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        await state.reaches(KubeVirt, FeedState.LIVE)
        await eventually(lambda: fake.counts[PULSE] > 2)
        began = time.time()
        server.gate.clear()
        feed = await state.reaches(VirtualMachine, FeedState.STALE)
        assert "fell silent" in feed.detail
        assert began - 2 < feed.since < began + 0.5
        await state.reaches(KubeVirt, FeedState.STALE)
        assert state.names(VirtualMachine) == {"shop/a"}
        server.gate.set()
        await state.reaches(VirtualMachine, FeedState.LIVE)
        await state.reaches(KubeVirt, FeedState.LIVE)
        assert fake.counts[WATCH] == fake.counts[LIST] == 1
        assert fake.counts[POLL] == 2


async def test_what_a_hung_server_forgot_is_asked_anew(tmp_path: Path) -> None:
    server = Hanging(forgets=True)
    server.gate.clear()
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, KUBEVIRTS, timings=PATIENT) as state,
    ):
        await eventually(lambda: fake.counts[PULSE] > 3 and fake.counts[LIST] and fake.counts[POLL])
        server.gate.set()
        await state.reaches(VirtualMachine, FeedState.LIVE)
        await state.reaches(KubeVirt, FeedState.LIVE)
        await eventually(lambda: not state.backend.info.trouble)


async def test_usage_is_measured_again_at_once_after_a_hang(tmp_path: Path) -> None:
    server = Hanging(forgets=True)
    server.gate.clear()

    async def versions(request: web.Request) -> web.StreamResponse:
        await server.pass_gate()
        return web.json_response({"versions": [{"version": "v1beta1"}]})

    async def pods(request: web.Request) -> web.StreamResponse:
        item = {"metadata": {"name": "p", "namespace": "shop"}, "containers": [{"usage": {"cpu": "1"}}]}
        return web.json_response({"items": [item]})

    server.fake.other |= {"/apis/metrics.k8s.io": versions, PODS: pods}
    timings = replace(PATIENT, metrics_absent=3600.0)
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, timings=timings) as state,
    ):
        await eventually(lambda: fake.counts[PULSE] > 3)
        server.gate.set()

        def usage() -> Usage | None:
            state.store.drain()
            return state.store.usage("test", "Pod", "shop", "p")

        await eventually(lambda: usage() == Usage(1.0, 0.0))


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
async def test_a_refusal_is_an_answer(tmp_path: Path, code: int) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return status(code, "not for you")

    server = Hanging()
    server.fake.other["/version"] = refuse
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, timings=PATIENT) as state,
    ):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        asked = fake.counts[PULSE]
        await eventually(lambda: fake.counts[PULSE] > asked + 4)
        assert state.states(VirtualMachine) == [FeedState.LOADING, FeedState.LIVE]


async def test_one_slow_answer_changes_nothing(tmp_path: Path) -> None:
    server = Hanging()
    server.fake.other["/version"] = server.slow
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, timings=PATIENT) as state,
    ):
        await eventually(lambda: fake.counts[PULSE] > 4)
        assert state.states(VirtualMachine) == [FeedState.LOADING, FeedState.LIVE]
        assert fake.counts[WATCH] == 1


async def test_a_process_that_was_suspended_blames_nobody(tmp_path: Path) -> None:
    async def suspend(request: web.Request) -> web.StreamResponse:
        # Nothing of this process goes on meanwhile, as after ctrl+z.
        time.sleep(3 * timings.pulse_answer)  # noqa: ASYNC251 - this is what is tested
        return web.json_response({})

    timings = replace(PATIENT, pulse_answer=0.1)
    server = Hanging()
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, timings=timings) as state,
    ):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        fake.other["/version"] = suspend
        asked = fake.counts[PULSE]
        await eventually(lambda: fake.counts[PULSE] > asked + 5)
        assert state.states(VirtualMachine) == [FeedState.LOADING, FeedState.LIVE]


async def test_a_watch_that_speaks_is_not_doubted(tmp_path: Path) -> None:
    speaking = asyncio.Event()

    async def on_watch(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await speaking.wait()
        for version in range(11, 10_000):
            await response.write(line("BOOKMARK", machine("", version)))
            await asyncio.sleep(0.01)
        return response

    server = Hanging()
    server.fake.on_watch = on_watch
    async with (
        serving(server.fake) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES, timings=PATIENT) as state,
    ):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        server.gate.clear()
        await state.reaches(VirtualMachine, FeedState.STALE)
        speaking.set()
        await state.reaches(VirtualMachine, FeedState.LIVE)
        asked = fake.counts[PULSE]
        await eventually(lambda: fake.counts[PULSE] > asked + 2)
        assert state.states(VirtualMachine).count(FeedState.STALE) == 1
