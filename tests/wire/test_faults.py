"""Answers that hurt: busy servers, broken streams, endless lines, lists that never end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from kvtui.backends.kubernetes import metrics, transport
from kvtui.backends.kubernetes.timings import Timings
from kvtui.model import FeedState, Usage
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import SetUsage
from tests.wire.fake import Fake, begin, line, listed, machine, serving, status
from tests.wire.support import MACHINES, QUICK, Kept, eventually, kept, write_kubeconfig

LIST = "GET /apis/kubevirt.io/v1/virtualmachines"
WATCH = f"{LIST}?watch"


@asynccontextmanager
async def watched(folder: Path, fake: Fake, timings: Timings = QUICK) -> AsyncIterator[tuple[Fake, Kept]]:
    """The machines of a server of our own, kept in a store."""
    async with serving(fake), kept(write_kubeconfig(folder, fake.url), MACHINES, timings=timings) as state:
        yield fake, state


async def one_machine(_: web.Request) -> web.StreamResponse:
    return listed(machine("a"))


async def silence(request: web.Request) -> web.StreamResponse:
    await begin(request)
    await asyncio.sleep(60)
    raise AssertionError("the client went away before this")


async def test_a_server_that_is_initializing_is_waited_for(tmp_path: Path) -> None:
    answers = iter([status(429, "storage is (re)initializing", "TooManyRequests", **{"Retry-After": "1"})])

    async def on_list(request: web.Request) -> web.StreamResponse:
        return next(answers, None) or await one_machine(request)

    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        await eventually(lambda: "initializing" in state.feed(VirtualMachine).detail)
        feed = state.feed(VirtualMachine)
        assert feed.state is FeedState.LOADING
        assert feed.retry_at is not None
        asked = time.time()
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert feed.retry_at - asked > 0.5, "Retry-After is longer than our own back-off"
        assert time.time() >= feed.retry_at - 0.1


async def test_a_busy_server_during_a_watch_leaves_the_records(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        return status(503, "the server is currently unable to handle the request", "ServiceUnavailable")

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, state):
        feed = await state.reaches(VirtualMachine, FeedState.STALE)
        assert "unable to handle" in feed.detail
        assert state.names(VirtualMachine) == {"shop/a"}
        fake.on_watch = silence
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_410_as_an_event_means_a_new_list(tmp_path: Path) -> None:
    expired = {"kind": "Status", "message": "too old resource version: 1 (15)", "reason": "Expired", "code": 410}

    async def on_watch(request: web.Request) -> web.StreamResponse:
        if request.query["resourceVersion"] != "10":
            return await silence(request)
        response = await begin(request)
        await response.write(line("ERROR", expired))
        return response

    versions = iter("10")

    async def on_list(request: web.Request) -> web.StreamResponse:
        version = next(versions, "")
        return listed(machine("a"), version="10") if version else listed(machine("b"), version="20")

    async with watched(tmp_path, Fake(on_list, on_watch)) as (_, state):
        await eventually(lambda: state.names(VirtualMachine) == {"shop/b"})
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert FeedState.STALE not in state.states(VirtualMachine)


async def test_a_server_that_was_restored_to_an_older_state(tmp_path: Path) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        if request.query.get("resourceVersion") == "0":
            return listed(machine("b"), version="5") if WATCH in fake.counts else listed(machine("a"), version="500")
        return status(504, "Too large resource version: 500, current: 5", "Timeout")

    async def on_watch(request: web.Request) -> web.StreamResponse:
        if request.query["resourceVersion"] == "500":
            return status(504, "Too large resource version: 500, current: 5", "Timeout")
        return await silence(request)

    async with watched(tmp_path, Fake(on_list, on_watch)) as (fake, state):
        await eventually(lambda: state.names(VirtualMachine) == {"shop/b"})


async def test_an_event_cut_in_the_middle_comes_again(tmp_path: Path) -> None:
    event = line("MODIFIED", machine("a", 11, status={"printableStatus": "Running"}))

    async def on_watch(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        if fake.counts[WATCH] == 1:
            await response.write(event[:90])
            return response
        await response.write(event)
        await asyncio.sleep(60)
        return response

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, state):
        await eventually(lambda: state.names(VirtualMachine))

        def running() -> bool:
            state.store.drain()
            found = state.store.get(VirtualMachine, "test", "shop", "a")
            return found is not None and found.status.printable_status == "Running"

        await eventually(running)
        assert fake.counts[LIST] == 1


async def test_broken_json_in_a_watch_means_a_new_list(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        if fake.counts[WATCH] > 1:
            return await silence(request)
        response = await begin(request)
        await response.write(b'{"type":"MODIFIED","object":{"metadata":{"name":"a",}}}\n')
        return response

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, _):
        await eventually(lambda: fake.counts[LIST] == 2 and fake.counts[WATCH] == 2)


async def test_events_of_any_length_in_pieces_of_any_size(tmp_path: Path) -> None:
    huge = line("ADDED", machine("huge", 11, blob="x" * 5_000_000))
    small = [line("ADDED", machine(f"small-{number}", 12 + number)) for number in range(50)]

    async def on_watch(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        for piece in (huge[:7], huge[7:1_000_000], huge[1_000_000:] + small[0][:3], small[0][3:] + b"".join(small[1:])):
            await response.write(piece)
            await asyncio.sleep(0)
        await asyncio.sleep(60)
        return response

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (_, state):
        await eventually(lambda: len(state.names(VirtualMachine)) == 52)


async def test_pages_when_one_answer_cannot_be_had(tmp_path: Path) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        if "limit" not in request.query:
            response = await begin(request)
            await response.write(b'{"kind":"List","items":[{"metadata":{"name":"lost"')
            assert request.transport is not None
            request.transport.abort()
            return response
        if "continue" in request.query:
            return listed(machine("b"))
        return listed(machine("a"), more="token")

    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert state.names(VirtualMachine) == {"shop/a", "shop/b"}


async def test_rows_come_while_the_list_is_still_arriving(tmp_path: Path) -> None:
    done = asyncio.Event()

    async def on_list(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        body = listed(*(machine(f"vm-{number:04}", blob="y" * 500) for number in range(2000))).body
        assert isinstance(body, bytes)
        await response.write(body[: len(body) // 2])
        await done.wait()
        await response.write(body[len(body) // 2 :])
        return response

    timings = replace(QUICK, list_answer=30.0)
    async with watched(tmp_path, Fake(on_list, silence), timings) as (_, state):
        await eventually(lambda: len(state.names(VirtualMachine)) > 500)
        assert state.feed(VirtualMachine).state is FeedState.LOADING
        done.set()
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert len(state.names(VirtualMachine)) == 2000


async def test_a_watch_that_ends_in_good_order_resumes_without_a_word(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        bookmark = {"kind": "VirtualMachine", "metadata": {"resourceVersion": str(10 + fake.counts[WATCH])}}
        await response.write(line("BOOKMARK", bookmark))
        return response

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, state):
        await eventually(lambda: fake.counts[WATCH] > 5)
        assert state.states(VirtualMachine) == [FeedState.LOADING, FeedState.LIVE]
        assert fake.counts[LIST] == 1
        asked = [got.query["resourceVersion"] for got in fake.asked if "watch" in got.query]
        assert asked[:4] == ["10", "11", "12", "13"]


async def test_watches_that_end_at_once_and_bring_nothing_are_not_hammered(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        return await begin(request)

    timings = replace(QUICK, retry_first=0.1, retry_most=5.0)
    async with watched(tmp_path, Fake(one_machine, on_watch), timings) as (fake, state):
        feed = await state.reaches(VirtualMachine, FeedState.STALE)
        assert "at once" in feed.detail
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 1.0)
        assert fake.counts[WATCH] < 10


async def test_an_object_that_is_not_as_it_should_be_is_shown_with_its_fault(tmp_path: Path) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        return listed(machine("good"), machine("odd", spec={"runStrategy": ["not", "a", "text"]}))

    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert state.names(VirtualMachine) == {"shop/good", "shop/odd"}
        odd = state.store.get(VirtualMachine, "test", "shop", "odd")
        assert odd is not None
        assert "runStrategy" in odd.fault


async def test_control_characters_stop_at_the_decoder(tmp_path: Path) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        return listed(machine("a", status={"printableStatus": "\x1b[31mRunning\x07"}))

    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        state.store.drain()
        found = state.store.get(VirtualMachine, "test", "shop", "a")
        assert found is not None
        assert found.status.printable_status == "\ufffd[31mRunning\ufffd"


DEEP = b"[" * 20_000 + b"]" * 20_000


async def test_a_list_that_is_nested_too_deeply_is_told_as_such(tmp_path: Path) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"items":[{"metadata":{"name":"a"},"spec":%b}]}' % DEEP)

    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        feed = await state.reaches(VirtualMachine, FeedState.FAILED)
        assert feed.detail == "the server sent JSON that is nested too deeply"


async def test_an_event_that_is_nested_too_deeply_means_a_new_list(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        if fake.counts[WATCH] > 1:
            return await silence(request)
        response = await begin(request)
        await response.write(b'{"type":"MODIFIED","object":{"spec":%b}}\n' % DEEP)
        return response

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, state):
        await eventually(lambda: fake.counts[LIST] == 2 and fake.counts[WATCH] == 2)
        assert FeedState.FAILED not in state.states(VirtualMachine)
        assert FeedState.STALE not in state.states(VirtualMachine)


async def test_a_group_in_an_older_version_alone(tmp_path: Path) -> None:
    async def versions(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "APIGroup", "versions": [{"version": "v1alpha3"}]})

    other = {"/apis/kubevirt.io": versions, "/apis/kubevirt.io/v1alpha3/virtualmachines": one_machine}
    async with watched(tmp_path, Fake(silence, silence, dict(other))) as (_, state):
        await eventually(lambda: state.names(VirtualMachine) == {"shop/a"})


async def test_a_kind_that_a_served_version_lacks_is_found_in_the_next(tmp_path: Path) -> None:
    async def absent(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text="404 page not found\n")

    other = {"/apis/kubevirt.io/v1alpha3/virtualmachines": one_machine}
    async with watched(tmp_path, Fake(absent, absent, dict(other))) as (_, state):
        await eventually(lambda: state.names(VirtualMachine) == {"shop/a"})


async def test_a_page_of_html_is_told_as_such(tmp_path: Path) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html><h1>Bad Gateway</h1></html>", content_type="text/html")

    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        feed = await state.reaches(VirtualMachine, FeedState.FAILED)
        assert "page of HTML" in feed.detail


async def test_large_lists_are_asked_for_packed_unless_the_server_is_here(tmp_path: Path) -> None:
    async with (
        serving(Fake(one_machine, silence)) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), MACHINES) as state,
    ):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        await eventually(lambda: fake.counts[WATCH])
        assert {got.headers["Accept-Encoding"] for got in fake.asked} == {"identity"}
        assert all(got.headers["User-Agent"].startswith("kvtui/") for got in fake.asked)


async def test_a_packed_list_is_read_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "gzip"
        response = listed(*(machine(f"vm-{number}", blob="y" * 500) for number in range(1000)))
        response.enable_compression(web.ContentCoding.gzip)
        return response

    monkeypatch.setattr(transport, "_is_loopback", lambda _host: False)
    async with watched(tmp_path, Fake(on_list, silence)) as (_, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert len(state.names(VirtualMachine)) == 1000


async def test_usage_that_can_no_longer_be_had_is_taken_back(tmp_path: Path) -> None:
    async def versions(request: web.Request) -> web.StreamResponse:
        return web.json_response({"versions": [{"version": "v1beta1"}]})

    async def pods(request: web.Request) -> web.StreamResponse:
        assert request.query["labelSelector"] == "kubevirt.io=virt-launcher"
        containers = [{"usage": {"cpu": "250m", "memory": "1Gi"}}, {"usage": {"cpu": "1", "memory": "1Mi"}}]
        item = {"metadata": {"name": "p", "namespace": "shop"}, "containers": containers}
        return web.json_response({"items": [item]})

    other = {"/apis/metrics.k8s.io": versions, "/apis/metrics.k8s.io/v1beta1/pods": pods}
    async with watched(tmp_path, Fake(one_machine, silence, dict(other))) as (fake, state):

        def usage() -> Usage | None:
            state.store.drain()
            return state.store.usage("test", "Pod", "shop", "p")

        await eventually(lambda: usage() == Usage(1.25, 2**30 + 2**20))
        del fake.other["/apis/metrics.k8s.io/v1beta1/pods"]
        await eventually(lambda: usage() is None)


def metered(fake: Fake, *pods: dict[str, object]) -> None:
    """Let metrics-server be there, with these pods and no nodes."""

    async def versions(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "APIGroup", "versions": [{"version": "v1beta1"}]})

    async def measured(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "PodMetricsList", "items": list(pods)})

    async def nothing(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "NodeMetricsList", "items": []})

    fake.other |= {"/apis/metrics.k8s.io": versions, POD_METRICS: measured, NODE_METRICS: nothing}


POD_METRICS = "/apis/metrics.k8s.io/v1beta1/pods"
NODE_METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
POD: dict[str, object] = {
    "metadata": {"name": "p", "namespace": "shop"},
    "containers": [{"usage": {"cpu": "1", "memory": "1Ki"}}],
}


@pytest.mark.parametrize("code", [404, 500, 503])
async def test_usage_outlives_a_while_without_measurements(tmp_path: Path, code: int) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        return status(code, "the server is currently unable to handle the request")

    fake = Fake(one_machine, silence)
    metered(fake, POD)
    timings = replace(QUICK, metrics_kept=3600.0)
    async with watched(tmp_path, fake, timings) as (_, state):

        def usage() -> Usage | None:
            state.store.drain()
            return state.store.usage("test", "Pod", "shop", "p")

        await eventually(usage)
        fake.other[POD_METRICS] = fail
        asked = fake.counts[f"GET {POD_METRICS}"]
        await eventually(lambda: fake.counts[f"GET {POD_METRICS}"] > asked + 5)
        assert usage() == Usage(1.0, 1024.0)


async def test_usage_that_did_not_change_is_told_once(tmp_path: Path) -> None:
    fake = Fake(one_machine, silence)
    metered(fake, POD)
    async with watched(tmp_path, fake) as (_, state):
        await eventually(lambda: fake.counts[f"GET {POD_METRICS}"] > 5)
        assert len([said for said in state.said if isinstance(said, SetUsage) and said.usage]) == 1


async def test_very_many_pods_are_measured_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_MANY", 0)
    fake = Fake(one_machine, silence)
    metered(fake, POD)
    async with watched(tmp_path, fake, replace(QUICK, metrics_many=3600.0)):
        await eventually(lambda: fake.counts[f"GET {NODE_METRICS}"] > 5)
        assert fake.counts[f"GET {POD_METRICS}"] == 1
