"""Network interfaces of a VM that are plugged in and out; kubevirt-api.md 2.2.

Only those of secondary networks (Multus) with bridge or SR-IOV binding can be plugged while it runs: a live migration
brings them in. They go by the state ``absent``, which keeps their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Backend
from kvtui.errors import AbsentError, BackendError, ConflictError, ForbiddenError
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.form import Answers, Choice, Form, Option, Text
from kvtui.resources.spec import Whole, items, read_whole, text_of
from kvtui.resources.vm_changes import PATCH, changed, whom, why_no_vm
from kvtui.store import View

_TEMPLATE: Final = "spec.template.spec"
_PATH: Final = "/spec/template/spec"
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_NETWORK: Final = re.compile(r"(?:[a-z0-9][-a-z0-9.]*/)?[a-z0-9][-a-z0-9.]*")
_KIND: Final = "NetworkAttachmentDefinition"
_SHARED: Final = "default"
"""Multus finds those of this namespace from every other, where namespaces are kept apart (``globalNamespaces``)."""
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


def _add_form(_view: View, machines: Sequence[Machine], known: Networks) -> Form:
    vm = known.vm
    taken = {text_of(item, "name") for item in (*_interfaces(vm), *_networks(vm))}

    def check_name(answers: Answers) -> str:
        name = answers.text("name")
        if name in taken:
            return f"{name} is taken"
        return "" if _NAME.fullmatch(name) else "a-z, 0-9 and - within, 63 at most"

    def check_network(answers: Answers) -> str:
        name, own = answers.text("network"), machines[0].ref.namespace
        if not _NETWORK.fullmatch(name):
            return "NAME or NAMESPACE/NAME of a definition"
        none_here = known.names is not None and name.removeprefix(f"{own}/").count("/") == 0
        return f"namespace {own} has no NetworkAttachmentDefinition" if none_here else ""

    running = machines[0].live is not None
    said = ("a live migration plugs it in: by hand, or by the cluster where it rolls changes out live",)
    return Form(
        f"add an interface to {whom(machines)}",
        (
            _network_field(known.names, check_network),
            Text("name", "name", default=f"net{len(taken) + 1}", check=check_name),
            Choice("binding", "binding", options=[Option(name, note=note) for name, note in _BINDINGS.items()]),
        ),
        about=[f"it has {', '.join(sorted(taken))}"] if taken else ["it has none"],
        warn=lambda _answers: said if running else (),
    )  # fmt: skip


def _network_field(names: Sequence[str] | None, check: Callable[[Answers], str]) -> Choice | Text:
    if not names:
        hint = "the NetworkAttachmentDefinition, NAME or NAMESPACE/NAME; which there are, this account may not see"
        if names is not None:
            hint = (
                "NAMESPACE/NAME of a NetworkAttachmentDefinition elsewhere, where Multus lets it be used: none is here"
            )
        return Text("network", "network", hint=hint, check=check)
    return Choice("network", "network", options=[Option(name) for name in names], named=True,
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


def _remove_form(_view: View, machines: Sequence[Machine], vm: Whole) -> Form:
    secondary = {text_of(item, "name") for item in _networks(vm) if isinstance(item.get("multus"), Mapping)}

    def why_not(item: Whole) -> str:
        if text_of(item, "state") == "absent":
            return "it is being removed"
        return "" if text_of(item, "name") in secondary else "the pod's own network stays"

    options = [Option(text_of(item, "name"), reason=why_not(item)) for item in _interfaces(vm)]
    return Form(
        f"remove an interface of {whom(machines)}",
        (Choice("name", "interface", options=options),),
        warn=lambda _answers: ("what goes through it ends",) if machines[0].running else (),
    )


async def _remove(backend: Backend, machine: Machine, answers: Answers) -> None:
    vm = await read_whole(backend, machine.ref)
    name = answers.text("name")
    at = next((index for index, item in enumerate(_interfaces(vm)) if text_of(item, "name") == name), None)
    if at is None:
        raise BackendError(f"{machine.ref.path} has no interface {name} any more")
    patch = [{"op": "add", "path": f"{_PATH}/domain/devices/interfaces/{at}/state", "value": "absent"}]
    await objects(backend).patch(
        machine.ref, patch, verb=f"remove interface {name}", version=text_of(vm, "metadata.resourceVersion")
    )


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
        settled=changed,
        awaits="changing",
        danger=Danger.ASK,
        usual=20.0,
        footer=False,
        command="attach-interface",
    ),
    Action(
        id="vm.detach_nic",
        key="",
        label="detach interface",
        help="Detach the VM from a secondary network.",
        needs=PATCH,
        when=why_no_vm,
        prepare=_read,
        form=_remove_form,
        run=_remove,
        single=True,
        settled=changed,
        awaits="changing",
        danger=Danger.ASK,
        usual=20.0,
        footer=False,
        command="detach-interface",
    ),
)
