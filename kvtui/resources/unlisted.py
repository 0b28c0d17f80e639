"""How objects fare that are in no list of their own, by their own word: DaemonSets, and the parts of clusters."""

from __future__ import annotations

from typing import Final

from kvtui.joins.conditions import tone_of
from kvtui.joins.driver_stack import judge_daemons
from kvtui.model import Health, Tone
from kvtui.records.base import Record
from kvtui.records.clusters import (
    ClusterStatus,
    ControlPlane,
    KubeadmConfig,
    KubevirtCluster,
    KubevirtMachine,
    MachineDeployment,
)
from kvtui.records.daemons import DaemonSet

_PAUSED: Final = "Paused"
"""The type of a condition: what else is wrong says more."""


def judge_unlisted(record: Record) -> Health | None:
    """The health of an object by what it counts and by its conditions; None for a kind that tells neither."""
    if record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {record.fault}")
    match record:
        case DaemonSet():
            return judge_daemons(record)
        case ControlPlane() | MachineDeployment():
            has, wanted = record.status.replicas, record.spec.replicas
            if has < wanted:
                tone, word = (Tone.WARN, "In part") if has else (Tone.BAD, "Not ready")
                return Health(tone, word, f"wants {wanted} machines and has {has}")
            return _read_status(record.KIND, record.status)
        case KubeadmConfig() | KubevirtCluster() | KubevirtMachine():
            return _read_status(record.KIND, record.status)
        case _:
            return None


def _read_status(kind: str, status: ClusterStatus) -> Health:
    if status.failure_message:
        return Health(Tone.BAD, "Failed", status.failure_message)
    wrong = [one for one in (*status.v1beta2.conditions, *status.conditions) if tone_of(kind, one) is Tone.WARN]
    for condition in wrong:
        if condition.type != _PAUSED:
            words = f"{condition.type}={condition.status}"
            return Health(
                Tone.WARN, "Not ready", ": ".join(filter(None, (words, condition.message or condition.reason)))
            )
    if wrong:
        return Health(Tone.WARN, _PAUSED, wrong[0].message)
    return Health(Tone.OK, "Ready")
