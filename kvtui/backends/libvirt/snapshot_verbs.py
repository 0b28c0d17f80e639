"""Snapshots are taken, reverted to and deleted. Elements and flags: libvirt's formatsnapshot.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from kvtui.backends.domains import NewSnapshot
from kvtui.backends.libvirt.acts import Acts
from kvtui.backends.libvirt.link import Lane, load
from kvtui.model import Ref

if TYPE_CHECKING:
    import libvirt

_CHANGED: Final = "kvtui.SNAPSHOT"


class SnapshotVerbs(Acts):
    """Implements Snapshots."""

    async def take_snapshot(self, ref: Ref, snapshot: NewSnapshot) -> None:
        """Take one of a domain."""
        parts = [snapshot.name, "of its disks alone" if snapshot.disks_only else "", "quiesced" * snapshot.quiesce]
        verb = " ".join(["snapshot", *filter(None, parts)])
        await self._act(verb, ref, lambda domain: _take(domain, snapshot), lane=Lane.ERRANDS, changed=_CHANGED)

    async def revert(self, ref: Ref, name: str, *, force: bool = False) -> None:
        """Take a domain back to one."""

        def revert(domain: libvirt.virDomain) -> None:
            flags = load().VIR_DOMAIN_SNAPSHOT_REVERT_FORCE if force else 0
            domain.revertToSnapshot(domain.snapshotLookupByName(name), flags)

        verb = f"revert to snapshot {name}{', by force' if force else ''}"
        await self._act(verb, ref, revert, lane=Lane.ERRANDS, changed=_CHANGED)

    async def delete_snapshot(self, ref: Ref, name: str, *, children: bool = False) -> None:
        """Delete one, with `children` those after it too."""

        def delete(domain: libvirt.virDomain) -> None:
            flags = load().VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN if children else 0
            domain.snapshotLookupByName(name).delete(flags)

        verb = f"delete snapshot {name}{' and those after it' if children else ''}"
        await self._act(verb, ref, delete, lane=Lane.ERRANDS, changed=_CHANGED)


def _take(domain: libvirt.virDomain, snapshot: NewSnapshot) -> None:
    module = load()
    flags = 0
    if snapshot.disks_only:
        # All disks or none, so that they are of one moment.
        flags |= module.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | module.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    if snapshot.quiesce:
        flags |= module.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
    domain.snapshotCreateXML(describe_snapshot(snapshot), flags)


def describe_snapshot(snapshot: NewSnapshot) -> str:
    """The XML of a new one."""
    element = ET.Element("domainsnapshot")
    if snapshot.name:
        ET.SubElement(element, "name").text = snapshot.name
    if snapshot.description:
        ET.SubElement(element, "description").text = snapshot.description
    return ET.tostring(element, "unicode")
