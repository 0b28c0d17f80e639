"""HTTP to CDI's upload proxy: a file goes out as it is read. A heavy import (aiohttp), brought in on first use.

Paths and answers: kubevirt-api.md 6.2.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

import aiohttp
from yarl import URL

import kvtui
from kvtui.backends.base import Dialer
from kvtui.backends.kubernetes.dialing import DialingConnector
from kvtui.backends.kubernetes.timings import Timings
from kvtui.backends.kubernetes.transport import keepalive_socket, proxy_for, told
from kvtui.errors import BackendError, BusyError, ConfigError, UnauthorizedError
from kvtui.text import clean_line

if TYPE_CHECKING:
    from kvtui.backends.kubernetes.uploading import Way

_ASYNC: Final = "/v1beta1/upload-async"
_SYNC: Final = "/v1beta1/upload"
_CHUNK: Final = 2**20
_WORDS: Final = 4096
_TRUST: Final = "have CDI tell the CA of its upload proxy, or name another --proxy-url; --insecure trusts anybody"
_RETRIED: Final = frozenset({500, 502, 503, 504})


class UploadProxy:
    """One upload proxy, as an asynchronous context."""

    def __init__(self, way: Way, *, insecure: bool, timings: Timings, dialer: Dialer | None) -> None:
        """Raises ConfigError for an address that makes no sense, BackendError for certificates that cannot be read."""
        address, authority = way.address, way.authority
        text = address if "://" in address else f"https://{address}"
        try:
            self._base = URL(text)
            host = self._base.host
        except ValueError as error:
            raise ConfigError(f"{clean_line(text)} is no URL of an upload proxy", clean_line(str(error))) from None
        if self._base.scheme not in ("https", "http") or not host:
            raise ConfigError(f"{clean_line(text)} is no URL of an upload proxy")
        if self._base.scheme == "http" and not insecure:
            raise ConfigError(
                f"{clean_line(text)} would see the upload's token in the clear", hint="https, or --insecure"
            )
        self.address = clean_line(str(self._base.origin()))
        self._timings = timings
        self._dialer = dialer
        self._context = _trust(authority, insecure=insecure)
        self._proxy = "" if dialer is not None else proxy_for(text)
        self._tls_name: dict[str, Any] = {"server_hostname": way.name} if way.name else {}
        self._session: aiohttp.ClientSession | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        tls = self._context
        connector = (
            DialingConnector(self._dialer, ssl=tls)
            if self._dialer is not None
            else aiohttp.TCPConnector(ssl=tls, socket_factory=keepalive_socket)
        )
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        )
        # A body that was read from a file cannot be sent again by itself.
        self._session._retry_connection = False
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def find_path(self) -> str:
        """Where images go: old proxies do not know the path that answers before the image is converted."""
        assert self._session is not None
        with told(self.address, self._proxy, trust=_TRUST):
            async with asyncio.timeout(self._timings.answer):
                url = self._base.with_path(_ASYNC)
                async with self._session.head(
                    url, proxy=self._proxy or None, allow_redirects=False, **self._tls_name
                ) as answer:
                    return _SYNC if answer.status in (404, 405) else _ASYNC

    async def send(self, path: str, token: str, file: Path, size: int, advance: Callable[[int], None]) -> None:
        """Send `size` bytes of a file; `advance` is told of how many each time. Raises UnreachableError and BusyError
        where it may go better the next time, UnauthorizedError for a token that is too old, else BackendError.
        """
        assert self._session is not None
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "User-Agent": f"kvtui/{kvtui.__version__}",
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timings.connect)
        with told(self.address, self._proxy, trust=_TRUST):
            async with asyncio.timeout(self._timings.upload_silence) as limit:
                body = self._pieces(file, size, advance, limit)
                async with self._session.post(
                    self._base.with_path(path),
                    data=body,
                    headers=headers,
                    timeout=timeout,
                    proxy=self._proxy or None,
                    allow_redirects=False,
                    **self._tls_name,
                ) as answer:
                    limit.reschedule(asyncio.get_running_loop().time() + self._timings.answer)
                    words = clean_line((await answer.content.read(_WORDS)).decode("utf-8", "replace"))
                    refusal = _refusal(answer.status, words)
                    if refusal is not None:
                        raise refusal

    async def _pieces(
        self, path: Path, size: int, advance: Callable[[int], None], limit: asyncio.Timeout
    ) -> AsyncIterator[bytes]:
        file = await asyncio.to_thread(_open, path)
        try:
            left = size
            while left:
                data = await asyncio.to_thread(file.read, min(_CHUNK, left))
                if not data:
                    raise BackendError(f"{path} became shorter while it was sent")
                limit.reschedule(asyncio.get_running_loop().time() + self._timings.upload_silence)
                yield data
                left -= len(data)
                advance(len(data))
            # What the far side does with all of it may take its time.
            limit.reschedule(None)
        finally:
            file.close()


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BackendError(f"{path} cannot be read", (error.strerror or "").lower()) from error


def _trust(authority: str, *, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority.strip():
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise BackendError("the CA of the upload proxy cannot be read", clean_line(str(error))) from error
    return context


def _refusal(status: int, words: str) -> BackendError | None:
    """What an answer other than success means."""
    if status < 300:
        return None
    if status == 401:
        return UnauthorizedError("the upload proxy does not take the token", "it is invalid or too old", code=status)
    final = "finished uploading" in words or words.startswith("Saving stream failed")
    if status in _RETRIED and not final:
        return BusyError("the upload proxy takes no image now", words or f"HTTP {status}", code=status)
    if status == 409:
        return BackendError("the upload proxy has got an image for it already", words, code=status)
    return BackendError("the upload proxy refused the image", words or f"HTTP {status}", code=status)
