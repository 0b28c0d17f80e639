"""Pools of storage and their volumes. Elements: libvirt's formatstorage.html.

Nobody but the user asks libvirt to look into a pool anew (``virStoragePoolRefresh``): it is no question but a change,
takes minutes where storage hangs, holds up all who want something of the pool meanwhile, and stops the pool when it
fails. Sizes are those of libvirt's own last look, told with its age; less free is by what volumes grew since, which is
asked of each. What is no volume's growth, another's file, nobody sees before a refresh or a VM that found no space.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import msgspec

from kvtui.backends.libvirt.acts import VOLUMES_CHANGED
from kvtui.backends.libvirt.asking import flagged
from kvtui.backends.libvirt.collector import Found
from kvtui.backends.libvirt.describe import amount_at, attribute_at, parse, text_at
from kvtui.backends.libvirt.events import Events, Plain
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.transfers import Transfers
from kvtui.backends.libvirt.words import POOL_STATES
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import BlockJob, StoragePool, StorageVolume
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

EVENTS: Final = ("storagePool.LIFECYCLE", "storagePool.REFRESH")
_STARTED: Final = 2  # VIR_STORAGE_POOL_EVENT_STARTED: it was looked into as well
_DEFINED: Final = 0  # VIR_DOMAIN_EVENT_DEFINED
_UNDEFINED: Final = 1  # VIR_DOMAIN_EVENT_UNDEFINED
_POOLS: Final = 15.0
_VOLUMES: Final = 30.0
_SOON: Final = 1.0
_BUDGET: Final = 2.0
"""Seconds of one look in which volumes are described: each is a question of its own, and there may be thousands."""
_OLD: Final = 300.0
"""Seconds after which a volume is described anew, for its allocation grows and no event tells of it."""
_YOUNG: Final = 30.0
"""The same of volumes that domains have: these grow."""
_GROWING: Final = 10.0
"""Seconds for which a new volume that nobody uses and that does not grow still counts as being made."""


def describe_pool(xml: str) -> StoragePool:
    """What the XML of a pool tells; state, sizes and autostart are asked apart."""
    root = parse(xml)
    return StoragePool(
        metadata=Meta(name=text_at(root, "name"), uid=text_at(root, "uuid")),
        type=clean_line(root.get("type") or ""),
        path=text_at(root, "target/path"),
        source=_pool_source(root),
    )


def _pool_source(root: ET.Element) -> str:
    host, folder = attribute_at(root, "source/host", "name"), attribute_at(root, "source/dir", "path")
    device, name = attribute_at(root, "source/device", "path"), text_at(root, "source/name")
    if host:
        return f"{host}:{folder or name or device}"
    return folder or name or device


def describe_volume(pool: str, name: str, xml: str) -> StorageVolume:
    """What the XML of a volume tells."""
    root = parse(xml)
    return StorageVolume(
        metadata=Meta(name=f"{pool}/{name}", uid=text_at(root, "key")),
        pool=pool,
        path=text_at(root, "target/path"),
        type=clean_line(root.get("type") or ""),
        format=attribute_at(root, "target/format", "type"),
        capacity=amount_at(root, "capacity"),
        allocation=amount_at(root, "allocation"),
        backing=text_at(root, "backingStore/path"),
    )


class Growth:
    """By how much the volumes of each pool grew since libvirt looked into it. In one thread, but for `forget`."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], int] = {}
        self._grown: dict[str, int] = {}

    def note(self, pool: str, name: str, allocation: int | None) -> None:
        """A volume takes so much now. What libvirt makes or deletes it counts itself, by what that takes then."""
        if allocation is None:
            return
        before = self._taken.get((pool, name))
        if before is not None:
            self._grown[pool] = self._grown.get(pool, 0) + allocation - before
        self._taken[pool, name] = allocation

    def drop(self, pool: str, name: str) -> None:
        """A volume is gone: what it grew by, libvirt counts as free without having counted it as taken."""
        self._taken.pop((pool, name), None)

    def forget(self, pool: str) -> None:
        """libvirt looked into a pool."""
        self._grown.pop(pool, None)
        for key in tuple(self._taken):
            if key[0] == pool:
                self._taken.pop(key, None)

    def of(self, pool: str) -> int:
        """Bytes."""
        return max(0, self._grown.get(pool, 0))


class PoolCollector:
    """Pools."""

    types: tuple[type[Record], ...] = (StoragePool,)
    serves = types
    period = _POOLS
    lane = Lane.STORAGE

    def __init__(self, growth: Growth) -> None:
        self._growth = growth
        self._shapes: dict[str, StoragePool] = {}
        self._watched = time.time()
        self._looked: dict[str, float] = {}
        """When libvirt looked into each, where that was seen."""

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after whatever happens to a pool."""

        def hear(uuid: str, *_: object) -> None:
            self._shapes.pop(uuid, None)
            wake()

        def hear_look(uuid: str, _name: str, details: tuple[Plain, ...]) -> None:
            if not details or details[0] == _STARTED:
                self._looked[uuid] = time.time()

        events.listen(EVENTS, hear_look)
        events.listen((*EVENTS, "kvtui.POOL"), hear)
        events.listen((VOLUMES_CHANGED,), lambda *_: wake())

    def collect(self, connection: libvirt.virConnect) -> Found:
        """All pools."""
        module = load()
        autostart = flagged(connection.listAllStoragePools, module.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART)
        transient = flagged(connection.listAllStoragePools, module.VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT)
        pools = []
        for handle in connection.listAllStoragePools(0):
            uuid = handle.UUIDString()
            try:
                shape = self._shapes.get(uuid) or describe_pool(handle.XMLDesc(0))
                state, capacity, allocation, free = handle.info()
                word = POOL_STATES[state] if 0 <= state < len(POOL_STATES) else ""
                # Numbers in the order of virStoragePoolState; from running on there is something in it.
                volumes = handle.numOfVolumes() if state >= module.VIR_STORAGE_POOL_RUNNING else None
            except module.libvirtError as error:
                if error.get_error_code() == module.VIR_ERR_NO_STORAGE_POOL:
                    continue
                raise
            self._shapes[uuid] = shape
            pools.append(
                msgspec.structs.replace(
                    shape,
                    state=word,
                    autostart=uuid in autostart,
                    persistent=uuid not in transient,
                    capacity=capacity,
                    allocation=allocation,
                    free=free,
                    grown=self._growth.of(shape.metadata.name) if state == module.VIR_STORAGE_POOL_RUNNING else 0,
                    volumes=volumes,
                    looked=self._looked.get(uuid),
                    watched=self._watched,
                )
            )
        return Found({StoragePool: pools})


class VolumeCollector:
    """Volumes: listed, and described in small portions."""

    types: tuple[type[Record], ...] = (StorageVolume,)
    serves: tuple[type[Record], ...] = (StorageVolume, BlockJob)
    lane = Lane.STORAGE

    def __init__(self, transfers: Transfers, in_use: Callable[[], frozenset[str]], growth: Growth) -> None:
        """`in_use` tells the paths and ``POOL/VOLUME`` names that domains have as disks; from any thread."""
        self.period = _VOLUMES
        self._growth = growth
        self._transfers = transfers
        self._in_use = in_use
        self._known: dict[tuple[str, str], StorageVolume] = {}
        self._described: dict[tuple[str, str], float] = {}
        """When each was described, on the monotonic clock; 0 for those that are to be at once."""
        self._new: dict[tuple[str, str], float] = {}
        """Those that came while we looked on, with the moment at which they last grew."""
        self._used: frozenset[str] = frozenset()
        """What domains have as disks, at this look."""
        self._pools: set[str] | None = None
        """Of which the volumes were listed already."""

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after a pool was refreshed, began or ended; its volumes are described anew."""

        def hear(_uuid: str, name: str, _details: object) -> None:
            self._growth.forget(name)
            for key in tuple(self._described):
                if key[0] == name:
                    self._described[key] = 0.0
            wake()

        def hear_domain(_uuid: str, _name: str, details: tuple[Plain, ...]) -> None:
            # Whoever makes a VM, or is rid of one, does so with its volumes.
            if details and details[0] in (_DEFINED, _UNDEFINED):
                wake()

        events.listen(EVENTS, hear)
        events.listen((VOLUMES_CHANGED, "kvtui.POOL"), lambda *_: wake())
        events.listen(("LIFECYCLE",), hear_domain)
        self._transfers.on_change("volumes", events.from_any_thread(wake))

    def collect(self, connection: libvirt.virConnect) -> Found:
        """All volumes, some of them described anew."""
        module = load()
        handles: dict[tuple[str, str], libvirt.virStorageVol] = {}
        listed = set()
        for pool in connection.listAllStoragePools(module.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
            title = clean_line(pool.name())
            try:
                found = pool.listAllVolumes(0)
            except module.libvirtError:
                # It ended meanwhile, or it is one whose volumes cannot be listed.
                continue
            listed.add(title)
            handles.update({(title, clean_line(volume.name())): volume for volume in found})
        now = time.monotonic()
        self._used = self._in_use()
        self._take_list(handles, listed, now)
        filled = self._transfers.watched()
        due = sorted(
            (key for key in handles if self._is_due(key, now) or "/".join(key) in filled),
            key=lambda key: self._described.get(key, 0.0),
        )
        left = self._describe(due, handles, filled)
        self.period = _SOON if left or self._new or filled else _VOLUMES
        return Found({StorageVolume: list(self._known.values())})

    def _take_list(self, handles: dict[tuple[str, str], libvirt.virStorageVol], listed: set[str], now: float) -> None:
        for key in self._known.keys() - handles.keys():
            del self._known[key]
            self._growth.drop(*key)
            self._described.pop(key, None)
            self._new.pop(key, None)
            self._transfers.stop_growing("/".join(key))
        for key in handles.keys() - self._known.keys():
            pool, name = key
            self._known[key] = StorageVolume(metadata=Meta(name=f"{pool}/{name}"), pool=pool)
            if self._pools is not None and pool in self._pools:
                self._new[key] = now
        self._pools = listed

    def _is_due(self, key: tuple[str, str], now: float) -> bool:
        described = self._described.get(key, 0.0)
        if key in self._new or not described:
            return True
        used = not self._used.isdisjoint(self._known[key].names)
        return now - described > (_YOUNG if used else _OLD)

    def _describe(
        self, due: list[tuple[str, str]], handles: dict[tuple[str, str], libvirt.virStorageVol], filled: set[str]
    ) -> list[tuple[str, str]]:
        """As many of those as there is time for; the rest."""
        module = load()
        begun = time.monotonic()
        for at, key in enumerate(due):
            now = time.monotonic()
            if now - begun > _BUDGET:
                return due[at:]
            self._described[key] = now
            try:
                volume = describe_volume(*key, handles[key].XMLDesc(0))
            except module.libvirtError:
                # It is gone, or cannot be read: its name is all that is known, and that it is there.
                self._new.pop(key, None)
                continue
            self._growth.note(*key, volume.allocation if volume.type == "file" else None)
            if key in self._new:
                self._watch(key, self._known[key], volume, now)
            elif volume.metadata.name in filled:
                self._transfers.grow(volume.metadata.name, volume.path, volume.allocation or 0, volume.capacity or 0)
            self._known[key] = volume
        return []

    def _watch(self, key: tuple[str, str], before: StorageVolume, volume: StorageVolume, now: float) -> None:
        """A volume that is new: while it grows and no domain has it, somebody builds it or fills it."""
        name, whole, has = volume.metadata.name, volume.capacity or 0, volume.allocation or 0
        grew = has > (before.allocation or 0)
        if grew:
            self._new[key] = now
        if any(used in self._in_use() for used in volume.names) or has >= whole or now - self._new[key] > _GROWING:
            del self._new[key]
            self._transfers.stop_growing(name, full=has >= whole)
        elif grew:
            self._transfers.grow(name, volume.path, has, whole)
