"""Screenshots over the wire: both formats that QEMU makes, and bounds for what else may come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from kvtui.backends.base import Screens
from kvtui.backends.kubernetes import streams
from kvtui.backends.kubernetes.answers import CutError
from kvtui.errors import AbsentError, BackendError, ForbiddenError, UnauthorizedError
from kvtui.model import Ref
from tests.wire.fake import Fake, Handler, serving, status
from tests.wire.support import QUICK, kept, write_kubeconfig

VM = Ref("test", "VirtualMachine", "shop", "a")
PATH = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/a/vnc/screenshot"
PNG = b"\x89PNG\r\n\x1a\n and so on"
PPM = b"P6\n2 1\n255\n\x00\x00\x00\xff\xff\xff"


def screen_server(handler: Handler) -> Fake:
    async def versions(request: web.Request) -> web.StreamResponse:
        return web.json_response({"versions": [{"version": "v1"}]})

    async def nothing(request: web.Request) -> web.StreamResponse:
        return status(404, "nothing")

    return Fake(nothing, nothing, {"/apis/subresources.kubevirt.io": versions, PATH: handler})


@pytest.mark.parametrize("picture", [PNG, PPM])
@pytest.mark.parametrize("type_", ["image/png", "application/octet-stream", ""])
async def test_a_picture_is_known_by_its_first_bytes(tmp_path: Path, picture: bytes, type_: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept"] == "*/*"
        return web.Response(body=picture, headers={"Content-Type": type_} if type_ else {})

    async with (
        serving(screen_server(answer)) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), read_only=True) as state,
    ):
        assert isinstance(state.backend, Screens)
        assert await state.backend.take_screenshot(VM) == picture, "looking is not forbidden to whoever only reads"


@pytest.mark.parametrize(
    ("answer", "type_", "words"),
    [
        (lambda: web.Response(text="not acceptable"), BackendError, "neither PNG nor PPM"),
        (lambda: web.Response(body=b""), BackendError, "neither PNG nor PPM"),
        (lambda: status(400, "No graphics devices are present.", "BadRequest"), BackendError, "No graphics devices"),
        (lambda: status(404, "not found", "NotFound"), AbsentError, "not found"),
        (lambda: status(403, "cannot get vnc", "Forbidden"), ForbiddenError, "cannot get vnc"),
        (lambda: web.Response(status=401, text="bob cannot get vnc/screenshot"), ForbiddenError, "vnc/screenshot"),
        (lambda: status(401, "Unauthorized", "Unauthorized"), UnauthorizedError, "Unauthorized"),
        (lambda: web.Response(status=500, text="Internal error occurred: no domain"), BackendError, "no domain"),
    ],
)
async def test_what_is_no_picture_says_why(
    tmp_path: Path, answer: Callable[[], web.StreamResponse], type_: type[BackendError], words: str
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return answer()

    async with serving(screen_server(refuse)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(type_) as caught:
            await state.backend.take_screenshot(VM)
        assert words in caught.value.detail


async def test_a_picture_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LARGEST_PICTURE", 2**20)
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PNG)
        while True:
            await response.write(b"x" * 65_536)
            sent += 65_536

    async with serving(screen_server(endless)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(BackendError, match="the picture of shop/a is too large"):
            await state.backend.take_screenshot(VM)
        # What lies in buffers on the way is more than what was read.
        assert sent < 64 * 2**20


async def test_a_picture_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PNG)
        while True:
            await asyncio.sleep(0.05)
            await response.write(b"x")

    timings = replace(QUICK, screenshot=0.3)
    async with (
        serving(screen_server(drip)) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), timings=timings) as state,
    ):
        with pytest.raises(CutError, match="the picture of shop/a did not come"):
            await state.backend.take_screenshot(VM)


async def test_half_a_picture_is_none(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PNG)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(screen_server(cut)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(CutError):
            await state.backend.take_screenshot(VM)
