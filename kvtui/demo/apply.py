"""Server-side apply: the configuration of one manager merged into an object, with the record of who owns which field.

An applier conflicts with every other writer on record whose field it gives another value. Sources, of kubernetes 1.36:
structured-merge-diff 6.3 ``fieldpath`` and ``typed/helpers.go``, apimachinery ``pkg/util/managedfields/internal``
(``versioncheck.go``, ``structuredmerge.go``, ``conflict.go``) and ``pkg/apis/meta/v1/validation``. How fields go and
come is our own plain form of what merge-diff does.
"""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

from kvtui.demo.merge_keys import Path, apply_keys, identity_of, merges_as_set
from kvtui.demo.metadata import Kind, Object, StorageError, bad_request

Fields = dict[str, Any]
"""``FieldsV1``: ``f:name`` for members, ``k:{...}`` for list elements by key, ``v:...`` for members of a set."""

_FieldPath = tuple[str, ...]
_IDENTITY = {"apiVersion", "kind"}
_IDENTITY_METADATA = {
    *("name", "namespace", "creationTimestamp", "uid", "resourceVersion", "generation", "managedFields"),
    *("deletionTimestamp", "deletionGracePeriodSeconds"),
}


def apply(
    kind: Kind,
    present: Object | None,
    configuration: Any,
    *,
    manager: str,
    moment: str,
    force: bool = False,
    subresource: str = "",
) -> Object:
    """The object after `manager` applied its decoded configuration; a new one when there is none yet.

    Fields that the manager applied before and no longer names go, unless another applier has them too. `moment` is
    RFC 3339. Raises StorageError 400 for a configuration of another kind, 422 without a manager, and 409 when another
    applier has a field of another value and `force` is not set.
    """
    if not manager:
        words = "Required value: is required for apply patch"
        message = f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {words}'
        cause = {"reason": "FieldValueRequired", "message": words, "field": "fieldManager"}
        about = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}
        raise StorageError(422, "Invalid", message, about)
    _check_configuration(kind, configuration)
    target = copy.deepcopy(present) if present is not None else {"metadata": {}}
    entries = list(target["metadata"].pop("managedFields", None) or ())
    own = next((entry for entry in entries if _is_of(entry, manager, subresource)), None)
    others = [entry for entry in entries if entry is not own]
    fields = fields_of(kind, configuration)
    _settle_conflicts(target, configuration, fields, others, force=force)
    elsewhere = {path for entry in others for path in _leaves(entry.get("fieldsV1") or {})}
    before = _leaves((own or {}).get("fieldsV1") or {})
    for path in sorted(before - _leaves(fields) - elsewhere, key=len):
        _discard(target, path)
    merged: Object = _merge(kind, target, configuration, ())
    written: Object = {"manager": manager, "operation": "Apply", "apiVersion": kind.api_version, "time": moment}
    written |= {"fieldsType": "FieldsV1", "fieldsV1": fields} | ({"subresource": subresource} if subresource else {})
    if own is None:
        entries.insert(0, written)
    elif own.get("fieldsV1") != fields or _differs(merged, present):
        entries[entries.index(own)] = written
    merged["metadata"]["managedFields"] = [entry for entry in entries if entry.get("fieldsV1")]
    return merged


def _differs(merged: Object, present: Object | None) -> bool:
    return present is None or without_identity(merged) != without_identity(present)


def _check_configuration(kind: Kind, configuration: Any) -> None:
    metadata = configuration.get("metadata") or {} if isinstance(configuration, dict) else None
    if not isinstance(metadata, dict):
        raise bad_request("error decoding YAML: the configuration is not an object")
    given = configuration.get("apiVersion"), configuration.get("kind")
    if given != (kind.api_version, kind.kind):
        group, _, version = str(given[0] or "/").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={given[1] or ''}")
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")


def fields_of(kind: Kind, configuration: Object) -> Fields:
    """The fields that a configuration names, without those that only identify the object."""
    named = without_identity(configuration)
    if not named["metadata"]:
        del named["metadata"]
    return _fields(kind, named, ())


def without_identity(obj: Object) -> Object:
    """What of an object can be somebody's field: all but what identifies it and what the server alone writes."""
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name not in _IDENTITY_METADATA}
    return {name: value for name, value in obj.items() if name not in _IDENTITY} | {"metadata": metadata}


def _fields(kind: Kind, value: Any, path: Path) -> Fields:
    if isinstance(value, dict):
        return {
            f"f:{name}": _fields(kind, member, (*path, name)) for name, member in value.items() if member is not None
        }
    if not isinstance(value, list):
        return {}
    if merges_as_set(path):
        return {member(entry): {} for entry in value}
    keys = apply_keys(path, custom=kind.custom)
    if not keys:
        return {}
    known = _identities(value, keys, path)
    return {
        element(identity): {".": {}} | _fields(kind, entry, path) for identity, entry in zip(known, value, strict=True)
    }


def member(value: Any) -> str:
    """How ``FieldsV1`` names a member of a set."""
    return "v:" + json.dumps(value)


def element(identity: Object) -> str:
    """How ``FieldsV1`` names the element of a list that is known by these keys."""
    return "k:" + json.dumps(identity, separators=(",", ":"), sort_keys=True)


def _identities(entries: list[Any], keys: tuple[str, ...], path: Path) -> list[Object]:
    """What each element is known by. Raises StorageError 500 for one without a key; the real server's words also
    name the object.
    """
    found = []
    for position, entry in enumerate(entries):
        identity = identity_of(entry, keys) if isinstance(entry, dict) else {}
        if not identity:
            named = " ".join(json.dumps(key) for key in keys)
            words = (
                f"associative list with keys has an element that omits all key fields [{named}] "
                "(and doesn't have default values for any key fields)"
                if isinstance(entry, dict)
                else "associative list with keys may not have non-map elements"
            )
            message = f"failed to create typed patch object: .{'.'.join(path)}: element {position}: {words}"
            raise StorageError(500, "", message)
        found.append(identity)
    return found


def _is_of(entry: Object, manager: str, subresource: str) -> bool:
    same = entry.get("manager") == manager and entry.get("subresource", "") == subresource
    return same and entry.get("operation") == "Apply"


def _leaves(fields: Fields, path: _FieldPath = ()) -> set[_FieldPath]:
    """The paths of all fields that hold a value of their own, and of the list elements that exist."""
    found = set()
    for name, inner in fields.items():
        if name == ".":
            found.add(path)
        elif inner:
            found |= _leaves(inner, (*path, name))
        else:
            found.add((*path, name))
    return found


def _settle_conflicts(
    target: Object, configuration: Object, fields: Fields, others: list[Object], *, force: bool
) -> None:
    """Find the fields that another applier has with another value; take them over by `force`, else raise 409."""
    mine = _leaves(fields)
    contested = [
        (entry, path)
        for entry in others
        for path in sorted(mine & _leaves(entry.get("fieldsV1") or {}))
        if not path[-1].startswith("k:") and _find(target, path) != _find(configuration, path)
    ]
    if not contested:
        return
    if not force:
        raise _conflicts(contested)
    for entry, path in contested:
        entry["fieldsV1"] = _without(entry["fieldsV1"], path)


def _conflicts(contested: list[tuple[Object, _FieldPath]]) -> StorageError:
    """409 in the words of ``getConflictMessage`` of apimachinery ``pkg/util/managedfields/internal/conflict.go``."""
    told = sorted((_named(entry), _shown(path)) for entry, path in contested)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in told
    ]
    if len(told) == 1:
        ((manager, path),) = told
        message = f"Apply failed with 1 conflict: conflict with {manager}: {path}"
    else:
        lines = []
        for manager, group in itertools.groupby(told, key=lambda pair: pair[0]):
            lines += [f"conflicts with {manager}:", *(f"- {path}" for _, path in group)]
        message = f"Apply failed with {len(told)} conflicts: " + "\n".join(lines)
    return StorageError(409, "Conflict", message, {"causes": causes})


def _named(entry: Object) -> str:
    """A manager as messages name it (``printManager``)."""
    subresource = entry.get("subresource", "")
    name = json.dumps(entry.get("manager", ""))
    if subresource:
        name += f" with subresource {json.dumps(subresource)}"
    return name if entry.get("operation") == "Apply" else f"{name} using {entry['apiVersion']} at {entry['time']}"


def _shown(path: _FieldPath) -> str:
    """The path as messages show it: ``.spec.containers[name="web"].image``."""
    shown = ""
    for step in path:
        mark, _, rest = step.partition(":")
        if mark == "f":
            shown += f".{rest}"
        elif mark == "k":
            shown += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()) + "]"
        else:
            shown += f"[={rest}]"
    return shown


def _without(fields: Fields, path: _FieldPath) -> Fields:
    """The fields without one path, and without parents that it leaves empty."""
    first, rest = path[0], path[1:]
    left = dict(fields)
    inner = _without(left[first], rest) if rest and first in left else {}
    if inner:
        left[first] = inner
    else:
        left.pop(first, None)
    return left


def _find(value: Any, path: _FieldPath) -> Any:
    for step in path:
        if value is None:
            return None
        value = step_into(value, step)
    return value


def step_into(value: Any, step: str) -> Any:
    """What a step of ``FieldsV1`` leads to; None when there is no such thing."""
    mark, _, rest = step.partition(":")
    if mark == "f":
        return value.get(rest) if isinstance(value, dict) else None
    wanted = json.loads(rest)
    entries = value if isinstance(value, list) else []
    if mark == "v":
        return wanted if wanted in entries else None
    return next((entry for entry in entries if identity_of(entry, wanted) == wanted), None)


def _discard(target: Any, path: _FieldPath) -> None:
    """Take the field at `path` out of the object, and what it leaves empty; not a map that others have filled."""
    parent, step = _find(target, path[:-1]), path[-1]
    found = None if parent is None else step_into(parent, step)
    if found is None or (step.startswith("f:") and found and isinstance(found, dict)):
        return
    if isinstance(parent, list):
        parent.remove(found)
    else:
        del parent[step.partition(":")[2]]
    if not parent and len(path) > 1 and path[:-1] != ("f:metadata",):
        _discard(target, path[:-1])


def _merge(kind: Kind, target: Any, value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        merged = dict(target) if isinstance(target, dict) else {}
        for name, member in value.items():
            if member is not None:
                merged[name] = _merge(kind, merged.get(name), member, (*path, name))
        return merged
    if not isinstance(value, list):
        return value
    present = list(target) if isinstance(target, list) else []
    if merges_as_set(path):
        return [*present, *(entry for entry in value if entry not in present)]
    keys = apply_keys(path, custom=kind.custom)
    if not keys:
        return copy.deepcopy(value)
    for identity, entry in zip(_identities(value, keys, path), value, strict=True):
        at = next((at for at, old in enumerate(present) if identity_of(old, keys) == identity), len(present))
        present[at : at + 1] = [_merge(kind, present[at] if at < len(present) else {}, entry, path)]
    return present
