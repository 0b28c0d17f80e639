"""The pod in which the guest of a migration is to go on."""

from __future__ import annotations

from typing import Final

from kvtui.joins.move import Move
from kvtui.records.kubernetes import Pod
from kvtui.records.kubevirt import Migration
from kvtui.store import View


def ended_without_node(migration: Migration) -> bool:
    """Whether it has ended, and got no further than to a target pod without a node."""
    entered = {step.phase for step in migration.status.phase_transition_timestamps}
    return migration.is_final and "Scheduling" in entered and entered.isdisjoint(_PLACED)


_PLACED: Final = frozenset({"Scheduled", "PreparingTarget", "TargetReady", "Running"})


def is_made_for(pod: Pod, migration: Migration) -> bool:
    """Whether virt-controller made a pod as the target of a migration (kubevirt-api.md 2.10)."""
    return pod.metadata.labels.get("kubevirt.io/migrationJobUID") == migration.metadata.uid


def find_target_pod(view: View, move: Move) -> Pod | None:
    """The one that virt-controller made for it; None while there is none."""
    if move.vmi is None:
        return None
    for _, pod in view.linked(Pod, move.backend, "vmi", move.vmi.metadata.uid):
        if is_made_for(pod, move.migration):
            return pod
    return None
