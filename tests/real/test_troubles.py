"""What the rules find on a real host: VMs that do not start, and what changes at the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtui.fleet import Fleet
from kvtui.model import Finding
from kvtui.records.libvirt import Domain
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import define_domain, running_guest
from tests.real.hosts import Host
from tests.real.image import Image
from tests.real.line import Line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()
_POOL = "<pool type='dir'><name>images</name><target><path>/var/lib/libvirt/images</path></target></pool>"


def found(fleet: Fleet, name: str) -> list[Finding]:
    return [finding for finding in fleet.engine.findings if finding.subject.name == name]


async def test_a_vm_whose_image_is_gone_says_which_image_it_lacks(host: Host, image: Image, tmp_path: Path) -> None:
    connection = host.open()
    path = host.make_disk("ghost.qcow2")
    pool = connection.storagePoolDefineXML(_POOL)
    pool.create()
    domain = define_domain(connection, host, "ghost", image, disks=[path])
    (host.folder / "lib" / "images" / "ghost.qcow2").unlink()
    pool.refresh()
    with pytest.raises(libvirt.libvirtError, match="No such file"):
        domain.create()
    try:
        async with live(make_backend(host.uri, tmp_path, name="kvm1")) as fleet:
            await until(fleet, lambda: "pool images" in "".join(one.cause for one in found(fleet, "ghost")), 30)
            (finding,) = found(fleet, "ghost")
            assert (finding.rule, finding.trouble) == ("domain.state", "failed to start")
            assert finding.cause == f"pool images has no {path}, its disk vda"
    finally:
        domain.undefine()
        pool.destroy()
        pool.undefine()


async def test_a_guest_that_panicked_boots_and_runs_after_the_reset_that_is_its_next_step(
    host: Host, image: Image, tmp_path: Path
) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "boom", image, on_crash="preserve"), Line(host.open(), "boom") as line:
        line.type("echo c > /proc/sysrq-trigger\r")
        async with live(backend) as fleet:
            await until(fleet, lambda: bool(found(fleet, "boom")), 20)
            (finding,) = found(fleet, "boom")
            assert (finding.trouble, finding.step.partition(",")[0]) == ("has crashed", "reset it")
            await backend.reset(finding.subject)
            await until(fleet, lambda: not found(fleet, "boom"), 20)
            line.log_in()
            (seen,) = (domain.rebooted for ref, domain in fleet.view.items(Domain) if ref.name == "boom")
            assert seen is not None
            await backend.restart(finding.subject)
            await until(fleet, lambda: any(domain.rebooted != seen for _, domain in fleet.view.items(Domain)), 20)


async def test_a_vm_that_runs_is_told_what_its_next_start_changes_and_one_that_is_off_that_it_should_run(
    host: Host, image: Image, tmp_path: Path
) -> None:
    connection = host.open()
    off = define_domain(connection, host, "spare", image)
    off.setAutostart(1)
    runs = define_domain(connection, host, "web", image)
    runs.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        runs.setMemoryFlags(256 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM)
        async with live(make_backend(host.uri, tmp_path, name="kvm1")) as fleet:
            fleet.engine.waits = False
            await until(fleet, lambda: found(fleet, "spare") and found(fleet, "web"), 30)
            assert [finding.rule for finding in found(fleet, "spare")] == ["domain.autostart"]
            (finding,) = found(fleet, "web")
            assert finding.cause == "it is stored with memory 256Mi (now 128Mi)"
    finally:
        runs.destroy()
        runs.undefine()
        off.undefine()
