"""virt-controller's loop for instances: launcher pod, phases up to Scheduled, readiness, clearing away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.binder import select_node
from kvtui.demo.controllers.events import HANDLER, VM_CONTROLLER
from kvtui.demo.controllers.instance import FINALIZERS, enter_phase
from kvtui.demo.controllers.kubelet import UNPAUSED
from kvtui.demo.controllers.launcher import LAUNCHER_IMAGE, OVERHEAD, claims_of, launcher_pod
from kvtui.demo.controllers.pod_security import violated_standard
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.controllers.quota import exceeded_quota
from kvtui.demo.objects import (
    binary,
    condition,
    deleting,
    has_condition,
    remove_condition,
    remove_finalizer,
    set_condition,
)
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_NO_POD = ("PodNotExists", "virt-launcher pod has not yet been scheduled")
_POD_TERMINATING = ("PodTerminating", "virt-launcher pod is terminating")
_NOT_RUNNING = ("GuestNotRunning", "Guest VM is not reported as running")
_LONGEST_RETRY = 300.0
"""Seconds between two attempts to make a pod that is refused."""


class VirtualMachineInstances(Controller):
    """Makes launcher pods and follows them."""

    component = "virt-controller"
    kinds = (kinds.VMI, kinds.POD, kinds.PVC, kinds.DATA_VOLUME)
    latency = 0.05

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._claims: dict[Key, set[Key]] = {}
        self._refusals: dict[str, int] = {}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Instances themselves, the instance of a launcher pod, and those that wait for a claim."""
        if change.kind is kinds.VMI:
            return ((change.namespace, change.name),)
        if change.kind is kinds.POD:
            name = change.labels.get("vm.kubevirt.io/name")
            return ((change.namespace, name),) if name else ()
        return sorted(self._claims.get((change.namespace, change.name), ()))

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one instance a step on."""
        vmi = self.storage.peek(kinds.VMI, namespace, name)
        if vmi is None:
            return
        pods = self._pods(vmi)
        phase = vmi["status"].get("phase", "")
        if deleting(vmi):
            self._clear_away(vmi, pods)
        elif phase == "Pending" and not pods:
            self._make_pod(vmi)
        elif phase in FINAL:
            self._write(vmi, pods, phase)
        else:
            self._follow(vmi, pods, phase)

    def _pods(self, vmi: Object) -> list[Object]:
        """The instance's launcher pods, oldest first."""
        owned = self.storage.owned(vmi["metadata"]["uid"])
        found = [self.storage.peek(kind, space, name) for kind, space, name in owned if kind is kinds.POD]
        return sorted((pod for pod in found if pod), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    # From nothing to a pod

    def _make_pod(self, vmi: Object) -> None:
        meta = vmi["metadata"]
        missing = self._missing_claim(vmi)
        if missing:
            told = f"PVC {meta['namespace']}/{missing} does not exist, waiting for it to appear"
            self._refuse(vmi, "FailedPvcNotFound", told, unschedulable=True)
            self.world.events.normal(kinds.VMI, vmi, VM_CONTROLLER, "FailedPvcNotFound", told)
            return
        if not self._data_volumes_ready(vmi):
            return
        key = (meta["namespace"], meta["name"])
        tries = self._refusals.get(meta["uid"], 0)
        if tries and not self._may_try(key, meta["uid"], tries):
            return
        network = self._missing_network(vmi)
        if network:
            told = f"failed to render launch manifest: failed to locate network attachment definition {network}"
            self._give_up(vmi, told, told)
            return
        pod = launcher_pod(vmi, block=self._block_claims(vmi))
        violation = violated_standard(self.storage, pod, self.random)
        if violation:
            told = f"failed to create pod for vmi {'/'.join(key)}, it needs a privileged namespace to run: {violation}"
            self._give_up(vmi, told, told)
            return
        refusal = exceeded_quota(self.storage, pod, self.random)
        if refusal:
            self._give_up(vmi, f"failed to create virtual machine pod: {refusal}", f"Error creating pod: {refusal}")
            return
        made = self.storage.create(kinds.POD, pod)
        self.world.events.normal(
            kinds.VMI, vmi, VM_CONTROLLER, "SuccessfulCreate", f"Created virtual machine pod {made['metadata']['name']}"
        )

    def _give_up(self, vmi: Object, told: str, event: str) -> None:
        """Say why there is no pod, and try again later."""
        uid = vmi["metadata"]["uid"]
        self._refuse(vmi, "FailedCreate", told)
        self.world.events.warning(kinds.VMI, vmi, VM_CONTROLLER, "FailedCreate", event)
        tries = self._refusals[uid] = self._refusals.get(uid, 0) + 1
        self._may_try((vmi["metadata"]["namespace"], vmi["metadata"]["name"]), uid, tries)

    def _may_try(self, key: Key, uid: str, tries: int) -> bool:
        """Whether the back-off after so many refusals is over; till then it is looked at again by itself."""
        return self.elapsed(key, uid, f"create {tries}", min(_LONGEST_RETRY, 5.0 * 2**tries))

    def _missing_network(self, vmi: Object) -> str:
        """The first NetworkAttachmentDefinition that is named and not there."""
        for network in vmi["spec"].get("networks", ()):
            named = network.get("multus", {}).get("networkName", "")
            space, _, name = named.rpartition("/")
            space = space or vmi["metadata"]["namespace"]
            if named and self.storage.find(kinds.NAD, space, name) is None:
                return f"{space}/{name}"
        return ""

    def _missing_claim(self, vmi: Object) -> str:
        meta = vmi["metadata"]
        missing = ""
        for _, claim in claims_of(vmi):
            self._claims.setdefault((meta["namespace"], claim), set()).add((meta["namespace"], meta["name"]))
            if self.storage.find(kinds.PVC, meta["namespace"], claim) is None:
                missing = missing or claim
        return missing

    def _data_volumes_ready(self, vmi: Object) -> bool:
        """Whether all DataVolumes hold their data; tells so in the condition DataVolumesReady."""
        meta = vmi["metadata"]
        found = [self.storage.find(kinds.DATA_VOLUME, meta["namespace"], claim) for _, claim in claims_of(vmi)]
        volumes = [volume for volume in found if volume]
        if not volumes:
            return True
        ready = all(volume.get("status", {}).get("phase") == "Succeeded" for volume in volumes)
        now = self.clock.stamp()
        told = ("True", "AllDVsReady", "All of the VMI's DVs are bound and ready")
        if not ready:
            told = ("False", "NotAllDVsReady", "Not all of the VMI's DVs are ready")
            self._consume(vmi, volumes)

        def write(found: Object) -> None:
            set_condition(found, "DataVolumesReady", told[0], now, told[1], told[2], probe=None)

        self.storage.modify(kinds.VMI, meta["namespace"], meta["name"], write)
        return ready

    def _consume(self, vmi: Object, volumes: list[Object]) -> None:
        """Be the first consumer that claims of such a storage class wait for: choose the node for them."""
        for volume in volumes:
            if volume.get("status", {}).get("phase") not in ("WaitForFirstConsumer", "PendingPopulation"):
                continue
            node = self.world.scheduler.node_for(launcher_pod(vmi))
            meta = volume["metadata"]
            claim = self.storage.find(kinds.PVC, meta["namespace"], meta["name"])
            if node and claim:
                select_node(self, claim, node)

    def _block_claims(self, vmi: Object) -> frozenset[str]:
        namespace = vmi["metadata"]["namespace"]
        found = {claim: self.storage.find(kinds.PVC, namespace, claim) for _, claim in claims_of(vmi)}
        return frozenset(name for name, claim in found.items() if claim and claim["spec"].get("volumeMode") == "Block")

    def _refuse(self, vmi: Object, reason: str, message: str, *, unschedulable: bool = False) -> None:
        now = self.clock.stamp()

        def write(found: Object) -> None:
            set_condition(found, "Ready", "False", now, *_NO_POD)
            set_condition(found, "Synchronized", "False", now, reason, message, probe=None)
            if unschedulable:
                set_condition(found, "PodScheduled", "False", now, "Unschedulable", message, probe=None)

        self.storage.modify(kinds.VMI, vmi["metadata"]["namespace"], vmi["metadata"]["name"], write)

    # From a pod to a guest

    def _follow(self, vmi: Object, pods: list[Object], phase: str) -> None:
        pod = current_pod(vmi, pods)
        if pod is None or pod["status"]["phase"] == "Failed":
            # The launcher went away under the guest.
            self._write(vmi, pods, "Failed")
            return
        if phase in ("", "Pending"):
            self._unpause_gate(pod, paused=False)
            self._write(vmi, pods, "Scheduling")
        elif phase == "Scheduling" and pod["status"]["phase"] == "Running":
            self._label_node(pod)
            self._write(vmi, pods, "Scheduled")
        elif phase == "Running":
            self._unpause_gate(pod, paused=has_condition(vmi, "Paused", "True"))
            self._write(vmi, pods, phase)
        else:
            self._write(vmi, pods, phase)

    def _unpause_gate(self, pod: Object, *, paused: bool) -> None:
        """Tell the kubelet through the readiness gate whether the guest is paused."""
        now = self.clock.stamp()
        wanted = (
            ("False", "Paused", "the virtual machine is paused")
            if paused
            else ("True", "NotPaused", "the virtual machine is not paused")
        )
        if has_condition(pod, UNPAUSED, wanted[0]):
            return
        meta = pod["metadata"]
        self.storage.modify(
            kinds.POD,
            meta["namespace"],
            meta["name"],
            lambda found: set_condition(found, UNPAUSED, wanted[0], now, wanted[1], wanted[2]),
        )

    def _label_node(self, pod: Object) -> None:
        meta = pod["metadata"]
        node = pod["spec"]["nodeName"]

        def write(found: Object) -> None:
            found["metadata"]["labels"]["kubevirt.io/nodeName"] = node

        self.storage.modify(kinds.POD, meta["namespace"], meta["name"], write)

    def _write(self, vmi: Object, pods: list[Object], phase: str) -> None:
        now = self.clock.stamp()
        meta = vmi["metadata"]
        pod = current_pod(vmi, pods)

        def write(found: Object) -> None:
            status = found["status"]
            status["activePods"] = {item["metadata"]["uid"]: item["spec"].get("nodeName", "") for item in pods}
            _copy_conditions(found, pod, phase, now)
            if pod:
                status["launcherContainerImageVersion"] = LAUNCHER_IMAGE
                status["memory"]["memoryOverhead"] = binary(OVERHEAD)
            if pod and pod["spec"].get("nodeName"):
                status["qosClass"] = "Burstable"
            if phase == "Scheduled" and pod:
                self._hand_over(found, pod)
            if status.get("phase") != phase:
                enter_phase(found, phase, now)
            _notice_versions(found)

        self.storage.modify(kinds.VMI, meta["namespace"], meta["name"], write)

    def _hand_over(self, vmi: Object, pod: Object) -> None:
        """What virt-handler finds when the pod runs."""
        status = vmi["status"]
        node = pod["spec"]["nodeName"]
        status["nodeName"] = node
        vmi["metadata"].setdefault("labels", {})["kubevirt.io/nodeName"] = node
        if status.get("phase") == "Scheduled":
            return
        status["migrationTransport"] = "Unix"
        status["interfaces"] = [
            {"name": network["name"], "podInterfaceName": pod_interface(network["name"], position)}
            for position, network in enumerate(vmi["spec"].get("networks", ()))
        ]
        status["volumeStatus"] = [
            {"name": name, "target": ""} for name in sorted(volume["name"] for volume in vmi["spec"].get("volumes", ()))
        ]

    # Away

    def _clear_away(self, vmi: Object, pods: list[Object]) -> None:
        meta = vmi["metadata"]
        key = (meta["namespace"], meta["name"])
        phase = vmi["status"].get("phase", "")
        period: int = vmi["spec"].get("terminationGracePeriodSeconds", 30)
        # The launcher gets half a minute more than the guest, but for a forced stop.
        grace = period + 30 if period > 1 else 1
        for pod in pods:
            if deleting(pod):
                if pod["metadata"].get("deletionGracePeriodSeconds", 0) > grace:
                    self.world.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"], grace)
            else:
                self.world.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"], grace)
                self.world.events.normal(
                    kinds.VMI, vmi, VM_CONTROLLER, "SuccessfulDelete",
                    f"Deleted virtual machine pod {pod['metadata']['name']}",
                )  # fmt: skip
        remaining = self._pods(vmi)
        if remaining:
            self._write(vmi, remaining, phase)
            return
        if phase not in FINAL:
            obeyed = self.world.guest(*key).shutdown <= period
            ran = phase == "Running"
            self._write(vmi, [], "Succeeded" if ran and obeyed else "Failed")
            if ran:
                self.world.events.normal(
                    kinds.VMI, vmi, HANDLER, "Stopped", "The VirtualMachineInstance was shut down.",
                    host=vmi["status"].get("nodeName", ""),
                )  # fmt: skip
        elif FINALIZERS[1] in meta.get("finalizers", ()):
            self.storage.modify(kinds.VMI, *key, lambda found: remove_finalizer(found, FINALIZERS[1]))
        else:
            self.forget(meta["uid"])
            self._refusals.pop(meta["uid"], None)
            self.storage.modify(kinds.VMI, *key, lambda found: remove_finalizer(found, FINALIZERS[0]))


def current_pod(vmi: Object, pods: list[Object]) -> Object | None:
    """The pod that runs the guest: the newest on the instance's node, any while it has none."""
    node = vmi["status"].get("nodeName", "")
    on_node = [pod for pod in pods if not node or pod["spec"].get("nodeName") == node]
    return on_node[-1] if on_node else None


def pod_interface(name: str, position: int) -> str:
    """The interface's name in the pod: eth0 for the pod network, a hashed name for the others."""
    if position == 0:
        return "eth0"
    return f"pod{hashlib.sha256(name.encode()).hexdigest()[:11]}"


def _copy_conditions(vmi: Object, pod: Object | None, phase: str, now: str) -> None:
    """Ready and PodScheduled follow the pod; a refusal to make the pod is over when there is one."""
    if pod is None:
        set_condition(vmi, "Ready", "False", now, *_NO_POD)
        return
    if deleting(pod):
        set_condition(vmi, "Ready", "False", now, *_POD_TERMINATING)
    elif phase != "Running":
        set_condition(vmi, "Ready", "False", now, *_NOT_RUNNING)
    elif vmi["status"].get("phase") == "Running":
        _copy_ready(vmi, pod, now)
    scheduled = condition(pod, "PodScheduled")
    if scheduled and scheduled["status"] == "False":
        set_condition(vmi, "PodScheduled", "False", now, scheduled["reason"], scheduled["message"], probe=None)
    else:
        remove_condition(vmi, "PodScheduled")
    waiting = _pull_failure(pod)
    if waiting:
        set_condition(vmi, "Synchronized", "False", now, waiting["reason"], waiting["message"], probe=None)
    elif condition(vmi, "Synchronized"):
        remove_condition(vmi, "Synchronized")


def _copy_ready(vmi: Object, pod: Object, now: str) -> None:
    ready = condition(pod, "Ready") or {"status": "False"}
    old = condition(vmi, "Ready")
    if old and old["status"] == ready["status"] and old.get("reason", "") == ready.get("reason", ""):
        return
    new: Object = {key: ready[key] for key in ("status", "reason", "message") if key in ready}
    conditions = vmi["status"].setdefault("conditions", [])
    built: Object = {"lastProbeTime": None, "lastTransitionTime": now, **new, "type": "Ready"}
    if old:
        conditions[conditions.index(old)] = built
    else:
        conditions.insert(0, built)


def _pull_failure(pod: Object) -> Object | None:
    for container in pod["status"].get("containerStatuses", ()):
        waiting: Object = container["state"].get("waiting", {})
        if waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff"):
            return waiting
    return None


def _notice_versions(vmi: Object) -> None:
    vmi["metadata"].setdefault("annotations", {}).update(
        {
            "kubevirt.io/latest-observed-api-version": "v1",
            "kubevirt.io/nonroot": "true",
            "kubevirt.io/storage-observed-api-version": "v1",
        }
    )
