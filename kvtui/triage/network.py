"""Interfaces of VMs without an address. Evidence: kubevirt-api.md 9.5, row 80."""

from __future__ import annotations

from typing import Final

from kvtui.joins.machine import join_machine, machines_of_instance, machines_of_vm, running_since
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.triage.base import LINGER, WELL, Judgement, Rule
from kvtui.triage.guest import BOOT_LIMIT


def _not_plugged(vmi: VirtualMachineInstance) -> set[str]:
    """Interfaces that the guest is not to have: those that were detached, and that a migration has yet to plug in."""
    nics = vmi.spec.domain.devices.interfaces
    gone = {nic.name for nic in nics if nic.state == "absent"}
    if find_condition(vmi.status.conditions, "MigrationRequired") is None:
        return gone
    has = {interface.name for interface in vmi.status.interfaces if "domain" in interface.info_source}
    return gone | {nic.name for nic in nics if nic.name not in has}


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running or machine.paused:
        return WELL
    vmi = machine.vmi
    told = {interface.name: interface for interface in vmi.status.interfaces}
    elsewhere = _not_plugged(vmi)
    bare = [
        network
        for network in vmi.spec.networks
        if network.multus is not None
        and network.name not in elsewhere
        and (network.name not in told or not (told[network.name].ip_address or told[network.name].ip_addresses))
    ]
    since = running_since(machine.vmi) if bare else None
    if since is None:
        return WELL
    if now < since + BOOT_LIMIT:
        return Judgement(again=since + BOOT_LIMIT)
    network = bare[0]
    named = network.multus.network_name if network.multus is not None else ""
    more = f" (and {len(bare) - 1} more)" if len(bare) > 1 else ""
    seen = is_true(vmi.status.conditions, "AgentConnected")
    how = "by its agent it has none" if seen else "no guest agent answers to report one"
    cause = f"interface {network.name}{more} in network {named}: {how}"
    evidence = Evidence(f"VMI {vmi.metadata.name}", f"interfaces[{network.name}].ipAddress", "not there", since)
    step = "see on its console whether the interface is up and whether DHCP answers there"
    if not seen:
        step += "; install the agent"
    severity = Severity.WARN if seen else Severity.INFO
    return Judgement(
        Finding("network.address", severity, machine.ref, "vm", "shows no address", cause, since, (evidence,), step)
    )


RULES: Final = (
    Rule(
        "network.address",
        _judge,
        {VirtualMachine: machines_of_vm, VirtualMachineInstance: machines_of_instance},
        linger=LINGER,
        detects="an interface of a running VM that shows no address minutes after its start",
        severities="warn, info",
    ),
)
