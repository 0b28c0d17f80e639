"""Which lists of built-in kinds merge by keys: a strategic merge and a server-side apply declare it apart.

Sources, of k8s.io/api 0.36: the tags ``patchStrategy`` and ``patchMergeKey`` and the markers ``+listType`` and
``+listMapKey`` of ``core/v1/types.go`` and ``apps/v1/types.go``; the same of apimachinery ``pkg/apis/meta/v1/types.go``
and of the ``types.go`` of APIService and CustomResourceDefinition. Lists that are not named here are replaced as a
whole: tolerations, taints, command. For custom resources the demo replaces all lists; the real server goes by
``x-kubernetes-list-type`` of their CRDs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Path = tuple[str, ...]
"""The names of the fields from the top of the object, without list positions."""

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_BY_NAME = (*_CONTAINERS, "volumes", "env", "imagePullSecrets", "resourceClaims", "schedulingGates")
_MERGE_KEYS = {
    **dict.fromkeys((*_BY_NAME, "resourceClaimStatuses"), "name"),
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "addresses": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
}
_FURTHER_KEYS = {"ports": ("protocol",), "topologySpreadConstraints": ("whenUnsatisfiable",)}
_DEFAULTS = {"protocol": "TCP"}
_OWNERS = ("metadata", "ownerReferences")
_SETS = {("metadata", "finalizers"), ("spec", "podCIDRs")}


def merge_key(path: Path) -> str | None:
    """The field by which a strategic merge knows the elements of the list at `path`; None for a list it replaces."""
    if path[-2:] == _OWNERS:
        return "uid"
    if path[-1] == "ports":
        return "containerPort" if len(path) > 1 and path[-2] in _CONTAINERS else "port"
    return _MERGE_KEYS.get(path[-1])


def apply_keys(path: Path, *, custom: bool) -> tuple[str, ...]:
    """The fields by which an apply knows the elements of the list at `path`; none for a list that it replaces."""
    if path[-2:] == _OWNERS:
        return ("uid",)
    if custom or path[-1] == "hostIPs":
        return ()
    if path[-2:] == ("resources", "claims"):
        return ("name",)
    key = merge_key(path)
    return (key, *_FURTHER_KEYS.get(path[-1], ())) if key else ()


def identity_of(entry: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """What an apply knows an element of a list by; a key that is absent and has no default is left out."""
    found = {key: entry.get(key, _DEFAULTS.get(key)) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def merges_as_set(path: Path) -> bool:
    """Whether the list at `path` holds plain values that merge instead of being replaced."""
    return path[-2:] in _SETS
