"""A node, what it uses, and what runs on it."""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.joins.footing import Footing, footing_of
from kvtui.model import Ref, Usage
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node, what it uses, and how many VMs it carries."""

    backend: str
    node: Node
    vms: int
    usage: Usage | None
    footing: Footing | None
    """What it stands on, where that is known."""
    launchers: list[Pod] | None
    """The pods of its VMs where nobody measured the usage: what they ask for is shown instead. None when unknown.
    A list and no tuple: they are no parts of the node that its details should tell of."""


def join_node(view: View, ref: Ref) -> NodeRow | None:
    """The node that `ref` means; None where there is none."""
    node = view.find(Node, ref)
    if node is None:
        return None
    on_it = view.linked(VirtualMachineInstance, ref.backend, "node", ref.name)
    vms = sum(1 for _, vmi in on_it if vmi.status.node_name == ref.name and not vmi.is_final)
    usage = view.usage(ref.backend, Node.KIND, "", ref.name)
    footing = footing_of(view, node)
    if usage is not None or not view.feed(ref.backend, Pod.KIND).usable:
        return NodeRow(ref.backend, node, vms, usage, footing, None)
    launchers = [pod for _, pod in view.linked(Pod, ref.backend, "node", ref.name)]
    return NodeRow(ref.backend, node, vms, None, footing, launchers)
