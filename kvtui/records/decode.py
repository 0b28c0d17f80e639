"""From JSON to records: one guard against control characters, and an answer for objects that are not as they should."""

from __future__ import annotations

from functools import cache
from typing import Final, TypeVar

import msgspec

from kvtui.errors import BackendError
from kvtui.records.base import Meta, Record
from kvtui.text import clean_line, scrub_json

R = TypeVar("R", bound=Record)

TOO_DEEP: Final = "the server sent JSON that is nested too deeply"


@cache
def _decoder(type_: object) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(type_)


def decode_record(raw: bytes | msgspec.Raw, type_: type[R]) -> R:
    """One object. A field of the wrong type makes a record with metadata and `fault`; see `decode_records`.

    Raises BackendError when the bytes are no JSON object at all.
    """
    text = scrub_json(bytes(raw))
    try:
        record = _decode(text, type_)
    except msgspec.ValidationError as error:
        return _salvage(text, type_, str(error))
    assert isinstance(record, type_)
    return record


def decode_records(raw: bytes, type_: type[R]) -> list[R]:
    """The objects of a JSON array.

    Missing fields take their defaults and nulls count as missing. An object with a field of the wrong type keeps its
    metadata and says in `fault` what is wrong, so that it is shown, not lost. Raises BackendError for broken JSON and
    for anything but an array of objects.
    """
    text = scrub_json(raw)
    try:
        records = _decode(text, list[type_])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        return [decode_record(item, type_) for item in _decode_items(text)]
    assert isinstance(records, list)
    return records


def _decode(text: bytes, type_: object) -> object:
    """Raises ValidationError for a value of another type, BackendError for text that no value can be read from."""
    try:
        return _decoder(type_).decode(text)
    except msgspec.ValidationError:
        raise
    except RecursionError as error:
        raise BackendError(TOO_DEEP) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackendError("the server sent broken JSON", clean_line(str(error))) from error


def _decode_items(text: bytes) -> list[msgspec.Raw]:
    try:
        items = _decode(text, list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise BackendError("the server sent a list that is none", clean_line(str(error))) from error
    assert isinstance(items, list)
    return items


def _salvage(text: bytes, type_: type[R], fault: str) -> R:
    """Read an object without its nulls; failing that, what its metadata still tells, with the fault."""
    try:
        whole = _decode(text, dict[str, object])
    except msgspec.ValidationError as error:
        raise BackendError("the server sent an object that is none", clean_line(str(error))) from error
    assert isinstance(whole, dict)
    try:
        return msgspec.convert(_drop_nulls(whole), type_)
    except (msgspec.ValidationError, RecursionError):
        return type_(metadata=_salvage_meta(whole.get("metadata")), fault=clean_line(fault))


def _salvage_meta(metadata: object) -> Meta:
    """The fields of the metadata that can be read, each by itself: a bad label must not cost the name."""
    if not isinstance(metadata, dict):
        return Meta()
    return msgspec.convert({key: value for key, value in metadata.items() if _fits(key, value)}, Meta)


def _fits(key: str, value: object) -> bool:
    try:
        msgspec.convert({key: value}, Meta)
    except msgspec.ValidationError:
        return False
    return True


def _drop_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _drop_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_drop_nulls(item) for item in value if item is not None]
    return value
