"""Files that are sent into volumes of a real pool: counted byte by byte, given up half-way, refused."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.backends.volumes import VolumeTransfer, VolumeUpload
from kvtui.errors import BackendError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import BlockJob, StoragePool, StorageVolume
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.hosts import Host, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()
FOLDER = "/var/lib/libvirt/uploads"
MIB = 2**20


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    """A host with an empty pool."""
    host = make_host("kvm-a", namespaces=True)
    making = host.run("mkdir", "-p", FOLDER)
    wait_until(lambda: not host.is_alive(making), "a folder")
    own = host.open()
    own.storagePoolDefineXML(
        f"<pool type='dir'><name>fast</name><target><path>{FOLDER}</path></target></pool>"
    ).create()
    return host


@pytest.fixture
def backend(host: Host, tmp_path: Path) -> LibvirtBackend:
    return make_backend(host.uri, tmp_path, name="kvm1")


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file that has only what a test wrote into it."""
    path = tmp_path / "slow.img"
    os.mkfifo(path)
    with os.fdopen(os.open(path, os.O_RDWR), "wb", buffering=0) as writer:
        yield path, writer


async def find_pool(fleet: Fleet) -> Ref:
    await until(fleet, lambda: fleet.view.count(StoragePool) == 1, 20)
    return next(ref for ref, _ in fleet.view.items(StoragePool))


def job(fleet: Fleet, name: str) -> BlockJob:
    return fleet.view.get(BlockJob, "kvm1", "", name) or BlockJob()


def volumes(host: Host) -> set[str]:
    return {volume.name() for volume in host.open().storagePoolLookupByName("fast").listAllVolumes()}


def content(host: Host, name: str, length: int) -> bytes:
    connection = host.open()
    stream, found = connection.newStream(0), bytearray()
    connection.storagePoolLookupByName("fast").storageVolLookupByName(name).download(stream, 0, length, 0)
    stream.recvAll(lambda _stream, data, _opaque: found.extend(data), None)
    stream.finish()
    return bytes(found)


async def test_every_byte_arrives_and_is_counted_on_its_way(
    host: Host, backend: LibvirtBackend, slow: tuple[Path, BinaryIO]
) -> None:
    path, writer = slow
    data = os.urandom(4 * MIB)
    async with live(backend) as fleet:
        transfer = VolumeTransfer(backend, VolumeUpload(await find_pool(fleet), "a.img", path, len(data)))
        running = asyncio.create_task(transfer.run())
        await asyncio.to_thread(writer.write, data[: 3 * MIB])
        await until(fleet, lambda: job(fleet, "fast/a.img").done == 3 * MIB, 20)
        told = job(fleet, "fast/a.img")
        assert (told.operation, told.phase, told.total, told.source) == ("upload", "Running", 4 * MIB, str(path))
        assert (transfer.words, transfer.done, transfer.lines[0][:11]) == ("75%", 0.75, "3MiB of 4Mi")
        await asyncio.to_thread(writer.write, data[3 * MIB :])
        await running
        await until(fleet, lambda: job(fleet, "fast/a.img").phase == "Completed")
        await until(fleet, lambda: fleet.view.get(StorageVolume, "kvm1", "", "fast/a.img"))
    assert content(host, "a.img", len(data)) == data


async def test_holes_stay_holes_and_the_rest_arrives(host: Host, backend: LibvirtBackend, tmp_path: Path) -> None:
    path, data = tmp_path / "holes.img", os.urandom(MIB)
    with path.open("wb") as file:
        for place in (0, 20 * MIB):
            file.seek(place)
            file.write(data)
        file.truncate(64 * MIB)
    async with live(backend) as fleet:
        pool = await find_pool(fleet)
        transfer = VolumeTransfer(backend, VolumeUpload(pool, "holes.img", path, 64 * MIB))
        await transfer.run()
        assert transfer.done == 1.0
        await until(fleet, lambda: job(fleet, "fast/holes.img").phase == "Completed")
    own = host.open()
    _, capacity, allocation = own.storagePoolLookupByName("fast").storageVolLookupByName("holes.img").info()
    assert (capacity, allocation < 4 * MIB) == (64 * MIB, True)
    assert content(host, "holes.img", 64 * MIB) == path.read_bytes()


async def test_an_image_is_known_by_its_format_once_it_is_there(
    host: Host, backend: LibvirtBackend, tmp_path: Path
) -> None:
    path = tmp_path / "disk.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), "64M"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    async with live(backend) as fleet:
        pool = await find_pool(fleet)
        await backend.upload_volume(VolumeUpload(pool, "disk.qcow2", path, path.stat().st_size))

        def known() -> StorageVolume:
            return fleet.view.get(StorageVolume, "kvm1", "", "fast/disk.qcow2") or StorageVolume()

        await until(fleet, lambda: (known().format, known().capacity) == ("qcow2", 64 * MIB), 20)


async def test_one_that_is_given_up_leaves_no_volume(
    host: Host, backend: LibvirtBackend, slow: tuple[Path, BinaryIO], tmp_path: Path
) -> None:
    path, writer = slow
    async with live(backend) as fleet:
        transfer = VolumeTransfer(backend, VolumeUpload(await find_pool(fleet), "b.img", path, 4 * MIB))
        running = asyncio.create_task(transfer.run())
        await asyncio.to_thread(writer.write, bytes(MIB))
        await until(fleet, lambda: job(fleet, "fast/b.img").done == MIB, 20)
        assert volumes(host) == {"b.img"}
        transfer.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert transfer.failure == "cancelled: volume fast/b.img is deleted again"
        # What is read by now is the last.
        await asyncio.to_thread(writer.write, bytes(MIB // 4))
        await until(fleet, lambda: job(fleet, "fast/b.img").phase == "Cancelled", 20)
        assert volumes(host) == set()
    results = [json.loads(line)["result"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert results == ["asked", "unknown"]


async def test_what_cannot_be_sent_leaves_what_was_there(host: Host, backend: LibvirtBackend, tmp_path: Path) -> None:
    path = tmp_path / "c.img"
    path.write_bytes(b"first")
    async with live(backend) as fleet:
        pool = await find_pool(fleet)
        await backend.upload_volume(VolumeUpload(pool, "c.img", path, 5))
        with pytest.raises(BackendError, match="exists already"):
            await backend.upload_volume(VolumeUpload(pool, "c.img", path, 5))
        with pytest.raises(BackendError, match="has become shorter"):
            await backend.upload_volume(VolumeUpload(pool, "d.img", path, 50))
        with pytest.raises(BackendError, match="cannot be read"):
            await backend.upload_volume(VolumeUpload(pool, "e.img", tmp_path, 50))
        await until(fleet, lambda: job(fleet, "fast/d.img").phase == "Failed", 20)
    assert volumes(host) == {"c.img"}
    assert content(host, "c.img", 5) == b"first"
