"""How the catalog makes objects that are there from the start."""

from __future__ import annotations

import uuid

from kvtui.demo.metadata import Kind, Object


def long_made(kind: Kind, namespace: str, name: str, created: str, **parts: Object) -> Object:
    """An object with a uid that is not of the world's own chance, on which all that comes after it would depend."""
    uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind.resource}/{namespace}/{name}"))
    meta: Object = {"name": name, "uid": uid, "creationTimestamp": created, "generation": 1}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **parts}
