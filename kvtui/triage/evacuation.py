"""VMs that are to leave their place and are not made to: marked for evacuation, or left in an old launcher.

Evidence: kubevirt-api.md 5.5 and 9.4, rows 74 and 75.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kvtui.joins.machine import (
    Machine,
    join_machine,
    machines_of_instance,
    machines_of_migration,
    machines_of_vm,
    migratable,
)
from kvtui.joins.queue import PER_CLUSTER, configuration_of, list_under_way, per_cluster
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import age, parse_time
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself

_SETTLE: Final = 120.0
"""Seconds in which virt-controller makes a migration of what is marked, if nothing keeps it from that."""
_ROLLOUT_SETTLE: Final = 900.0
"""Seconds for which VMs may stay in an old launcher: they are moved a few at a time."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    live = machine.live if machine is not None else None
    if machine is None or live is None or live.deleted is not None or not machine.running:
        return WELL
    marked = live.status.evacuation_node_name
    moves = machine.migration is not None or marked != live.status.node_name
    if not marked or moves or migratable(machine)[0] is False or live.spec.eviction_strategy == "External":
        return WELL
    asked = find_condition(live.status.conditions, "EvictionRequested")
    since = parse_time(asked.last_transition_time) if asked is not None else None
    if since is not None and now < since + _SETTLE:
        return Judgement(again=since + _SETTLE)
    words, step, severity = _why(view, machine, now)
    cause = f"it is to leave {marked} and no migration is made: {words}"
    evidence = (Evidence(f"VMI {live.metadata.name}", "status.evacuationNodeName", marked, since),)
    return Judgement(
        Finding("vm.evacuation", severity, machine.ref, "vm", "is not moved", cause, since, evidence, step)
    )


def _why(view: View, machine: Machine, now: float) -> tuple[str, str, Severity]:
    """What keeps virt-controller from making one: the limit, the pause after a failure, or nothing that is told."""
    limit, running = per_cluster(configuration_of(view, machine.backend)), len(list_under_way(view, machine.backend))
    if running >= limit:
        words = f"{running} other{' moves' if running == 1 else 's move'}, and {PER_CLUSTER} is {limit}"
        return words, f"wait, or raise {PER_CLUSTER}", Severity.INFO
    last = machine.moved
    if last is not None and last.status.phase == "Failed" and last.created is not None:
        words = f"its last one failed {age(now - last.created)} ago, and virt-controller pauses longer after each"
        return words, "migrate it yourself once its cause is mended", Severity.WARN
    return "no limit is reached", "read the log of virt-controller, or cancel the evacuation", Severity.WARN


def _judge_rollout(view: View, ref: Ref, _now: float) -> Judgement:
    kubevirt = view.find(KubeVirt, ref)
    if kubevirt is None or is_true(kubevirt.status.conditions, "Progressing"):
        return WELL
    count = kubevirt.status.outdated_virtual_machine_instance_workloads or 0
    if not count:
        return WELL
    methods = kubevirt.spec.workload_update_strategy.workload_update_methods
    version = kubevirt.status.observed_kube_virt_version
    one = count == 1
    words = f"{count} VM{'' if one else 's'} still run{'s' if one else ''} in a launcher from before {version}"
    told = Evidence(f"KubeVirt {ref.name}", "status.outdatedVirtualMachineInstanceWorkloads", str(count))
    field = "spec.workloadUpdateStrategy.workloadUpdateMethods"
    how = Evidence(f"KubeVirt {ref.name}", field, ", ".join(methods) or "none")
    if methods:
        step = "see which of them cannot migrate; those get it at their next start"
    else:
        words = f"{words}, and nothing moves them"
        step = "migrate or restart them, or set workloadUpdateMethods: [LiveMigrate]"
    finding = Finding("kubevirt.outdated", Severity.INFO, ref, "kubevirt", "has old launchers", words)
    return Judgement(replace(finding, evidence=(told, how), step=step))


RULES: Final = (
    Rule(
        "vm.evacuation",
        _judge,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Migration: machines_of_migration,
        },
        settle=_SETTLE,
        linger=LINGER,
        detects="a VM that is marked to leave its node and of which no migration is made",
        severities="warn, info",
    ),
    Rule(
        "kubevirt.outdated",
        _judge_rollout,
        {KubeVirt: itself},
        settle=_ROLLOUT_SETTLE,
        linger=LINGER,
        detects="VMs that an update of KubeVirt left in launchers of the version before",
        severities="info",
    ),
)
