"""Layers that disagree: one says that all is well, and the one below it says that it is not, which is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kvtui.joins.claims import volumes_of_claim
from kvtui.joins.footing import (
    footing_of,
    machine_evidence,
    machine_step,
    machine_trouble,
    machines_under,
    nodes_of_domain,
    nodes_of_host,
    nodes_of_machine,
)
from kvtui.joins.machine import (
    Machine,
    join_machine,
    machines_named,
    machines_of_instance,
    machines_of_migration,
    machines_of_node,
    machines_of_pod,
    machines_of_vm,
    machines_of_volume,
)
from kvtui.model import Evidence, FeedState, Finding, Ref, Severity
from kvtui.records.base import Record, find_condition, is_true
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Node, Pod
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.records.storage import PersistentVolume
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, LOADING, LOOK_AGAIN, WELL, Judgement, Rule, itself
from kvtui.triage.lacks import RESTORE, is_of_lost_claim
from kvtui.triage.storage import tell_running

SETTLE = 20.0
"""Seconds for which layers may disagree: each learns of the other a moment later."""

_RUNS = frozenset({DomainState.RUNNING, DomainState.BLOCKED})


def _judge_machine(view: View, ref: Ref, now: float) -> Judgement:
    """A VM that is Running, and whose domain or pod says otherwise. One that moves is in two places rightly."""
    machine = join_machine(view, ref)
    vmi = machine.vmi if machine is not None else None
    if machine is None or vmi is None or not vmi.is_running:
        return WELL
    finding = (
        (_stopped_below(view, ref, vmi) if view.count(Domain) else None)
        or _elsewhere(view, ref, vmi, machine.launcher)
        or _nowhere(view, ref, vmi)
    )
    if machine.paused or machine.migration is not None or machine.moving:
        return WELL
    if finding is None and machine.node is None and vmi.status.node_name:
        return _unless_loading(view, ref.backend, Node, now)
    return Judgement(finding) if finding is not None else WELL


def _stopped_below(view: View, ref: Ref, vmi: VirtualMachineInstance) -> Finding | None:
    domains = [found for _, uuid in vmi.spec.domain.firmware.links() for found in view.everywhere(Domain, "uuid", uuid)]
    known = [(ref, domain) for ref, domain in domains if _is_current(view, ref.backend)]
    if not known or any(domain.state in _RUNS for _, domain in known):
        return None
    below, domain = known[0]
    state = f"{domain.state.value} ({domain.reason})" if domain.reason else domain.state.value
    return _finding(
        "layers.machine",
        ref,
        "vm",
        "runs in name only",
        f"VMI {vmi.metadata.name} is Running, and domain {below.backend}/{below.name} is {state}",
        below,
        (
            Evidence(f"VMI {vmi.metadata.name}", "status.phase", vmi.status.phase),
            Evidence(f"domain {below.backend}/{below.name}", "state", state, domain.since),
        ),
        "mend its disk, then unpause it" if "I/O" in domain.reason else "start the VM again",
        domain.since,
    )


def _is_current(view: View, backend: str) -> bool:
    return all(host.connected for _, host in view.items(Host, backend))


def _elsewhere(view: View, ref: Ref, vmi: VirtualMachineInstance, launcher: Pod | None) -> Finding | None:
    """Its pod is on another node than the instance says; `launcher` is the one on its node."""
    node = vmi.status.node_name
    if not node or (launcher is not None and _carries(launcher)):
        return None
    running = [(at, pod) for at, pod in view.linked(Pod, ref.backend, "vmi", vmi.metadata.uid) if _carries(pod)]
    if not running or any(pod.spec.node_name == node for _, pod in running):
        return None
    at, pod = running[0]
    return _finding(
        "layers.machine",
        ref,
        "vm",
        "is not where it says",
        f"VMI {vmi.metadata.name} is on node {node}, and its pod {at.name} on node {pod.spec.node_name}",
        at,
        (
            Evidence(f"VMI {vmi.metadata.name}", "status.nodeName", node),
            Evidence(f"Pod {at.name}", "spec.nodeName", pod.spec.node_name),
        ),
        "see the log of virt-controller and of virt-handler on both nodes before you start or stop it",
    )


def _nowhere(view: View, ref: Ref, vmi: VirtualMachineInstance) -> Finding | None:
    """Its node does not exist."""
    name = vmi.status.node_name
    if not name or view.get(Node, ref.backend, "", name) is not None or not _is_whole(view, ref.backend, Node):
        return None
    root = Ref(ref.backend, Node.KIND, "", name)
    finding = _finding(
        "layers.machine",
        ref,
        "vm",
        "has lost its node",
        f"VMI {vmi.metadata.name} is Running on node {name}, and there is no node {name}",
        root,
        (Evidence(f"VMI {vmi.metadata.name}", "status.nodeName", name),),
        "restart the kubelet if that machine is up: it registers the node anew; if it is down for good, force the VM to"
        " stop and start it elsewhere",
    )
    words = "VMIs say that they are Running there"
    told = replace(finding, severity=Severity.WARN, subject=root, label="node", trouble="does not exist", cause=words)
    return replace(finding, severity=Severity.WARN, at_root=told)


def _carries(pod: Pod) -> bool:
    """Whether a guest may run in a launcher."""
    meta = pod.metadata
    return pod.status.phase == "Running" and not meta.annotations.provisioning and not meta.deletion_timestamp


def _judge_disk(view: View, ref: Ref, now: float) -> Judgement:
    """A DataVolume that is Succeeded and whose claim is not there, or whose claim is lost, by which CDI calls it Failed
    (kubevirt-api.md 9.3, row 56).
    """
    record = view.find(DataVolume, ref)
    if record is None or record.metadata.deletion_timestamp:
        return WELL
    phase = record.status.phase
    if phase != "Succeeded" and not is_of_lost_claim(view, ref.backend, record):
        return WELL
    name = record.status.claim_name or ref.name
    claim = view.get(Claim, ref.backend, ref.namespace, name)
    if claim is None:
        if not _is_whole(view, ref.backend, Claim):
            return _unless_loading(view, ref.backend, Claim, now)
        state = "does not exist"
    elif claim.status.phase == "Lost":
        state = "is Lost"
    else:
        return WELL
    # A claim that is lost tells itself who runs with it.
    running = tell_running(view, machines_of_volume(view, ref, record)) if claim is None else ""
    root = Ref(ref.backend, Claim.KIND, ref.namespace, name) if claim is None else claim.ref(ref.backend)
    return Judgement(
        _finding(
            "layers.disk",
            ref,
            "import",
            "has lost its disk",
            f"DataVolume {ref.path} is {phase}, and PVC {ref.namespace}/{name} {state}{running}",
            root,
            (
                Evidence(f"DataVolume {ref.name}", "status.phase", phase),
                Evidence(f"PVC {name}", "status.phase", "Lost" if claim is not None else "does not exist"),
            ),
            RESTORE,
            _unbound_since(record),
        ),
        confirmed=any(map(_misses_claim, _machines_on(view, ref, record))),
    )


def _machines_on(view: View, ref: Ref, record: DataVolume) -> list[Machine]:
    """Those that have it as a disk."""
    found = (join_machine(view, one) for one in dict.fromkeys(machines_of_volume(view, ref, record)))
    return [one for one in found if one is not None]


def _misses_claim(machine: Machine) -> bool:
    """Whether virt-controller says itself that a claim is not there."""
    return machine.vm is not None and machine.vm.status.printable_status == _NO_CLAIM


_NO_CLAIM = "ErrorPvcNotFound"
"""What a VM says then (kubevirt-api.md 2.1)."""


def _unbound_since(record: DataVolume) -> float | None:
    bound = find_condition(record.status.conditions, "Bound")
    return parse_time(bound.last_transition_time) if bound is not None and bound.status == "False" else None


def _judge_claim(view: View, ref: Ref, now: float) -> Judgement:
    """A claim that is Bound to a volume that failed, is released, or is another claim's."""
    claim = view.find(Claim, ref)
    if claim is None or claim.status.phase != "Bound" or claim.metadata.deletion_timestamp:
        return WELL
    name = claim.spec.volume_name
    volume = view.get(PersistentVolume, ref.backend, "", name) if name else None
    state = _denial(ref, volume) if volume is not None else ""
    if volume is None or (not state and volume.spec.claim_ref is None):
        # Of a volume that is gone Kubernetes itself says so within seconds: the claim is Lost. One that comes later
        # and is another's has only that other claim judged.
        if _is_whole(view, ref.backend, PersistentVolume):
            return Judgement(again=now + LOOK_AGAIN)
        return _unless_loading(view, ref.backend, PersistentVolume, now)
    if not state:
        return WELL
    since = parse_time(volume.status.last_phase_transition_time) if volume.status.phase != "Bound" else None
    return Judgement(_of_claim(ref, volume.ref(ref.backend), state, since))


def _denial(ref: Ref, volume: PersistentVolume) -> str:
    """What a volume says against being that of a claim; empty when it is."""
    holder = volume.spec.claim_ref
    if volume.status.phase in ("Failed", "Released"):
        said = volume.status.message or volume.status.reason
        return f"is {volume.status.phase}{f': {said}' if said else ''}"
    if holder is not None and holder.path != ref.path:
        return f"belongs to PVC {holder.path}"
    if holder is not None and holder.uid and holder.uid != ref.uid:
        return "belongs to an earlier PVC of this name"
    return ""


def _of_claim(ref: Ref, volume: Ref, state: str, since: float | None) -> Finding:
    return _finding(
        "layers.claim",
        ref,
        "claim",
        "has lost its volume",
        f"PVC {ref.path} is Bound, and its volume {volume.name} {state}",
        volume,
        (Evidence(f"PVC {ref.name}", "status.phase", "Bound"), Evidence(f"PV {volume.name}", "status.phase", state)),
        RESTORE,
        since,
    )


def _judge_node(view: View, ref: Ref, now: float) -> Judgement:
    """A node that is Ready, and that runs in a domain or VM that does not run: it is about to be lost."""
    node = view.find(Node, ref)
    if node is None or not is_true(node.status.conditions, "Ready"):
        return WELL
    footing = footing_of(view, node)
    if footing is not None and footing.trouble and footing.culprit == footing.ref:
        return Judgement(
            _of_node(ref, footing.ref, footing.trouble, footing.evidence, footing.step, footing.domain.since)
        )
    for machine in machines_under(view, ref.backend, node):
        trouble = machine_trouble(view, machine)
        feed = view.feed(machine.backend, VirtualMachineInstance.KIND)
        if trouble and feed.state is FeedState.LIVE:
            state = machine_evidence(view, machine)
            return Judgement(_of_node(ref, machine, trouble, state, machine_step(view, machine), None))
        if trouble:
            return _unless_loading(view, machine.backend, VirtualMachineInstance, now)
    return WELL


def _of_node(ref: Ref, root: Ref, trouble: str, below: Evidence, step: str, since: float | None) -> Finding:
    return _finding(
        "layers.node",
        ref,
        "node",
        "is Ready in name only",
        f"node {ref.name} is Ready, and {trouble}",
        root,
        (Evidence(f"Node {ref.name}", "Ready", "True"), below),
        step,
        since,
    )


def _is_whole(view: View, backend: str, type_: type[Record]) -> bool:
    """Whether what is not among the objects of a kind does not exist."""
    feed = view.feed(backend, type_.KIND)
    return feed.state is FeedState.LIVE and not feed.detail


def _unless_loading(view: View, backend: str, type_: type[Record], now: float) -> Judgement:
    """Nothing is found while not all of a kind is known; that all of it is listed is no change of an object."""
    loading = view.feed(backend, type_.KIND).state is FeedState.LOADING
    return Judgement(again=now + LOADING) if loading else WELL


def _finding(
    rule: str,
    subject: Ref,
    label: str,
    trouble: str,
    cause: str,
    root: Ref,
    evidence: tuple[Evidence, ...],
    step: str,
    since: float | None = None,
) -> Finding:
    return Finding(rule, Severity.BAD, subject, label, trouble, cause, since, evidence, step, root)


def _machines_of_domain(view: View, _ref: Ref, domain: Domain) -> Iterator[Ref]:
    if domain.metadata.uid:
        for ref, _ in view.everywhere(VirtualMachineInstance, "uuid", domain.metadata.uid):
            yield from machines_named(view, ref.backend, ref.namespace, ref.name)


def _machines_of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    for at, domain in view.items(Domain, ref.backend):
        yield from _machines_of_domain(view, at, domain)


def _volumes_of_refused(view: View, ref: Ref, vm: VirtualMachine) -> Iterator[Ref]:
    """Those of a VM that does not find a claim."""
    if vm.status.printable_status == _NO_CLAIM:
        for volume in vm.spec.template.spec.volumes:
            found = view.ref_of(DataVolume, ref.backend, ref.namespace, volume.claim)
            if found is not None:
                yield found


def _claim_of_volume(view: View, ref: Ref, volume: PersistentVolume) -> Iterator[Ref]:
    bound = volume.spec.claim_ref
    claim = view.ref_of(Claim, ref.backend, bound.namespace, bound.name) if bound is not None else None
    if claim is not None:
        yield claim


RULES = (
    Rule(
        "layers.machine",
        _judge_machine,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Pod: machines_of_pod,
            Migration: machines_of_migration,
            Node: machines_of_node,
            Domain: _machines_of_domain,
            Host: _machines_of_host,
        },
        settle=SETTLE,
        linger=LINGER,
        detects="a VM that is Running while its domain is not, its pod is on another node, or its node does not exist",
        severities="bad, warn",
    ),
    Rule(
        "layers.disk",
        _judge_disk,
        {DataVolume: itself, Claim: volumes_of_claim, VirtualMachine: _volumes_of_refused},
        settle=SETTLE,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a DataVolume whose PVC is lost, or is gone after it Succeeded",
        severities="bad",
    ),
    Rule(
        "layers.claim",
        _judge_claim,
        {Claim: itself, PersistentVolume: _claim_of_volume},
        settle=SETTLE,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a PVC that is Bound to a volume that has failed, is released, or is another's",
        severities="bad",
    ),
    Rule(
        "layers.node",
        _judge_node,
        {
            Node: itself,
            Domain: nodes_of_domain,
            Host: nodes_of_host,
            VirtualMachine: nodes_of_machine,
            VirtualMachineInstance: nodes_of_machine,
        },
        settle=SETTLE,
        linger=LINGER,
        detects="a node that is Ready while the domain or VM that it runs in does not run",
        severities="bad",
    ),
)
