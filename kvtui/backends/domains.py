"""What backends of plain hosts can do to their machines, beside what all backends can.

Every verb raises BackendError with the server's words, ReadOnlyError on a read-only backend, and returns when the
server has accepted, unless it says that it waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kvtui.model import Ref


@dataclass(frozen=True, slots=True)
class Scope:
    """What a change is made to: the running machine, what is stored for its next start, or both."""

    live: bool
    stored: bool


@runtime_checkable
class Power(Protocol):
    """A backend whose machines have more buttons than one."""

    async def start_afresh(self, ref: Ref) -> None:
        """Start a VM from its disks; memory that was saved is lost."""

    async def reset(self, ref: Ref) -> None:
        """Press the reset button: the guest gets no chance to write its data."""

    async def inject_nmi(self, ref: Ref) -> None:
        """Send a non-maskable interrupt, at which a guest may write a dump."""


@runtime_checkable
class Saves(Protocol):
    """A backend that keeps the memory of machines on disk while they are off."""

    async def save(self, ref: Ref) -> None:
        """Write the memory to disk and end the process; the next start goes on from there. Returns when it is done."""

    async def drop_save(self, ref: Ref) -> None:
        """Throw away the saved memory."""


@runtime_checkable
class Tuning(Protocol):
    """A backend whose machines can be given more or less."""

    async def set_autostart(self, ref: Ref, on: bool) -> None:
        """Whether a VM starts with its host."""

    async def set_vcpus(self, ref: Ref, count: int, scope: Scope) -> None:
        """How many CPUs it has. The stored maximum grows with it; the running one cannot."""

    async def set_memory(self, ref: Ref, size: int, scope: Scope, *, most: int | None = None) -> None:
        """How many bytes the balloon leaves it, and from its next start on, with `most`, at most has."""


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A disk to be attached: a volume, a file, or a volume that is made for it."""

    pool: str = ""
    volume: str = ""
    """In `pool`."""
    capacity: int | None = None
    """Bytes of a volume that is made; None when it is there already."""
    path: str = ""
    """Of the host; used where there is no `pool`."""
    format: str = ""
    """Of the image; empty for what the pool says of the volume."""
    device: str = "disk"
    """Or ``cdrom``."""
    bus: str = "virtio"
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class NewNic:
    """A network interface to be attached."""

    kind: str
    """``network`` or ``bridge``, or ``user`` for QEMU's own, which has no source."""
    source: str
    model: str = "virtio"
    mac: str = ""
    """Made by libvirt when empty."""


@runtime_checkable
class Devices(Protocol):
    """A backend whose machines get and lose devices."""

    async def attach_disk(self, ref: Ref, disk: NewDisk, scope: Scope) -> None:
        """Attach a disk under the next free name of its bus."""

    async def detach_disk(self, ref: Ref, target: str, scope: Scope) -> None:
        """Detach a disk by its name in the guest: a running guest must let go of it."""

    async def change_medium(self, ref: Ref, target: str, medium: str, scope: Scope, *, force: bool = False) -> None:
        """Put a path of the host, or ``pool/volume``, into a drive, or with an empty one take out what is in it;
        `force` opens a tray that the guest has locked.
        """

    async def attach_nic(self, ref: Ref, nic: NewNic, scope: Scope) -> None:
        """Attach a network interface."""

    async def detach_nic(self, ref: Ref, mac: str, scope: Scope) -> None:
        """Detach a network interface."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes together with a definition."""

    save: bool = False
    """The saved memory."""
    nvram: bool = False
    """The variables of its firmware."""
    snapshots: bool = False
    """What is known of its snapshots; what they hold on disks stays."""
    volumes: tuple[str, ...] = ()
    """Paths of volumes, or ``pool/volume``."""


@runtime_checkable
class Definitions(Protocol):
    """A backend whose machines are texts that can be edited."""

    async def read_definition(self, ref: Ref) -> str:
        """What is stored of a machine, with its secrets: it is to be stored again."""

    async def define(self, ref: Ref, text: str, before: str) -> None:
        """Store another text. Raises ChangedError when the machine is not what `before` says any more."""

    async def undefine(self, ref: Ref, removal: Removal) -> None:
        """Forget a machine. Raises BackendError when a volume could not be deleted after that."""


@runtime_checkable
class Clones(Protocol):
    """A backend that copies machines."""

    async def clone(self, ref: Ref, name: str, *, linked: bool) -> None:
        """Make a machine like another that is off, with addresses of its own, and copies of its disks or, `linked`,
        disks that only hold what differs. Returns when it is done.
        """


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A snapshot to be taken."""

    name: str = ""
    """Made of the time when empty."""
    description: str = ""
    disks_only: bool = False
    """Without the memory of a running machine."""
    quiesce: bool = False
    """Have the guest agent bring the file systems to rest meanwhile."""


@runtime_checkable
class Snapshots(Protocol):
    """A backend that keeps states of its machines. Every verb returns when it is done."""

    async def take_snapshot(self, ref: Ref, snapshot: NewSnapshot) -> None:
        """Take one of a machine."""

    async def revert(self, ref: Ref, name: str, *, force: bool = False) -> None:
        """Take a machine back to one: what came after it is lost. `force` where libvirt calls it risky."""

    async def delete_snapshot(self, ref: Ref, name: str, *, children: bool = False) -> None:
        """Delete one; what it holds goes into those after it, which are deleted too with `children`."""


@runtime_checkable
class Upkeep(Protocol):
    """A backend whose storage and networks are looked after, too."""

    async def start_pool(self, ref: Ref) -> None:
        """Make the volumes of a pool usable."""

    async def refresh_pool(self, ref: Ref) -> None:
        """Have libvirt look at the storage itself: what others did there, and how much is free."""

    async def set_pool_autostart(self, ref: Ref, on: bool) -> None:
        """Whether a pool starts with its host."""

    async def delete_volume(self, ref: Ref) -> None:
        """Delete a volume, with what is in it. Raises ConflictError when a machine has it, or another stands on it."""

    async def start_network(self, ref: Ref) -> None:
        """Bring a network up."""

    async def set_network_autostart(self, ref: Ref, on: bool) -> None:
        """Whether a network starts with its host."""
