"""Volumes of a real pool, of which some stand on others: what may be deleted, and files that a command sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kvtui.cli import codes
from tests.actions.conftest import call_main
from tests.real.conftest import import_libvirt
from tests.real.hosts import Host, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()
FOLDER = "/var/lib/libvirt/stores"
LAYER = """<volume><name>{name}.qcow2</name><capacity unit='MiB'>16</capacity>
<target><format type='qcow2'/></target>{base}</volume>"""
BASE = f"<backingStore><path>{FOLDER}/{{}}.qcow2</path><format type='qcow2'/></backingStore>"
DOMAIN = f"""<domain type='qemu'><name>{{name}}</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{FOLDER}/{{name}}.qcow2'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>"""


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    """A host with a VM, a linked clone of it, and a linked clone of that; the middle one is no VM any more."""
    host = make_host("kvm-a", namespaces=True)
    making = host.run("mkdir", "-p", FOLDER)
    wait_until(lambda: not host.is_alive(making), "a folder")
    own = host.open()
    pool = own.storagePoolDefineXML(f"<pool type='dir'><name>fast</name><target><path>{FOLDER}</path></target></pool>")
    pool.create()
    for name, below in (("golden", ""), ("middle", "golden"), ("clone", "middle"), ("alone", "")):
        pool.createXML(LAYER.format(name=name, base=BASE.format(below) if below else ""))
    for name in ("golden", "clone"):
        own.defineXML(DOMAIN.format(name=name))
    return host


def volumes(host: Host) -> set[str]:
    return {volume.name() for volume in host.open().storagePoolLookupByName("fast").listAllVolumes()}


def test_a_base_is_kept_through_all_layers_and_what_nobody_needs_goes(
    host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    there = ("--host", host.uri)
    code = call_main(["undefine", "golden", "--volume-vda", "--yes", *there])
    assert code not in (codes.OK, codes.UNSEEN)
    assert "clone needs it too" in capfd.readouterr().err
    assert "golden" in {domain.name() for domain in host.open().listAllDomains()}

    for base in ("fast/golden.qcow2", "middle.qcow2"):
        assert call_main(["delete", "volume", base, "--yes", *there]) == codes.FAILED
        assert "fast/clone.qcow2" in capfd.readouterr().out
    assert call_main(["delete", "volume", "alone.qcow2", "--yes", "--wait", *there]) == codes.OK
    assert volumes(host) == {"golden.qcow2", "middle.qcow2", "clone.qcow2"}


def test_a_command_sends_a_file_into_a_pool_once(host: Host, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.img"
    file.write_bytes(bytes(range(256)) * 4096)
    words = ["upload", str(file), "--name", "fast/x.img", "--host", host.uri]
    assert call_main(words) == codes.OK
    capfd.readouterr()
    assert call_main(["get", "volumes", "-f", "x.img", "-o", "json", "--host", host.uri]) == codes.OK
    (row,) = json.loads(capfd.readouterr().out)
    assert (row["name"], row["columns"]["size"]) == ("fast/x.img", "1Mi")
    assert call_main(words) != codes.OK
    assert "there is a volume x.img" in capfd.readouterr().err
    assert call_main([*words, "--size", "5Gi"]) != codes.OK
    assert "--size says nothing of a volume" in capfd.readouterr().err
