"""Recorded exchanges, and a server that answers as recorded: the same status, content type and bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tests.recordings import CUT
from tests.wire.fake import Fake

_FILE: Final = json.loads((CUT / "exchanges.json").read_text(encoding="utf-8"))
GROUPS: Final = {"kubevirt.io": "v1", "subresources.kubevirt.io": "v1", "cdi.kubevirt.io": "v1beta1"}


@dataclass(frozen=True)
class Exchange:
    """One of them."""

    name: str
    method: str
    path: str
    user: str
    status: int
    content_type: str
    sent_as: str = ""
    """The Content-Type of what was sent."""
    sent: Any = None
    body: str = ""
    """The answer's; empty where it was no refusal."""

    @property
    def refused(self) -> bool:
        return self.status >= 300

    @property
    def place(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def words(self) -> str:
        """What the server said."""
        start = self.body.find("{")
        return self.body if start < 0 else str(json.loads(self.body[start:])["message"])

    def answer(self) -> web.Response:
        headers = {"Content-Type": self.content_type} if self.content_type else {}
        return web.Response(status=self.status, body=self.body.encode(), headers=headers)


EXCHANGES: Final = {one["name"]: Exchange(**one) for one in _FILE["exchanges"]}


class Replayer(Fake):
    """Serves groups and objects, and answers one call as recorded: the last of it is kept."""

    def __init__(self, exchange: Exchange | None = None, instead: str = "") -> None:
        """With `instead`, the answer is given to another call: ``PUT /path``."""
        super().__init__(self._absent, self._absent)
        self.exchange = exchange
        self._call = instead or (f"{exchange.method} {exchange.place}" if exchange is not None else "")
        self.taken: list[tuple[web.Request, Any]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if self.exchange is not None and f"{request.method} {request.path}" == self._call:
            raw = await request.read()
            self.taken.append((request, json.loads(raw) if raw else None))
            return self.exchange.answer()
        if request.path in self.other:
            return await self.other[request.path](request)
        group = GROUPS.get(request.path.removeprefix("/apis/"))
        if group is not None:
            return web.json_response({"kind": "APIGroup", "versions": [{"version": group}]})
        return await self._absent(request)

    async def _absent(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text="404 page not found\n")
