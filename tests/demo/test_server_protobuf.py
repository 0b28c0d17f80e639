"""Protobuf bodies as kubectl sends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.demo import protobuf
from kvtui.demo.storage import StorageError


def _text(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | 2, len(value))) + value


def _body(kind: bytes, message: bytes) -> bytes:
    return b"k8s\0" + _text(1, _text(1, b"v1") + _text(2, kind)) + _text(2, message)


def test_a_review() -> None:
    attributes = _text(1, b"shop") + _text(2, b"list") + _text(5, b"pods") + _text(15, b"from the future")
    body = _body(b"SelfSubjectAccessReview", _text(1, b"") + _text(2, _text(1, attributes)))
    assert protobuf.parse(body) == {
        "apiVersion": "v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": {"namespace": "shop", "verb": "list", "resource": "pods"}},
    }


def test_options_with_numbers_lists_and_maps() -> None:
    options = b"\x08" + b"\xff" * 9 + b"\x01" + _text(4, b"Orphan") + _text(5, b"All")
    assert protobuf.parse(_body(b"DeleteOptions", options)) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": -1,
        "propagationPolicy": "Orphan",
        "dryRun": ["All"],
    }
    data = _text(2, _text(1, b"a") + _text(2, b"b"))
    assert protobuf.parse(_body(b"ConfigMap", data))["data"] == {"a": "b"}


def test_an_unknown_kind_is_an_unknown_format() -> None:
    with pytest.raises(StorageError) as refused:
        protobuf.parse(_body(b"Deployment", b""))
    assert refused.value.code == 415


@given(st.binary(), st.sampled_from(["DeleteOptions", "Eviction", "ConfigMap", "SelfSubjectAccessReview"]))
def test_any_bytes_are_read_or_refused(data: bytes, kind: str) -> None:
    for body in (data, b"k8s\0" + data, _body(kind.encode(), data[:100])):
        assert _answer(body) in (200, 400, 415)


def _answer(body: bytes) -> int:
    try:
        protobuf.parse(body)
    except StorageError as error:
        return error.code
    return 200
