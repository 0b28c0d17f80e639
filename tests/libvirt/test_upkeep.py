"""Pools and networks are started, refreshed and set to start by themselves, on libvirt's test driver."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.backends.volumes import VolumeUpload
from kvtui.errors import BackendError, ReadOnlyError
from kvtui.model import Ref
from kvtui.records.base import Record
from kvtui.records.libvirt import StoragePool
from kvtui.records.virtual_networks import VirtualNetwork
from tests.libvirt.conftest import live, make_backend, until
from tests.testdriver import host_xml

Verb = Callable[[LibvirtBackend, Ref], Awaitable[None]]


def host(folder: Path) -> str:
    path = folder / "host.xml"
    path.write_text(host_xml("kvm1", 1), encoding="utf-8")
    return f"test://{path}"


async def stop(backend: LibvirtBackend, lookup: str) -> None:
    """As another administrator would."""

    def ask(connection: Any) -> None:
        getattr(connection, lookup)("default").destroy()

    await backend.call(ask, "stop")


@pytest.mark.parametrize(
    ("type_", "lookup", "start", "is_up"),
    [
        (StoragePool, "storagePoolLookupByName", LibvirtBackend.start_pool, lambda pool: pool.state == "running"),
        (VirtualNetwork, "networkLookupByName", LibvirtBackend.start_network, lambda network: network.active),
    ],
)
async def test_what_was_stopped_is_started_again(
    tmp_path: Path, type_: type[Record], lookup: str, start: Verb, is_up: Callable[[Any], bool]
) -> None:
    backend = make_backend(host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(type_) == 1)
        ref, record = next(iter(fleet.view.items(type_)))
        assert is_up(record)
        await stop(backend, lookup)
        await until(fleet, lambda: not is_up(fleet.view.find(type_, ref)))
        await start(backend, ref)
        await until(fleet, lambda: is_up(fleet.view.find(type_, ref)))
        with pytest.raises(BackendError):
            await start(backend, ref)
        results = [json.loads(line)["result"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        assert results == ["asked", "accepted", "asked", "refused"]


async def test_a_pool_and_a_network_are_set_to_start_with_their_host(tmp_path: Path) -> None:
    backend = make_backend(host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(StoragePool) == fleet.view.count(VirtualNetwork) == 1)
        pool, _ = next(iter(fleet.view.items(StoragePool)))
        network, _ = next(iter(fleet.view.items(VirtualNetwork)))
        await backend.set_pool_autostart(pool, True)
        await backend.set_network_autostart(network, True)

        def are_set() -> bool:
            records = (fleet.view.find(StoragePool, pool), fleet.view.find(VirtualNetwork, network))
            return all(record is not None and record.autostart for record in records)

        await until(fleet, are_set)
        await backend.refresh_pool(pool)


async def test_nothing_is_kept_up_where_only_looking_is_allowed(tmp_path: Path) -> None:
    backend = make_backend(host(tmp_path), tmp_path, name="kvm1", read_only=True)
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(StoragePool) == 1)
        ref, _ = next(iter(fleet.view.items(StoragePool)))
        for verb in (LibvirtBackend.start_pool, LibvirtBackend.refresh_pool):
            with pytest.raises(ReadOnlyError):
                await verb(backend, ref)


async def test_a_simulated_pool_takes_no_files_and_says_so(tmp_path: Path) -> None:
    backend = make_backend(host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(StoragePool) == 1)
        pool = next(ref for ref, _ in fleet.view.items(StoragePool))
        with pytest.raises(BackendError, match="kvm1 is libvirt's test driver: it takes no files"):
            await backend.upload_volume(VolumeUpload(pool, "a.img", tmp_path / "host.xml", 10))
    assert not (tmp_path / "audit.jsonl").exists()
