"""Lists: options, pages with continue tokens, resource versions, selectors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from kvtui.demo.clock import Clock
from kvtui.demo.forms import Form, form_of, list_body
from kvtui.demo.metadata import bad_request
from kvtui.demo.replies import ExpiredError, stream
from kvtui.demo.selection import Selection
from kvtui.demo.storage import Kind, Object, Storage, StorageError, Stored

_TOKEN_VERSION = "meta.k8s.io/v1"
_EXPIRED_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_EXPIRED_VERSION = "The resourceVersion for the provided list is too old."


class _Token(msgspec.Struct):
    """A continue token: the version, the revision of the first page and where the next one starts."""

    v: str
    rv: int
    start: str


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The query of a list or a watch, checked."""

    selection: Selection
    limit: int = 0
    continue_: str = ""
    resource_version: int | None = None
    match: str = ""
    timeout: float | None = None
    bookmarks: bool = False
    initial_events: bool | None = None


def is_true(value: str | None) -> bool:
    """A boolean of a query: ``true``, ``1`` or given without a value."""
    return value is not None and value.lower() in ("true", "1", "")


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of a query. Raises StorageError 400 in Go's words."""
    value = query.get(name, "")
    if not value:
        return None
    try:
        return int(value)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None


def _invalid(field: str, why: str) -> StorageError:
    return StorageError(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {field}: {why}')


def _version(query: Mapping[str, str]) -> int | None:
    value = query.get("resourceVersion", "")
    if not value:
        return None
    if not value.isascii() or not value.isdigit():
        raise bad_request(f'Invalid value: "{value}": strconv.ParseUint: parsing "{value}": invalid syntax')
    return int(value)


def list_options(kind: Kind, query: Mapping[str, str], *, watch: bool) -> ListOptions:
    """Read the options. Raises StorageError 400 or 422 as the API server's validation does."""
    initial = is_true(query["sendInitialEvents"]) if "sendInitialEvents" in query else None
    match = query.get("resourceVersionMatch", "")
    version = _version(query)
    if watch:
        if initial is not None and match != "NotOlderThan":
            raise _invalid(
                "resourceVersionMatch",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
        if match and initial is None:
            raise _invalid(
                "resourceVersionMatch",
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
    else:
        if initial is not None:
            raise _invalid("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
        if match not in ("", "Exact", "NotOlderThan"):
            raise _invalid(
                "resourceVersionMatch", f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
            )
        if match and version is None:
            raise _invalid(
                "resourceVersionMatch",
                "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            )
        if match == "Exact" and version == 0:
            raise _invalid(
                "resourceVersionMatch", 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            )
    seconds = number(query, "timeoutSeconds")
    return ListOptions(
        Selection.parse(kind, query.get("labelSelector", ""), query.get("fieldSelector", "")),
        max(number(query, "limit") or 0, 0),
        query.get("continue", ""),
        version,
        match,
        None if not seconds else float(seconds),
        is_true(query.get("allowWatchBookmarks")),
        initial,
    )


def _encode_token(revision: int, start: str) -> str:
    """`revision` -1 goes on from what there is now."""
    token = msgspec.json.encode(_Token(_TOKEN_VERSION, revision, start))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _decode_token(text: str) -> _Token:
    try:
        data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        token = msgspec.json.decode(data, type=_Token)
    except (binascii.Error, UnicodeEncodeError, msgspec.DecodeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from None
    if token.v != _TOKEN_VERSION:
        raise bad_request(f'continue key is not valid: server does not recognize this encoded version "{token.v}"')
    return token


class Lists:
    """Answers list requests from the storage."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def respond(self, request: web.BaseRequest, kind: Kind, namespace: str) -> web.StreamResponse:
        """A list, or one page of it."""
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        options = list_options(kind, request.query, watch=False)
        parts = self._body(kind, namespace, options, form)
        return await stream(request, parts, sum(map(len, parts)))

    def _body(self, kind: Kind, namespace: str, options: ListOptions, form: Form) -> list[bytes]:
        rows, revision = self._rows(kind, namespace, options)
        metadata: Object = {"resourceVersion": str(revision)}
        # The watch cache, which answers version 0, knows no pages.
        if options.limit and len(rows) > options.limit and (options.resource_version != 0 or options.continue_):
            rest = len(rows) - options.limit
            rows = rows[: options.limit]
            last = rows[-1]
            key = f"/{last.namespace}/{last.name}" if last.namespace and not namespace else f"/{last.name}"
            metadata["continue"] = _encode_token(revision, key + "\0")
            if not options.selection:
                metadata["remainingItemCount"] = rest
        return list_body(kind, rows, metadata, form, self._clock.now)

    def _rows(self, kind: Kind, namespace: str, options: ListOptions) -> tuple[list[Stored], int]:
        present = self._storage.revision
        if options.continue_:
            token = _decode_token(options.continue_)
            revision = token.rv if token.rv > 0 else present
            rows = self._past(kind, namespace, revision, token.start)
            rows = [row for row in rows if _after(row, namespace, token.start)]
            return [row for row in rows if options.selection.matches(row)], revision
        revision = present
        if options.resource_version:
            if options.resource_version > present:
                raise _too_large(options.resource_version, present)
            if options.match == "Exact" or (options.limit and not options.match):
                revision = options.resource_version
        rows = self._past(kind, namespace, revision, "")
        if not options.selection:
            return rows, revision
        return [row for row in rows if options.selection.matches(row)], revision

    def _past(self, kind: Kind, namespace: str, revision: int, start: str) -> list[Stored]:
        try:
            return self._storage.raw_list(kind, namespace or None, revision)
        except StorageError as error:
            if error.code != 410:
                raise
            if not start:
                raise StorageError(410, "Expired", _EXPIRED_VERSION) from None
            raise ExpiredError(_EXPIRED_TOKEN, _encode_token(-1, start)) from None


def _after(row: Stored, namespace: str, start: str) -> bool:
    """Whether a row comes at or after the key of a token."""
    first, _, name = start.removeprefix("/").partition("/")
    if namespace or not row.namespace:
        return row.name >= first
    return (row.namespace, row.name) >= (first, name)


def _too_large(wanted: int, present: int) -> StorageError:
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {wanted}, current: {present}"
    return StorageError(504, "Timeout", message, details)
