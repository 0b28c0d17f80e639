"""From JSON to records: one guard against control characters, and an answer for objects that are not as they should."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Final, TypeVar

import msgspec

from kvtui.errors import BackendError
from kvtui.records.base import Meta, Record
from kvtui.text import clean_line, scrub_json

R = TypeVar("R", bound=Record)

_MOST_FAULTS: Final = 16
"""Fields and elements that an object may lose before its metadata is all that is believed."""
_GONE: Final = object()
TOO_DEEP: Final = "the server sent JSON that is nested too deeply"


@cache
def _decoder(type_: object) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(type_)


def decode_record(raw: bytes | msgspec.Raw, type_: type[R]) -> R:
    """One object. A field of the wrong type is left out and told in `fault`; see `decode_records`.

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

    Missing fields take their defaults and nulls count as missing. An object with fields or elements of the wrong type
    is read without them and says so in `fault`; one with too many keeps its metadata. Raises BackendError for broken
    JSON and for anything but an array of objects.
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
    """Read an object without its nulls and what does not fit; failing that, what its metadata still tells."""
    try:
        whole = _decode(text, dict[str, object])
    except msgspec.ValidationError as error:
        raise BackendError("the server sent an object that is none", clean_line(str(error))) from error
    assert isinstance(whole, dict)
    with suppress(RecursionError):
        record = _convert_rest(_drop_nulls(whole), type_)
        if record is not None:
            return record
    return type_(metadata=_salvage_meta(whole.get("metadata")), fault=clean_line(fault))


def _convert_rest(value: object, type_: type[R]) -> R | None:
    """The record without what does not fit, which its fault names; None when too much does not."""
    faults: list[str] = []
    while len(faults) < _MOST_FAULTS:
        try:
            record = msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            faults.append(str(error))
            # As in "Expected `str`, got `int` - at `$.status.conditions[2].type`".
            _, _, path = str(error).rstrip("`").rpartition("`$")
            value = _without(value, path)
            if value is _GONE:
                return None
        else:
            record.fault = clean_line("; ".join(faults))
            return record
    return None


def _without(value: object, path: str) -> object:
    """A copy without the field or element at a path of msgspec; `_GONE` when that is the value itself.

    A path that ends in no key of a mapping (``[...]``) means the mapping.
    """
    if isinstance(value, list) and path.startswith("["):
        index, _, rest = path[1:].partition("]")
        if not index.isdecimal():
            return _GONE
        inner = _without(value[int(index)], rest)
        return [*value[: int(index)], *([] if inner is _GONE else [inner]), *value[int(index) + 1 :]]
    if isinstance(value, dict):
        # Names may hold dots themselves: `kubevirt.io/heartbeat`.
        names = [name for name in value if f"{path}.".startswith((f".{name}.", f".{name}["))]
        if names:
            name = max(names, key=len)
            inner = _without(value[name], path[1 + len(name) :])
            return {key: item for key, item in (value | {name: inner}).items() if item is not _GONE}
    return _GONE


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
