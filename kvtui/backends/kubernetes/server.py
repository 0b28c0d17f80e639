"""One API server: its requests, its connections made on first use, and which versions it serves."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from kvtui.backends.kubernetes.answers import refuse_other_answers
from kvtui.backends.kubernetes.kubeconfig import Kubeconfig
from kvtui.backends.kubernetes.timings import Timings
from kvtui.errors import BackendError, UnreachableError
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


class Server:
    """Requests to one API server. The heavy packages are imported and the account is read by the first of them."""

    def __init__(self, target: Target, timings: Timings) -> None:
        self.timings = timings
        self.address = ""
        """The URL of the server; empty until the first request."""
        self._target = target
        self._lock = asyncio.Lock()
        self._transport: Transport | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        accept: str = JSON,
    ) -> bytes:
        """The body of the answer. Raises BackendError, and ConfigError when the account cannot be used."""
        transport = await self._open()
        return await transport.request(method, path, query=query, body=body, accept=accept)

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
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """A GET whose body is read as it arrives; see `Transport.stream`."""
        transport = await self._open()
        async with transport.stream(
            path, query=query, first=first, silence=silence, accept=accept, packed=packed
        ) as pieces:
            yield pieces

    async def websocket(self, path: str, protocol: str) -> aiohttp.ClientWebSocketResponse:
        """An open websocket. Raises BackendError with the server's words when it refuses the upgrade."""
        transport = await self._open()
        return await transport.websocket(path, protocol)

    async def close(self) -> None:
        """Close all connections, at once."""
        self._closed = True
        if self._transport is not None:
            await self._transport.close()

    async def _open(self) -> Transport:
        async with self._lock:
            if self._closed:
                raise UnreachableError("this connection was closed")
            if self._transport is None:
                # A third of a second of imports: in a thread, so that the screen goes on.
                transport = await asyncio.to_thread(importlib.import_module, "kvtui.backends.kubernetes.transport")
                credentials = transport.Credentials(self._target.kubeconfig, self._target.context, self.timings)
                await credentials.load()
                self._transport = transport.Transport(credentials, self.timings)
                self.address = credentials.address
            opened: Transport = self._transport
            return opened


def decode(raw: bytes, type_: type[T]) -> T:
    """JSON of the server as a typed value, cleaned of control characters. Raises BackendError for anything else."""
    refuse_other_answers(raw)
    try:
        return msgspec.json.decode(scrub_json(raw), type=type_)
    except RecursionError as error:
        raise BackendError(TOO_DEEP) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendError("the server's answer cannot be read", clean_line(str(error))) from error
