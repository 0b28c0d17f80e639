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


async def test_a_vm_that_will_be_another_machine_at_its_next_start_says_so(
    host: Host, image: Image, tmp_path: Path
) -> None:
    runs = define_domain(host.open(), host, "web", image, machine="pc-i440fx-7.2")
    runs.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        async with live(make_backend(host.uri, tmp_path, name="kvm1")) as fleet:

            def differs() -> tuple[str, ...] | None:
                return next((domain.differs for ref, domain in fleet.view.items(Domain) if ref.name == "web"), None)

            await until(fleet, lambda: differs() is not None, 30)
            assert differs() == ()
            stored = runs.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE).replace("pc-i440fx-7.2", "pc-i440fx-5.2")
            stored = stored.replace("<acpi/>", "").replace("<on_crash>destroy", "<on_crash>restart")
            host.open().defineXML(stored.replace("quiet", "debug").replace("type='vga'", "type='cirrus'"))
            await until(fleet, lambda: bool(differs()), 60)
            told = differs() or ()
            assert told == (
                "video cirrus (now vga)",
                "on_crash restart (now destroy)",
                "machine pc-i440fx-5.2 (now pc-i440fx-7.2)",
                "no feature acpi",
                "kernel command line",
            )
            await until(
                fleet, lambda: [one.trouble for one in found(fleet, "web")] == ["changes at its next start"], 40
            )
    finally:
        runs.destroy()
        runs.undefine()
