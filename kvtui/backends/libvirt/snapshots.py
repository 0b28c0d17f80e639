"""Snapshots of domains. Elements: libvirt's formatsnapshot.html."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from kvtui.backends.libvirt.asking import Asker
from kvtui.backends.libvirt.collector import Found
from kvtui.backends.libvirt.describe import attribute_at, parse, text_at
from kvtui.backends.libvirt.events import Events
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.survey import Survey
from kvtui.records.base import Meta, Record
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

EVENTS: Final = ("LIFECYCLE", "kvtui.SNAPSHOT")
"""libvirt tells nothing of snapshots; most of them pause the domain for a moment, and ours are announced."""
_PERIOD: Final = 30.0
_AFRESH: Final = 10
"""In every so manieth look, all is read anew: one may have been replaced by another of its name."""


def describe_snapshot(domain: str, uuid: str, xml: str, *, current: bool = False) -> DomainSnapshot:
    """What the XML of a snapshot tells."""
    root = parse(xml)
    name, created = text_at(root, "name"), text_at(root, "creationTime")
    moment = datetime.fromtimestamp(int(created), UTC) if created.isdecimal() and len(created) < 12 else None
    disks = [disk.get("snapshot") for disk in root.iterfind("disks/disk")]
    return DomainSnapshot(
        metadata=Meta(
            name=f"{domain}/{name}",
            uid=f"{uuid} {name}",
            creation_timestamp=moment.isoformat() if moment is not None else None,
        ),
        domain=domain,
        domain_uid=uuid,
        snapshot=name,
        parent=text_at(root, "parent/name"),
        state=text_at(root, "state"),
        current=current,
        memory=attribute_at(root, "memory", "snapshot") not in ("", "no"),
        external="external" in disks,
        description=text_at(root, "description"),
    )


class SnapshotCollector:
    """Snapshots of all domains that have some; each is read once."""

    types: tuple[type[Record], ...] = (DomainSnapshot,)
    serves = types
    period = _PERIOD
    lane = Lane.JOBS

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._asker = Asker()
        self._lock = threading.Lock()
        self._stale: set[str] = set()
        """UUIDs of domains whose snapshots an event may have changed."""
        self._known: dict[str, dict[str, DomainSnapshot]] = {}
        self._looks = 0

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after what a snapshot or a return to one may have caused."""

        def hear(uuid: str, *_: object) -> None:
            with self._lock:
                self._stale.add(uuid)
            wake()

        events.listen(EVENTS, hear)

    def collect(self, connection: libvirt.virConnect) -> Found:
        """All snapshots."""
        module = load()
        with self._lock:
            stale, self._stale = self._stale, set()
        self._looks += 1
        flag = module.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT
        handles = self._asker.ask("snapshots", lambda: connection.listAllDomains(flag)) or ()
        found = {}
        for handle in handles:
            uuid = handle.UUIDString()
            known = self._known.get(uuid, {})
            afresh = uuid in stale or self._looks % _AFRESH == 0
            try:
                found[uuid] = _read(handle, uuid, known, afresh=afresh)
            except module.libvirtError:
                # It is gone, or on its way to another host.
                continue
        self._known = found
        self._survey.count_snapshots({uuid: len(snapshots) for uuid, snapshots in found.items()})
        return Found({DomainSnapshot: [one for snapshots in found.values() for one in snapshots.values()]})


def _read(
    handle: libvirt.virDomain, uuid: str, known: dict[str, DomainSnapshot], *, afresh: bool
) -> dict[str, DomainSnapshot]:
    """The snapshots of a domain by name. What is known is only read anew if others came or went: that changes parents,
    and which one is the current.
    """
    snapshots = {snapshot.getName(): snapshot for snapshot in handle.listAllSnapshots(0)}
    if snapshots.keys() == known.keys() and not afresh:
        return known
    domain = clean_line(handle.name())
    current = handle.snapshotCurrent(0).getName() if handle.hasCurrentSnapshot(0) else None
    return {
        name: describe_snapshot(domain, uuid, snapshot.getXMLDesc(0), current=name == current)
        for name, snapshot in snapshots.items()
    }
