"""A small API server of the tests' own, for answers that no good server gives."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, message: str, reason: str = "", **headers: str) -> web.Response:
    """An answer that is a Status, as the API server gives it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return web.json_response(body, status=code, headers=headers)


def machine(name: str, version: int = 1, uid: str = "", **extra: Any) -> dict[str, Any]:
    """A VirtualMachine."""
    meta = {"name": name, "namespace": "shop", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta, "spec": {}, **extra}


def listed(*items: dict[str, Any], version: str = "10", more: str = "") -> web.Response:
    """A VirtualMachineList."""
    metadata = {"resourceVersion": version, "continue": more}
    return web.json_response({"kind": "List", "apiVersion": "v1", "items": list(items), "metadata": metadata})


def line(type_: str, item: dict[str, Any]) -> bytes:
    """One event of a watch."""
    return json.dumps({"type": type_, "object": item}, separators=(",", ":")).encode() + b"\n"


async def begin(request: web.Request) -> web.StreamResponse:
    """An answer that is written piece by piece."""
    response = web.StreamResponse()
    response.content_type = "application/json"
    await response.prepare(request)
    return response


@dataclass
class Fake:
    """The server: a list and a watch of VirtualMachines, which a test gives, and whatever else it gives by path."""

    on_list: Handler
    on_watch: Handler
    other: dict[str, Handler] = field(default_factory=dict)
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """How often what was asked for: ``GET /path``, with `?watch` for watches."""
        return Counter(f"{got.method} {got.path}{'?watch' if 'watch' in got.query else ''}" for got in self.asked)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.asked.append(request)
        if request.path in self.other:
            return await self.other[request.path](request)
        if request.path == "/apis/kubevirt.io":
            return web.json_response({"kind": "APIGroup", "versions": [{"version": "v1"}, {"version": "v1alpha3"}]})
        if request.path == "/apis/kubevirt.io/v1/virtualmachines":
            return await (self.on_watch if "watch" in request.query else self.on_list)(request)
        return web.Response(status=404, text="404 page not found\n")


@contextlib.asynccontextmanager
async def serving(fake: Fake, tls: ssl.SSLContext | None = None) -> AsyncIterator[Fake]:
    """Serve on a free port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    fake.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
