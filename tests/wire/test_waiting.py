"""A server that asks to come back later: it is waited for within reason, and the user is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from kvtui.backends.kubernetes.waiting import Waiting
from kvtui.cli import codes, main
from kvtui.errors import BusyError, ConflictError
from tests.wire.fake import serving, status
from tests.wire.support import QUICK, eventually, kept, write_kubeconfig
from tests.wire.test_told import Cluster
from tests.wire.test_verbs import SUBRESOURCES, VM, Server, audited

START = f"{SUBRESOURCES}/virtualmachines/a/start"
BUSY = "too many requests, please try again later"


class Busy(Server):
    """Answers some calls of a path with something else before it takes one."""

    def __init__(self, path: str, *answers: Callable[[], web.StreamResponse]) -> None:
        super().__init__()
        self._left = list(answers)
        self.times: list[float] = []
        self.other[path] = self.put_off

    async def put_off(self, _request: web.Request) -> web.StreamResponse:
        self.times.append(time.monotonic())
        return self._left.pop(0)() if self._left else web.json_response({"metadata": {"uid": "uid-a"}}, status=202)


def later(code: int = 429, seconds: str = "1") -> Callable[[], web.StreamResponse]:
    return lambda: status(code, BUSY, "TooManyRequests", **({"Retry-After": seconds} if seconds else {}))


async def test_a_verb_that_the_server_wants_later_is_sent_when_it_wants_it(tmp_path: Path) -> None:
    server = Busy(START, later(), later())
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        await state.backend.start(VM)
        assert [line["result"] for line in audited(state)] == ["asked", "accepted"]
    first, second, third = server.times
    assert second - first >= 1.0
    assert third - second >= 1.0


async def test_what_is_asked_for_meanwhile_is_known(tmp_path: Path) -> None:
    server = Busy(START, later())
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        asked = asyncio.create_task(state.backend.start(VM))
        await eventually(lambda: 0 < state.backend.info.put_off <= 1)
        await asked
        assert state.backend.info.put_off == 0


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (later(seconds="40"), "it asks to wait 40s"),
        (later(seconds=""), "try again in a moment"),
        (later(503), "it asks to wait 1s"),
    ],
    ids=["longer than there is patience for", "without a time", "that may have been begun"],
)
async def test_what_must_not_be_sent_again_is_refused_at_once(
    tmp_path: Path, answer: Callable[[], web.StreamResponse], hint: str
) -> None:
    server = Busy(START, answer)
    timings = replace(QUICK, busy=20.0)
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url), timings=timings) as state:
        with pytest.raises(BusyError) as caught:
            await state.backend.start(VM)
        assert audited(state)[-1]["result"] == "refused"
    assert (caught.value.detail, caught.value.hint) == (BUSY, hint)
    assert len(server.times) == 1


async def test_while_it_wants_nothing_for_long_nothing_more_is_sent(tmp_path: Path) -> None:
    server = Busy(START, later(seconds="40"))
    timings = replace(QUICK, busy=20.0)
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url), timings=timings) as state:
        with pytest.raises(BusyError):
            await state.backend.start(VM)
        for _ in range(3):
            with pytest.raises(BusyError) as caught:
                await state.backend.start(VM)
            assert caught.value.hint.startswith("nothing was sent: it is asked again in ")
    assert len(server.times) == 1


async def test_what_only_reads_is_asked_for_again_after_a_503_too(tmp_path: Path) -> None:
    path = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"
    server = Busy(path, later(503))
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        assert await state.backend.read(VM)
    assert len(server.times) == 2


async def test_of_many_requests_one_goes_ahead_and_the_others_follow() -> None:
    waiting, sent, refused = Waiting(10.0), 0, 0
    open_after = time.monotonic() + 0.3

    async def send() -> str:
        nonlocal sent, refused
        sent += 1
        await asyncio.sleep(0)
        if time.monotonic() < open_after:
            refused += 1
            raise BusyError("busy", code=429, retry_after=0.1)
        return "done"

    answers = await asyncio.gather(*(waiting.ask(send, reads=False) for _ in range(8)))
    assert answers == ["done"] * 8
    # Eight at once before anybody knew, then one at a time.
    assert refused <= 8 + 4
    assert sent == refused + 8


async def test_another_refusal_means_that_it_takes_requests_again() -> None:
    waiting = Waiting(10.0)
    answers = [BusyError("busy", code=429, retry_after=0.05), ConflictError("no")]

    async def send() -> None:
        raise answers.pop(0)

    with pytest.raises(ConflictError):
        await waiting.ask(send, reads=False)
    assert waiting.seconds == 0


async def test_who_is_no_longer_wanted_does_not_hold_up_the_others() -> None:
    waiting = Waiting(10.0)

    async def refuse() -> None:
        raise BusyError("busy", code=429, retry_after=0.3)

    async def send() -> str:
        return "done"

    first = asyncio.create_task(waiting.ask(refuse, reads=False))
    await eventually(lambda: waiting.seconds)
    second = asyncio.create_task(waiting.ask(send, reads=False))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "done"


@pytest.mark.parametrize(("seconds", "limit"), [("1", "10"), ("30", "10"), ("20", "")])
async def test_the_command_line_says_once_that_it_waits_and_for_no_longer_than_it_may(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, seconds: str, limit: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/m-1/start"
    cluster = Cluster("start-running-409", "vm.start", "nothing")
    busy = Busy(path, *(later(seconds=seconds) for _ in range(2)))
    cluster.other[path] = busy.put_off
    async with serving(cluster):
        kubeconfig = str(write_kubeconfig(tmp_path, cluster.url))
        words = ["--kubeconfig", kubeconfig, "start", "shop/m-1", "--yes", "-o", "json"]
        words += ["--timeout", limit] if limit else []
        code = await asyncio.to_thread(main, words)
    out, err = capfd.readouterr()
    (item,) = json.loads(out)["items"]
    if seconds == "1":
        assert (code, item["state"]) == (codes.OK, "accepted")
        assert err.count("test is busy and is asked again in 1s\n") == 1
    else:
        assert (code, item["state"]) == (codes.FAILED, "failed")
        assert item["words"] == f"the server is busy: {BUSY} (it asks to wait {seconds}s)"
        assert "asked again" not in err
