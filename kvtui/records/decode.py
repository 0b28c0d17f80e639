"""From JSON to records: one guard against control characters, and an answer for objects that are not as they should."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import msgspec

from kvtui.errors import BackendError
from kvtui.records.base import Meta, Record
from kvtui.text import clean_line, scrub_json

R = TypeVar("R", bound=Record)


class _Shell(msgspec.Struct):
    """An object of which only the metadata is asked for."""

    metadata: Meta = msgspec.field(default_factory=Meta)


@cache
def _decoder(type_: object) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(type_)


def decode_record(raw: bytes | msgspec.Raw, type_: type[R]) -> R:
    """One object. A field of the wrong type makes a record with metadata and `fault`; see `decode_records`.

    Raises BackendError when the bytes are no JSON object at all.
    """
    text = scrub_json(bytes(raw))
    try:
        record = _decoder(type_).decode(text)
    except msgspec.ValidationError as error:
        return _salvage(text, type_, str(error))
    except msgspec.DecodeError as error:
        raise BackendError("the server sent broken JSON", clean_line(str(error))) from error
    assert isinstance(record, type_)
    return record


def decode_records(raw: bytes, type_: type[R]) -> list[R]:
    """The objects of a JSON array.

    Missing fields take their defaults and nulls count as missing. An object with a field of the wrong type keeps its
    metadata and says in `fault` what is wrong, so that it is shown, not lost. Raises BackendError for broken JSON.
    """
    text = scrub_json(raw)
    try:
        records = _decoder(list[type_]).decode(text)  # type: ignore[valid-type]
    except msgspec.ValidationError:
        items = _decode_raw(text)
        return [decode_record(item, type_) for item in items]
    except msgspec.DecodeError as error:
        raise BackendError("the server sent broken JSON", clean_line(str(error))) from error
    assert isinstance(records, list)
    return records


def _decode_raw(text: bytes) -> Sequence[msgspec.Raw]:
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise BackendError("the server sent a list that is none", clean_line(str(error))) from error


def _salvage(text: bytes, type_: type[R], fault: str) -> R:
    """Read an object without its nulls; failing that, its metadata; failing that, an object that has but a fault."""
    whole = _drop_nulls(msgspec.json.decode(text))
    try:
        return msgspec.convert(whole, type_)
    except msgspec.ValidationError:
        pass
    try:
        shell = msgspec.convert(whole, _Shell)
    except msgspec.ValidationError:
        shell = _Shell()
    return type_(metadata=shell.metadata, fault=clean_line(fault))


def _drop_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _drop_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_drop_nulls(item) for item in value if item is not None]
    return value
