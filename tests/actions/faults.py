"""A way to a cluster on which what changes something fares as a test says; what only reads goes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec
import yaml
from aiohttp import web

from kvtui.model import Ref
from tests.cluster import RunningCluster

CONTEXT: Final = "ill"
_PASSED = ("Accept", "Authorization", "Content-Type", "Impersonate-User")
_REVIEWS = ("authorization.k8s.io", "authentication.k8s.io")

Answer = Callable[[], web.Response]


class Faults:
    """Answers in the place of a cluster."""

    def __init__(self, cluster: RunningCluster) -> None:
        self._cluster = cluster
        self._open = False
        self._answer: Answer | None = None
        self._hangs = False
        self._replaced = False
        self.replaced = ""
        """The last object that was another one of the same name when it was asked for, by its path."""
        self.asked: list[str] = []
        """The changes that were asked for, none of which came through: ``PUT /apis/...``."""
        self.held = asyncio.Event()
        """Set when a change was asked for that hangs."""
        self.going = asyncio.Event()
        """To be set for what hangs to be answered after all."""
        self.kubeconfig = ""
        self.url = ""

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Changes come through."""
        self._open = True
        try:
            yield
        finally:
            self._open = False

    @contextmanager
    def faring(self, answer: Answer | None, *, hangs: bool = False, replaced: bool = False) -> Iterator[None]:
        """Every change is answered so, or its connection is cut where there is no answer; but not before it is let go
        where it hangs. With `replaced` each object is another one of the same name by now.
        """
        self._answer, self._hangs, self._replaced = answer, hangs, replaced
        self.asked.clear()
        self.held.clear()
        self.going.clear()
        try:
            yield
        finally:
            self._replaced = False

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, or have the cluster answer it."""
        if self._open or request.method == "GET" or any(group in request.path for group in _REVIEWS):
            return await self._pass_on(request)
        if "dryRun" in request.query or b'"dryRun"' in await request.read():
            # A form is rehearsed before it closes; what fails is what is meant.
            return await self._pass_on(request)
        self.asked.append(f"{request.method} {request.path}")
        if self._hangs:
            self.held.set()
            await self.going.wait()
        if self._answer is not None:
            return self._answer()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        async with self._session.request(
            request.method, self._cluster.url + request.path_qs, headers=headers, data=await request.read()
        ) as answer:
            if self._replaced and "watch" not in request.query and answer.status == 200:
                found = msgspec.json.decode(await answer.read())
                meta = found.get("metadata", {})
                if "uid" in meta:
                    meta["uid"] = "another"
                    self.replaced = Ref(CONTEXT, "", meta.get("namespace", ""), meta["name"]).path
                return web.json_response(found)
            passed = web.StreamResponse(status=answer.status)
            passed.content_type = answer.content_type
            await passed.prepare(request)
            async for piece in answer.content.iter_any():
                await passed.write(piece)
            return passed

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Faults]:
        """Served; the kubeconfig is written into a folder."""
        async with self._cluster.session(user=None) as self._session:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self.respond)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                self.kubeconfig = str(self._write(folder))
                yield self
            finally:
                await runner.cleanup()

    def _write(self, folder: Path) -> Path:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": {"server": self.url}}],
            "users": [{"name": "admin", "user": {"token": self._cluster.token()}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "admin"}}],
            "current-context": CONTEXT,
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return file
