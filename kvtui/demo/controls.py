"""The control endpoints under ``/demo/``: tests and the tour bring about faults with them. For the admin only.

Every one is a POST with a JSON object:

- ``compact`` {}: forget the log of changes; watches that resume get 410 Gone.
- ``revoke`` {"user", "resource", "verbs"?}: take a right away and end the watches that lived by it.
- ``grant`` {"user", "resource", "verbs"?}: give a right.
- ``cut`` {"resource"?}: end open watches, as a restarting API server does.
- ``hang`` {"seconds"}: answer nobody for that long in real time.
- ``starting`` {"seconds"}: refuse lists for that long with 429 `storage is (re)initializing`.
- ``churn`` {"rate", "seconds", "visible"?}: change that many VMIs a second; visible: always the first by name.
- ``advance`` {"seconds"}: let virtual time pass at once.
- ``pause-clock`` {"paused"?}: stop or (false) resume virtual time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kvtui.demo.access import Account
from kvtui.demo.bodies import parse
from kvtui.demo.metadata import bad_request
from kvtui.demo.replies import answer, not_allowed, page_not_found
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.server import Server


def _text(options: Object, name: str, default: str | None = None) -> str:
    value = options.get(name, default)
    if not isinstance(value, str):
        raise bad_request(f"{name} must be a text")
    return value


def _seconds(options: Object) -> float:
    value = options.get("seconds")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise bad_request("seconds must be a number from 0 to 86400")
    return float(value)


def _verbs(options: Object) -> tuple[str, ...]:
    verbs = options.get("verbs", ["*"])
    if not isinstance(verbs, list) or not all(isinstance(verb, str) for verb in verbs):
        raise bad_request("verbs must be a list of texts")
    return tuple(verbs)


class Controls:
    """Carries the control requests out."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._calls: dict[str, Callable[[Object], Any]] = {
            "compact": self._compact,
            "revoke": self._revoke,
            "grant": self._grant,
            "cut": self._cut,
            "hang": self._hang,
            "starting": self._starting,
            "churn": self._churn,
            "advance": self._advance,
            "pause-clock": self._pause_clock,
        }

    async def respond(self, request: web.BaseRequest, account: Account) -> web.Response:
        """Carry out one request and answer what came of it. Raises StorageError 400, 403, 404 or 405."""
        if not account.is_cluster_admin:
            raise StorageError(403, "Forbidden", f'forbidden: User "{account.name}" cannot get path "{request.path}"')
        call = self._calls.get(request.path.removeprefix("/demo/"))
        if call is None:
            return page_not_found()
        if request.method != "POST":
            raise not_allowed()
        data = await request.read()
        options = parse(data, "application/json") if data.strip() else {}
        if not isinstance(options, dict):
            raise bad_request("the body must be a JSON object")
        return answer(call(options) or {})

    def _compact(self, _: Object) -> Object:
        storage = self._server.world.storage
        storage.compact()
        return {"revision": storage.revision}

    def _revoke(self, options: Object) -> Object:
        user, resource = _text(options, "user"), _text(options, "resource")
        self._server.access.revoke(user, resource, _verbs(options))
        account = self._server.access.find(user)
        return {"cut": self._server.watches.cut(account=account, resource=resource)}

    def _grant(self, options: Object) -> None:
        self._server.access.grant(_text(options, "user"), _text(options, "resource"), _verbs(options))

    def _cut(self, options: Object) -> Object:
        return {"cut": self._server.watches.cut(resource=_text(options, "resource", ""))}

    def _hang(self, options: Object) -> None:
        self._server.faults.hang(_seconds(options))

    def _starting(self, options: Object) -> None:
        self._server.faults.begin_start(_seconds(options))

    def _churn(self, options: Object) -> Object:
        rate = options.get("rate")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 10_000:
            raise bad_request("rate must be a number up to 10000")
        visible = options.get("visible") is True
        return {"machines": self._server.churn.start(float(rate), _seconds(options), visible=visible)}

    def _advance(self, options: Object) -> Object:
        self._server.advance(_seconds(options))
        return {"now": self._server.world.clock.stamp()}

    def _pause_clock(self, options: Object) -> None:
        self._server.ticker.paused = bool(options.get("paused", True))
