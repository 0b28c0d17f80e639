"""The pod in which the guest of a migration is to go on."""

from __future__ import annotations

from kvtui.joins.move import Move
from kvtui.records.kubernetes import Pod
from kvtui.store import View


def find_target_pod(view: View, move: Move) -> Pod | None:
    """The one that virt-controller made for it (kubevirt-api.md 2.10); None while there is none."""
    if move.vmi is None:
        return None
    for _, pod in view.linked(Pod, move.backend, "vmi", move.vmi.metadata.uid):
        if pod.metadata.labels.get("kubevirt.io/migrationJobUID") == move.migration.metadata.uid:
            return pod
    return None
