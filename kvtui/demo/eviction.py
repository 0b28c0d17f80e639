"""Eviction of pods, with the answers of KubeVirt's interceptor for launcher pods.

Sources: ``pod-eviction-admitter.go`` (KubeVirt 1.9), reference section 5.5, the recordings ``evict-*``.
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.objects import has_condition
from kvtui.demo.replies import success
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World

_WEBHOOK = 'admission webhook "virt-launcher-eviction-interceptor.kubevirt.io" denied the request: '
_MOVES = ("LiveMigrate", "LiveMigrateIfPossible", "External")


def _refused(message: str) -> StorageError:
    return StorageError(429, "", _WEBHOOK + message)


def _strategy(world: World, vmi: Object) -> str:
    own = vmi["spec"].get("evictionStrategy")
    if own:
        return str(own)
    for kubevirt in world.storage.list(kinds.KUBEVIRT):
        return str(kubevirt["spec"].get("configuration", {}).get("evictionStrategy") or "None")
    return "None"


def evict(world: World, namespace: str, name: str, *, dry_run: bool = False) -> Object:
    """Evict a pod: an ordinary one is deleted, one of a virtual machine sets its move going. A dry run does neither.

    Raises StorageError 404, and 429 with KubeVirt's words for a machine that is moved or must not be.
    """
    pod = world.storage.get(kinds.POD, namespace, name)
    labels = pod["metadata"].get("labels", {})
    machine = pod["metadata"].get("annotations", {}).get("kubevirt.io/domain", "")
    vmi = world.storage.find(kinds.VMI, namespace, machine) if labels.get("kubevirt.io") == "virt-launcher" else None
    # The interceptor's failurePolicy is Ignore: while nobody answers, machines are evicted like anything else.
    if (
        vmi is not None
        and "virt-api" not in world.down
        and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ):
        _move(world, vmi, pod, dry_run=dry_run)
    if not dry_run:
        world.delete_pod(namespace, name)
    return success(code=201)


def _move(world: World, vmi: Object, pod: Object, *, dry_run: bool) -> None:
    """Refuse the eviction when the machine's strategy asks for a move; nothing when it may be killed."""
    strategy = _strategy(world, vmi)
    name, namespace = vmi["metadata"]["name"], vmi["metadata"]["namespace"]
    movable = has_condition(vmi, "LiveMigratable", "True")
    if strategy not in _MOVES or (strategy == "LiveMigrateIfPossible" and not movable):
        return
    if strategy == "LiveMigrate" and not movable:
        raise _refused(f"VMI {name} is configured with an eviction strategy but is not live-migratable")
    node = vmi.get("status", {}).get("nodeName", "")
    if pod["spec"].get("nodeName") != node:
        raise _refused("Eviction request for target Pod")
    evacuation = f'Eviction triggered evacuation of VMI "{namespace}/{name}"'
    if vmi["status"].get("evacuationNodeName"):
        raise _refused(f"Evacuation in progress: {evacuation}")

    def mark(present: Object) -> None:
        present["status"]["evacuationNodeName"] = node

    if not dry_run:
        world.storage.modify(kinds.VMI, namespace, name, mark)
    raise _refused(evacuation)
