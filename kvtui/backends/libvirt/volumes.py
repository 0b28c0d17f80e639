"""Volumes that verbs need: found by path or name, made, copied. Elements: libvirt's formatstorage.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from kvtui.backends.libvirt.acts import NO_DOMAIN
from kvtui.backends.libvirt.describe import attribute_at, describe_domain, parse, text_at
from kvtui.backends.libvirt.link import load
from kvtui.errors import ConflictError
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_KINDS: Final = {0: "file", 1: "block"}
"""By ``virStorageVolType``; what is neither is only reached by the names of pool and volume."""
_NO_VOLUME: Final = 50  # VIR_ERR_NO_STORAGE_VOL


@dataclass(frozen=True, slots=True)
class Image:
    """What a disk stands on."""

    kind: str
    """``file``, ``block`` or ``volume``."""
    path: str = ""
    pool: str = ""
    name: str = ""
    format: str = ""
    """As QEMU calls what its pool tells."""


def find_image(connection: libvirt.virConnect, pool: str, volume: str, path: str) -> Image:
    """What a volume, or a path of the host, is. Raises libvirtError when there is no such volume."""
    if pool:
        found = connection.storagePoolLookupByName(pool).storageVolLookupByName(volume)
        return Image(_KINDS.get(found.info()[0], "volume"), found.path(), pool, volume, _format_of(found))
    known = find_volume(connection, path) if path else None
    format_ = _format_of(known) if known is not None else ""
    return Image("block" if path.startswith("/dev/") else "file", path, format=format_)


def _format_of(volume: libvirt.virStorageVol) -> str:
    told = attribute_at(parse(volume.XMLDesc(0)), "target/format", "type")
    # To a pool an image of a disc has a format of its own, to QEMU its bytes are the disc's.
    return "raw" if told == "iso" else told


def find_volume(connection: libvirt.virConnect, name: str) -> libvirt.virStorageVol | None:
    """The volume of a path, or of ``pool/volume``; None when no pool has it."""
    module = load()
    try:
        if name.startswith("/"):
            return connection.storageVolLookupByPath(name)
        pool, _, volume = name.partition("/")
        return connection.storagePoolLookupByName(pool).storageVolLookupByName(volume)
    except module.libvirtError as error:
        if error.get_error_code() != _NO_VOLUME:
            raise
        return None


def explain_missing(connection: libvirt.virConnect, name: str) -> tuple[str, str]:
    """Why no pool has a volume of that path or ``pool/volume``, and the way out."""
    module = load()
    for pool in connection.listAllStoragePools(0):
        title = clean_line(pool.name())
        try:
            if not _would_hold(pool, name):
                continue
            if pool.isActive():
                words = f"it would be in pool {title}, which libvirt has not looked into since it came there"
                return words, f"refresh pool {title} (R in :pools), and try again"
        except module.libvirtError:
            continue
        return f"it would be in pool {title}, which is not active", f"start pool {title} (s in :pools)"
    return "its folder is that of no pool", "define a pool for its folder"


def _would_hold(pool: libvirt.virStoragePool, name: str) -> bool:
    if not name.startswith("/"):
        return bool(name.partition("/")[0] == pool.name())
    return name.rpartition("/")[0] == text_at(parse(pool.XMLDesc(0)), "target/path")


def refuse_needed(connection: libvirt.virConnect, volume: libvirt.virStorageVol | None, owner: str = "") -> None:
    """Raise ConflictError when a domain besides `owner` has a volume, or anything known to libvirt stands on it."""
    if volume is None:
        return
    path = volume.path()
    title = f"{volume.storagePoolLookupByVolume().name()}/{volume.name()}"
    standing = _list_standing(connection)
    needed: list[str] = []
    names, left = {path, title}, [path]
    while left:
        for above, calls in standing.get(left.pop(), ()):
            if calls not in names:
                needed.append(f"volume {clean_line(above)}")
                names |= {above, calls}
                left.append(calls)
    users = [f"VM {clean_line(name)}" for name, images in _list_images(connection) if name != owner and images & names]
    if users or needed:
        words = ", ".join(dict.fromkeys([*users, *needed]))
        raise ConflictError(f"{clean_line(title)} is needed", f"nothing was done; used by, or base of: {words}",
                            "delete these first, or let the volume stay")  # fmt: skip


def _list_standing(connection: libvirt.virConnect) -> dict[str, list[tuple[str, str]]]:
    """By the path of each volume of active pools that others stand on: those others, ``pool/volume`` and path."""
    module = load()
    found: dict[str, list[tuple[str, str]]] = {}
    for pool in connection.listAllStoragePools(module.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        for volume in pool.listAllVolumes(0):
            try:
                base = text_at(parse(volume.XMLDesc(0)), "backingStore/path")
                if base:
                    found.setdefault(base, []).append((f"{pool.name()}/{volume.name()}", volume.path()))
            except module.libvirtError as error:
                if error.get_error_code() != _NO_VOLUME:
                    raise
    return found


def _list_images(connection: libvirt.virConnect) -> list[tuple[str, set[str]]]:
    """Each domain with the images of its disks and, as far as its XML tells them, those that they stand on."""
    module = load()
    found = []
    for domain in connection.listAllDomains(0):
        try:
            disks = describe_domain(domain.XMLDesc(0)).disks
            if domain.isActive() and domain.isPersistent():
                disks = (*disks, *describe_domain(domain.XMLDesc(module.VIR_DOMAIN_XML_INACTIVE)).disks)
        except module.libvirtError as error:
            if error.get_error_code() != NO_DOMAIN:
                raise
            continue
        images = {name for disk in disks for name in (disk.source, *disk.layers) if name}
        found.append((clean_line(domain.name()), images))
    return found


def make_volume(
    connection: libvirt.virConnect, pool: str, name: str, capacity: int | None, format_: str
) -> libvirt.virStorageVol:
    """Make an empty volume."""
    return connection.storagePoolLookupByName(pool).createXML(describe_volume(name, capacity or 0, format_), 0)


def describe_volume(name: str, capacity: int, format_: str, backing: Image | None = None) -> str:
    """The XML of a new volume that takes no more room than is written to it, or than differs from what it stands on."""
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity", {"unit": "bytes"}).text = str(capacity)
    ET.SubElement(volume, "allocation", {"unit": "bytes"}).text = "0"
    if format_:
        ET.SubElement(ET.SubElement(volume, "target"), "format", {"type": format_})
    if backing is not None:
        store = ET.SubElement(volume, "backingStore")
        ET.SubElement(store, "path").text = backing.path
        ET.SubElement(store, "format", {"type": backing.format or "raw"})
    return ET.tostring(volume, "unicode")
