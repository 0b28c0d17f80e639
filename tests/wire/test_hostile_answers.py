"""Answers and objects that no good server gives: quick, told in a sentence, and never the end of anything else."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.kubernetes.answers import error_from_answer
from kvtui.backends.kubernetes.masking import MASK, masked
from kvtui.backends.kubernetes.verbs import Verbs
from kvtui.errors import BackendError, BusyError
from kvtui.model import Ref
from tests.wire.fake import Fake, serving, status
from tests.wire.support import eventually, kept, write_kubeconfig

MB = 10**6
REF = Ref("test", "VirtualMachine", "shop", "a")
PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"
START = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/a/start"


@pytest.mark.parametrize(
    "text",
    [
        "a" * MB,
        "a1+" * (MB // 3),
        "a://" * (MB // 4),
        "://" * (MB // 3),
        "a://b@" * (MB // 6),
        "." * MB,
        '"' * MB,
        '\\"' * (MB // 2),
        '"token' * (MB // 6),
        '"' + "token" * (MB // 5),
        '"token"' + " " * MB,
        "\x1b" * MB,
        "é" * MB,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_masking_takes_a_moment_whatever_the_text(text: str) -> None:
    for item in ({"note": text}, {text: "x"}, {"name": text, "value": "x"}):
        began = time.process_time()
        masked(item)
        assert time.process_time() - began < 2.0, "an expression that is not linear takes minutes"


@pytest.mark.parametrize("url", ["https://{}@mirror/x", "docker://me:{}@registry", "see ftp://a:{}@b and more"])
def test_logins_in_addresses_are_masked_within_long_texts(url: str) -> None:
    shown = masked({"note": "x" * 1000 + " " + url.format("hunter2")})["note"]
    assert isinstance(shown, str)
    assert "hunter2" not in shown
    assert f"://{MASK}@" in shown


async def test_an_object_that_is_nested_too_deeply_is_an_error(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text='{"a":' * 20_000 + "1" + "}" * 20_000, content_type="application/json")

    async with serving(Fake(answer, answer, {PATH: answer})) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as s:
        with pytest.raises(BackendError, match="nested too deeply"):
            await s.backend.fetch(REF)


@pytest.mark.parametrize("value", ["²", "٣", "1e3", "-5", "+5", "0x10", "soon", "Mon, 99 Foo 2026", "\x00", "nan"])
def test_a_retry_after_that_is_none_says_nothing(value: str) -> None:
    busy = error_from_answer(429, b"", {"Retry-After": value})
    assert isinstance(busy, BusyError)
    assert busy.retry_after == 0.0


@pytest.mark.parametrize(("value", "told"), [("86400", "24h"), ("9" * 400, "365d"), ("a date", "8d")])
def test_a_retry_after_is_heeded_for_a_minute_at_most_and_told_as_it_is(value: str, told: str) -> None:
    if value == "a date":
        value = format_datetime(datetime.now(UTC) + timedelta(days=9), usegmt=True)
    busy = error_from_answer(429, b"", {"Retry-After": value})
    assert isinstance(busy, BusyError)
    assert busy.retry_after == 60.0
    assert busy.hint == f"it asks to wait {told}"


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ ?[A-Z+\-\d]*"))
def test_whatever_a_server_says_when_it_is_busy(value: str) -> None:
    busy = error_from_answer(503, b"", {"Retry-After": value})
    assert isinstance(busy, BusyError)
    assert 0.0 <= busy.retry_after <= 60.0


def audited(file: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [(line["result"], line.get("words", "")) for line in lines]


async def versions(request: web.Request) -> web.StreamResponse:
    return web.json_response({"kind": "APIGroup", "versions": [{"version": "v1"}]})


def startable(on_start: object) -> Fake:
    other = {"/apis/subresources.kubevirt.io": versions, START: on_start}
    return Fake(versions, versions, other)  # type: ignore[arg-type]


async def test_a_fault_of_ours_in_a_verb_is_audited_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Verbs, "_call", broken)
    async with serving(startable(versions)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(BackendError, match="nobody knows whether start of shop/a was accepted"):
            await state.backend.start(REF)
    assert [result for result, _ in audited(state.audit)] == ["asked", "unknown"]


async def test_a_wrong_header_of_a_refusal_does_not_cost_the_audit_line(tmp_path: Path) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return status(429, "later", "TooManyRequests", **{"Retry-After": "²"})

    async with serving(startable(busy)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(BusyError):
            await state.backend.start(REF)
    assert audited(state.audit) == [("asked", ""), ("refused", "later")]


async def test_a_verb_that_is_not_waited_for_is_unknown(tmp_path: Path) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    async with serving(startable(slow)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        asked = asyncio.create_task(state.backend.start(REF))
        await eventually(lambda: fake.counts[f"PUT {START}"])
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    assert audited(state.audit) == [("asked", ""), ("unknown", "not waited for")]
