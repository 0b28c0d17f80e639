"""What KubeVirt's webhooks say to snapshots, restores, clones and exports.

Source: KubeVirt ``pkg/storage/admitters`` and ``vmclone-admitter.go``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kvtui.demo import kinds
from kvtui.demo.durations import seconds_of
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_SNAPSHOT = "virtualmachinesnapshot-validator.snapshot.kubevirt.io"
_RESTORE = "virtualmachinerestore-validator.snapshot.kubevirt.io"
_CLONE = "vm-clone-validator.kubevirt.io"
_EXPORT = "virtualmachineexport-validator.export.kubevirt.io"
_MAC = re.compile(r"[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)
_NEGATION = "NegationChar can be only used at the beginning of the filter"
_WILDCARD = "WildcardChar can be only at the end of the filter"


def _refuse(webhook: str, causes: list[tuple[str, str]]) -> None:
    """Raise 422 for what is wrong, given as pairs of field and sentence."""
    if not causes:
        return
    told = [{"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in causes]
    words = f'admission webhook "{webhook}" denied the request: {", ".join(message for _, message in causes)}'
    raise StorageError(422, "Invalid", words, {"causes": told})


def _check_duration(webhook: str, obj: Object, field: str) -> None:
    given = obj["spec"].get(field)
    if given is None:
        return
    try:
        seconds_of(given)
    except ValueError as error:
        words = f'admission webhook "{webhook}" denied the request: {error}'
        raise StorageError(400, "", words) from None


def _frozen(webhook: str, obj: Object, old: Object, words: str) -> Object:
    if obj.get("spec") != old.get("spec"):
        _refuse(webhook, [("spec", words)])
    return obj


def admit_snapshot(_world: World, snapshot: Object, old: Object | None) -> Object:
    """Of a machine, and never changed."""
    if old is not None:
        return _frozen(_SNAPSHOT, snapshot, old, "spec in immutable after creation")
    _check_duration(_SNAPSHOT, snapshot, "failureDeadline")
    _refuse(_SNAPSHOT, _reference_causes("spec.source", snapshot["spec"]["source"]))
    return snapshot


def _reference_causes(path: str, source: Object) -> list[tuple[str, str]]:
    if source.get("apiGroup") is None:
        return [(f"{path}.apiGroup", "missing apiGroup")]
    if source["apiGroup"] != "kubevirt.io":
        return [(f"{path}.apiGroup", "invalid apiGroup")]
    return [] if source["kind"] == "VirtualMachine" else [(f"{path}.kind", "invalid kind")]


def admit_restore(world: World, restore: Object, old: Object | None) -> Object:
    """To a machine, one at a time."""
    if old is not None:
        return _frozen(_RESTORE, restore, old, "spec in immutable after creation")
    spec = restore["spec"]
    spec.setdefault("targetReadinessPolicy", "WaitGracePeriod")
    causes = _reference_causes("spec.target", spec["target"])
    for patch in spec.get("patches", ()):
        causes += [("spec.patches", words) for words in _patch_faults(patch)]
    for other in world.storage.list(kinds.RESTORE, restore["metadata"]["namespace"]):
        if other["spec"]["target"] == spec["target"] and not other.get("status", {}).get("complete"):
            causes.append(("spec.target", f'VirtualMachineRestore "{other["metadata"]["name"]}" in progress'))
    _refuse(_RESTORE, causes)
    return restore


def _patch_faults(text: str) -> list[str]:
    try:
        path = str(json.loads(text).get("path", ""))
    except (ValueError, AttributeError):
        return [f'patch format is not valid - one ":" expected in a single key-value json patch: {text}']
    if path.startswith(("/metadata/labels/", "/metadata/annotations/", "/spec/")):
        return []
    return [f'patching is valid only for elements under /spec/ only: "path": "{path}"']


def admit_clone(_world: World, clone: Object, old: Object | None) -> Object:
    """Of a machine or a snapshot, into a machine of another name."""
    spec = clone["spec"]
    if old is not None:
        return _frozen(_CLONE, clone, old, "spec is immutable")
    causes = []
    template = spec.get("template") or {}
    for field, filters in (
        ("spec.annotations", spec.get("annotationFilters")),
        ("spec.labels", spec.get("labelFilters")),
        ("spec.template.annotations", template.get("annotationFilters")),
        ("spec.template.labels", template.get("labelFilters")),
    ):
        causes += [(field, words) for words in _filter_faults(field, filters or ())]
    source = spec["source"]
    if source["kind"] not in ("VirtualMachine", "VirtualMachineSnapshot"):
        causes.append(("spec.Source.Kind", "Source kind is not supported"))
    if not source.get("apiGroup"):
        causes.append(("spec.Source.APIGroup", "Source's APIGroup cannot be empty"))
    name = clone["metadata"].get("name", "clone")
    target = spec.setdefault(
        "target", {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": f"clone-{source['name']}-{name}"[:63]}
    )
    if target["kind"] != "VirtualMachine":
        causes.append(("spec.Target.Kind", "Target kind is not supported"))
    if source["kind"] == "VirtualMachine" and target["name"] == source["name"]:
        words = "Target name cannot be equal to source name when both are VirtualMachines"
        causes.append(("spec.target.name", words))
    for interface, mac in (spec.get("newMacAddresses") or {}).items():
        if mac and not _MAC.fullmatch(mac):
            words = f"interface {interface} has malformed MAC address ({mac})."
            causes.append((f"spec.newMacAddresses.{interface}", words))
    _refuse(_CLONE, causes)
    return clone


def _filter_faults(field: str, filters: Any) -> list[str]:
    found = []
    for text in filters:
        if text == "!":
            found.append("a negation character is not a valid filter")
        if "!" in text[1:]:
            lead = f"{field} filter {text} is invalid: cannot contain a negation character (!)"
            found.append(f"{lead}; FilterRules: {_NEGATION}")
        if len(text) > 1 and "*" in text[:-1]:
            lead = f"{field} filter {text} is invalid: cannot contain a wildcard character (*)"
            found.append(f"{lead}; FilterRules: {_WILDCARD}")
    return found


_SOURCES = {
    "PersistentVolumeClaim": (None, ""),
    "VirtualMachine": ("kubevirt.io",),
    "VirtualMachineSnapshot": ("snapshot.kubevirt.io",),
}


def admit_export(_world: World, export: Object, old: Object | None) -> Object:
    """Of a claim, a machine or a snapshot."""
    if old is not None:
        return _frozen(_EXPORT, export, old, "spec in immutable after creation")
    _check_duration(_EXPORT, export, "ttlDuration")
    source = export["spec"]["source"]
    groups = _SOURCES.get(source["kind"])
    causes = []
    if groups is None:
        causes.append(("spec.source.kind", "invalid kind"))
    elif source.get("apiGroup") not in groups:
        causes.append(("spec.source.apiGroup", "invalid apiGroup"))
    if not source.get("name"):
        causes.append(("spec.source.name", "source name must not be empty"))
    _refuse(_EXPORT, causes)
    return export


def held_causes(vm: Object, old: Object) -> list[Object]:
    """Why a machine may not be changed so: a snapshot is being taken of it, or it is being restored."""
    status = old.get("status", {})
    snapshot, restore = status.get("snapshotInProgress"), status.get("restoreInProgress")
    before, now = old.get("spec") or {}, vm.get("spec") or {}
    words = ""
    if snapshot and _volumes(before) != _volumes(now):
        words = f'Cannot update vm disks or volumes until snapshot "{snapshot}" completes'
    elif snapshot and (before.get("runStrategy"), before.get("running")) != (
        now.get("runStrategy"),
        now.get("running"),
    ):
        words = f'Cannot update vm running state until snapshot "{snapshot}" completes'
    elif restore and (before.get("runStrategy"), before.get("running")) != (
        now.get("runStrategy"),
        now.get("running"),
    ):
        words = f'Cannot start VM until restore "{restore}" completes'
    return [{"reason": "FieldValueNotSupported", "message": words, "field": "spec"}] if words else []


def _volumes(spec: Object) -> Any:
    template = (spec.get("template") or {}).get("spec") or {}
    disks = ((template.get("domain") or {}).get("devices") or {}).get("disks")
    return template.get("volumes"), disks


ADMITTERS = {
    kinds.SNAPSHOT: admit_snapshot,
    kinds.RESTORE: admit_restore,
    kinds.CLONE: admit_clone,
    kinds.EXPORT: admit_export,
}
"""By kind, as `admission` calls them."""
