"""What clusters whose nodes are VMs are made of: machines that do not join or go, control planes, and pauses.

Evidence: kubevirt-api.md 8.4 and 9.8, rows 116 to 122; messages as Cluster API's machine_controller_status.go and
workload_cluster_conditions.go write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Condition, Record
from kvtui.records.clusters import (
    CLUSTER_LABEL,
    Cluster,
    ClusterMachine,
    ControlPlane,
    KubevirtMachine,
    MachineDeployment,
    Scaled,
)
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself
from kvtui.triage.clusters import BOOTSTRAP_LIMIT, DOWN, WAIT_LIMIT, does_not_answer, is_unreachable
from kvtui.triage.messages import read_message

SCALE_LIMIT: Final = 300.0
"""Seconds that a Machine may take to be made: it is an object only, its VM takes longer."""
DELETION_LIMIT: Final = 600.0
"""Seconds that a machine may take to go: CAPI calls a deletion stale after 15 minutes."""


def _judge_machine(view: View, ref: Ref, now: float) -> Judgement:
    machine = view.find(ClusterMachine, ref)
    if machine is None:
        return WELL
    if machine.metadata.deletion_timestamp:
        return _judge_deletion(ref, machine, now)
    cluster = _cluster_of(view, ref, machine)
    if (cluster is not None and is_unreachable(view, cluster)) or _is_told_below(view, ref):
        return WELL
    condition = machine.status.find("NodeReady") or machine.status.find("NodeHealthy")
    if condition is None or condition.status == "True":
        return Judgement(_alone(view, ref, machine, cluster))
    if not machine.node:
        return _judge_joining(view, ref, machine, condition, now)
    since = parse_time(condition.last_transition_time)
    if since is not None and now < since + WAIT_LIMIT:
        return Judgement(again=since + WAIT_LIMIT)
    gone = condition.reason in ("NodeDeleted", "NodeNotFound")
    words = condition.message or condition.reason or f"its node {machine.node} is not ready"
    trouble = "has lost its node" if gone else "has a node that is not ready"
    step = f"delete Machine {ref.name}: another takes its place" if gone else _CONSOLE
    return Judgement(_of_machine(view, ref, trouble, _flat(words), condition, since, step))


def _alone(view: View, ref: Ref, machine: ClusterMachine, cluster: Ref | None) -> Finding | None:
    """A machine of a cluster at work that Cluster API leaves alone: it is neither replaced nor deleted."""
    mark = machine.metadata.annotations.paused
    whole = view.find(Cluster, cluster) if cluster is not None else None
    if mark is None or (whole is not None and _tell_pause(whole) is not None):
        return None
    evidence = Evidence(f"Machine {ref.name}", f"annotation {_PAUSED}", mark)
    cause = f"annotation {_PAUSED} is {mark or 'set'}: Cluster API neither replaces nor deletes it"
    step = f"kubectl annotate machine -n {ref.namespace} {ref.name} {_PAUSED}-"
    return Finding("cluster.node", Severity.INFO, ref, "machine", "is paused", cause, None, (evidence,), step)


_CONSOLE: Final = "read the log of its kubelet in the guest's console"


def _is_told_below(view: View, ref: Ref) -> bool:
    """Whether its KubevirtMachine says that there is no VM yet, or that it did not boot: that is cluster.machine's."""
    machine = view.get(KubevirtMachine, ref.backend, ref.namespace, ref.name)
    states = (machine.status.find(type_) for type_ in _STEPS) if machine is not None else ()
    return any(state is not None and state.status == "False" for state in states)


_STEPS: Final = ("VMProvisioned", "BootstrapExecSucceeded")


def _judge_joining(view: View, ref: Ref, machine: ClusterMachine, condition: Condition, now: float) -> Judgement:
    """A machine whose VM runs and that no node of its cluster belongs to."""
    since = parse_time(condition.last_transition_time) or machine.created or now
    if machine.status.phase != "Provisioned":
        return WELL
    if now < since + BOOTSTRAP_LIMIT:
        return Judgement(again=since + BOOTSTRAP_LIMIT)
    cause = f"no node of cluster {machine.spec.cluster_name} has spec.providerID {machine.spec.provider_id}"
    step = f"{_CONSOLE}, and the nodes of cluster {machine.spec.cluster_name}"
    below = view.get(KubevirtMachine, ref.backend, ref.namespace, ref.name)
    booted = below.status.find("BootstrapExecSucceeded") if below is not None else None
    more: tuple[Evidence, ...] = ()
    if booted is not None and booted.status == "True":
        cause = f"its bootstrap has succeeded, and {cause}"
        step = (
            f"see in cluster {machine.spec.cluster_name} whether a node has another name than {ref.name}: "
            "the guest's hostname has to be that of its machine"
        )
        done = parse_time(booted.last_transition_time)
        more = (Evidence(f"KubevirtMachine {ref.name}", "BootstrapExecSucceeded", "True", done),)
    return Judgement(_of_machine(view, ref, "does not join", cause, condition, since, step, more))


def _of_machine(
    view: View,
    ref: Ref,
    trouble: str,
    cause: str,
    condition: Condition,
    since: float | None,
    step: str,
    more: tuple[Evidence, ...] = (),
) -> Finding:
    """Its VM is at fault where that is down."""
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    root = None
    if vm is not None and vm.status.printable_status in DOWN:
        root = vm.ref(ref.backend)
        cause = f"VM {root.path} is {vm.status.printable_status}"
        more = (*more, Evidence(f"VM {root.path}", "printableStatus", vm.status.printable_status))
    evidence = (_evidence(f"Machine {ref.name}", condition), *more)
    return Finding("cluster.node", Severity.WARN, ref, "machine", trouble, cause, since, evidence, step, root)


def _evidence(subject: str, condition: Condition) -> Evidence:
    said = f"{condition.type}={condition.status} {condition.reason}".rstrip()
    return Evidence(subject, said, _flat(condition.message), parse_time(condition.last_transition_time))


def _flat(words: str) -> str:
    """A message that is a list, in one line: CAPI begins each item with an asterisk."""
    items = (line.strip().removeprefix("* ") for line in words.splitlines())
    return "; ".join(item for item in items if item).replace(":; ", ": ")


def _judge_deletion(ref: Ref, machine: ClusterMachine, now: float) -> Judgement:
    """One that is to go and is still there: what its drain waits for stands in the condition (row 119)."""
    asked = machine.metadata.deletion_timestamp
    since = parse_time(asked) or now
    if now < since + DELETION_LIMIT:
        return Judgement(again=since + DELETION_LIMIT)
    deleting = _deletion_of(machine)
    if deleting is None:
        return WELL
    reading = read_message(deleting.message)
    words = reading.sentence if reading is not None else _flat(deleting.message) or deleting.reason
    step = (reading.step if reading is not None else "") or _DELETION_STEPS.get(deleting.reason, "")
    where = f"in cluster {machine.spec.cluster_name}"
    cause = f"{where}: {words}" if deleting.reason in _DELETION_STEPS else words
    evidence = (
        _evidence(f"Machine {ref.name}", deleting),
        Evidence(f"Machine {ref.name}", "deletionTimestamp", asked or "", since),
    )
    return Judgement(
        Finding("cluster.node", Severity.WARN, ref, "machine", "does not go", cause, since, evidence, step)
    )


_DELETION_STEPS: Final = {
    "DrainingNode": "see in the cluster what holds the pods; or annotate the Machine with "
    "machine.cluster.x-k8s.io/exclude-node-draining",
    "Draining": "see in the cluster what holds the pods",
    "DrainingFailed": "see in the cluster what holds the pods",
    "WaitingForVolumeDetach": "see the VolumeAttachments of its node in the cluster",
}


def _deletion_of(machine: ClusterMachine) -> Condition | None:
    """What says how far its deletion is; before v1beta2 there was a condition for each step."""
    deleting = machine.status.find("Deleting")
    if deleting is not None and deleting.status == "True":
        return deleting
    steps = (machine.status.find(type_) for type_ in ("DrainingSucceeded", "VolumeDetachSucceeded"))
    return next((step for step in steps if step is not None and step.status == "False"), None)


def _judge_control_plane(view: View, ref: Ref, now: float) -> Judgement:
    record = view.find(ControlPlane, ref)
    if record is None or record.metadata.deletion_timestamp:
        return WELL
    cluster = _cluster_of(view, ref, record)
    if cluster is not None and is_unreachable(view, cluster):
        return WELL
    again: list[float] = []
    for type_, trouble, part in _HEALTH:
        condition = record.status.find(type_)
        if condition is None or condition.status == "True":
            continue
        since = parse_time(condition.last_transition_time) or record.created or now
        limit = WAIT_LIMIT if condition.status == "False" else BOOTSTRAP_LIMIT
        if now < since + limit:
            again.append(since + limit)
            continue
        members = dict(_members(view, ref, record))
        about = tuple(members)
        cause = _flat(condition.message).replace("EtcdMemberHealthy: ", "") or condition.reason
        cause += _tell_left(record, members) if part == _ETCD else ""
        evidence = (_evidence(f"KubeadmControlPlane {ref.name}", condition), *members.values())
        step = f"see {part} in cluster {_name_of(record)}"
        if len(members) == 1:
            step = f"see {part} on the node of Machine {about[0].name}, or delete that Machine: another takes its place"
        return Judgement(
            Finding(
                "cluster.control-plane", Severity.WARN, ref, "control plane", trouble, cause, since, evidence, step,
                about=about,
            )
        )  # fmt: skip
    return Judgement(again=min(again, default=None))


_ETCD: Final = "etcd"
_HEALTH: Final = (
    ("EtcdClusterHealthy", "is not whole", _ETCD),
    ("ControlPlaneComponentsHealthy", "is not whole", "the static pods"),
)


def _tell_left(record: ControlPlane, members: Mapping[Ref, Evidence]) -> str:
    """How near its etcd is to its end: it works while more than half of its members do."""
    total = record.status.replicas
    lost = sum(said.field.startswith("Etcd") for said in members.values())
    left = total - lost
    if not lost or left <= 0:
        return ""
    spare = left - (total // 2 + 1)
    then = "it works no more" if spare < 0 else "the next loss stops it" if not spare else f"{spare} more may be lost"
    return f"; {left} of {total} members are left: {then}"


def _members(view: View, ref: Ref, record: ControlPlane) -> Iterator[tuple[Ref, Evidence]]:
    """Its machines that are not whole, and what they say of themselves."""
    for at, machine in view.linked(ClusterMachine, ref.backend, "cluster", f"{ref.namespace}/{_name_of(record)}"):
        if machine.controller and machine.controller.uid == record.metadata.uid:
            for condition in machine.ailing[:1]:
                yield at, _evidence(f"Machine {at.name}", condition)


def _judge_pause(view: View, ref: Ref, _now: float) -> Judgement:
    """A cluster that Cluster API leaves alone, and what of it would have to be done."""
    cluster = view.find(Cluster, ref)
    if cluster is None or cluster.metadata.deletion_timestamp:
        return WELL
    how = _tell_pause(cluster)
    if how is None:
        return WELL
    step = f"kubectl annotate cluster -n {ref.namespace} {ref.name} {_PAUSED}-"
    if cluster.spec.paused:
        step = f"kubectl patch cluster -n {ref.namespace} {ref.name} --type merge -p '{_UNPAUSE}'"
    told = cluster.status.find("Paused")
    since = parse_time(told.last_transition_time) if told is not None and told.status == "True" else None
    evidence, waits = [how], ""
    for record in _scaled(view, ref):
        name, wanted, has = f"{record.KIND} {record.metadata.name}", record.spec.replicas, record.status.replicas
        if wanted != has:
            evidence.append(Evidence(name, "spec.replicas", f"{wanted}, status.replicas {has}"))
            waits = waits or f", and {name} wants {wanted} machines and has {has}"
    cause = f"{how.field} is {how.value or 'set'}: Cluster API does nothing for it{waits}"
    severity = Severity.WARN if waits else Severity.INFO
    return Judgement(
        Finding("cluster.paused", severity, ref, "cluster", "is paused", cause, since, tuple(evidence), step)
    )


def _tell_pause(cluster: Cluster) -> Evidence | None:
    """By what a cluster is paused."""
    subject = f"Cluster {cluster.metadata.name}"
    if cluster.spec.paused:
        return Evidence(subject, "spec.paused", "true")
    mark = cluster.metadata.annotations.paused
    return Evidence(subject, f"annotation {_PAUSED}", mark) if mark is not None else None


_PAUSED: Final = "cluster.x-k8s.io/paused"
_UNPAUSE: Final = '{"spec":{"paused":false}}'


def _scaled(view: View, ref: Ref) -> Iterator[Scaled]:
    for _, plane in view.linked(ControlPlane, ref.backend, "cluster", ref.path):
        yield plane
    for _, deployment in view.linked(MachineDeployment, ref.backend, "cluster", ref.path):
        yield deployment


def _judge_scale(view: View, ref: Ref, now: float) -> Judgement:
    """A cluster that is not paused and in which somebody wants more machines than have been made."""
    cluster = view.find(Cluster, ref)
    if cluster is None or cluster.metadata.deletion_timestamp or _tell_pause(cluster) is not None:
        return WELL
    again: list[float] = []
    for record in _scaled(view, ref):
        wanted, has = record.spec.replicas, record.status.replicas
        if wanted <= has or record.metadata.deletion_timestamp or record.metadata.annotations.paused is not None:
            continue
        condition = record.status.find("ScalingUp")
        told = condition if condition is not None and condition.status == "True" else None
        since = _wanted_since(record, told)
        ripe = max(since, _left_alone_until(record)) + SCALE_LIMIT if since is not None else now
        if now < ripe:
            again.append(ripe)
            continue
        name = f"{record.KIND} {record.metadata.name}"
        words = f": {_flat(told.message)}" if told is not None and told.message else ""
        cause = f"{name} wants {wanted} machines and has {has}{words}"
        evidence = [Evidence(name, "spec.replicas", f"{wanted}, status.replicas {has}", since)]
        if told is not None:
            evidence.append(_evidence(name, told))
        step = f"read the log of {_MAKERS[record.KIND]}"
        return Judgement(
            Finding(_SCALE, Severity.WARN, ref, "cluster", "does not grow", cause, since, tuple(evidence), step)
        )
    return Judgement(again=min(again, default=None))


def _wanted_since(record: Scaled, told: Condition | None) -> float | None:
    """Since when more machines are wanted: by its condition, else by when somebody set their number."""
    if told is not None:
        return parse_time(told.last_transition_time)
    return parse_time(record.scaled_by.time) if record.scaled_by is not None else None


def _left_alone_until(record: Scaled) -> float:
    """Until when a pause kept Cluster API from it."""
    paused = record.status.find("Paused")
    over = paused is not None and paused.status == "False"
    return (parse_time(paused.last_transition_time) or 0.0) if paused is not None and over else 0.0


_SCALE: Final = "cluster.scale"
_MAKERS: Final = {
    ControlPlane.KIND: "capi-kubeadm-control-plane-controller-manager",
    MachineDeployment.KIND: "capi-controller-manager",
}
"""Who makes the machines of each."""


def _name_of(record: Record) -> str:
    return record.metadata.labels.get(CLUSTER_LABEL, "")


def _cluster_of(view: View, ref: Ref, record: Record) -> Ref | None:
    cluster = view.get(Cluster, ref.backend, ref.namespace, _name_of(record))
    return cluster.ref(ref.backend) if cluster is not None else None


def _clusters_of(view: View, ref: Ref, record: Record) -> Iterator[Ref]:
    cluster = _cluster_of(view, ref, record)
    if cluster is not None:
        yield cluster


def _machine_named(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    machine = view.get(ClusterMachine, ref.backend, ref.namespace, ref.name)
    if machine is not None:
        yield machine.ref(ref.backend)


def _machines_of_cluster(view: View, ref: Ref, cluster: Cluster) -> Iterator[Ref]:
    """Only while they are judged otherwise for it: there may be very many of them."""
    if does_not_answer(cluster) or _tell_pause(cluster) is not None:
        yield from (at for at, _ in view.linked(ClusterMachine, ref.backend, "cluster", ref.path))


def _planes_of_cluster(view: View, ref: Ref, _cluster: Cluster) -> Iterator[Ref]:
    return (at for at, _ in view.linked(ControlPlane, ref.backend, "cluster", ref.path))


def _planes_of_machine(view: View, ref: Ref, machine: ClusterMachine) -> Iterator[Ref]:
    owner = machine.controller
    plane = view.get(ControlPlane, ref.backend, ref.namespace, owner.name) if owner is not None else None
    if plane is not None:
        yield plane.ref(ref.backend)


RULES: Final = (
    Rule(
        "cluster.node",
        _judge_machine,
        {
            ClusterMachine: itself,
            KubevirtMachine: _machine_named,
            VirtualMachine: _machine_named,
            Cluster: _machines_of_cluster,
        },
        linger=LINGER,
        detects="a Machine that does not join or go, is paused, or whose node is lost or not ready",
        severities="warn, info",
    ),
    Rule(
        "cluster.control-plane",
        _judge_control_plane,
        {ControlPlane: itself, ClusterMachine: _planes_of_machine, Cluster: _planes_of_cluster},
        linger=LINGER,
        detects="a control plane of a cluster whose etcd or static pods are not whole",
        severities="warn",
    ),
    Rule(
        "cluster.paused",
        _judge_pause,
        {Cluster: itself, ControlPlane: _clusters_of, MachineDeployment: _clusters_of},
        linger=LINGER,
        detects="a cluster that Cluster API leaves alone, and what waits for that",
        severities="warn, info",
    ),
    Rule(
        "cluster.scale",
        _judge_scale,
        {Cluster: itself, ControlPlane: _clusters_of, MachineDeployment: _clusters_of},
        settle=SCALE_LIMIT,
        linger=LINGER,
        detects="a cluster whose MachineDeployment or control plane has wanted more machines for five minutes",
        severities="warn",
    ),
)
