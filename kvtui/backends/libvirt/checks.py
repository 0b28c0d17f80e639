"""Whether a domain can move to another host, asked of both before anything is moved. Facts: libvirt.md 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from kvtui.backends.base import MoveCheck, MovePlan, Obstacle
from kvtui.backends.libvirt.claims import find_claims
from kvtui.backends.libvirt.describe import describe_domain, parse, text_at
from kvtui.backends.libvirt.link import load
from kvtui.backends.libvirt.words import is_unsupported
from kvtui.records.libvirt import Disk, Domain
from kvtui.text import clean_line, size

if TYPE_CHECKING:
    import libvirt

_SHARED_POOLS: Final = frozenset({"netfs", "rbd", "gluster", "sheepdog", "iscsi", "iscsi-direct", "mpath", "scsi"})
"""Types of pools whose volumes several hosts see."""


@dataclass(frozen=True, slots=True)
class Departure:
    """What the source tells of a domain that shall move."""

    domain: Domain
    emulator: str
    cpu: str
    """Its CPU as XML that another hypervisor can compare itself with."""
    shared: frozenset[str]
    """Sources of disks that lie on storage which several hosts see."""
    sizes: dict[str, int]
    """Bytes of each disk, by its target."""
    host_uuid: str
    libvirt_version: int


def look_at_source(connection: libvirt.virConnect, uuid: str) -> Departure:
    """What has to fit on the other side. In a thread of the source; raises libvirtError."""
    module = load()
    handle = connection.lookupByUUIDString(uuid)
    flags = module.VIR_DOMAIN_XML_MIGRATABLE if handle.isActive() else module.VIR_DOMAIN_XML_INACTIVE
    xml = handle.XMLDesc(flags | module.VIR_DOMAIN_XML_UPDATE_CPU)
    root = parse(xml)
    domain = describe_domain(xml)
    number = handle.ID()
    domain.id = None if number < 0 else number
    domain.snapshots = _or(0, handle.snapshotNum)
    cpu = root.find("cpu")
    return Departure(
        domain,
        text_at(root, "devices/emulator"),
        ET.tostring(cpu, encoding="unicode") if cpu is not None else "",
        frozenset(disk.source for disk in domain.disks if _is_shared(connection, disk)),
        {disk.target: _capacity(handle, disk) for disk in domain.disks if disk.source},
        text_at(parse(connection.getCapabilities()), "host/uuid"),
        connection.getLibVersion(),
    )


def look_at_target(connection: libvirt.virConnect, name: str, departure: Departure) -> MoveCheck:
    """What stands in the way on the other side. In a thread of the target; raises libvirtError."""
    domain = departure.domain
    capabilities = parse(connection.getCapabilities())
    found = [
        *_identity(connection, name, departure, capabilities),
        *_machine(connection, name, departure),
        *_cpu(connection, name, departure),
        *_memory(connection, name, domain),
        *_networks(connection, name, domain),
        *_pinned(domain),
    ]
    copied, overwritten, storage = _storage(connection, name, departure)
    size_of_all = sum(departure.sizes.get(target, 0) for target in copied)
    return MoveCheck(tuple(found + storage), copied, size_of_all, overwritten)


def find_loss(connection: libvirt.virConnect, name: str, departure: Departure, plan: MovePlan) -> str:
    """Whose data a move would destroy, as of now; empty when nobody's.

    In a thread of the target; raises libvirtError.
    """
    claims = find_claims(connection, departure.domain.metadata.uid, _unshared(departure), refresh=True)
    for claim in claims:
        if claim.owner:
            return f"{claim.owner}: nothing is moved onto it"
    kept = [claim.disk for claim in claims if claim.there and claim.disk in plan.copied and not plan.overwrite]
    return f"{name} has a file already where {', '.join(kept)} would be copied to" if kept else ""


def _identity(
    connection: libvirt.virConnect, name: str, departure: Departure, capabilities: ET.Element
) -> list[Obstacle]:
    domain = departure.domain
    if departure.host_uuid and text_at(capabilities, "host/uuid") == departure.host_uuid:
        return [Obstacle("host", f"{name} is the host that it runs on, under another name", blocks=True)]
    found = []
    if connection.getLibVersion() < departure.libvirt_version:
        found.append(Obstacle("libvirt", f"{name} has an older libvirt than the host it leaves"))
    there = _or(None, lambda: connection.lookupByUUIDString(domain.metadata.uid))
    if there is not None and there.isActive():
        found.append(Obstacle("name", f"{name} runs this very domain already", blocks=True))
    elif there is not None:
        found.append(Obstacle("name", f"{name} has it already, off: that description is replaced"))
    else:
        other = _or(None, lambda: connection.lookupByName(domain.metadata.name))
        if other is not None:
            found.append(Obstacle("name", f"{name} has another domain of that name", blocks=True))
    if domain.snapshots:
        words = f"it has {domain.snapshots} snapshots, whose descriptions stay behind: libvirt refuses to move it"
        found.append(Obstacle("snapshots", words, blocks=True))
    if domain.driver not in _drivers(capabilities):
        found.append(Obstacle("driver", f"{name} runs no domains of type {domain.driver}", blocks=True))
    return found


def _drivers(capabilities: ET.Element) -> set[str]:
    return {clean_line(element.get("type") or "") for element in capabilities.iterfind("guest/arch/domain")}


def _machine(connection: libvirt.virConnect, name: str, departure: Departure) -> list[Obstacle]:
    """Whether the hypervisor there knows the machine type."""
    module, domain = load(), departure.domain
    try:
        connection.getDomainCapabilities(None, domain.arch or None, domain.machine or None, domain.driver or None, 0)
    except module.libvirtError as error:
        if is_unsupported(error.get_error_code()):
            return [Obstacle("machine", f"{name} cannot say whether it has machine {domain.machine}")]
        words = clean_line(error.get_error_message() or str(error))
        return [
            Obstacle("machine", f"{name} has no machine {domain.machine} for {domain.driver}: {words}", blocks=True)
        ]
    return []


def _cpu(connection: libvirt.virConnect, name: str, departure: Departure) -> list[Obstacle]:
    module, domain = load(), departure.domain
    if domain.cpu_mode == "host-passthrough":
        return [
            Obstacle("cpu", "its CPU is that of its host (host-passthrough): the hosts must have the very same one")
        ]
    if not departure.cpu:
        return []
    try:
        answer = connection.compareHypervisorCPU(
            None, domain.arch or None, domain.machine or None, domain.driver or None, departure.cpu, 0
        )
    except module.libvirtError as error:
        return [Obstacle("cpu", f"{name} cannot compare its CPU: {clean_line(error.get_error_message() or '')}")]
    if answer == module.VIR_CPU_COMPARE_INCOMPATIBLE:
        model = domain.cpu_model or domain.cpu_mode
        return [Obstacle("cpu", f"{name} does not offer all of CPU {model}", blocks=True)]
    return []


def _memory(connection: libvirt.virConnect, name: str, domain: Domain) -> list[Obstacle]:
    free = _or(0, connection.getFreeMemory)
    if domain.active and free and free < domain.memory_most:
        words = f"{name} has {size(free)} of memory free, the domain may take {size(domain.memory_most)}"
        return [Obstacle("memory", words)]
    return []


def _networks(connection: libvirt.virConnect, name: str, domain: Domain) -> list[Obstacle]:
    found = []
    for nic in domain.nics:
        if nic.kind == "network":
            network = _or(None, lambda source=nic.source: connection.networkLookupByName(source))
            if network is None:
                found.append(Obstacle("network", f"{name} has no network {nic.source}", blocks=True))
            elif not network.isActive():
                found.append(Obstacle("network", f"network {nic.source} of {name} is not active", blocks=True))
        elif nic.kind in ("bridge", "direct"):
            found.append(Obstacle("network", f"{nic.kind} {nic.source}: libvirt cannot say whether {name} has it"))
    return found


def _pinned(domain: Domain) -> list[Obstacle]:
    return [
        Obstacle("device", f"{device} of its host belongs to it: that cannot move", blocks=True)
        for device in domain.host_devices
        if domain.active
    ]


def _unshared(departure: Departure) -> list[Disk]:
    """The disks that a guest writes and that no other host sees, as far as libvirt tells."""
    return [
        disk
        for disk in departure.domain.disks
        if disk.source and disk.source not in departure.shared and disk.kind != "network"
        if not disk.read_only and disk.device == "disk"
    ]


def _storage(
    connection: libvirt.virConnect, name: str, departure: Departure
) -> tuple[tuple[str, ...], tuple[str, ...], list[Obstacle]]:
    """Which disks have to be copied, which of them onto files that are there, and what has to be known of them."""
    copied: list[str] = []
    overwritten: list[str] = []
    found = []
    claims = {one.disk: one for one in find_claims(connection, departure.domain.metadata.uid, _unshared(departure))}
    for disk in departure.domain.disks:
        if not disk.source or disk.source in departure.shared or disk.kind == "network":
            continue
        claim = claims.get(disk.target)
        if claim is None:
            if _or(None, lambda path=disk.source: connection.storageVolLookupByPath(path)) is None:
                words = f"{disk.target} ({disk.source}) is read-only and is not copied: is it on {name}, too?"
                found.append(Obstacle("storage", words))
            continue
        copied.append(disk.target)
        if claim.owner:
            found.append(Obstacle("storage", claim.owner, blocks=True))
        elif claim.there:
            overwritten.append(disk.target)
            words = f"{name} has {disk.source}: shared, or a file that the copy of {disk.target} overwrites"
            found.append(Obstacle("storage", words))
        elif disk.kind == "file" and not _has_pool_for(connection, disk.source):
            words = f"{name} has no pool for {disk.source}: the file for {disk.target} must be made there first"
            found.append(Obstacle("storage", words))
    return tuple(copied), tuple(overwritten), found


def _has_pool_for(connection: libvirt.virConnect, path: str) -> bool:
    folder = path.rpartition("/")[0]
    pools = _or([], lambda: connection.listAllStoragePools(load().VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE))
    return any(text_at(parse(_or("", lambda pool=pool: pool.XMLDesc(0))), "target/path") == folder for pool in pools)


def _is_shared(connection: libvirt.virConnect, disk: Disk) -> bool:
    if disk.shared or disk.kind == "network":
        return True
    if disk.kind == "volume":
        pool = _or(None, lambda: connection.storagePoolLookupByName(disk.source.partition("/")[0]))
    else:
        volume = _or(None, lambda: connection.storageVolLookupByPath(disk.source)) if disk.source else None
        pool = _or(None, volume.storagePoolLookupByVolume) if volume is not None else None
    xml = _or("", lambda: pool.XMLDesc(0)) if pool is not None else ""
    return parse(xml).get("type") in _SHARED_POOLS if xml else False


def _capacity(handle: libvirt.virDomain, disk: Disk) -> int:
    info = _or(None, lambda: handle.blockInfo(disk.target))
    return int(info[0]) if info else 0


def _or(default: Any, ask: Any) -> Any:
    """What libvirt answers, or the default where it refuses."""
    try:
        return ask()
    except load().libvirtError:
        return default
