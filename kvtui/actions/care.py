"""What the objects themselves say against an action: who manages them, what falls with them, and who protects them.

One place for all actions. What an action does to an object is read off the permission that it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Permission
from kvtui.joins.gitops import find_put_back
from kvtui.model import Care, Ref
from kvtui.records.base import Record, is_true
from kvtui.records.cdi import DataVolume
from kvtui.records.clusters import ClusterMachine
from kvtui.records.copies import VmClone, VmRestore, VmSnapshot
from kvtui.records.gitops import Application
from kvtui.records.kubernetes import Claim, Namespace
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources.base import Danger
from kvtui.store import View

PROTECTED: Final = "kvtui.dev/protected"
"""Label of an object or of its namespace; any value but ``false``."""
UNDELETABLE: Final = "kubevirt.io/vm-delete-protection"
"""Label of a VM whose deletion an admission policy of the SSP operator refuses (ssp-operator, vm-delete-protection)."""

_STRICTER: Final = {Danger.NONE: Danger.ASK, Danger.ASK: Danger.TYPE, Danger.TYPE: Danger.TYPE}
_CHANGES: Final = frozenset({"patch", "update", "delete"})
_LASTING: Final = frozenset({"start", "stop", "addvolume", "removevolume"})
"""Subresources that rewrite the VM's spec (kubevirt-api.md 3.1)."""
_ASKED: Final = frozenset({"Manual", "RerunOnFailure"})
"""Run strategies that a start and a stop leave as they are: both are asked for in the status."""
_INTERRUPTING: Final = frozenset({"stop", "restart", "pause", "reset", "softreboot"})
_OWNING: Final = (VirtualMachine, VirtualMachineInstance, DataVolume)
"""What may own a disk."""
_POOLS: Final = {"VirtualMachinePool": "pool", "VirtualMachineInstanceReplicaSet": "replica set"}
_CLUSTER: Final = "cluster.x-k8s.io/cluster-name"
_ROLE: Final = "cluster.x-k8s.io/role"
"""What Cluster API's provider for KubeVirt puts on its VMs (kubevirt-api.md 8.1)."""


def raise_level(danger: Danger) -> Danger:
    """One step stricter."""
    return _STRICTER[danger]


def lasts(needs: Permission, record: Record) -> bool:
    """Whether what needs that permission changes how the object is declared, so that a manager can undo it."""
    if not _concerns(needs, record):
        return False
    if needs.subresource in ("start", "stop") and isinstance(record, VirtualMachine):
        return record.run_strategy not in _ASKED
    return needs.subresource in _LASTING if needs.subresource else needs.verb in _CHANGES


def interrupts(needs: Permission, record: Record) -> bool:
    """Whether what needs that permission makes a guest stand still or end."""
    if not isinstance(record, VirtualMachine | VirtualMachineInstance) or not _concerns(needs, record):
        return False
    return needs.subresource in _INTERRUPTING if needs.subresource else needs.verb == "delete"


def _concerns(needs: Permission, record: Record) -> bool:
    """Whether the permission is about objects of that very kind, or about the instance of a VM."""
    plural = f"{record.KIND.lower()}s"
    return needs.resource == plural or (plural == "virtualmachines" and needs.resource == "virtualmachineinstances")


# Protection ------------------------------------------------------------------------------------------------------


def why_undeletable(needs: Permission, record: Record) -> str:
    """Why the object cannot be deleted at all; empty when it can, or is not to be."""
    label = record.metadata.labels.get(UNDELETABLE, "")
    # The policy matches ^(true|True)$.
    if needs.verb != "delete" or not _concerns(needs, record) or label not in ("true", "True"):
        return ""
    return f"its label {UNDELETABLE} forbids to delete it; take that off first"


def why_protected(view: View, care: Care, ref: Ref) -> str:
    """Who protects an object: the user's settings or a label, of it, of what it belongs to, or of its namespace."""
    if pattern := care.protects(ref):
        return f"protected in your settings by {pattern!r}"
    for subject, record in _upwards(view, ref):
        where = "" if subject == ref else f" of {record.KIND} {subject.path}"
        if pattern := care.protects(subject):
            return f"protected in your settings by {pattern!r}{where}"
        if is_protected(record.metadata.labels):
            return f"protected by the label {PROTECTED}{where}"
    namespace = view.get(Namespace, ref.backend, "", ref.namespace) if ref.namespace else None
    if namespace is not None and is_protected(namespace.metadata.labels):
        return f"protected by the label {PROTECTED} of namespace {ref.namespace}"
    return ""


def is_protected(labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is protected."""
    return labels.get(PROTECTED, "false").lower() != "false"


def _upwards(view: View, ref: Ref) -> Iterator[tuple[Ref, Record]]:
    """The object and, of a disk or a snapshot, what it belongs to."""
    record = view.record(ref)
    while record is not None:
        yield ref, record
        record = _find_owner(view, ref.backend, record)
        ref = record.ref(ref.backend) if record is not None else ref


def _find_owner(view: View, backend: str, record: Record) -> Record | None:
    space = record.metadata.namespace
    if isinstance(record, VmSnapshot):
        return view.get(VirtualMachine, backend, space, record.spec.source.name)
    if isinstance(record, Claim | DataVolume):
        for owner in record.metadata.owner_references:
            for kind in _OWNING:
                found = view.get(kind, backend, space, owner.name)
                if found is not None and found.metadata.uid == owner.uid:
                    return found
    return None


# Managers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Manager:
    """Who takes back what is changed by hand, soon and unasked."""

    name: str
    """``Application argocd/web``, ``Flux Kustomization infra/edge``."""
    tells: bool
    """Whether it is seen when it has put the object back."""


def find_manager(view: View, needs: Permission, ref: Ref, record: Record) -> Manager | None:
    """The first that undoes what needs that permission; None where nobody does, or only later and for other reasons."""
    if not lasts(needs, record) or _is_copy(view, ref, record):
        return None
    if application := _argo_application(record):
        found = _applications(view, ref.backend, application)
        healing = next((one for one in found if one.heals), None)
        if healing is not None:
            tells = healing.is_here and isinstance(record, VirtualMachine) and needs.verb != "delete"
            return Manager(f"Application {healing.metadata.namespace}/{application}", tells)
        if found:
            return None
    elif needs.verb != "delete" and (back := find_put_back(view, ref)) is not None:
        # It may track by a label of its own choice.
        return Manager(
            f"Application {back.application.metadata.namespace}/{back.application.metadata.name}", tells=True
        )
    name = next(_managers(record), "")
    return Manager(name, tells=False) if name else None


def name_managers(view: View, needs: Permission, ref: Ref, record: Record) -> Sequence[str]:
    """A sentence for each who undoes what is changed by hand."""
    if not lasts(needs, record):
        return ()
    deletes = needs.verb == "delete"
    if _is_copy(view, ref, record):
        return tuple(_owners(record, deletes=deletes))
    application = _argo_application(record)
    if application and _leaves_be(view, ref.backend, application):
        words = f"self-heal of Argo CD application {application} is off: this lasts until it is synced next"
        return (words, *_makers(record, deletes=deletes))
    told = [
        f"{manager} will make it anew" if deletes else f"your change will be undone by {manager}"
        for manager in _managers(record)
    ]
    return (*told, *_makers(record, deletes=deletes))


def _is_copy(view: View, ref: Ref, record: Record) -> bool:
    """Whether it is a VM that a restore or a clone made: its labels and annotations are those of the original then, and
    who manages by them does not know it. One that was taken back in place was there before its restore.
    """
    mark, created = record.metadata.annotations.last_restore, record.created
    if not mark or created is None or not isinstance(record, VirtualMachine):
        return False
    restores = [one for _, one in view.linked(VmRestore, ref.backend, "vm", ref.path)]
    made: list[Record] = [one for one in restores if mark == f"{one.metadata.name}-{one.metadata.uid}"]
    # A clone deletes its restore.
    made = made or [one for _, one in view.linked(VmClone, ref.backend, "vm", ref.path)]
    return any(one.created is not None and one.created <= created for one in made)


def _leaves_be(view: View, backend: str, name: str) -> bool:
    """Whether no application of that name puts back what differs from git; of one that is not seen nobody knows."""
    found = _applications(view, backend, name)
    return bool(found) and not any(one.heals for one in found)


def _applications(view: View, backend: str, name: str) -> list[Application]:
    return [one for ref, one in view.items(Application, backend) if ref.name == name]


def _managers(record: Record) -> Iterator[str]:
    """Who holds the object to a declaration that is kept elsewhere."""
    labels = record.metadata.labels
    if application := _argo_application(record):
        yield f"Argo CD application {application}"
    for kind, prefix in (("Kustomization", "kustomize"), ("HelmRelease", "helm")):
        if name := labels.get(f"{prefix}.toolkit.fluxcd.io/name"):
            space = labels.get(f"{prefix}.toolkit.fluxcd.io/namespace", "")
            yield f"Flux {kind} {space}{'/' if space else ''}{name}"
    if owner := labels.get("olm.owner"):
        yield f"OLM, for {labels.get('olm.owner.kind', 'operator')} {owner}"


def _makers(record: Record, *, deletes: bool) -> Iterator[str]:
    """Who made the object of a template: they replace one that is gone, and leave one as it is until the template
    changes or they make it anew (KubeVirt, pool.go; CAPK, pkg/kubevirt/machine.go; Helm 3, pkg/kube/client.go, which
    merges custom resources without a look at what is there).
    """
    labels, release = record.metadata.labels, record.metadata.annotations.helm_release
    if release and "helm.toolkit.fluxcd.io/name" not in labels:
        upgrade = f"the next upgrade of Helm release {release}"
        yield f"{upgrade} will make it anew" if deletes else f"your change may be undone by {upgrade}"
    if cluster := labels.get(_CLUSTER):
        if deletes:
            yield f"Cluster API will make it anew: it is a machine of cluster {cluster}"
        else:
            yield f"your change will be undone by Cluster API when it replaces this machine of cluster {cluster}"
    yield from _owners(record, deletes=deletes)
    manager = labels.get("app.kubernetes.io/managed-by", "")
    if manager and manager not in _LEAVE_BE:
        yield f"{manager} manages it, and may undo your change"


_LEAVE_BE: Final = frozenset({"Helm", "cdi-controller"})
"""Who is told above, and who marks what it made and puts nothing back (CDI, pkg/common)."""


def _owners(record: Record, *, deletes: bool) -> Iterator[str]:
    """The pool that it is one of."""
    controller = record.controller
    if controller is not None and controller.kind in _POOLS:
        pool = f"{_POOLS[controller.kind]} {controller.name}"
        if deletes:
            yield f"{pool} makes another in its place"
        else:
            yield f"your change will be undone by {pool} when its template changes"


def _argo_application(record: Record) -> str:
    """The application that tracks this very object: controllers copy the annotation to what they make of it
    (argo-cd, resource_tracking.md).
    """
    meta = record.metadata
    application, _, tracked = meta.annotations.argo_tracking.partition(":")
    if tracked.endswith(f"/{record.KIND}:{meta.namespace}/{meta.name}"):
        return application.rpartition("_")[2]
    return meta.labels.get("argocd.argoproj.io/instance", "")


# What falls with them --------------------------------------------------------------------------------------------


def count_left(view: View, needs: Permission, refs: Collection[Ref]) -> Sequence[str]:
    """What pools and control planes lose when all of these are interrupted together: a sentence for each that is left
    without what it needs.
    """
    hit = {ref: record for ref in refs if (record := view.record(ref)) is not None and interrupts(needs, record)}
    groups: dict[str, Mapping[Ref, Record]] = {}
    for ref, record in hit.items():
        if not _is_ready(record):
            continue
        owner = record.controller
        cluster = record.metadata.labels.get(_CLUSTER, "")
        if owner is not None and owner.kind in _POOLS:
            name = f"{_POOLS[owner.kind]} {owner.name}"
            if name not in groups:
                groups[name] = dict(view.owned(type(record), owner.uid))
        elif cluster and record.metadata.labels.get(_ROLE) == "control-plane":
            name = f"cluster {cluster}"
            if name not in groups:
                groups[name] = _control_plane(view, ref.backend, record)
    return tuple(filter(None, (_tell_left(view, name, members, hit) for name, members in groups.items())))


def _tell_left(view: View, name: str, members: Mapping[Ref, Record], hit: Collection[Ref]) -> str:
    left = sum(_is_ready(member) and _has_etcd(view, ref) for ref, member in members.items() if ref not in hit)
    if not name.startswith("cluster "):
        return "" if left else f"{name} is left without a ready VM"
    if len(members) == 1:
        return f"it is the only control-plane machine of {name}: nobody can manage that cluster meanwhile"
    if 2 * left > len(members):
        return ""
    lost = [ref.name for ref in members if ref not in hit and not _has_etcd(view, ref)]
    if lost:
        known = f"{', '.join(lost)} {'has' if len(lost) == 1 else 'have'} no working etcd member already"
        return f"{left} of {len(members)} control-plane machines of {name} stay whole: its etcd has no quorum ({known})"
    return f"{left} of {len(members)} control-plane machines of {name} stay ready: its etcd has no quorum"


def _control_plane(view: View, backend: str, record: Record) -> Mapping[Ref, Record]:
    mine = record.metadata
    return {
        ref: other
        for ref, other in view.items(type(record), backend)
        if ref.namespace == mine.namespace
        and other.metadata.labels.get(_CLUSTER) == mine.labels[_CLUSTER]
        and other.metadata.labels.get(_ROLE) == mine.labels[_ROLE]
    }


def _has_etcd(view: View, ref: Ref) -> bool:
    """Whether nothing is known against the etcd member on a machine of a control plane."""
    machine = view.get(ClusterMachine, ref.backend, ref.namespace, ref.name)
    member = machine.status.find("EtcdMemberHealthy") if machine is not None else None
    return member is None or member.status != "False"


def _is_ready(record: Record) -> bool:
    if isinstance(record, VirtualMachine):
        return record.status.ready
    return isinstance(record, VirtualMachineInstance) and is_true(record.status.conditions, "Ready")
