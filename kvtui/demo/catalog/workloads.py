"""The pods of the platform itself, and ordinary pods that live beside the virtual machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from kvtui.demo.controllers.kubelet import container_running
from kvtui.demo.deployments import Count, status_of
from kvtui.demo.storage import Object

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_EVERYWHERE = {"operator": "Exists"}
REGISTRY = "quay.io/kubevirt"
_KUBEVIRT = {"app.kubernetes.io/managed-by": "virt-operator", "app.kubernetes.io/version": "v1.9.0"}
_SHARED = {"kubevirt": _KUBEVIRT, "cdi": {"cdi.kubevirt.io": ""}}
_CDI_OPERATOR = {"operator.cdi.kubevirt.io": ""}


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, or a DaemonSet when it has no number of replicas."""

    namespace: str
    name: str
    image: str
    replicas: int = 0
    where: str = "worker"
    """`worker`, `control-plane` or `all`: the nodes it runs on."""
    cpu: str = "10m"
    memory: str = "64Mi"
    label: tuple[str, str] = ("", "")
    """The label that finds its pods; ``app=NAME`` when empty."""
    container: str = ""
    driver: str = ""
    """The CSI driver that its pods register with their kubelets."""
    connects: bool = False
    """Whether its pods keep the network plugins of their nodes."""


WORKLOADS: tuple[Workload, ...] = (
    Workload("kubevirt", "virt-api", "quay.io/kubevirt/virt-api:v1.9.0", 2, "control-plane", "5m", "500Mi",
             ("kubevirt.io", "virt-api")),
    Workload("kubevirt", "virt-controller", "quay.io/kubevirt/virt-controller:v1.9.0", 2, "control-plane", "10m",
             "275Mi", ("kubevirt.io", "virt-controller")),
    Workload("kubevirt", "virt-operator", "quay.io/kubevirt/virt-operator:v1.9.0", 2, "control-plane", "10m", "450Mi",
             ("kubevirt.io", "virt-operator")),
    Workload("kubevirt", "virt-handler", "quay.io/kubevirt/virt-handler:v1.9.0", 0, "worker", "10m", "357Mi",
             ("kubevirt.io", "virt-handler")),
    Workload("cdi", "cdi-apiserver", "quay.io/kubevirt/cdi-apiserver:v1.66.0", 1,
             label=("cdi.kubevirt.io", "cdi-apiserver")),
    Workload("cdi", "cdi-deployment", "quay.io/kubevirt/cdi-controller:v1.66.0", 1, cpu="100m", memory="150Mi",
             label=("app", "containerized-data-importer"), container="cdi-controller"),
    Workload("cdi", "cdi-operator", "quay.io/kubevirt/cdi-operator:v1.66.0", 1, label=("name", "cdi-operator")),
    Workload("cdi", "cdi-uploadproxy", "quay.io/kubevirt/cdi-uploadproxy:v1.66.0", 1,
             label=("cdi.kubevirt.io", "cdi-uploadproxy")),
    Workload("rook-ceph", "rook-ceph-operator", "docker.io/rook/ceph:v1.20.6", 1, cpu="200m", memory="128Mi"),
    Workload("rook-ceph", "csi-rbdplugin", "quay.io/cephcsi/cephcsi:v3.16.0", 0, "worker", memory="512Mi",
             driver="rook-ceph.rbd.csi.ceph.com"),
    Workload("rook-ceph", "csi-rbdplugin-provisioner", "quay.io/cephcsi/cephcsi:v3.16.0", 2, memory="512Mi"),
    Workload("rook-ceph", "rook-ceph-mon", "quay.io/ceph/ceph:v19.2.3", 3, cpu="500m", memory="1Gi"),
    Workload("rook-ceph", "rook-ceph-osd", "quay.io/ceph/ceph:v19.2.3", 6, cpu="1", memory="4Gi"),
    Workload("kube-system", "coredns", "registry.k8s.io/coredns/coredns:v1.14.0", 2, "control-plane", "100m", "70Mi",
             ("k8s-app", "kube-dns")),
    Workload("kube-system", "kube-apiserver", "registry.k8s.io/kube-apiserver:v1.36.2", 3, "control-plane", "250m",
             "2Gi", ("component", "kube-apiserver")),
    Workload("kube-system", "etcd", "registry.k8s.io/etcd:3.6.8-0", 3, "control-plane", "100m", "1Gi",
             ("component", "etcd")),
    Workload("kube-system", "kube-scheduler", "registry.k8s.io/kube-scheduler:v1.36.2", 3, "control-plane", "100m",
             "128Mi", ("component", "kube-scheduler")),
    Workload("kube-system", "kube-controller-manager", "registry.k8s.io/kube-controller-manager:v1.36.2", 3,
             "control-plane", "200m", "512Mi", ("component", "kube-controller-manager")),
    Workload("kube-system", "cilium", "quay.io/cilium/cilium:v1.19.1", 0, "all", "100m", "512Mi",
             ("k8s-app", "cilium"), connects=True),
    Workload("kube-system", "metrics-server", "registry.k8s.io/metrics-server/metrics-server:v0.8.1", 1,
             "control-plane", "100m", "200Mi", ("k8s-app", "metrics-server")),
    Workload("multus", "kube-multus-ds", "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4", 0, "all", "100m", "50Mi",
             connects=True),
    Workload("capi-system", "capi-controller-manager", "registry.k8s.io/cluster-api/cluster-api-controller:v1.14.0", 1),
    Workload("capk-system", "capk-controller-manager", "quay.io/capk/capk-manager:v0.11.2", 1),
    Workload("monitoring", "prometheus", "quay.io/prometheus/prometheus:v3.8.0", 2, cpu="500m", memory="4Gi"),
    Workload("monitoring", "grafana", "docker.io/grafana/grafana:12.3.0", 1, cpu="100m", memory="256Mi"),
    Workload("web", "nginx-edge", "docker.io/library/nginx:1.29.3", 3, cpu="200m", memory="256Mi"),
    Workload("shop", "cart-api", "registry.example.org/shop/cart-api:2.14.0", 4, cpu="250m", memory="512Mi"),
    Workload("shop", "redis", "docker.io/library/redis:8.4.0", 1, cpu="100m", memory="1Gi"),
    Workload("data", "schema-registry", "registry.example.org/data/schema-registry:8.1.0", 2, cpu="100m", memory="1Gi"),
    Workload("ci", "controller", "registry.example.org/ci/controller:5.2.1", 1, cpu="500m", memory="2Gi"),
)  # fmt: skip


def objects(
    random: Random, control_planes: list[str], workers: list[str], created: str, addresses: Iterator[str]
) -> tuple[list[Object], list[Object], list[Object]]:
    """Deployments, DaemonSets and all their pods, running since `created`."""
    deployments: list[Object] = []
    daemon_sets: list[Object] = []
    pods: list[Object] = []
    for workload in WORKLOADS:
        nodes = {"worker": workers, "control-plane": control_planes, "all": control_planes + workers}[workload.where]
        if workload.replicas:
            shift = random.randrange(len(nodes))
            chosen = [nodes[(shift + number) % len(nodes)] for number in range(workload.replicas)]
        else:
            chosen = nodes
        owner = _owner(workload, len(chosen), created, f"{random.getrandbits(128):032x}")
        (deployments if workload.replicas else daemon_sets).append(owner)
        pods += [_pod(workload, node, created, next(addresses), owner, random) for node in chosen]
    return deployments, daemon_sets, pods


def labels_of(workload: Workload) -> dict[str, str]:
    """The labels of its pods; by the first they are found."""
    key, value = workload.label if workload.label[0] else ("app", workload.name)
    shared = _CDI_OPERATOR if workload.name == "cdi-operator" else _SHARED.get(workload.namespace, {})
    return {key: value, **{other: text for other, text in shared.items() if other != key}}


def selector_of(workload: Workload) -> dict[str, str]:
    """By what its pods are found."""
    key, value = next(iter(labels_of(workload).items()))
    return {key: value}


def template_of(workload: Workload) -> Object:
    """What its pods are made of, as it was installed."""
    spec: Object = {"containers": _containers(workload)}
    if workload.connects:
        spec["volumes"] = [{"name": "cni", "hostPath": {"path": "/etc/cni/net.d"}}]
    return {"metadata": {"labels": labels_of(workload)}, "spec": spec}


def _owner(workload: Workload, count: int, created: str, uid: str) -> Object:
    labels = labels_of(workload)
    daemon = not workload.replicas
    spec: Object = {"selector": {"matchLabels": selector_of(workload)}, "template": template_of(workload)}
    if not daemon:
        spec["replicas"] = count
    found: Object = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet" if daemon else "Deployment",
        "metadata": {
            "name": workload.name,
            "namespace": workload.namespace,
            "uid": f"{uid[:8]}-{uid[8:12]}-4{uid[13:16]}-a{uid[17:20]}-{uid[20:]}",
            "creationTimestamp": created,
            "generation": 1,
            "labels": labels,
        },
        "spec": spec,
    }
    found["status"] = _daemons(count) if daemon else status_of(found, Count(count, count, count), created)
    return found


def _daemons(count: int) -> Object:
    return {
        "currentNumberScheduled": count,
        "desiredNumberScheduled": count,
        "numberAvailable": count,
        "numberMisscheduled": 0,
        "numberReady": count,
        "observedGeneration": 1,
        "updatedNumberScheduled": count,
    }


def _containers(workload: Workload) -> list[Object]:
    return [_container(workload), *([_registrar(workload.driver)] if workload.driver else [])]


def _registrar(driver: str) -> Object:
    """What tells the kubelet of a driver, as Rook writes it."""
    return {
        "name": "driver-registrar",
        "image": "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.15.0",
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "--v=0",
            "--csi-address=/csi/csi.sock",
            f"--kubelet-registration-path=/var/lib/kubelet/plugins/{driver}/csi.sock",
        ],
        "resources": {},
    }


def _container(workload: Workload) -> Object:
    return {
        "name": workload.container or workload.name,
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": workload.cpu, "memory": workload.memory}},
    }


def _pod(workload: Workload, node: str, created: str, address: str, owner: Object, random: Random) -> Object:
    suffix = "".join(random.choice(_LETTERS) for _ in range(5))
    static = workload.namespace == "kube-system" and workload.label[0] == "component"
    middle = "" if not workload.replicas else "".join(random.choice(_LETTERS) for _ in range(9)) + "-"
    meta: Object = {
        "name": f"{workload.name}-{node}" if static else f"{workload.name}-{middle}{suffix}",
        "namespace": workload.namespace,
        "creationTimestamp": created,
        "labels": labels_of(workload),
    }
    if not static and not workload.replicas:
        meta["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "name": workload.name,
                "uid": owner["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    containers, number = _containers(workload), random.getrandbits(64)
    ready = ("Initialized", "ContainersReady", "Ready", "PodScheduled")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {
            "containers": containers,
            "nodeName": node,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [_EVERYWHERE] if not workload.replicas or static else [],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": created} for kind in ready
            ],
            "containerStatuses": [container_running(one, created, number + at) for at, one in enumerate(containers)],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "qosClass": "Burstable",
            "startTime": created,
        },
    }
