"""The backend on real daemons and guests: states, figures, and what a daemon that dies or hangs looks like."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kvtui.model import FeedState, Ref, Tone
from kvtui.records.libvirt import Domain, DomainState
from kvtui.records.libvirt import Host as HostRecord
from kvtui.resources import find
from kvtui.store import View
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()
SILENCE = 40.0
"""Seconds within which a daemon that hangs is noticed, on a busy machine."""


def find_domain(view: View, host: str, name: str) -> Domain | None:
    return view.get(Domain, host, "", name)


def host_of(view: View, name: str) -> HostRecord:
    return view.get(HostRecord, name, "", name) or HostRecord(link="")


def link_of(view: View, name: str) -> str:
    return host_of(view, name).link


async def test_a_running_guest_is_told_with_its_figures(host: Host, image: Image, tmp_path: Path) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "web", image, disks=[host.make_disk("web.qcow2")]):
        async with live(backend) as fleet:

            def measured() -> bool:
                domain = find_domain(fleet.view, "kvm1", "web")
                return domain is not None and domain.use is not None and domain.resident is not None

            await until(fleet, measured, 20)
            domain = find_domain(fleet.view, "kvm1", "web")
            assert domain is not None
            assert (domain.state, domain.driver, domain.vcpus) == (DomainState.RUNNING, "qemu", 1)
            assert domain.disks[0].target == "vda"
            assert domain.disks[0].capacity
            assert domain.serials == ("serial0",)
            usage = fleet.view.usage("kvm1", HostRecord.KIND, "", "kvm1")
            assert usage is not None
            assert usage.memory > 0


async def test_a_daemon_that_dies_is_one_lost_host_until_it_is_back(
    make_host: Callable[..., Host], image: Image, tmp_path: Path
) -> None:
    dying, other = make_host("kvm-a"), make_host("kvm-b")
    backends = [make_backend(dying.uri, tmp_path, name="dying"), make_backend(other.uri, tmp_path, name="other")]
    async with live(*backends) as fleet:
        await until(fleet, lambda: link_of(fleet.view, "dying") == link_of(fleet.view, "other") == "connected", 30)
        dying.kill_daemon()
        await until(fleet, lambda: link_of(fleet.view, "dying") == "lost", 10)
        assert fleet.view.feed("dying", Domain.KIND).state is FeedState.STALE
        assert link_of(fleet.view, "other") == "connected"
        await until(fleet, lambda: [finding.rule for finding in fleet.engine.findings] == ["host.lost"], 5)
        dying.start_daemon()
        await until(fleet, lambda: link_of(fleet.view, "dying") == "connected", 30)
        await until(fleet, lambda: fleet.view.feed("dying", Domain.KIND).state is FeedState.LIVE, 10)
        assert "host.lost" not in [finding.rule for finding in fleet.engine.findings]


async def test_a_daemon_that_hangs_is_called_stale_and_then_lost_and_others_go_on(
    make_host: Callable[..., Host], tmp_path: Path
) -> None:
    hanging, other = make_host("kvm-a"), make_host("kvm-b")
    backends = [make_backend(hanging.uri, tmp_path, name="hanging"), make_backend(other.uri, tmp_path, name="other")]
    async with live(*backends) as fleet:
        await until(fleet, lambda: link_of(fleet.view, "hanging") == link_of(fleet.view, "other") == "connected", 30)
        await until(fleet, lambda: fleet.view.feed("hanging", Domain.KIND).state is FeedState.LIVE, 10)
        hanging.freeze()
        try:
            frozen = time.time()
            await until(fleet, lambda: link_of(fleet.view, "hanging") == "silent", 8)
            await until(fleet, lambda: [one.trouble for one in fleet.engine.findings] == ["does not answer"], 5)
            answered = host_of(fleet.view, "hanging").link_since or 0.0
            # The look before it was frozen, not the one that was missed.
            assert frozen - 4 < answered < frozen + 1
            await until(fleet, lambda: fleet.view.feed("hanging", Domain.KIND).state is FeedState.STALE, 4)
            assert frozen - 4 < fleet.view.feed("hanging", Domain.KIND).since < frozen + 1
            await until(fleet, lambda: link_of(fleet.view, "hanging") == "lost", SILENCE)
            assert host_of(fleet.view, "hanging").link_since == answered
            assert fleet.view.feed("other", Domain.KIND).state is FeedState.LIVE
        finally:
            hanging.thaw()
        await until(fleet, lambda: link_of(fleet.view, "hanging") == "connected", SILENCE)


async def test_a_hung_qemu_stops_the_look_at_nobody_else(host: Host, image: Image, tmp_path: Path) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "ill", image), running_guest(host, "well", image):
        async with live(backend) as fleet:
            await until(fleet, lambda: fleet.view.count(Domain) == 2, 20)
            host.signal(host.qemu("ill"), signal.SIGSTOP)
            try:
                await backend.call(lambda one: one.lookupByName("well").suspend() and None, "pause")

                def is_paused() -> bool:
                    domain = find_domain(fleet.view, "kvm1", "well")
                    return domain is not None and domain.state is DomainState.PAUSED

                await until(fleet, is_paused, 10)
                assert fleet.view.feed("kvm1", Domain.KIND).state is FeedState.LIVE
            finally:
                host.signal(host.qemu("ill"), signal.SIGCONT)


async def test_what_another_client_stores_without_an_event_is_seen_all_the_same(
    host: Host, image: Image, tmp_path: Path
) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "web", image):
        async with live(backend) as fleet:
            await until(fleet, lambda: find_domain(fleet.view, "kvm1", "web"), 20)
            other = host.open().lookupByName("web")
            other.setMemoryFlags(
                2 * other.maxMemory(), libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM
            )
            other.setAutostart(1)

            def is_told() -> bool:
                domain = find_domain(fleet.view, "kvm1", "web")
                return domain is not None and domain.autostart and bool(domain.differs)

            await until(fleet, is_told, 60)


async def test_a_killed_qemu_is_a_crash_with_its_finding(host: Host, image: Image, tmp_path: Path) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "web", image):
        async with live(backend) as fleet:
            await until(fleet, lambda: fleet.view.count(Domain) == 1, 20)

            def word() -> tuple[str, Tone]:
                resource = find("vms", fleet.resources)
                assert resource is not None
                (ref,) = resource.refs(fleet.view)
                health = resource.health(resource.row(fleet.view, ref), 0.0)
                return health.word, health.tone

            host.signal(host.qemu("web"), signal.SIGKILL)
            await until(fleet, lambda: any(one.rule == "domain.state" for one in fleet.engine.findings), 20)
            (finding,) = fleet.engine.findings
            assert finding.subject[:4] == Ref("kvm1", Domain.KIND, "", "web")[:4]
            assert finding.trouble in ("has crashed", "failed to start")
            assert word() == ("Crashed", Tone.BAD)
            # A daemon that was started anew does not know why a domain is off.
            host.restart_daemon()
            await until(fleet, lambda: link_of(fleet.view, "kvm1") == "lost", 10)
            await until(fleet, lambda: fleet.view.feed("kvm1", Domain.KIND).state is FeedState.LIVE, 20)
            assert word() == ("Crashed", Tone.BAD)
            await backend.call(lambda one: one.lookupByName("web").create() and None, "start")
            await until(fleet, lambda: word()[0] == "Running", 20)
            await until(fleet, lambda: not fleet.engine.findings, 40)


async def test_leaving_waits_for_no_daemon_that_hangs(make_host: Callable[..., Host], tmp_path: Path) -> None:
    hanging = make_host("kvm-a")
    backend = make_backend(hanging.uri, tmp_path, name="hanging")
    loop = asyncio.get_running_loop()
    async with live(backend) as fleet:
        await until(fleet, lambda: link_of(fleet.view, "hanging") == "connected", 30)
        hanging.freeze()
        begun = loop.time()
    assert loop.time() - begun < 1
    hanging.thaw()
