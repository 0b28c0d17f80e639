"""Devices of domains: their XML, which is pure, and how they come and go. Elements: libvirt's formatdomain.html."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from secrets import token_bytes
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from kvtui.backends.domains import NewDisk, NewNic, Scope
from kvtui.backends.libvirt.acts import VOLUMES_CHANGED, Acts, apply, scope_words
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.volumes import Image, find_image, make_volume
from kvtui.errors import AbsentError, ConflictError
from kvtui.model import Ref

if TYPE_CHECKING:
    import libvirt

_PREFIXES: Final = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd", "xen": "xvd"}
"""By bus, how the disks on it are called."""
_LOCKED: Final = re.compile("waiting to open tray|is locked")
"""In an error: that a guest was asked to let go of a medium and did not (src/qemu/qemu_hotplug.c, and QEMU's own)."""


# The XML ---------------------------------------------------------------------------------------------------------


def name_target(bus: str, taken: Iterable[str]) -> str:
    """The first free name of a bus: ``vda``, ``vdb`` ... ``vdz``, ``vdaa``."""
    names = set(taken)
    prefix = _PREFIXES.get(bus, "vd")
    return next(name for name in (prefix + _letters(number) for number in count()) if name not in names)


def describe_disk(disk: NewDisk, image: Image, target: str) -> str:
    """The XML of a new disk on an image."""
    element = ET.Element("disk", {"type": image.kind, "device": disk.device})
    ET.SubElement(element, "driver", {"name": "qemu", "type": disk.format or image.format or "raw"})
    if image.kind == "volume":
        ET.SubElement(element, "source", {"pool": image.pool, "volume": image.name})
    elif image.path:
        ET.SubElement(element, "source", {"dev" if image.kind == "block" else "file": image.path})
    ET.SubElement(element, "target", {"dev": target, "bus": disk.bus})
    if disk.read_only or disk.device == "cdrom":
        ET.SubElement(element, "readonly")
    return ET.tostring(element, "unicode")


def describe_nic(nic: NewNic) -> str:
    """The XML of a new network interface."""
    element = ET.Element("interface", {"type": nic.kind})
    if nic.mac:
        ET.SubElement(element, "mac", {"address": nic.mac})
    if nic.source:
        ET.SubElement(element, "source", {nic.kind: nic.source})
    if nic.model:
        ET.SubElement(element, "model", {"type": nic.model})
    return ET.tostring(element, "unicode")


def make_mac() -> str:
    """An address among those that QEMU's machines have."""
    return ":".join(["52:54:00", *(f"{byte:02x}" for byte in token_bytes(3))])


def find_disk(xml: str, target: str) -> ET.Element | None:
    """The disk of that name in the XML of a domain."""
    return _find(xml, "disk", "target", "dev", target)


def find_nic(xml: str, mac: str) -> ET.Element | None:
    """The network interface with that address in the XML of a domain."""
    return _find(xml, "interface", "mac", "address", mac)


def put_medium(drive: ET.Element, medium: str) -> str:
    """The XML of a drive with another medium, a path or ``pool/volume``, or with none."""
    for name in ("source", "backingStore"):
        for child in drive.findall(name):
            drive.remove(child)
    pool, _, volume = medium.partition("/")
    kind = "volume" if pool else "block" if medium.startswith("/dev/") else "file"
    drive.set("type", kind)
    if kind == "volume":
        ET.SubElement(drive, "source", {"pool": pool, "volume": volume})
    elif medium:
        ET.SubElement(drive, "source", {"dev" if kind == "block" else "file": medium})
    return ET.tostring(drive, "unicode")


def list_targets(xml: str) -> Iterator[str]:
    """The names of all disks in the XML of a domain."""
    for target in ET.fromstring(xml).iterfind("devices/disk/target"):
        yield target.get("dev") or ""


def _find(xml: str, kind: str, child: str, attribute: str, value: str) -> ET.Element | None:
    for element in ET.fromstring(xml).iterfind(f"devices/{kind}"):
        found = element.find(child)
        if found is not None and (found.get(attribute) or "").lower() == value.lower():
            return element
    return None


def _letters(number: int) -> str:
    """0 is ``a``, 25 is ``z``, 26 is ``aa``."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


# The verbs -------------------------------------------------------------------------------------------------------


class DeviceVerbs(Acts):
    """Implements Devices."""

    async def attach_disk(self, ref: Ref, disk: NewDisk, scope: Scope) -> None:
        """Attach a disk under the next free name of its bus; a volume that was made for it goes if that fails."""
        what = f"{disk.pool}/{disk.volume}" if disk.pool else disk.path or "an empty drive"
        made = ", made for it" if disk.capacity is not None else ""
        verb = f"attach {disk.device} {what}{made}{scope_words(scope)}"
        await self._act(verb, ref, lambda domain: _attach_disk(domain, disk, scope), lane=Lane.ERRANDS)
        if disk.capacity is not None:
            self.announce(VOLUMES_CHANGED, "")

    async def detach_disk(self, ref: Ref, target: str, scope: Scope) -> None:
        """Detach a disk: a running guest must let go of it, which an event tells."""
        verb = f"detach disk {target}{scope_words(scope)}"
        await self._act(verb, ref, lambda domain: apply(scope, lambda flag: _detach_disk(domain, target, flag)))

    async def change_medium(self, ref: Ref, target: str, medium: str, scope: Scope, *, force: bool = False) -> None:
        """Put a path of the host, or ``pool/volume``, into a drive, or take out what is in it."""
        verb = f"insert {medium} into {target}" if medium else f"eject {target}"
        verb = f"{verb}{', by force' if force else ''}{scope_words(scope)}"
        await self._act(
            verb, ref, lambda domain: apply(scope, lambda flag: _change_medium(domain, target, medium, flag, force))
        )

    async def attach_nic(self, ref: Ref, nic: NewNic, scope: Scope) -> None:
        """Attach a network interface."""
        verb = f"attach interface to {nic.kind} {nic.source}{scope_words(scope)}"
        # Made here, lest the running and the stored one get two.
        xml = describe_nic(nic if nic.mac else replace(nic, mac=make_mac()))
        await self._act(verb, ref, lambda domain: apply(scope, lambda flag: domain.attachDeviceFlags(xml, flag)))

    async def detach_nic(self, ref: Ref, mac: str, scope: Scope) -> None:
        """Detach a network interface."""
        verb = f"detach interface {mac}{scope_words(scope)}"
        await self._act(verb, ref, lambda domain: apply(scope, lambda flag: _detach_nic(domain, mac, flag)))


def _read(domain: libvirt.virDomain, flag: int) -> str:
    """The XML that a flag of a change means, with its secrets: it goes back to libvirt."""
    module = load()
    inactive = module.VIR_DOMAIN_XML_INACTIVE if flag == module.VIR_DOMAIN_AFFECT_CONFIG else 0
    xml: str = domain.XMLDesc(inactive | module.VIR_DOMAIN_XML_SECURE)
    return xml


def _attach_disk(domain: libvirt.virDomain, disk: NewDisk, scope: Scope) -> None:
    module = load()
    connection = domain.connect()
    made = make_volume(connection, disk.pool, disk.volume, disk.capacity, disk.format) if disk.capacity else None
    try:
        taken = {name for flag in (module.VIR_DOMAIN_AFFECT_CONFIG, 0) for name in list_targets(_read(domain, flag))}
        image = find_image(connection, disk.pool, disk.volume, disk.path)
        xml = describe_disk(disk, image, name_target(disk.bus, taken))
        apply(scope, lambda flag: domain.attachDeviceFlags(xml, flag))
    except module.libvirtError:
        if made is not None:
            made.delete(0)
        raise


def _detach_disk(domain: libvirt.virDomain, target: str, flag: int) -> None:
    disk = find_disk(_read(domain, flag), target)
    if disk is None:
        raise AbsentError(f"there is no disk {target}")
    domain.detachDeviceFlags(ET.tostring(disk, "unicode"), flag)


def _change_medium(domain: libvirt.virDomain, target: str, medium: str, flag: int, force: bool) -> None:
    module = load()
    drive = find_disk(_read(domain, flag), target)
    if drive is None:
        raise AbsentError(f"there is no drive {target}")
    try:
        domain.updateDeviceFlags(
            put_medium(drive, medium), flag | (module.VIR_DOMAIN_DEVICE_MODIFY_FORCE if force else 0)
        )
    except module.libvirtError as error:
        if not _LOCKED.search(error.get_error_message() or ""):
            raise
        hint = "unmount it in the guest, or change the medium by force"
        raise ConflictError(
            f"the guest has locked drive {target}", "it has mounted what is in it, or reads it", hint
        ) from None


def _detach_nic(domain: libvirt.virDomain, mac: str, flag: int) -> None:
    nic = find_nic(_read(domain, flag), mac)
    if nic is None:
        raise AbsentError(f"there is no interface {mac}")
    domain.detachDeviceFlags(ET.tostring(nic, "unicode"), flag)
