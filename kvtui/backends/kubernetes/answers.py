"""From HTTP answers to the tree of errors, in the server's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from html import unescape
from time import time
from typing import Final

import msgspec

from kvtui.backends.kubernetes.impersonation import explain_refusal
from kvtui.backends.kubernetes.refusals import explain
from kvtui.errors import (
    AbsentError,
    BackendError,
    BusyError,
    ConflictError,
    ForbiddenError,
    GoneError,
    UnauthorizedError,
    UnreachableError,
)
from kvtui.text import age, clean_line

_LONGEST: Final = 2000
"""Characters of a server's words that are kept."""
_BEGINNING: Final = 1024
"""Bytes of a body that tell what it is."""
_TITLE: Final = re.compile(rb"<title[^>]*>\s*([^<]{1,200})", re.IGNORECASE)
_MOVED_HINT: Final = "is that a login page? otherwise correct the server in the kubeconfig"
_LONGEST_WAIT: Final = 60.0
"""Seconds of a ``Retry-After`` that are heeded: a wrong header must not silence anything for hours."""
_LONGEST_TOLD: Final = 365 * 86400.0
_SECONDS: Final = re.compile(r"[0-9]+")


class CutError(UnreachableError):
    """An answer that had begun broke off; `silent` when nothing came for too long."""

    def __init__(self, title: str, detail: str = "", hint: str = "", *, silent: bool = False) -> None:
        super().__init__(title, detail, hint)
        self.silent = silent


class Status(msgspec.Struct):
    """A ``Status`` object, as far as anybody reads it."""

    kind: str = ""
    status: str | None = None
    message: str | None = None
    reason: str | None = None
    code: int | None = None


# What says who speaks, not what is wrong; kubevirt-api.md 3 and 3.4.
_PREFIXES: Final = re.compile(
    r"(?:Operation cannot be fulfilled on \S+ \"[^\"]*\": |Internal error occurred: "
    r"|admission webhook \"[^\"]*\" denied the request: )+"
)

_AS_HINT: Final = "leave --as out, or `as` of the user in the kubeconfig"


def error_from_answer(code: int, body: bytes, headers: Mapping[str, str], address: str = "") -> BackendError:
    """The error that an HTTP answer of 300 and above means; `address` is where it came from."""
    if 300 <= code < 400:
        # What follows a question mark may be a login's secret.
        place = clean_line(headers.get("Location", "").partition("?")[0])[:_LONGEST]
        return BackendError("the server sends us elsewhere", f"HTTP {code} to {place or 'nowhere'}", _MOVED_HINT, code)
    status = _status(body)
    words = status.message if status is not None and status.message else _plain_words(body, headers, address)
    reason = status.reason if status is not None else ""
    return _error(code, reason or "", words, _retry_after(headers.get("Retry-After", "")))


def error_from_status(raw: bytes | msgspec.Raw) -> BackendError:
    """The error that the ``Status`` of an ERROR event in a watch means."""
    status = _status(bytes(raw)) or Status()
    return _error(status.code or 500, status.reason or "", status.message or "", 0.0)


def refuse_other_answers(body: bytes) -> None:
    """Raise BackendError when the body of a good answer (200) is a failure all the same, or nothing like JSON.

    Never an AbsentError or ForbiddenError, whatever the failure says: those cost the records of a kind, and a server,
    or a proxy before it, that answers like this is not to be believed that far.
    """
    start = body[:_BEGINNING].lstrip()
    if start[:1] in b"{[":
        failure = _status(body) if b'"Status"' in start else None
        if failure is not None and failure.status != "Success":
            raise BackendError("the server answered with a failure", clean_line(failure.message or "")[:_LONGEST])
        return
    if start.startswith(b"<"):
        raise html_error("")
    raise BackendError("the server's answer is no JSON object")


def html_error(address: str) -> BackendError:
    """The error that a page of HTML from `address` means."""
    return BackendError(_html_words(address))


def _page_title(body: bytes) -> str:
    """What a page of HTML says of itself: ``504 Gateway Time-out``."""
    found = _TITLE.search(body)
    return clean_line(unescape(found[1].decode(errors="replace"))).strip() if found is not None else ""


def strip_prefix(words: str) -> str:
    """The text that matters of a refusal: without who refused and on what."""
    return _PREFIXES.sub("", words, count=1) if _PREFIXES.match(words) else words


def _error(code: int, reason: str, words: str, retry_after: float) -> BackendError:
    detail = clean_line(strip_prefix(words)).strip()[:_LONGEST]
    if "Too large resource version" in words:
        # A server that was restored, or that lags behind the one asked before, knows no such future.
        return GoneError("the server is behind", detail, code=code)
    meaning = explain(code, reason, words)
    title, detail, hint = meaning.title, meaning.detail or detail, meaning.hint
    if meaning.error is not None:
        return meaning.error(title, detail, hint, 410 if meaning.error is GoneError else code)
    match code:
        case 401:
            return UnauthorizedError(title, detail, hint, code)
        case 403:
            disguise = explain_refusal(detail)
            return ForbiddenError(title, disguise or detail, _AS_HINT if disguise else hint, code)
        case 404:
            return AbsentError(title, detail, hint, code)
        case 409:
            return ConflictError(title, detail, hint, code)
        case 429 | 503:
            if retry_after:
                hint = f"it asks to wait {age(retry_after)}"
            return BusyError(title, detail, hint, code, min(retry_after, _LONGEST_WAIT))
        case _:
            return BackendError(title, detail or f"HTTP {code}", hint, code)


def _status(body: bytes) -> Status | None:
    # virt-api writes "Bad Request\n" before some of its Status objects.
    start = body.find(b"{")
    if start < 0:
        return None
    try:
        found = msgspec.json.decode(body[start:], type=Status)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.kind == "Status" else None


def _html_words(address: str, title: str = "") -> str:
    where = f" from {address}" if address else ""
    what = f'a page of HTML, "{title}",' if title else "a page of HTML"
    return f"{what} came{where} instead of an answer: is a proxy or a login page in between?"


def _plain_words(body: bytes, headers: Mapping[str, str], address: str) -> str:
    if "html" in headers.get("Content-Type", "") or body[:1] == b"<":
        return _html_words(address, _page_title(body))
    return body[: 4 * _LONGEST].decode(errors="replace")


def _retry_after(value: str) -> float:
    """Seconds to wait by a ``Retry-After``, which holds seconds or a date (RFC 9110 10.2.3); 0 for anything else."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, TypeError, IndexError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), _LONGEST_TOLD)
