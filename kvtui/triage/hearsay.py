"""Warnings of what no rule judges: of other kinds that are listed, of owners, and of pods that VMs stand on.

A cluster has much besides VMs, and somebody warns of some of it all the time. Told are the warnings of what is listed;
of owners that are KubeVirt's, CDI's or the HCO's; in the namespaces of KubeVirt, CDI, Ceph, CSI drivers and network
plugins those of any owner, and of pods that are not watched. What may be of workloads that no VM needs is but a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kvtui.model import Finding, Ref, Severity
from kvtui.records.base import Record
from kvtui.records.cdi import DataSource
from kvtui.records.clusters import (
    Cluster,
    ClusterMachine,
    ControlPlane,
    KubeadmConfig,
    KubevirtCluster,
    KubevirtMachine,
    MachineDeployment,
)
from kvtui.records.daemons import DaemonSet
from kvtui.records.gitops import Application
from kvtui.records.kubernetes import ApiService, Deployment, Event, Namespace, Pod, ResourceQuota
from kvtui.records.networks import NetworkAttachment
from kvtui.records.storage import CephCluster, CsiDriver, CsiNode
from kvtui.store import View
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Complaint, Judgement, Related, Rule
from kvtui.triage.complaints import merge_complaints
from kvtui.triage.generic import SETTLE, describe_with
from kvtui.triage.warnings import EVENT_RECENT, REPEATED, REPLICA_SET, list_news, read_warning

_LISTED: Final[Mapping[type[Record], str]] = {
    NetworkAttachment: "network",
    Namespace: "namespace",
    ResourceQuota: "quota",
    DataSource: "data source",
    DaemonSet: "daemonset",
    CephCluster: "ceph",
    CsiDriver: "csidriver",
    CsiNode: "csinode",
    ApiService: "API service",
    Application: "application",
    Cluster: "cluster",
    ControlPlane: "control plane",
    MachineDeployment: "machinedeployment",
    ClusterMachine: "machine",
    KubeadmConfig: "kubeadmconfig",
    KubevirtCluster: "kubevirtcluster",
    KubevirtMachine: "kubevirtmachine",
}
"""Kinds that are listed, and what those are called; of the conditions of most other rules tell."""
OWNERS: Final[Mapping[str, str]] = {
    "VirtualMachinePool": "pool",
    "VirtualMachineInstanceReplicaSet": "replica set",
    "DataImportCron": "import cron",
    "HyperConverged": "hyperconverged",
}
"""Kinds that make VMs, disks and KubeVirt itself, and what those are called: in no list, told of in any namespace."""
WORKLOADS: Final[Mapping[str, str]] = {
    REPLICA_SET: "replica set",
    "StatefulSet": "stateful set",
    "Job": "job",
    Pod.KIND: "pod",
}
"""The same for what makes the pods that VMs stand on, and those pods."""
_TYPES: Final = {type_.KIND: type_ for type_ in _LISTED}
_LABELS: Final = {**{kind: _LISTED[type_] for kind, type_ in _TYPES.items()}, **OWNERS, **WORKLOADS}
PASSING: Final = frozenset({"NodeNotReady", "ProbeWarning", "Unhealthy"})
"""What the kubelet and the node controller warn of pods while those start, or their node is away: of one that is not
watched nobody can tell that it is ready since.
"""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    type_ = _TYPES.get(ref.kind)
    record = view.find(type_, ref) if type_ is not None else None
    if (record is None or record.metadata.deletion_timestamp) if type_ is not None else not _is_told(view, ref):
        return WELL
    news = list_news(_events_about(view, ref, record), now)
    news = [event for event in news if ref.kind != Pod.KIND or event.reason not in PASSING]
    ripe = [event for event in news if _ripe_at(event) <= now]
    times = [_ripe_at(event) for event in news if event not in ripe]
    times += [(event.last_seen or 0.0) + EVENT_RECENT for event in ripe]
    if not ripe:
        return Judgement(again=min(times, default=None))
    complaints = tuple(Complaint(_tell(view, ref, record, event), hearsay=True) for event in ripe)
    return Judgement(merge_complaints(complaints), min(times), complaints=complaints)


def _ripe_at(event: Event) -> float:
    """When a warning has stood for long enough; one that repeats itself has."""
    return 0.0 if event.times >= REPEATED else (event.first_seen or 0.0) + SETTLE


def _tell(view: View, ref: Ref, record: Record | None, event: Event) -> Finding:
    severity, words, evidence, step = read_warning(event)
    return Finding(
        "unknown.other",
        Severity.INFO if record is not None and _is_foreign(view, ref, record) else severity,
        record.ref(ref.backend) if record is not None else ref,
        _LABELS[ref.kind],
        f"warns {event.reason}".rstrip(),
        words,
        evidence.since,
        (evidence,),
        step or describe_with(ref.kind, ref.namespace, ref.name),
    )


def _events_about(view: View, ref: Ref, record: Record | None) -> list[Event]:
    """What is told of the object of that name. Of one that is in no list the warnings alone are found by its name; what
    else is told of it bears its uid.
    """
    warnings = view.linked(Event, ref.backend, "warns", f"{ref.kind} {ref.namespace}/{ref.name}")
    uids = {event.involved_object.uid for _, event in warnings} if record is None else {record.metadata.uid}
    found = [event for _, event in warnings if event.involved_object.uid in uids | {""}]
    by_uid = [event for uid in sorted(uids - {""}) for _, event in view.linked(Event, ref.backend, "about", uid)]
    made = record.created if record is not None else None
    return by_uid + [one for one in found if not one.involved_object.uid and (one.last_seen or 0.0) >= (made or 0.0)]


def _is_told(view: View, ref: Ref) -> bool:
    """Whether the warnings of something that is in no list are told."""
    if ref.kind in OWNERS:
        return True
    if ref.kind != Pod.KIND:
        made = ref.kind == REPLICA_SET and _deployment_of(view, ref) is not None
        return not made and (_is_platform(view, ref) or _bears(view, ref))
    # Of the pods of KubeVirt and CDI rules tell, and of those of a DaemonSet that.
    watched = view.get(Pod, ref.backend, ref.namespace, ref.name) is not None or _is_platform(view, ref)
    daemons = view.get(DaemonSet, ref.backend, ref.namespace, ref.name.rpartition("-")[0])
    return not watched and daemons is None and _bears(view, ref)


def _deployment_of(view: View, ref: Ref) -> Deployment | None:
    return view.get(Deployment, ref.backend, ref.namespace, ref.name.rpartition("-")[0])


def _is_platform(view: View, ref: Ref) -> bool:
    """Whether it is in a namespace of KubeVirt or CDI: of others no Deployment is listed."""
    return bool(view.linked(Deployment, ref.backend, "namespace", ref.namespace))


def _bears(view: View, ref: Ref) -> bool:
    """Whether it is in a namespace of what VMs stand on; in that of the cluster itself there is much else."""
    if ref.namespace == _SYSTEM:
        return False
    places: tuple[type[Record], ...] = (DaemonSet, CephCluster)
    return any(view.linked(type_, ref.backend, "namespace", ref.namespace) for type_ in places)


_SYSTEM: Final = "kube-system"


def _is_foreign(view: View, ref: Ref, record: Record) -> bool:
    """Whether it may have nothing to do with VMs."""
    if isinstance(record, DaemonSet):
        return not record.bears and not _is_platform(view, ref)
    return isinstance(record, Application)


def _subject(view: View, ref: Ref) -> Iterator[Ref]:
    """The subject of an object, by its name alone: what is told of may be in no list."""
    if ref.kind in _LABELS and view.linked(Event, ref.backend, "warns", f"{ref.kind} {ref.namespace}/{ref.name}"):
        yield ref._replace(uid="")


def _of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    about = event.involved_object
    named = Ref(ref.backend, about.kind, about.namespace, about.name)
    if about.kind not in _LABELS:
        return ()
    return (named,) if event.type == "Warning" else _subject(view, named)


def _itself(view: View, ref: Ref, _record: Record) -> Iterable[Ref]:
    return _subject(view, ref)


def _in_namespace(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    """What is warned of in the namespace of something that others are told of for: it may be the first there."""
    yield from _subject(view, ref)
    for _, event in view.linked(Event, ref.backend, "warns in", ref.namespace):
        about = event.involved_object
        if about.kind in _LABELS:
            yield Ref(ref.backend, about.kind, about.namespace, about.name)


_FOLLOWED: Final[Mapping[type[Record], Related]] = {
    **dict.fromkeys(_LISTED, _itself),
    **dict.fromkeys((CephCluster, DaemonSet, Deployment), _in_namespace),
    Pod: _itself,
    Event: _of_event,
}
RULES: Final = (
    Rule(
        "unknown.other",
        _judge,
        _FOLLOWED,
        settle=SETTLE,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a warning of anything else that is listed, of what makes VMs, disks or the pods that VMs stand on, "
        "and of such pods",
        severities="warn, info",
    ),
)
