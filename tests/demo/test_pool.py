"""The demo's pool of plain hosts: files that libvirt's own driver reads, and the cluster's control plane in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtui.demo.catalog.hosts import CONTROL_PLANES, system_uuid
from kvtui.demo.pool import HOSTS, MOST, write_hosts

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed")


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


def test_there_may_be_many_hosts_whose_machines_differ(tmp_path: Path) -> None:
    uuids: list[str] = []
    for _, uri in write_hosts(tmp_path, MOST):
        connection = libvirt.open(uri)
        uuids += [domain.UUIDString() for domain in connection.listAllDomains()]
        connection.close()
    assert len(uuids) == len(set(uuids))
