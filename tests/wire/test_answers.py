"""HTTP answers turned into errors that a user can read, in the server's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from kvtui.backends.kubernetes.answers import error_from_answer, error_from_status, strip_prefix
from kvtui.errors import (
    AbsentError,
    BackendError,
    BusyError,
    ConflictError,
    ForbiddenError,
    GoneError,
    UnauthorizedError,
)


def body(message: str, reason: str = "") -> bytes:
    return json.dumps({"kind": "Status", "message": message, "reason": reason}).encode()


@pytest.mark.parametrize(
    ("code", "type_"),
    [
        (400, BackendError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, AbsentError),
        (409, ConflictError),
        (410, GoneError),
        (422, BackendError),
        (429, BusyError),
        (500, BackendError),
        (503, BusyError),
    ],
)
def test_each_code_has_its_error(code: int, type_: type[BackendError]) -> None:
    error = error_from_answer(code, body("because"), {})
    assert type(error) is type_
    assert (error.code, error.detail) == (code, "because")
    assert error.title


# The messages are those of recorded answers of virt-api 1.9 and kube-apiserver 1.36.
@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'Operation cannot be fulfilled on virtualmachine.kubevirt.io "batch-1": '
            "RunStategy Halted does not support manual restart requests",
            "RunStategy Halted does not support manual restart requests",
        ),
        (
            'Internal error occurred: admission webhook "migration-create-validator.kubevirt.io" denied the request: '
            "in-flight migration detected.",
            "in-flight migration detected.",
        ),
        (
            'admission webhook "migration-create-validator.kubevirt.io" denied the request: '
            'the VMI "shop/nope" does not exist',
            'the VMI "shop/nope" does not exist',
        ),
        ("VMI is not running", "VMI is not running"),
    ],
)
def test_the_words_that_matter(message: str, words: str) -> None:
    assert strip_prefix(message) == words
    assert error_from_answer(500, body(message), {}).detail == words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"404 page not found\n", "404 page not found"),
        (b'Bad Request\n{\n "kind": "Status",\n "message": "not a websocket"\n}', "not a websocket"),
        (b"406: Not Acceptable\n\nAvailable representations: ", "406: Not Acceptable Available representations:"),
        (b"<html>login</html>", "a page of HTML came"),
        (b"", "HTTP 500"),
        (b"\xff\xfe{", "\ufffd\ufffd{"),
        (b'{"kind":"Status","message":"\\u001b[2Jgone\\u202e"}', "\ufffd[2Jgone\ufffd"),
        (b'{"kind":"Other","message":"no"}', '{"kind":"Other","message":"no"}'),
    ],
)
def test_bodies_of_every_sort(raw: bytes, words: str) -> None:
    assert words in error_from_answer(500, raw, {}).detail


def test_how_long_to_wait() -> None:
    busy = error_from_answer(429, b"", {"Retry-After": "7"})
    assert isinstance(busy, BusyError)
    assert busy.retry_after == 7.0
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    later = error_from_answer(503, b"", {"Retry-After": then})
    assert isinstance(later, BusyError)
    assert 50 < later.retry_after <= 60
    odd = error_from_answer(503, b"", {"Retry-After": "soon"})
    assert isinstance(odd, BusyError)
    assert odd.retry_after == 0.0


def test_versions_that_the_server_no_longer_or_not_yet_knows() -> None:
    expired = b'{"kind":"Status","message":"too old resource version: 1 (1527)","reason":"Expired","code":410}'
    assert isinstance(error_from_status(expired), GoneError)
    ahead = body("Too large resource version: 500, current: 5", "Timeout")
    assert isinstance(error_from_answer(504, ahead, {}), GoneError)


def test_words_without_end_are_shortened() -> None:
    assert len(error_from_answer(500, body("x" * 100_000), {}).detail) <= 2000
