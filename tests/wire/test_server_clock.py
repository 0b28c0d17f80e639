"""By how much a server's clock is ahead of ours, as its answers tell."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web

from kvtui.backends.kubernetes.serverclock import ServerClock
from tests.wire.fake import Fake, begin, listed, machine, serving
from tests.wire.support import MACHINES, QUICK, eventually, kept, write_kubeconfig

NOON = 1_800_000_000.0


def heard(*answers: tuple[float, float, float]) -> float:
    clock = ServerClock()
    for written, sent, received in answers:
        clock.hear(formatdate(NOON + written, usegmt=True), NOON + sent, NOON + received)
    return clock.ahead


@pytest.mark.parametrize(
    ("written", "sent", "received", "ahead"),
    [
        (0, 0.4, 0.6, 0.0),
        (900, 0.0, 0.0, 900.0),
        (900, 0.0, 30.0, 870.0),
        (-900, 0.0, 0.0, -899.0),
        (0, -20.0, 0.5, 0.0),
    ],
)
def test_it_is_the_least_that_an_answer_allows(written: float, sent: float, received: float, ahead: float) -> None:
    assert heard((written, sent, received)) == ahead


def test_a_quick_answer_tells_more_than_a_slow_one_and_a_slow_one_takes_nothing_back() -> None:
    assert heard((900, 0.0, 30.0), (910, 10.0, 10.0), (925, 15.0, 45.0)) == 900.0


def test_a_clock_that_is_put_right_is_followed() -> None:
    assert heard((900, 0.0, 0.0), (60, 60.4, 60.5)) == pytest.approx(0.6)


@pytest.mark.parametrize("date", [None, "", "soon", "Thu, 32 Nov 2026 99:00:00 GMT"])
def test_an_answer_without_a_time_tells_nothing(date: str | None) -> None:
    clock = ServerClock()
    clock.hear(date, NOON, NOON)
    assert clock.ahead == 0.0


async def test_the_clock_of_a_cluster_is_known_soon_after_it_is_first_heard(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.json_response({"gitVersion": "v1"}) if request.path == "/version" else listed(machine("a"))
        response.headers["Date"] = formatdate(time.time() + 900, usegmt=True)
        return response

    async def watch(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await eventually(lambda: request.transport is None or request.transport.is_closing())
        return response

    fake = Fake(answer, watch, {"/version": answer})
    async with serving(fake), kept(write_kubeconfig(tmp_path, fake.url), MACHINES, timings=QUICK) as state:

        def ahead() -> float:
            state.store.drain()
            return state.store.ahead("test")

        await eventually(lambda: 890 < ahead() < 901)
