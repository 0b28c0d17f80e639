"""A kubeconfig that is rewritten while kvtui runs: the server moved, or the account was renewed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from kvtui.errors import KvtuiError, UnauthorizedError
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine
from tests.wire.fake import Fake, begin, line, listed, machine, serving, status
from tests.wire.support import MACHINES, QUICK, eventually, kept, write_kubeconfig

REF = Ref("test", "VirtualMachine", "shop", "a", "uid-a")
PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"
WATCH = "GET /apis/kubevirt.io/v1/virtualmachines?watch"
PATIENT = replace(QUICK, answer=60.0, list_answer=60.0, watch_silence=60.0)


def cluster(token: str, name: str, version: str) -> Fake:
    """A server that knows one account and has one machine."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return status(401, "Unauthorized", "Unauthorized")
        if request.path == PATH:
            return web.json_response(machine("a"))
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1"})
        return listed(machine(name), version=version)

    async def watch(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return status(401, "Unauthorized", "Unauthorized")
        response = await begin(request)
        await response.write(line("BOOKMARK", machine("", int(version))))
        await asyncio.sleep(60)
        return response

    return Fake(answer, watch, {"/version": answer, PATH: answer})


async def test_a_server_that_came_back_elsewhere_is_followed(tmp_path: Path) -> None:
    async with serving(cluster("new", "b", "5")) as there:
        async with serving(cluster("old", "a", "500")) as here:
            kubeconfig = write_kubeconfig(tmp_path, here.url, {"token": "old"})
            keeping = kept(kubeconfig, MACHINES)
            state = await keeping.__aenter__()
            await state.reaches(VirtualMachine, FeedState.LIVE)
        try:
            await state.reaches(VirtualMachine, FeedState.STALE)
            write_kubeconfig(tmp_path, there.url, {"token": "new"})
            await eventually(lambda: state.names(VirtualMachine) == {"shop/b"})
            await state.reaches(VirtualMachine, FeedState.LIVE)
            assert state.backend.info.address == there.url
        finally:
            await keeping.__aexit__(None, None, None)


async def test_a_server_that_hangs_while_the_kubeconfig_names_another_is_left(tmp_path: Path) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError("the client went away before this")

    # The same version on both: only that it is another server tells that all must be listed anew.
    async with serving(cluster("old", "a", "10")) as here, serving(cluster("new", "b", "10")) as there:
        kubeconfig = write_kubeconfig(tmp_path, here.url, {"token": "old"})
        async with kept(kubeconfig, MACHINES, timings=PATIENT) as state:
            await state.reaches(VirtualMachine, FeedState.LIVE)
            here.other["/version"] = here.on_list = here.on_watch = hang
            await state.reaches(VirtualMachine, FeedState.STALE)
            write_kubeconfig(tmp_path, there.url, {"token": "new"})
            await eventually(lambda: state.names(VirtualMachine) == {"shop/b"})
            await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_a_renewed_token_is_taken_and_streams_that_stand_go_on(tmp_path: Path) -> None:
    async with serving(cluster("old", "a", "10")) as fake:
        kubeconfig = write_kubeconfig(tmp_path, fake.url, {"token": "old"})
        async with kept(kubeconfig, MACHINES, timings=PATIENT) as state:
            await state.reaches(VirtualMachine, FeedState.LIVE)
            await eventually(lambda: fake.counts[WATCH])
            fake.other |= cluster("new", "a", "10").other
            with pytest.raises(UnauthorizedError):
                await state.backend.fetch(REF)
            write_kubeconfig(tmp_path, fake.url, {"token": "new"})

            await eventually(lambda: fake.counts["GET /version"] > 4)
            with suppress(UnauthorizedError):
                await state.backend.fetch(REF)
            await state.backend.fetch(REF)
            assert state.states(VirtualMachine) == [FeedState.LOADING, FeedState.LIVE]
            assert fake.counts[WATCH] == 1


async def test_a_kubeconfig_that_is_half_written_or_says_nothing_new_changes_nothing(tmp_path: Path) -> None:
    async with serving(cluster("good", "a", "10")) as fake:
        kubeconfig = write_kubeconfig(tmp_path, fake.url, {"token": "bad"})
        document = yaml.safe_load(kubeconfig.read_text())
        async with kept(kubeconfig, timings=replace(QUICK, kubeconfig=0.0)) as state:
            for text in ("clusters: [", "", "contexts: []\n", yaml.safe_dump(document | {"preferences": {}})):
                with pytest.raises(UnauthorizedError):
                    await state.backend.fetch(REF)
                kubeconfig.write_text(text)
            with pytest.raises(UnauthorizedError):
                await state.backend.fetch(REF)
            write_kubeconfig(tmp_path, fake.url, {"token": "good"})
            with pytest.raises(KvtuiError):
                await state.backend.fetch(REF)
            await state.backend.fetch(REF)


async def test_the_kubeconfig_is_looked_at_every_few_seconds_at_most(tmp_path: Path) -> None:
    async with serving(cluster("good", "a", "10")) as fake:
        kubeconfig = write_kubeconfig(tmp_path, fake.url, {"token": "bad"})
        async with kept(kubeconfig, timings=replace(QUICK, kubeconfig=3600.0)) as state:
            with pytest.raises(UnauthorizedError):
                await state.backend.fetch(REF)
            write_kubeconfig(tmp_path, fake.url, {"token": "good"})
            for _ in range(3):
                with pytest.raises(UnauthorizedError):
                    await state.backend.fetch(REF)
