"""Objects that are to go and do not, and claims that go, with their data, as soon as the VM that runs on them stops.

Nothing takes a deletion back. What waits for another object is told of that: kubevirt-api.md 9.1, row 28, and the
finalizers of Kubernetes (kubernetes.io/pvc-protection, kubernetes.io/pv-protection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from kvtui.joins.claims import machines_of_claim
from kvtui.joins.holdups import hold_deletion
from kvtui.joins.machine import join_machine, machines_of_pod
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Record, is_true
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Claim, Namespace, Node, Pod
from kvtui.records.kubevirt import KubeVirt, VirtualMachine
from kvtui.records.storage import PersistentVolume
from kvtui.store import View
from kvtui.text import name_few
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule
from kvtui.triage.generic import describe_with
from kvtui.triage.warnings import name_kind

STUCK: Final = 300.0
"""Seconds after which a deletion should be over."""
SETTLE: Final = 15.0
"""Seconds in which whoever deletes a claim may delete the VM that runs on it as well."""
_PROTECTED: Final[Mapping[type[Record], str]] = {
    Claim: "kubernetes.io/pvc-protection",
    PersistentVolume: "kubernetes.io/pv-protection",
}
"""Finalizers that wait for who uses an object."""
_NAMED: Final = 3

Judge = Callable[[View, Ref, float], Judgement]


def _judge_claim(view: View, ref: Ref, now: float) -> Judgement:
    claim = view.find(Claim, ref)
    if claim is None or claim.deleted is None:
        return WELL
    running = _list_running(view, machines_of_claim(view, ref, claim))
    if not running or _PROTECTED[Claim] not in claim.metadata.finalizers:
        return _judge_stuck(ref, claim, "claim", now)
    names, ends = name_few([one.path for one in running], _NAMED), "it stops" if len(running) == 1 else "the last stops"
    volume = view.get(PersistentVolume, ref.backend, "", claim.spec.volume_name)
    kept = volume is not None and volume.spec.persistent_volume_reclaim_policy == "Retain"
    goes = f"the claim goes once {ends}" + (f", and PV {claim.spec.volume_name} is kept" if kept else ", with its data")
    who, run = ("VM", "runs") if len(running) == 1 else ("VMs", "run")
    step = f"copy the disk before {'the VM stops' if len(running) == 1 else 'they stop'}; nothing takes a deletion back"
    return Judgement(_tell(ref, claim, "claim", "is being deleted", f"{who} {names} {run} on it; {goes}", step))


def _list_running(view: View, users: Iterable[Ref]) -> list[Ref]:
    """The machines among them that run and are to go on."""
    machines = (join_machine(view, one) for one in dict.fromkeys(users))
    return [
        one.ref
        for one in machines
        if one is not None and one.running and one.ending is None and one.record.deleted is None
    ]


def _judge_volume(view: View, ref: Ref, now: float) -> Judgement:
    volume = view.find(PersistentVolume, ref)
    if volume is None or volume.deleted is None:
        return WELL
    bound = volume.spec.claim_ref
    claim = view.get(Claim, ref.backend, bound.namespace, bound.name) if bound is not None else None
    bound_to_it = claim is not None and claim.spec.volume_name == ref.name
    if claim is None or not bound_to_it or _PROTECTED[PersistentVolume] not in volume.metadata.finalizers:
        return _judge_stuck(ref, volume, "volume", now)
    if claim.deleted is not None:
        # That is told of the claim.
        return Judgement(again=now + LOOK_AGAIN)
    path = f"{claim.metadata.namespace}/{claim.metadata.name}"
    cause = f"PVC {path} is bound to it; it goes once that is deleted"
    step = f"copy the data of PVC {path} before that is deleted; nothing takes a deletion back"
    return Judgement(_tell(ref, volume, "volume", "is being deleted", cause, step))


def _judge_machine(view: View, ref: Ref, now: float) -> Judgement:
    vm = view.find(VirtualMachine, ref)
    if vm is None or vm.deleted is None:
        return WELL
    machine = join_machine(view, ref)
    if machine is None or machine.live is not None:
        # How its guest ends is told of its state.
        return Judgement(again=now + LOOK_AGAIN)
    return _judge_stuck(ref, vm, "vm", now)


def _judge_namespace(view: View, ref: Ref, now: float) -> Judgement:
    namespace = view.find(Namespace, ref)
    if namespace is None or namespace.deleted is None:
        return WELL
    if now < namespace.deleted + STUCK:
        return Judgement(again=namespace.deleted + STUCK)
    told = {one.type: one for one in namespace.status.conditions if one.status == "True" and one.message}
    held = next((told[type_] for type_ in _HOLDS_NAMESPACE if type_ in told), None)
    cause = held.message.rstrip(".") if held is not None else "nothing says what is left in it"
    evidence = Evidence(f"Namespace {ref.name}", f"{held.type}=True", held.message) if held is not None else None
    return Judgement(_tell(ref, namespace, "namespace", _STAYS, cause, "delete or mend what is left in it", evidence))


_HOLDS_NAMESPACE: Final = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
)
"""Conditions that say what keeps a namespace, the one that explains the others first (kubernetes, core/v1 types.go)."""


def _uninstalled(type_: type[Record], label: str, severity: Severity, cause: str, step: str) -> Judge:
    """The judge of an installation, which is told as soon as it is deleted."""

    def judge(view: View, ref: Ref, _now: float) -> Judgement:
        record = view.find(type_, ref)
        if record is None or record.deleted is None:
            return WELL
        return Judgement(replace(_tell(ref, record, label, "is being deleted", cause, step), severity=severity))

    return judge


_judge_kubevirt: Final = _uninstalled(
    KubeVirt,
    "kubevirt",
    Severity.BAD,
    "virt-operator takes KubeVirt away, and with its CRDs all VMs",
    "save the VMs: kubectl get vm -A -o yaml; nothing takes a deletion back",
)
_judge_cdi: Final = _uninstalled(
    Cdi,
    "cdi",
    Severity.WARN,
    "cdi-operator takes CDI away: no disk is imported, cloned or uploaded any more",
    "wait until it is gone, then install CDI anew; nothing takes a deletion back",
)


def _judge_pod(view: View, ref: Ref, now: float) -> Judgement:
    """A pod that stays longer than its grace period, which its deletionTimestamp has in it. Of one on a node that is
    not ready the node tells, and of a launcher whose instance is to end that instance.
    """
    pod = view.find(Pod, ref)
    if pod is None or pod.deleted is None:
        return WELL
    node = view.get(Node, ref.backend, "", pod.spec.node_name)
    lost = node is not None and not is_true(node.status.conditions, "Ready")
    machines = [join_machine(view, one) for one in machines_of_pod(view, ref, pod)]
    ends = any(one is not None and (one.ending is not None or one.record.deleted is not None) for one in machines)
    return Judgement(again=now + LOOK_AGAIN) if lost or ends else _judge_stuck(ref, pod, "pod", now)


def _judge_stuck(ref: Ref, record: Record, label: str, now: float) -> Judgement:
    """That an object is still there long after its deletion, and which finalizer holds it."""
    asked, meta = record.deleted, record.metadata
    if asked is None:
        return WELL
    if now < asked + STUCK:
        # Who uses it may come and go meanwhile, which is not followed: few objects are being deleted.
        return Judgement(again=min(asked + STUCK, now + LOOK_AGAIN))
    look = describe_with(record.KIND, meta.namespace, meta.name)
    step = f"find who set it and why that does not take it off: {look}" if meta.finalizers else look
    return Judgement(_tell(ref, record, label, _STAYS, hold_deletion(record), step))


_STAYS: Final = "does not go away"


def _tell(
    ref: Ref, record: Record, label: str, trouble: str, cause: str, step: str, more: Evidence | None = None
) -> Finding:
    meta, name = record.metadata, f"{name_kind(record.KIND)} {record.metadata.name}"
    evidence = [Evidence(name, "metadata.deletionTimestamp", meta.deletion_timestamp or "", record.deleted)]
    if meta.finalizers:
        evidence.append(Evidence(name, "metadata.finalizers", ", ".join(meta.finalizers)))
    if more is not None:
        evidence.append(more)
    rule = f"{label}.deletion"
    return Finding(rule, Severity.WARN, ref, label, trouble, cause, record.deleted, tuple(evidence), step)


def _if_deleted(_view: View, ref: Ref, record: Record) -> tuple[Ref, ...]:
    """For `related`: what is deleted stays so until it is gone."""
    return (ref,) if record.metadata.deletion_timestamp else ()


def _rule(
    type_: type[Record],
    label: str,
    judge: Judge | None = None,
    detects: str = "",
    *,
    settle: float = 0.0,
    severity: str = "warn",
) -> Rule:
    """The rule for a kind; without a `judge` of its own what holds an object is all that matters."""

    def judge_held(view: View, ref: Ref, now: float) -> Judgement:
        record = view.find(type_, ref)
        return _judge_stuck(ref, record, label, now) if record is not None else WELL

    one = f"an {label}" if label[0] in "aeiou" else f"a {label}"
    return Rule(
        f"{label}.deletion",
        judge or judge_held,
        {type_: _if_deleted},
        settle=settle,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects=detects or f"{one} that is still there long after it was deleted, and the finalizer that holds it",
        severities=severity,
    )


RULES: Final = (
    _rule(
        Claim,
        "claim",
        _judge_claim,
        "a claim that is deleted while VMs run on it, and one that does not go away",
        settle=SETTLE,
    ),
    _rule(
        PersistentVolume,
        "volume",
        _judge_volume,
        "a volume that is deleted while a claim is bound to it, and one that does not go away",
        settle=SETTLE,
    ),
    _rule(VirtualMachine, "vm", _judge_machine),
    _rule(Namespace, "namespace", _judge_namespace, "a namespace that does not go away, and what is left in it"),
    _rule(KubeVirt, "kubevirt", _judge_kubevirt, "a KubeVirt that is being taken away", severity="bad"),
    _rule(Cdi, "cdi", _judge_cdi, "a CDI that is being taken away"),
    _rule(Pod, "pod", _judge_pod, "a pod that stays long after its grace period, though its node is well"),
    _rule(DataVolume, "import"),
    _rule(VmSnapshot, "snapshot"),
    _rule(VmRestore, "restore"),
    _rule(VmClone, "clone"),
    _rule(VmExport, "export"),
)
