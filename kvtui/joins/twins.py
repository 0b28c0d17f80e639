"""VMs that have what only one of those that run should have: a restore into a new VM keeps it all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.records.kubevirt import InstanceSpec, VirtualMachineInstance
from kvtui.store import View

_NAMED: Final = 3
_SHARED: Final = 10
"""What more instances than these have was given to all of them, and tells nothing of any two."""


@dataclass(frozen=True, slots=True)
class Twin:
    """An instance that is alive, and what it has in common with another."""

    ref: Ref
    vmi: VirtualMachineInstance
    shared: tuple[tuple[str, str], ...]
    """As `InstanceSpec.identity` has it."""

    def tell(self, namespace: str) -> str:
        """In a sentence, to one who looks at that namespace: ``web-1 runs with the same UUID``."""
        name = self.ref.name if self.ref.namespace == namespace else self.ref.path
        *most, last = (_tell_mac(value) if link == "mac" else "UUID" for link, value in self.shared)
        what = f"{', '.join(most)} and {last}" if most else last
        return f"{name} {'runs' if self.vmi.is_running else 'starts'} with the same {what}"


def _tell_mac(value: str) -> str:
    network, _, mac = value.partition(" ")
    return f"MAC address {mac} in network {network}"


def find_twins(view: View, backend: str, namespace: str, name: str, spec: InstanceSpec) -> Iterator[Twin]:
    """The other instances that are alive and have something of what a VM of that name and spec has, be they few."""
    found: dict[Ref, list[tuple[str, str]]] = {}
    instances: dict[Ref, VirtualMachineInstance] = {}
    for shared in spec.identity(namespace):
        if view.count_linked(VirtualMachineInstance, backend, *shared) > _SHARED:
            continue
        for ref, vmi in view.linked(VirtualMachineInstance, backend, *shared):
            if (ref.namespace, ref.name) != (namespace, name) and not vmi.is_final:
                found.setdefault(ref, []).append(shared)
                instances[ref] = vmi
    return (Twin(ref, instances[ref], tuple(found[ref])) for ref in sorted(found))


def tell_twins(view: View, machine: Machine) -> Iterator[str]:
    """Who is alive already with the identity of a VM that is to run."""
    if machine.vm is not None:
        meta, spec = machine.vm.metadata, machine.vm.spec.template.spec
        for twin in islice(find_twins(view, machine.backend, meta.namespace, meta.name, spec), _NAMED):
            yield twin.tell(meta.namespace)
