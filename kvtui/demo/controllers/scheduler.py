"""The scheduler: finds a node for each pod by resources, selectors and taints, and says why there is none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.events import SCHEDULER
from kvtui.demo.objects import amount, deleting
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_COUNTED = ("cpu", "memory", "devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net")
_BOUND = b'"phase":"Bound"'
_BACKOFF = 10.0
"""Seconds before an unschedulable pod is tried again after something changed: the scheduler's longest back-off."""
_RETRY = 300.0
"""Seconds after which an unschedulable pod is tried again when nothing else prompted it."""


class _Meta(msgspec.Struct):
    uid: str
    deletionTimestamp: str | None = None  # noqa: N815 - the API's name


class _Spec(msgspec.Struct):
    nodeName: str = ""  # noqa: N815 - the API's name
    containers: list[dict[str, Any]] = []


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)


@dataclass(slots=True)
class _Node:
    """One node as the scheduler remembers it."""

    name: str
    labels: dict[str, str]
    taints: list[Object]
    unschedulable: bool
    allocatable: dict[str, float]
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def take(self, wanted: dict[str, float], sign: float = 1.0) -> None:
        """Count a pod's requests in, or out with a negative sign."""
        for name, value in wanted.items():
            self.used[name] += sign * value


_decode = msgspec.json.Decoder(_Pod).decode


def requests_of(containers: Iterable[Object]) -> dict[str, float]:
    """The resources that the containers ask for, summed."""
    total: dict[str, float] = defaultdict(float, pods=1.0)
    for container in containers:
        for name, value in container.get("resources", {}).get("requests", {}).items():
            if name in _COUNTED:
                total[name] += amount(value)
    return dict(total)


class Scheduler(Controller):
    """default-scheduler, with its filters in the real order."""

    kinds = (kinds.POD, kinds.NODE, kinds.PVC)
    latency = 0.02

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._nodes: dict[str, _Node] = {}
        self._placed: dict[str, tuple[str, dict[str, float]]] = {}
        self._waiting: set[Key] = set()

    def account(self, pods: Iterable[Object]) -> None:
        """Count pods of the seed against their nodes."""
        for pod in pods:
            self._place(pod["metadata"]["uid"], pod["spec"].get("nodeName", ""), pod["spec"]["containers"])

    def usage(self, node: str) -> dict[str, float]:
        """What the pods of a node request together, by resource."""
        return dict(self._nodes[node].used) if node in self._nodes else {}

    def observe(self, change: Change) -> None:
        """Keep the books, then queue the pods that may fit now."""
        if change.kind is kinds.NODE:
            self._observe_node(change)
        elif change.kind is kinds.PVC:
            # Importers note their progress on claims: only a claim that appears or is bound changes what fits.
            if change.type == "ADDED" or (_BOUND in change.raw and _BOUND not in (change.previous or b"")):
                self._retry(1.0)
        else:
            self._observe_pod(change)

    def _observe_node(self, change: Change) -> None:
        old = self._nodes.pop(change.name, None)
        if change.type == "DELETED":
            return
        new = _remember(msgspec.json.decode(change.raw))
        if old is None:
            for node, wanted in self._placed.values():
                if node == new.name:
                    new.take(wanted)
        else:
            new.used = old.used
        self._nodes[new.name] = new
        if new != old:
            self._retry()

    def _observe_pod(self, change: Change) -> None:
        pod = _decode(change.raw)
        over = change.type == "DELETED" or pod.status.phase in ("Succeeded", "Failed")
        if over:
            self._waiting.discard((change.namespace, change.name))
            if self._release(pod.metadata.uid):
                self._retry()
        elif pod.spec.nodeName:
            self._waiting.discard((change.namespace, change.name))
            self._place(pod.metadata.uid, pod.spec.nodeName, pod.spec.containers)
        elif change.type == "ADDED":
            self.enqueue((change.namespace, change.name))

    def _retry(self, delay: float = _BACKOFF) -> None:
        for key in sorted(self._waiting):
            self.enqueue(key, delay)

    def _place(self, uid: str, node: str, containers: Iterable[Object]) -> None:
        if not node or uid in self._placed:
            return
        wanted = requests_of(containers)
        self._placed[uid] = (node, wanted)
        if node in self._nodes:
            self._nodes[node].take(wanted)

    def _release(self, uid: str) -> bool:
        node, wanted = self._placed.pop(uid, ("", {}))
        if node in self._nodes:
            self._nodes[node].take(wanted, -1.0)
        return bool(node)

    def start(self) -> None:
        """Read the nodes of the seed."""
        self._nodes = {node["metadata"]["name"]: _remember(node) for node in self.storage.list(kinds.NODE)}
        for name, wanted in self._placed.values():
            if name in self._nodes:
                self._nodes[name].take(wanted)

    def reconcile(self, namespace: str, name: str) -> None:
        """Bind the pod to the best node, or say why it cannot be."""
        pod = self.storage.peek(kinds.POD, namespace, name)
        if pod is None or pod["spec"].get("nodeName") or deleting(pod):
            self._waiting.discard((namespace, name))
            return
        refusal = self._unbound_claim(pod)
        refusals: Counter[str] = Counter()
        fitting: list[_Node] = []
        victims = 0
        if not refusal:
            wanted = requests_of(pod["spec"]["containers"])
            taken, homes = self._taken_hosts(pod), self._homes(pod)
            for node in self._nodes.values():
                why = _why_not(node, pod, wanted, taken) or _too_far(node, homes)
                if why:
                    refusals[why] += 1
                    # Other pods in the way could be preempted; a node that is too small could not.
                    victims += why.startswith("Insufficient") and all(
                        value <= node.allocatable.get(name, 0.0) for name, value in wanted.items()
                    )
                else:
                    fitting.append(node)
        if fitting:
            best = min(fitting, key=lambda node: (_load(node), node.name))
            self._bind(pod, best.name)
        else:
            self._refuse(pod, refusal or self._message(refusals, victims))

    def node_for(self, pod: Object) -> str:
        """The node that a pod would get now; empty when none fits."""
        wanted = requests_of(pod["spec"]["containers"])
        fitting = [node for node in self._nodes.values() if not _why_not(node, pod, wanted, set())]
        return min(fitting, key=lambda node: (_load(node), node.name)).name if fitting else ""

    def _unbound_claim(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if not claim:
                continue
            found = self.storage.peek(kinds.PVC, pod["metadata"]["namespace"], claim)
            total = len(self._nodes)
            if found is None:
                return f'0/{total} nodes are available: persistentvolumeclaim "{claim}" not found. not found'
            if deleting(found):
                return f'0/{total} nodes are available: persistentvolumeclaim "{claim}" is being deleted. not found'
            if found.get("status", {}).get("phase") != "Bound" and not self._waits_for_consumer(found):
                return f"0/{total} nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
        return ""

    def _homes(self, pod: Object) -> list[Object]:
        """The terms of node affinity of the volumes that the pod needs."""
        found: list[Object] = []
        for volume in pod["spec"].get("volumes", ()):
            name = volume.get("persistentVolumeClaim", {}).get("claimName", "")
            claim = self.storage.find(kinds.PVC, pod["metadata"]["namespace"], name) if name else None
            bound = self.storage.find(kinds.PV, "", claim["spec"].get("volumeName", "")) if claim else None
            if bound is not None:
                required = bound["spec"].get("nodeAffinity", {}).get("required", {})
                found += required.get("nodeSelectorTerms", ())
        return found

    def _waits_for_consumer(self, claim: Object) -> bool:
        storage_class = self.storage.find(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        return storage_class is not None and storage_class["volumeBindingMode"] == "WaitForFirstConsumer"

    def _taken_hosts(self, pod: Object) -> set[str]:
        """The hosts that a migration target must keep away from: those of its own machine's other pods."""
        rules = pod["spec"].get("affinity", {}).get("podAntiAffinity", {})
        terms = rules.get("requiredDuringSchedulingIgnoredDuringExecution", ())
        hosts = set()
        for term in terms:
            labels = term["labelSelector"].get("matchLabels", {})
            for other in self._pods_created_by(labels):
                hosts.add(other["spec"].get("nodeName", ""))
        return hosts

    def _pods_created_by(self, labels: dict[str, str]) -> list[Object]:
        owner = labels.get("kubevirt.io/created-by", "")
        found = [
            self.storage.find(kind, space, name) for kind, space, name in self.storage.owned(owner) if kind is kinds.POD
        ]
        return [pod for pod in found if pod and pod["status"].get("phase") in ("Pending", "Running")]

    def _message(self, refusals: Counter[str], victims: int) -> str:
        total = len(self._nodes)
        reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in refusals.items()))
        helpless = total - victims
        verdicts = []
        if victims:
            verdicts.append(f"{victims} No preemption victims found for incoming pod")
        if helpless:
            verdicts.append(f"{helpless} Preemption is not helpful for scheduling")
        return (
            f"0/{total} nodes are available: {reasons}. no new claims to deallocate, "
            f"preemption: 0/{total} nodes are available: {', '.join(verdicts)}."
        )

    def _bind(self, pod: Object, node: str) -> None:
        meta = pod["metadata"]
        now = self.clock.stamp()
        zone = self._nodes[node].labels.get("topology.kubernetes.io/zone")

        def bind(found: Object) -> None:
            found["spec"]["nodeName"] = node
            if zone:
                found["metadata"].setdefault("labels", {})["topology.kubernetes.io/zone"] = zone
            _set_scheduled(found, {"status": "True", "lastProbeTime": None, "lastTransitionTime": now})

        self._waiting.discard((meta["namespace"], meta["name"]))
        self.storage.modify(kinds.POD, meta["namespace"], meta["name"], bind)
        self.world.events.normal(
            kinds.POD,
            pod,
            SCHEDULER,
            "Scheduled",
            f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}",
        )

    def _refuse(self, pod: Object, message: str) -> None:
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"])
        now = self.clock.stamp()
        told = {
            "observedGeneration": meta.get("generation", 1),
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": now,
            "reason": "Unschedulable",
            "message": message,
        }
        first = key not in self._waiting
        self._waiting.add(key)
        self.storage.modify(kinds.POD, *key, lambda found: _set_scheduled(found, told))
        if first or self.elapsed(key, meta["uid"], "retry", _RETRY):
            self.restart_stage(meta["uid"], "retry")
            self.elapsed(key, meta["uid"], "retry", _RETRY)
            self.world.events.warning(kinds.POD, pod, SCHEDULER, "FailedScheduling", message)


def _set_scheduled(pod: Object, told: Object) -> None:
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    for index, present in enumerate(conditions):
        if present["type"] == "PodScheduled":
            if present["status"] == told["status"]:
                told = {**told, "lastTransitionTime": present.get("lastTransitionTime", told["lastTransitionTime"])}
            conditions[index] = {"type": "PodScheduled", **told}
            return
    conditions.append({"type": "PodScheduled", **told})


def _remember(node: Object) -> _Node:
    spec = node.get("spec", {})
    return _Node(
        name=node["metadata"]["name"],
        labels=node["metadata"].get("labels", {}),
        taints=spec.get("taints", []),
        unschedulable=bool(spec.get("unschedulable")),
        allocatable={name: amount(value) for name, value in node.get("status", {}).get("allocatable", {}).items()},
    )


def _load(node: _Node) -> float:
    return node.used["memory"] / max(1.0, node.allocatable.get("memory", 1.0))


def _why_not(node: _Node, pod: Object, wanted: dict[str, float], taken: set[str]) -> str:
    """The first filter that refuses the node, in kube-scheduler's words; empty when it fits."""
    if node.unschedulable:
        return "node(s) were unschedulable"
    for taint in node.taints:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerated(taint, pod["spec"].get("tolerations", ())):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    selector = pod["spec"].get("nodeSelector", {})
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    for name, value in wanted.items():
        if node.used[name] + value > node.allocatable.get(name, 0.0):
            return "Too many pods" if name == "pods" else f"Insufficient {name}"
    if node.name in taken:
        return "node(s) didn't match pod anti-affinity rules"
    return ""


def _too_far(node: _Node, homes: Iterable[Object]) -> str:
    """Whether a volume of the pod cannot be used on the node."""
    for term in homes:
        for wanted in term.get("matchExpressions", ()):
            if node.labels.get(wanted["key"]) not in wanted.get("values", ()):
                return "node(s) had volume node affinity conflict"
    return ""


def _tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    return any(
        toleration.get("key") in (None, taint["key"])
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
        and toleration.get("effect") in (None, "", taint["effect"])
        # A toleration with a time limit is not yet a home.
        and "tolerationSeconds" not in toleration
        for toleration in tolerations
    )
