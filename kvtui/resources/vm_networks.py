"""Network interfaces of a VM that are plugged in and out; kubevirt-api.md 2.2.

Only those of secondary networks (Multus) with bridge or SR-IOV binding can be plugged while it runs: a live migration
brings them in. They go by the state ``absent``, which keeps their place: out of the guest at once, out of its pod with
the next migration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Backend
from kvtui.errors import AbsentError, BackendError, ConflictError, ForbiddenError
from kvtui.joins.machine import Machine, migratable
from kvtui.model import Ref
from kvtui.records.base import find_condition
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.form import Answers, Choice, Form, Option, Text
from kvtui.resources.spec import Whole, items, read_whole, text_of
from kvtui.resources.vm_changes import PATCH, moves, whom, why_no_vm
from kvtui.store import View

_TEMPLATE: Final = "spec.template.spec"
_PATH: Final = "/spec/template/spec"
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_NETWORK: Final = re.compile(r"(?:[a-z0-9][-a-z0-9.]*/)?[a-z0-9][-a-z0-9.]*")
_KIND: Final = "NetworkAttachmentDefinition"
_SHARED: Final = "default"
"""Multus finds those of this namespace from every other, where namespaces are kept apart (``globalNamespaces``)."""
_ABSENT: Final = "absent"
_PLUGGED: Final = frozenset({"domain", "guest-agent"})
"""Who tells of an interface that the guest has."""
_BINDINGS: Final = {
    "bridge": "virtio, plugged by a live migration",
    "sriov": "a function of a card, plugged by a live migration",
}


@dataclass(frozen=True)
class Networks:
    """What a form needs to know: the VM, and what it may be attached to."""

    vm: Whole
    names: Sequence[str] | None
    """Of the NetworkAttachmentDefinitions in its namespace and in that of all; None when the account may not see."""


async def _read(backends: Mapping[str, Backend], _view: View, machines: Sequence[Machine]) -> Whole:
    return await read_whole(backends[machines[0].backend], machines[0].ref)


async def _read_networks(backends: Mapping[str, Backend], view: View, machines: Sequence[Machine]) -> Networks:
    """Raises ConflictError where there are no networks but the pods'."""
    (machine,) = machines
    own = machine.ref.namespace
    vm = await _read(backends, view, machines)
    found = []
    try:
        for namespace in dict.fromkeys((own, _SHARED)):
            there = objects(backends[machine.backend])
            for one in await there.read_all(Ref(machine.backend, _KIND, namespace, "")):
                name = text_of(one, "metadata.name")
                found.append(name if namespace == own else f"{namespace}/{name}")
    except ForbiddenError:
        return Networks(vm, None)
    except AbsentError as error:
        raise ConflictError(
            "there is no network to attach to", "the cluster has no Multus (k8s.cni.cncf.io)"
        ) from error
    return Networks(vm, found)


def _interfaces(vm: Whole) -> list[Whole]:
    return items(vm, f"{_TEMPLATE}.domain.devices.interfaces")


def _networks(vm: Whole) -> list[Whole]:
    return items(vm, f"{_TEMPLATE}.networks")


def _attached(vm: Whole, namespace: str) -> dict[str, str]:
    """By network, as it is called in the namespace of the VM, the interface by which the VM is on it."""
    leaving = {text_of(item, "name") for item in _interfaces(vm) if text_of(item, "state") == _ABSENT}
    return {
        text_of(item, "multus.networkName").removeprefix(f"{namespace}/"): text_of(item, "name")
        for item in _networks(vm)
        if text_of(item, "multus.networkName") and text_of(item, "name") not in leaving
    }


def _add_form(_view: View, machines: Sequence[Machine], known: Networks) -> Form:
    vm, own = known.vm, machines[0].ref.namespace
    attached = _attached(vm, own)
    taken = {text_of(item, "name") for item in (*_interfaces(vm), *_networks(vm))}

    def check_name(answers: Answers) -> str:
        name = answers.text("name")
        if name in taken:
            return f"{name} is taken"
        return "" if _NAME.fullmatch(name) else "a-z, 0-9 and - within, 63 at most"

    def check_network(answers: Answers) -> str:
        name = answers.text("network")
        if not _NETWORK.fullmatch(name):
            return "NAME or NAMESPACE/NAME of a definition"
        none_here = known.names is not None and name.removeprefix(f"{own}/").count("/") == 0
        return f"namespace {own} has no NetworkAttachmentDefinition" if none_here else ""

    def warn(answers: Answers) -> list[str]:
        network = answers.text("network").removeprefix(f"{own}/")
        there = attached.get(network)
        again = [f"it is on {network} already, by its interface {there}: this is a second one"] if there else []
        return again + ([_tell_plugging(machines[0])] if machines[0].live is not None else [])

    return Form(
        f"add an interface to {whom(machines)}",
        (
            _network_field(known.names, attached, check_network),
            Text("name", "name", default=f"net{len(taken) + 1}", check=check_name),
            Choice("binding", "binding", options=[Option(name, note=note) for name, note in _BINDINGS.items()]),
        ),
        about=[f"it has {', '.join(sorted(taken))}"] if taken else ["it has none"],
        warn=warn,
    )


def _tell_plugging(machine: Machine) -> str:
    """How an interface comes into the guest that runs."""
    can, why = migratable(machine)
    if can is False:
        return f"the VM must restart to get it: a live migration would plug it in, and it cannot migrate ({why})"
    return "a live migration plugs it in: by hand, or by the cluster where it migrates what it updates"


def _network_field(
    names: Sequence[str] | None, attached: Mapping[str, str], check: Callable[[Answers], str]
) -> Choice | Text:
    if not names:
        hint = "the NetworkAttachmentDefinition, NAME or NAMESPACE/NAME; which there are, this account may not see"
        if names is not None:
            hint = (
                "NAMESPACE/NAME of a NetworkAttachmentDefinition elsewhere, where Multus lets it be used: none is here"
            )
        return Text("network", "network", hint=hint, check=check)
    options = [Option(name, note=f"it is on it, by {attached[name]}" if name in attached else "") for name in names]
    new = next((name for name in names if name not in attached), "")
    return Choice("network", "network", options=options, default=new, named=True,
                  hint="NetworkAttachmentDefinitions of its namespace, and of default")  # fmt: skip


async def _add(backend: Backend, machine: Machine, answers: Answers) -> None:
    vm = await read_whole(backend, machine.ref)
    name, network = answers.text("name"), answers.text("network")
    patch = [
        *_append(f"{_PATH}/networks", _networks(vm), {"name": name, "multus": {"networkName": network}}),
        *_append(f"{_PATH}/domain/devices/interfaces", _interfaces(vm), {"name": name, answers.text("binding"): {}}),
    ]
    await objects(backend).patch(
        machine.ref, patch, verb=f"add interface {name}", version=text_of(vm, "metadata.resourceVersion")
    )


def _append(path: str, present: Sequence[Whole], item: Mapping[str, object]) -> list[Mapping[str, object]]:
    if present:
        return [{"op": "add", "path": f"{path}/-", "value": item}]
    return [{"op": "add", "path": path, "value": [item]}]


def _detach_when(machine: Machine) -> str:
    if (reason := why_no_vm(machine)) or machine.vm is None:
        return reason
    spec = machine.vm.spec.template.spec
    secondary = {network.name for network in spec.networks if network.multus is not None}
    states = [nic.state for nic in spec.domain.devices.interfaces if nic.name in secondary]
    if not states:
        return "it has no interface but that on the pod's own network, which stays"
    return "" if any(state != _ABSENT for state in states) else "what it has is being removed"


def _remove_form(_view: View, machines: Sequence[Machine], vm: Whole) -> Form:
    secondary = {text_of(item, "name") for item in _networks(vm) if isinstance(item.get("multus"), Mapping)}

    def why_not(item: Whole) -> str:
        if text_of(item, "state") == _ABSENT:
            return "it is being removed"
        return "" if text_of(item, "name") in secondary else "the pod's own network stays"

    options = [Option(text_of(item, "name"), reason=why_not(item)) for item in _interfaces(vm)]
    return Form(
        f"remove an interface of {whom(machines)}",
        (Choice("name", "interface", options=options, named=True),),
        warn=lambda _answers: ("what goes through it ends at once",) if machines[0].running else (),
    )


async def _remove(backend: Backend, machine: Machine, answers: Answers) -> None:
    vm = await read_whole(backend, machine.ref)
    name = answers.text("name")
    at = next((index for index, item in enumerate(_interfaces(vm)) if text_of(item, "name") == name), None)
    if at is None:
        raise BackendError(f"{machine.ref.path} has no interface {name} any more")
    patch = [{"op": "add", "path": f"{_PATH}/domain/devices/interfaces/{at}/state", "value": _ABSENT}]
    await objects(backend).patch(
        machine.ref, patch, verb=f"remove interface {name}", version=text_of(vm, "metadata.resourceVersion")
    )


# What the guest has by now -----------------------------------------------------------------------------------------


def _wanted(machine: Machine) -> set[str]:
    """The names of the interfaces that the VM is to have."""
    nics = machine.vm.spec.template.spec.domain.devices.interfaces if machine.vm is not None else ()
    return {nic.name for nic in nics if nic.state != _ABSENT}


def _plugged(live: VirtualMachineInstance) -> set[str]:
    """Of those, the ones that the guest has; one of which Multus alone tells is in its pod only."""
    return {one.name for one in live.status.interfaces if not _PLUGGED.isdisjoint(one.info_source.split(", "))}


def _is_attached(before: Machine, now: Machine) -> bool:
    new = _wanted(now) - _wanted(before)
    return bool(new) and (now.live is None or new <= _plugged(now.live))


def _is_detached(before: Machine, now: Machine) -> bool:
    gone = _wanted(before) - _wanted(now)
    return bool(gone) and (now.live is None or gone.isdisjoint(_plugged(now.live)))


def _tell_attached(before: Machine, now: Machine) -> str:
    new = ", ".join(sorted(_wanted(now) - _wanted(before)))
    return f"the guest has {new}" if now.live is not None else f"the VM has {new} at its next start"


def _tell_detached(before: Machine, now: Machine) -> str:
    gone = _wanted(before) - _wanted(now)
    if now.live is None:
        return f"the VM has no {', '.join(sorted(gone))} any more"
    kept = gone & {one.name for one in now.live.status.interfaces}
    more = "; its pod keeps it until a live migration" if kept else ""
    return f"the guest has no {', '.join(sorted(gone))} any more{more}"


def _hold_attaching(_view: View, before: Machine, now: Machine, _clock: float) -> str:
    live, new = now.live, _wanted(now) - _wanted(before)
    if not new or live is None:
        return ""
    if not new <= {nic.name for nic in live.spec.domain.devices.interfaces}:
        return _tell_restart(now) or "virt-controller has not given it to the running instance yet"
    if new <= {one.name for one in live.status.interfaces}:
        return "its pod has it, the guest not yet"
    return _tell_migration(now)


def _hold_detaching(_view: View, before: Machine, now: Machine, _clock: float) -> str:
    live, gone = now.live, _wanted(before) - _wanted(now)
    if not gone or live is None:
        return ""
    if gone & {nic.name for nic in live.spec.domain.devices.interfaces if nic.state != _ABSENT}:
        return _tell_restart(now) or "virt-controller has not taken it from the running instance yet"
    return "the guest has it still"


def _tell_restart(machine: Machine) -> str:
    found = find_condition(machine.vm.status.conditions, "RestartRequired") if machine.vm is not None else None
    if found is None or found.status != "True":
        return ""
    return f"the VM must restart: {found.message}" if found.message else "the VM must restart"


def _tell_migration(machine: Machine) -> str:
    """What the live migration waits for that plugs an interface in."""
    if machine.moving is not None:
        return "the live migration that plugs it in is under way"
    if machine.migration is not None:
        phase = machine.migration.status.phase or "Pending"
        return f"a live migration plugs it in: {machine.migration.metadata.name} is {phase}"
    can, why = migratable(machine)
    if can is False:
        return f"a live migration plugs it in, and it cannot migrate ({why}): the VM must restart"
    live = machine.live
    required = find_condition(live.status.conditions, "MigrationRequired") if live is not None else None
    if required is None:
        return "a live migration plugs it in: migrate it"
    if required.status == "True":
        return (
            "a live migration plugs it in: KubeVirt is to begin it, where it migrates what it updates; else migrate it"
        )
    return "a live migration plugs it in: KubeVirt asks for one in a moment"


NETWORKS: tuple[Action[Machine], ...] = (
    Action(
        id="vm.attach_nic",
        key="",
        label="attach interface",
        help="Attach the VM to a secondary network.",
        needs=PATCH,
        when=why_no_vm,
        prepare=_read_networks,
        form=_add_form,
        run=_add,
        single=True,
        settled=_is_attached,
        remark=_tell_attached,
        holds=_hold_attaching,
        shown=moves,
        awaits="attaching",
        danger=Danger.ASK,
        usual=120.0,
        lasts=600.0,
        footer=False,
        command="attach-interface",
    ),
    Action(
        id="vm.detach_nic",
        key="",
        label="detach interface",
        help="Detach the VM from a secondary network.",
        needs=PATCH,
        when=_detach_when,
        prepare=_read,
        form=_remove_form,
        run=_remove,
        single=True,
        settled=_is_detached,
        remark=_tell_detached,
        holds=_hold_detaching,
        awaits="detaching",
        danger=Danger.ASK,
        usual=20.0,
        footer=False,
        command="detach-interface",
    ),
)
