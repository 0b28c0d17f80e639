"""The population of the demo cluster at the start: everything well, everything of true shape."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.catalog import disks, hosts, platform, workloads
from kvtui.demo.catalog.applications import (
    APPLICATIONS,
    NAMESPACES,
    NETWORKS,
    PLATFORM_NAMESPACES,
    Application,
    share_out,
)
from kvtui.demo.catalog.making import long_made
from kvtui.demo.catalog.owners import declared_machine, owner_objects, seeded_machine
from kvtui.demo.catalog.virtualmachines import default_machine
from kvtui.demo.controllers.binder import bind_claim, volume_for
from kvtui.demo.controllers.credentials import SYNCHRONIZED, secrets_of
from kvtui.demo.controllers.handler import report_agent, run_guest
from kvtui.demo.controllers.instance import new_instance
from kvtui.demo.controllers.kubelet import UNPAUSED, container_running
from kvtui.demo.controllers.launcher import LAUNCHER_IMAGE, OVERHEAD, claims_of, launcher_pod
from kvtui.demo.controllers.printable import Situation
from kvtui.demo.controllers.protection import CLAIM_FINALIZER
from kvtui.demo.controllers.virtualmachine import FINALIZER, report_status
from kvtui.demo.objects import binary, owner_reference, set_condition
from kvtui.demo.storage import Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

DAY = 86400.0
AGE = 212 * DAY
"""Seconds since the cluster was set up."""
_BATCH = 1000
"""Machines that are stored at a time: as dicts they take ten times their room."""
_VOLUME_KINDS = (kinds.DATA_VOLUME, kinds.PVC, kinds.PV)


@dataclass(slots=True)
class _Batch:
    """Objects of the seed that are stored together."""

    objects: dict[Kind, list[Object]]

    def store(self, world: World) -> None:
        """Store what was gathered, and begin anew."""
        for kind, objects in self.objects.items():
            world.load(kind, objects)
        self.objects.clear()

    def add(self, kind: Kind, obj: Object) -> None:
        self.objects.setdefault(kind, []).append(obj)


def populate(world: World, size: int) -> None:
    """Fill the world's storage with a cluster of `size` virtual machines."""
    collecting = gc.isenabled()
    # Nothing of the millions of small objects made here is garbage; looking for some would take longer than all else.
    gc.disable()
    try:
        _populate(world, size)
    finally:
        if collecting:
            gc.enable()


def _populate(world: World, size: int) -> None:
    nodes = hosts.node_names(max(hosts.SMALLEST, size // 20))
    _load_platform(world, nodes)
    batch = _Batch({})
    # The last worker is a spare one.
    used = nodes[hosts.CONTROL_PLANES : -1]
    position = 0
    shares = share_out(size)
    for kind, owner in owner_objects(shares, world.clock.stamp(AGE)):
        batch.add(kind, owner)
    for application, count in shares:
        for number in range(1, count + 1):
            vm = seeded_machine(application, number, count)
            _add_machine(world, batch, application, number, vm, used[position % len(used)])
            position += 1
            if position % _BATCH == 0:
                batch.store(world)
    batch.store(world)


def new_uid(world: World) -> str:
    """A uid from the world's own chance."""
    return world.storage.salted_uid(world.random.getrandbits(128))


def _load_platform(world: World, nodes: list[str]) -> None:
    created = world.clock.stamp(AGE)
    now = world.clock.stamp()
    world.load(
        kinds.NAMESPACE,
        [
            _namespace(name, team, created)
            for name, team in [*NAMESPACES.items(), *((n, "") for n in PLATFORM_NAMESPACES)]
        ],
    )
    world.load(kinds.NODE, [hosts.node(name, number, created, now) for number, name in enumerate(nodes)])
    world.load(kinds.STORAGE_CLASS, disks.storage_classes(created))
    world.load(kinds.CSI_DRIVER, disks.csi_drivers(created))
    world.load(kinds.CSI_NODE, disks.csi_nodes(world.storage.list(kinds.NODE)[hosts.CONTROL_PLANES :], created))
    world.load(kinds.VOLUME_SNAPSHOT_CLASS, disks.snapshot_classes(created))
    world.load(kinds.STORAGE_PROFILE, disks.storage_profiles(created))
    world.load(kinds.CEPH_CLUSTER, disks.ceph_clusters(created))
    world.load(kinds.KUBEVIRT, [platform.kubevirt(created)])
    world.load(kinds.CDI, [platform.cdi(created)])
    world.load(kinds.CDI_CONFIG, [platform.cdi_config(created)])
    world.load(kinds.CEPH_CLUSTER, [platform.ceph_cluster(created)])
    world.load(kinds.API_SERVICE, platform.api_services(created))
    world.load(kinds.CRD, platform.custom_resource_definitions(created))
    world.load(kinds.NAD, [_network(namespace, name, vlan, created) for namespace, name, vlan in NETWORKS])
    world.load(kinds.SECRET, [_passwords(item, created) for item in APPLICATIONS if item.password])
    addresses = iter(world.next_address, "")
    deployments, daemon_sets, pods = workloads.objects(
        world.random, nodes[: hosts.CONTROL_PLANES], nodes[hosts.CONTROL_PLANES :], created, addresses
    )
    world.load(kinds.DEPLOYMENT, deployments)
    world.load(kinds.DAEMON_SET, daemon_sets)
    for pod in pods:
        pod["metadata"]["uid"] = new_uid(world)
    world.load(kinds.POD, pods)


def _namespace(name: str, team: str, created: str) -> Object:
    labels = {"kubernetes.io/metadata.name": name}
    if team:
        labels |= {"team": team, "pod-security.kubernetes.io/enforce": "privileged"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "creationTimestamp": created, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _passwords(application: Application, created: str) -> Object:
    """No user has a password yet."""
    secret = long_made(kinds.SECRET, application.namespace, application.password, created)
    del secret["metadata"]["generation"]
    return secret | {"type": "Opaque", "data": {}}


def _network(namespace: str, name: str, vlan: int, created: str) -> Object:
    config = {"cniVersion": "0.3.1", "type": "bridge", "bridge": "br-ex", "vlan": vlan, "name": name}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created, "generation": 1},
        "spec": {"config": json.dumps(config)},
    }


# Machines


def _add_machine(world: World, batch: _Batch, application: Application, number: int, vm: Object, node: str) -> None:
    namespace, name = vm["metadata"]["namespace"], vm["metadata"]["name"]
    random = world.random
    age = random.uniform(2 * DAY, AGE)
    created = world.clock.stamp(age)
    if declared_machine(namespace, name) is not None:
        world.declared.add((namespace, name))
    default_machine(vm, new_uid(world), new_uid(world))
    annotations = {
        **vm["metadata"].get("annotations", {}),
        "kubevirt.io/latest-observed-api-version": "v1",
        "kubevirt.io/storage-observed-api-version": "v1",
    }
    if number % 3 == 1:
        applied = {"apiVersion": vm["apiVersion"], "kind": vm["kind"], "metadata": {"name": name}}
        annotations["kubectl.kubernetes.io/last-applied-configuration"] = json.dumps(applied) + "\n"
    vm["metadata"] |= {
        "annotations": annotations,
        "creationTimestamp": created,
        "finalizers": [FINALIZER],
        "generation": 1,
        "uid": new_uid(world),
        "managedFields": [
            {
                "apiVersion": "kubevirt.io/v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {".": {}, "f:runStrategy": {}, "f:template": {}}},
                "manager": "kubectl-client-side-apply",
                "operation": "Update",
                "time": created,
            }
        ],
    }
    volumes = _add_volumes(world, batch, vm, created)
    claims = {claim["metadata"]["name"]: claim for _, claim in volumes}
    off = application.halted and number % application.halted == 0
    if off and application.strategy == "Always":
        vm["spec"]["runStrategy"] = "Halted"
    vmi = None
    if not off:
        started = world.clock.stamp(min(age, random.uniform(0.5 * 3600, 45 * DAY)))
        vmi = _running_instance(world, batch, vm, node, started, claims)
    situation = Situation(vm, vmi, list(volumes))
    vm["status"] = {}
    report_status(situation, created)
    batch.add(kinds.VM, vm)


def _add_volumes(world: World, batch: _Batch, vm: Object, created: str) -> list[tuple[Object, Object]]:
    """DataVolume, claim and volume of each template, long imported."""
    found = []
    for template in vm["spec"].get("dataVolumeTemplates", ()):
        volume = _imported(world, vm, template, created)
        claim = _imported_claim(world, volume, created)
        storage_class = {
            "metadata": {"name": claim["spec"]["storageClassName"]},
            "provisioner": "rook-ceph.rbd.csi.ceph.com",
        }
        persistent = volume_for(claim, storage_class)
        persistent["metadata"] |= {"uid": new_uid(world), "creationTimestamp": created}
        bind_claim(claim, persistent["metadata"]["name"])
        for kind, obj in zip(_VOLUME_KINDS, (volume, claim, persistent), strict=True):
            batch.add(kind, obj)
        found.append((volume, claim))
    return found


def _imported(world: World, vm: Object, template: Object, created: str) -> Object:
    meta = vm["metadata"]
    name = template["metadata"]["name"]
    conditions = (("Bound", "True", "Bound", f"PVC {name} Bound"), ("Ready", "True", "", ""),
                  ("Running", "False", "Completed", "Import Complete"))  # fmt: skip
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "uid": new_uid(world),
            "creationTimestamp": created,
            "generation": 1,
            "annotations": {"cdi.kubevirt.io/allowClaimAdoption": "true"},
            "labels": {"kubevirt.io/created-by": meta["uid"]},
            "ownerReferences": [owner_reference(vm)],
        },
        "spec": template["spec"],
        "status": {
            "claimName": name,
            "conditions": [
                {
                    "lastHeartbeatTime": created,
                    "lastTransitionTime": created,
                    "message": message,
                    "reason": reason,
                    "status": status,
                    "type": kind,
                }
                for kind, status, reason, message in conditions
            ],
            "phase": "Succeeded",
            "progress": "100.0%",
        },
    }


def _imported_claim(world: World, volume: Object, created: str) -> Object:
    meta, storage = volume["metadata"], volume["spec"]["storage"]
    shared = "accessModes" not in storage
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": new_uid(world),
            "creationTimestamp": created,
            "annotations": {
                "cdi.kubevirt.io/storage.contentType": "kubevirt",
                "cdi.kubevirt.io/storage.pod.phase": "Succeeded",
                "cdi.kubevirt.io/storage.usePopulator": "true",
            },
            "labels": {"app": "containerized-data-importer"},
            "finalizers": [CLAIM_FINALIZER],
            "ownerReferences": [owner_reference(volume)],
        },
        "spec": {
            "accessModes": ["ReadWriteMany"] if shared else ["ReadWriteOnce"],
            "resources": {"requests": dict(storage["resources"]["requests"])},
            "storageClassName": storage["storageClassName"],
            "volumeMode": "Filesystem" if storage["storageClassName"] == disks.FILES else "Block",
        },
    }


def _running_instance(
    world: World, batch: _Batch, vm: Object, node: str, started: str, claims: dict[str, Object]
) -> Object:
    vmi = new_instance(world, vm)
    vmi["metadata"] |= {"uid": new_uid(world), "creationTimestamp": started, "generation": 9}
    vmi["metadata"]["labels"] = {**vmi["metadata"]["labels"], "kubevirt.io/nodeName": node}
    vmi["metadata"]["annotations"] |= {
        "kubevirt.io/latest-observed-api-version": "v1",
        "kubevirt.io/nonroot": "true",
        "kubevirt.io/storage-observed-api-version": "v1",
    }
    block = frozenset(name for name, claim in claims.items() if claim["spec"]["volumeMode"] == "Block")
    pod = running_launcher(world, vmi, node, started, block)
    status = vmi["status"]
    status |= {
        "activePods": {pod["metadata"]["uid"]: node},
        "launcherContainerImageVersion": LAUNCHER_IMAGE,
        "migrationTransport": "Unix",
        "nodeName": node,
        "phaseTransitionTimestamps": [
            {"phase": phase, "phaseTransitionTimestamp": started} for phase in ("Pending", "Scheduling", "Scheduled")
        ],
        "qosClass": "Burstable",
    }
    status["memory"]["memoryOverhead"] = binary(OVERHEAD)
    set_condition(vmi, "Ready", "True", started, probe=None)
    if claims_of(vmi):
        told = ("AllDVsReady", "All of the VMI's DVs are bound and ready")
        set_condition(vmi, "DataVolumesReady", "True", started, *told, probe=None)
    run_guest(claims, vmi, pod, started)
    set_condition(vmi, "AgentConnected", "True", started)
    report_agent(vmi)
    if secrets_of(vmi):
        set_condition(vmi, SYNCHRONIZED, "True", started)
    batch.add(kinds.VMI, vmi)
    batch.add(kinds.POD, pod)
    return vmi


def running_launcher(world: World, vmi: Object, node: str, started: str, block: frozenset[str]) -> Object:
    """The launcher pod of an instance that has run on `node` since `started`."""
    pod = launcher_pod(vmi, block=block)
    suffix = "".join(world.random.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
    meta = pod["metadata"]
    meta |= {
        "name": meta["generateName"] + suffix,
        "uid": new_uid(world),
        "creationTimestamp": started,
        "generation": 1,
    }
    meta["labels"]["kubevirt.io/nodeName"] = node
    pod["spec"]["nodeName"] = node
    address = world.next_address()
    pod["status"] |= {
        "phase": "Running",
        "conditions": [
            *(
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": started}
                for kind in ("Initialized", "ContainersReady", "Ready")
            ),
            {
                "type": UNPAUSED,
                "status": "True",
                "lastProbeTime": started,
                "lastTransitionTime": started,
                "reason": "NotPaused",
                "message": "the virtual machine is not paused",
            },
            {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": started},
        ],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": started,
        "initContainerStatuses": [
            container_running(item, started, world.random.getrandbits(64)) for item in pod["spec"]["initContainers"]
        ],
        "containerStatuses": [
            container_running(item, started, world.random.getrandbits(64)) for item in pod["spec"]["containers"]
        ],
    }
    return pod
