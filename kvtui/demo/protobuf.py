"""Reading the few protobuf bodies that kubectl insists on sending: reviews, evictions, options and simple objects.

Answers are always JSON, which every client accepts. Field numbers are those of the ``generated.proto`` files of
k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kvtui.demo.metadata import Object, StorageError, bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"

_Scalar = Literal["string", "bytes", "int", "bool"]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: _Scalar | Mapping[int, _Field] = "string"
    form: Literal["one", "many", "map"] = "one"


_Message = Mapping[int, _Field]
_TYPE_META: _Message = {1: _Field("apiVersion"), 2: _Field("kind")}
_ENVELOPE: _Message = {1: _Field("type", _TYPE_META), 2: _Field("raw", "bytes")}
_OBJECT_META: _Message = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    11: _Field("labels", form="map"),
    12: _Field("annotations", form="map"),
}
_DELETE_OPTIONS: _Message = {
    1: _Field("gracePeriodSeconds", "int"),
    2: _Field("preconditions", {1: _Field("uid"), 2: _Field("resourceVersion")}),
    3: _Field("orphanDependents", "bool"),
    4: _Field("propagationPolicy"),
    5: _Field("dryRun", form="many"),
}
_RESOURCE_ATTRIBUTES: _Message = {
    1: _Field("namespace"),
    2: _Field("verb"),
    3: _Field("group"),
    4: _Field("version"),
    5: _Field("resource"),
    6: _Field("subresource"),
    7: _Field("name"),
}
_ACCESS: _Message = {
    1: _Field("resourceAttributes", _RESOURCE_ATTRIBUTES),
    2: _Field("nonResourceAttributes", {1: _Field("path"), 2: _Field("verb")}),
}
_META = _Field("metadata", _OBJECT_META)
_MESSAGES: dict[str, _Message] = {
    "DeleteOptions": _DELETE_OPTIONS,
    "Eviction": {1: _META, 2: _Field("deleteOptions", _DELETE_OPTIONS)},
    "Namespace": {1: _META},
    "ConfigMap": {1: _META, 2: _Field("data", form="map")},
    "Secret": {
        1: _META,
        2: _Field("data", "bytes", form="map"),
        3: _Field("type"),
        4: _Field("stringData", form="map"),
        5: _Field("immutable", "bool"),
    },
    "SelfSubjectReview": {1: _META},
    "SelfSubjectAccessReview": {1: _META, 2: _Field("spec", _ACCESS)},
    "SelfSubjectRulesReview": {1: _META, 2: _Field("spec", {1: _Field("namespace")})},
}


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = field(default=0)

    def varint(self) -> int:
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                raise ValueError("a number is cut off")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("a field is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def fields(self) -> Iterator[tuple[int, int | bytes]]:
        while self.at < len(self.data):
            number, wire = divmod(self.varint(), 8)
            match wire:
                case 0:
                    yield number, self.varint()
                case 1:
                    yield number, self.take(8)
                case 2:
                    yield number, self.take(self.varint())
                case 5:
                    yield number, self.take(4)
                case _:
                    raise ValueError(f"wire type {wire} is unknown")


def _value(kind: _Scalar | _Message, value: int | bytes) -> Any:
    match kind, value:
        case "string", bytes():
            return value.decode()
        case "bytes", bytes():
            return value
        case "int", int():
            return value - (1 << 64) if value >> 63 else value
        case "bool", int():
            return bool(value)
        case Mapping(), bytes():
            return _message(kind, value)
    raise ValueError("a field is of another type than its message says")


def _message(fields: _Message, data: bytes) -> Object:
    """A message by its fields; unknown ones are passed over, empty texts are left out as in JSON."""
    found: Object = {}
    for number, raw in _Reader(data).fields():
        known = fields.get(number)
        if known is None:
            continue
        if known.form == "map":
            entry = _message({1: _Field("key"), 2: _Field("value", known.type)}, _value("bytes", raw))
            value = entry.get("value", "")
            text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            found.setdefault(known.name, {})[entry.get("key", "")] = text
            continue
        value = _value(known.type, raw)
        if known.form == "many":
            found.setdefault(known.name, []).append(value)
        elif value != "":
            found[known.name] = value
    return found


def parse(data: bytes) -> Object:
    """The object of a protobuf body. Raises StorageError 400 for a broken one, 415 for a kind not known here."""
    try:
        if not data.startswith(_MAGIC):
            raise ValueError("the body does not begin as Kubernetes' protobuf does")
        envelope = _message(_ENVELOPE, data[len(_MAGIC) :])
        kind = envelope.get("type", {})
        message = _MESSAGES.get(kind.get("kind", ""))
        if message is not None:
            found: Object = kind | _message(message, envelope.get("raw", b""))
            return found
    except ValueError as error:
        raise bad_request(f"couldn't decode the protobuf body: {error}") from None
    raise StorageError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml",
    )
