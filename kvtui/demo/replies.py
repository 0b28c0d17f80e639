"""What the demo cluster answers: objects, Status objects in the API server's words, and plain texts."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from aiohttp import web

from kvtui.demo.sending import write_piece
from kvtui.demo.storage import Object, StorageError

JSON = "application/json"
GZIP_FROM = 128 * 1024
"""Bodies larger than this are compressed when the client accepts it, as kube-apiserver does (`gzip` level 1)."""
_SLICE = 256 * 1024
_SUBJECT = re.compile(
    r"^(?:Operation cannot be fulfilled on )?(?P<kind>[A-Za-z][A-Za-z0-9-]*)(?:\.(?P<group>[a-z0-9.-]+))?"
    r'(?: "(?P<name>[^"]*)"(?: is invalid|: | not found| already exists| is forbidden)| is forbidden)'
)
encode = msgspec.json.Encoder().encode


class ExpiredError(StorageError):
    """410 for a page of a list, with a continue token that goes on from the present state."""

    def __init__(self, message: str, token: str) -> None:
        super().__init__(410, "Expired", message)
        self.token = token


def details_of(message: str, reason: str) -> Object:
    """The ``details`` of a Status, read from its message, which names the resource, group and object it is about."""
    if reason == "InternalError":
        return {"causes": [{"message": message.removeprefix("Internal error occurred: ")}]}
    if reason not in ("NotFound", "AlreadyExists", "Conflict", "Forbidden", "Invalid"):
        return {}
    found = _SUBJECT.match(message)
    if not found:
        return {}
    details: Object = {key: found[key] for key in ("name", "group", "kind") if found[key]}
    if reason == "Invalid":
        field, _, text = message.partition(" is invalid: ")[2].partition(": ")
        if text:
            details["causes"] = [{"reason": "FieldValueInvalid", "message": text, "field": field}]
    return details


def status(code: int, reason: str, message: str, details: Object | None = None) -> Object:
    """A ``metav1.Status`` of failure; an empty reason is left out, as the API server does for webhooks' refusals."""
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        body["reason"] = reason
    found = details if details is not None else details_of(message, reason) or None
    if found is not None:
        body["details"] = found
    body["code"] = code
    return body


def success(details: Object | None = None, code: int = 0) -> Object:
    """A ``metav1.Status`` of success."""
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        body["details"] = details
    if code:
        body["code"] = code
    return body


def answer(obj: Any, code: int = 200, content_type: str = JSON) -> web.Response:
    """`obj` as JSON."""
    return web.Response(status=code, body=encode(obj), headers={"Content-Type": content_type})


def text(words: str, code: int = 200) -> web.Response:
    """Plain text, as the parts of the API server outside its object machinery answer."""
    return web.Response(status=code, text=words, content_type="text/plain", charset="utf-8")


def page_not_found() -> web.Response:
    """The answer for a group or a custom resource that is not installed (recording ``list-absent-crd``)."""
    return text("404 page not found\n", 404)


def status_of(error: StorageError) -> Object:
    """`error` as a Status."""
    body = status(error.code, error.reason, error.message, error.details)
    if isinstance(error, ExpiredError):
        body["metadata"] = {"continue": error.token}
    return body


def failure(error: StorageError) -> web.Response:
    """The response for `error`."""
    response = answer(status_of(error), error.code)
    if error.details and "retryAfterSeconds" in error.details:
        response.headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    return response


def not_allowed() -> StorageError:
    """405: the resource does not know this method."""
    return StorageError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Whether the client takes gzip."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _slices(parts: Iterable[bytes]) -> Iterable[bytes]:
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        gathered.append(part)
        size += len(part)
        if size >= _SLICE:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


async def _compressed(slices: Iterable[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in slices:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


async def stream(request: web.BaseRequest, parts: Iterable[bytes], size: int) -> web.StreamResponse:
    """Send a JSON body of `size` bytes made of `parts`, large ones in slices and with gzip when asked for it."""
    if size <= GZIP_FROM:
        return web.Response(body=b"".join(parts), headers={"Content-Type": JSON})
    response = web.StreamResponse(headers={"Content-Type": JSON, "Vary": "Accept-Encoding"})
    try:
        if accepts_gzip(request):
            response.headers["Content-Encoding"] = "gzip"
            await response.prepare(request)
            async for piece in _compressed(_slices(parts)):
                await write_piece(response, piece)
        else:
            await response.prepare(request)
            for piece in _slices(parts):
                await write_piece(response, piece)
        await response.write_eof()
    except ConnectionError:
        # The client has left before it had all.
        return response
    return response
