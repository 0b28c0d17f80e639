"""Pools and the domains that write into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from kvtui.model import Ref
from kvtui.records.libvirt import Disk, Domain, StoragePool
from kvtui.store import View

_SHARED: Final = frozenset({"dir", "fs", "netfs"})
"""Types of pools whose volumes grow at the cost of each other: an image on a volume of others fills that alone."""


def starved_by(view: View, backend: str, pool: StoragePool) -> tuple[Domain, ...]:
    """The domains that stand still because they found no space in a pool, whatever its sizes say."""
    domains = (domain for _, domain in view.items(Domain, backend))
    return tuple(domain for domain in domains if any(_holds(pool, disk) for disk in _starved_disks(domain)))


def name_starved(domains: Sequence[Domain]) -> str:
    """What they lack: ``no space left for VM db``."""
    return f"no space left for VM{'s' if len(domains) > 1 else ''} {', '.join(one.metadata.name for one in domains)}"


def has_old_sizes(pool: StoragePool, starved: Iterable[Domain]) -> bool:
    """Whether those domains stand still since libvirt last looked into the pool, as far as anybody saw."""
    return any(pool.looked is None or pool.looked < (domain.since or 0.0) for domain in starved)


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
    """For `related`: the pools in which a domain found no space, or with which it may hang."""
    disks = domain.disks if domain.hung else _starved_disks(domain)
    if disks:
        for found, pool in view.items(StoragePool, ref.backend):
            if any(_holds(pool, disk) for disk in disks):
                yield found


def _starved_disks(domain: Domain) -> Sequence[Disk]:
    return [disk for disk in domain.disks if disk.error == "no space"] if domain.reason == "I/O error" else []


def _holds(pool: StoragePool, disk: Disk) -> bool:
    if pool.type not in _SHARED:
        return False
    if disk.kind == "volume":
        return disk.source.partition("/")[0] == pool.metadata.name
    return bool(pool.path) and str(PurePosixPath(disk.source).parent) == str(PurePosixPath(pool.path))
