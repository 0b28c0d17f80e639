"""What virt-api does when a machine is started, stopped, paused or moved: its checks, codes and words.

A verb changes the objects (run strategy, state change requests, conditions); the controllers do the rest. All raise
StorageError as virt-api would answer, and change nothing with ``dryRun`` in the options. Sources: KubeVirt 1.9
``pkg/virt-api/rest/lifecycle.go`` (reference sections 3.1 and 3.2), recordings ``act-*`` to ``vmim-*``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.controllers.printable import FINAL, run_strategy
from kvtui.demo.copy_admission import held_causes
from kvtui.demo.managers import written_by
from kvtui.demo.objects import copy_of, has_condition
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_RECOVERY = (
    "VM recovery required: Volume migration failed, leaving some volumes pointing to non-consistent targets; "
    "manual intervention is needed to reassign them to their original volumes"
)
_UNDERWAY = "unable to complete request: stop/start already underway"


def _refusal(code: int, reason: str, message: str, resource: str, name: str) -> StorageError:
    return StorageError(code, reason, message, {"name": name, "group": "kubevirt.io", "kind": resource})


def _not_found(resource: str, name: str) -> StorageError:
    return _refusal(404, "NotFound", f'{resource}.kubevirt.io "{name}" not found', resource, name)


def _conflict(resource: str, name: str, why: str) -> StorageError:
    message = f'Operation cannot be fulfilled on {resource}.kubevirt.io "{name}": {why}'
    return _refusal(409, "Conflict", message, resource, name)


def _bad_request(message: str) -> StorageError:
    return StorageError(400, "BadRequest", message)


def _internal(message: str) -> StorageError:
    return StorageError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def _vm(world: World, namespace: str, name: str) -> Object:
    found = world.storage.find(kinds.VM, namespace, name)
    if found is None:
        raise _not_found("virtualmachine", name)
    return found


def _vmi(world: World, namespace: str, name: str) -> Object:
    found = world.storage.find(kinds.VMI, namespace, name)
    if found is None:
        raise _not_found("virtualmachineinstance", name)
    return found


def _running(vmi: Object, words: str) -> None:
    if vmi["status"].get("phase") != "Running":
        raise _conflict("virtualmachineinstance", vmi["metadata"]["name"], words)


def _only_checked(options: Object) -> bool:
    return bool(options.get("dryRun"))


def start(world: World, namespace: str, name: str, options: Object) -> None:
    """Start a machine; option `paused`."""
    vm = _vm(world, namespace, name)
    vmi = world.storage.find(kinds.VMI, namespace, name)
    phase = vmi["status"].get("phase", "") if vmi else ""
    if vmi and phase not in (*FINAL, "", "Unknown"):
        raise _conflict("virtualmachine", name, "VM is already running")
    if has_condition(vm, "ManualRecoveryRequired", "True"):
        raise _conflict("virtualmachine", name, _RECOVERY)
    strategy = run_strategy(vm)
    if strategy in ("Always", "Once"):
        raise _conflict("virtualmachine", name, f"{strategy} does not support manual start requests")
    if strategy == "RerunOnFailure" and phase == "Failed":
        raise _conflict("virtualmachine", name, "RerunOnFailure does not support starting VM from failed state")
    request: Object = {"action": "Start"}
    if options.get("paused"):
        request["data"] = {"paused": "true"}
    elif strategy == "Halted":
        if not _only_checked(options):
            _set_strategy(world, namespace, name, running=True)
        return
    if _requests(vm):
        raise _internal(_UNDERWAY)
    if not _only_checked(options) and strategy != "WaitAsReceiver":
        _ask(world, namespace, name, [request])


def stop(world: World, namespace: str, name: str, options: Object) -> None:
    """Stop a machine; option `gracePeriod` in seconds, 0 forces."""
    vm = _vm(world, namespace, name)
    vmi = world.storage.find(kinds.VMI, namespace, name)
    strategy = run_strategy(vm)
    grace = options.get("gracePeriod")
    runs = vmi is not None and vmi["status"].get("phase") not in FINAL
    if strategy == "Halted":
        if vmi is None or not runs:
            raise _conflict("virtualmachine", name, "VM is not running")
        if grace is None or grace >= vmi["spec"].get("terminationGracePeriodSeconds", 30):
            why = "Halted only supports manual stop requests with a shorter graceperiod"
            raise _conflict("virtualmachine", name, why)
    elif strategy in ("Manual", "RerunOnFailure") and not runs:
        raise _conflict("virtualmachine", name, "VM is not running")
    if _only_checked(options) or strategy == "WaitAsReceiver":
        return
    if grace is not None and vmi:
        _shorten(world, namespace, name, int(grace))
    if strategy in ("Always", "Once"):
        _set_strategy(world, namespace, name, running=False)
    elif strategy != "Halted" and vmi:
        _ask(world, namespace, name, [{"action": "Stop", "uid": vmi["metadata"]["uid"]}])


def restart(world: World, namespace: str, name: str, options: Object) -> None:
    """Stop and start a machine; option `gracePeriodSeconds`, only 0."""
    grace = options.get("gracePeriodSeconds")
    if grace is not None and grace > 0:
        raise _bad_request("For force restart, only gracePeriod=0 is supported for now")
    if grace is not None and grace < 0:
        raise _bad_request("gracePeriod has to be greater or equal to 0")
    vm = _vm(world, namespace, name)
    strategy = run_strategy(vm)
    if strategy in ("Halted", "Once"):
        why = f"RunStategy {strategy} does not support manual restart requests"
        raise _conflict("virtualmachine", name, why)
    vmi = world.storage.find(kinds.VMI, namespace, name)
    if vmi is None:
        raise _conflict("virtualmachine", name, "VM is not running: Halted")
    if has_condition(vm, "VolumesChange", "True"):
        raise _conflict("virtualmachine", name, _RECOVERY)
    if _requests(vm):
        raise _internal(_UNDERWAY)
    if _only_checked(options):
        return
    if grace == 0:
        _shorten(world, namespace, name, 1)
    _ask(world, namespace, name, [{"action": "Stop", "uid": vmi["metadata"]["uid"]}, {"action": "Start"}])


def migrate(world: World, namespace: str, name: str, options: Object) -> None:
    """Move a running machine to another node; option `addedNodeSelector`."""
    _vm(world, namespace, name)
    vmi = _vmi(world, namespace, name)
    if vmi["status"].get("phase") != "Running":
        raise _conflict("virtualmachine", name, "VM is not running")
    job: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"generateName": "kubevirt-migrate-vm-", "namespace": namespace},
        "spec": {"vmiName": name},
    }
    if options.get("addedNodeSelector"):
        job["spec"]["addedNodeSelector"] = options["addedNodeSelector"]
    try:
        admitted = admit(world, kinds.VMIM, job, None, "CREATE")
    except StorageError as error:
        # virt-api passes the webhook's refusal on as an error of its own.
        raise _internal(error.message) from None
    if not _only_checked(options):
        world.storage.create(kinds.VMIM, admitted)


def pause(world: World, namespace: str, name: str, options: Object) -> None:
    """Halt the virtual CPUs of an instance."""
    vmi = _vmi(world, namespace, name)
    _running(vmi, "VM is not running")
    if "livenessProbe" in vmi["spec"] and "guestAgentPing" not in vmi["spec"]["livenessProbe"]:
        why = "Pausing VMIs with a non-GuestAgentPing LivenessProbe is not supported"
        message = f'virtualmachineinstance.kubevirt.io "{name}" is forbidden: {why}'
        raise _refusal(403, "Forbidden", message, "virtualmachineinstance", name)
    if has_condition(vmi, "Paused", "True"):
        raise _conflict("virtualmachineinstance", name, "VMI is already paused")
    if not _only_checked(options):
        world.handler.pause_guest(namespace, name, "PausedByUser", "VMI was paused by user")


def unpause(world: World, namespace: str, name: str, options: Object) -> None:
    """Let the virtual CPUs of an instance run again."""
    vmi = _vmi(world, namespace, name)
    _running(vmi, "VMI is not running")
    vm = world.storage.find(kinds.VM, namespace, name)
    if vm and vm.get("status", {}).get("snapshotInProgress"):
        raise _conflict("virtualmachine", name, "VM snapshot is in progress")
    if not has_condition(vmi, "Paused", "True"):
        raise _conflict("virtualmachineinstance", name, "VMI is not paused")
    if not _only_checked(options):
        world.handler.unpause_guest(namespace, name)


def freeze(world: World, namespace: str, name: str, options: Object) -> None:
    """Freeze the guest's file systems through its agent."""
    vmi = _vmi(world, namespace, name)
    _running(vmi, "VM is not running")
    if not has_condition(vmi, "AgentConnected", "True"):
        raise _internal(
            "unexpected return code 500 (500 Internal Server Error), message: LibvirtError(Code=86, Domain=10, "
            "Message='Guest agent is not responding: QEMU guest agent is not connected')"
        )
    if not _only_checked(options):
        _edit_instance(world, namespace, name, lambda found: found["status"].__setitem__("fsFreezeStatus", "frozen"))


def unfreeze(world: World, namespace: str, name: str, options: Object) -> None:
    """Thaw the guest's file systems."""
    vmi = _vmi(world, namespace, name)
    _running(vmi, "VMI is not running")
    if not _only_checked(options):
        _edit_instance(world, namespace, name, lambda found: found["status"].pop("fsFreezeStatus", None))


def softreboot(world: World, namespace: str, name: str, options: Object) -> None:
    """Reboot the guest through its agent or ACPI."""
    vmi = _vmi(world, namespace, name)
    _running(vmi, "VM is not running")
    if has_condition(vmi, "Paused", "True"):
        raise _conflict("virtualmachineinstance", name, "VMI is paused")
    acpi = vmi["spec"]["domain"].get("features", {}).get("acpi", {}).get("enabled", True)
    if not acpi and not has_condition(vmi, "AgentConnected", "True"):
        why = "VMI neither have the agent connected nor the ACPI feature enabled"
        raise _conflict("virtualmachineinstance", name, why)
    if not _only_checked(options):
        world.handler.reboot_guest(namespace, name)


def reset(world: World, namespace: str, name: str, options: Object) -> None:
    """Reset an instance hard, as by its reset button."""
    vmi = _vmi(world, namespace, name)
    phase = vmi["status"].get("phase")
    if phase != "Running":
        why = f"Failed to reset non-running VMI with phase {phase}"
        raise _conflict("virtualmachineinstance", name, why)
    if not _only_checked(options):
        world.handler.reboot_guest(namespace, name)


def evacuate_cancel(world: World, namespace: str, name: str, options: Object) -> None:
    """Take back the mark that an instance leaves its node; option `evacuationNodeName`, which must be that node's."""
    node = options.get("evacuationNodeName")
    if not node:
        raise _bad_request("No body")
    vmi = _vmi(world, namespace, name)
    marked = vmi["status"].get("evacuationNodeName")
    if not marked:
        return
    if marked != node:
        raise _internal("the server rejected our request due to an error in our request")
    if not _only_checked(options):
        _edit_instance(world, namespace, name, lambda found: found["status"].pop("evacuationNodeName", None))


# Help


def _requests(vm: Object) -> list[Object]:
    found: list[Object] = vm.get("status", {}).get("stateChangeRequests") or []
    return found


def _ask(world: World, namespace: str, name: str, requests: list[Object]) -> None:
    def ask(vm: Object) -> None:
        vm.setdefault("status", {})["stateChangeRequests"] = requests

    world.storage.modify(kinds.VM, namespace, name, ask)


def _set_strategy(world: World, namespace: str, name: str, *, running: bool) -> None:
    def switch(vm: Object) -> None:
        before = copy_of(vm)
        spec = vm["spec"]
        if "running" in spec and "runStrategy" not in spec:
            spec["running"] = running
        else:
            spec["runStrategy"] = "Always" if running else "Halted"
        if held := held_causes(vm, before):
            # virt-api passes the webhook's refusal on as an error of its own.
            words = 'admission webhook "virtualmachine-validator.kubevirt.io" denied the request: '
            raise _internal(words + held[0]["message"])

    world.storage.modify(kinds.VM, namespace, name, written_by(kinds.VM, "virt-api", world.clock.stamp(), switch))


def _shorten(world: World, namespace: str, name: str, grace: int) -> None:
    """Give the guest less time to shut down."""

    def shorten(vmi: Object) -> None:
        vmi["spec"]["terminationGracePeriodSeconds"] = grace

    _edit_instance(world, namespace, name, shorten)


def _edit_instance(world: World, namespace: str, name: str, change: Callable[[Object], object]) -> None:
    def edit(found: Object) -> None:
        change(found)

    world.storage.modify(kinds.VMI, namespace, name, edit)
