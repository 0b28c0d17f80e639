"""The check of an object that a client sends: types of its fields, required fields, label syntax.

The words: recording ``create-invalid-type`` for what KubeVirt's mutating webhooks see first; apiextensions-apiserver
``pkg/apiserver/validation`` for the other custom kinds; Go's ``encoding/json`` for the server's own; apimachinery
``pkg/apis/meta/v1/validation`` for labels.
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.cluster_schemas import KINDS as CLUSTERS
from kvtui.demo.copy_schemas import KINDS as COPIES
from kvtui.demo.metadata import Kind, Object, StorageError, bad_request, invalid
from kvtui.demo.owner_schemas import KINDS as OWNERS
from kvtui.demo.schemas import KINDS, META
from kvtui.demo.selectors import key_faults, value_faults
from kvtui.demo.shapes import Fault, MismatchError, Struct, fitted, json_type

_MUTATORS = {
    kinds.VM: "virtualmachines-mutator.kubevirt.io",
    kinds.VMI: "virtualmachineinstances-mutator.kubevirt.io",
}


def check_fields(kind: Kind, obj: Object) -> Object:
    """The object with null fields left out. Raises StorageError 400 or 422 for a field of a wrong type, and 422 for a
    missing one that is needed and for labels that cannot be.
    """
    parts = {"spec": Struct(f"{kind.kind}Spec"), "status": Struct(f"{kind.kind}Status")}
    shape = Struct(
        kind.kind,
        {"metadata": META}
        | parts
        | (CLUSTERS.get(kind) or KINDS.get(kind) or COPIES.get(kind) or OWNERS.get(kind, {})),
        ("spec",) if kind in COPIES or kind is kinds.POOL else (),
    )
    try:
        found: Object = fitted(obj, shape)
    except MismatchError as error:
        raise _refusal(kind, obj, error.fault) from None
    _check_labels(kind, found.get("metadata", {}))
    if kind is kinds.POD and not found.get("spec", {}).get("containers"):
        name = found.get("metadata", {}).get("name", "")
        raise invalid(kind, name, "spec.containers", "FieldValueRequired", "Required value")
    return found


def _check_labels(kind: Kind, metadata: Object) -> None:
    for key, value in metadata.get("labels", {}).items():
        for shown, faults in ((key, key_faults(key)), (value, value_faults(value))):
            if faults:
                told = [f'Invalid value: "{shown}": {fault}' for fault in faults]
                raise invalid(kind, metadata.get("name", ""), "metadata.labels", "FieldValueInvalid", *told)


def _refusal(kind: Kind, obj: Object, fault: Fault) -> StorageError:
    metadata = obj.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    shown = name if json_type(name) == "string" else ""
    if fault.kind == "required":
        return invalid(kind, shown, fault.path, "FieldValueRequired", "Required value")
    # Metadata is decoded by Go for every kind.
    if not kind.custom or fault.path.startswith("metadata"):
        given = {"integer": "number", "boolean": "bool"}.get(fault.given, fault.given)
        lead = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        told = f"json: cannot unmarshal {given} into Go struct field {fault.fields} of type {fault.go}"
        return bad_request(f"{lead}: {told}")
    if kind in _MUTATORS:
        given = {"integer": "number"}.get(fault.given, fault.given)
        told = f'{fault.path} in body must be of type {fault.wanted}: "{given}"'
        words = f'admission webhook "{_MUTATORS[kind]}" denied the request: {told}'
        return StorageError(422, "Invalid", words, {"causes": [{"message": told}]})
    told = f'Invalid value: "{fault.given}": {fault.path} in body must be of type {fault.wanted}: "{fault.given}"'
    return invalid(kind, shown, fault.path, "FieldValueTypeInvalid", told)
