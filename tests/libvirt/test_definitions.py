"""Definitions, clones and snapshots of domains, on libvirt's test driver."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kvtui.backends.domains import Clones, Definitions, Devices, NewDisk, NewSnapshot, Removal, Scope, Snapshots
from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.backends.libvirt.clones import describe_clone, list_copied
from kvtui.backends.libvirt.definitions import check_identity
from kvtui.backends.libvirt.volumes import Image
from kvtui.errors import BackendError, ChangedError, ConflictError, ReadOnlyError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import Domain
from kvtui.resources import find
from kvtui.resources.form import Answers
from tests.libvirt.conftest import live, make_backend, until
from tests.libvirt.test_describe import XML

UUID = "00000000-0000-4000-8000-000000000001"
HOST = f"""<node>
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>web</name><uuid>{UUID}</uuid>
<title>Shop</title><memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type>hvm</type></os>
<test:runstate>5</test:runstate>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/pool/web.qcow2'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='/iso/a.iso'/><target dev='sda' bus='sata'/><readonly/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface></devices></domain>
<pool type='dir'><name>pool</name><target><path>/pool</path></target>
<volume><name>web.qcow2</name><capacity unit='MiB'>10</capacity><target><path>/pool/web.qcow2</path>
<format type='qcow2'/></target></volume></pool></node>"""


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[LibvirtBackend]:
    """A host with the domain web, which is off, and its volume."""
    (tmp_path / "host.xml").write_text(HOST)
    backend = make_backend(f"test://{tmp_path}/host.xml", tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        fleets[backend] = fleet
        yield backend
        del fleets[backend]


fleets: dict[LibvirtBackend, Fleet] = {}
WEB = Ref("kvm1", Domain.KIND, "", "web", UUID)


def audited(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "audit.jsonl").read_text().splitlines()
    return [(entry["verb"], entry["result"]) for entry in map(json.loads, lines)]


async def volumes(backend: LibvirtBackend) -> list[str]:
    def look(connection: Any) -> list[str]:
        return sorted(volume.name() for volume in connection.storagePoolLookupByName("pool").listAllVolumes())

    return await backend.call(look, "volumes")


async def xml_of(backend: LibvirtBackend, name: str) -> str:
    return await backend.call(lambda connection: str(connection.lookupByName(name).XMLDesc(0)), "XML")


def test_hosts_can_do_what_the_protocols_say(backend: LibvirtBackend) -> None:
    for protocol in (Devices, Definitions, Clones, Snapshots):
        assert isinstance(backend, protocol)


# Definitions


async def test_an_edited_definition_is_stored(backend: LibvirtBackend, tmp_path: Path) -> None:
    before = await backend.read_definition(WEB)
    await backend.define(WEB, before.replace("Shop", "Till"), before)
    fleet = fleets[backend]
    await until(fleet, lambda: [domain.title for _, domain in fleet.view.items(Domain)] == ["Till"])
    assert audited(tmp_path) == [("define", "asked"), ("define", "accepted")]


async def test_a_definition_that_somebody_changed_meanwhile_is_not_overwritten(backend: LibvirtBackend) -> None:
    before = await backend.read_definition(WEB)
    await backend.define(WEB, before.replace("Shop", "Till"), before)
    with pytest.raises(ChangedError) as caught:
        await backend.define(WEB, before.replace("Shop", "Mine"), before)
    assert "<title>Till</title>" in caught.value.found
    assert "Till" in await xml_of(backend, "web")


@pytest.mark.parametrize(
    ("change", "words"),
    [(("<vcpu", "<vcpx"), "is no XML"), (("<memory ", "<memory nonsense='1' "), ""),
     ((UUID, UUID[:-1] + "2"), "another VM"), ((f"<uuid>{UUID}</uuid>", ""), "another VM")],
)  # fmt: skip
async def test_a_definition_that_will_not_do_is_refused(
    backend: LibvirtBackend, change: tuple[str, str], words: str
) -> None:
    before = await backend.read_definition(WEB)
    with pytest.raises(BackendError) as caught:
        await backend.define(WEB, before.replace(*change), before)
    assert words in caught.value.title
    assert await backend.read_definition(WEB) == before


def test_a_text_without_a_root_is_no_definition() -> None:
    with pytest.raises(ConflictError, match="no XML"):
        check_identity("", UUID)


# Undefining


async def test_what_is_undefined_keeps_its_volumes_unless_they_are_chosen(backend: LibvirtBackend) -> None:
    await backend.undefine(WEB, Removal())
    fleet = fleets[backend]
    await until(fleet, lambda: fleet.view.count(Domain) == 0)
    assert await volumes(backend) == ["web.qcow2"]


async def test_volumes_that_are_chosen_go_too(backend: LibvirtBackend, tmp_path: Path) -> None:
    await backend.undefine(WEB, Removal(volumes=("/pool/web.qcow2",)))
    assert await volumes(backend) == []
    assert audited(tmp_path)[0] == ("undefine with /pool/web.qcow2", "asked")


async def test_a_volume_that_no_pool_has_stops_all_of_it(backend: LibvirtBackend) -> None:
    with pytest.raises(ConflictError, match="no pool has /pool/other"):
        await backend.undefine(WEB, Removal(volumes=("/pool/web.qcow2", "/pool/other")))
    assert await volumes(backend) == ["web.qcow2"]
    assert "web" in await xml_of(backend, "web")


async def test_a_machine_that_runs_is_not_undefined(backend: LibvirtBackend) -> None:
    await backend.start(WEB)
    with pytest.raises(ConflictError, match="it runs"):
        await backend.undefine(WEB, Removal())


async def test_saved_memory_goes_only_when_it_is_chosen(backend: LibvirtBackend) -> None:
    await backend.start(WEB)
    await backend.save(WEB)
    with pytest.raises(BackendError, match="managed save"):
        await backend.undefine(WEB, Removal())
    await backend.undefine(WEB, Removal(save=True))


# Clones


@pytest.mark.parametrize("linked", [False, True])
async def test_a_clone_has_its_own_identity_and_disks(backend: LibvirtBackend, *, linked: bool) -> None:
    await backend.clone(WEB, "web2", linked=linked)
    fleet = fleets[backend]
    await until(fleet, lambda: fleet.view.count(Domain) == 2)
    clone = fleet.view.get(Domain, "kvm1", "", "web2")
    assert clone is not None
    assert clone.metadata.uid != UUID
    assert not clone.active
    assert [disk.source for disk in clone.disks] == ["/pool/web2-vda.qcow2", "/iso/a.iso"]
    assert clone.nics[0].mac != "52:54:00:00:00:01"
    assert clone.nics[0].source == "default"
    assert await volumes(backend) == ["web.qcow2", "web2-vda.qcow2"]


async def test_a_clone_of_a_name_that_is_taken_is_refused(backend: LibvirtBackend) -> None:
    with pytest.raises(ConflictError, match="there is a VM web already"):
        await backend.clone(WEB, "web", linked=False)


async def test_a_clone_that_fails_half_way_leaves_nothing(backend: LibvirtBackend) -> None:
    with pytest.raises(BackendError):
        await backend.clone(WEB, "a/b", linked=False)
    assert await volumes(backend) == ["web.qcow2"]


async def test_a_machine_that_runs_is_not_cloned(backend: LibvirtBackend) -> None:
    await backend.start(WEB)
    with pytest.raises(ConflictError, match="it runs"):
        await backend.clone(WEB, "web2", linked=False)


async def test_a_disk_in_no_pool_is_named(backend: LibvirtBackend) -> None:
    before = await backend.read_definition(WEB)
    await backend.define(WEB, before.replace("/pool/web.qcow2", "/elsewhere/web.qcow2"), before)
    with pytest.raises(ConflictError, match="disk vda is no volume of a pool: /elsewhere/web") as caught:
        await backend.clone(WEB, "web2", linked=False)
    assert caught.value.hint == "define a pool for its folder"


@pytest.mark.parametrize(
    ("active", "way_out"),
    [(True, "refresh pool pool (R in :pools), and try again"), (False, "start pool pool (s in :pools)")],
)
async def test_of_a_disk_that_its_pool_does_not_know_the_pool_is_named(
    backend: LibvirtBackend, *, active: bool, way_out: str
) -> None:
    before = await backend.read_definition(WEB)
    await backend.define(WEB, before.replace("/pool/web.qcow2", "/pool/new.qcow2"), before)

    def stop(connection: Any) -> None:
        connection.storagePoolLookupByName("pool").destroy()

    if not active:
        await backend.call(stop, "stop")
    with pytest.raises(ConflictError, match="disk vda is no volume of a pool: /pool/new") as caught:
        await backend.clone(WEB, "web2", linked=False)
    assert caught.value.hint == way_out
    assert "pool pool" in caught.value.detail


def test_a_clone_shares_only_what_may_be_shared() -> None:
    assert [(disk.target, disk.source) for disk in list_copied(XML)] == [("vda", "/pool/db-1.qcow2")]
    text = describe_clone(XML, "db-2", UUID, {"vda": Image("file", "/pool/db-2.qcow2", format="qcow2")})
    assert "db-1.qcow2" not in text
    assert "52:54:00" not in text
    assert "vnet3" not in text
    assert 'volume="wal"' in text
    assert "libosinfo:os" in text


# Snapshots


async def test_snapshots_are_taken_reverted_to_and_deleted(backend: LibvirtBackend, tmp_path: Path) -> None:
    await backend.take_snapshot(WEB, NewSnapshot("clean", "before the update"))
    await backend.start(WEB)
    await backend.take_snapshot(WEB, NewSnapshot("later"))
    fleet = fleets[backend]
    await until(fleet, lambda: [domain.snapshots for _, domain in fleet.view.items(Domain)] == [2])
    await backend.revert(WEB, "clean")
    await until(fleet, lambda: not next(domain for _, domain in fleet.view.items(Domain)).active)
    await backend.delete_snapshot(WEB, "clean", children=True)
    await until(fleet, lambda: [domain.snapshots for _, domain in fleet.view.items(Domain)] == [0])
    assert [verb for verb, result in audited(tmp_path) if result == "accepted"] == [
        "snapshot clean", "start", "snapshot later", "revert to snapshot clean",
        "delete snapshot clean and those after it",
    ]  # fmt: skip


async def test_a_snapshot_that_is_not_there_is_told_of(backend: LibvirtBackend) -> None:
    with pytest.raises(BackendError, match="no domain snapshot"):
        await backend.revert(WEB, "gone")


# Read-only


async def test_a_read_only_host_changes_no_definition(tmp_path: Path) -> None:
    (tmp_path / "host.xml").write_text(HOST)
    backend = make_backend(f"test://{tmp_path}/host.xml", tmp_path, name="kvm1", read_only=True)
    both = Scope(live=True, stored=True)
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        for attempt in (
            backend.read_definition(WEB), backend.define(WEB, "", ""), backend.undefine(WEB, Removal()),
            backend.clone(WEB, "x", linked=False), backend.take_snapshot(WEB, NewSnapshot()),
            backend.revert(WEB, "x"), backend.delete_snapshot(WEB, "x"), backend.attach_disk(WEB, NewDisk(), both),
            backend.detach_disk(WEB, "vda", both), backend.change_medium(WEB, "sda", "", both),
            backend.detach_nic(WEB, "52:54:00:00:00:01", both),
        ):  # fmt: skip
            with pytest.raises(ReadOnlyError):
                await attempt
        assert await volumes(backend) == ["web.qcow2"]


# As rows of their own


async def test_a_snapshot_is_gone_back_to_and_deleted_from_its_own_row(backend: LibvirtBackend) -> None:
    await backend.take_snapshot(WEB, NewSnapshot("a"))
    await backend.take_snapshot(WEB, NewSnapshot("b"))
    fleet, ref = fleets[backend], Ref("kvm1", DomainSnapshot.KIND, "", "web/a")
    await until(fleet, lambda: fleet.view.count(DomainSnapshot) == 2)
    resource = find("snapshots", fleet.resources)
    assert resource is not None
    revert, delete = resource.actions
    row = resource.row(fleet.view, ref)
    await revert.run(backend, row, Answers({}))
    await until(fleet, lambda: revert.settled(row, resource.row(fleet.view, ref)))
    await delete.run(backend, row, Answers({"children": True}))
    await until(fleet, lambda: fleet.view.count(DomainSnapshot) == 0)


async def test_a_volume_on_which_a_clone_stands_goes_neither_with_its_vm_nor_alone(backend: LibvirtBackend) -> None:
    await backend.clone(WEB, "web-2", linked=True)
    with pytest.raises(ConflictError, match=r"pool/web\.qcow2 is needed") as refused:
        await backend.undefine(WEB, Removal(volumes=("/pool/web.qcow2",)))
    assert "web-2" in refused.value.detail
    (volume,) = [name for name in await volumes(backend) if name == "web.qcow2"]
    with pytest.raises(ConflictError, match="is needed"):
        await backend.delete_volume(Ref("kvm1", "StorageVolume", "", f"pool/{volume}"))


async def test_a_volume_that_nobody_needs_is_deleted(backend: LibvirtBackend) -> None:
    await backend.undefine(WEB, Removal())
    await backend.delete_volume(Ref("kvm1", "StorageVolume", "", "pool/web.qcow2"))
    assert "web.qcow2" not in await volumes(backend)
