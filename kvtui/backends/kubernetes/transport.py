"""HTTP to one API server: authenticated, with time limits, and with errors of our own tree.

This and `credentials` are the heavy imports (aiohttp, kubernetes.aio); `server` brings them in on first use.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib import request as urllib_request
from urllib.parse import urlencode

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

import kvtui
from kvtui.backends.base import Dialer
from kvtui.backends.kubernetes.answers import CutError, error_from_answer, html_error
from kvtui.backends.kubernetes.credentials import Credentials
from kvtui.backends.kubernetes.dialing import DialingConnector, unreachable
from kvtui.backends.kubernetes.kubefile import check_proxy
from kvtui.backends.kubernetes.serverclock import ServerClock
from kvtui.backends.kubernetes.timings import Timings
from kvtui.backends.warned import hear
from kvtui.errors import BackendError, KvtuiError, UnauthorizedError, UnconnectedError, UnreachableError
from kvtui.text import clean_line

JSON: Final = "application/json"
_CHUNK: Final = 2**18
_WORDS: Final = 2**16
"""Bytes of an error's body that are read."""


class Transport:
    """The connections to one API server."""

    def __init__(self, credentials: Credentials, timings: Timings, dialer: Dialer | None = None) -> None:
        self._credentials = credentials
        self._timings = timings
        self._dialer = dialer
        self._way = dialer.way if dialer is not None else ""
        self._base = credentials.address
        self._certificate = credentials.certificate
        # The proxy of this machine knows no way to where only a dialer comes.
        self._proxy = credentials.proxy or ("" if dialer is not None else proxy_for(self._base))
        if self._proxy:
            check_proxy(f"the proxy {_without_login(self._proxy)}", self._proxy)
        # Last of what may fail: a session that nobody has would never be closed.
        self._sessions: list[aiohttp.ClientSession] = [self._session()]
        self._waiting: set[asyncio.Timeout] = set()
        """The time limits of the reading requests that have no answer yet."""
        self._answers: set[aiohttp.ClientResponse] = set()
        """Those that are being read."""
        host = URL(self._base).host or ""
        self.clock = ServerClock()
        self._packed = "identity" if _is_loopback(host) and dialer is None else "gzip"

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
        """The body of the answer, which begins within `limit` seconds. Raises BackendError."""
        limit, sent = limit or self._timings.answer, time.time()
        async with self._answer(method, path, query, body, accept, limit, limit, "identity") as answer:
            self.clock.hear(answer.headers.get("Date"), sent, time.time())
            if method != "GET":
                hear(answer.headers.getall("Warning", ()))
            with told(self._base, way=self._way):
                return await answer.read()

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
        """A GET whose body is read as it arrives, in pieces of any size, with `headers` beside our own.

        Seconds: `first` until the answer begins, `silence` between two pieces (None waits for ever). `packed` lets the
        server compress, unless it is on this machine. Raises BackendError, CutError when the body breaks off.
        """
        encoding = self._packed if packed else "identity"
        async with self._answer("GET", path, query, None, accept, first, silence, encoding, headers) as answer:
            yield self._pieces(answer)

    async def websocket(self, path: str, protocol: str, *, pings: bool = True) -> aiohttp.ClientWebSocketResponse:
        """An open websocket. Raises BackendError with the server's words when it refuses the upgrade.

        Without `pings`, those of both sides are left to whoever reads.
        """
        self._follow_certificate()
        for last in (False, True):
            headers = await self._headers("*/*", "identity")
            try:
                return await self._open_websocket(path, protocol, headers, pings)
            except UnauthorizedError:
                if last or not await self._credentials.renew(headers):
                    raise
        raise AssertionError

    def hurry(self) -> None:
        """The server answers again: reading requests that it forgot meanwhile shall end soon, to be sent anew."""
        soon = asyncio.get_running_loop().time() + self._timings.pulse_answer
        for limit in self._waiting:
            end = limit.when()
            if end is not None and end > soon:
                limit.reschedule(soon)

    async def close(self) -> None:
        """Close all connections, at once."""
        for answer in self._answers:
            # A session that is closed tells nobody who reads from it.
            answer.close()
        for session in self._sessions:
            await session.close()

    async def _pieces(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        while True:
            with told(self._base, way=self._way):
                piece = await answer.content.readany()
            if not piece:
                return
            yield piece

    async def _open_websocket(
        self, path: str, protocol: str, headers: CIMultiDict[str], pings: bool
    ) -> aiohttp.ClientWebSocketResponse:
        await self._prepare()
        with told(self._base, self._proxy, self._way):
            async with asyncio.timeout(self._timings.handshake):
                opened: aiohttp.ClientWebSocketResponse = await self._present_session().ws_connect(
                    URL(self._base + path, encoded=True),
                    protocols=(protocol,),
                    headers=headers,
                    heartbeat=self._timings.heartbeat if pings else None,
                    autoping=pings,
                    max_msg_size=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
                    proxy=self._proxy or None,
                    **self._tls_name,
                )
                return opened

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        accept: str,
        first: float,
        silence: float | None,
        encoding: str,
        more: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        self._follow_certificate()
        url = URL(self._base + path + ("?" + urlencode(query) if query else ""), encoded=True)
        answer = await self._send(method, url, body, accept, first, silence, encoding, more or {})
        self._answers.add(answer)
        try:
            yield answer
        finally:
            self._answers.discard(answer)
            # A body that was read to its end gave its connection back already.
            answer.close()

    async def _send(
        self,
        method: str,
        url: URL,
        body: object,
        accept: str,
        first: float,
        silence: float | None,
        encoding: str,
        more: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        for last in (False, True):
            headers = await self._headers(accept, encoding)
            headers.update(more)
            if body is not None:
                headers["Content-Type"] = _media_type(method, body)
            answer = await self._send_once(method, url, headers, body, first, silence)
            if answer.status < 300:
                if accept == JSON and answer.content_type == "text/html":
                    answer.close()
                    raise html_error(self._base)
                return answer
            error = await _refusal(answer)
            if not isinstance(error, UnauthorizedError):
                raise error
            if last or not await self._credentials.renew(headers):
                if ended := self._credentials.expired():
                    error.detail = f"the client certificate ended at {ended}"
                raise error
            self._follow_certificate()
        raise AssertionError

    async def _send_once(
        self, method: str, url: URL, headers: CIMultiDict[str], body: object, first: float, silence: float | None
    ) -> aiohttp.ClientResponse:
        data = None if body is None else msgspec.json.encode(body)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timings.connect, sock_read=silence or None)
        tries = 2 if method == "GET" else 1
        await self._prepare()
        with told(self._base, self._proxy, self._way):
            while True:
                tries -= 1
                try:
                    async with self._within(first, method):
                        return await self._present_session().request(
                            method,
                            url,
                            headers=headers,
                            data=data,
                            timeout=timeout,
                            allow_redirects=False,
                            proxy=self._proxy or None,
                            **self._tls_name,
                        )
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    # A kept connection that was closed meanwhile: harmless to ask again, if it only reads.
                    if not tries or isinstance(error, aiohttp.ClientConnectorError):
                        raise

    async def _prepare(self) -> None:
        """Before the time limits: a user who is asked for a passphrase has none. Raises UnreachableError."""
        if self._dialer is not None:
            with unreachable():
                await self._dialer.prepare()

    @asynccontextmanager
    async def _within(self, seconds: float, method: str) -> AsyncIterator[None]:
        async with asyncio.timeout(seconds) as limit:
            if method == "GET":
                self._waiting.add(limit)
            try:
                yield
            finally:
                self._waiting.discard(limit)

    async def _headers(self, accept: str, encoding: str) -> CIMultiDict[str]:
        headers = await self._credentials.headers()
        headers.update({"Accept": accept, "Accept-Encoding": encoding, "User-Agent": f"kvtui/{kvtui.__version__}"})
        return headers

    @property
    def _tls_name(self) -> dict[str, Any]:
        return {"server_hostname": self._credentials.tls_name} if self._credentials.tls_name else {}

    def _follow_certificate(self) -> None:
        if self._credentials.certificate != self._certificate:
            # Streams of the older session go on; `close` ends them.
            self._sessions.append(self._session())
            self._certificate = self._credentials.certificate

    def _present_session(self) -> aiohttp.ClientSession:
        session = self._sessions[-1]
        if session.closed:
            raise CutError(f"the connections to {self._base} were closed")
        return session

    def _session(self) -> aiohttp.ClientSession:
        tls: ssl.SSLContext | bool = self._credentials.tls() if self._base.startswith("https") else True
        # Without trust_env: an entry of ~/.netrc for the host would fight with our token. Proxies: `proxy_for`.
        session = aiohttp.ClientSession(
            connector=DialingConnector(self._dialer, ssl=tls, limit=0)
            if self._dialer is not None
            else aiohttp.TCPConnector(ssl=tls, limit=0, socket_factory=keepalive_socket),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_CHUNK,
        )
        # aiohttp sends PUT and DELETE again when the connection breaks: a restart of a machine must not happen twice.
        session._retry_connection = False
        return session


class _Response(aiohttp.ClientResponse):
    """A response that, when it refuses an upgrade, says why: aiohttp drops the body of such answers."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        await super().start(connection)
        if "Sec-WebSocket-Key" in self.request_info.headers and self.status != 101:
            raise await _refusal(self)
        return self


async def _refusal(answer: aiohttp.ClientResponse) -> BackendError:
    try:
        async with asyncio.timeout(5):
            body = await answer.content.read(_WORDS)
            while len(body) < _WORDS and (more := await answer.content.read(_WORDS)):
                body += more
    except (aiohttp.ClientError, TimeoutError):
        body = b""
    answer.close() if not answer.content.at_eof() else answer.release()
    return error_from_answer(answer.status, body, answer.headers, str(answer.url.origin()))


@contextmanager
def told(
    address: str, proxy: str = "", way: str = "", trust: str = "check the cluster's CA in the kubeconfig"
) -> Iterator[None]:
    """Say what goes wrong on the wire in our own errors; `trust` is the way out where a certificate is not trusted."""
    via = f"the proxy {_without_login(proxy)}"
    try:
        yield
    except KvtuiError:
        raise
    except aiohttp.ConnectionTimeoutError as error:
        raise UnconnectedError(f"cannot connect to {via if proxy else address}", "timed out") from error
    except TimeoutError as error:
        words = f"it hangs, or the way there by {way}" if way else "connected, but no answer came in time"
        raise CutError(f"{address} fell silent", words, silent=True) from error
    except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
        cause = getattr(error, "certificate_error", error)
        words = clean_line(getattr(cause, "verify_message", "") or str(cause))
        raise UnreachableError(f"the certificate of {address} is not trusted", words, trust) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise UnreachableError(f"{address} and kvtui do not agree on TLS", _words(error)) from error
    except aiohttp.ClientHttpProxyError as error:
        raise UnreachableError(f"{via} refused", f"{error.status} {clean_line(error.message)}") from error
    except aiohttp.ClientProxyConnectionError as error:
        raise UnconnectedError(f"cannot connect to {via}", _words(error.os_error)) from error
    except (aiohttp.ClientConnectorError, aiohttp.ClientConnectorDNSError) as error:
        raise UnconnectedError(f"cannot connect to {address}", _words(error.os_error)) from error
    except aiohttp.WSServerHandshakeError as error:
        raise BackendError(
            "the server did not open the stream", clean_line(error.message), code=error.status
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise CutError(f"the connection to {address} was cut", _words(error)) from error
    except (ValueError, OverflowError, ExceptionGroup) as error:
        raise UnreachableError(f"cannot ask {address}", clean_line(str(error))) from error


def _without_login(address: str) -> str:
    return clean_line(address.rpartition("@")[2])


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return clean_line(error.strerror)
    return clean_line(str(error)) or type(error).__name__


def keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within a minute that nobody is at its other end any more."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def proxy_for(address: str) -> str:
    """The proxy that the environment names for an address; NO_PROXY may hold networks, as for Go programs."""
    url = URL(address)
    host = url.host or ""
    proxies = urllib_request.getproxies_environment()
    if urllib_request.proxy_bypass(host) or _in_networks(host, proxies.get("no", "")):
        return ""
    return proxies.get(url.scheme, "")


def _in_networks(host: str, listed: str) -> bool:
    try:
        wanted = ipaddress.ip_address(host)
    except ValueError:
        return False
    for item in listed.split(","):
        try:
            if wanted in ipaddress.ip_network(item.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def _media_type(method: str, body: object) -> str:
    """A patch that is a list is a JSON patch (RFC 6902); else it is merged (RFC 7386)."""
    if method != "PATCH":
        return JSON
    return "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
