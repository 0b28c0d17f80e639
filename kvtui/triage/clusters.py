"""Clusters whose nodes are VMs: their addresses, machines and APIs. Evidence: kubevirt-api.md 9.8, rows 107 to 118."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Record
from kvtui.records.clusters import (
    CLUSTER_LABEL,
    ROLE_LABEL,
    Cluster,
    KubeadmConfig,
    KubevirtCluster,
    KubevirtMachine,
)
from kvtui.records.kubernetes import Event
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself
from kvtui.triage.messages import read_message

WAIT_LIMIT: Final = 300.0
"""Seconds that a machine or a load balancer may take."""
BOOTSTRAP_LIMIT: Final = 900.0
"""Seconds that cloud-init and kubeadm may take in the guest."""

DOWN: Final = frozenset({"Paused", "Stopped", "Stopping", "CrashLoopBackOff", "ErrorUnschedulable"})
"""States of a VM in which no node runs in it."""


def _judge_cluster(view: View, ref: Ref, _now: float) -> Judgement:
    cluster = view.find(Cluster, ref)
    probe = cluster.status.find("RemoteConnectionProbe") if cluster is not None else None
    if cluster is None or probe is None or probe.status != "False" or cluster.metadata.deletion_timestamp:
        return WELL
    since = parse_time(probe.last_transition_time)
    words, root = probe.message or probe.reason, None
    evidence = [Evidence(f"Cluster {ref.name}", f"RemoteConnectionProbe=False {probe.reason}".rstrip(), words, since)]
    down = _find_down(view, ref)
    step = f"see the endpoint, its load balancer and secret {ref.name}-kubeconfig"
    if down:
        first = down[0][1]
        # Of several that are down none is the cause of the others: the cluster stands for them.
        root = down[0][0] if len(down) == 1 else None
        words = _name_down(down)
        evidence += [Evidence(f"VM {at.path}", "printableStatus", vm.status.printable_status) for at, vm in down]
        step = "unpause them" if first.status.printable_status == "Paused" else "start them"
    return Judgement(
        Finding(
            "cluster.state", Severity.BAD, ref, "cluster", "cannot be reached", words, since, tuple(evidence), step,
            root,
        )
    )  # fmt: skip


def _name_down(down: Sequence[tuple[Ref, VirtualMachine]]) -> str:
    """``its VMs k8s-1 and k8s-2 are Paused``."""
    states: dict[str, list[str]] = {}
    for at, vm in down:
        states.setdefault(vm.status.printable_status, []).append(at.name)
    told = []
    for state, names in states.items():
        listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        told.append(f"VM{'s' if len(names) > 1 else ''} {listed} {'are' if len(names) > 1 else 'is'} {state}")
    return "its control plane does not run: " + "; ".join(told)


def _find_down(view: View, ref: Ref) -> list[tuple[Ref, VirtualMachine]]:
    return [(found, vm) for found, vm in _machines_of(view, ref) if vm.status.printable_status in DOWN]


def _machines_of(view: View, ref: Ref) -> list[tuple[Ref, VirtualMachine]]:
    """The VMs of a cluster's control plane; all of it where they bear no role."""
    found = view.linked(VirtualMachine, ref.backend, "cluster", ref.path)
    return [item for item in found if item[1].metadata.labels.get(ROLE_LABEL) == "control-plane"] or found


def _judge_address(view: View, ref: Ref, now: float) -> Judgement:
    record = view.find(KubevirtCluster, ref)
    lost = record.status.find("LoadBalancerAvailable") if record is not None else None
    if record is None or lost is None or lost.status != "False" or record.metadata.deletion_timestamp:
        return WELL
    since = parse_time(lost.last_transition_time)
    if since is not None and now < since + WAIT_LIMIT:
        return Judgement(again=since + WAIT_LIMIT)
    name = record.metadata.labels.get(CLUSTER_LABEL, ref.name)
    words = lost.message or lost.reason
    evidence = [Evidence(f"KubevirtCluster {ref.name}", f"LoadBalancerAvailable=False {lost.reason}", words, since)]
    service, giver = f"{name}-lb", "who gives addresses to services"
    warnings = [event for _, event in view.linked(Event, ref.backend, "warns", f"Service {ref.namespace}/{service}")]
    if warnings:
        event = max(warnings, key=lambda one: one.last_seen or 0.0)
        words = f"service {ref.namespace}/{service} gets none: {event.message or event.reason}"
        giver = event.reporter or giver
        evidence.append(Evidence(f"Service {service}", event.reason, event.message, event.first_seen))
    step = f"see service {ref.namespace}/{service}, and whether {giver} has addresses left"
    return Judgement(
        Finding("cluster.address", Severity.WARN, ref, "cluster", "has no address", words, since, tuple(evidence), step)
    )


def _judge_machine(view: View, ref: Ref, now: float) -> Judgement:
    record = view.find(KubevirtMachine, ref)
    if record is None or record.metadata.deletion_timestamp:
        return WELL
    subject = f"KubevirtMachine {ref.name}"
    if words := record.status.failure_message:
        evidence = Evidence(subject, "status.failureMessage", words)
        step = f"delete Machine {ref.name}: another takes its place"
        return Judgement(
            Finding("cluster.machine", Severity.WARN, ref, "machine", "has failed", words, None, (evidence,), step)
        )
    for type_, limit, trouble in _STEPS:
        condition = record.status.find(type_)
        if condition is None or condition.status != "False":
            continue
        since = parse_time(condition.last_transition_time) or record.created or 0.0
        if now < since + limit:
            return Judgement(again=since + limit)
        words = condition.message or condition.reason
        told = Evidence(subject, f"{type_}=False {condition.reason}".rstrip(), words, since)
        root, more = _root(view, ref, record, condition.reason)
        of_vm = root is not None and root.kind in (VirtualMachine.KIND, Cluster.KIND)
        what = "does not run" if of_vm else trouble
        reading = read_message(more[0].value) if more else None
        cause = reading.sentence if reading is not None else f"{words}: {more[0].value}" if more else words
        if condition.reason == "WaitingForClusterInfrastructure" and root is not None:
            cause = f"it waits for KubevirtCluster {root.name}"
        step = reading.step if reading is not None else ""
        if root is None and not more:
            step = "read its cloud-init log in the guest's console"
        return Judgement(
            Finding("cluster.machine", Severity.WARN, ref, "machine", what, cause, since, (told, *more), step, root)
        )
    return WELL


_STEPS: Final = (
    ("VMProvisioned", WAIT_LIMIT, "gets no VM"),
    ("BootstrapExecSucceeded", BOOTSTRAP_LIMIT, "does not join"),
)


def _root(view: View, ref: Ref, record: KubevirtMachine, reason: str) -> tuple[Ref | None, tuple[Evidence, ...]]:
    """What a machine waits for, and what that says."""
    if reason == "WaitingForClusterInfrastructure":
        name = record.metadata.labels.get(CLUSTER_LABEL, "")
        cluster = view.get(KubevirtCluster, ref.backend, ref.namespace, name)
        return (cluster.ref(ref.backend) if cluster is not None else None), ()
    if reason == "WaitingForBootstrapData":
        config = view.get(KubeadmConfig, ref.backend, ref.namespace, ref.name)
        for condition in config.status.conditions if config is not None else ():
            if condition.status == "False" and condition.message:
                said = f"{condition.type}=False {condition.reason}".rstrip()
                since = parse_time(condition.last_transition_time)
                return None, (Evidence(f"KubeadmConfig {ref.name}", said, condition.message, since),)
        return None, ()
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    if vm is None:
        return None, ()
    found = vm.ref(ref.backend)
    for whole in _cluster_of(view, ref, record):
        if is_unreachable(view, whole) and any(at == found for at, _ in _find_down(view, whole)):
            return whole, ()
    return found, ()


def is_unreachable(view: View, ref: Ref) -> bool:
    """Whether the API of a cluster does not answer: then nobody knows of its nodes."""
    cluster = view.find(Cluster, ref)
    return cluster is not None and does_not_answer(cluster)


def does_not_answer(cluster: Cluster) -> bool:
    """Whether Cluster API cannot reach the API of the cluster."""
    probe = cluster.status.find("RemoteConnectionProbe")
    return probe is not None and probe.status == "False"


def _cluster_of(view: View, ref: Ref, record: Record) -> Iterator[Ref]:
    name = record.metadata.labels.get(CLUSTER_LABEL)
    cluster = view.get(Cluster, ref.backend, ref.namespace, name) if name else None
    if cluster is not None:
        yield cluster.ref(ref.backend)


def _machines_of_cluster(view: View, ref: Ref, _cluster: Cluster | KubevirtCluster) -> Iterator[Ref]:
    return (at for at, _ in view.linked(KubevirtMachine, ref.backend, "cluster", ref.path))


def _machines_of_silent(view: View, ref: Ref, cluster: Cluster) -> Iterator[Ref]:
    """Its machines are judged otherwise only while its API does not answer: there may be very many of them."""
    if does_not_answer(cluster):
        yield from _machines_of_cluster(view, ref, cluster)


def _cluster_of_event(view: View, ref: Ref, event: Event) -> Iterator[Ref]:
    about = event.involved_object
    if about.kind == "Service" and event.type == "Warning":
        cluster = view.get(KubevirtCluster, ref.backend, about.namespace, about.name.removesuffix("-lb"))
        if cluster is not None:
            yield cluster.ref(ref.backend)


def _machine_named(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    machine = view.get(KubevirtMachine, ref.backend, ref.namespace, ref.name)
    if machine is not None:
        yield machine.ref(ref.backend)


RULES: Final = (
    Rule(
        "cluster.state",
        _judge_cluster,
        {Cluster: itself, VirtualMachine: _cluster_of},
        linger=LINGER,
        detects="a cluster of VMs whose API cannot be reached, and the VMs that are down",
        severities="bad",
    ),
    Rule(
        "cluster.address",
        _judge_address,
        {KubevirtCluster: itself, Event: _cluster_of_event},
        linger=LINGER,
        detects="a cluster of VMs whose load balancer gets no address",
        severities="warn",
    ),
    Rule(
        "cluster.machine",
        _judge_machine,
        {
            KubevirtMachine: itself,
            Cluster: _machines_of_silent,
            KubevirtCluster: _machines_of_cluster,
            KubeadmConfig: _machine_named,
            VirtualMachine: _machine_named,
        },
        linger=LINGER,
        detects="a machine of a cluster that failed, gets no VM, or does not join",
        severities="warn",
    ),
)
