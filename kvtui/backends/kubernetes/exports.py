"""The way to the volumes of a VirtualMachineExport; kubevirt-api.md 2.8.

From outside where the cluster has an ingress or route to virt-exportproxy, and else through the API server's proxy of
the export's service, which needs ``get`` on ``services/proxy``. The API server leaves out its own credentials there and
does not check the certificate of the export's pod; the token of the export opens it.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from kvtui.backends.base import Dialer
from kvtui.backends.downloads import GZIP, RAW, TAR, Download
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.places import find_path
from kvtui.backends.kubernetes.server import ANY, Server
from kvtui.errors import (
    AbsentError,
    BackendError,
    ConflictError,
    ForbiddenError,
    PendingError,
    UnauthorizedError,
    UnreachableError,
)
from kvtui.model import Ref
from kvtui.records.base import find_condition
from kvtui.records.copies import ExportLink, VmExport
from kvtui.records.kubernetes import Claim
from kvtui.text import clean_line, parse_time, quantity

TOKEN: Final = "x-kubevirt-export-token"
_OFFERED: Final = {GZIP: (GZIP,), RAW: (GZIP, RAW), TAR: (TAR,)}
"""By what is wanted: in which of the offered forms it may come, the best first."""
_OVER: Final = frozenset({"Terminated", "Skipped"})
"""Phases that no export comes out of."""
_SILENCE: Final = 60.0
"""Seconds without a byte after which a download is given up."""
_PIECE: Final = 2**18


class _Secret(msgspec.Struct):
    data: dict[str, str] = {}


@asynccontextmanager
async def open_download(
    server: Server, discovery: Discovery, dialer: Dialer | None, ref: Ref, volume: str, form: str
) -> AsyncIterator[Download]:
    """A volume of an export; see `Downloads`."""
    _, path = await find_path(discovery, ref)
    export = await server.get(path, VmExport)
    if export.status.phase != "Ready":
        raise _tell_unready(ref, export)
    token = await _read_token(server, ref, export.status.token_secret_ref)
    links = export.status.links
    async with AsyncExitStack() as stack:
        if links.external is not None and links.external.volumes:
            kind, url = _choose(links.external, ref, volume, form)
            size = await _find_size(server, ref, url)
            try:
                pieces = await stack.enter_async_context(_outside(url, links.external.cert, token, dialer, server))
            except UnreachableError:
                if links.internal is None:
                    raise
            else:
                yield Download(pieces, kind != RAW, size, f"from {urlsplit(url).hostname}")
                return
        if links.internal is None:
            raise BackendError(f"export {ref.path} offers no links", "its pod may be starting anew", "try again")
        kind, url = _choose(links.internal, ref, volume, form)
        pieces = await stack.enter_async_context(_inside(server, ref, url, token))
        yield Download(pieces, kind != RAW, await _find_size(server, ref, url), "through the API server")


def _tell_unready(ref: Ref, export: VmExport) -> BackendError:
    """Why there is nothing to come yet, or never."""
    ready = find_condition(export.status.conditions, "Ready")
    why = clean_line(ready.message or ready.reason) if ready is not None else "KubeVirt has not looked at it yet"
    title = f"export {ref.path} is {export.status.phase or 'not begun'}"
    if export.metadata.deletion_timestamp:
        return AbsentError(f"export {ref.path} is being deleted", "there is nothing to come")
    if export.status.phase in _OVER:
        return ConflictError(title, why, "make another export")
    in_use = ready is not None and ready.reason == "InUse"
    hint = "it waits until that ends; an export of a snapshot need not wait" if in_use else ""
    since = parse_time(ready.last_transition_time) if ready is not None else None
    return PendingError(title, why, hint, since=since or export.created)


def _choose(link: ExportLink, ref: Ref, volume: str, form: str) -> tuple[str, str]:
    """Form and address of what is to come."""
    names = [one.name for one in link.volumes]
    if not volume and len(names) > 1:
        raise ConflictError(f"export {ref.path} has several volumes", ", ".join(names), "name one of them")
    found = next((one for one in link.volumes if one.name == volume or not volume), None)
    if found is None:
        raise AbsentError(f"export {ref.path} has no volume {volume}", f"it has {', '.join(names) or 'none'}")
    offered = {one.format: one.url for one in found.formats}
    kind = next((kind for kind in _OFFERED.get(form, ()) if kind in offered), "")
    if not kind:
        words = f"it is offered as {', '.join(offered)}"
        raise AbsentError(f"{found.name} cannot be had as {form}", words, "choose another format")
    return kind, offered[kind]


async def _read_token(server: Server, ref: Ref, name: str) -> str:
    if not name:
        raise BackendError(f"export {ref.path} names no secret with its token")
    try:
        secret = await server.get(object_path("", "v1", "secrets", ref.namespace, name), _Secret)
    except ForbiddenError as error:
        raise ForbiddenError(f"the token of export {ref.path} may not be read", error.detail, code=403) from error
    try:
        return base64.b64decode(secret.data.get("token", ""), validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise BackendError(f"the token in secret {name} cannot be read") from error


async def _find_size(server: Server, ref: Ref, url: str) -> int | None:
    """Bytes of the claim behind a link, unless nobody tells."""
    parts = urlsplit(url).path.split("/volumes/")
    claim = parts[-1].split("/")[0] if len(parts) > 1 else ""
    try:
        found = await server.get(object_path("", "v1", "persistentvolumeclaims", ref.namespace, claim), Claim)
    except BackendError:
        # Only the figures want it.
        return None
    room = quantity(found.status.capacity.get("storage"))
    return int(room) if room else None


@asynccontextmanager
async def _inside(server: Server, ref: Ref, url: str, token: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """By the API server's proxy of the service that a link within the cluster names."""
    parts = urlsplit(url)
    service = (parts.hostname or "").split(".")[0]
    place = object_path("", "v1", "services", ref.namespace, f"https:{service}:{parts.port or 443}", "proxy")
    path = place + quote(parts.path, safe="/%")
    try:
        async with server.stream(
            path, query={}, first=server.timings.answer, silence=_SILENCE, accept=ANY, headers={TOKEN: token}
        ) as pieces:
            yield pieces
    except UnauthorizedError as error:
        raise ForbiddenError(f"export {ref.path} does not take its token", error.detail, code=403) from error
    except ForbiddenError as error:
        words = "download through the API server needs get on services/proxy"
        raise ForbiddenError(words, error.detail, "ask for the role edit in that namespace", 403) from error


@asynccontextmanager
async def _outside(
    url: str, certificate: str, token: str, dialer: Dialer | None, server: Server
) -> AsyncIterator[AsyncIterator[bytes]]:
    """By the cluster's ingress or route; its certificate is that of the link, or one that this machine trusts."""
    import aiohttp

    from kvtui.backends.kubernetes.dialing import DialingConnector
    from kvtui.backends.kubernetes.transport import told

    tls = ssl.create_default_context()
    if certificate:
        try:
            tls.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError) as error:
            raise UnreachableError("the certificate of the export's link cannot be read", str(error)) from error
    connector = DialingConnector(dialer, ssl=tls) if dialer is not None else aiohttp.TCPConnector(ssl=tls)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=server.timings.connect, sock_read=_SILENCE)
    place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    headers: Mapping[str, str] = {TOKEN: token, "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        with told(place):
            answer = await session.get(url, headers=headers, allow_redirects=False)
        async with answer:
            if answer.status != 200:
                raise BackendError(
                    f"{place} does not send the volume", f"it answers {answer.status}", code=answer.status
                )
            yield _pieces(answer.content, place)


async def _pieces(content: object, place: str) -> AsyncIterator[bytes]:
    import aiohttp

    from kvtui.backends.kubernetes.transport import told

    assert isinstance(content, aiohttp.StreamReader)
    while True:
        with told(place):
            piece = await content.read(_PIECE)
        if not piece:
            return
        yield piece
