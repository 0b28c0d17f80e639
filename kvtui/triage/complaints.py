"""What objects complain of and rules tell already: it is left out, so that everything is told once and all of it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from kvtui.model import Evidence, Finding, Severity
from kvtui.records.base import Record
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import Migration, VirtualMachine
from kvtui.triage.base import Complaint

_Name = tuple[str, ...]
"""A Ref without its uid."""


def merge_complaints(complaints: Sequence[Complaint]) -> Finding:
    """The first of them, with the evidence of all; of what a VM repeats of its instance, that of the instance."""
    evidence = {sign_of(piece): piece for one in complaints for piece in one.finding.evidence}
    return replace(complaints[0].finding, evidence=tuple(evidence.values()))


def tell_untold(found: Iterable[tuple[Complaint, ...]], told: Sequence[Finding]) -> Iterator[Finding]:
    """What is left to be told of what objects complain of, where rules have `told` these; each of `found` is of one
    subject, the worst first.
    """
    groups = list(found)
    if not groups:
        return
    tellers = _by_ends(told, {name for group in groups for name in _ends(group[0].finding)})
    left = [rest for group in groups if (rest := _leave_told(group, tellers))]
    known = [finding for finding in told if finding.severity > Severity.INFO]
    known += [group[0].finding for group in left if not group[0].hearsay]
    ends = {name for finding in known for name in _ends(finding)}
    for group in left:
        root = group[0].finding.root
        if not group[0].hearsay or root is None or root[:4] not in ends:
            yield merge_complaints(group)


def _by_ends(told: Iterable[Finding], names: set[_Name]) -> Mapping[_Name, list[Finding]]:
    """What is told of each of these objects: of itself, or as the root of something else."""
    found: dict[_Name, list[Finding]] = {}
    for finding in told:
        for name in _ends(finding):
            if name in names:
                found.setdefault(name, []).append(finding)
    return found


def _ends(finding: Finding) -> set[_Name]:
    return {ref[:4] for ref in (finding.subject, finding.root) if ref is not None}


def _leave_told(group: Iterable[Complaint], tellers: Mapping[_Name, Sequence[Finding]]) -> list[Complaint]:
    return [one for one in group if not any(_tells(finding, one) for finding in _tellers_of(one.finding, tellers))]


def _tellers_of(finding: Finding, tellers: Mapping[_Name, Sequence[Finding]]) -> Iterator[Finding]:
    for name in _ends(finding):
        yield from tellers.get(name, ())


def _tells(finding: Finding, complaint: Complaint) -> bool:
    """Whether a finding tells this very thing: as its evidence, in its words, or as a rule that is known to."""
    if finding.rule in complaint.told_by:
        return True
    (own,) = complaint.finding.evidence
    if any(sign_of(one) == sign_of(own) for one in finding.evidence):
        return True
    said = [finding.cause, *(one.value for one in finding.evidence)]
    return any(_is_in(words, said) for words in (complaint.finding.cause, own.value))


def _is_in(words: str, said: Iterable[str]) -> bool:
    return len(words) >= _WORDS and any(words in one for one in said)


KEEPERS: Final[Mapping[type[Record], frozenset[str]]] = {
    VirtualMachine: frozenset({"vm.state", "vm.crashed"}),
    Node: frozenset({"node.state"}),
    Pod: frozenset({"component.pod"}),
    Migration: frozenset({"migration.state"}),
    VmSnapshot: frozenset({"snapshot.state"}),
    VmRestore: frozenset({"restore.state"}),
    VmClone: frozenset({"clone.state"}),
    VmExport: frozenset({"export.state"}),
}
"""By kind, the rules that tell of what does not come up, has failed or is lost."""
OF_WHOLE: Final = frozenset({"Failure", "Synchronized"})
"""Conditions that say no more of an object than that."""
RULES_OF_CONDITION: Final[Mapping[str, frozenset[str]]] = {
    "HotMemoryChange": frozenset({"vm.restart"}),
    "HotVCPUChange": frozenset({"vm.restart"}),
    "OCIReady": frozenset({"export.state"}),
    "PVCReady": frozenset({"export.state"}),
}
"""Rules that tell of these conditions by others: what cannot be plugged in waits for a restart."""
OF_STATE: Final = frozenset(
    {
        "BackOff",
        "ErrImageNeverPull",
        "EvictionThresholdMet",
        "Failed",
        "FailedAttachVolume",
        "FailedCreate",
        "FailedCreatePodSandBox",
        "FailedDataVolumeCreate",
        "FailedDataVolumeImport",
        "FailedGuaranteeResources",
        "FailedMapVolume",
        "FailedMigration",
        "FailedMount",
        "FailedPvcNotFound",
        "FailedScheduling",
        "InspectFailed",
        "InvalidImageName",
        "NetworkNotReady",
        "NodeNotReady",
        "NodeUnresponsive",
        "Stopped",
        "SyncFailed",
        "Unhealthy",
        "migrationTargetPodUnschedulable",
    }
)
"""Reasons of warnings that say no more of it either."""
_WORDS: Final = 20
"""Letters from which on words are no coincidence."""


def sign_of(evidence: Evidence) -> tuple[str, str]:
    """What an observation is of, whatever it says: a condition in its state, a container, a phase, an event's reason.

    An instance's VM repeats its conditions.
    """
    subject, field = evidence.subject, evidence.field
    if field.startswith("container "):
        return subject, " ".join(field.split()[:2])
    head = field.split()[0] if field else ""
    if head in ("phase", "status.phase"):
        return subject, "phase"
    return subject.removeprefix("VM ").removeprefix("VMI ") if "=" in head else subject, head
