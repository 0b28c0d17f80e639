"""How drills make objects: as a user would, through the webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.catalog.applications import Application
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.managers import written_by
from kvtui.demo.objects import amount
from kvtui.demo.storage import Change, Kind, Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_LONGEST_BACKOFF = 300.0
"""Seconds between two starts of a container that ends again and again."""


def create(world: World, kind: Kind, obj: Object) -> Object:
    """Create an object as the API server does."""
    return world.storage.create(kind, admit(world, kind, obj, None, "CREATE"))


def edit(
    world: World,
    kind: Kind,
    namespace: str,
    name: str,
    change: Callable[[Object], object],
    *,
    manager: str = "kubectl-edit",
) -> None:
    """Change an object as somebody does with kubectl: the server notes who wrote which fields, and when."""
    write = written_by(kind, manager, world.clock.stamp(), change)
    world.storage.modify(kind, namespace, name, write)


def small_machine(namespace: str, name: str, *, system: str = "fedora", memory: str = "2Gi", cores: int = 2) -> Object:
    """A VirtualMachine that runs from a containerDisk, not yet created."""
    application = Application(namespace, name.rpartition("-")[0], system, 1, cores, memory, storage_class="")
    return machine(application, name)


def add_claim_disk(vm: Object, claim: str) -> None:
    """Give a machine a second disk on a claim that somebody else makes."""
    spec = vm["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
    spec["domain"]["devices"]["disks"].append({"disk": {"bus": "virtio"}, "name": "data"})


def let_stop(vm: Object) -> None:
    """Let a drain stop a machine that cannot be moved, as its owner agreed to."""
    vm["spec"]["template"]["spec"]["evictionStrategy"] = "LiveMigrateIfPossible"


def claim(namespace: str, name: str, storage_class: str, size: str, *, shared: bool = False) -> Object:
    """A PersistentVolumeClaim as a user writes it; `shared` by all nodes, so that a machine on it can be moved."""
    modes: Object = {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"} if shared else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": storage_class,
            **modes,
        },
    }


def import_of(
    namespace: str, name: str, url: str, *, size: str = "20Gi", storage_class: str = "", checksum: str = ""
) -> Object:
    """A DataVolume that imports a disk image from the web."""
    source: Object = {"url": url}
    if checksum:
        source["checksum"] = checksum
    storage: Object = {"resources": {"requests": {"storage": size}}}
    if storage_class:
        storage["storageClassName"] = storage_class
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"http": source}, "storage": storage},
    }


def migration_of(namespace: str, name: str) -> Object:
    """A migration of the instance of that name, as a user asks for it."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"generateName": "kubevirt-migrate-vm-", "namespace": namespace},
        "spec": {"vmiName": name},
    }


def workers(world: World) -> list[str]:
    """The names of the nodes that run machines."""
    nodes = world.storage.list(kinds.NODE, labels={"node-role.kubernetes.io/worker": ""})
    return [node["metadata"]["name"] for node in nodes]


def cordon(world: World, ago: float = 0.0) -> Callable[[Object], None]:
    """What ``kubectl cordon`` did to a node `ago` seconds ago, and the node lifecycle controller after it."""
    now = world.clock.stamp(ago)
    mark = written_by(kinds.NODE, "kubectl", now, lambda node: node["spec"].update(unschedulable=True))

    def change(node: Object) -> None:
        mark(node)
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": now}
        node["spec"].setdefault("taints", []).append(taint)

    return change


def add_taint(world: World, node: str, key: str, value: str) -> None:
    """What ``kubectl taint`` does to a node."""
    taint = {"key": key, "value": value, "effect": "NoSchedule"}

    def change(found: Object) -> None:
        found["spec"].setdefault("taints", []).append(taint)

    edit(world, kinds.NODE, "", node, change, manager="kubectl-taint")


def try_to_evict(world: World, pod: Object) -> bool:
    """Ask for the eviction of a pod as ``kubectl drain`` does; whether it is still there and to be asked again."""
    # The answers need the server's replies, which need the world.
    from kvtui.demo.eviction import evict

    try:
        evict(world, pod["metadata"]["namespace"], pod["metadata"]["name"])
    except StorageError as error:
        return error.code == 429
    return False


def add_network(vm: Object, name: str) -> None:
    """Give a machine a second interface, a bridge in the network of that definition."""
    spec = vm["spec"]["template"]["spec"]
    spec["networks"].append({"multus": {"networkName": name}, "name": "vlan"})
    spec["domain"]["devices"]["interfaces"].append({"bridge": {}, "name": "vlan"})


def uncordon(node: Object) -> None:
    """What ``kubectl uncordon`` does to a node, and the node lifecycle controller after it."""
    node["spec"].pop("unschedulable", None)
    taints = node["spec"].get("taints", ())
    node["spec"]["taints"] = [taint for taint in taints if taint["key"] != "node.kubernetes.io/unschedulable"]


def fail_again_and_again(
    world: World, pod: Object, *, reason: str = "Error", message: str = "", tries: int = 0
) -> None:
    """Let the container of a pod end as often as the kubelet starts it, with its growing back-off; until it is gone."""
    meta = pod["metadata"]
    present = world.storage.find(kinds.POD, meta["namespace"], meta["name"])
    if present is None or present["metadata"]["uid"] != meta["uid"]:
        return
    if tries:
        # It does not live long enough to become ready.
        world.kubelet.restart(meta["namespace"], meta["name"], "", waiting=False, ready=False)
    world.kubelet.restart(meta["namespace"], meta["name"], message, waiting=True, reason=reason)

    def again() -> None:
        fail_again_and_again(world, pod, reason=reason, message=message, tries=tries + 1)

    world.clock.call_later(min(_LONGEST_BACKOFF, 10.0 * 2**tries), again)


def run_out_of_memory(world: World, namespace: str, labels: dict[str, str], node: str = "") -> None:
    """Let the containers of such pods be killed as often as they start, on that node or on all, until they are made
    with more memory than they have now.
    """
    has = max((_memory_of(pod) for pod in world.storage.list(kinds.POD, namespace, labels)), default=0.0)
    killed: set[str] = set()

    def look() -> None:
        for pod in world.storage.list(kinds.POD, namespace, labels):
            uid, elsewhere = pod["metadata"]["uid"], node and pod["spec"].get("nodeName") != node
            if uid not in killed and pod["status"]["phase"] == "Running" and _memory_of(pod) <= has and not elsewhere:
                killed.add(uid)
                fail_again_and_again(world, pod, reason="OOMKilled")

    def on_change(change: Change) -> None:
        if change.kind is kinds.POD and change.namespace == namespace and labels.items() <= change.labels.items():
            # Before anybody sees it ready.
            world.clock.call_later(_SOON, look)

    world.storage.subscribe(on_change)
    look()


_SOON = 0.01


def _memory_of(pod: Object) -> float:
    resources = pod["spec"]["containers"][0].get("resources", {})
    return max(amount(resources.get(kind, {}).get("memory")) for kind in ("requests", "limits"))
