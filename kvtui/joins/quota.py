"""A quota: what of it is taken, and whom it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from kvtui.joins.machine import machines_named
from kvtui.model import Ref
from kvtui.records.base import Condition
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import ResourceQuota
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import quantity, size


@dataclass(frozen=True, slots=True)
class Taken:
    """What of one resource is taken; in bytes, cores or pieces."""

    name: str
    used: float
    hard: float

    @property
    def share(self) -> float:
        """Of what is allowed; nothing at all is all taken."""
        return self.used / self.hard if self.hard else 1.0

    @property
    def amounts(self) -> str:
        """``14Gi of 16Gi``."""
        tell = size if self.name.endswith(("memory", "storage")) else "{:g}".format
        return f"{tell(self.used)} of {tell(self.hard)}"

    @property
    def words(self) -> str:
        """``requests.memory 14Gi of 16Gi``."""
        return f"{self.name} {self.amounts}"


def taken_of(quota: ResourceQuota) -> Iterator[Taken]:
    """Each resource that a quota limits, once its use has been counted."""
    for name, hard in quota.spec.hard.items():
        allowed, used = quantity(hard), quantity(quota.status.used.get(name))
        if allowed is not None and used is not None:
            yield Taken(name, used, allowed)


def quotas_refusing(view: View, ref: Ref, conditions: Iterable[Condition]) -> list[Ref]:
    """The quotas of its namespace that refuse what an object with these conditions needs."""
    known = tuple(conditions)
    found = (at for at, _ in view.items(ResourceQuota, ref.backend) if at.namespace == ref.namespace)
    return sorted(at for at in found if _says(known, _REFUSAL.format(at.name)))


def refused_by(view: View, ref: Ref) -> list[Ref]:
    """The VMs and DataVolumes that wait as a quota refuses what they need, told by their conditions; a VM stands for
    its instance.
    """
    words = _REFUSAL.format(ref.name)
    found = [
        *(at for at, vm in view.items(VirtualMachine, ref.backend) if _says(vm.status.conditions, words)),
        *(
            next(iter(machines_named(view, at.backend, at.namespace, at.name)), at)
            for at, vmi in view.items(VirtualMachineInstance, ref.backend)
            if _says(vmi.status.conditions, words)
        ),
        *(at for at, volume in view.items(DataVolume, ref.backend) if _says(volume.status.conditions, words)),
    ]
    return sorted({at for at in found if at.namespace == ref.namespace})


_REFUSAL: Final = "exceeded quota: {},"


def _says(conditions: Iterable[Condition], words: str) -> bool:
    return any(words in condition.message for condition in conditions)
