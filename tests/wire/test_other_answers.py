"""Answers that are good by their code and no answers by what they hold: told in a sentence, and no row is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.backends.kubernetes.answers import error_from_answer
from kvtui.errors import AbsentError, BackendError, ForbiddenError, UnreachableError
from kvtui.model import FeedState, Ref
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import VirtualMachine
from tests.wire.fake import Fake, begin, line, listed, machine, serving, status
from tests.wire.support import NODES, Kept, eventually, kept, write_kubeconfig
from tests.wire.test_faults import LIST, WATCH, one_machine, silence, watched

REF = Ref("test", "VirtualMachine", "shop", "a")
PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"


def failure(code: int) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "etcd is gone", "code": code}


def told(body: object, type_: str = "application/json") -> Callable[[web.Request], Any]:
    """A server that answers 200 with that body to everything."""

    async def answer(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, content_type=type_)

    return answer


async def ends_at_once(request: web.Request) -> web.StreamResponse:
    response = await begin(request)
    await response.write(line("ERROR", {"kind": "Status", "reason": "Expired", "code": 410}))
    return response


NO_LISTS = [
    (failure(500), "application/json", "etcd is gone"),
    (failure(403), "application/json", "etcd is gone"),
    (failure(404), "application/json", "etcd is gone"),
    (failure(410), "application/json", "etcd is gone"),
    (failure(429), "application/json", "etcd is gone"),
    ({}, "application/json", "no list: an object without a kind"),
    ({"items": None}, "application/json", "no list"),
    ({"kind": "VirtualMachine", "metadata": {"resourceVersion": "5"}}, "application/json", "a VirtualMachine came"),
    ("<html>log in</html>", "text/html", "a page of HTML came from http://127.0.0.1"),
    ("<html>log in</html>", "application/json", "a page of HTML came"),
    ("hello", "text/plain", "no JSON"),
]


@pytest.mark.parametrize(("body", "type_", "words"), NO_LISTS)
async def test_what_is_no_list_costs_no_row(tmp_path: Path, body: object, type_: str, words: str) -> None:
    async with watched(tmp_path, Fake(one_machine, silence)) as (fake, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert state.names(VirtualMachine) == {"shop/a"}
    async with watched(tmp_path, Fake(one_machine, ends_at_once)) as (fake, state):
        await eventually(lambda: state.names(VirtualMachine) == {"shop/a"})
        fake.on_list = told(body, type_)
        feed = await state.reaches(VirtualMachine, FeedState.STALE)
        assert words in feed.detail
        assert "malformed" not in feed.detail
        assert state.names(VirtualMachine) == {"shop/a"}
        fake.on_list, fake.on_watch = one_machine, silence
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_a_list_without_items_is_empty(tmp_path: Path) -> None:
    empty = told({"kind": "VirtualMachineList", "metadata": {"resourceVersion": "5"}, "items": None})
    async with watched(tmp_path, Fake(empty, silence)) as (_, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert state.names(VirtualMachine) == set()


@pytest.mark.parametrize("body", [failure(404), {}, {"kind": "Status"}])
async def test_what_is_no_group_costs_no_row(tmp_path: Path, body: object) -> None:
    fake = Fake(one_machine, silence, {"/apis/kubevirt.io": told(body)})
    async with watched(tmp_path, fake) as (_, state):
        await state.reaches(VirtualMachine, FeedState.FAILED)
        assert FeedState.ABSENT not in state.states(VirtualMachine)


@pytest.mark.parametrize(("body", "type_", "words"), [found for found in NO_LISTS if found[2] == "etcd is gone"])
async def test_a_failure_is_no_object(tmp_path: Path, body: object, type_: str, words: str) -> None:
    async with (
        serving(Fake(silence, silence, {PATH: told(body, type_)})) as fake,
        kept(write_kubeconfig(tmp_path, fake.url)) as state,
    ):
        with pytest.raises(BackendError, match=words) as caught:
            await state.backend.fetch(REF)
        assert not isinstance(caught.value, (AbsentError, ForbiddenError, UnreachableError))


async def test_a_redirect_names_the_place_without_its_secrets(tmp_path: Path) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("https://sso.example/login?ticket=hunter2")

    async with watched(tmp_path, Fake(moved, silence)) as (_, state):
        feed = await state.reaches(VirtualMachine, FeedState.FAILED)
        assert "https://sso.example/login" in feed.detail
        assert "login page?" in feed.detail
        assert "hunter2" not in feed.detail


def test_a_redirect_to_nowhere() -> None:
    assert "nowhere" in error_from_answer(302, b"", {}).detail


async def test_a_kind_of_the_core_that_is_absent_is_named_without_a_dot(tmp_path: Path) -> None:
    async with (
        serving(Fake(silence, silence)) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), NODES) as state,
    ):
        feed = await state.reaches(Node, FeedState.ABSENT)
        assert feed.detail == "nodes is not installed"


def refuse_version(request: web.Request) -> web.StreamResponse | None:
    if request.query.get("resourceVersion") == "abc":
        return status(400, 'Invalid value: "abc": strconv.ParseUint: invalid syntax', "BadRequest")
    return None


def versions_asked(fake: Fake, state: Kept) -> bool:
    asked = [got.query.get("resourceVersion") for got in fake.asked if got.path.endswith("virtualmachines")]
    return "abc" in asked and asked[asked.index("abc") + 1 :][:1] == ["0"] and bool(state.names(VirtualMachine))


@pytest.mark.parametrize(
    "event",
    [
        line("BOOKMARK", {"kind": "VirtualMachine", "metadata": {"resourceVersion": "abc"}}),
        line("MODIFIED", machine("a") | {"metadata": {"name": "a", "namespace": "shop", "resourceVersion": "abc"}}),
    ],
)
async def test_a_version_that_is_none_is_not_used_for_ever(tmp_path: Path, event: bytes) -> None:
    async def on_list(request: web.Request) -> web.StreamResponse:
        return refuse_version(request) or listed(machine("a"))

    async def on_watch(request: web.Request) -> web.StreamResponse:
        refused = refuse_version(request)
        if refused is None and fake.counts[WATCH] == 1:
            response = await begin(request)
            await response.write(event)
            return response
        return refused or await silence(request)

    async with watched(tmp_path, Fake(on_list, on_watch)) as (fake, state):
        await eventually(lambda: versions_asked(fake, state))
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_a_version_that_is_none_before_a_broken_watch(tmp_path: Path) -> None:
    bad = machine("a") | {"metadata": {"name": "a", "namespace": "shop", "resourceVersion": "abc"}}

    async def on_list(request: web.Request) -> web.StreamResponse:
        return refuse_version(request) or listed(machine("a"))

    async def on_watch(request: web.Request) -> web.StreamResponse:
        if fake.counts[WATCH] > 1:
            return await silence(request)
        response = await begin(request)
        await response.write(line("MODIFIED", bad) + b"{nonsense\n")
        return response

    async with watched(tmp_path, Fake(on_list, on_watch)) as (fake, state):
        await eventually(lambda: fake.counts[WATCH] > 1)
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_an_empty_bookmark_changes_nothing(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        if fake.counts[WATCH] > 1:
            return await silence(request)
        response = await begin(request)
        await response.write(line("BOOKMARK", {"kind": "VirtualMachine"}))
        return response

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, _):
        await eventually(lambda: fake.counts[WATCH] > 1)
        asked = [got.query["resourceVersion"] for got in fake.asked if "watch" in got.query]
        assert asked[:2] == ["10", "10"]


async def test_watches_that_fail_in_a_row_mean_a_new_list(tmp_path: Path) -> None:
    async def on_watch(request: web.Request) -> web.StreamResponse:
        return status(500, "the watch cache is broken")

    async with watched(tmp_path, Fake(one_machine, on_watch)) as (fake, state):
        await eventually(lambda: fake.counts[LIST] > 1)
        assert fake.counts[WATCH] >= 5
        assert state.names(VirtualMachine) == {"shop/a"}
        assert FeedState.STALE in state.states(VirtualMachine)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            'persistentvolumeclaims "x" is forbidden: exceeded quota: small, requested: requests.storage=10Gi, '
            "used: requests.storage=95Gi, limited: requests.storage=100Gi",
            "quota small, requests.storage: 10Gi more wanted, 95Gi of 100Gi in use",
        ),
        (
            'pods "x" is forbidden: exceeded quota: small, requested: limits.memory=4958947072,pods=1, '
            "used: limits.memory=0,pods=5, limited: limits.memory=1Gi,pods=5",
            "quota small, limits.memory: 4.6Gi more wanted, 0 of 1Gi in use; pods: 1 more wanted, 5 of 5 in use",
        ),
        ("exceeded quota: small, whatever follows", "exceeded quota: small, whatever follows"),
    ],
)
def test_a_quota_that_is_exceeded_is_told_by_its_name_and_fields(words: str, told: str) -> None:
    found = error_from_answer(403, words.encode(), {})
    assert isinstance(found, ForbiddenError)
    assert str(found) == f"over the quota of the namespace: {told} (free some of it, or have it raised)"
