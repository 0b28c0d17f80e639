"""What is in the drive of a real guest: changed while it runs and for later, and what the guest has locked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvtui.backends.domains import NewDisk, Scope
from kvtui.errors import BackendError, ConflictError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Disk, Domain, StorageVolume
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import open_shell, running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

libvirt = import_libvirt()
BOTH = Scope(live=True, stored=True)
LIVE = Scope(live=True, stored=False)
_SIGN = slice(0x8001, 0x8006)
"""Where an image says that it is one of a disc (ECMA-119)."""
READ = "head -c 4 /dev/sr0; echo"


@pytest.fixture
def media(host: Host) -> Iterator[Path]:
    """A folder of a host, which is a pool too, with the discs aaaa.iso and bbbb.iso, each full of its name."""
    folder = Path(host.make_disk("media.qcow2")).parent
    there = host.folder / "lib" / "images"
    for letter in "ab":
        disc = bytearray(letter.encode() * 2048 * 200)
        disc[_SIGN] = b"CD001"
        (there / f"{letter * 4}.iso").write_bytes(disc)
    connection: Any = host.open()
    pool = connection.storagePoolCreateXML(
        f"<pool type='dir'><name>media</name><target><path>{folder}</path></target></pool>"
    )
    yield folder
    pool.destroy()
    connection.close()


def drive(fleet: Fleet) -> Disk:
    domain = fleet.view.get(Domain, "kvm1", "", "drives")
    return next((disk for disk in domain.disks if disk.target == "sda"), Disk()) if domain is not None else Disk()


def stored(host: Host) -> str:
    connection = host.open()
    xml: str = connection.lookupByName("drives").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    connection.close()
    return xml


async def ref_of(fleet: Fleet) -> Ref:
    await until(fleet, lambda: drive(fleet).target, 20)
    return next(ref for ref, _ in fleet.view.items(Domain))


async def test_a_medium_is_ejected_and_another_inserted_for_now_and_for_later(
    host: Host, image: Image, media: Path, tmp_path: Path
) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    first, second = f"{media}/aaaa.iso", f"{media}/bbbb.iso"
    with running_guest(host, "drives", image, medium=first), open_shell(host.open(), "drives") as line:
        assert "aaaa" in line.run(READ)
        async with live(backend) as fleet:
            ref = await ref_of(fleet)
            await backend.change_medium(ref, "sda", "", LIVE)
            await until(fleet, lambda: not drive(fleet).source)
            assert "No medium found" in line.run(READ)
            assert first in stored(host)
            await backend.change_medium(ref, "sda", second, BOTH)
            await until(fleet, lambda: drive(fleet).source == second)
            assert "bbbb" in line.run(READ)
            assert second in stored(host)
            await backend.change_medium(ref, "sda", "media/aaaa.iso", LIVE)
            await until(fleet, lambda: drive(fleet).source == "media/aaaa.iso")
            assert "aaaa" in line.run(READ)
            with pytest.raises(BackendError, match="no drive sdz"):
                await backend.change_medium(ref, "sdz", "", LIVE)
            with pytest.raises(BackendError, match="refused"):
                await backend.change_medium(ref, "sda", f"{media}/none.iso", LIVE)


async def test_a_drive_that_the_guest_has_locked_is_opened_by_force_only(
    host: Host, image: Image, media: Path, tmp_path: Path
) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    first, second = f"{media}/aaaa.iso", f"{media}/bbbb.iso"
    with running_guest(host, "drives", image, medium=first), open_shell(host.open(), "drives") as line:
        line.run("exec 3</dev/sr0")
        async with live(backend) as fleet:
            ref = await ref_of(fleet)
            with pytest.raises(ConflictError, match="the guest has locked drive sda") as caught:
                await backend.change_medium(ref, "sda", second, BOTH)
            assert "by force" in caught.value.hint
            assert drive(fleet).source == first
            assert first in stored(host)
            await backend.change_medium(ref, "sda", second, BOTH, force=True)
            await until(fleet, lambda: drive(fleet).source == second)
            assert second in stored(host)
            assert "bbbb" in line.run(READ)


async def test_a_disc_of_a_pool_gets_a_drive_of_its_own(host: Host, image: Image, media: Path, tmp_path: Path) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "drives", image, medium=""), open_shell(host.open(), "drives") as line:
        async with live(backend) as fleet:
            ref = await ref_of(fleet)
            await until(fleet, lambda: fleet.view.get(StorageVolume, "kvm1", "", "media/aaaa.iso"), 20)
            disk = NewDisk(pool="media", volume="aaaa.iso", device="cdrom", bus="scsi")
            await backend.attach_disk(ref, disk, BOTH)
            assert "aaaa" in line.run("until [ -e /dev/sr1 ]; do sleep 0.1; done; head -c 4 /dev/sr1; echo")
            assert f"{media}/aaaa.iso" in stored(host)
