"""Disks: DataVolumes and claims, joined with each other and with the VMs that use them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kvtui.model import Ref
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataVolume, Upload
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance, Volume
from kvtui.store import View
from kvtui.text import name_few, parse_time, quantity

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%\Z")


@dataclass(frozen=True, slots=True)
class User:
    """A VM, or an instance without one, that has the disk."""

    name: str
    running: bool


@dataclass(frozen=True, slots=True)
class Import:
    """A DataVolume with its claim."""

    backend: str
    volume: DataVolume
    claim: Claim | None
    users: tuple[User, ...] = ()
    upload: Upload | None = None
    """What kvtui itself sends into it now."""

    @property
    def ref(self) -> Ref:
        """Identity of the row."""
        return self.volume.ref(self.backend)

    @property
    def size(self) -> float | None:
        """Of the disk, in bytes: what it has, else what it asks for."""
        has = quantity(self.claim.status.capacity.get("storage")) if self.claim is not None else None
        spec = self.volume.spec
        asked = next((part.resources.requests.get("storage") for part in (spec.pvc, spec.storage) if part), None)
        return has or quantity(asked)

    @property
    def progress(self) -> float | None:
        """Part that is done, from 0 to 1; None where CDI says ``N/A``."""
        if self.upload is not None and self.upload.total:
            return self.upload.sent / self.upload.total
        found = _PERCENT.match(self.volume.status.progress)
        return min(1.0, float(found[1]) / 100) if found else None

    @property
    def began(self) -> float | None:
        """Since when the worker pod runs, in seconds since the epoch; None while it does not."""
        running = find_condition(self.volume.status.conditions, "Running")
        if running is None or running.status != "True":
            return None
        return parse_time(running.last_transition_time)


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim and the VMs that use it."""

    backend: str
    claim: Claim
    users: tuple[User, ...]
    volume: DataVolume | None = None
    """The DataVolume that made it."""
    dumps: tuple[str, ...] = ()
    """The VMs whose memory is dumped to it."""

    @property
    def ref(self) -> Ref:
        """Identity of the row."""
        return self.claim.ref(self.backend)

    @property
    def size(self) -> float | None:
        """In bytes: what it has, else what it asks for."""
        asked = self.claim.spec.resources.requests.get("storage")
        return quantity(self.claim.status.capacity.get("storage")) or quantity(asked)


def tell_end(row: ClaimRow) -> str:
    """What keeps a claim that is deleted, and what will become of it; empty where no VM that runs has it."""
    running = [user.name for user in row.users if user.running]
    if not running:
        return ""
    verb, end = ("runs", "that ends") if len(running) == 1 else ("run", "the last of them ends")
    goes = f"the claim goes when {end}, and its data unless the class keeps volumes"
    return f"VM {name_few(running, 3)} {verb} on it: {goes}"


def find_users(view: View, backend: str, path: str) -> tuple[User, ...]:
    """Who has the disk ``namespace/name``, be it a DataVolume or a claim; in the order of names."""
    found: dict[str, bool] = {}
    for type_ in (VirtualMachine, VirtualMachineInstance):
        for ref, _ in view.linked(type_, backend, "disk", path):
            instance = view.get(VirtualMachineInstance, backend, ref.namespace, ref.name)
            found[ref.name] = instance is not None and not instance.is_final
    return tuple(User(name, found[name]) for name in sorted(found))


def disks_of(machine: VirtualMachine | VirtualMachineInstance) -> Iterator[str]:
    """The names of the DataVolumes and claims of a VM's disks."""
    spec = machine.spec.template.spec if isinstance(machine, VirtualMachine) else machine.spec
    return (volume.claim for volume in spec.volumes if volume.claim)


def tell_lost(volumes: Sequence[Volume]) -> Iterator[str]:
    """What ends with an instance that has these volumes, in sentences: what was written to disks that do not last."""
    image = [volume.name for volume in volumes if volume.container_disk is not None]
    empty = [volume.name for volume in volumes if volume.empty_disk is not None]
    for names, kind in ((image, "a container disk"), (empty, "an empty disk")):
        if names:
            yield f"what the guest wrote to {', '.join(names)} is lost: {kind} does not last"
