"""Who wrote which fields of an object last, as the API server notes it: ``metadata.managedFields``.

Source: Kubernetes, "Server-Side Apply", field management. A write takes the fields that it changes from all others.
"""

from __future__ import annotations

from kvtui.demo.metadata import Object


def note_writer(before: Object, after: Object, manager: str, now: str) -> None:
    """Note in `after` that somebody has just made it of `before`."""
    changed, meta = _changed(before, after), after["metadata"]
    own: Object = {}
    entries = []
    for entry in meta.get("managedFields", ()):
        if (entry["manager"], entry["operation"]) == (manager, "Update"):
            own = entry["fieldsV1"]
        elif left := _without(entry["fieldsV1"], changed):
            entries.append({**entry, "fieldsV1": left})
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": after["apiVersion"],
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": _united(own, changed),
    }
    meta["managedFields"] = [*entries, entry]


def _changed(before: Object, after: Object) -> Object:
    """The fields that differ, as ``fieldsV1`` has them; a list is one field."""
    told: Object = {}
    for key, value in after.items():
        old = before.get(key)
        if value == old:
            continue
        told[f"f:{key}"] = _changed(old, value) if isinstance(value, dict) and isinstance(old, dict) else {}
    return told


def _without(fields: Object, taken: Object) -> Object:
    """What is left of fields of which some are taken; a field that is taken whole is taken with all in it."""
    left: Object = {}
    for key, below in fields.items():
        if key not in taken:
            left[key] = below
        elif taken[key] and (rest := _without(below, taken[key])):
            left[key] = rest
    return left


def _united(fields: Object, more: Object) -> Object:
    return {
        **fields,
        **{key: _united(fields[key], below) if key in fields else below for key, below in more.items()},
    }
