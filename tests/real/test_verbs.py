"""What domains are told to do, on a real host: what libvirt's test driver cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kvtui.backends.domains import NewDisk, NewNic, NewSnapshot, Removal, Scope
from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.errors import BackendError, ChangedError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, DomainState
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import define_domain, running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

libvirt = import_libvirt()
BOTH = Scope(live=True, stored=True)
LIVE = Scope(live=True, stored=False)
STORED = Scope(live=False, stored=True)
PATIENCE = 60.0


@asynccontextmanager
async def fleet_of(host: Host, folder: Path) -> AsyncIterator[tuple[Fleet, LibvirtBackend]]:
    backend = make_backend(host.uri, folder, name="kvm1")
    async with live(backend) as fleet:
        yield fleet, backend


def found(fleet: Fleet, name: str) -> Domain | None:
    return fleet.view.get(Domain, "kvm1", "", name)


async def ref_of(fleet: Fleet, name: str) -> Ref:
    await until(fleet, lambda: found(fleet, name), PATIENCE)
    domain = found(fleet, name)
    assert domain is not None
    return domain.ref("kvm1")


def state(fleet: Fleet, name: str) -> DomainState | None:
    domain = found(fleet, name)
    return domain.state if domain is not None else None


def targets(fleet: Fleet, name: str) -> list[str]:
    domain = found(fleet, name)
    return [disk.target for disk in domain.disks] if domain is not None else []


async def test_a_guest_gets_and_loses_disks_and_interfaces_while_it_runs(
    host: Host, image: Image, tmp_path: Path
) -> None:
    path = host.make_disk("extra.qcow2")
    with running_guest(host, "devices", image, disks=[host.make_disk("devices.qcow2")]):
        async with fleet_of(host, tmp_path) as (fleet, backend):
            ref = await ref_of(fleet, "devices")
            await backend.attach_disk(ref, NewDisk(path=path, format="qcow2"), BOTH)
            await until(fleet, lambda: targets(fleet, "devices") == ["vda", "vdb"])
            domain = found(fleet, "devices")
            assert domain is not None
            assert (domain.disks[1].source, domain.disks[1].format) == (path, "qcow2")
            # QEMU has it before libvirt has stored it.
            await until(fleet, lambda: getattr(found(fleet, "devices"), "differs", None) == ())
            await backend.detach_disk(ref, "vdb", BOTH)
            await until(fleet, lambda: targets(fleet, "devices") == ["vda"], PATIENCE)
            await backend.attach_nic(ref, NewNic("user", ""), LIVE)
            await until(fleet, lambda: len(getattr(found(fleet, "devices"), "nics", ())) == 1)
            domain = found(fleet, "devices")
            assert domain is not None
            assert domain.differs != ()
            await backend.detach_nic(ref, domain.nics[0].mac, LIVE)
            await until(fleet, lambda: not getattr(found(fleet, "devices"), "nics", (1,)), PATIENCE)


async def test_memory_and_cpus_change_for_now_and_for_later(host: Host, image: Image, tmp_path: Path) -> None:
    with running_guest(host, "sizes", image, mebibytes=160, cpus=2):
        async with fleet_of(host, tmp_path) as (fleet, backend):
            ref = await ref_of(fleet, "sizes")
            await backend.set_memory(ref, 128 << 20, LIVE)
            await until(fleet, lambda: getattr(found(fleet, "sizes"), "memory", 0) == 128 << 20, PATIENCE)
            await backend.set_memory(ref, 192 << 20, STORED, most=256 << 20)
            await backend.set_vcpus(ref, 4, STORED)
            await until(fleet, lambda: len(getattr(found(fleet, "sizes"), "differs", ())) == 2)
            with pytest.raises(BackendError, match="refused"):
                await backend.set_vcpus(ref, 4, LIVE)


async def test_a_guest_is_saved_and_goes_on_where_it_was(host: Host, image: Image, tmp_path: Path) -> None:
    with running_guest(host, "saved", image):
        async with fleet_of(host, tmp_path) as (fleet, backend):
            ref = await ref_of(fleet, "saved")
            await backend.inject_nmi(ref)
            await backend.save(ref)
            await until(fleet, lambda: getattr(found(fleet, "saved"), "saved", False))
            await backend.start(ref)
            await until(fleet, lambda: getattr(found(fleet, "saved"), "reason", "") == "restored")
            await backend.save(ref)
            await backend.start_afresh(ref)
            await until(fleet, lambda: getattr(found(fleet, "saved"), "reason", "") == "booted")
            await backend.reset(ref)
            await backend.stop(ref, grace=0)
            await until(fleet, lambda: state(fleet, "saved") is DomainState.SHUTOFF)


async def test_snapshots_hold_memory_and_disks_or_disks_alone(host: Host, image: Image, tmp_path: Path) -> None:
    with running_guest(host, "kept", image, disks=[host.make_disk("kept.qcow2")]):
        async with fleet_of(host, tmp_path) as (fleet, backend):
            ref = await ref_of(fleet, "kept")
            await backend.take_snapshot(ref, NewSnapshot("whole", "all of it"))
            await until(fleet, lambda: getattr(found(fleet, "kept"), "snapshots", 0) == 1, PATIENCE)
            await backend.stop(ref, grace=0)
            await until(fleet, lambda: state(fleet, "kept") is DomainState.SHUTOFF)
            await backend.revert(ref, "whole")
            await until(fleet, lambda: state(fleet, "kept") is DomainState.RUNNING, PATIENCE)
            await backend.delete_snapshot(ref, "whole")
            await until(fleet, lambda: getattr(found(fleet, "kept"), "snapshots", 1) == 0, PATIENCE)
            await backend.take_snapshot(ref, NewSnapshot("disks", disks_only=True))
            await until(fleet, lambda: getattr(found(fleet, "kept"), "snapshots", 0) == 1, PATIENCE)
            with pytest.raises(BackendError):
                await backend.take_snapshot(ref, NewSnapshot("calm", disks_only=True, quiesce=True))
            await backend.stop(ref, grace=0)
            await until(fleet, lambda: state(fleet, "kept") is DomainState.SHUTOFF)
            await backend.undefine(ref, Removal(snapshots=True))
            await until(fleet, lambda: found(fleet, "kept") is None)


@pytest.mark.parametrize("linked", [False, True])
async def test_a_clone_boots_from_disks_of_its_own(host: Host, image: Image, tmp_path: Path, *, linked: bool) -> None:
    source = host.make_disk("seed.qcow2")
    connection: Any = host.open()
    pool = connection.storagePoolCreateXML(
        f"<pool type='dir'><name>seeds</name><target><path>{Path(source).parent}</path></target></pool>"
    )
    domain = define_domain(connection, host, "seed", image, disks=[source])
    try:
        async with fleet_of(host, tmp_path) as (fleet, backend):
            ref = await ref_of(fleet, "seed")
            await backend.clone(ref, "twin", linked=linked)
            twin = await ref_of(fleet, "twin")
            await backend.start(twin)
            await until(fleet, lambda: state(fleet, "twin") is DomainState.RUNNING)
            record = found(fleet, "twin")
            assert record is not None
            (disk,) = record.disks
            assert disk.source.endswith("/twin-vda.qcow2")
            assert (disk.backing == source) is linked
            await backend.stop(twin, grace=0)
            await backend.undefine(twin, Removal(volumes=(disk.source,)))
            await until(fleet, lambda: found(fleet, "twin") is None)
            assert "twin-vda.qcow2" not in [volume.name() for volume in pool.listAllVolumes()]
            assert "seed.qcow2" in [volume.name() for volume in pool.listAllVolumes()]
    finally:
        domain.undefine()
        pool.destroy()
        connection.close()


async def test_an_edited_definition_is_checked_and_compared(host: Host, image: Image, tmp_path: Path) -> None:
    connection: Any = host.open()
    domain = define_domain(connection, host, "edited", image)
    try:
        async with fleet_of(host, tmp_path) as (fleet, backend):
            ref = await ref_of(fleet, "edited")
            before = await backend.read_definition(ref)
            with pytest.raises(BackendError, match="refused"):
                await backend.define(ref, before.replace("<vcpu", "<nonsense/><vcpu"), before)
            await backend.define(ref, before.replace("</name>", "</name><title>Shop</title>"), before)
            with pytest.raises(ChangedError):
                await backend.define(ref, before.replace("</name>", "</name><title>Till</title>"), before)
            await until(fleet, lambda: getattr(found(fleet, "edited"), "title", "") == "Shop")
    finally:
        domain.undefine()
        connection.close()


async def test_a_guest_that_hangs_is_cut_off_and_holds_up_nobody(host: Host, image: Image, tmp_path: Path) -> None:
    with running_guest(host, "hung", image), running_guest(host, "well", image):
        async with fleet_of(host, tmp_path) as (fleet, backend):
            hung, well = await ref_of(fleet, "hung"), await ref_of(fleet, "well")
            host.freeze_guest("hung")
            try:
                await backend.pause(well)
                await until(fleet, lambda: state(fleet, "well") is DomainState.PAUSED)
            finally:
                await backend.stop(hung, grace=0)
            await until(fleet, lambda: state(fleet, "hung") is DomainState.SHUTOFF, PATIENCE)
