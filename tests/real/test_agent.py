"""What the agent of a real guest is good for: the guest's addresses, and snapshots of file systems at rest."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kvtui.backends.domains import NewSnapshot
from kvtui.errors import BackendError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Address, Domain
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import give_up, import_libvirt
from tests.real.domains import open_shell, running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

libvirt = import_libvirt()
NAME = "spoken"
_FEATURES, _UNSAFE = 1024 + 0x60, 4
"""Of ext4's superblock the incompatible features, and among them that the journal is to be replayed."""


@pytest.fixture
def disk(host: Host, tmp_path: Path) -> tuple[str, Path]:
    """An image with an empty ext4: as the host sees it, and as we do."""
    maker = shutil.which("mke2fs", path="/usr/sbin:/sbin")
    if maker is None:
        give_up("there is no mke2fs here")
    path = host.make_disk(f"{NAME}.qcow2", 32)
    ours, raw = host.folder / "lib" / "images" / f"{NAME}.qcow2", str(tmp_path / "raw")
    for command in (
        ["qemu-img", "create", "-q", "-f", "raw", raw, "32M"],
        [maker, "-q", "-F", "-t", "ext4", raw],
        ["qemu-img", "convert", "-O", "qcow2", raw, f"{ours}.new"],
    ):
        subprocess.run(command, check=True)
    # It keeps its owner.
    ours.write_bytes(Path(f"{ours}.new").read_bytes())
    return path, ours


def is_at_rest(image: Path, folder: Path) -> bool:
    """Whether an image with ext4 is as after an orderly unmount, though it was not unmounted."""
    raw = folder / "look"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", image, raw], check=True)
    with raw.open("rb") as file:
        file.seek(_FEATURES)
        (features,) = struct.unpack("<I", file.read(4))
    return not features & _UNSAFE


def found(fleet: Fleet) -> Domain:
    return fleet.view.get(Domain, "kvm1", "", NAME) or Domain()


async def ref_of(fleet: Fleet, holds: Callable[[Domain], object]) -> Ref:
    await until(fleet, lambda: holds(found(fleet)), 60)
    return found(fleet).ref("kvm1")


async def test_addresses_are_those_that_the_agent_tells(host: Host, image: Image, tmp_path: Path) -> None:
    with running_guest(host, NAME, image, agent=True, network="user"):
        async with live(make_backend(host.uri, tmp_path, name="kvm1")) as fleet:
            await ref_of(fleet, lambda domain: "10.0.2.15" in [one.address for one in domain.addresses])
            (card,) = found(fleet).nics
            assert Address(card.mac, "10.0.2.15", "agent") in found(fleet).addresses


async def test_a_guest_whose_clock_is_off_says_by_how_much(host: Host, image: Image, tmp_path: Path) -> None:
    guest = running_guest(host, NAME, image, agent=True, network="user")
    with guest, open_shell(host.open(), NAME) as line:
        line.run("date -s @$(($(date +%s) - 3600))")
        async with live(make_backend(host.uri, tmp_path, name="kvm1")) as fleet:
            await until(fleet, lambda: found(fleet).clock is not None, 60)
            assert found(fleet).clock == pytest.approx(-3600, abs=30)


async def test_an_agent_that_stands_still_is_mute_until_it_goes_on(host: Host, image: Image, tmp_path: Path) -> None:
    guest = running_guest(host, NAME, image, agent=True, network="user")
    with guest, open_shell(host.open(), NAME) as line:
        line.run("killall -STOP qemu-guest-agent")
        async with live(make_backend(host.uri, tmp_path, name="kvm1")) as fleet:
            await until(fleet, lambda: found(fleet).agent_mute, 60)
            assert found(fleet).agent
            line.run("killall -9 qemu-guest-agent")
            await until(fleet, lambda: found(fleet).agent_mute is None, 30)
            assert found(fleet).agent_lost


@pytest.mark.parametrize("quiesce", [True, False])
async def test_only_a_quiesced_snapshot_has_file_systems_at_rest(
    host: Host, image: Image, disk: tuple[str, Path], tmp_path: Path, *, quiesce: bool
) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, NAME, image, disks=[disk[0]], agent=True), open_shell(host.open(), NAME) as line:
        line.run("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt; echo kept > /mnt/before; sync")
        async with live(backend) as fleet:
            ref = await ref_of(fleet, lambda domain: domain.agent)
            await backend.take_snapshot(
                ref, NewSnapshot("calm" if quiesce else "rough", disks_only=True, quiesce=quiesce)
            )
            await until(fleet, lambda: found(fleet).snapshots == 1, 20)
        assert is_at_rest(disk[1], tmp_path) is quiesce
        assert "thawed" in line.run("echo more > /mnt/after && sync && echo thawed")


async def test_an_agent_that_went_away_is_told_and_nothing_is_taken(
    host: Host, image: Image, disk: tuple[str, Path], tmp_path: Path
) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, NAME, image, disks=[disk[0]], agent=True), open_shell(host.open(), NAME) as line:
        async with live(backend) as fleet:
            ref = await ref_of(fleet, lambda domain: domain.agent)
            line.run("killall -9 qemu-guest-agent")
            await until(fleet, lambda: found(fleet).agent is False, 20)
            assert found(fleet).agent_lost
            with pytest.raises(BackendError, match="guest agent is not connected"):
                await backend.take_snapshot(ref, NewSnapshot("none", disks_only=True, quiesce=True))
            assert found(fleet).snapshots == 0
