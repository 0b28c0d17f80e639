"""Interfaces of VMs without an address, and networks that are gone. Evidence: kubevirt-api.md 9.5, rows 77 and 80."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.machine import join_machine, machines_of_instance, machines_of_vm, running_since
from kvtui.model import Evidence, FeedState, Finding, Ref, Severity
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.networks import NetworkAttachment
from kvtui.store import View
from kvtui.text import name_few
from kvtui.triage.base import LINGER, LOADING, WELL, Judgement, Rule
from kvtui.triage.guest import BOOT_LIMIT
from kvtui.triage.lacks import attachment_refs, is_attachment_missing


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


def _judge_attachment(view: View, ref: Ref, now: float) -> Judgement:
    """A network that is gone below running VMs: they run on, and are refused their next launcher pod."""
    if view.get(NetworkAttachment, ref.backend, ref.namespace, ref.name) is not None:
        return WELL
    if view.feed(ref.backend, NetworkAttachment.KIND).state is FeedState.LOADING:
        return Judgement(again=now + LOADING)
    users = [
        at
        for at, vmi in view.linked(VirtualMachineInstance, ref.backend, "attachment", ref.path)
        if vmi.is_running and is_attachment_missing(view, ref.backend, ref.path, at.namespace)
    ]
    if not users:
        return WELL
    names = sorted(at.path for at in users)
    who, run, again = ("VMs", "run", "start nor move") if len(names) > 1 else ("VM", "runs", "starts nor moves")
    cause = f"{who} {name_few(names, _NAMED)} {run} on, and neither {again} again without it"
    wants = Evidence(f"VMI {min(users).name}", "spec.networks.multus.networkName", ref.path)
    step = "create it again before any of them is restarted, moved or drained"
    return Judgement(
        Finding("network.attachment", Severity.WARN, ref, "network", "does not exist", cause, None, (wants,), step)
    )


_NAMED: Final = 3
_SETTLE: Final = 45.0
"""Seconds that a network may be unknown: these are listed every half minute."""


def _attachments(_view: View, ref: Ref, vmi: VirtualMachineInstance) -> Iterator[Ref]:
    return attachment_refs(ref.backend, vmi.metadata.namespace, vmi.spec.networks)


def _by_name(_view: View, ref: Ref, _record: NetworkAttachment) -> tuple[Ref]:
    """As those who want it name it: one that does not exist has no uid."""
    return (ref._replace(uid=""),)


RULES: Final = (
    Rule(
        "network.address",
        _judge,
        {VirtualMachine: machines_of_vm, VirtualMachineInstance: machines_of_instance},
        linger=LINGER,
        detects="an interface of a running VM that shows no address minutes after its start",
        severities="warn, info",
    ),
    Rule(
        "network.attachment",
        _judge_attachment,
        {VirtualMachineInstance: _attachments, NetworkAttachment: _by_name},
        settle=_SETTLE,
        linger=LINGER,
        detects="a NetworkAttachmentDefinition that is gone while VMs run with it: they neither start nor move again",
        severities="warn",
    ),
)
