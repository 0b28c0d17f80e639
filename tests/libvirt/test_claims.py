"""Who has a file on a host: domains and volumes of libvirt's test driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvtui.backends.libvirt.claims import Claim, find_claims
from kvtui.records.libvirt import Disk

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed")

UUID = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Any]:
    """One with a pool ``images`` and no domain."""
    file = tmp_path / "host.xml"
    file.write_text("<node></node>", encoding="utf-8")
    connection = libvirt.open(f"test://{file}")
    pool = "<pool type='dir'><name>images</name><target><path>/images</path></target></pool>"
    connection.storagePoolDefineXML(pool).create()
    yield connection
    connection.close()


def define(host: Any, name: str, uuid: str, source: str, kind: str = "file") -> None:
    host.defineXML(
        f"<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>1024</memory><os><type>hvm</type></os>"
        f"<devices><disk type='{kind}'><source {source}/><target dev='vda'/></disk></devices></domain>"
    )


def make(host: Any, name: str, base: str = "") -> None:
    backing = f"<backingStore><path>{base}</path></backingStore>" if base else ""
    host.storagePoolLookupByName("images").createXML(
        f"<volume><name>{name}</name><capacity>1024</capacity>{backing}</volume>"
    )


def claim(host: Any, source: str = "/images/db.qcow2", kind: str = "file") -> Claim:
    (found,) = find_claims(host, UUID, [Disk(target="vda", kind=kind, source=source)])
    return found


def test_a_file_is_that_of_a_domain_which_is_off_though_no_pool_knows_it(host: Any) -> None:
    define(host, "other", OTHER, "file='/images//db.qcow2'")
    assert claim(host).owner == "db.qcow2 there is the disk of VM other"
    assert claim(host, "images/db.qcow2", "volume").owner == "db.qcow2 there is the disk of VM other"
    assert claim(host, "/images/web.qcow2") == Claim("vda", False)


def test_a_domain_that_names_a_volume_has_its_file(host: Any) -> None:
    define(host, "other", OTHER, "pool='images' volume='db.qcow2'", "volume")
    assert claim(host).owner == "db.qcow2 there is the disk of VM other"


def test_what_the_same_domain_has_there_is_nobodys(host: Any) -> None:
    define(host, "web", UUID, "file='/images/db.qcow2'")
    assert claim(host) == Claim("vda", False)
    make(host, "db.qcow2")
    assert claim(host) == Claim("vda", True)


def test_a_file_on_which_others_stand_is_theirs(host: Any) -> None:
    make(host, "db.qcow2")
    make(host, "layer.qcow2", "/images/db.qcow2")
    make(host, "clone.qcow2", "/images/layer.qcow2")
    assert claim(host).owner == "db.qcow2 there is the base of volume images/clone.qcow2"
    define(host, "other", OTHER, "file='/images/clone.qcow2'")
    assert claim(host).owner == "db.qcow2 there is the base of VM other"
