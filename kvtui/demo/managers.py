"""Who wrote which fields of an object last, as the API server notes it: ``metadata.managedFields``.

A write takes the fields that it changes from all others; what it removes nobody has any more, and it gets no entry for
that. Source: structured-merge-diff 6.3 ``merge/update.go``, apimachinery ``pkg/util/managedfields/internal``, and the
recordings of kube-apiserver 1.36.

Noted are the writes through the HTTP server, those of virt-api, and of controllers those that change what a user wrote;
of what controllers write into status only that a guest boots anew, which nothing else tells: a fleet of ten thousand
machines would pay for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvtui.demo.apply import Fields, element, member, step_into, without_identity
from kvtui.demo.merge_keys import Path, apply_keys, identity_of, merges_as_set
from kvtui.demo.metadata import Kind, Object
from kvtui.demo.objects import copy_of

_RESETS: tuple[list[Object], ...] = ([], [{}])
"""By which a client forgets all writers."""


def name_manager(field_manager: str, user_agent: str) -> str:
    """Under which name a request writes (``managerOrUserAgent`` of apiserver ``pkg/endpoints/handlers/create.go``)."""
    return field_manager or user_agent.partition("/")[0]


def written_by(kind: Kind, manager: str, now: str, change: Callable[[Object], object]) -> Callable[[Object], None]:
    """The same change of an object, noted as that of `manager`; `now` is RFC 3339."""

    def write(found: Object) -> None:
        before = copy_of(found)
        change(found)
        note_writer(kind, before, found, manager, now)

    return write


def note_writer(
    kind: Kind, before: Object | None, after: Object, manager: str, now: str, *, subresource: str = ""
) -> None:
    """Note in `after`, a whole object, that somebody has just made it of `before` (None: has created it)."""
    meta = after["metadata"]
    given = meta.pop("managedFields", None)
    known = () if before is None or given in _RESETS else before["metadata"].get("managedFields", ())
    taken = _taken(kind, {"metadata": {}} if before is None else without_identity(before), without_identity(after), ())
    own: Fields = {}
    entries = []
    for entry in known:
        if taken and _is_update_of(entry, manager, subresource, kind.api_version):
            own = entry["fieldsV1"]
        elif left := _present(_without(entry["fieldsV1"], taken or {}), after):
            entries.append({**entry, "fieldsV1": left})
    if taken:
        fields = _present(_united(own, taken), after)
        written: Object = {"manager": manager, "operation": "Update", "apiVersion": kind.api_version, "time": now}
        written |= {"fieldsType": "FieldsV1", "fieldsV1": fields}
        entries.append(written | ({"subresource": subresource} if subresource else {}))
    if entries:
        meta["managedFields"] = entries


def _is_update_of(entry: Object, manager: str, subresource: str, api_version: str) -> bool:
    known = entry["manager"], entry["operation"], entry.get("subresource", ""), entry["apiVersion"]
    return known == (manager, "Update", subresource, api_version)


def _taken(kind: Kind, old: Any, new: Any, path: Path) -> Fields | None:
    """The fields whose values are new or other than before; None when there are none."""
    if new is None or new == old:
        return None
    if isinstance(new, dict):
        known = old if isinstance(old, dict) else {}
        inner = {
            f"f:{name}": fields
            for name, value in new.items()
            if (fields := _taken(kind, known.get(name), value, (*path, name))) is not None
        }
        return _of_container(inner, new, fresh=not isinstance(old, dict))
    if isinstance(new, list):
        return _taken_of_list(kind, old, new, path)
    return {}


def _taken_of_list(kind: Kind, old: Any, new: list[Any], path: Path) -> Fields | None:
    known = old if isinstance(old, list) else []
    if merges_as_set(path):
        return _of_container({member(value): {} for value in new if value not in known}, new, fresh=old is None)
    keys = apply_keys(path, custom=kind.custom)
    if not keys or not all(isinstance(entry, dict) and identity_of(entry, keys) for entry in new):
        return {}
    inner = {}
    for entry in new:
        step = element(identity_of(entry, keys))
        fields = _taken(kind, step_into(known, step), entry, path)
        if fields is not None:
            inner[step] = fields
    return _of_container(inner, new, fresh=old is None)


def _of_container(inner: Fields, value: Any, *, fresh: bool) -> Fields | None:
    """What is taken of a map or list: itself too when it is `fresh`; nothing when it has only lost something."""
    if fresh:
        return {".": {}} | inner if value else {}
    return inner or None


def _without(fields: Fields, taken: Fields) -> Fields:
    """What is left of fields of which some are taken; a field that is taken whole is taken with all in it, and one
    that is told without its parts stays with whoever has it until then.
    """
    left: Fields = {}
    for key, below in fields.items():
        if key not in taken or (taken[key] and not below):
            left[key] = below
        elif taken[key] and (rest := _without(below, taken[key])):
            left[key] = rest
    return left


def _present(fields: Fields, value: Any) -> Fields:
    """Those of the fields that the object still has."""
    left: Fields = {}
    for key, below in fields.items():
        if key == ".":
            left[key] = below
        elif (found := step_into(value, key)) is not None:
            rest = _present(below, found)
            if rest or not below:
                left[key] = rest
    return left


def _united(fields: Fields, more: Fields) -> Fields:
    return {
        **fields,
        **{key: _united(fields[key], below) if key in fields else below for key, below in more.items()},
    }
