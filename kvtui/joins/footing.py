"""What nodes stand on: a node of Kubernetes that runs in a domain bears the UUID of that domain as its systemUUID."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kvtui.joins.domain import host_of
from kvtui.model import Evidence, Ref
from kvtui.records.base import is_true
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.store import View

_NAMED = 4
"""Nodes that a sentence names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Footing:
    """The domain that a node runs in, and the host of that domain."""

    ref: Ref
    """Of the domain."""
    domain: Domain
    host: Host | None

    @property
    def place(self) -> str:
        """Host and domain: ``kvm1/worker-3``."""
        return f"{self.ref.backend}/{self.ref.name}"

    @property
    def trouble(self) -> str:
        """What is wrong down there; empty while the domain runs on a host that answers."""
        domain = self.domain
        if self.host is not None and not self.host.connected:
            return f"host {self.ref.backend} {self.host.absence}: {self.host.trouble or 'no reason is known'}"
        if domain.state in (DomainState.RUNNING, DomainState.BLOCKED):
            return ""
        reason = f" ({domain.reason})" if domain.reason else ""
        return f"domain {self.place} is {domain.state.value}{reason}"

    @property
    def step(self) -> str:
        """What brings it back: an action by its label."""
        if self.host is not None and not self.host.connected:
            return f"bring host {self.ref.backend} back"
        verb = "unpause" if self.domain.state is DomainState.PAUSED else "start"
        return f"{verb} domain {self.ref.name} on {self.ref.backend}"

    @property
    def evidence(self) -> Evidence:
        """What the domain says of itself, or of its host who cannot be asked."""
        if self.host is not None and not self.host.connected:
            return Evidence(f"host {self.ref.backend}", "connection", self.host.trouble or self.host.absence)
        reason = f" ({self.domain.reason})" if self.domain.reason else ""
        return Evidence(f"domain {self.place}", "state", f"{self.domain.state.value}{reason}", self.domain.since)

    @property
    def culprit(self) -> Ref:
        """What the trouble is of: the domain, or its host where that does not answer."""
        if self.host is not None and not self.host.connected:
            return self.host.ref(self.ref.backend)
        return self.ref


def footing_of(view: View, node: Node) -> Footing | None:
    """What a node stands on; None for one on bare metal, or on a host that is not watched."""
    for uuid in node.system_uuids:
        for ref, domain in view.everywhere(Domain, "uuid", uuid):
            return Footing(ref, domain, host_of(view, ref.backend))
    return None


def nodes_in(view: View, domain: Domain) -> list[tuple[Ref, Node]]:
    """The node that runs in a domain; more than one when a cluster is watched under several names."""
    return view.everywhere(Node, "uuid", domain.metadata.uid) if domain.metadata.uid else []


def nodes_on(view: View, backend: str) -> Iterator[tuple[Ref, Node]]:
    """The nodes that run in the domains of a host."""
    for _, domain in view.items(Domain, backend):
        if domain.active:
            yield from nodes_in(view, domain)


def tell_carried(view: View, domain: Domain) -> Iterator[str]:
    """What goes down with a domain that is a node of a cluster: a sentence for each."""
    for ref, _ in nodes_in(view, domain):
        there = view.linked(VirtualMachineInstance, ref.backend, "node", ref.name)
        count = sum(instance.status.node_name == ref.name for _, instance in there)
        yield f"runs node {ref.name} of cluster {ref.backend}, with {count} VM{'' if count == 1 else 's'} on it"


def name_nodes(nodes: Iterable[Ref]) -> str:
    """Nodes by their clusters: ``prod: node-1, node-2``; the first few of each."""
    clusters: dict[str, list[str]] = {}
    for ref in nodes:
        clusters.setdefault(ref.backend, []).append(ref.name)
    return "; ".join(f"{cluster}: {_enumerate(sorted(names))}" for cluster, names in sorted(clusters.items()))


def _enumerate(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def nodes_of_domain(view: View, _ref: Ref, domain: Domain) -> Iterator[Ref]:
    """For `related`: the nodes in a domain."""
    for node, _ in nodes_in(view, domain):
        yield node


def nodes_of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    """For `related`: the nodes on a host."""
    for node, _ in nodes_on(view, ref.backend):
        yield node


def hosts_of_node(view: View, _ref: Ref, node: Node) -> Iterator[Ref]:
    """For `related`: the host under a node."""
    for uuid in node.system_uuids:
        for ref, _ in view.everywhere(Domain, "uuid", uuid):
            for host, _record in view.items(Host, ref.backend):
                yield host


def domains_of_node(view: View, _ref: Ref, node: Node) -> Iterator[Ref]:
    """For `related`: the domain that a node runs in."""
    for uuid in node.system_uuids:
        for ref, _ in view.everywhere(Domain, "uuid", uuid):
            yield ref


def machines_under(view: View, backend: str, node: Node) -> Iterator[Ref]:
    """The VM of another cluster that a node runs in, by the UUID of its firmware: as the VM, or the instance that has
    none.
    """
    for uuid in node.system_uuids:
        for type_ in (VirtualMachine, VirtualMachineInstance):
            for ref, _ in view.everywhere(type_, "uuid", uuid):
                bare = type_ is VirtualMachineInstance
                if ref.backend != backend and not (
                    bare and view.get(VirtualMachine, ref.backend, ref.namespace, ref.name) is not None
                ):
                    yield ref


def machine_trouble(view: View, ref: Ref) -> str:
    """What is wrong with the VM under a node; empty while its guest runs."""
    name = f"VM {ref.path} of {ref.backend}"
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    if vmi is None or vmi.is_final:
        vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
        return f"{name} is {vm.status.printable_status or 'off' if vm is not None else 'gone'}"
    if vmi.is_running and is_true(vmi.status.conditions, "Paused"):
        return f"{name} is Paused"
    return "" if vmi.is_running else f"{name} is not running: its VMI is {vmi.status.phase or 'Pending'}"


def machine_step(view: View, ref: Ref) -> str:
    """What brings the VM under a node back: an action by its label, where one does."""
    name = f"VM {ref.path} of {ref.backend}"
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    if vmi is not None and vmi.is_running:
        return f"unpause {name}"
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    stopped = vm is not None and vm.status.printable_status == "Stopped"
    return f"start {name}" if stopped else f"see why {name} does not run"


def machine_evidence(view: View, ref: Ref) -> Evidence:
    """What the VM under a node says of itself."""
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    if vm is not None:
        return Evidence(f"VM {ref.path}", "status.printableStatus", vm.status.printable_status or "not set")
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    phase = vmi.status.phase if vmi is not None else ""
    return Evidence(f"VMI {ref.path}", "status.phase", phase or "not set")


def nodes_of_machine(view: View, _ref: Ref, machine: VirtualMachine | VirtualMachineInstance) -> Iterator[Ref]:
    """For `related`: the nodes of other clusters in a VM."""
    spec = machine.spec.template.spec if isinstance(machine, VirtualMachine) else machine.spec
    for _, uuid in spec.domain.firmware.links():
        for node, _ in view.everywhere(Node, "uuid", uuid):
            yield node
