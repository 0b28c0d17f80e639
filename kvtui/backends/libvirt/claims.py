"""Who on a host has the files that a disk copied there would overwrite, asked of its libvirt, not of what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from posixpath import basename, dirname, join, normpath
from typing import TYPE_CHECKING, Final

from kvtui.backends.libvirt.describe import describe_domain, parse, text_at
from kvtui.backends.libvirt.link import load
from kvtui.records.libvirt import Disk
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_NO_DOMAIN: Final = 42  # VIR_ERR_NO_DOMAIN


@dataclass(frozen=True, slots=True)
class Claim:
    """What a host has where a disk would be copied to."""

    disk: str
    """Its target: ``vda``."""
    there: bool
    """Whether a file is there, as far as libvirt knows."""
    owner: str = ""
    """Whose it is, in words: ``db.qcow2 there is the disk of VM other``; empty when nobody has it."""


def find_claims(
    connection: libvirt.virConnect, uuid: str, disks: Iterable[Disk], *, refresh: bool = False
) -> list[Claim]:
    """One for each of the disks of the domain `uuid`, which itself counts as nobody.

    With `refresh` the pools that they go to are looked into first: libvirt knows a file only from its last look.
    In a thread of the host; raises libvirtError when it does not tell of all its domains.
    """
    disks = list(disks)
    if not disks:
        return []
    had = list(_had_files(connection, uuid))
    return [_find_claim(connection, disk, had, refresh=refresh) for disk in disks]


def _find_claim(
    connection: libvirt.virConnect, disk: Disk, had: list[tuple[str, frozenset[str], frozenset[str]]], *, refresh: bool
) -> Claim:
    module = load()
    path = _path(connection, disk)
    if refresh:
        _refresh_pool(connection, path)
    try:
        connection.storageVolLookupByPath(path)
        there = True
    except module.libvirtError:
        there = False
    name = basename(path)
    for owner, files, bases in had:
        if path in files:
            return Claim(disk.target, True, f"{name} there is the disk of VM {owner}")
        if path in bases:
            return Claim(disk.target, True, f"{name} there is the base of VM {owner}")
    if not there:
        return Claim(disk.target, False)
    above = _find_above(connection, path)
    for owner, files, bases in had:
        if not above.keys().isdisjoint(files | bases):
            return Claim(disk.target, True, f"{name} there is the base of VM {owner}")
    return Claim(disk.target, True, f"{name} there is the base of volume {min(above.values())}" if above else "")


def _had_files(connection: libvirt.virConnect, uuid: str) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """Each other domain, running or off, with its disks and what they stand on: as it runs and as it is to start."""
    module = load()
    for handle in connection.listAllDomains(0):
        if handle.UUIDString() == uuid:
            continue
        files: set[str] = set()
        bases: set[str] = set()
        for flags in (0, module.VIR_DOMAIN_XML_INACTIVE) if handle.isActive() else (module.VIR_DOMAIN_XML_INACTIVE,):
            try:
                domain = describe_domain(handle.XMLDesc(flags))
            except module.libvirtError as error:
                if error.get_error_code() == _NO_DOMAIN:
                    continue
                raise
            for disk in domain.disks:
                if disk.source:
                    files.add(_path(connection, disk))
                bases.update(normpath(layer) for layer in disk.layers)
        yield clean_line(handle.name()), frozenset(files), frozenset(bases)


def _find_above(connection: libvirt.virConnect, path: str) -> dict[str, str]:
    """The volumes that stand on a file, in however many layers: their paths, with ``POOL/VOLUME``."""
    module = load()
    standing: dict[str, list[tuple[str, str]]] = {}
    for pool in connection.listAllStoragePools(module.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        try:
            found = [(volume.name(), parse(volume.XMLDesc(0))) for volume in pool.listAllVolumes(0)]
        except module.libvirtError:
            # The pool is busy or just stopped: its volumes are those of the domains above, too.
            continue
        for name, root in found:
            base = text_at(root, "backingStore/path")
            if base:
                entry = (normpath(text_at(root, "target/path")), clean_line(f"{pool.name()}/{name}"))
                standing.setdefault(normpath(base), []).append(entry)
    above: dict[str, str] = {}
    left = [path]
    while left:
        for one, name in standing.get(left.pop(), ()):
            if one not in above:
                above[one] = name
                left.append(one)
    return above


def _path(connection: libvirt.virConnect, disk: Disk) -> str:
    """Where the source of a disk lies on this host, also that of a volume that is not there yet."""
    if disk.kind != "volume":
        return normpath(disk.source)
    module = load()
    pool, _, name = disk.source.partition("/")
    try:
        handle = connection.storagePoolLookupByName(pool)
        try:
            return normpath(str(handle.storageVolLookupByName(name).path()))
        except module.libvirtError:
            return normpath(join(text_at(parse(handle.XMLDesc(0)), "target/path"), name))
    except module.libvirtError:
        return disk.source


def _refresh_pool(connection: libvirt.virConnect, path: str) -> None:
    module = load()
    for pool in connection.listAllStoragePools(module.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        try:
            if normpath(text_at(parse(pool.XMLDesc(0)), "target/path") or ".") == dirname(path):
                pool.refresh(0)
        except module.libvirtError:
            # It is busy: what it knew before is what counts.
            continue
