"""The demo's pool of plain hosts: files that libvirt's own driver reads, and the cluster's control plane in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtui.cli.demo import Underlay
from kvtui.demo.catalog.hosts import CONTROL_PLANES, system_uuid
from kvtui.demo.pool import HOSTS, MOST, write_hosts
from kvtui.model import Ref
from kvtui.records.libvirt import Domain

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from tests.libvirt.conftest import live, make_backend, until  # noqa: E402 - it needs libvirt


def test_every_host_is_read_and_runs_a_node_of_the_control_plane(tmp_path: Path) -> None:
    planes = set()
    for name, uri in write_hosts(tmp_path):
        connection = libvirt.open(uri)
        domains = {domain.name(): domain for domain in connection.listAllDomains()}
        assert name.startswith("kvm-")
        assert len(domains) > 5
        assert {domain.state()[0] for domain in domains.values()} >= {
            libvirt.VIR_DOMAIN_RUNNING,
            libvirt.VIR_DOMAIN_PAUSED,
        }
        assert connection.storagePoolLookupByName("images").isActive()
        planes |= {domain.UUIDString() for domain in domains.values()} & {
            system_uuid(at) for at in range(CONTROL_PLANES)
        }
        connection.close()
    assert len(planes) == HOSTS == CONTROL_PLANES


async def test_what_becomes_of_the_control_planes_domains_is_told_once_each(tmp_path: Path) -> None:
    hosts = [make_backend(uri, tmp_path, name=name) for name, uri in write_hosts(tmp_path, 2)]
    told: list[str] = []
    underlay = Underlay(told.append)
    async with live(*hosts) as fleet:
        fleet.listen(underlay.heed)
        await until(fleet, lambda: fleet.view.get(Domain, "kvm-2", "", "cp-2"))
        first, second = (
            Ref(f"kvm-{number + 1}", Domain.KIND, "", f"cp-{number + 1}", system_uuid(number)) for number in (0, 1)
        )
        await hosts[0].stop(first, grace=0)
        await until(fleet, lambda: len(told) == 1)
        await hosts[1].pause(second)
        await until(fleet, lambda: len(told) == 2)
        await hosts[0].stop(Ref("kvm-1", Domain.KIND, "", "git-1"), grace=0)
        await hosts[0].start(first)
        await until(fleet, lambda: len(told) == 3)
    uuids = system_uuid(0), system_uuid(1)
    assert told == [f"{uuids[0]} off\n", f"{uuids[1]} paused\n", f"{uuids[0]} running\n"]


def test_a_pool_has_room_for_its_volumes(tmp_path: Path) -> None:
    ((_, uri),) = write_hosts(tmp_path, 1)
    connection = libvirt.open(uri)
    pool = connection.storagePoolLookupByName("images")
    _, capacity, allocation, free = pool.info()
    grown = sum(volume.info()[1] for volume in pool.listAllVolumes())
    connection.close()
    assert capacity == allocation + free
    # Else a pool that is well would be told to be promised beyond its size.
    assert grown <= capacity


def test_there_may_be_many_hosts_whose_machines_differ(tmp_path: Path) -> None:
    uuids: list[str] = []
    for _, uri in write_hosts(tmp_path, MOST):
        connection = libvirt.open(uri)
        uuids += [domain.UUIDString() for domain in connection.listAllDomains()]
        connection.close()
    assert len(uuids) == len(set(uuids))
