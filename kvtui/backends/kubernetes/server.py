"""One API server: its requests, its connections made on first use, and which versions it serves."""

from __future__ import annotations

import asyncio
import importlib
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from kvtui.backends.base import Dialer
from kvtui.backends.kubernetes.answers import refuse_other_answers
from kvtui.backends.kubernetes.impersonation import NOBODY, Impersonation, read_impersonation
from kvtui.backends.kubernetes.kubeconfig import Kubeconfig
from kvtui.backends.kubernetes.timings import Timings
from kvtui.backends.kubernetes.waiting import Waiting
from kvtui.errors import BackendError, KvtuiError, UnauthorizedError, UnreachableError
from kvtui.records.decode import TOO_DEEP
from kvtui.text import clean_line, scrub_json

if TYPE_CHECKING:
    import aiohttp

    from kvtui.backends.kubernetes.transport import Transport

JSON: Final = "application/json"
ANY: Final = "*/*"
"""Subresources answer 406 to anything stricter."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """Which server, and as whom: a context of a kubeconfig, or without one the cluster that we run in."""

    kubeconfig: Kubeconfig | None
    context: str
    asked_as: Impersonation = NOBODY
    """As whom to act instead of what the kubeconfig says."""

    @property
    def acting_as(self) -> Impersonation:
        """As whom the account acts; empty when as itself."""
        if self.asked_as or self.kubeconfig is None:
            return self.asked_as
        return read_impersonation(self.kubeconfig.user_of(self.context))

    def renewed(self) -> Target | None:
        """What the context is in files that were changed since; None if it is the same. Raises ConfigError."""
        if self.kubeconfig is None:
            return None
        kubeconfig = self.kubeconfig.renewed(self.context)
        return replace(self, kubeconfig=kubeconfig) if kubeconfig is not None else None


class Server:
    """Requests to one API server. The heavy packages are imported and the account is read by the first of them."""

    def __init__(self, target: Target, timings: Timings, dialer: Dialer | None = None) -> None:
        self.timings = timings
        self.address = ""
        """The URL of the server; empty until the first request."""
        self.waiting = Waiting(timings.busy)
        self.epoch = 0
        """Grows when the kubeconfig came to name another server or account: what was known may be of another."""
        self.on_clock: Callable[[float], None] = lambda _ahead: None
        """Told by how many seconds the server's clock is ahead of ours, whenever that is known better."""
        self._ahead = 0.0
        self._target = target
        self.acting_as = clean_line(str(target.acting_as))
        """As whom the account acts, in words; empty when as itself."""
        self._dialer = dialer
        self._lock = asyncio.Lock()
        self._transport: Transport | None = None
        self._former: list[Transport] = []
        """Those whose streams may go on: only the account was renewed."""
        self._looked = -math.inf
        """When the kubeconfig was last looked at for a change."""
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        accept: str = JSON,
        limit: float | None = None,
    ) -> bytes:
        """The body of the answer, which begins within `limit` seconds, by default those of an ordinary answer.

        Raises BackendError, and ConfigError when the account cannot be used.
        """
        async with self._connected() as transport:
            answer = await transport.request(method, path, query=query, body=body, accept=accept, limit=limit)
            self._tell_clock(transport.clock.ahead)
            return answer

    def _tell_clock(self, ahead: float) -> None:
        if ahead != self._ahead:
            self._ahead = ahead
            self.on_clock(ahead)

    async def request_patiently(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        accept: str = JSON,
    ) -> bytes:
        """The same for what a user waits for: sent when the server wants it, if it wants it later; see `Waiting`."""
        return await self.waiting.ask(
            lambda: self.request(method, path, query=query, body=body, accept=accept), reads=method == "GET"
        )

    async def get(self, path: str, type_: type[T], query: Mapping[str, str] | None = None) -> T:
        """A JSON answer, cleaned of control characters and decoded. Raises as `request` does."""
        return decode(await self.request("GET", path, query=query), type_)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        first: float,
        silence: float | None,
        accept: str = JSON,
        packed: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """A GET whose body is read as it arrives; see `Transport.stream`."""
        async with (
            self._connected() as transport,
            transport.stream(
                path, query=query, first=first, silence=silence, accept=accept, packed=packed, headers=headers
            ) as pieces,
        ):
            yield pieces

    async def websocket(self, path: str, protocol: str, *, pings: bool = True) -> aiohttp.ClientWebSocketResponse:
        """An open websocket; see `Transport.websocket`."""
        async with self._connected() as transport:
            return await transport.websocket(path, protocol, pings=pings)

    def hurry(self) -> None:
        """The server answers again: requests that it forgot meanwhile shall end soon, to be sent anew."""
        if self._transport is not None:
            self._transport.hurry()

    def retry(self) -> None:
        """Let those on the way to the server be tried again that turned us away."""
        if self._dialer is not None:
            self._dialer.retry()

    async def close(self) -> None:
        """Close all connections, at once."""
        self._closed = True
        for transport in (self._transport, *self._former):
            if transport is not None:
                await transport.close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Transport]:
        """The connections. Where they fail, the next request heeds a kubeconfig that was changed meanwhile."""
        transport = await self._open()
        try:
            yield transport
        except (UnauthorizedError, UnreachableError):
            await self._follow_kubeconfig(transport)
            raise

    async def _open(self) -> Transport:
        async with self._lock:
            if self._closed:
                raise UnreachableError("this connection was closed")
            if self._transport is None:
                self._transport = await self._connect(self._target)
            return self._transport

    async def _connect(self, target: Target) -> Transport:
        # A third of a second of imports: in a thread, so that the screen goes on.
        module = await asyncio.to_thread(importlib.import_module, "kvtui.backends.kubernetes.transport")
        credentials = module.Credentials(target.kubeconfig, target.context, self.timings, target.acting_as)
        await credentials.load()
        transport: Transport = module.Transport(credentials, self.timings, self._dialer)
        self.address = credentials.address
        return transport

    async def _follow_kubeconfig(self, failed: Transport) -> None:
        """Connect to what the kubeconfig names now, if that is another server or account than the one that failed."""
        async with self._lock:
            if self._closed or failed is not self._transport:
                return
            now = time.monotonic()
            if now - self._looked < self.timings.kubeconfig:
                return
            self._looked = now
            try:
                target = await asyncio.to_thread(self._target.renewed)
                if target is None:
                    return
                before, self._transport = self.address, await self._connect(target)
            except KvtuiError:
                # Half written, or the context is gone: what we have may still be good.
                return
            self._target = target
            self.acting_as = clean_line(str(target.acting_as))
            self.epoch += 1
        # Streams that stand are good as long as the server is the same: consoles above all.
        if self.address == before:
            self._former.append(failed)
        else:
            await failed.close()


def decode(raw: bytes, type_: type[T]) -> T:
    """JSON of the server as a typed value, cleaned of control characters. Raises BackendError for anything else."""
    refuse_other_answers(raw)
    try:
        return msgspec.json.decode(scrub_json(raw), type=type_)
    except RecursionError as error:
        raise BackendError(TOO_DEEP) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendError("the server's answer cannot be read", clean_line(str(error))) from error
