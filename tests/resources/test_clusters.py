"""The pane of clusters whose nodes are VMs, from the objects of the demo cluster."""

from __future__ import annotations

from kvtui.model import Tone
from kvtui.resources.cluster import RESOURCE
from tests.triage.test_drills import play


def test_a_cluster_that_cannot_be_reached_shows_so_with_its_machines() -> None:
    store = play("cluster-unreachable").store
    rows = {ref.name: RESOURCE.row(store, ref) for ref in RESOURCE.refs(store)}
    row = rows["tenant-a"]
    assert row is not None
    health = RESOURCE.health(row, 0.0)
    assert (health.tone, health.word) == (Tone.BAD, "Unreachable")
    assert health.reason.startswith("Remote connection probe failed")
    assert (row.machines, row.waiting) == (5, 3)
