"""Interfaces of VMs without an address, and networks that are gone. Evidence: kubevirt-api.md 9.5, rows 77 and 80."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.interfaces import bare_networks, name_interfaces
from kvtui.joins.machine import join_machine, machines_of_instance, machines_of_vm, running_since
from kvtui.model import Evidence, FeedState, Finding, Ref, Severity
from kvtui.records.base import is_true
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.networks import NetworkAttachment
from kvtui.store import View
from kvtui.text import name_few
from kvtui.triage.base import LINGER, LOADING, WELL, Judgement, Rule
from kvtui.triage.guest import BOOT_LIMIT
from kvtui.triage.lacks import attachment_refs, is_attachment_missing


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    """An interface of which the guest's agent tells no address; that there is no agent to tell one, vm.agent tells."""
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running or machine.paused:
        return WELL
    vmi = machine.vmi
    bare = bare_networks(vmi) if is_true(vmi.status.conditions, "AgentConnected") else []
    since = running_since(vmi) if bare else None
    if since is None:
        return WELL
    if now < since + BOOT_LIMIT:
        return Judgement(again=since + BOOT_LIMIT)
    cause = f"{name_interfaces(bare)}: by its agent it has none"
    evidence = Evidence(f"VMI {vmi.metadata.name}", f"interfaces[{bare[0].name}].ipAddress", "not there", since)
    step = "see on its console whether the interface is up and whether DHCP answers there"
    trouble = "shows no address"
    return Judgement(
        Finding("network.address", Severity.WARN, machine.ref, "vm", trouble, cause, since, (evidence,), step)
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
    cause = f"{who} {name_few(names, _NAMED)} still {run}, and neither {again} again without it"
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
        detects="an interface of a running VM whose agent tells no address of it minutes after its start",
        severities="warn",
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
