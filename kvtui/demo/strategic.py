"""The strategic merge of built-in kinds, with ``$patch``, ``$retainKeys``, ``$deleteFromPrimitiveList`` and
``$setElementOrder``.

Sources, of kubernetes 1.36: apimachinery ``pkg/util/strategicpatch/patch.go`` and ``pkg/util/mergepatch/errors.go``;
the codes are those of ``interpretStrategicMergePatchError`` in apiserver ``pkg/endpoints/handlers/patch.go``.
"""

from __future__ import annotations

import copy
from typing import Any

from kvtui.demo.merge_keys import Path, merge_key, merges_as_set
from kvtui.demo.metadata import Object, StorageError, bad_request

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_patch(target: Object, document: Object) -> Object:
    """The object after a strategic merge patch.

    Raises StorageError 400 for malformed ``$retainKeys`` and 500 without a reason for other malformed directives and
    for a list element without its key, all in the server's words. A malformed ``$deleteFromPrimitiveList`` is a 400 in
    our words: the server notices it only later, by the type of the field.
    """
    return _merge_map(target, document, ())


def _merge_map(target: Object, document: Object, path: Path) -> Object:
    if _DIRECTIVE in document:
        return _directed(document)
    merged = _retained(target, document)
    ordered = {name.removeprefix(_ORDER): order for name, order in document.items() if name.startswith(_ORDER)}
    for name, order in ordered.items():
        _put_in_order(merged, document.get(name), order, (*path, name))
    for name, value in document.items():
        field = name.removeprefix(_DELETE_FROM)
        if name.startswith(_DELETE_FROM) and field in merged:
            gone = _a_list(value)
            merged[field] = [entry for entry in merged[field] if entry not in gone]
    for name, value in document.items():
        if name.startswith("$") or (name in ordered and value is not None):
            continue
        if value is None:
            merged.pop(name, None)
        elif name in merged:
            merged[name] = _merge_value(merged[name], value, (*path, name))
        elif not _is_directive(value):
            merged[name] = _taken(value)
    return merged


def _directed(document: Object) -> Object:
    match document[_DIRECTIVE]:
        case "replace":
            return {name: copy.deepcopy(value) for name, value in document.items() if name != _DIRECTIVE}
        case "delete":
            return {}
        case unknown:
            raise _unknown_directive(unknown, document)


def _retained(target: Object, document: Object) -> Object:
    if _RETAIN not in document:
        return dict(target)
    kept = document[_RETAIN]
    named = [name for name, value in document.items() if not name.startswith("$") and value is not None]
    if not isinstance(kept, list) or any(name not in kept for name in named):
        raise bad_request("invalid patch format of retainKeys")
    return {name: value for name, value in target.items() if name in kept}


def _put_in_order(merged: Object, patch: Any, order: Any, path: Path) -> None:
    """Merge a list and bring it into the order that the patch gives."""
    if not isinstance(order, list):
        raise _refused(f"expected a []interface {{}}, but received a {_go_type(order)}")
    name, key = path[-1], merge_key(path)
    if name not in merged and patch is None:
        return
    live = merged.get(name) or []
    _check_order(patch or [], order, key)
    if not live and not patch:
        raise _refused("no elements in any of the given slices")
    if patch is not None:
        merged[name] = _merge_value(live, patch, path) if name in merged else _taken(patch)
    merged[name] = _ordered(merged[name], order, live, key)


def _check_order(patch: list[Any], order: list[Any], key: str | None) -> None:
    """Refuse an order that the list in the same patch does not follow."""
    deleted = [entry for entry in patch if key and _is_directive(entry) and entry[_DIRECTIVE] == "delete"]
    left = [entry for entry in patch if entry not in deleted]
    for place in order:
        while left and _is_directive(left[0]):
            left.pop(0)
        if key:
            _keyed([*left[:1], place], key)
        if left and _identity(left[0], key) == _identity(place, key):
            left.pop(0)
    if left and order:
        raise _refused(
            f"The order in patch list:\n{_go_text(patch)}\n doesn't match $setElementOrder list:\n{_go_text(order)}\n"
        )


def _merge_value(target: Any, value: Any, path: Path) -> Any:
    if isinstance(value, dict) and isinstance(target, dict):
        return _merge_map(target, value, path)
    if not isinstance(value, list) or not isinstance(target, list):
        return copy.deepcopy(value)
    if merges_as_set(path):
        merged = [*target, *(entry for entry in value if entry not in target)]
        return _ordered(merged, value, target, None)
    key = merge_key(path)
    return copy.deepcopy(value) if key is None else _merge_list(target, value, key, path)


def _merge_list(target: list[Any], entries: list[Any], key: str, path: Path) -> list[Any]:
    """Merge a list of objects by their key; an element ``$patch: replace`` makes the others the whole list."""
    for entry in entries:
        if not isinstance(entry, dict):
            raise _refused(f"expected a map[string]interface {{}}, but received a {_go_type(entry)}")
    directives = [entry for entry in entries if _is_directive(entry)]
    plain = [entry for entry in entries if not _is_directive(entry)]
    live = target
    for directive in directives:
        live = _without(live, directive, key)
    if any(directive[_DIRECTIVE] == "replace" for directive in directives):
        live, plain = _keyed(plain, key), []
    merged = list(live)
    for entry in _keyed(plain, key):
        at = next((at for at, old in enumerate(merged) if _identity(old, key) == entry[key]), None)
        if at is None:
            merged.append(_taken(entry))
        else:
            merged[at] = _merge_map(merged[at], entry, path)
    return _ordered(merged, plain, live, key)


def _without(live: list[Any], directive: Object, key: str) -> list[Any]:
    """The list after one element that is a directive."""
    match directive[_DIRECTIVE]:
        case "delete":
            (gone,) = _keyed([directive], key)
            return [old for old in live if _identity(old, key) != gone[key]]
        case "replace":
            return live
        case "merge":
            raise _refused("merging lists cannot yet be specified in the patch")
        case unknown:
            raise _unknown_directive(unknown, directive)


def _keyed(entries: list[Any], key: str) -> list[Object]:
    """The elements, all with their key."""
    for entry in entries:
        if key not in entry:
            raise _refused(f"map: {_go_text(entry)} does not contain declared merge key: {key}")
    return entries


def _ordered(entries: list[Any], order: list[Any], live: list[Any], key: str | None) -> list[Any]:
    """Those that `order` names in that order, the others in the order they have; where both were in the live list, an
    other one stays before what it was before.
    """
    wanted, places = ([_identity(entry, key) for entry in these] for these in (order, live))
    named = sorted(
        (entry for entry in entries if _identity(entry, key) in wanted),
        key=lambda entry: wanted.index(_identity(entry, key)),
    )
    others = [entry for entry in entries if _identity(entry, key) not in wanted]
    merged = []
    while named and others:
        first, second = _identity(others[0], key), _identity(named[0], key)
        stays = first in places and second in places and places.index(first) < places.index(second)
        merged.append((others if stays else named).pop(0))
    return [*merged, *named, *others]


def _identity(entry: Any, key: str | None) -> Any:
    """What an element of a list is known by: its key, or itself when it is no object."""
    return entry.get(key) if key and isinstance(entry, dict) else entry


def _is_directive(entry: Any) -> bool:
    return isinstance(entry, dict) and _DIRECTIVE in entry


def _taken(value: Any) -> Any:
    """A value of the patch for a field that is not there yet: without nulls and without what holds directives."""
    if isinstance(value, dict):
        kept = {name: member for name, member in value.items() if member is not None and not name.startswith("$")}
        return {name: _taken(member) for name, member in kept.items() if not _is_directive(member)}
    if isinstance(value, list):
        return [_taken(entry) for entry in value if not _is_directive(entry)]
    return value


def _a_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request("invalid patch format of primitive list")
    return value


def _unknown_directive(directive: Any, document: Object) -> StorageError:
    return _refused(f"unknown patch type: {_go_text(directive)} in map: {_go_text(document)}")


def _refused(words: str) -> StorageError:
    """What the server did not expect of a patch: 500 without a reason."""
    return StorageError(500, "", words)


def _go_text(value: Any) -> str:
    """A decoded JSON value as Go prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case dict():
            return f"map[{' '.join(f'{name}:{_go_text(value[name])}' for name in sorted(value))}]"
        case list():
            return f"[{' '.join(map(_go_text, value))}]"
        case _:
            return str(value)


def _go_type(value: Any) -> str:
    """The Go type of a decoded JSON value."""
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64"}
    return "%!s(<nil>)" if value is None else names.get(type(value), "float64")
