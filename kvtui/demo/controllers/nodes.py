"""Nodes: their heartbeats, and what the node controllers do when one falls silent."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.events import KUBELET, VM_CONTROLLER
from kvtui.demo.controllers.instance import enter_phase
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.objects import deleting, has_condition, set_condition
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

HEARTBEAT = "kubevirt.io/heartbeat"
_TOLERANCE = 300.0
"""Seconds after which pods are evicted from a silent node and virt-controller gives up its instances."""
_MONITOR_GRACE = 50.0
"""Seconds without a report after which a node is taken for lost (``--node-monitor-grace-period``)."""
_BOOT = 20.0
"""Seconds from switching a machine on to its kubelet's first report."""
_NODE_CONTROLLER = "node-controller"
_UNREACHABLE = "node.kubernetes.io/unreachable"
_SCHEDULABLE = "kubevirt.io/schedulable"
NOT_READY = "node.kubernetes.io/not-ready"
"""The taint of a node that has not come up yet."""
_GRACE = 60.0
"""Seconds that a new kubelet has for its first report (``--node-startup-grace-period``)."""


_CORDON = "node.kubernetes.io/unschedulable"
_CORDONED = b'"unschedulable":true'
_LIFECYCLE = 0.5
"""Seconds until the node lifecycle controller has put a taint on a node that was cordoned, or taken it away."""


class Nodes(Controller):
    """Kubelet and virt-handler heartbeats, node lifecycle, virt-controller's node loop."""

    kinds = (kinds.NODE,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._addresses: dict[str, str] = {}
        self._silent: set[str] = set()
        self._off: set[str] = set()
        """Of the silent ones those whose memory is gone."""
        self._mute: set[str] = set()
        """Those whose virt-handler does not run."""
        self._resuming: set[str] = set()
        """Those whose machines run again."""

    def start(self) -> None:
        """Read the nodes of the seed and begin their heartbeats, spread over the interval."""
        nodes = self.storage.list(kinds.NODE)
        # A beat every two seconds at most for the whole cluster, yet each node within virt-controller's five minutes.
        self._interval = min(240.0, max(80.0, len(nodes) / 2.0))
        for number, node in enumerate(nodes):
            self._observe_node(node)
            self.enqueue(("", node["metadata"]["name"]), self._interval * (number + 1) / len(nodes))

    def observe(self, change: Change) -> None:
        """New nodes matter here, and what is cordoned or given back; heartbeats go by the clock."""
        if change.type == "MODIFIED" and (_CORDONED in change.raw) is not (_CORDON.encode() in change.raw):
            self.clock.call_later(_LIFECYCLE, partial(self._keep_taint, change.name))
        if change.type == "ADDED":
            node = self.storage.find(kinds.NODE, "", change.name)
            if node:
                self._observe_node(node)
                self.enqueue(("", change.name), self._interval)

    def _keep_taint(self, name: str) -> None:
        self.storage.modify(kinds.NODE, "", name, _taint_cordoned)

    def _observe_node(self, node: Object) -> None:
        status = node.get("status", {})
        for address in status.get("addresses", ()):
            if address["type"] == "InternalIP":
                self._addresses[node["metadata"]["name"]] = address["address"]
        conditions = status.get("conditions", ())
        if not any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
            self._silent.add(node["metadata"]["name"])

    def address(self, node: str) -> str:
        """The InternalIP of a node."""
        return self._addresses.get(node, "")

    def answers(self, node: str) -> bool:
        """Whether kubelet and virt-handler of the node are alive."""
        return node not in self._silent

    def is_handled(self, node: str) -> bool:
        """Whether virt-handler works there."""
        return self.answers(node) and node not in self._mute

    def tell_handler(self, node: str, *, runs: bool) -> None:
        """Say whether the virt-handler pod of a node is ready."""
        if not runs:
            self._mute.add(node)
        elif node in self._mute:
            self._mute.discard(node)
            self.storage.modify(kinds.NODE, "", node, _welcome)
            self.enqueue(("", node), 1.0)
            for vmi in self.storage.list(kinds.VMI, labels={"kubevirt.io/nodeName": node}):
                self.world.handler.enqueue((vmi["metadata"]["namespace"], vmi["metadata"]["name"]))

    def reconcile(self, namespace: str, name: str) -> None:
        """Beat, unless the node is silent; then see what follows from that."""
        node = self.storage.find(kinds.NODE, namespace, name)
        if node is None:
            return
        if name in self._silent:
            self._watch_silent((namespace, name), node)
            return
        now = self.clock.stamp()

        def beat(node: Object) -> None:
            if name not in self._mute:
                node["metadata"].setdefault("annotations", {})[HEARTBEAT] = now
            for condition in node.get("status", {}).get("conditions", ()):
                condition["lastHeartbeatTime"] = now

        self._miss_heartbeat(self.storage.modify(kinds.NODE, "", name, beat) or node)
        self.enqueue(("", name), self._interval * self.random.uniform(0.9, 1.1))

    def _miss_heartbeat(self, node: Object) -> None:
        """virt-controller's look at a node whose kubelet is well (``watch/node/node.go``)."""
        beat = node["metadata"].get("annotations", {}).get(HEARTBEAT)
        labels = node["metadata"].get("labels", {})
        if beat is None or labels.get(_SCHEDULABLE) != "true" or "virt-controller" in self.world.down:
            return
        if (self.clock.now - datetime.fromisoformat(beat)).total_seconds() > _TOLERANCE:
            self._mark_unresponsive(node)

    def _mark_unresponsive(self, node: Object) -> None:
        name = node["metadata"]["name"]
        self.storage.modify(
            kinds.NODE, "", name, lambda found: found["metadata"]["labels"].__setitem__(_SCHEDULABLE, "false")
        )
        told = "virt-handler is not responsive, marking node as unresponsive"
        self.world.events.warning(kinds.NODE, node, VM_CONTROLLER, "NodeUnresponsive", told)

    def _watch_silent(self, key: Key, node: Object) -> None:
        """See it come back, take it for lost, or give up what is on it."""
        name = key[1]
        if name in self._resuming and (name not in self._off or self.elapsed(key, name, "boot", _BOOT)):
            self.revive(name)
        elif not node.get("status", {}).get("conditions"):
            if self.elapsed(key, name, "first report", _GRACE):
                self.silence(name)
        elif not has_condition(node, "Ready", "Unknown"):
            if self.elapsed(key, name, "unnoticed", _MONITOR_GRACE):
                self.silence(name)
        elif self.elapsed(key, name, "silent", _TOLERANCE):
            self._give_up(name)

    def halt(self, name: str, *, off: bool) -> None:
        """Its machine stands still, switched off or paused: nothing there answers, which is noticed after a while."""
        self._silent.add(name)
        self._resuming.discard(name)
        self.restart_stage(name, "boot")
        if off:
            self._off.add(name)
        self.enqueue(("", name))

    def resume(self, name: str) -> None:
        """Its machine runs again; one that was off boots first."""
        if name in self._silent:
            self._resuming.add(name)
            self.enqueue(("", name))

    def silence(self, name: str) -> None:
        """The node stops answering, as after a power failure."""
        now = self.clock.stamp()
        self._silent.add(name)

        def lost(node: Object) -> None:
            conditions = node.setdefault("status", {}).setdefault("conditions", [])
            if not conditions:
                conditions += [{"type": kind, **_NEVER, "lastTransitionTime": now} for kind in _KINDS_OF_CONDITIONS]
            for condition in conditions:
                if condition["status"] == "Unknown":
                    continue
                condition |= {
                    "status": "Unknown",
                    "lastTransitionTime": now,
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                }
            spec = node.setdefault("spec", {})
            taints = spec["taints"] = [taint for taint in spec.get("taints", ()) if taint["key"] != NOT_READY]
            taints += [
                {"key": _UNREACHABLE, "effect": "NoSchedule", "timeAdded": now},
                {"key": _UNREACHABLE, "effect": "NoExecute", "timeAdded": now},
            ]

        node = self.storage.modify(kinds.NODE, "", name, lost)
        if node:
            self.world.events.normal(
                kinds.NODE, node, _NODE_CONTROLLER, "NodeNotReady", f"Node {name} status is now: NodeNotReady"
            )
        for pod in self._pods_on(name):
            if has_condition(pod, "Ready", "True"):
                self._mark_not_ready(pod)
        self.enqueue(("", name))

    def _mark_not_ready(self, pod: Object) -> None:
        """As the node lifecycle controller does: nobody sends it requests any more."""
        meta, now = pod["metadata"], self.clock.stamp()
        self.storage.modify(
            kinds.POD, meta["namespace"], meta["name"],
            lambda found: set_condition(found, "Ready", "False", now, probe=None),
        )  # fmt: skip
        self.world.events.warning(kinds.POD, pod, _NODE_CONTROLLER, "NodeNotReady", "Node is not ready")

    def revive(self, name: str) -> None:
        """The node answers again. What ran on a machine that was off is begun anew."""
        now, rebooted = self.clock.stamp(), name in self._off
        for names in (self._silent, self._off, self._resuming):
            names.discard(name)
        for stage in ("unnoticed", "boot", "silent"):
            self.restart_stage(name, stage)
        boot = f"{self.random.getrandbits(32):08x}-6f1c-4d0e-9d43-5b1d2ab8c001"

        def back(node: Object) -> None:
            if _SCHEDULABLE in node["metadata"].setdefault("labels", {}):
                node["metadata"]["labels"][_SCHEDULABLE] = "true"
            node["spec"]["taints"] = [item for item in node["spec"].get("taints", ()) if item["key"] != _UNREACHABLE]
            if rebooted:
                node["status"]["nodeInfo"]["bootID"] = boot
            for condition, good in zip(node["status"]["conditions"], HEALTHY, strict=False):
                if condition["status"] == "Unknown":
                    condition |= {**good, "lastTransitionTime": now}

        was = self.storage.find(kinds.NODE, "", name)
        node = self.storage.modify(kinds.NODE, "", name, back)
        if was is None or node is None:
            return
        events = self.world.events
        if rebooted:
            told = f"Node {name} has been rebooted, boot id: {boot}"
            events.normal(kinds.NODE, node, KUBELET, "Starting", "Starting kubelet.", host=name)
            events.warning(kinds.NODE, node, KUBELET, "Rebooted", told, host=name)
        if not has_condition(was, "Ready", "True"):
            events.normal(kinds.NODE, node, _NODE_CONTROLLER, "NodeReady", f"Node {name} status is now: NodeReady")
        self.enqueue(("", name))
        for pod in self._pods_on(name):
            self.world.kubelet.recover(pod, rebooted=rebooted)

    def _pods_on(self, name: str) -> list[Object]:
        """The pods of a node; found in the stored bytes, for most of ten thousand are elsewhere."""
        mark = f'"nodeName":"{name}"'.encode()
        found = [msgspec.json.decode(row.raw) for row in self.storage.raw_list(kinds.POD) if mark in row.raw]
        return [pod for pod in found if pod["spec"].get("nodeName") == name]

    def _give_up(self, name: str) -> None:
        """Five minutes of silence: pods are evicted, instances are taken for failed."""
        node = self.storage.find(kinds.NODE, "", name)
        if node and node["metadata"].get("labels", {}).get(_SCHEDULABLE) == "true":
            self._mark_unresponsive(node)
        now = self.clock.stamp()
        for vmi in self.storage.list(kinds.VMI, labels={"kubevirt.io/nodeName": name}):
            if vmi["status"].get("phase") in FINAL:
                continue

            def fail(found: Object) -> None:
                enter_phase(found, "Failed", now)
                found["status"]["reason"] = "NodeUnresponsive"

            meta = vmi["metadata"]
            self.storage.modify(kinds.VMI, meta["namespace"], meta["name"], fail)
            told = f"virt-handler on node {name} is not responsive, marking VMI as failed"
            self.world.events.warning(kinds.VMI, vmi, VM_CONTROLLER, "NodeUnresponsive", told)
        for pod in self._pods_on(name):
            tolerates = any(
                item.get("operator") == "Exists" and "key" not in item for item in pod["spec"].get("tolerations", ())
            )
            if not deleting(pod) and not tolerates:
                self.world.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"])


def _welcome(node: Object) -> None:
    if _SCHEDULABLE in node["metadata"].get("labels", {}):
        node["metadata"]["labels"][_SCHEDULABLE] = "true"


HEALTHY: tuple[Object, ...] = (
    {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory",
     "message": "kubelet has sufficient memory available"},
    {"type": "DiskPressure", "status": "False", "reason": "KubeletHasNoDiskPressure",
     "message": "kubelet has no disk pressure"},
    {"type": "PIDPressure", "status": "False", "reason": "KubeletHasSufficientPID",
     "message": "kubelet has sufficient PID available"},
    {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"},
)  # fmt: skip
"""The conditions of a node that is well, in the kubelet's order."""
_KINDS_OF_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_NEVER: Object = {
    "status": "Unknown",
    "reason": "NodeStatusNeverUpdated",
    "message": "Kubelet never posted node status.",
    "lastHeartbeatTime": None,
}


def _taint_cordoned(node: Object) -> None:
    spec = node["spec"]
    others = [taint for taint in spec.get("taints", ()) if taint["key"] != _CORDON]
    cordoned = [{"key": _CORDON, "effect": "NoSchedule"}] if spec.get("unschedulable") else []
    spec["taints"] = [*others, *cordoned]
