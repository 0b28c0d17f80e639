"""What a CSI driver stands on: its registration on the node of a VM, its node plugin, the Ceph behind it.

That a driver is registered on a node says the CSINode of the node. Which pods are a driver's, no field of the API says:
it is known only where its DaemonSet names the driver's socket (`DaemonSet.registers`), and never of its controller.
Those pods are not watched: their DaemonSet counts how many are ready, and tells not of which nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.ceph import ceph_behind
from kvtui.joins.layers import Layer, Walk, missing, tell_absence
from kvtui.model import FeedState, Health, Ref, Tone
from kvtui.records.daemons import DaemonSet
from kvtui.records.storage import CephCluster, CsiDriver, CsiNode
from kvtui.store import View
from kvtui.text import join_clauses

_OTHERS_UNKNOWN: Final = "the pods of its controller are not known"
_WHERE_UNKNOWN: Final = "which node lacks one is not known"
_UNNAMED: Final = "no DaemonSet says that it registers this driver"


def driver_layer(walk: Walk, backend: str, driver: str) -> Layer:
    """A CSI driver with all that is known of what it runs in; another provisioner by its name alone."""
    if not _is_csi(walk.view, backend, driver):
        return Layer("provisioner", driver)
    ref = walk.view.ref_of(CsiDriver, backend, "", driver)
    ceph, note = _ceph(walk.view, backend, driver)
    below = (*_registration(walk, backend, driver), *_plugins(walk.view, backend, driver), *ceph)
    return Layer("CSI driver", driver, ref, None, note, below)


def judge_daemons(record: DaemonSet) -> Health:
    """How many pods of a DaemonSet are ready."""
    wanted, ready = record.status.desired_number_scheduled, record.status.number_ready
    if not wanted:
        return Health(Tone.MUTED, "No node", "no node is one that it runs on")
    if ready >= wanted:
        return Health(Tone.OK, "Ready", f"{ready} of {wanted} pods are")
    tone, word = (Tone.WARN, "In part") if ready else (Tone.BAD, "Not ready")
    return Health(tone, word, f"{ready} of {wanted} pods are ready")


def _is_csi(view: View, backend: str, driver: str) -> bool:
    return (
        "csi" in driver
        or view.ref_of(CsiDriver, backend, "", driver) is not None
        or any(node.has(driver) for _, node in view.items(CsiNode, backend))
    )


def _registration(walk: Walk, backend: str, driver: str) -> Iterator[Layer]:
    """Whether the kubelet of the VM's node knows the driver."""
    if not walk.node:
        return
    record = walk.view.get(CsiNode, backend, "", walk.node)
    if record is None:
        yield missing(walk.view, CsiNode, "driver on", backend, "", walk.node)
    elif record.has(driver):
        yield Layer("driver on", walk.node, None, Health(Tone.OK, "registered"))
    else:
        health = Health(Tone.BAD, "not registered", "no disk of this driver can be mounted there")
        yield Layer("driver on", walk.node, None, health)


def _plugins(view: View, backend: str, driver: str) -> Iterator[Layer]:
    """The DaemonSets whose pods serve the driver on the nodes."""
    found = [(ref, record) for ref, record in view.items(DaemonSet, backend) if record.registers(driver)]
    for ref, record in sorted(found, key=lambda one: one[0]):
        health = judge_daemons(record)
        lacks = 0 < record.status.number_ready < record.status.desired_number_scheduled
        note = join_clauses(_WHERE_UNKNOWN, _OTHERS_UNKNOWN) if lacks else _OTHERS_UNKNOWN
        yield Layer("node plugin", ref.path, ref, health, note)
    if not found and view.feed(backend, DaemonSet.KIND).state is FeedState.LIVE:
        yield Layer("driver's pods", driver, None, Health(Tone.MUTED, "not known", _UNNAMED))
    elif not found:
        sought = Ref(backend, DaemonSet.KIND, "", "")
        yield Layer("driver's pods", driver, None, tell_absence(view, backend, DaemonSet), sought=sought)


def _ceph(view: View, backend: str, driver: str) -> tuple[tuple[Layer, ...], str]:
    """The Ceph behind a driver, where Rook runs that, and what there is to say of one that is elsewhere."""
    ceph = ceph_behind(view, backend, driver)
    if ceph is not None:
        ref = ceph.ref(backend)
        return (Layer("Ceph", ref.path, ref),), ""
    if not driver.endswith(".csi.ceph.com"):
        return (), ""
    if view.feed(backend, CephCluster.KIND).state in (FeedState.ABSENT, FeedState.LIVE):
        # One that no CephCluster of Rook's is behind is a Ceph elsewhere, which is nothing amiss.
        return (), "a Ceph outside of this cluster"
    sought = Ref(backend, CephCluster.KIND, "", "")
    return (Layer("Ceph", "", None, tell_absence(view, backend, CephCluster), sought=sought),), ""
