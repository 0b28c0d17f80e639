"""Claims and volumes that are in use outlive their deletion."""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.storage import Kind, Object
from kvtui.demo.world import World
from tests.demo.worlds import START

_CLAIM = ("shop", "catalog-1-root")


def _mark(world: World, kind: Kind, namespace: str, name: str) -> tuple[bool, list[str]] | None:
    """Whether it is deleted, and its finalizers; None when it is gone."""
    found = world.storage.find(kind, namespace, name)
    if found is None:
        return None
    return "deletionTimestamp" in found["metadata"], found["metadata"].get("finalizers", [])


def _halt(vm: Object) -> None:
    vm["spec"]["runStrategy"] = "Halted"


def test_a_claim_that_is_in_use_goes_with_the_last_pod_that_has_it() -> None:
    world = World(30, start=START, troubles=False)
    volume = world.storage.get(kinds.PVC, *_CLAIM)["spec"]["volumeName"]
    world.storage.delete(kinds.PVC, *_CLAIM)
    world.advance(300)
    assert _mark(world, kinds.PVC, *_CLAIM) == (True, ["kubernetes.io/pvc-protection"])
    assert _mark(world, kinds.PV, "", volume) == (False, ["kubernetes.io/pv-protection"])
    world.storage.modify(kinds.VM, "shop", "catalog-1", _halt)
    world.advance(60)
    assert world.storage.find(kinds.VMI, "shop", "catalog-1") is None
    assert _mark(world, kinds.PVC, *_CLAIM) is None
    assert _mark(world, kinds.PV, "", volume) is None


def test_a_claim_that_nobody_uses_goes_at_once() -> None:
    world = World(30, start=START, troubles=False)
    world.storage.modify(kinds.VM, "shop", "catalog-1", _halt)
    world.advance(60)
    world.storage.delete(kinds.PVC, *_CLAIM)
    world.advance(1)
    assert _mark(world, kinds.PVC, *_CLAIM) is None


def test_other_finalizers_hold_it_on() -> None:
    world = World(30, start=START, troubles=False)
    world.storage.modify(kinds.VM, "shop", "catalog-1", _halt)
    world.storage.modify(kinds.PVC, *_CLAIM, lambda claim: claim["metadata"]["finalizers"].append("example.org/kept"))
    world.advance(60)
    world.storage.delete(kinds.PVC, *_CLAIM)
    world.advance(60)
    assert _mark(world, kinds.PVC, *_CLAIM) == (True, ["example.org/kept"])


def test_a_volume_that_is_deleted_goes_with_its_claim() -> None:
    world = World(30, start=START, troubles=False)
    volume = world.storage.get(kinds.PVC, *_CLAIM)["spec"]["volumeName"]
    world.storage.delete(kinds.PV, "", volume)
    world.advance(60)
    assert _mark(world, kinds.PV, "", volume) == (True, ["kubernetes.io/pv-protection"])
    world.storage.delete(kinds.PVC, *_CLAIM)
    world.storage.modify(kinds.VM, "shop", "catalog-1", _halt)
    world.advance(60)
    assert _mark(world, kinds.PV, "", volume) is None


def test_a_volume_that_its_class_keeps_is_released() -> None:
    world = World(30, start=START, troubles=False)
    volume = world.storage.get(kinds.PVC, *_CLAIM)["spec"]["volumeName"]
    world.storage.modify(
        kinds.PV, "", volume, lambda found: found["spec"].__setitem__("persistentVolumeReclaimPolicy", "Retain")
    )
    world.storage.delete(kinds.PVC, *_CLAIM)
    world.storage.modify(kinds.VM, "shop", "catalog-1", _halt)
    world.advance(60)
    assert world.storage.get(kinds.PV, "", volume)["status"]["phase"] == "Released"


def test_no_new_pod_gets_a_node_for_a_claim_that_is_deleted() -> None:
    world = World(30, start=START, troubles=False)
    world.storage.delete(kinds.PVC, *_CLAIM)
    body = {"metadata": {"name": "move", "namespace": "shop"}, "spec": {"vmiName": "catalog-1"}}
    world.storage.create(kinds.VMIM, body)
    world.advance(30)
    pods = [pod for pod in world.storage.list(kinds.POD, "shop") if pod["status"].get("phase") == "Pending"]
    words = [one["message"] for pod in pods for one in pod["status"]["conditions"] if one["type"] == "PodScheduled"]
    total = len(world.storage.list(kinds.NODE))
    told = f'0/{total} nodes are available: persistentvolumeclaim "catalog-1-root" is being deleted. not found'
    assert words == [told]
