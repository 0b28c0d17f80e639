"""How a Ceph fares by its own words, and which storage it is behind; kubevirt-api.md 1.6."""

from __future__ import annotations

from typing import Final

from kvtui.model import Health, Tone
from kvtui.records.storage import CephCluster
from kvtui.store import View
from kvtui.text import size

_TONES = {"HEALTH_OK": Tone.OK, "HEALTH_WARN": Tone.WARN, "HEALTH_ERR": Tone.BAD}
_PHASES = {"Failure": Tone.BAD, "Ready": Tone.OK, "Connected": Tone.OK}
_NAMED = 3
"""Complaints that a reason names before it counts the rest."""


def judge_ceph(record: CephCluster) -> Health:
    """Ceph's own word of its health with its complaints; Rook's phase where Ceph has not spoken or Rook failed."""
    status = record.status
    if record.fault:
        return Health(Tone.BAD, status.ceph.health or "Unreadable", f"cannot be read in full: {record.fault}")
    said = status.ceph.health
    if status.phase == "Failure" and said in {"", "HEALTH_OK"}:
        return Health(Tone.BAD, status.phase, status.message)
    if said:
        return Health(_TONES.get(said, Tone.WARN), said, name_complaints(record))
    return Health(_PHASES.get(status.phase, Tone.BUSY), status.phase or "Unknown", status.message)


def name_complaints(record: CephCluster) -> str:
    """``OSD_NEARFULL: 1 nearfull osd(s); MON_DOWN: ...``, the errors first."""
    found = [f"{code}: {detail.message}" for code, detail in record.complaints()]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return "; ".join(found[:_NAMED]) + more


def tell_taken(record: CephCluster) -> str:
    """``96 % of its 84Ti are used``; empty where it does not say."""
    capacity = record.status.ceph.capacity
    if not capacity.bytes_total:
        return ""
    percent = round(100 * capacity.bytes_used / capacity.bytes_total)
    return f"{percent} % of its {size(float(capacity.bytes_total))} are used"


def is_full(record: CephCluster) -> bool:
    """Whether Ceph takes no more writes, by its own word."""
    return not FULL.isdisjoint(code for code, _ in record.complaints())


FULL: Final = frozenset({"OSD_FULL", "POOL_FULL"})
"""Health checks at which Ceph blocks writes (Ceph, doc/rados/operations/health-checks)."""


def ceph_behind(view: View, backend: str, driver: str) -> CephCluster | None:
    """The Ceph that a CSI driver of Rook works with; None for other drivers, and for one that is not known."""
    return next((record for _, record in view.items(CephCluster, backend) if record.serves(driver)), None)
