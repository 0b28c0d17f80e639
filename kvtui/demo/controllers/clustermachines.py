"""Cluster API's Machines and control planes, as far as their nodes, their etcd members and a pause go.

Sources: CAPI ``internal/controllers/machine/machine_controller_status.go``, ``util/paused/paused.go``,
``controlplane/kubeadm/internal/workload_cluster_conditions.go`` (kubevirt-api.md 8.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.clusters import CLUSTER_NAME
from kvtui.demo.objects import copy_of, deleting, owner_reference, set_plain_condition
from kvtui.demo.storage import Change, Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_JOINS = 60.0
"""Seconds from a VM that is ready to a node that has joined."""
_ETCD = "EtcdMemberHealthy"


def _write(controller: Controller, kind: Kind, obj: Object, told: tuple[str, str, str, str]) -> None:
    """Set one condition, if it is not so already."""
    meta, now = obj["metadata"], controller.clock.stamp()
    type_, status, reason, message = told
    for found in obj.get("status", {}).get("conditions", ()):
        if found["type"] == type_ and (found["status"], found.get("message", "")) == (status, message):
            return
    controller.storage.modify(
        kind, meta["namespace"], meta["name"],
        lambda found: set_plain_condition(found, type_, status, now, reason, message),
    )  # fmt: skip


def _is_paused(controller: Controller, obj: Object) -> bool:
    meta = obj["metadata"]
    name = meta.get("labels", {}).get(CLUSTER_NAME, "")
    cluster = controller.storage.find(kinds.CLUSTER, meta["namespace"], name)
    return cluster is not None and bool(cluster.get("spec", {}).get("paused"))


class Machines(Controller):
    """CAPI: whether the node of a machine has come."""

    kinds = (kinds.MACHINE, kinds.KUBEVIRT_MACHINE)
    latency = 0.6

    def reconcile(self, namespace: str, name: str) -> None:
        """Look for the node of one machine that was made lately."""
        machine = self.storage.find(kinds.MACHINE, namespace, name)
        if machine is None or _is_paused(self, machine):
            return
        below = self.storage.find(kinds.KUBEVIRT_MACHINE, namespace, name)
        if below is None or deleting(machine) or machine.get("status", {}).get("nodeRef"):
            return
        if not below.get("status", {}).get("ready"):
            words = "Waiting for KubevirtMachine to report spec.providerID"
            _write(self, kinds.MACHINE, machine, ("NodeReady", "Unknown", "InspectionFailed", words))
            return
        provider = f"kubevirt://{name}"

        def provision(found: Object) -> None:
            found.setdefault("spec", {})["providerID"] = provider
            found.setdefault("status", {})["phase"] = "Provisioned"

        if machine.get("status", {}).get("phase") != "Provisioned":
            self.storage.modify(kinds.MACHINE, namespace, name, provision)
        words = f"Waiting for a Node with spec.providerID {provider} to exist"
        _write(self, kinds.MACHINE, machine, ("NodeReady", "Unknown", "InspectionFailed", words))
        if not self.elapsed((namespace, name), machine["metadata"]["uid"], "join", _JOINS):
            return
        _write(self, kinds.KUBEVIRT_MACHINE, below, ("BootstrapExecSucceeded", "True", "Succeeded", ""))
        if name not in self.world.outside.strange_hostnames:
            self._join(machine)

    def _join(self, machine: Object) -> None:
        meta, now = machine["metadata"], self.clock.stamp()

        def join(found: Object) -> None:
            found["status"] |= {"phase": "Running", "nodeRef": {"name": meta["name"]}}
            set_plain_condition(found, "NodeReady", "True", now, "NodeReady")

        self.storage.modify(kinds.MACHINE, meta["namespace"], meta["name"], join)


class ControlPlanes(Controller):
    """CAPI's kubeadm provider: looks at the etcd members of a control plane."""

    kinds = (kinds.CONTROL_PLANE,)
    latency = 1.0

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._lost: set[str] = set()

    def lose_member(self, namespace: str, plane: str, machine: str) -> None:
        """Take the etcd member of a machine out of its cluster, as ``etcdctl member remove`` does."""
        self._lost.add(machine)
        self.enqueue((namespace, plane))

    def reconcile(self, namespace: str, name: str) -> None:
        """Ask etcd for its members, and tell each machine and the whole."""
        plane = self.storage.find(kinds.CONTROL_PLANE, namespace, name)
        if plane is None or _is_paused(self, plane):
            return
        labels = {"cluster.x-k8s.io/control-plane-name": name}
        ill = []
        for machine in self.storage.list(kinds.MACHINE, namespace, labels):
            node = machine.get("status", {}).get("nodeRef", {}).get("name")
            if not node:
                continue
            words = ""
            if machine["metadata"]["name"] in self._lost:
                words = f"Etcd doesn't have an etcd member for Node {node}"
                ill.append(f"* Machine {machine['metadata']['name']}:\n  * {_ETCD}: {words}")
            status, reason = ("False", "NotHealthy") if words else ("True", "Healthy")
            _write(self, kinds.MACHINE, machine, (_ETCD, status, reason, words))
        status, reason = ("False", "NotHealthy") if ill else ("True", "Healthy")
        _write(self, kinds.CONTROL_PLANE, plane, ("EtcdClusterHealthy", status, reason, "\n".join(ill)))


class Pauses(Controller):
    """CAPI: says of a cluster, and of what makes its machines, whether they are left alone."""

    kinds = (kinds.CLUSTER, kinds.MACHINE_DEPLOYMENT, kinds.CONTROL_PLANE)
    latency = 0.5

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The cluster."""
        if change.kind is kinds.CLUSTER:
            return ((change.namespace, change.name),)
        name = change.labels.get(CLUSTER_NAME)
        return ((change.namespace, name),) if name else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Set the condition Paused."""
        cluster = self.storage.find(kinds.CLUSTER, namespace, name)
        if cluster is None:
            return
        paused = bool(cluster.get("spec", {}).get("paused"))
        words = "Cluster spec.paused is set to true" if paused else ""
        told = ("Paused", str(paused), "Paused" if paused else "NotPaused", words)
        _write(self, kinds.CLUSTER, cluster, told)
        for kind in (kinds.MACHINE_DEPLOYMENT, kinds.CONTROL_PLANE):
            for owned in self.storage.list(kind, namespace, {CLUSTER_NAME: name}):
                _write(self, kind, owned, told)


class Deployments(Controller):
    """CAPI: makes the machines that a MachineDeployment wants more, each like one that it has."""

    kinds = (kinds.MACHINE_DEPLOYMENT, kinds.CLUSTER)
    latency = 1.0

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The deployment; of a cluster all."""
        if change.kind is kinds.MACHINE_DEPLOYMENT:
            return ((change.namespace, change.name),)
        found = self.storage.list(kinds.MACHINE_DEPLOYMENT, change.namespace, {CLUSTER_NAME: change.name})
        return [(change.namespace, one["metadata"]["name"]) for one in found]

    def reconcile(self, namespace: str, name: str) -> None:
        """Make what lacks."""
        deployment = self.storage.find(kinds.MACHINE_DEPLOYMENT, namespace, name)
        if deployment is None or deleting(deployment) or _is_paused(self, deployment):
            return
        wanted = deployment.get("spec", {}).get("replicas", 1)
        has = deployment.get("status", {}).get("replicas", 0)
        siblings = self.storage.list(kinds.MACHINE, namespace, {"cluster.x-k8s.io/deployment-name": name})
        grows = wanted > has
        words = f"Scaling up from {has} to {wanted} replicas" if grows else ""
        told = ("ScalingUp", str(grows), "ScalingUp" if grows else "NotScalingUp", words)
        _write(self, kinds.MACHINE_DEPLOYMENT, deployment, told)
        if not grows or not siblings:
            return
        for _ in range(wanted - has):
            self._make(siblings[0], f"{name}-{self.random.getrandbits(20):05x}")
        self.storage.modify(
            kinds.MACHINE_DEPLOYMENT,
            namespace,
            name,
            lambda found: found.setdefault("status", {}).update(replicas=wanted),
        )

    def _make(self, sibling: Object, name: str) -> None:
        """A Machine with what stands below it, as a MachineSet makes them."""
        meta = sibling["metadata"]
        template = self.storage.find(kinds.KUBEVIRT_MACHINE, meta["namespace"], meta["name"])
        if template is None:
            return
        spec = {key: value for key, value in copy_of(sibling.get("spec", {})).items() if key != "providerID"}
        spec.setdefault("infrastructureRef", {})["name"] = name
        spec["bootstrap"] = {
            "configRef": {"apiGroup": kinds.KUBEADM_CONFIG.group, "kind": kinds.KUBEADM_CONFIG.kind, "name": name}
        }
        owners = copy_of(meta.get("ownerReferences", []))
        machine = self._create(kinds.MACHINE, name, meta, spec, owners)
        below = {"virtualMachineTemplate": copy_of(template["spec"]["virtualMachineTemplate"])}
        for kind, wanted in ((kinds.KUBEVIRT_MACHINE, below), (kinds.KUBEADM_CONFIG, {"joinConfiguration": {}})):
            self._create(kind, name, meta, wanted, [owner_reference(machine)])

    def _create(self, kind: Kind, name: str, like: Object, spec: Object, owners: list[Object]) -> Object:
        made = {"name": name, "namespace": like["namespace"], "labels": dict(like["labels"]), "ownerReferences": owners}
        obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": made, "spec": spec}
        return self.storage.create(kind, obj)
