"""Copies of domains: a definition with its own identity, and volumes that are copied or only hold what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4
from xml.etree import ElementTree as ET

from kvtui.backends.libvirt.acts import VOLUMES_CHANGED, Acts, has_domain
from kvtui.backends.libvirt.describe import attribute_at, parse
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.transfers import Transfers
from kvtui.backends.libvirt.volumes import Image, describe_volume, explain_missing, find_volume
from kvtui.errors import ConflictError
from kvtui.model import Ref
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_FORMATS: Final = {"raw": ".img", "qcow2": ".qcow2"}
_BASES: Final = frozenset({"raw", "qcow2"})
"""Formats on which an image that only holds what differs can stand."""
# As libvirt spells them; any other prefix would do as well, but users read it.
ET.register_namespace("qemu", "http://libvirt.org/schemas/domain/qemu/1.0")
ET.register_namespace("libosinfo", "http://libosinfo.org/xmlns/libvirt/domain/1.0")


@dataclass(frozen=True, slots=True)
class Copied:
    """A disk that a clone gets for itself."""

    target: str
    source: str
    """Path, or ``pool/volume``."""


def list_copied(xml: str) -> list[Copied]:
    """The disks of a domain that its clone may not share: those that can be written to by one alone."""
    found = []
    for disk in ET.fromstring(xml).iterfind("devices/disk"):
        shared = disk.find("readonly") is not None or disk.find("shareable") is not None
        source = disk.find("source")
        if shared or disk.get("device", "disk") not in ("disk", "lun") or source is None:
            continue
        target = attribute_at(disk, "target", "dev")
        names = (source.get("file"), source.get("dev"), source.get("name"))
        path = next((name for name in names if name), "")
        found.append(Copied(target, f"{source.get('pool')}/{source.get('volume')}" if source.get("pool") else path))
    return found


def describe_clone(xml: str, name: str, uuid: str, paths: Mapping[str, Image]) -> str:
    """The definition of a clone: its name, its UUID, no addresses of the original, and its own images by target."""
    root = ET.fromstring(xml)
    _set_text(root, "name", name)
    _set_text(root, "uuid", uuid)
    if (generation := root.find("genid")) is not None:
        generation.text = None
    if (nvram := root.find("os/nvram")) is not None:
        # Made anew from its template at the first start.
        nvram.text = None
        for child in list(nvram):
            nvram.remove(child)
    for system in root.iterfind("sysinfo/system"):
        for entry in list(system):
            if entry.get("name") == "uuid":
                system.remove(entry)
    for interface in root.iterfind("devices/interface"):
        for tag in ("mac", "target"):
            for child in interface.findall(tag):
                interface.remove(child)
    for disk in root.iterfind("devices/disk"):
        image = paths.get(attribute_at(disk, "target", "dev"))
        if image is not None:
            _set_image(disk, image)
    return ET.tostring(root, "unicode")


def _set_text(root: ET.Element, tag: str, text: str) -> None:
    found = root.find(tag)
    if found is None:
        found = ET.SubElement(root, tag)
    found.text = text


def _set_image(disk: ET.Element, image: Image) -> None:
    for tag in ("source", "backingStore"):
        for child in disk.findall(tag):
            disk.remove(child)
    disk.set("type", image.kind)
    if image.kind == "volume":
        ET.SubElement(disk, "source", {"pool": image.pool, "volume": image.name})
    else:
        ET.SubElement(disk, "source", {"dev" if image.kind == "block" else "file": image.path})
    driver = disk.find("driver")
    if driver is not None and image.format:
        driver.set("type", image.format)


class CloneVerbs(Acts):
    """Implements Clones."""

    transfers: Transfers

    async def clone(self, ref: Ref, name: str, *, linked: bool) -> None:
        """Make a domain like another that is off. What was made of it goes when it fails half-way."""
        verb = f"clone to {name}{', linked' if linked else ''}"
        await self._act(verb, ref, lambda domain: _clone(domain, name, linked, self.transfers), lane=Lane.ERRANDS)
        self.announce(VOLUMES_CHANGED, "")


def _clone(domain: libvirt.virDomain, name: str, linked: bool, transfers: Transfers) -> None:
    module = load()
    connection = domain.connect()
    if domain.isActive():
        raise ConflictError("it runs", "its disks would be copied while they are written to", "stop it first")
    if has_domain(connection, name):
        raise ConflictError(f"there is a VM {name} already", "nothing was done")
    xml = domain.XMLDesc(module.VIR_DOMAIN_XML_INACTIVE | module.VIR_DOMAIN_XML_SECURE)
    originals = []
    for disk in list_copied(xml):
        volume = find_volume(connection, disk.source) if disk.source else None
        if volume is None:
            where = clean_line(disk.source) or "it has no source"
            why, way_out = explain_missing(connection, disk.source)
            words = f"libvirt copies volumes of pools only; {why}"
            raise ConflictError(f"disk {disk.target} is no volume of a pool: {where}", words, way_out)
        originals.append((disk.target, volume))
    made: list[libvirt.virStorageVol] = []
    try:
        images = {}
        for target, volume in originals:
            copy, images[target] = _copy(volume, f"{name}-{target}", linked, transfers)
            made.append(copy)
        text = describe_clone(xml, name, str(uuid4()), images)
        connection.defineXMLFlags(text, module.VIR_DOMAIN_DEFINE_VALIDATE)
    except (module.libvirtError, ConflictError):
        for volume in made:
            volume.delete(0)
        raise


def _copy(
    volume: libvirt.virStorageVol, name: str, linked: bool, transfers: Transfers
) -> tuple[libvirt.virStorageVol, Image]:
    """A copy of a volume in its pool."""
    pool = volume.storagePoolLookupByVolume()
    described = parse(volume.XMLDesc(0))
    format_ = attribute_at(described, "target/format", "type")
    kind = {0: "file", 1: "block"}.get(volume.info()[0], "volume")
    capacity = volume.info()[1]
    if linked:
        if format_ not in _BASES or kind == "volume":
            words = f"a volume of format {format_ or 'unknown'} in pool {pool.name()}"
            raise ConflictError("a linked clone cannot stand on it", words, "make a full clone")
        base = Image(kind, volume.path(), format=format_)
        copy = pool.createXML(describe_volume(f"{name}.qcow2", capacity, "qcow2", base), 0)
        return copy, Image("file", copy.path(), pool.name(), copy.name(), "qcow2")
    suffix = _FORMATS.get(format_, "") if kind == "file" else ""
    # As much as the original takes: holes are not copied. How far it is, the look at new volumes tells.
    whole = min(volume.info()[2] or capacity, capacity)
    transfer = transfers.begin(f"{pool.name()}/{name}{suffix}", "copy", whole, volume.path())
    try:
        copy = pool.createXMLFrom(describe_volume(name + suffix, capacity, format_), volume, 0)
    except load().libvirtError as error:
        transfer.end("Failed", clean_line(error.get_error_message() or str(error)))
        raise
    transfer.end("Completed")
    return copy, Image(kind, copy.path(), pool.name(), copy.name(), format_)
