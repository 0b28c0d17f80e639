"""Pools, the volumes in them, and the domains that use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from kvtui.model import FeedState, Ref
from kvtui.records.libvirt import Disk, Domain, Host, StoragePool, StorageVolume
from kvtui.store import View

_NAMED: Final = 3
"""Of several, how many a sentence names."""
_SHARED: Final = frozenset({"dir", "fs", "netfs"})
"""Types of pools whose volumes grow at the cost of each other: an image on a volume of others fills that alone."""

_KEPT: Final = frozenset({"file", "block", "volume"})
"""Kinds of disks whose source names one image of their host."""


def starved_by(view: View, backend: str, pool: StoragePool) -> tuple[Domain, ...]:
    """The domains that stand still because they found no space in a pool, whatever its sizes say."""
    domains = (domain for _, domain in view.items(Domain, backend))
    return tuple(domain for domain in domains if any(_holds(pool, disk) for disk in _starved_disks(domain)))


def starving_pool(view: View, backend: str, domain: Domain) -> Ref | None:
    """The pool in which a domain found no space."""
    disks = _starved_disks(domain)
    pools = view.items(StoragePool, backend) if disks else ()
    return next((ref for ref, pool in pools if any(_holds(pool, disk) for disk in disks)), None)


def guests_starved_in(view: View, ref: Ref, pool: StoragePool) -> Iterator[Ref]:
    """For `related`: the domains that find no space in a pool."""
    return (domain.ref(ref.backend) for domain in starved_by(view, ref.backend, pool))


def pools_of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    """For `related`: all pools of a host, when what is known of them becomes old or new."""
    return (pool for pool, _ in view.items(StoragePool, ref.backend))


def name_starved(domains: Sequence[Domain]) -> str:
    """What they lack: ``no space left for VM db``."""
    return f"no space left for VM{'s' if len(domains) > 1 else ''} {', '.join(one.metadata.name for one in domains)}"


def has_old_sizes(pool: StoragePool, starved: Iterable[Domain]) -> bool:
    """Whether those domains stand still since libvirt last looked into the pool, as far as anybody saw."""
    return any(pool.looked is None or pool.looked < (domain.since or 0.0) for domain in starved)


def promised_in(view: View, backend: str, pool: StoragePool) -> int:
    """By how many bytes the volumes of a pool may still grow, as far as they are described."""
    volumes = (volume for _, volume in view.linked(StorageVolume, backend, "pool", pool.metadata.name))
    return sum(max(0, (volume.capacity or 0) - (volume.allocation or 0)) for volume in volumes)


def absent_images(view: View, backend: str, domain: Domain) -> tuple[tuple[Disk, str], ...]:
    """The disks of a domain whose image its pool does not have, each with the pool, as libvirt last looked into it."""
    if view.feed(backend, StorageVolume.KIND).state is not FeedState.LIVE:
        return ()
    found = []
    for disk in domain.disks:
        name, pool = _pool_of(view, backend, disk)
        known = next(iter(view.linked(StorageVolume, backend, "name", disk.source)), None)
        if pool is not None and pool.state == "running" and known is None:
            found.append((disk, name))
    return tuple(found)


def images_outside(view: View, backend: str, domain: Domain) -> tuple[str, ...]:
    """The images of a domain that are files in no pool: of these libvirt cannot tell whether they are there."""
    if view.feed(backend, StoragePool.KIND).state is not FeedState.LIVE:
        return ()
    files = (disk for disk in domain.disks if disk.kind == "file" and disk.source)
    return tuple(disk.source for disk in files if _pool_of(view, backend, disk)[1] is None)


def _pool_of(view: View, backend: str, disk: Disk) -> tuple[str, StoragePool | None]:
    """The pool in which the image of a disk is."""
    if disk.kind not in ("file", "volume") or not disk.source:
        return "", None
    found = ((ref.name, pool) for ref, pool in view.items(StoragePool, backend) if _holds(pool, disk))
    return next(found, ("", None))


def hang_on(view: View, backend: str, pool: StoragePool) -> tuple[Domain, ...]:
    """The domains with disks in a pool, when all of them that run hang: then it may be the pool that does.

    libvirt tells of a pool what it saw last, and looks into it only when it is asked to.
    """
    active = [
        domain
        for _, domain in view.items(Domain, backend)
        if domain.active and any(_holds(pool, disk) for disk in domain.disks)
    ]
    return tuple(active) if all(domain.hung for domain in active) else ()


def pools_in_trouble(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    """For `related`: the pools in which a domain found no space, with which it may hang, or that are not active."""
    troubled = domain.disks if domain.hung else _starved_disks(domain)
    for found, pool in view.items(StoragePool, ref.backend):
        disks = domain.disks if pool.state == "inactive" else troubled
        if any(_holds(pool, disk) for disk in disks):
            yield found


def pool_of_disk(view: View, backend: str, disk: Disk) -> str:
    """The name of the pool in which the image of a disk is; empty where it is in none."""
    return _pool_of(view, backend, disk)[0]


def pool_of_file(view: View, backend: str, path: str) -> tuple[str, StoragePool | None]:
    """The pool in whose folder a file lies, with its name: libvirt may not have looked into it since the file came."""
    return _pool_of(view, backend, Disk(kind="file", source=path))


def users_of(view: View, backend: str, pool: StoragePool) -> list[str]:
    """The domains with a disk in a pool, by name."""
    domains = view.items(Domain, backend)
    return sorted(ref.name for ref, one in domains if any(_holds(pool, disk) for disk in one.disks if disk.source))


def runs_from(view: View, backend: str, pool: StoragePool) -> list[tuple[str, str]]:
    """The domains that run with a disk in a pool, each with the disk's name in the guest."""
    return [
        (ref.name, disk.target)
        for ref, domain in view.items(Domain, backend)
        if domain.active
        for disk in domain.disks
        if disk.source and _holds(pool, disk)
    ]


def waiting_for(view: View, backend: str, pool: StoragePool) -> list[str]:
    """The domains that are off, are to start with their host, and have a disk in a pool."""
    return sorted(
        ref.name
        for ref, domain in view.items(Domain, backend)
        if domain.autostart and not domain.active and any(_holds(pool, disk) for disk in domain.disks if disk.source)
    )


def name_run(pool: StoragePool, found: Sequence[tuple[str, str]]) -> str:
    """Which run from a pool that is not active: ``running from it: VM db (vdb)``."""
    names = ", ".join(f"{name} ({target})" for name, target in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more disks" if len(found) > _NAMED else ""
    promised = "; it is to start with its host" if pool.autostart else ""
    return f"running from it: VM {names}{more}{promised}"


@dataclass(frozen=True, slots=True)
class Needed:
    """Who would break if an image went."""

    domains: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    """Those that stand on it, in however many layers: ``POOL/VOLUME``."""

    def __bool__(self) -> bool:
        return bool(self.domains or self.volumes)

    @property
    def words(self) -> str:
        """``clone-1 needs it too; volumes images/clone-1.qcow2 and 3 more stand on it``; empty when nobody does."""
        said = []
        if self.domains:
            said.append(f"{', '.join(self.domains)} need{'s' if len(self.domains) == 1 else ''} it too")
        if self.volumes:
            named = ", ".join(self.volumes[:_NAMED])
            more = f" and {len(self.volumes) - _NAMED} more" if len(self.volumes) > _NAMED else ""
            one = len(self.volumes) == 1
            said.append(f"volume{'' if one else 's'} {named}{more} stand{'s' if one else ''} on it")
        return "; ".join(said)


def needed_by(view: View, backend: str, source: str, owner: str = "") -> Needed:
    """Who needs an image (a path, or ``POOL/VOLUME``) besides the domain `owner`: domains that have it or whatever
    stands on it, layer by layer, and the volumes that do.
    """
    domains: dict[str, None] = {}
    volumes: dict[str, None] = {}
    seen: set[str] = set()
    left = [source]
    while left:
        name = left.pop()
        if name in seen:
            continue
        named = [volume for _, volume in view.linked(StorageVolume, backend, "name", name)]
        names = {name, *(other for volume in named for other in volume.names)}
        seen |= names
        for one in sorted(names):
            for link in ("source", "backing"):
                domains |= {ref.name: None for ref, _ in view.linked(Domain, backend, link, one) if ref.name != owner}
            for ref, volume in view.linked(StorageVolume, backend, "backing", one):
                volumes[ref.name] = None
                left.extend(volume.names)
    return Needed(tuple(domains), tuple(volumes))


def writers_of(view: View, backend: str, disk: Disk) -> list[tuple[Ref, Domain]]:
    """The domains of a host that write the image of a disk, by name; none when it may be shared or is only read.

    Of disks on a network libvirt's names do not tell which server has them: those are left out.
    """
    if not _writes(disk):
        return []
    named = [volume for _, volume in view.linked(StorageVolume, backend, "name", disk.source)]
    names = {disk.source, *(name for volume in named for name in volume.names)}
    found = {
        ref: domain
        for name in names
        for ref, domain in view.linked(Domain, backend, "source", name)
        if any(_writes(one) and one.source in names for one in domain.disks)
    }
    return sorted(found.items(), key=lambda item: item[0].name)


def fellow_writers(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    """For `related`: a domain, and those that write to the same images."""
    yield ref
    for disk in domain.disks:
        for other, _ in writers_of(view, ref.backend, disk):
            if other != ref:
                yield other


def writers_of_volume(view: View, ref: Ref, volume: StorageVolume) -> Iterator[Ref]:
    """For `related`: the domains that have a volume, by whichever of its names."""
    for name in volume.names:
        for domain, _ in view.linked(Domain, ref.backend, "source", name):
            yield domain


def name_broken(view: View, backend: str, domain: Domain) -> tuple[str, ...]:
    """What breaks when the disks of a domain become other ones than they were: who stands on which."""
    written = [disk for disk in domain.disks if disk.source and not disk.shared and not disk.read_only]
    found = [(disk.target, needed_by(view, backend, disk.source, domain.metadata.name)) for disk in written]
    return tuple(f"{target} is the base of {', '.join(needed.domains or needed.volumes)}: broken by it"
                 for target, needed in found if needed)  # fmt: skip


def _writes(disk: Disk) -> bool:
    return bool(disk.source) and not disk.read_only and not disk.shared and disk.kind in _KEPT and disk.device == "disk"


def _starved_disks(domain: Domain) -> Sequence[Disk]:
    return [disk for disk in domain.disks if disk.error == "no space"] if domain.reason == "I/O error" else []


def _holds(pool: StoragePool, disk: Disk) -> bool:
    if disk.kind == "volume":
        return disk.source.partition("/")[0] == pool.metadata.name
    if pool.type not in _SHARED:
        return False
    return bool(pool.path) and str(PurePosixPath(disk.source).parent) == str(PurePosixPath(pool.path))
