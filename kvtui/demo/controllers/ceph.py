"""Rook's report of the Ceph cluster: how full it is, and what Ceph makes of that.

Sources: rook ``pkg/apis/ceph.rook.io/v1/types.go``, ``pkg/operator/ceph/cluster/cephstatus.go``; Ceph
``doc/rados/operations/health-checks``: nearfull at 85 %, full at 95 % of the fullest OSD.
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller
from kvtui.demo.storage import Object

_NEARLY, _FULL = 0.85, 0.95
_DRIVERS = (".rbd.csi.ceph.com", ".cephfs.csi.ceph.com")
_INTERVAL = 60.0
"""Seconds between two reports (``statusCheck`` of the CR)."""


class Ceph(Controller):
    """Keeps ``status.ceph`` of the CephCluster."""

    kinds = (kinds.CEPH_CLUSTER,)
    latency = 1.0

    def reconcile(self, namespace: str, name: str) -> None:
        """Report, when something has changed."""
        cluster = self.storage.find(kinds.CEPH_CLUSTER, namespace, name)
        if cluster is None:
            return
        taken = self.world.outside.ceph_taken
        capacity = cluster.get("status", {}).get("ceph", {}).get("capacity", {})
        total = capacity.get("bytesTotal", 0)
        used = int(total * taken)
        if used == capacity.get("bytesUsed", 0):
            # As it was, or of no Ceph that runs here.
            return
        health, details = _judge(taken)
        now = self.clock.stamp()

        def write(found: Object) -> None:
            ceph = found["status"]["ceph"]
            if ceph.get("health") != health:
                ceph |= {"previousHealth": ceph.get("health", ""), "lastChanged": now, "health": health}
            ceph["lastChecked"] = now
            ceph["capacity"] |= {"bytesUsed": used, "bytesAvailable": total - used, "lastUpdated": now}
            if details:
                ceph["details"] = details
            else:
                ceph.pop("details", None)

        self.storage.modify(kinds.CEPH_CLUSTER, namespace, name, write)

    @property
    def is_full(self) -> bool:
        """Whether it takes no writes."""
        return self.world.outside.ceph_taken >= _FULL

    def serves(self, namespace: str, claim: str) -> bool:
        """Whether the volume of a claim lies on it."""
        found = self.storage.find(kinds.PVC, namespace, claim)
        name = found["spec"].get("storageClassName", "") if found is not None else ""
        class_ = self.storage.find(kinds.STORAGE_CLASS, "", name)
        return class_ is not None and str(class_["provisioner"]).endswith(_DRIVERS)

    def fill(self, share: float) -> None:
        """So much of the room is taken now; Rook tells it at its next look."""
        self.world.outside.ceph_taken = share
        for row in self.storage.raw_list(kinds.CEPH_CLUSTER):
            self.enqueue((row.namespace, row.name), self.random.uniform(0.1, 1.0) * _INTERVAL)


def _judge(taken: float) -> tuple[str, Object]:
    """Health, and the checks that are not well, by their codes."""
    if taken >= _FULL:
        pools = {"severity": "HEALTH_WARN", "message": "2 pool(s) full"}
        return "HEALTH_ERR", {"OSD_FULL": {"severity": "HEALTH_ERR", "message": "3 full osd(s)"}, "POOL_FULL": pools}
    if taken >= _NEARLY:
        pools = {"severity": "HEALTH_WARN", "message": "2 pool(s) nearfull"}
        nearly = {"severity": "HEALTH_WARN", "message": "2 nearfull osd(s)"}
        return "HEALTH_WARN", {"OSD_NEARFULL": nearly, "POOL_NEARFULL": pools}
    return "HEALTH_OK", {}
