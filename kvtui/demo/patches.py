"""The four kinds of PATCH: RFC 6902, RFC 7386, and in `strategic` and `apply` those of Kubernetes.

Every function answers a new object and leaves its arguments alone. Source of the words: apiserver 0.36
``pkg/endpoints/handlers/patch.go``, and the recordings of kube-apiserver 1.36.
"""

from __future__ import annotations

import copy
from typing import Any

from kvtui.demo.apply import apply
from kvtui.demo.metadata import Kind, Object, StorageError, bad_request
from kvtui.demo.strategic import strategic_patch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_MOST_OPERATIONS = 10_000


def apply_patch(
    kind: Kind,
    present: Object | None,
    document: Any,
    media_type: str,
    *,
    manager: str = "",
    force: bool = False,
    moment: str = "",
    subresource: str = "",
) -> Object:
    """The object after a patch, whose decoded body is `document`; `present` may be None for an apply alone.

    `manager`, `force`, `moment` (RFC 3339) and `subresource` are those of a server-side apply, which needs a manager.
    Raises StorageError 400 for a malformed patch, 409 for conflicts between appliers, 415 for a media type that the
    kind does not take, 422 for a patch that cannot be carried out.
    """
    check_media_type(kind, media_type)
    if media_type == APPLY_PATCH:
        return apply(kind, present, document, manager=manager, force=force, moment=moment, subresource=subresource)
    if present is None:
        raise ValueError("only an apply can create")
    if media_type == JSON_PATCH:
        return _an_object(json_patch(present, _operations(document)))
    if not isinstance(document, dict):
        prefix = "" if media_type == STRATEGIC_PATCH else "error decoding patch: "
        raise bad_request(prefix + _mistyped(document, "map[string]interface {}"))
    if media_type == STRATEGIC_PATCH:
        return strategic_patch(present, document)
    return _an_object(merge_patch(present, document))


def check_media_type(kind: Kind, media_type: str) -> None:
    """Raise StorageError 415 for a media type that the kind does not take; custom resources take no strategic merge."""
    accepted = [JSON_PATCH, MERGE_PATCH, *([] if kind.custom else [STRATEGIC_PATCH]), APPLY_PATCH]
    if media_type not in accepted:
        message = "the body of the request was in an unknown format - accepted media types include: "
        raise StorageError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def merge_patch(target: Any, document: Any) -> Any:
    """RFC 7386."""
    if not isinstance(document, dict):
        return copy.deepcopy(document)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in document.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(target: Any, operations: list[Object]) -> Any:
    """RFC 6902. Raises StorageError 422 when an operation fails, in the API server's (unhelpful) words."""
    patched = copy.deepcopy(target)
    for operation in operations:
        try:
            patched = _operate(patched, operation)
        except (LookupError, ValueError, TypeError) as error:
            raise _rejected() from error
    return patched


def _rejected() -> StorageError:
    return StorageError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def _an_object(document: Any) -> Object:
    if not isinstance(document, dict):
        raise _rejected()
    return document


def _operations(document: Any) -> list[Object]:
    if not isinstance(document, list):
        raise bad_request("error decoding patch: " + _mistyped(document, "[]handlers.jsonPatchOp"))
    for operation in document:
        if not isinstance(operation, dict):
            raise bad_request("error decoding patch: " + _mistyped(operation, "handlers.jsonPatchOp"))
    if len(document) > _MOST_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(document)}"
        raise StorageError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")
    return document


def _mistyped(value: Any, wanted: str) -> str:
    """What Go says of a JSON value of another type than it wants."""
    return f"json: cannot unmarshal {_json_type(value)} into Go value of type {wanted}"


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _operate(document: Any, operation: Object) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _add(document, path, copy.deepcopy(operation["value"]))
        case "remove":
            return _remove(document, path)
        case "replace":
            _look_up(document, path)
            return _set(document, path, copy.deepcopy(operation["value"]))
        case "move":
            source = _pointer(operation["from"])
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot move into itself")
            value = _look_up(document, source)
            return _add(_remove(document, source), path, value)
        case "copy":
            return _add(document, path, copy.deepcopy(_look_up(document, _pointer(operation["from"]))))
        case "test":
            if not _same(_look_up(document, path), operation["value"]):
                raise ValueError("test failed")
            return document
        case unknown:
            raise ValueError(f"unknown operation {unknown}")


def _pointer(text: Any) -> list[str]:
    """The steps of an RFC 6901 pointer."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise ValueError("not a JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _position(step: str, size: int) -> int:
    """A position in a list of `size`, which must be below it."""
    if not (step == "0" or (step.isascii() and step.isdigit() and not step.startswith("0"))):
        raise ValueError("not a list position")
    if int(step) >= size:
        raise IndexError("beyond the end of the list")
    return int(step)


def _look_up(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, list):
            document = document[_position(step, len(document))]
        elif isinstance(document, dict):
            document = document[step]
        else:
            raise TypeError("a plain value has no members")
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if path:
        parent = _look_up(document, path[:-1])
        if isinstance(parent, list):
            position = len(parent) if path[-1] == "-" else _position(path[-1], len(parent) + 1)
            parent.insert(position, value)
            return document
    return _set(document, path, value)


def _set(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _look_up(document, path[:-1])
    if isinstance(parent, list):
        parent[_position(path[-1], len(parent))] = value
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise TypeError("a plain value has no members")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    _look_up(document, path)
    if not path:
        return None
    parent = _look_up(document, path[:-1])
    del parent[_position(path[-1], len(parent)) if isinstance(parent, list) else path[-1]]
    return document


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: for Python true equals 1, for JSON it does not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
