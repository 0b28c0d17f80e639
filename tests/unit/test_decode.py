from __future__ import annotations

import json
import typing
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.errors import BackendError
from kvtui.records.base import Meta, Record
from kvtui.records.cdi import Cdi
from kvtui.records.decode import decode_record, decode_records
from kvtui.records.kubernetes import Event, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.text import clean
from tests.recordings import TYPES, items

RECORDS = (*TYPES.values(), Cdi)
RECORDED = [(TYPES[resource], item) for resource in TYPES for item in items(resource)[:2]]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
anything = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3))
)


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every value in a JSON document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in parts for place in ((*at, key), *paths(item, (*at, key)))]


def put(document: Any, place: tuple[str | int, ...], value: object) -> Any:
    """A copy of the document with another value in that place."""
    changed = json.loads(json.dumps(document))
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def texts(value: object) -> list[str]:
    """Every text in a record."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [text for field in msgspec.structs.fields(value) for text in texts(getattr(value, field.name))]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *texts(item))]
    if isinstance(value, tuple):
        return [text for item in value for text in texts(item)]
    return []


def structs_of(type_: Any) -> list[type[msgspec.Struct]]:
    """The struct and all structs in it."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return [type_, *(inner for field in msgspec.structs.fields(type_) for inner in structs_of(field.type))]
    return [inner for argument in typing.get_args(type_) for inner in structs_of(argument)]


@pytest.mark.parametrize("type_", RECORDS)
def test_an_empty_object_is_a_record_of_defaults(type_: type[Record]) -> None:
    record = decode_record(b"{}", type_)
    assert record == type_()
    assert not record.fault
    assert list(record.links()) == list(type_().links())
    assert (record.created, record.deleted, record.controller) == (None, None, None)


@pytest.mark.parametrize("type_", RECORDS)
def test_every_part_of_a_record_may_be_missing_or_null(type_: type[Record]) -> None:
    for struct in structs_of(type_):
        fields = msgspec.structs.fields(struct)
        assert not [field.name for field in fields if field.required]
    whole: dict[str, object] = {field.encode_name: None for field in msgspec.structs.fields(type_)}
    assert decode_record(msgspec.json.encode(whole), type_) == type_()
    whole["metadata"] = {field.encode_name: None for field in msgspec.structs.fields(Meta)}
    assert decode_record(msgspec.json.encode(whole), type_) == type_()


@given(st.sampled_from(RECORDED), st.data())
def test_null_anywhere_counts_as_missing(recorded: tuple[type[Record], Any], data: st.DataObject) -> None:
    type_, item = recorded
    place = data.draw(st.sampled_from(paths(item)))
    nulled = put(item, place, None)
    without = put(item, place, None)
    inner = without
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    record = decode_record(json.dumps(nulled).encode(), type_)
    if isinstance(place[-1], int) and record.fault:
        pytest.fail(record.fault)
    assert record == decode_record(json.dumps(without).encode(), type_)


@given(st.sampled_from(RECORDED), st.data())
def test_a_strange_value_anywhere_leaves_a_record_with_its_name(
    recorded: tuple[type[Record], Any], data: st.DataObject
) -> None:
    type_, item = recorded
    place = data.draw(st.sampled_from([place for place in paths(item) if place[0] != "metadata" or len(place) > 2]))
    record = decode_record(json.dumps(put(item, place, data.draw(anything))).encode(), type_)
    assert record.metadata.name == item["metadata"]["name"]
    assert record.metadata.uid == item["metadata"]["uid"]
    list(record.links())


def test_a_field_of_the_wrong_type_is_told_as_the_fault() -> None:
    raw = b'{"metadata": {"namespace": "shop", "name": "web-1", "uid": "u1"}, "status": {"phase": 7}}'
    record = decode_record(raw, VirtualMachineInstance)
    assert record.fault == "Expected `str`, got `int` - at `$.status.phase`"
    assert (record.metadata.namespace, record.metadata.name, record.metadata.uid) == ("shop", "web-1", "u1")
    assert record.status.phase == ""


def test_bad_metadata_costs_only_what_is_bad() -> None:
    raw = b'{"metadata": {"name": "web-1", "uid": "u1", "labels": {"tier": 3}, "generation": "two"}}'
    record = decode_record(raw, Pod)
    assert "$.metadata" in record.fault
    assert record.metadata == Meta(name="web-1", uid="u1")


def test_one_bad_object_does_not_cost_the_others() -> None:
    good, bad = {"metadata": {"name": "good"}}, {"metadata": {"name": "bad"}, "spec": 5}
    records = decode_records(json.dumps([good, bad, good]).encode(), VirtualMachine)
    assert [(record.metadata.name, bool(record.fault)) for record in records] == [
        ("good", False),
        ("bad", True),
        ("good", False),
    ]


def test_nulls_do_not_cost_what_stands_beside_them() -> None:
    raw = b'[{"metadata": {"name": "e", "labels": null}, "count": null, "source": null, "message": "pulled"}]'
    assert decode_records(raw, Event) == [Event(metadata=Meta(name="e"), message="pulled")]


DEEP = b"[" * 100_000 + b"]" * 100_000
HOSTILE = [
    *(b"", b" ", b"{", b"]", b"nul", b'{"metadata"', b'{"metadata": 5', b'{"metadata": {"name": "a"}} trailing'),
    *(b'"a\x1bb"', b'{"status": "\xff"}', b'{"metadata": {"name": "\xff"}}', b'{"metadata": {"name": "\\ud800"}}'),
    *(DEEP, b'{"x": %b}' % DEEP, b'{"metadata": %b}' % DEEP, b'{"metadata": null, "x": %b}' % DEEP),
    *(b'{"metadata": null, "x": 1e999}', b'{"metadata": {"generation": %b}}' % (b"9" * 10_000)),
    *(b"5", b"null", b'"text"', b"[]", b"true", b"\xef\xbb\xbf{}", b"\x00", "{}".encode("utf-16")),
]


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: ascii(raw[:40]))
def test_what_is_no_object_is_an_error_of_the_backend(raw: bytes) -> None:
    with pytest.raises(BackendError, match=r"the server sent .*") as caught:
        decode_record(raw, Pod)
    assert str(caught.value).isprintable()


IN_ARRAY = [b"[%b]" % raw for raw in HOSTILE if raw.strip() not in (b"", b"]")]


@pytest.mark.parametrize(
    "raw", [*IN_ARRAY, b"{}", b"[{}", b"null", b"[[]]", b"", b"5"], ids=lambda raw: ascii(raw[:40])
)
def test_what_is_no_array_of_objects_is_an_error_of_the_backend(raw: bytes) -> None:
    with pytest.raises(BackendError, match=r"the server sent .*"):
        decode_records(raw, Pod)


@pytest.mark.parametrize("depth", [10, 100, 400, 700, 900])
def test_deep_nesting_beside_a_null_is_a_record_or_an_error(depth: int) -> None:
    raw = b'{"metadata": {"name": "a"}, "spec": null, "x": %b}' % (b"[" * depth + b"]" * depth)
    with suppress(BackendError):
        assert decode_record(raw, Pod).metadata.name == "a"


@given(st.binary(), st.sampled_from(RECORDS))
def test_no_bytes_are_anything_but_a_record_or_an_error(raw: bytes, type_: type[Record]) -> None:
    for decode in (decode_record, decode_records):
        with suppress(BackendError):
            decode(raw, type_)


@given(st.sampled_from(RECORDED), st.data())
def test_a_cut_or_altered_object_is_a_record_or_an_error(
    recorded: tuple[type[Record], Any], data: st.DataObject
) -> None:
    type_, item = recorded
    raw = bytearray(json.dumps(item).encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    with suppress(BackendError):
        assert isinstance(decode_record(bytes(raw), type_), Record)


@given(st.sampled_from(RECORDED), st.data(), st.text(st.sampled_from("\x1b\x7f\x9b\u202e\ufeff\r\x08ab\\\"'")))
def test_no_text_of_a_record_holds_what_a_terminal_obeys(
    recorded: tuple[type[Record], Any], data: st.DataObject, text: str
) -> None:
    type_, item = recorded
    place = data.draw(st.sampled_from(paths(item)))
    raw = json.dumps(put(item, place, text), ensure_ascii=data.draw(st.booleans())).encode()
    assert all(clean(told) == told for told in texts(decode_record(raw, type_)))


def test_faults_hold_nothing_that_a_terminal_obeys() -> None:
    record = decode_record(b'{"metadata": {"name": "a", "labels": {"\\u001b[31m\\n": 5}}}', Pod)
    assert record.fault.isprintable()
