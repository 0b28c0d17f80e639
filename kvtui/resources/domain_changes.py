"""Changes to what a domain is made of: CPUs, memory, disks, drives, interfaces, and its whole definition."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission, Source
from kvtui.backends.domains import Definitions, Devices, NewDisk, NewNic, Scope, Tuning
from kvtui.joins.domain import Guest
from kvtui.records.libvirt import Disk, Domain, StoragePool, StorageVolume
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.resources.base import Action, Danger, able
from kvtui.resources.form import Answers, Choice, Form, Number, Option, Taken, Text, Toggle
from kvtui.resources.sources import NETWORKS, POOLS, STORAGE_VOLUMES
from kvtui.store import View
from kvtui.text import size

NEEDS: Final = Permission("write", "libvirt", "domains")
_MIB: Final = 2**20
_STORAGE: Final = (POOLS, STORAGE_VOLUMES)
_DRIVES: Final = ("cdrom", "floppy")
_MAC: Final = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def is_there(guest: Guest) -> str:
    """Why nothing at all can be done."""
    if guest.host is None or guest.reachable:
        return ""
    silent = guest.host.link == "silent"
    return f"{guest.backend} {guest.host.absence if silent else 'is not connected'}"


def why_not(guest: Guest) -> str:
    """Why nothing can be done while a job has the domain."""
    if guest.job is not None:
        return f"a job is under way: {guest.job.operation}"
    return is_there(guest)


def subject(guests: Sequence[Guest]) -> str:
    """Whom a form is about."""
    return guests[0].domain.metadata.name if len(guests) == 1 else f"{len(guests)} VMs"


# To what a change is made ------------------------------------------------------------------------------------------


def scope_field(guests: Sequence[Guest]) -> Choice:
    """Whether the running machine is changed, what is stored, or both."""
    active = all(guest.domain.active for guest in guests)
    persistent = all(guest.domain.persistent for guest in guests)
    not_active = "" if active else "it is off" if len(guests) == 1 else "not all of them run"
    not_stored = "" if persistent else "it is transient: nothing of it is stored"
    return Choice("scope", "applies to", options=(
        Option("both", "now and after restarts", reason=not_active or not_stored),
        Option("live", "the running VM only", note="until it is off", reason=not_active),
        Option("stored", "after the next start", reason=not_stored),
    ))  # fmt: skip


def read_scope(answers: Answers) -> Scope:
    """The answer to `scope_field`."""
    chosen = answers.text("scope")
    return Scope(live=chosen in ("both", "live"), stored=chosen in ("both", "stored"))


# CPUs and memory ---------------------------------------------------------------------------------------------------


def _cpus_form(_view: View, guests: Sequence[Guest]) -> Form:
    most = min(guest.domain.vcpus_most for guest in guests)

    def check(answers: Answers) -> str:
        count = answers.number("cpus") or 0
        if read_scope(answers).live and count > most:
            return f"the running machine has room for {most}; more come after the next start"
        return ""

    return Form(
        f"CPUs of {subject(guests)}",
        (
            scope_field(guests),
            Number("cpus", "CPUs", default=str(guests[0].domain.vcpus or 1), least=1, most=4096, check=check,
                   hint=f"up to {most} while it runs", named=True),
        ),
        warn=lambda answers: _warn_fewer(guests, answers),
    )  # fmt: skip


def _warn_fewer(guests: Sequence[Guest], answers: Answers) -> Sequence[str]:
    count = answers.number("cpus")
    fewer = count is not None and any(count < guest.domain.vcpus for guest in guests)
    if fewer and read_scope(answers).live:
        return ("a running guest gives up a CPU only if it can, and the first ones never",)
    return ()


async def _set_cpus(backend: Backend, guest: Guest, answers: Answers) -> None:
    await _tuning(backend).set_vcpus(guest.ref, answers.number("cpus") or 1, read_scope(answers))


def _memory_form(_view: View, guests: Sequence[Guest]) -> Form:
    most = min(guest.domain.memory_most for guest in guests)

    def check(answers: Answers) -> str:
        wanted = (answers.number("memory") or 0) * _MIB
        if read_scope(answers).live and wanted > most:
            return f"the running machine has at most {size(most)}; more comes after the next start"
        if answers.text("scope") == "stored" and wanted > (answers.number("most") or most // _MIB) * _MIB:
            return "more than it has at most"
        return ""

    def warn(answers: Answers) -> Sequence[str]:
        wanted = (answers.number("memory") or 0) * _MIB
        small = [guest for guest in guests if guest.domain.used is not None and wanted < guest.domain.used]
        if small and read_scope(answers).live:
            return (f"the guest uses {size(small[0].domain.used or 0)}: with less it swaps or kills programs",)
        return ()

    return Form(
        f"memory of {subject(guests)}",
        (
            scope_field(guests),
            Number("most", "at most", unit="MiB", default=str(most // _MIB), least=1,
                   asked=lambda answers: answers.text("scope") == "stored", hint="that the balloon can leave it"),
            Number("memory", "memory", unit="MiB", default=str(guests[0].domain.memory // _MIB), least=1, check=check,
                   hint=f"or 4Gi; up to {size(most)} while it runs", named=True),
        ),
        warn=warn,
    )  # fmt: skip


async def _set_memory(backend: Backend, guest: Guest, answers: Answers) -> None:
    scope = read_scope(answers)
    most = answers.number("most") if not scope.live else None
    await _tuning(backend).set_memory(
        guest.ref, (answers.number("memory") or 0) * _MIB, scope, most=most * _MIB if most is not None else None
    )


# Disks -------------------------------------------------------------------------------------------------------------


def users_of(view: View, backend: str, source: str) -> list[str]:
    """The names of the domains of a host that use an image."""
    return [domain.metadata.name for _, domain in view.linked(Domain, backend, "source", source)]


def _pools(view: View, backend: str) -> list[Option]:
    return [
        Option(pool.metadata.name, note="" if pool.outgrown else f"{size(pool.left)} free",
               reason="" if pool.state == "running" else f"the pool is {pool.state}")
        for _, pool in view.items(StoragePool, backend)
    ]  # fmt: skip


def _volumes(view: View, backend: str, pool: str) -> list[Option]:
    """The volumes of a pool; those that a domain uses cannot be chosen."""
    found = []
    for _, volume in view.items(StorageVolume, backend):
        if volume.pool == pool:
            users = [*users_of(view, backend, volume.path), *users_of(view, backend, volume.metadata.name)]
            reason = f"used by {', '.join(users)}" if users else ""
            note = size(volume.capacity) if volume.capacity else ""
            found.append(Option(volume.metadata.name.partition("/")[2], note=note, reason=reason))
    return found


def _attach_form(view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    pools = _pools(view, guest.backend)
    no_pool = "" if pools else "no pool is known here"

    def in_pool(answers: Answers) -> bool:
        return answers.text("from") in ("new", "volume")

    def check_bus(answers: Answers) -> str:
        if answers.text("device") == "cdrom" and answers.text("bus") == "virtio":
            return "a CD drive needs sata, scsi, ide or usb"
        return ""

    def check_name(answers: Answers) -> str:
        taken = {option.value for option in _volumes(view, guest.backend, answers.text("pool"))}
        return Taken("the pool has one of that name") if answers.text("name") in taken else ""

    def offer(answers: Answers) -> list[Option]:
        return _volumes(view, guest.backend, answers.text("pool"))

    def is_new(answers: Answers) -> bool:
        return answers.text("from") == "new"

    return Form(
        f"attach a disk to {subject(guests)}",
        (
            Choice("from", "disk", named=True, options=(
                Option("new", "a new volume", reason=no_pool), Option("volume", "a volume", reason=no_pool),
                Option("file", "a file or device", note="of the host"),
            )),
            Choice("pool", "pool", options=pools, asked=in_pool, named=len(pools) > 1),
            Choice("volume", "volume", options=offer, named=True,
                   asked=lambda answers: answers.text("from") == "volume"),
            Text("name", "name of the volume", default=f"{guest.domain.metadata.name}-data.qcow2", asked=is_new,
                 check=check_name),
            Number("size", "size", unit="GiB", default="10", least=1, asked=is_new, named=True),
            Text("path", "path", asked=lambda answers: answers.text("from") == "file",
                 check=lambda answers: "" if answers.text("path").startswith("/") else "begins with /"),
            Choice("format", "format", options=(Option("qcow2"), Option("raw")),
                   asked=lambda answers: answers.text("from") != "volume",
                   hint="a wrong one shows the guest the image's own bytes, or nothing"),
            Choice("device", "as", options=(Option("disk"), Option("cdrom", "CD drive")),
                   asked=lambda answers: not is_new(answers)),
            Choice("bus", "bus", options=[Option(bus) for bus in ("virtio", "scsi", "sata", "usb", "ide")],
                   check=check_bus, hint="a running guest takes new disks on virtio, scsi and usb"),
            Toggle("read_only", "read-only", asked=lambda answers: not is_new(answers)),
            scope_field(guests),
        ),
    )  # fmt: skip


async def _attach_disk(backend: Backend, guest: Guest, answers: Answers) -> None:
    origin = answers.text("from")
    disk = NewDisk(
        pool=answers.text("pool") if origin != "file" else "",
        volume=answers.text("name") if origin == "new" else answers.text("volume"),
        capacity=(answers.number("size") or 0) * 2**30 if origin == "new" else None,
        path=answers.text("path") if origin == "file" else "",
        format="" if origin == "volume" else answers.text("format"),
        device=answers.text("device"),
        bus=answers.text("bus"),
        read_only=answers.flag("read_only"),
    )
    await _devices(backend).attach_disk(guest.ref, disk, read_scope(answers))


def _detach_form(_view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests

    def warn(answers: Answers) -> Sequence[str]:
        if read_scope(answers).live:
            return ("a guest that has it mounted loses what it has not written, or does not let go of it",)
        return ()

    return Form(
        f"detach a disk from {subject(guests)}",
        (Choice("target", "disk", options=[Option(disk.target, note=disk.source) for disk in guest.domain.disks],
                named=True),
         scope_field(guests)),
        about=("its volume stays where it is",),
        warn=warn,
    )  # fmt: skip


async def _detach_disk(backend: Backend, guest: Guest, answers: Answers) -> None:
    await _devices(backend).detach_disk(guest.ref, answers.text("target"), read_scope(answers))


def _drives(guest: Guest) -> list[Disk]:
    return [disk for disk in guest.domain.disks if disk.device in _DRIVES]


def _media(view: View, backend: str, pool: str) -> list[Option]:
    """The volumes of a pool, images of discs first; what a VM writes to cannot be chosen."""
    volumes = [volume for _, volume in view.items(StorageVolume, backend) if volume.pool == pool]
    volumes.sort(key=lambda volume: (not _is_disc(volume), volume.metadata.name))
    found = []
    for volume in volumes:
        name = volume.metadata.name
        # Where no file or device is that path, libvirt finds it by the names of pool and volume.
        medium = volume.path if volume.path.startswith("/") else name
        writers = [
            domain.metadata.name
            for used in volume.names
            for _, domain in view.linked(Domain, backend, "source", used)
            if any(disk.source == used and not disk.read_only for disk in domain.disks)
        ]
        reason = f"{', '.join(writers)} writes to it" if writers else ""
        found.append(Option(medium, name.partition("/")[2], note=volume.format, reason=reason))
    return found


def _is_disc(volume: StorageVolume) -> bool:
    return volume.format == "iso" or volume.metadata.name.lower().endswith(".iso")


def _medium_form(view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    pools = _pools(view, guest.backend)

    def offer(answers: Answers) -> list[Option]:
        return _media(view, guest.backend, answers.text("pool"))

    def warn(answers: Answers) -> Sequence[str]:
        if answers.flag("force") and read_scope(answers).live:
            return ("a guest that has the old one mounted gets errors when it reads from it",)
        return ()

    def from_pool(answers: Answers) -> bool:
        return answers.text("medium") == "volume"

    drives = [
        Option(disk.target, note=f"{disk.source or 'empty'}{', tray open' if disk.open else ''}")
        for disk in _drives(guest)
    ]
    return Form(
        f"medium in a drive of {subject(guests)}",
        (
            Choice("target", "drive", options=drives, named=len(drives) > 1),
            Choice("medium", "medium", named=True, options=(
                Option("none", "none: eject"), Option("file", "a file of the host"),
                Option("volume", "a volume", reason="" if pools else "no pool is known here"),
            )),
            Text("path", "path", asked=lambda answers: answers.text("medium") == "file",
                 check=lambda answers: "" if answers.text("path").startswith("/") else "begins with /"),
            Choice("pool", "pool", options=pools, asked=from_pool, named=len(pools) > 1),
            Choice("volume", "volume", options=offer, asked=from_pool, named=True),
            scope_field(guests),
            Toggle("force", "by force", hint="even if the guest has locked the drive, as it does what it has mounted",
                   asked=lambda answers: read_scope(answers).live),
        ),
        warn=warn,
    )  # fmt: skip


async def _change_medium(backend: Backend, guest: Guest, answers: Answers) -> None:
    medium = {"file": answers.text("path"), "volume": answers.text("volume")}.get(answers.text("medium"), "")
    await _devices(backend).change_medium(
        guest.ref, answers.text("target"), medium, read_scope(answers), force=answers.flag("force")
    )


# Interfaces --------------------------------------------------------------------------------------------------------


def _attach_nic_form(view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    networks = [
        Option(network.metadata.name, note=network.forward or "isolated",
               reason="" if network.active else "the network is not active")
        for _, network in view.items(VirtualNetwork, guest.backend)
    ]  # fmt: skip

    def check_mac(answers: Answers) -> str:
        mac = answers.text("mac").lower()
        if mac and not _MAC.fullmatch(mac):
            return "is written as 52:54:00:12:34:56"
        others = [domain.metadata.name for _, domain in view.items(Domain) if mac in [nic.mac for nic in domain.nics]]
        return f"{others[0]} has that address" if mac and others else ""

    def warn(answers: Answers) -> list[str]:
        place = (answers.text("kind"), answers.text(answers.text("kind")))
        there = [nic.mac for nic in guest.domain.nics if (nic.kind, nic.source) == place]
        return [f"it is on {place[1]} already, by its interface {there[0]}: this is a second one"] if there else []

    return Form(
        f"attach an interface to {subject(guests)}",
        (
            Choice("kind", "to", named=True, options=(
                Option("network", "a virtual network", reason="" if networks else "none is known here"),
                Option("bridge", "a bridge of the host"),
            )),
            Choice("network", "network", options=networks, asked=lambda answers: answers.text("kind") == "network",
                   named=True),
            Text("bridge", "bridge", default="br0", asked=lambda answers: answers.text("kind") == "bridge", named=True),
            Choice("model", "model", options=[Option(model) for model in ("virtio", "e1000e", "e1000", "rtl8139")]),
            Text("mac", "MAC address", needed=False, check=check_mac, hint="empty: one is made"),
            scope_field(guests),
        ),
        warn=warn,
    )  # fmt: skip


async def _attach_nic(backend: Backend, guest: Guest, answers: Answers) -> None:
    kind = answers.text("kind")
    nic = NewNic(kind, answers.text(kind), answers.text("model"), answers.text("mac").lower())
    await _devices(backend).attach_nic(guest.ref, nic, read_scope(answers))


def _detach_nic_form(_view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    nics = [Option(nic.mac, note=f"{nic.kind} {nic.source} {nic.target}".strip()) for nic in guest.domain.nics]
    fields = (Choice("mac", "interface", options=nics, named=True), scope_field(guests))
    return Form(f"detach an interface from {subject(guests)}", fields)


async def _detach_nic(backend: Backend, guest: Guest, answers: Answers) -> None:
    await _devices(backend).detach_nic(guest.ref, answers.text("mac"), read_scope(answers))


# Its definition ----------------------------------------------------------------------------------------------------


async def _read(backend: Backend, guest: Guest) -> str:
    return await _definitions(backend).read_definition(guest.ref)


async def _write(backend: Backend, guest: Guest, text: str, before: str) -> None:
    await _definitions(backend).define(guest.ref, text, before)


def _tuning(backend: Backend) -> Tuning:
    return able(backend, Tuning)  # type: ignore[type-abstract]


def _devices(backend: Backend) -> Devices:
    return able(backend, Devices)  # type: ignore[type-abstract]


def _definitions(backend: Backend) -> Definitions:
    return able(backend, Definitions)  # type: ignore[type-abstract]


def _edit_when(guest: Guest) -> str:
    return is_there(guest) or ("" if guest.domain.persistent else "it is transient: nothing of it is stored")


def _with(has: Callable[[Guest], bool], lack: str) -> Callable[[Guest], str]:
    return lambda guest: why_not(guest) or ("" if has(guest) else lack)


def _change(
    name: str,
    label: str,
    text: str,
    form: Callable[[View, Sequence[Guest]], Form],
    run: Callable[[Backend, Guest, Answers], Awaitable[None]],
    *,
    when: Callable[[Guest], str] = why_not,
    single: bool = True,
    reads: tuple[Source, ...] = (),
) -> Action[Guest]:
    """A change that is asked for in a form, and that no row shows for certain."""
    return Action(
        id=f"vm.{name}",
        command=f"set-{name}" if name in ("cpus", "memory") else label.replace(" ", "-"),
        key="",
        label=label,
        help=text,
        needs=NEEDS,
        when=when,
        form=form,
        reads=reads,
        run=run,
        single=single,
        settled=lambda _before, _now: True,
        awaits="changing",
        danger=Danger.ASK,
        footer=False,
    )


CHANGES: tuple[Action[Guest], ...] = (
    Action(
        id="vm.edit",
        key="e",
        label="edit",
        help="Edit the VM's XML in $EDITOR; what libvirt refuses comes back with its words.",
        needs=NEEDS,
        when=_edit_when,
        edit=_read,
        run=_write,
        single=True,
        settled=lambda _before, _now: True,
        awaits="changing",
        footer=False,
    ),
    _change("cpus", "CPUs", "Give the VM more or fewer CPUs.", _cpus_form, _set_cpus, single=False),
    _change("memory", "memory", "Give the VM more or less memory.", _memory_form, _set_memory, single=False),
    _change("attach_disk", "attach disk", "Attach a volume, a file or a new volume to the VM.", _attach_form,
            _attach_disk, reads=_STORAGE),
    _change("detach_disk", "detach disk", "Detach a disk from the VM; its volume stays.", _detach_form, _detach_disk,
            when=_with(lambda guest: bool(guest.domain.disks), "it has no disks")),
    _change("medium", "change medium", "Put a medium into a drive of the VM, or eject it.", _medium_form,
            _change_medium, when=_with(lambda guest: bool(_drives(guest)), "it has no drive"), reads=_STORAGE),
    _change("attach_nic", "attach interface", "Attach the VM to a network or bridge.", _attach_nic_form, _attach_nic,
            reads=(NETWORKS,)),
    _change("detach_nic", "detach interface", "Detach a network interface from the VM.", _detach_nic_form, _detach_nic,
            when=_with(lambda guest: bool(guest.domain.nics), "it has no interfaces")),
)  # fmt: skip
