"""What actions make that then has a life of its own: how far it is, and whether it came to anything.

Phases and conditions: kubevirt-api.md 2.5 and 2.8.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kvtui.joins.causes import find_import_cause
from kvtui.records.base import Condition, find_condition
from kvtui.records.cdi import DataVolume
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Claim
from kvtui.resources import sources
from kvtui.resources.base import Product, Progress

_NO_REASON: Final = "the server gives no reason"
FOR_EVER: Final = frozenset({"VMNotFound", "PVCNotFound", "VMSnapshotNotFound"})
"""Reasons of exports that no waiting mends."""
BY_USER: Final = {
    "WaitForFirstConsumer": "its storage class waits until a VM uses it",
    "PendingPopulation": "its storage class waits until a VM uses it",
    "UploadReady": "ready for an upload",
    "Paused": "waits for its next checkpoint",
}
"""Phases of DataVolumes that go on when somebody does something."""


def _said(conditions: Iterable[Condition], type_: str) -> str:
    found = find_condition(conditions, type_)
    return (found.message or found.reason) if found is not None else ""


def _phase(phase: str, words: str) -> str:
    return f"{phase}: {words}" if words else phase


def judge_snapshot(snapshot: VmSnapshot) -> Progress:
    """How far a snapshot is: it is over when one can go back to it."""
    status, phase = snapshot.status, snapshot.status.phase or "InProgress"
    error = status.error.message if status.error is not None else ""
    if phase == "Failed":
        said = "; ".join(filter(None, (_said(status.conditions, "Failure"), error)))
        return Progress(phase, failure=said or _NO_REASON)
    if phase == "Succeeded" and status.ready_to_use:
        return Progress("ready", over=True)
    return Progress(_phase(phase, error or _said(status.conditions, "Progressing")))


def judge_restore(restore: VmRestore) -> Progress:
    """How far a restore is."""
    conditions = restore.status.conditions
    target = restore.spec.target.name
    if restore.status.complete:
        return Progress(f"complete: VM {target} is as the snapshot has it" if target else "complete", over=True)
    if find_condition(conditions, "Failure") is not None:
        return Progress("given up", failure=_said(conditions, "Failure") or _NO_REASON)
    return Progress(_phase("not complete", _said(conditions, "Progressing")))


def judge_clone(clone: VmClone) -> Progress:
    """How far a clone is."""
    phase = clone.status.phase or "Pending"
    if phase == "Failed":
        return Progress(phase, failure=_said(clone.status.conditions, "Ready") or "its events tell why")
    if phase == "Succeeded":
        return Progress(f"done: VM {clone.target} is there" if clone.target else "done", over=True)
    return Progress(phase)


def judge_export(export: VmExport) -> Progress:
    """How far an export is: it is over when its volumes can be downloaded."""
    phase, ready = export.status.phase or "Pending", find_condition(export.status.conditions, "Ready")
    if phase == "Ready":
        return Progress("ready", over=True)
    words = (ready.message or ready.reason) if ready is not None else ""
    if phase == "Skipped" or (ready is not None and ready.reason in FOR_EVER):
        return Progress(phase, failure=words or "there is nothing to export")
    return Progress(_phase(phase, words))


def judge_disk(volume: DataVolume) -> Progress:
    """How far a DataVolume is: it is over when it is filled, or waits for somebody."""
    phase = volume.status.phase or "Pending"
    cause = find_import_cause(volume)
    words = (cause.evidence.value or cause.sentence) if cause is not None else ""
    words = "" if words == phase else words
    if phase == "Failed":
        return Progress(phase, failure=words or _NO_REASON)
    if phase == "Succeeded" or phase in BY_USER:
        return Progress(_phase(phase, BY_USER.get(phase, "")), over=True)
    return Progress(_phase(phase, words or volume.status.progress.replace("N/A", "")))


def judge_claim(claim: Claim) -> Progress:
    """How far a claim is."""
    phase = claim.status.phase or "Pending"
    if phase == "Lost":
        return Progress(phase, failure="its volume is gone")
    waits = "its storage class may wait until a VM uses it; its events tell" if phase == "Pending" else ""
    return Progress(_phase(phase, waits), over=phase == "Bound")


SNAPSHOT: Final = Product("snapshot", sources.VM_SNAPSHOTS, judge_snapshot)
RESTORE: Final = Product("restore", sources.VM_RESTORES, judge_restore)
CLONE: Final = Product("clone", sources.VM_CLONES, judge_clone)
EXPORT: Final = Product("export", sources.VM_EXPORTS, judge_export)
DISK: Final = Product("DataVolume", sources.DATA_VOLUMES, judge_disk)
CLAIM: Final = Product("claim", sources.CLAIMS, judge_claim)
