"""Volumes that are attached to a running instance."""

from __future__ import annotations

from kvtui.demo import hotplug, kinds
from kvtui.demo.controllers.handler import is_migratable
from kvtui.demo.objects import condition
from kvtui.demo.world import World
from tests.demo.worlds import START


def test_a_claim_that_is_not_shared_takes_the_migration_away_for_as_long_as_it_is_attached() -> None:
    world = World(30, start=START, troubles=False)
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "ceph-rbd",
        "volumeMode": "Block",
    }
    world.storage.create(kinds.PVC, {"metadata": {"name": "own", "namespace": "shop"}, "spec": spec})
    source = {"persistentVolumeClaim": {"claimName": "own"}}
    options = {"name": "own", "disk": {"disk": {"bus": "virtio"}}, "volumeSource": source}
    assert is_migratable(world.storage.get(kinds.VMI, "shop", "catalog-1"))
    hotplug.add(world, "shop", "catalog-1", options)
    world.advance(30)
    vmi = world.storage.get(kinds.VMI, "shop", "catalog-1")
    assert {item["name"]: item.get("phase") for item in vmi["status"]["volumeStatus"]}["own"] == "Ready"
    told = condition(vmi, "LiveMigratable")
    assert told is not None
    assert (told["status"], told["reason"]) == ("False", "DisksNotLiveMigratable")
    assert "PVC own is not shared" in told["message"]
    hotplug.remove(world, "shop", "catalog-1", {"name": "own"})
    world.advance(30)
    assert is_migratable(world.storage.get(kinds.VMI, "shop", "catalog-1"))
