"""Shells of libvirt hosts and ports of their guests, behind a real ssh server; libvirt itself is not there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncssh
import pytest

from kvtui.audit import AuditLog
from kvtui.backends.base import HostShells, SizedStream
from kvtui.backends.base import Ports as PortsProtocol
from kvtui.backends.libvirt.client import LibvirtBackend, Place, connect
from kvtui.backends.libvirt.ports import Dial, Ports, dial_directly
from kvtui.backends.ssh import Routes, open_shell
from kvtui.cli.connecting import make_way
from kvtui.errors import BackendError, ForbiddenError, ReadOnlyError, UnreachableError
from kvtui.hops import parse_route
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, Host
from tests.ssh.sshd import SSHD, Sshd
from tests.ssh.support import opened
from tests.ssh.test_routes import listening, sshd
from tests.wire.sshserver import User, read_until, ssh_server

needs_sshd = pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")
KVM1 = Ref("kvm1", Host.KIND, "", "kvm1")
WEB = Ref("kvm1", Domain.KIND, "", "web", "uuid-of-web")


def make_host(
    folder: Path, uri: str, routes: Routes | None = None, jump: str = "none", *, read_only: bool = False
) -> LibvirtBackend:
    way = make_way(uri, parse_route(jump), routes) if routes is not None else None
    return connect(Place("kvm1", uri, read_only), AuditLog(folder / "audit.jsonl"), way)


def audited(folder: Path) -> list[tuple[str, str, str]]:
    file = folder / "audit.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [(line["verb"], line["name"], line["result"]) for line in lines]


async def hear(stream: SizedStream, words: bytes) -> bytes:
    text = b""
    while words not in text:
        piece = await asyncio.wait_for(stream.read(), 10)
        assert piece, text
        text += piece
    return text


# The host ------------------------------------------------------------------------------------------------------------


@needs_sshd
async def test_the_shell_of_a_host_behind_a_hop_knows_its_size_and_leaves_one_audit_line(
    home: Path, key: asyncssh.SSHKey
) -> None:
    async with (
        sshd(home, key, "inner") as inner,
        sshd(home, key, "gate", "ForceCommand /bin/false\nPermitTTY no") as gate,
        opened(User()) as routes,
    ):
        host = make_host(home, f"qemu+ssh://{inner.hop}/system", routes, gate.hop)
        assert isinstance(host, HostShells)
        assert host.explain_no_shell() == ""
        shell = await host.open_host_shell(KVM1, 91, 27)
        await shell.write(b"stty size; echo here$((1+1))\r")
        assert b"27 91" in await hear(shell, b"here2")
        shell.resize(100, 30)
        await shell.write(b"stty size; echo here$((1+2)); exit\r")
        assert b"30 100" in await hear(shell, b"here3")
        while await shell.read():
            pass
        await shell.close()
        assert (gate.logins, inner.logins) == (1, 1)
        assert audited(home) == [("shell", "kvm1", "accepted")]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu:///system", "qemu:///system is this machine, whose shell you came from"),
        ("qemu+unix:///system?socket=/run/x", "qemu+unix:///system?socket=/run/x is this machine"),
        ("test:///default", "kvm1 is libvirt's test driver: there is no machine to log in to"),
        ("qemu+tcp://h9/system", "h9 is reached by libvirt's tcp alone; qemu+ssh://USER@h9/system would do"),
        ("qemu://h9/system", "h9 is reached by libvirt's TLS alone; qemu+ssh://USER@h9/system would do"),
    ],
)
async def test_a_host_that_ssh_does_not_lead_to_says_why_it_has_no_shell(tmp_path: Path, uri: str, words: str) -> None:
    host = make_host(tmp_path, uri)
    assert host.explain_no_shell().startswith(words)
    with pytest.raises(BackendError, match="no shell of kvm1") as failure:
        await host.open_host_shell(KVM1, 80, 24)
    assert failure.value.detail == host.explain_no_shell()
    assert audited(tmp_path) == []


@needs_sshd
async def test_a_read_only_host_is_not_logged_in_to(home: Path, key: asyncssh.SSHKey) -> None:
    async with sshd(home, key) as inner, opened(User()) as routes:
        host = make_host(home, f"qemu+ssh://{inner.hop}/system", routes, read_only=True)
        with pytest.raises(ReadOnlyError, match="kvm1 is read-only"):
            await host.open_host_shell(KVM1, 80, 24)
        with pytest.raises(ReadOnlyError, match="kvm1 is read-only"):
            await host.open_port(WEB, 22)
        assert inner.logins == 0


# Ports of guests -----------------------------------------------------------------------------------------------------


class Book:
    """Tells the addresses of every guest, and counts how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def __call__(self, ref: Ref) -> Sequence[str]:
        self.asked += 1
        await asyncio.sleep(0)
        return self.addresses


@contextlib.asynccontextmanager
async def dialing_from(server: Sshd, routes: Routes) -> AsyncIterator[Dial]:
    way = make_way(f"qemu+ssh://{server.hop}/system", (), routes)
    assert way is not None
    yield way.reach.dial


@needs_sshd
async def test_a_port_is_opened_at_the_first_address_that_the_host_reaches(home: Path, key: asyncssh.SSHKey) -> None:
    async with (
        listening() as port,
        sshd(home, key) as host,
        opened(User()) as routes,
        dialing_from(host, routes) as dial,
    ):
        stream = await Ports(Book("127.0.0.77", "127.0.0.1"), dial).open(WEB, port)
        await stream.write(b"hello")
        assert await asyncio.wait_for(stream.read(), 10) == b"hello"
        await stream.close()
        assert host.logins == 1


@needs_sshd
async def test_a_guest_that_refuses_is_told_in_the_words_of_its_host(home: Path, key: asyncssh.SSHKey) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        async with (
            sshd(home, key) as host,
            opened(User()) as routes,
            dialing_from(host, routes) as dial,
        ):
            with pytest.raises(UnreachableError, match=f"cannot connect to 127.0.0.1:{port}") as failure:
                await Ports(Book("127.0.0.1"), dial).open(WEB, port)
            # Who forwards ports waits for the guest to listen.
            assert failure.value.code == 502
            assert "refused" in failure.value.detail


@needs_sshd
async def test_a_host_that_forbids_it_is_told_with_the_setting(home: Path, key: asyncssh.SSHKey) -> None:
    async with (
        sshd(home, key, options="AllowTcpForwarding no") as host,
        opened(User()) as routes,
        dialing_from(host, routes) as dial,
    ):
        with pytest.raises(ForbiddenError) as failure:
            await Ports(Book("127.0.0.1"), dial).open(WEB, 22)
        assert "AllowTcpForwarding" in failure.value.hint


async def test_without_an_address_a_sentence_says_that_none_is_known() -> None:
    with pytest.raises(BackendError, match="no address of web is known") as failure:
        await Ports(Book(), dial_directly).open(WEB, 22)
    assert "qemu-guest-agent" in failure.value.hint


async def test_many_connections_at_once_ask_once_and_a_failure_has_the_address_asked_for_anew() -> None:
    book = Book("127.0.0.1")
    ports = Ports(book, dial_directly)
    async with listening() as port:
        for stream in await asyncio.gather(*(ports.open(WEB, port) for _ in range(20))):
            await stream.close()
        assert book.asked == 1
    with pytest.raises(UnreachableError, match=r"this machine cannot connect to 127.0.0.1"):
        await ports.open(WEB, port)
    book.addresses = ("127.0.0.2",)
    with pytest.raises(UnreachableError, match=r"this machine cannot connect to 127.0.0.2"):
        await ports.open(WEB, port)
    assert book.asked == 2


async def test_a_guest_that_does_not_answer_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvtui.backends.libvirt.ports._CONNECTING", 0.05)

    async def dial(host: str, port: int) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(UnreachableError, match="port 22 of web is not reached") as failure:
        await Ports(Book("10.0.0.5"), dial).open(WEB, 22)
    assert failure.value.detail == "no answer from 10.0.0.5 in 0.05 s"


@needs_sshd
async def test_the_shell_of_a_guest_goes_through_its_host_and_its_key_is_asked_about_once(
    home: Path, key: asyncssh.SSHKey
) -> None:
    async with (
        ssh_server() as port,
        sshd(home, key) as host,
        opened(User()) as routes,
        dialing_from(host, routes) as dial,
    ):
        ports, known = Ports(Book("127.0.0.1"), dial), home / "known"
        for answers in (("yes", "right"), ("right",)):
            user = User(*answers)
            stream = await ports.open(WEB, port)
            shell = await open_shell(stream, WEB, user="root", asker=user, known_hosts=known)
            await read_until(shell, b"xterm-256color")
            await shell.close()
            assert user.answers == []
        assert known.read_text().startswith("kvm1//web ")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("test:///default", "kvm1 is libvirt's test driver: nobody runs in its VMs"),
        ("qemu+tcp://h9/system", "h9 is reached by libvirt's tcp alone"),
    ],
)
async def test_a_host_whose_network_is_out_of_reach_says_so(tmp_path: Path, uri: str, words: str) -> None:
    host = make_host(tmp_path, uri)
    assert isinstance(host, PortsProtocol)
    with pytest.raises(BackendError, match="no way to port 22 of web") as failure:
        await host.open_port(WEB, 22)
    assert failure.value.detail.startswith(words)
