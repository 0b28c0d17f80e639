"""The forms in which a client may ask for objects: whole, as a Table for people, or as metadata alone.

Bodies are put together from stored bytes; only Tables decode the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from kvtui.demo import tables
from kvtui.demo.replies import encode
from kvtui.demo.storage import Kind, Object, StorageError, Stored

_META_GROUP = "meta.k8s.io"
_PARTIAL = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'
_decode: Callable[[bytes], Object] = msgspec.json.Decoder(Object).decode


class _Envelope(msgspec.Struct):
    metadata: msgspec.Raw


_envelope = msgspec.json.Decoder(_Envelope).decode


@dataclass(frozen=True, slots=True)
class Form:
    """What the ``Accept`` header and ``includeObject`` ask for."""

    name: Literal["Object", "Table", "PartialObjectMetadata"] = "Object"
    include: str = "Metadata"
    """What a Table's rows carry: ``None``, ``Metadata`` or ``Object``."""


def _parameters(media: str) -> tuple[str, dict[str, str]]:
    kind, *rest = (part.strip() for part in media.split(";"))
    return kind, dict(pair.partition("=")[::2] for pair in rest)


def form_of(accept: str, include: str) -> Form:
    """The first form of an ``Accept`` header that is served; whole objects without a header. Raises StorageError 406
    when it offers nothing that is served.
    """
    if not accept.strip():
        return Form()
    for media in accept.split(","):
        kind, parameters = _parameters(media)
        if kind not in ("application/json", "application/*", "*/*"):
            continue
        wanted = parameters.get("as", "")
        if parameters.get("g", _META_GROUP) != _META_GROUP:
            continue
        if wanted == "Table" and parameters.get("v") == "v1":
            return Form("Table", include or "Metadata")
        if wanted.startswith("PartialObjectMetadata") and parameters.get("v") == "v1":
            return Form("PartialObjectMetadata")
        if not wanted:
            return Form()
    words = "only the following media types are accepted: application/json, application/json;stream=watch"
    raise StorageError(406, "NotAcceptable", words)


def _partial(raw: bytes) -> bytes:
    return b"%b%b}" % (_PARTIAL, bytes(_envelope(raw).metadata))


def _row(kind: Kind, raw: bytes, form: Form, now: datetime) -> bytes:
    cells = encode(tables.row(kind, _decode(raw), now))
    shown = raw if form.include == "Object" else _partial(raw)
    return b'{"cells":%b,"object":%b}' % (cells, b"null" if form.include == "None" else shown)


def _table_head(kind: Kind, metadata: Object) -> bytes:
    head = {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": tables.columns(kind),
    }
    return encode(head)[:-1] + b',"rows":['


def _joined(head: bytes, items: Iterable[bytes]) -> list[bytes]:
    parts = [head]
    for item in items:
        parts.append(item)
        parts.append(b",")
    if len(parts) > 1:
        parts.pop()
    parts.append(b"]}")
    return parts


def list_body(kind: Kind, rows: list[Stored], metadata: Object, form: Form, now: datetime) -> list[bytes]:
    """The parts of a list's body."""
    if form.name == "Table":
        return _joined(_table_head(kind, metadata), (_row(kind, row.raw, form, now) for row in rows))
    if form.name == "PartialObjectMetadata":
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        items: Iterable[bytes] = (_partial(row.raw) for row in rows)
    else:
        head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata}
        items = (row.raw for row in rows)
    return _joined(encode(head)[:-1] + b',"items":[', items)


def object_body(kind: Kind, raw: bytes, form: Form, now: datetime) -> bytes:
    """One object in the asked form, as it stands in a response or in a watch event."""
    if form.name == "PartialObjectMetadata":
        return _partial(raw)
    if form.name == "Table":
        version = msgspec.json.decode(_envelope(raw).metadata)["resourceVersion"]
        return b"%b%b]}" % (_table_head(kind, {"resourceVersion": version}), _row(kind, raw, form, now))
    return raw


def bookmark_body(kind: Kind, revision: int, form: Form, *, initial_end: bool) -> bytes:
    """The object of a BOOKMARK event."""
    metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    if form.name == "Table":
        marker = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        row = encode({"cells": [], "object": marker})
        return b"%b%b]}" % (_table_head(kind, {"resourceVersion": str(revision)}), row)
    if form.name == "PartialObjectMetadata":
        return _PARTIAL + encode(metadata) + b"}"
    return encode({"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata})
