"""What a domain of libvirt stands on: its host, volumes with all their layers and pools, and networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvtui.joins.domain import host_of
from kvtui.joins.layers import SHOWN_ABOVE, Layer, Walk, missing, told_once
from kvtui.joins.storage import pool_of_file
from kvtui.model import Health, Ref, Tone
from kvtui.records.libvirt import BlockJob, Disk, Domain, DomainJob, Host, Nic, StoragePool, StorageVolume
from kvtui.records.virtual_networks import VirtualNetwork


def domain_layer(walk: Walk, ref: Ref, domain: Domain, *, whole: bool = False, role: str = "domain") -> Layer:
    """A domain, its host, and what goes on with it; the `whole` one with disks and networks."""
    return told_once(walk, Layer(role, f"{ref.backend}/{ref.name}", ref), _below(walk, ref, domain, whole=whole))


def _below(walk: Walk, ref: Ref, domain: Domain, *, whole: bool) -> Iterator[Layer]:
    yield host_layer(walk, ref.backend)
    yield from _job_layers(walk, ref)
    if whole:
        for disk in domain.disks:
            if disk.source:
                yield _disk(walk, ref.backend, disk)
        for nic in domain.nics:
            yield _nic(walk, ref.backend, domain, nic)


def _job_layers(walk: Walk, ref: Ref) -> Iterator[Layer]:
    """Jobs under way and those that failed; not the one whose own stack this is."""
    types: tuple[type[DomainJob | BlockJob], ...] = (DomainJob, BlockJob)
    for type_ in types:
        for at, job in walk.view.linked(type_, ref.backend, "domain", ref.uid):
            if (job.phase == "Failed" or not job.is_final) and walk.enter(at):
                yield Layer(job.operation or "job", at.path, at, quiet=job.is_final)


def host_layer(walk: Walk, backend: str, *, whole: bool = False) -> Layer:
    """A host, and what it is a VM of itself; the `whole` one with all its pools and networks."""
    host = host_of(walk.view, backend)
    if host is None:
        return missing(walk.view, Host, "host", backend, "", backend)
    return told_once(walk, Layer("host", backend, host.ref(backend)), _below_host(walk, backend, host, whole=whole))


def _below_host(walk: Walk, backend: str, host: Host, *, whole: bool) -> Iterator[Layer]:
    found = walk.view.everywhere(Domain, "uuid", host.system_uuid.lower()) if host.system_uuid else ()
    for ref, domain in found:
        if ref.backend != backend:
            yield domain_layer(walk, ref, domain)
    if whole:
        for ref, pool in sorted(walk.view.items(StoragePool, backend), key=lambda found: found[0]):
            yield _pool(walk, backend, ref.name, pool)
        for ref, network in sorted(walk.view.items(VirtualNetwork, backend), key=lambda found: found[0]):
            yield told_once(walk, Layer("network", ref.name, ref), _below_network(network))


def _disk(walk: Walk, backend: str, disk: Disk) -> Layer:
    health = Health(Tone.BAD, "failing", disk.error) if disk.error else None
    images = [image_layer(walk, backend, disk.source, disk.kind)]
    images += [image_layer(walk, backend, one, "file") for one in disk.layers]
    return Layer("disk", disk.target, None, health, "", (chain_images(images),))


def chain_images(images: Sequence[Layer]) -> Layer:
    """Images that stand on each other, the uppermost first, as one."""
    *above, lowest = images
    for image in reversed(above):
        lowest = replace(image, below=(*image.below, lowest))
    return lowest


def image_layer(walk: Walk, backend: str, source: str, kind: str) -> Layer:
    """A volume and its pool; a file, device or name that is in no pool that libvirt knows."""
    view = walk.view
    for ref, volume in view.linked(StorageVolume, backend, "name", source):
        pool = view.get(StoragePool, backend, "", volume.pool)
        if not walk.enter(ref):
            return Layer("volume", ref.name, ref, note=SHOWN_ABOVE)
        return Layer("volume", ref.name, ref, below=(_pool(walk, backend, volume.pool, pool),))
    if kind == "volume":
        name = source.partition("/")[0]
        pool = view.get(StoragePool, backend, "", name)
        health = _of_unread(name, pool) if pool is not None else None
        lost = missing(view, StorageVolume, "volume", backend, "", source)
        return replace(lost, health=health or lost.health, below=(_pool(walk, backend, name, pool),))
    if kind != "file":
        return Layer(kind or "image", source)
    name, at = pool_of_file(view, backend, source)
    if at is None:
        return Layer("file", source, None, None, "in no pool that libvirt knows")
    health = _of_unread(name, at)
    note = "not among the volumes of its pool" if health is None else ""
    return Layer("file", source, None, health, note, (_pool(walk, backend, name, at),))


def _of_unread(name: str, pool: StoragePool) -> Health | None:
    """Of a pool that is not running nobody knows what is in it."""
    return Health(Tone.MUTED, "not known", f"pool {name} is {pool.state}") if pool.state != "running" else None


def _pool(walk: Walk, backend: str, name: str, pool: StoragePool | None) -> Layer:
    if pool is None:
        return missing(walk.view, StoragePool, "pool", backend, "", name)
    return told_once(walk, Layer("pool", name, pool.ref(backend)), _below_pool(pool))


def _below_pool(pool: StoragePool) -> Iterator[Layer]:
    where = pool.source or pool.path
    if where:
        yield Layer(pool.type or "storage", where)


def _nic(walk: Walk, backend: str, domain: Domain, nic: Nic) -> Layer:
    found = [one.address for one in domain.addresses if one.mac.lower() == nic.mac.lower()]
    note = ", ".join(filter(None, (*found, nic.model)))
    health = None if nic.up else Health(Tone.WARN, "down", "its link is unplugged in the configuration")
    return Layer("interface", nic.mac or nic.target, None, health, note, (_network(walk, backend, nic),))


def _network(walk: Walk, backend: str, nic: Nic) -> Layer:
    if nic.kind != "network":
        return Layer(nic.kind or "network", nic.source)
    network = walk.view.get(VirtualNetwork, backend, "", nic.source)
    if network is None:
        return missing(walk.view, VirtualNetwork, "network", backend, "", nic.source)
    ref = network.ref(backend)
    return told_once(walk, Layer("network", ref.name, ref), _below_network(network))


def _below_network(network: VirtualNetwork) -> Iterator[Layer]:
    if network.bridge:
        yield Layer("bridge", network.bridge)
