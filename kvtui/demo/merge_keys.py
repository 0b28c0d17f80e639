"""Which lists of objects merge by a key, as the Go types of Kubernetes declare (``patchMergeKey``).

Lists that are not named here are replaced as a whole: tolerations, taints, command, and all lists of custom resources.
"""

from __future__ import annotations

Path = tuple[str, ...]
"""The names of the fields from the top of the object, without list positions."""

_BY_NAME = ("containers", "initContainers", "ephemeralContainers", "volumes", "env", "imagePullSecrets")
_MERGE_KEYS = {
    **dict.fromkeys((*_BY_NAME, "resourceClaims", "schedulingGates"), "name"),
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "addresses": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
}
_OWNERS = ("metadata", "ownerReferences")
_SETS = {("metadata", "finalizers"), ("spec", "podCIDRs")}


def merge_key(path: Path, *, custom: bool) -> str | None:
    """The field that identifies the elements of the list at `path`, or None for a list that is replaced."""
    if path[-2:] == _OWNERS:
        return "uid"
    if custom:
        return None
    if path[-1] == "ports":
        return "containerPort" if len(path) > 1 and path[-2] in _BY_NAME else "port"
    return _MERGE_KEYS.get(path[-1])


def merges_as_set(path: Path) -> bool:
    """Whether the list at `path` holds plain values that merge instead of being replaced."""
    return path[-2:] in _SETS
