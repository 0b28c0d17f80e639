"""The fields that custom kinds have by their definitions: the server drops all others, and says so.

``fields.json`` is made of the definitions of KubeVirt 1.9, CDI 1.66 and Cluster API by ``python -m tests.fields``; what
has none there keeps whatever it is given, and so do the built-in kinds. How paths are told: apiextensions-apiserver
``pkg/apiserver/schema/pruning``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import msgspec

from kvtui.demo.metadata import Kind, Object

Struct = dict[str, str]
"""The fields of a struct, each with what it holds: nothing more to know, or one of the signs below."""

PATH: Final = Path(__file__).parent / "fields.json"
ANY: Final = "*"
"""An object of any fields."""
MANY: Final = "[]"
"""Before a type: a list of such."""
MAP: Final = "{}"
"""Before a type: an object of any keys with such values."""
OPEN: Final = "*"
"""As a field: unknown ones beside the others are kept."""
_OWNER: Final = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_MANAGER: Final = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")
_METADATA: Final = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "finalizers",
)  # fmt: skip


class _Fields(msgspec.Struct):
    kinds: dict[str, int]
    """By kind and version, the struct of the whole object."""
    structs: list[Struct]


@functools.cache
def _known() -> _Fields:
    return msgspec.json.decode(PATH.read_bytes(), type=_Fields)


def name_version(kind: Kind) -> str:
    """``VirtualMachine.kubevirt.io/v1``."""
    return f"{kind.kind}.{kind.api_version}"


def prune(kind: Kind, obj: Object) -> tuple[Object, list[str]]:
    """The object without the fields that its kind does not have, and the paths of those, in order:
    ``spec.template.spec.volumes[0].disk``.
    """
    root = _known().kinds.get(name_version(kind))
    if root is None:
        return obj, []
    unknown: list[str] = []
    pruned: Object = {}
    fields = _known().structs[root]
    for name, value in obj.items():
        if name == "metadata":
            pruned[name] = _prune_metadata(value, unknown)
        elif name in fields:
            pruned[name] = _prune(value, fields[name], name, unknown)
        elif name in ("apiVersion", "kind"):
            pruned[name] = value
        else:
            unknown.append(name)
    return pruned, sorted(unknown)


def _prune_metadata(value: Any, unknown: list[str]) -> Any:
    structs = {"ownerReferences": dict.fromkeys(_OWNER, ""), "managedFields": dict.fromkeys(_MANAGER, "")}
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        path = f"metadata.{name}"
        if name in structs and isinstance(item, list):
            kept[name] = [_members(one, structs[name], f"{path}[{at}]", unknown) for at, one in enumerate(item)]
        elif name in _METADATA or name in structs:
            kept[name] = item
        else:
            unknown.append(path)
    return kept


def _prune(value: Any, type_: str, path: str, unknown: list[str]) -> Any:
    if type_ in ("", ANY):
        return value
    if type_.startswith(MANY):
        if not isinstance(value, list):
            return value
        return [_prune(item, type_.removeprefix(MANY), f"{path}[{at}]", unknown) for at, item in enumerate(value)]
    if type_.startswith(MAP):
        if not isinstance(value, dict):
            return value
        inner = type_.removeprefix(MAP)
        return {name: _prune(item, inner, f"{path}.{name}", unknown) for name, item in value.items()}
    return _members(value, _known().structs[int(type_)], path, unknown)


def _members(value: Any, fields: Struct, path: str, unknown: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        if name in fields:
            kept[name] = _prune(item, fields[name], f"{path}.{name}", unknown)
        elif OPEN in fields:
            kept[name] = item
        else:
            unknown.append(f"{path}.{name}")
    return kept
