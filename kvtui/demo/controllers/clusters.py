"""Cluster API and CAPK, as far as a cluster's network, bootstrap data and reachability go.

Sources: CAPK ``controllers/kubevirtcluster_controller.go``, ``pkg/loadbalancer/loadbalancer.go``; CAPI
``bootstrap/kubeadm/internal/controllers/kubeadmconfig_controller.go``, ``internal/controllers/cluster``; MetalLB
``internal/allocator`` (kubevirt-api.md 8.3 and 8.4).
"""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.objects import has_condition, owner_reference, set_plain_condition
from kvtui.demo.storage import Change, Object

CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"
_CONTROL_PLANE = {"cluster.x-k8s.io/role": "control-plane"}
_RETRY = 15.0
_PROBE_GRACE = 300.0
"""Seconds without a successful probe until the cluster counts as unreachable (``--remote-conditions-grace-period``)."""


class LoadBalancers(Controller):
    """MetalLB: gives Services of type LoadBalancer an address, while it has one."""

    kinds = (kinds.SERVICE,)
    latency = 0.4

    def reconcile(self, namespace: str, name: str) -> None:
        """Give one Service its address."""
        service = self.storage.find(kinds.SERVICE, namespace, name)
        if service is None or service.get("spec", {}).get("type") != "LoadBalancer":
            return
        if service.get("status", {}).get("loadBalancer", {}).get("ingress"):
            return
        if not self.world.outside.free_addresses:
            told = f'Failed to allocate IP for "{namespace}/{name}": no available IPs'
            self.world.events.warning(kinds.SERVICE, service, "metallb-controller", "AllocationFailed", told)
            self.enqueue((namespace, name), _RETRY)
            return
        address = self.world.outside.free_addresses.pop(0)

        def write(found: Object) -> None:
            found.setdefault("status", {})["loadBalancer"] = {"ingress": [{"ip": address}]}

        self.storage.modify(kinds.SERVICE, namespace, name, write)
        told = f'Assigned IP ["{address}"]'
        self.world.events.normal(kinds.SERVICE, service, "metallb-controller", "IPAllocated", told)


class KubevirtClusters(Controller):
    """CAPK: the Service of a cluster's control plane, and its address."""

    kinds = (kinds.KUBEVIRT_CLUSTER, kinds.SERVICE)
    latency = 0.5

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The cluster of a Service."""
        if change.kind is kinds.KUBEVIRT_CLUSTER:
            return ((change.namespace, change.name),)
        name = change.labels.get(CLUSTER_NAME)
        return ((change.namespace, name),) if name else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Make the Service, and wait for its address."""
        cluster = self.storage.find(kinds.KUBEVIRT_CLUSTER, namespace, name)
        if cluster is None:
            return
        service = self.storage.find(kinds.SERVICE, namespace, f"{name}-lb")
        if service is None:
            service = self.storage.create(kinds.SERVICE, _service(cluster))
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        now = self.clock.stamp()

        def write(found: Object) -> None:
            if not ingress:
                words = "the load balancer external IP is not ready yet"
                told = ("LoadBalancerAvailable", "False", now, "LoadBalancerProvisioningFailed", words)
                set_plain_condition(found, *told)
                found["status"]["ready"] = False
                return
            found.setdefault("spec", {})["controlPlaneEndpoint"] = {"host": ingress[0]["ip"], "port": 6443}
            set_plain_condition(found, "LoadBalancerAvailable", "True", now, "Available")
            found["status"] |= {"ready": True, "initialization": {"provisioned": True}}

        self.storage.modify(kinds.KUBEVIRT_CLUSTER, namespace, name, write)


class KubeadmConfigs(Controller):
    """CAPI's bootstrap provider: makes the secret with which a machine joins."""

    kinds = (kinds.KUBEADM_CONFIG, kinds.SECRET)
    latency = 0.5

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The configuration; a secret that comes may be what one waits for."""
        if change.kind is kinds.KUBEADM_CONFIG:
            return ((change.namespace, change.name),)
        rows = self.storage.raw_list(kinds.KUBEADM_CONFIG, change.namespace)
        return [(row.namespace, row.name) for row in rows]

    def reconcile(self, namespace: str, name: str) -> None:
        """Make the data, or say what lacks for it."""
        config = self.storage.find(kinds.KUBEADM_CONFIG, namespace, name)
        if config is None or config.get("status", {}).get("dataSecretName"):
            return
        missing = next(
            (
                wanted
                for file in config.get("spec", {}).get("files", ())
                for wanted in [file.get("contentFrom", {}).get("secret", {}).get("name", "")]
                if wanted and self.storage.find(kinds.SECRET, namespace, wanted) is None
            ),
            "",
        )
        now = self.clock.stamp()
        if not missing and self.storage.find(kinds.SECRET, namespace, name) is None:
            made = {"metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner_reference(config)]}}
            secret = {"apiVersion": "v1", "kind": "Secret", "type": "cluster.x-k8s.io/secret", **made, "data": {}}
            self.storage.create(kinds.SECRET, secret)

        def write(found: Object) -> None:
            if missing:
                words = (
                    f"Failed to read content from secrets for spec.files: secret not found: {namespace}/{missing}: "
                    f'Secret "{missing}" not found'
                )
                for kind in ("DataSecretAvailable", "Ready"):
                    set_plain_condition(found, kind, "False", now, "NotAvailable", words)
                return
            for kind in ("DataSecretAvailable", "Ready"):
                set_plain_condition(found, kind, "True", now, "Available")
            found["status"] |= {"dataSecretName": name, "initialization": {"dataSecretCreated": True}}

        self.storage.modify(kinds.KUBEADM_CONFIG, namespace, name, write)
        if not missing:
            self.storage.modify(
                kinds.MACHINE, namespace, name,
                lambda found: found.setdefault("spec", {}).setdefault("bootstrap", {}).update(dataSecretName=name),
            )  # fmt: skip


class Clusters(Controller):
    """CAPI's probe of the API servers of its clusters: they answer while a machine of the control plane runs."""

    kinds = (kinds.CLUSTER, kinds.VMI)
    latency = 0.6

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The cluster of a machine of a control plane."""
        if change.kind is kinds.CLUSTER:
            return ((change.namespace, change.name),)
        name = change.labels.get(CLUSTER_NAME)
        return ((change.namespace, name),) if name and _CONTROL_PLANE.items() <= change.labels.items() else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Probe one cluster."""
        cluster = self.storage.find(kinds.CLUSTER, namespace, name)
        if cluster is None or not cluster.get("status", {}).get("controlPlane"):
            return
        labels = {CLUSTER_NAME: name, **_CONTROL_PLANE}
        answers = any(has_condition(vmi, "Ready", "True") for vmi in self.storage.list(kinds.VMI, namespace, labels))
        uid, now = cluster["metadata"]["uid"], self.clock.stamp()
        if answers:
            self.restart_stage(uid, "probe")
            if has_condition(cluster, "RemoteConnectionProbe", "False"):
                self._write(cluster, ("True", now, "ProbeSucceeded", ""))
        elif self.elapsed((namespace, name), uid, "probe", _PROBE_GRACE):
            words = f"Remote connection probe failed, probe last succeeded at {self.clock.stamp(_PROBE_GRACE)}"
            if not has_condition(cluster, "RemoteConnectionProbe", "False"):
                self._write(cluster, ("False", now, "ProbeFailed", words))

    def _write(self, cluster: Object, told: tuple[str, str, str, str]) -> None:
        meta = cluster["metadata"]

        def write(found: Object) -> None:
            set_plain_condition(found, "RemoteConnectionProbe", *told)

        self.storage.modify(kinds.CLUSTER, meta["namespace"], meta["name"], write)


def _service(cluster: Object) -> Object:
    meta = cluster["metadata"]
    template = cluster.get("spec", {}).get("controlPlaneServiceTemplate", {}).get("spec", {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"{meta['name']}-lb",
            "namespace": meta["namespace"],
            "labels": {CLUSTER_NAME: meta["name"]},
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": {
            "type": template.get("type", "ClusterIP"),
            "ports": [{"port": 6443, "targetPort": 6443}],
            "selector": {CLUSTER_NAME: meta["name"], **_CONTROL_PLANE},
        },
        "status": {"loadBalancer": {}},
    }
