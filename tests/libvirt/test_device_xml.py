"""The XML of devices that come and go."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.domains import NewDisk, NewNic, NewSnapshot
from kvtui.backends.libvirt.devices import (
    describe_disk,
    describe_nic,
    find_disk,
    find_nic,
    list_targets,
    make_mac,
    name_target,
    put_medium,
)
from kvtui.backends.libvirt.snapshot_verbs import describe_snapshot
from kvtui.backends.libvirt.volumes import Image, describe_volume
from tests.libvirt.test_describe import XML


@pytest.mark.parametrize(
    ("bus", "taken", "name"),
    [("virtio", (), "vda"), ("virtio", ("vda", "vdb"), "vdc"), ("sata", ("sda",), "sdb"), ("xen", (), "xvda"),
     ("virtio", [f"vd{chr(97 + at)}" for at in range(26)], "vdaa"), ("scsi", ("vda",), "sda")],
)  # fmt: skip
def test_a_disk_gets_the_first_free_name_of_its_bus(bus: str, taken: tuple[str, ...], name: str) -> None:
    assert name_target(bus, taken) == name


@pytest.mark.parametrize(
    ("disk", "image", "xml"),
    [
        (NewDisk(), Image("file", "/pool/a & b.qcow2", format="qcow2"),
         '<disk type="file" device="disk"><driver name="qemu" type="qcow2" />'
         '<source file="/pool/a &amp; b.qcow2" /><target dev="vdb" bus="virtio" /></disk>'),
        (NewDisk(read_only=True, bus="scsi"), Image("block", "/dev/vg/lv"),
         '<disk type="block" device="disk"><driver name="qemu" type="raw" /><source dev="/dev/vg/lv" />'
         '<target dev="vdb" bus="scsi" /><readonly /></disk>'),
        (NewDisk(), Image("volume", "rbd:x", "ceph", "wal", "raw"),
         '<disk type="volume" device="disk"><driver name="qemu" type="raw" /><source pool="ceph" volume="wal" />'
         '<target dev="vdb" bus="virtio" /></disk>'),
        (NewDisk(device="cdrom", bus="sata"), Image("file"),
         '<disk type="file" device="cdrom"><driver name="qemu" type="raw" /><target dev="vdb" bus="sata" />'
         "<readonly /></disk>"),
    ],
)  # fmt: skip
def test_a_new_disk_is_described(disk: NewDisk, image: Image, xml: str) -> None:
    assert describe_disk(disk, image, "vdb") == xml


def test_a_new_interface_is_described() -> None:
    nic = NewNic("bridge", "br0", "e1000", "52:54:00:00:00:09")
    assert describe_nic(nic) == (
        '<interface type="bridge"><mac address="52:54:00:00:00:09" /><source bridge="br0" />'
        '<model type="e1000" /></interface>'
    )


def test_devices_are_found_by_their_names() -> None:
    disk, nic = find_disk(XML, "vdb"), find_nic(XML, "52:54:00:00:00:02")
    assert disk is not None
    assert nic is not None
    assert ET.tostring(disk, "unicode").startswith('<disk type="volume"')
    assert nic.get("type") == "bridge"
    assert (find_disk(XML, "vdz"), find_nic(XML, "vda")) == (None, None)
    assert list(list_targets(XML)) == ["vda", "vdb", "sda"]


def test_a_drive_gets_another_medium_or_none() -> None:
    drive = find_disk(XML, "sda")
    assert drive is not None
    inserted = put_medium(drive, "/iso/tools.iso")
    assert '<source file="/iso/tools.iso" />' in inserted
    again = ET.fromstring(f"<domain><devices>{inserted}</devices></domain>").find("devices/disk")
    assert again is not None
    assert "<source" not in put_medium(again, "")
    assert 'type="volume"' in (of_pool := put_medium(again, "isos/tools.iso"))
    assert '<source pool="isos" volume="tools.iso" />' in of_pool
    assert '<source dev="/dev/sr0" />' in put_medium(again, "/dev/sr0")


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_no_name_breaks_out_of_its_element(name: str, note: str) -> None:
    for text in (describe_snapshot(NewSnapshot(name, note)), describe_volume(name, 1, "raw", Image("file", note))):
        try:
            root = ET.fromstring(text)
        except ET.ParseError:
            continue  # A control character: libvirt refuses it, too.
        assert [child.tag for child in root if child.tag not in (
            "name", "description", "capacity", "allocation", "target", "backingStore")] == []  # fmt: skip


def test_addresses_are_those_of_qemu_and_others_each_time() -> None:
    made = {make_mac() for _ in range(20)}
    assert len(made) == 20
    assert all(mac.startswith("52:54:00:") and len(mac) == 17 for mac in made)
