"""Connections of aiohttp to an API server that only a dialer reaches, such as one behind a bastion."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import aiohttp

from kvtui.backends.base import Dialer
from kvtui.errors import BackendError, UnreachableError


class DialingConnector(aiohttp.TCPConnector):
    """Dials whatever a URL names. The Host header and the name in TLS stay those of the URL."""

    def __init__(self, dialer: Dialer, **options: Any) -> None:
        super().__init__(**options)
        self._dialer = dialer

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[Any]:
        del traces
        # A resolver of our own is not enough: aiohttp asks none about addresses.
        return [{"hostname": host, "host": host, "port": port, "family": 0, "proto": 0, "flags": 0}]

    async def _wrap_create_connection(
        self,
        *arguments: Any,
        addr_infos: list[Any],
        req: Any,
        timeout: aiohttp.ClientTimeout,
        client_error: Any = aiohttp.ClientConnectorError,
        **options: Any,
    ) -> Any:
        host, port = addr_infos[0][-1][:2]
        async with asyncio.timeout(timeout.sock_connect):
            with unreachable():
                made = await self._dialer.dial(host, port)
            with ExitStack() as on_failure:
                on_failure.callback(made.close)
                connection = await super()._wrap_existing_connection(
                    *arguments, req=req, timeout=timeout, client_error=client_error, sock=made, **options
                )
                on_failure.pop_all()
            return connection


@contextmanager
def unreachable() -> Iterator[None]:
    """Whatever a hop on the way refuses, it is not the API server that refuses. Raises UnreachableError."""
    try:
        yield
    except UnreachableError:
        raise
    except BackendError as error:
        raise UnreachableError(error.title, error.detail, error.hint) from error
