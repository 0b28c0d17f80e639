"""Nodes whose kubelet does not know a CSI driver though VMs there have disks of it: its node plugin is not registered.

A driver need not be on all nodes, so that alone is nothing amiss. Evidence: CSINode (kubernetes, storage/v1 types.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.machine import join_machine, machines_of_node
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import is_true
from kvtui.records.daemons import DaemonSet
from kvtui.records.kubernetes import Claim, Node
from kvtui.records.storage import CsiDriver, CsiNode, PersistentVolume
from kvtui.store import View
from kvtui.text import name_few
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself

SETTLE: Final = 60.0
"""Seconds in which a kubelet or node plugin that was restarted registers anew."""
_NAMED: Final = 3


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    node, known = view.find(Node, ref), view.get(CsiNode, ref.backend, "", ref.name)
    if node is None or known is None:
        return WELL
    absent = [at.name for at, _ in view.items(CsiDriver, ref.backend) if not known.has(at.name)]
    if not absent:
        return WELL
    # What VMs there have is not followed: few nodes are without a driver.
    well = Judgement(again=now + LOOK_AGAIN)
    if not is_true(node.status.conditions, "Ready"):
        return well
    for driver in sorted(absent):
        users = sorted(_list_users(view, ref, node, driver))
        if users:
            return Judgement(_tell(view, ref, driver, users))
    return well


def _list_users(view: View, ref: Ref, node: Node, driver: str) -> Iterator[str]:
    """The VMs on a node that have a disk of a driver, as ``namespace/name``."""
    for at in machines_of_node(view, ref, node):
        machine = join_machine(view, at)
        if machine is None or not machine.running or machine.live is None or machine.live.status.node_name != ref.name:
            continue
        claims = (view.get(Claim, at.backend, at.namespace, one.claim) for one in machine.spec.volumes if one.claim)
        names = (claim.spec.volume_name for claim in claims if claim is not None)
        volumes = (view.get(PersistentVolume, at.backend, "", name) for name in names)
        if any(volume is not None and volume.origin == driver for volume in volumes):
            yield at.path


def _tell(view: View, ref: Ref, driver: str, users: list[str]) -> Finding:
    who, have = ("VM", "has") if len(users) == 1 else ("VMs", "have")
    disks = f"{who} {name_few(users, _NAMED)} {have} disks of it"
    plugins = (at for at, one in view.items(DaemonSet, ref.backend) if one.registers(driver))
    plugin = next((f"the pod of DaemonSet {at.path} there" for at in plugins), "the pod of its node plugin there")
    return Finding(
        "node.driver",
        Severity.WARN,
        ref,
        "node",
        "lacks a CSI driver",
        f"{driver} is not registered there, and {disks}: none can be mounted",
        None,
        (Evidence(f"CSINode {ref.name}", "spec.drivers", f"{driver} is not among them"),),
        f"see {plugin} and its log",
    )


def _node_of(view: View, ref: Ref, _record: CsiNode) -> Iterator[Ref]:
    found = view.ref_of(Node, ref.backend, "", ref.name)
    if found is not None:
        yield found


def _nodes(view: View, ref: Ref, _record: CsiDriver) -> Iterator[Ref]:
    yield from (found for found, _ in view.items(Node, ref.backend))


RULES: Final = (
    Rule(
        "node.driver",
        _judge,
        {Node: itself, CsiNode: _node_of, CsiDriver: _nodes},
        settle=SETTLE,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a node on which the CSI driver of disks of its VMs is not registered",
        severities="warn",
    ),
)
