"""What goes on with real domains is told while it does: migrations, saves, copies of disks; and which QEMU hangs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kvtui.fleet import Fleet
from kvtui.joins.transit import Transit
from kvtui.model import FeedState
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, StorageVolume
from kvtui.resources import find
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import open_shell, running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

libvirt = import_libvirt()


@asynccontextmanager
async def watching(pair: tuple[Host, Host], folder: Path) -> AsyncIterator[Fleet]:
    """A fleet of both hosts, kvm1 and kvm2."""
    async with live(*(make_backend(host.uri, folder, name=f"kvm{at}") for at, host in enumerate(pair, 1))) as fleet:
        yield fleet


def migrations(fleet: Fleet) -> list[Transit]:
    """The rows of the pane."""
    resource = find("migrations", fleet.resources)
    assert resource is not None
    rows = [resource.row(fleet.view, ref) for ref in resource.refs(fleet.view)]
    return [row for row in rows if row is not None]


def job(fleet: Fleet, name: str, backend: str = "kvm1") -> DomainJob:
    return fleet.view.get(DomainJob, backend, "", name) or DomainJob()


def domain(fleet: Fleet, name: str, backend: str = "kvm1") -> Domain:
    return fleet.view.get(Domain, backend, "", name) or Domain()


async def test_a_migration_is_one_row_with_real_bytes_and_its_end(
    pair: tuple[Host, Host], image: Image, tmp_path: Path
) -> None:
    with running_guest(pair[0], "pendler", image):
        there, moving = pair[1].open(), pair[0].open().lookupByName("pendler")
        observer = pair[0].open().lookupByName("pendler")
        with open_shell(pair[0].open(), "pendler") as line:
            line.run("dirty 32 & echo $!")
            terms: dict[str, Any] = {"migrate_uri": "tcp://127.0.0.1", "bandwidth": 4}
            errors: list[Exception] = []

            def move() -> None:
                try:
                    moving.migrate3(there, terms, libvirt.VIR_MIGRATE_LIVE)
                except libvirt.libvirtError as error:
                    errors.append(error)

            async with watching(pair, tmp_path) as fleet:
                await until(fleet, lambda: domain(fleet, "pendler").active, 20)
                thread = threading.Thread(target=move)
                thread.start()
                await until(fleet, lambda: job(fleet, "pendler").done > 2**20, 30)
                await until(fleet, lambda: [row.target for row in migrations(fleet)] == ["kvm2"], 30)
                (row,) = migrations(fleet)
                assert (row.source, row.job.phase) == ("kvm1", "Running")
                assert 0 < row.job.left < row.job.total
                assert 2**20 < (row.job.rate or 0) < 16 * 2**20
                observer.abortJob()
                await until(fleet, lambda: job(fleet, "pendler").is_final, 30)
                ended = job(fleet, "pendler")
                # Whoever did not ask for it is not told whether it failed or was ended.
                assert (ended.phase, "stayed here" in ended.reason) == ("Failed", True)
                thread.join(20)
                assert len(errors) == 1
                line.run("kill %1; rm /tmp/dirt")
                terms["bandwidth"] = 1000
                thread = threading.Thread(target=move)
                thread.start()
                await until(fleet, lambda: job(fleet, "pendler").phase == "Completed", 30)
                assert (job(fleet, "pendler").left, job(fleet, "pendler").total > 2**26) == (0, True)
                assert (job(fleet, "pendler").downtime or 0) > 0
                thread.join(20)
                assert [row.target for row in migrations(fleet)] == ["kvm2"]
        there.lookupByName("pendler").destroy()


async def test_copies_of_disks_and_snapshots_and_saves_are_told(
    pair: tuple[Host, Host], image: Image, tmp_path: Path
) -> None:
    disk = pair[0].make_disk("holder.qcow2", 64)
    with running_guest(pair[0], "holder", image, disks=[disk]):
        own = pair[0].open()
        pool = own.storagePoolCreateXML(
            f"<pool type='dir'><name>images</name><target><path>{Path(disk).parent}</path></target></pool>"
        )
        try:
            async with watching(pair, tmp_path) as fleet:
                await until(fleet, lambda: domain(fleet, "holder").active, 20)
                await until(fleet, lambda: fleet.view.count(StorageVolume, "kvm1") > 0, 20)
                volumes = find("volumes", fleet.resources)
                assert volumes is not None
                rows = [row for ref in volumes.refs(fleet.view) if (row := volumes.row(fleet.view, ref)) is not None]
                assert [row.users for row in rows if row.name == "holder.qcow2"] == [("holder",)]
                handle = own.lookupByName("holder")
                handle.snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
                # It paused the guest, which is an event.
                await until(fleet, lambda: fleet.view.count(DomainSnapshot, "kvm1") == 1, 10)
                await until(fleet, lambda: domain(fleet, "holder").snapshots == 1, 10)
                target = f"<disk type='file'><source file='{disk}.copy'/><driver type='qcow2'/></disk>"
                handle.blockCopy("vda", target, {}, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)

                def copy() -> BlockJob:
                    return fleet.view.get(BlockJob, "kvm1", "", "holder/vda") or BlockJob()

                await until(fleet, lambda: copy().phase == "Ready", 30)
                assert (copy().operation, copy().source) == ("copy", disk)
                handle.blockJobAbort("vda", 0)
                await until(fleet, lambda: copy().phase == "Cancelled", 10)
                handle.snapshotLookupByName("before").delete()
                handle.managedSave()
                await until(fleet, lambda: job(fleet, "holder").operation == "save", 20)
                assert (job(fleet, "holder").phase, job(fleet, "holder").total > 2**26) == ("Completed", True)
                assert migrations(fleet) == []
                handle.managedSaveRemove()
        finally:
            pool.destroy()


async def test_a_frozen_qemu_is_named_and_the_figures_of_the_others_go_on(
    pair: tuple[Host, Host], image: Image, tmp_path: Path
) -> None:
    with running_guest(pair[0], "frozen", image), running_guest(pair[0], "well", image):
        async with watching(pair, tmp_path) as fleet:
            await until(fleet, lambda: domain(fleet, "frozen").use is not None, 20)
            pair[0].freeze_guest("frozen")
            try:
                await until(fleet, lambda: domain(fleet, "frozen").hung, 40)
                assert not domain(fleet, "well").hung
                used = domain(fleet, "well").use
                # One that idles may use the same all the time; it boots, and then it idles again.
                pair[0].open().lookupByName("well").reset(0)
                await until(fleet, lambda: domain(fleet, "well").use not in (None, used), 20)
                begun = domain(fleet, "well")
                pair[0].open().lookupByName("well").suspend()
                await until(fleet, lambda: domain(fleet, "well").state != begun.state, 5)
            finally:
                pair[0].thaw_guest("frozen")
            await until(fleet, lambda: not domain(fleet, "frozen").hung, 40)


async def test_a_qemu_that_other_clients_ask_without_pause_does_not_hang(
    pair: tuple[Host, Host], image: Image, tmp_path: Path
) -> None:
    ends = threading.Event()

    def ask() -> None:
        connection = pair[0].open()
        while not ends.is_set():
            connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_BLOCK)

    others = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    with running_guest(pair[0], "busy", image):
        async with watching(pair, tmp_path) as fleet:
            await until(fleet, lambda: domain(fleet, "busy").use is not None, 20)
            for other in others:
                other.start()
            try:
                with pytest.raises(TimeoutError):
                    await until(fleet, lambda: domain(fleet, "busy").hung, 25)
            finally:
                ends.set()
                for other in others:
                    other.join(5)


async def test_a_frozen_qemu_holds_up_no_jobs_and_snapshots_of_others(
    pair: tuple[Host, Host], image: Image, tmp_path: Path
) -> None:
    disks = [pair[0].make_disk("frozen.qcow2", 16)], [pair[0].make_disk("busy.qcow2", 64)]
    told: set[str] = set()
    with running_guest(pair[0], "frozen", image, disks=disks[0]), running_guest(pair[0], "busy", image, disks=disks[1]):
        async with watching(pair, tmp_path) as fleet:
            await until(fleet, lambda: domain(fleet, "frozen").use and domain(fleet, "busy").use, 20)
            fleet.listen(lambda _: told.update(f"{one.kind} {one.state}" for one in fleet.view.feeds()))
            handle = pair[0].open().lookupByName("busy")
            pair[0].freeze_guest("frozen")
            try:
                await until(fleet, lambda: domain(fleet, "frozen").hung, 40)
                target = f"<disk type='file'><source file='{disks[1][0]}.copy'/><driver type='qcow2'/></disk>"
                handle.blockCopy("vda", target, {}, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
                await until(fleet, lambda: fleet.view.get(BlockJob, "kvm1", "", "busy/vda"), 5)
                handle.blockJobAbort("vda", 0)
                handle.snapshotCreateXML("<domainsnapshot><name>then</name></domainsnapshot>")
                await until(fleet, lambda: fleet.view.count(DomainSnapshot, "kvm1") == 1, 5)
                handle.snapshotLookupByName("then").delete()
            finally:
                pair[0].thaw_guest("frozen")
            await until(fleet, lambda: not domain(fleet, "frozen").hung, 40)
    assert not [words for words in told if words.endswith(FeedState.STALE)]
