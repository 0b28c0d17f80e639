"""What the rules know that an action would run into: said before it is confirmed, the cause first. Pure.

Only what may change the decision: a VM that would not start again, a cluster that is in trouble already, a disk that is
being copied, the last node with room.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec.structs import replace as alter

from kvtui.joins.admission import tell_refusal
from kvtui.joins.causes import Cause, Theme
from kvtui.joins.ceph import is_full, judge_ceph, tell_taken
from kvtui.joins.footing import nodes_in, nodes_of_machine
from kvtui.joins.landing import SCHEDULABLE
from kvtui.joins.machine import Machine, join_machine
from kvtui.joins.room import requests_of, used_on
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Meta, Record, find_condition
from kvtui.records.cdi import DataVolume
from kvtui.records.clusters import CLUSTER_LABEL, Cluster, KubevirtCluster, KubevirtMachine
from kvtui.records.kubernetes import Node, Pod, PodSpec
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain
from kvtui.store import View
from kvtui.text import quantity, size
from kvtui.triage.capacity import takes_vms
from kvtui.triage.lacks import list_lacks
from kvtui.triage.scheduling import explain_scheduling
from kvtui.triage.storage import find_broken_ceph

_STARTS: Final = frozenset({"vm.start", "vm.start_paused", "vm.restart", "vm.force_restart"})
_STOPS: Final = frozenset({"vm.stop", "vm.kill"})
_RUNS: Final = _STARTS | {"vm.unpause"}
"""After which a guest writes to its disks."""
_ENDS: Final = frozenset({"stop", "kill", "restart", "force_restart", "delete", "reset", "pause"})
"""Names of actions that make a guest stand still or end, without their resource."""
_ERASES: Final = frozenset({"pvc.delete", "datavolume.delete"})
_COPIED: Final = frozenset({"Succeeded", "Failed", ""})
_NAMED: Final = 3

Found = Mapping[tuple[str, ...], Finding]


def foresee(view: View, found: Found, action: str, row: Any, ref: Ref, together: Collection[Ref]) -> Iterator[str]:
    """A sentence for each thing that the action with that id would run into on a row. `found` is the worst of each
    subject, `together` are all rows that it is done to.
    """
    if action in _STARTS and isinstance(row, Machine):
        yield from _tell_no_start(view, row)
        yield from _tell_double(view, row, together)
    if action in _STOPS and isinstance(row, Machine):
        yield from _tell_no_return(view, row)
    if action == "vm.migrate" and isinstance(row, Machine):
        yield from _tell_no_move(view, row)
    if action in _RUNS and isinstance(row, Machine):
        yield from _tell_full(view, row)
    if action.partition(".")[2] in _ENDS:
        yield from _tell_tenants(view, found, ref)
    if action in _ERASES:
        yield from _tell_copies(view, ref)
    if action == "node.cordon":
        yield from _tell_last_room(view, together, ref)


def comes_to_nothing(view: View, action: str, row: Any) -> bool:
    """Whether what an action does is undone at once, so that even a harmless one is worth a question."""
    ceph = find_broken_ceph(view, row) if action == "vm.unpause" and isinstance(row, Machine) else None
    return ceph is not None and is_full(ceph)


# A start -------------------------------------------------------------------------------------------------------------


def _tell_no_start(view: View, machine: Machine) -> Iterator[str]:
    """Why the VM would not run with what its next instance is made of."""
    lack = _next_lack(view, machine) or tell_refusal(view, machine, second=False)
    if cause := lack or _why_no_node(view, machine):
        yield _will_not_start(machine, cause)


def _tell_no_return(view: View, machine: Machine) -> Iterator[str]:
    """Why a VM that is to end could not be started again."""
    if machine.live is None:
        return
    if lack := _next_lack(view, machine) or tell_refusal(view, machine, second=False):
        yield _will_not_start(machine, lack)


def _tell_double(view: View, machine: Machine, together: Collection[Ref]) -> Iterator[str]:
    """Which of those that are started together have one identity; who runs with it already, the action says."""
    spec = machine.vm.spec.template.spec if machine.vm is not None and machine.live is None else None
    for link in spec.domain.firmware.links() if spec is not None else ():
        others = [ref for ref, _ in view.linked(VirtualMachine, machine.backend, *link) if ref in together]
        for ref in sorted(others):
            other = join_machine(view, ref) if ref != machine.ref else None
            if other is not None and other.live is None:
                yield f"{ref.path} has the same UUID, and is started too"


def _will_not_start(machine: Machine, cause: str) -> str:
    return f"the rules say it will not start{' again' if machine.live is not None else ''}: {cause}"


def _next_lack(view: View, machine: Machine) -> str:
    """What its next instance would lack first; empty for nothing."""
    return next(list_lacks(view, machine, machine.vm.spec.template.spec), "") if machine.vm is not None else ""


def _tell_no_move(view: View, machine: Machine) -> Iterator[str]:
    """Why no second launcher pod would be made for what runs."""
    if machine.live is None:
        return
    if lack := next(list_lacks(view, machine, machine.live.spec), "") or tell_refusal(view, machine, second=True):
        yield f"the rules say it will not move: {lack}"


def _why_no_node(view: View, machine: Machine) -> str:
    """Judged as its next launcher pod would be: with the node selector of now, and as much room as it has. Of a VM that
    is off nobody knows how much room it would want: it is judged as one that fits anywhere.
    """
    if machine.vm is None:
        return ""
    spec, pod = machine.vm.spec.template.spec, machine.launcher
    wanted = spec.node_selector
    if pod is None or machine.vmi is None:
        placed = PodSpec(node_selector={**wanted, SCHEDULABLE: "true"}, tolerations=spec.tolerations)
        next_pod = Pod(metadata=Meta(name=f"of {machine.ref.name}", labels=_OF_LAUNCHER), spec=placed)
    else:
        own = machine.vmi.spec.node_selector
        kept = {key: value for key, value in pod.spec.node_selector.items() if key not in own}
        next_pod = alter(pod, spec=alter(pod.spec, node_selector={**kept, **wanted}, containers=()))
    unknown = Cause(Theme.SCHEDULING, "", Evidence("", "", ""))
    return explain_scheduling(view, replace(machine, launcher=next_pod), unknown).sentence


_OF_LAUNCHER: Final = {"kubevirt.io": "virt-launcher"}


def _tell_full(view: View, machine: Machine) -> Iterator[str]:
    """The Ceph below its disks that takes no writes, or is in error otherwise."""
    ceph = find_broken_ceph(view, machine)
    if ceph is None:
        return
    name = f"CephCluster {ceph.metadata.namespace}/{ceph.metadata.name} below its disks"
    if is_full(ceph):
        taken = tell_taken(ceph)
        yield f"{name} is full{f' ({taken})' if taken else ''}: the next write pauses it{_again(machine)}"
    else:
        yield f"{name} is in error ({judge_ceph(ceph).reason}): an I/O error may pause it{_again(machine)}"


def _again(machine: Machine) -> str:
    """What is to happen once more to a guest that its storage paused."""
    live = machine.live
    paused = find_condition(live.status.conditions, "Paused") if live is not None else None
    return " again" if paused is not None and paused.reason == "PausedIOError" else ""


# An end --------------------------------------------------------------------------------------------------------------


def _tell_tenants(view: View, found: Found, ref: Ref) -> Iterator[str]:
    """The trouble of clusters whose node a machine is."""
    record = view.record(ref)
    if record is None or not found:
        return
    alarming = [finding for finding in found.values() if finding.severity is Severity.BAD]
    for node, cluster in _nodes_inside(view, ref, record):
        troubled = [one for one in alarming if one.subject.backend == cluster and one.subject.kind == Node.KIND]
        others = [one for one in troubled if one.subject.name != node]
        if others:
            yield f"{_name(others)}: cluster {cluster} is in trouble already, and its node {node} runs in it"
    cluster = record.metadata.labels.get(CLUSTER_LABEL, "")
    for finding in found.values() if cluster else ():
        if finding.subject[:3:2] == ref[:3:2] and _is_of_cluster(view, finding.subject, cluster):
            yield f"cluster {cluster} is in trouble already: {finding.subject.name} {finding.trouble}: {finding.cause}"
            return


def _nodes_inside(view: View, ref: Ref, record: Record) -> Iterator[tuple[str, str]]:
    """Name and backend of the nodes that run in a machine."""
    if isinstance(record, Domain):
        yield from ((node.name, node.backend) for node, _ in nodes_in(view, record))
    elif isinstance(record, VirtualMachine | VirtualMachineInstance):
        yield from ((node.name, node.backend) for node in nodes_of_machine(view, ref, record))


def _is_of_cluster(view: View, subject: Ref, cluster: str) -> bool:
    if subject.kind in (Cluster.KIND, KubevirtCluster.KIND):
        return subject.name == cluster
    record = view.record(subject) if subject.kind == KubevirtMachine.KIND else None
    return record is not None and record.metadata.labels.get(CLUSTER_LABEL) == cluster


def _name(findings: Collection[Finding]) -> str:
    named = sorted(f"node {one.subject.name} {one.trouble}" for one in findings)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


# A disk --------------------------------------------------------------------------------------------------------------


def _tell_copies(view: View, ref: Ref) -> Iterator[str]:
    """The copies of a disk that are under way."""
    for at, volume in view.items(DataVolume, ref.backend):
        source = volume.spec.source.pvc if volume.spec.source is not None else None
        if source is None or volume.status.phase in _COPIED:
            continue
        if (source.namespace or at.namespace, source.name) == (ref.namespace, ref.name):
            yield f"DataVolume {at.path} is being copied from it ({volume.status.phase}): that copy comes to nothing"


# A node --------------------------------------------------------------------------------------------------------------


def _tell_last_room(view: View, together: Collection[Ref], ref: Ref) -> Iterator[str]:
    """Whether no node is left that takes VMs, or none with room for the smallest of those that run."""
    left = [node for at, node in view.items(Node, ref.backend) if at not in together and takes_vms(node)]
    if not left:
        yield "no other node takes VMs: none starts or moves until one does again"
        return
    asked = _least_memory(view, ref.backend)
    free = {node.metadata.name: _free_memory(view, ref.backend, node) for node in left}
    freest = max(free, key=lambda name: free[name])
    if asked and free[freest] < asked:
        yield (
            f"no other node has room: {freest}, the freest, has {size(free[freest])} of memory left, "
            f"and the smallest VM asks for {size(asked)}"
        )


def _least_memory(view: View, backend: str) -> float:
    asked = (
        requests_of(pod.spec.containers).get("memory", 0.0) for _, pod in view.items(Pod, backend) if pod.is_launcher
    )
    return min((amount for amount in asked if amount), default=0.0)


def _free_memory(view: View, backend: str, node: Node) -> float:
    has = quantity(node.status.allocatable.get("memory")) or 0.0
    return max(0.0, has - used_on(view, backend, node.metadata.name).get("memory", 0.0))
