"""Real hosts behind a real bastion: everything of libvirt goes through two hops of OpenSSH."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from kvtui.audit import AuditLog
from kvtui.backends.base import MovePlan, Transport
from kvtui.backends.libvirt.client import LibvirtBackend, Place, connect
from kvtui.backends.libvirt.way import Way
from kvtui.backends.ssh import Questions, Routes
from kvtui.backends.ssh.pace import Pace
from kvtui.cli.connecting import make_way
from kvtui.fleet import Fleet
from kvtui.hops import parse_route
from kvtui.model import FeedState
from kvtui.records.libvirt import Domain, DomainState
from kvtui.records.libvirt import Host as HostRecord
from tests.libvirt.conftest import live, until
from tests.real.conftest import import_libvirt
from tests.real.domains import running_guest
from tests.real.hosts import Host
from tests.real.image import Image
from tests.ssh.sshd import SSHD, Sshd, running_sshd
from tests.wire.sshserver import User, write_key

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed"),
]

libvirt = import_libvirt()
BASTION = "ForceCommand /bin/false\nPermitTTY no\nAllowStreamLocalForwarding no"


@dataclass
class Behind:
    """A fleet of two hosts, kvm1 and kvm2, that are reached through a bastion."""

    fleet: Fleet
    bastion: Sshd
    inner: Sshd
    user: User
    routes: Routes
    key: asyncssh.SSHKey

    def way_to(self, socket: Path) -> Way:
        """The way to a socket behind both hops."""
        way = make_way(
            f"qemu+ssh://{self.inner.hop}/system?socket={socket}", parse_route(self.bastion.hop), self.routes
        )
        assert way is not None
        return way

    def backend(self, name: str) -> LibvirtBackend:
        found = self.fleet.backends[name]
        assert isinstance(found, LibvirtBackend)
        return found

    def link(self, name: str) -> str:
        host = self.fleet.view.get(HostRecord, name, "", name)
        return host.link if host is not None else ""

    def hop(self, name: str) -> str:
        host = self.fleet.view.get(HostRecord, name, "", name)
        return host.hop if host is not None else ""

    def state(self, name: str, domain: str) -> DomainState | None:
        found = self.fleet.view.get(Domain, name, "", domain)
        return found.state if found is not None else None


@contextlib.asynccontextmanager
async def behind(
    pair: tuple[Host, Host], folder: Path, monkeypatch: pytest.MonkeyPatch, pace: Pace | None = None
) -> AsyncIterator[Behind]:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (folder / ".ssh").mkdir(mode=0o700)
    key = write_key(folder / ".ssh" / "id_ed25519")
    async with (
        running_sshd(folder / "inner", key) as inner,
        running_sshd(folder / "bastion", key, options=f"{BASTION}\nPermitOpen 127.0.0.1:{inner.port}") as bastion,
    ):
        user = User("yes", "yes")
        routes = Routes(Questions(user), pace)
        made = Behind(Fleet(()), bastion, inner, user, routes, key)
        audit = AuditLog(folder / "audit.jsonl")
        backends = {
            name: connect(Place(name, f"qemu+ssh://{inner.hop}/system"), audit, made.way_to(host.socket))
            for name, host in zip(("kvm1", "kvm2"), pair, strict=True)
        }
        for backend in backends.values():
            backend.peers = backends
        try:
            async with live(*backends.values()) as fleet:
                made.fleet = fleet
                await until(fleet, lambda: made.link("kvm1") == made.link("kvm2") == "connected", 30)
                yield made
        finally:
            await routes.close()


async def test_a_guest_is_seen_paused_and_moved_through_the_hops_with_one_login_each(
    pair: tuple[Host, Host], image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_guest(pair[0], "far", image):
        async with behind(pair, tmp_path, monkeypatch) as there:
            await until(there.fleet, lambda: there.state("kvm1", "far") is DomainState.RUNNING, 30)
            assert (there.bastion.logins, there.inner.logins) == (1, 1)
            assert len(there.user.asked) == 2
            ref = next(ref for ref, _ in there.fleet.view.items(Domain, "kvm1") if ref.name == "far")
            await there.backend("kvm1").pause(ref)
            await until(there.fleet, lambda: there.state("kvm1", "far") is DomainState.PAUSED, 10)
            await there.backend("kvm1").unpause(ref)
            await until(there.fleet, lambda: there.state("kvm1", "far") is DomainState.RUNNING, 10)
            await there.backend("kvm1").move(ref, MovePlan("kvm2", Transport.DIRECT, uri="tcp://127.0.0.1"))
            await until(there.fleet, lambda: there.state("kvm2", "far") is DomainState.RUNNING, 60)
    moved = pair[1].open().lookupByName("far")
    moved.destroy()
    moved.undefine()


async def test_a_cut_of_the_way_is_told_and_heals(
    pair: tuple[Host, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(pair, tmp_path, monkeypatch) as there:
        await until(there.fleet, lambda: there.fleet.view.feed("kvm1", Domain.KIND).state is FeedState.LIVE, 20)
        there.inner.cut()
        await until(there.fleet, lambda: there.link("kvm1") == "lost", 20)
        assert there.fleet.view.feed("kvm1", Domain.KIND).state is FeedState.STALE
        await until(there.fleet, lambda: there.link("kvm1") == there.link("kvm2") == "connected", 30)
        await until(there.fleet, lambda: there.fleet.view.feed("kvm1", Domain.KIND).state is FeedState.LIVE, 10)


async def test_hosts_behind_a_bastion_that_is_down_are_not_lost(
    pair: tuple[Host, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(pair, tmp_path, monkeypatch) as there:
        gate = f"127.0.0.1:{there.bastion.port}"
        await there.bastion.go_down()
        await until(there.fleet, lambda: there.hop("kvm1") == there.hop("kvm2") == gate, 20)
        async with running_sshd(
            there.bastion.folder, there.key, key=there.bastion.key, port=there.bastion.port, options=BASTION
        ):
            await until(there.fleet, lambda: there.link("kvm1") == there.link("kvm2") == "connected", 40)
            assert there.hop("kvm1") == there.hop("kvm2") == ""


async def test_hosts_behind_a_bastion_that_hangs_are_silent_and_then_not_reachable_but_never_lost(
    pair: tuple[Host, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(pair, tmp_path, monkeypatch) as there:
        gate = f"127.0.0.1:{there.bastion.port}"
        states: set[tuple[str, str]] = set()

        def note() -> bool:
            states.update((there.link(name), there.hop(name)) for name in ("kvm1", "kvm2"))
            return there.hop("kvm1") == there.hop("kvm2") == gate

        with there.bastion.frozen():
            await until(there.fleet, note, 40)
            findings = [finding.rule for finding in there.fleet.engine.findings]
            assert "host.lost" not in findings
        assert states == {("connected", ""), ("silent", ""), ("lost", gate)}
        await until(there.fleet, lambda: there.link("kvm1") == there.link("kvm2") == "connected", 40)
        assert there.hop("kvm1") == there.hop("kvm2") == ""


async def test_a_daemon_that_is_not_there_is_told_by_the_sockets_that_were_tried(
    pair: tuple[Host, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(pair, tmp_path, monkeypatch) as there:
        dead = connect(
            Place("dead", "qemu+ssh://dead/system"), AuditLog(tmp_path / "a"), there.way_to(tmp_path / "none")
        )
        async with live(dead) as fleet:
            await until(fleet, lambda: fleet.view.feed("dead", Domain.KIND).state is FeedState.FAILED, 20)
            assert f"{tmp_path}/none" in fleet.view.feed("dead", Domain.KIND).detail
