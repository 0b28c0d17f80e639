"""What the API server's defaults and the webhooks of KubeVirt and CDI do to objects on their way in.

Sources: KubeVirt 1.9 ``pkg/virt-api/webhooks`` (reference sections 2.3, 2.10, 3.4), CDI ``pkg/apiserver/webhooks``
(section 6.3), recordings ``create-invalid-*`` and ``vmim-create-*``.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from kvtui.demo import kinds
from kvtui.demo.catalog.owners import POLICY, PROTECTION
from kvtui.demo.catalog.virtualmachines import default_machine
from kvtui.demo.controllers.instance import complete_instance
from kvtui.demo.controllers.migration import FINALIZER
from kvtui.demo.controllers.nodes import NOT_READY
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.controllers.protection import CLAIM_FINALIZER, VOLUME_FINALIZER
from kvtui.demo.copy_admission import ADMITTERS as _COPY_ADMITTERS
from kvtui.demo.copy_admission import held_causes
from kvtui.demo.disk_admission import check_claim_change, source_fault
from kvtui.demo.metadata import invalid
from kvtui.demo.objects import add_finalizer, amount, condition, copy_of
from kvtui.demo.storage import Kind, Object, StorageError
from kvtui.demo.validation import check_fields

if TYPE_CHECKING:
    from kvtui.demo.world import World

_HOTPLUG_BLOCK = 2 * 2**20
_HOTPLUG_LEAST = 2**30
Operation = Literal["CREATE", "UPDATE", "DELETE"]
_STRATEGIES = ("Always", "Halted", "Manual", "Once", "RerunOnFailure", "WaitAsReceiver")
_Admitter = Callable[["World", Object, Object | None], Object]


def admit(world: World, kind: Kind, obj: Object, old: Object | None, operation: Operation) -> Object:
    """The object as it is to be stored: a copy with defaults.

    Raises StorageError with the webhook's code and words when it is refused.
    """
    _reach_webhook(world, kind)
    admitter = _ADMITTERS.get(kind)
    if operation == "DELETE":
        _check_protection(world, kind, obj)
        return obj
    checked = check_fields(kind, obj)
    return checked if admitter is None else admitter(world, copy_of(checked), old)


def tell_warnings(kind: Kind, obj: Object) -> list[str]:
    """What the webhooks warn of when they let an object through: KubeVirt's ``admitters/vms-admitter.go``."""
    if kind is kinds.VM and "running" in obj.get("spec", {}):
        return ["spec.running is deprecated, please use spec.runStrategy instead."]
    return []


def _reach_webhook(world: World, kind: Kind) -> None:
    """A webhook whose failurePolicy is Fail and that nobody answers (apiserver ``webhook/request``, reference 9.7)."""
    if kind in (kinds.VM, kinds.VMI) and "virt-api" in world.down:
        words = (
            f'failed calling webhook "{kind.plural}-mutator.kubevirt.io": failed to call webhook: Post '
            f'"https://virt-api.kubevirt.svc:443/{kind.plural}-mutate?timeout=10s": no endpoints available for service '
            '"virt-api"'
        )
        raise StorageError(500, "InternalError", f"Internal error occurred: {words}")


def _denied(webhook: str, code: int, reason: str, message: str, details: Object | None = None) -> StorageError:
    return StorageError(code, reason, f'admission webhook "{webhook}" denied the request: {message}', details)


def _invalid(webhook: str, causes: list[Object], joint: str = ", ", lead: str = "") -> StorageError:
    """422 with causes, their messages joined as the webhook does."""
    message = lead + joint.join(cause["message"] for cause in causes)
    return _denied(webhook, 422, "Invalid", message, {"causes": causes})


def _cause(field: str, message: str, reason: str = "FieldValueInvalid") -> Object:
    return {"reason": reason, "message": message, "field": field}


def _check_protection(world: World, kind: Kind, obj: Object) -> None:
    """The admission policy of the SSP operator; its answer: apiserver ``pkg/admission/plugin/policy/validating``."""
    if kind is not kinds.VM or obj["metadata"].get("labels", {}).get(PROTECTION) not in ("true", "True"):
        return
    if any(
        world.storage.find(one, "", POLICY) is None for one in (kinds.ADMISSION_POLICY, kinds.ADMISSION_POLICY_BINDING)
    ):
        return
    name = obj["metadata"]["name"]
    words = (
        f"VirtualMachine {name} cannot be deleted, disable/remove label '{PROTECTION}' from VirtualMachine before "
        "deleting it"
    )
    told = f"ValidatingAdmissionPolicy '{POLICY}' with binding '{POLICY}' denied request: {words}"
    details = {"name": name, "group": kind.group, "kind": kind.plural, "causes": [{"message": told}]}
    raise StorageError(422, "Invalid", f'{kind.resource} "{name}" is forbidden: {told}', details)


# VirtualMachine

_VM_VALIDATOR = "virtualmachine-validator.kubevirt.io"


def _admit_machine(world: World, vm: Object, old: Object | None) -> Object:
    causes = _machine_causes(vm.get("spec") or {}) + (held_causes(vm, old) if old is not None else [])
    if causes:
        raise _invalid(_VM_VALIDATOR, causes)
    # KubeVirt's mutator writes the spec anew, and Go leaves out no structs.
    vm["spec"]["template"].setdefault("spec", {}).setdefault("domain", {"devices": {}})
    if old is None:
        default_machine(vm, _random_uuid(world), _random_uuid(world))
    return vm


def _machine_causes(spec: Object) -> list[Object]:
    causes: list[Object] = []
    if "template" not in spec:
        return [_cause("spec.template", "missing virtual machine template.", "FieldValueRequired")]
    if "running" in spec and "runStrategy" in spec:
        causes.append(_cause("spec.running", "Running and RunStrategy are mutually exclusive"))
    elif "running" not in spec and "runStrategy" not in spec:
        causes.append(_cause("spec.running", "One of Running or RunStrategy must be specified"))
    elif "runStrategy" in spec and spec["runStrategy"] not in _STRATEGIES:
        causes.append(_cause("spec.runStrategy", f"Invalid RunStrategy ({spec['runStrategy']})"))
    for number, template in enumerate(spec.get("dataVolumeTemplates") or ()):
        if not template.get("metadata", {}).get("name"):
            field = f"spec.dataVolumeTemplate[{number}].name"
            words = f"'name' field must not be empty for DataVolumeTemplate entry {field}."
            causes.append(_cause(field, words, "FieldValueRequired"))
    path, inner = "spec.template.spec", spec["template"].get("spec") or {}
    causes += _hotplug_causes(path, (inner.get("domain") or {}).get("memory") or {})
    return causes + _instance_causes(path, inner)


def _instance_causes(path: str, spec: Object) -> list[Object]:
    """Disks need volumes and interfaces networks of their name; memory must be positive."""
    causes = []
    domain = spec.get("domain") or {}
    devices = domain.get("devices") or {}
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    networks = {network.get("name") for network in spec.get("networks") or ()}
    for number, disk in enumerate(devices.get("disks") or ()):
        if disk.get("name") not in volumes:
            field = f"{path}.domain.devices.disks[{number}].Name"
            causes.append(_cause(field, f"{field} '{disk.get('name', '')}' not found."))
    for number, interface in enumerate(devices.get("interfaces") or ()):
        if networks and interface.get("name") not in networks:
            field = f"{path}.domain.devices.interfaces[{number}].name"
            causes.append(_cause(field, f"{field} '{interface.get('name', '')}' not found."))
    guest = (domain.get("memory") or {}).get("guest")
    if guest is not None and amount(guest) <= 0:
        field = f"{path}.domain.memory.guest"
        causes.append(_cause(field, f"{field} '{guest}': must be greater than 0."))
    return causes


def _hotplug_causes(path: str, memory: Object) -> list[Object]:
    """``ValidateLiveUpdateMemory``, for machines that say how far their memory may grow."""
    if "maxGuest" not in memory:
        return []
    field, guest = f"{path}.domain.memory.guest", amount(memory.get("guest", "0"))
    words = ""
    if "guest" not in memory:
        words = "Guest memory must be configured when memory hotplug is enabled"
    elif guest > amount(memory["maxGuest"]):
        words = "Guest memory is greater than the configured maxGuest memory"
    elif guest % _HOTPLUG_BLOCK:
        words = "Guest memory must be 2Mi aligned"
    elif guest < _HOTPLUG_LEAST:
        words = "Memory hotplug is only available for VMs with at least 1Gi of guest memory"
    return [_cause(field, words)] if words else []


def _random_uuid(world: World) -> str:
    return str(uuid.UUID(int=world.random.getrandbits(128), version=4))


# VirtualMachineInstance

_VMI_CREATE = "virtualmachineinstances-create-validator.kubevirt.io"
_VMI_UPDATE = "virtualmachineinstances-update-validator.kubevirt.io"


def _admit_instance(world: World, vmi: Object, old: Object | None) -> Object:
    if old is not None:
        if vmi.get("spec") != old.get("spec"):
            told = "update of VMI object is restricted"
            raise _invalid(_VMI_UPDATE, [_cause("", told, "FieldValueNotSupported")])
        # The kind has no status subresource, so an update without status would take the controllers' ground away.
        if not vmi.get("status"):
            vmi["status"] = old.get("status") or {}
        return vmi
    causes = _instance_causes("spec", vmi.setdefault("spec", {}))
    if causes:
        raise _invalid(_VMI_CREATE, causes)
    vmi["spec"].setdefault("domain", {}).setdefault("firmware", {}).setdefault("uuid", _random_uuid(world))
    return complete_instance(world, vmi)


# VirtualMachineInstanceMigration

_MIGRATION_CREATE = "migration-create-validator.kubevirt.io"
_MIGRATION_UPDATE = "migration-update-validator.kubevirt.io"


def _admit_migration(world: World, job: Object, old: Object | None) -> Object:
    if old is not None:
        if job.get("spec") != old.get("spec"):
            told = "update of Migration object's spec is restricted"
            raise _invalid(_MIGRATION_UPDATE, [_cause("", told, "FieldValueNotSupported")])
        return job
    meta, spec = job["metadata"], job.get("spec") or {}
    name, namespace = spec.get("vmiName", ""), meta.get("namespace", "")
    if not name:
        raise _invalid(_MIGRATION_CREATE, [_cause("spec.vmiName", "vmiName is missing", "FieldValueRequired")])
    if spec.get("priority"):
        told = "Migration priority queue, only virt-controller is allowed to set priority field"
        raise _invalid(_MIGRATION_CREATE, [_cause("spec.priority", told)])
    _check_movable(world, namespace, name)
    meta.setdefault("labels", {})["kubevirt.io/vmi-name"] = name
    if FINALIZER not in meta.setdefault("finalizers", []):
        meta["finalizers"].append(FINALIZER)
    return job


def _check_movable(world: World, namespace: str, name: str) -> None:
    vmi = world.storage.find(kinds.VMI, namespace, name)
    if vmi is None:
        raise _denied(_MIGRATION_CREATE, 400, "", f'the VMI "{namespace}/{name}" does not exist')
    if vmi["status"].get("phase") in FINAL:
        raise _denied(_MIGRATION_CREATE, 400, "", "Cannot migrate VMI in finalized state.")
    movable = condition(vmi, "LiveMigratable")
    if movable and movable["status"] == "False":
        told = f"Cannot migrate VMI, Reason: {movable.get('reason', '')}, Message: {movable.get('message', '')}"
        raise _denied(_MIGRATION_CREATE, 400, "", told)
    for job in world.storage.list(kinds.VMIM, namespace):
        if job["spec"].get("vmiName") == name and job.get("status", {}).get("phase") not in FINAL:
            told = (
                f"in-flight migration detected. Active migration job ({job['metadata']['uid']}) is currently already "
                f"in progress for VMI {name}."
            )
            raise _denied(_MIGRATION_CREATE, 400, "", told)


# DataVolume

_DV_VALIDATOR = "datavolume-validate.cdi.kubevirt.io"
_SOURCES = ("http", "s3", "gcs", "registry", "pvc", "snapshot", "upload", "blank", "imageio", "vddk")


def _admit_data_volume(world: World, volume: Object, old: Object | None) -> Object:
    if old is not None:
        if volume.get("spec") != old.get("spec"):
            raise _bad_volume("spec", "Cannot update DataVolume Spec")
        return volume
    spec = volume.get("spec") or {}
    meta = volume["metadata"]
    source = spec.get("source")
    if source is None and not spec.get("sourceRef"):
        told = "Data volume should have either Source or SourceRef, or be externally populated"
        raise _bad_volume("spec.source", told)
    if source is not None:
        given = [name for name in _SOURCES if name in source]
        if not given:
            raise _bad_volume("spec.source", "Missing source")
        if len(given) > 1:
            raise _bad_volume("spec.source", "Multiple dataVolume sources")
    if spec.get("pvc") is None and spec.get("storage") is None:
        raise _bad_volume("spec.PVC", "Missing Data volume PVC")
    if _is_sizeless(spec):
        raise _bad_volume("spec.PVC", "PVC size is missing")
    if spec.get("pvc") is not None and spec.get("storage") is not None:
        told = "Duplicate storage definition, both target storage and target pvc defined"
        raise _bad_volume("spec.PVC", told)
    field, words = source_fault(world, source or {})
    if words:
        raise _bad_volume(field, words)
    name = meta.get("name", "")
    if name and world.storage.find(kinds.PVC, meta.get("namespace", ""), name):
        raise _bad_volume("DataVolume.Name", f"Destination PVC {meta.get('namespace', '')}/{name} already exists")
    return volume


def _is_sizeless(spec: Object) -> bool:
    """Whether nothing tells the size; copies of claims and snapshots take that of their source."""
    if spec.get("sourceRef") or {"pvc", "snapshot"} & spec.get("source", {}).keys():
        return False
    wanted = spec.get("pvc") or spec.get("storage") or {}
    return "storage" not in wanted.get("resources", {}).get("requests", {})


def _bad_volume(field: str, message: str) -> StorageError:
    # CDI puts a blank before each cause.
    return _invalid(_DV_VALIDATOR, [_cause(field, message)], joint=" ", lead=" ")


# Kubernetes' own defaults


def _admit_claim(world: World, claim: Object, old: Object | None) -> Object:
    spec = claim.setdefault("spec", {})
    if old is not None:
        _check_claim(claim)
        check_claim_change(world, claim, old)
        return claim
    if "storageClassName" not in spec:
        for item in world.storage.list(kinds.STORAGE_CLASS):
            if item["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true":
                spec["storageClassName"] = item["metadata"]["name"]
    spec.setdefault("volumeMode", "Filesystem")
    _check_claim(claim)
    add_finalizer(claim, CLAIM_FINALIZER)
    claim["status"] = {"phase": "Pending"}
    return claim


def _admit_volume(_world: World, volume: Object, old: Object | None) -> Object:
    if old is None:
        add_finalizer(volume, VOLUME_FINALIZER)
    return volume


def _check_claim(claim: Object) -> None:
    """``ValidatePersistentVolumeClaimSpec``: a claim says how it is used, and how much of it."""
    name, spec = claim["metadata"].get("name", ""), claim["spec"]
    if not spec.get("accessModes"):
        words = "Required value: at least 1 access mode is required"
        raise invalid(kinds.PVC, name, "spec.accessModes", "FieldValueRequired", words)
    if "storage" not in spec.get("resources", {}).get("requests", {}):
        raise invalid(kinds.PVC, name, "spec.resources[storage]", "FieldValueRequired", "Required value")


def _admit_storage_class(_world: World, storage_class: Object, _old: Object | None) -> Object:
    if not storage_class.get("provisioner"):
        name = storage_class["metadata"].get("name", "")
        raise invalid(kinds.STORAGE_CLASS, name, "provisioner", "FieldValueRequired", "Required value")
    return {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"} | storage_class


def _admit_node(_world: World, node: Object, old: Object | None) -> Object:
    """A node whose kubelet has never reported: nothing is known of it, and the node controllers keep pods away."""
    spec, status = node.setdefault("spec", {}), node.setdefault("status", {})
    if old is not None:
        return node
    for part in ("capacity", "allocatable"):
        status.setdefault(part, {})
    taints = spec.setdefault("taints", [])
    if not any(taint["key"] == NOT_READY for taint in taints):
        taints.append({"key": NOT_READY, "effect": "NoSchedule"})
    return node


def _admit_pod(_world: World, pod: Object, old: Object | None) -> Object:
    if old is not None:
        return pod
    spec = pod.setdefault("spec", {})
    for name, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("schedulerName", "default-scheduler"),
        ("dnsPolicy", "ClusterFirst"),
    ):
        spec.setdefault(name, value)
    spec.setdefault("containers", [])
    pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    return pod


def _admit_secret(_world: World, secret: Object, _old: Object | None) -> Object:
    """``stringData`` is written only: it goes into ``data``."""
    texts = secret.pop("stringData", {})
    if texts:
        secret.setdefault("data", {}).update(
            {name: base64.b64encode(value.encode()).decode() for name, value in texts.items()}
        )
    return {"type": "Opaque"} | secret


def _admit_namespace(_world: World, namespace: Object, old: Object | None) -> Object:
    if old is None:
        labels = namespace["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = namespace["metadata"].get("name", "")
        namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        namespace["status"] = {"phase": "Active"}
    return namespace


_ADMITTERS: dict[Kind, _Admitter] = {
    kinds.VM: _admit_machine,
    kinds.VMI: _admit_instance,
    kinds.VMIM: _admit_migration,
    kinds.DATA_VOLUME: _admit_data_volume,
    kinds.PVC: _admit_claim,
    kinds.PV: _admit_volume,
    kinds.POD: _admit_pod,
    kinds.NAMESPACE: _admit_namespace,
    kinds.STORAGE_CLASS: _admit_storage_class,
    kinds.NODE: _admit_node,
    kinds.SECRET: _admit_secret,
    **_COPY_ADMITTERS,
}
