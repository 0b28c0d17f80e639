"""Consoles of real guests on real hosts: what comes and goes over them, who has them, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.libvirt.client import LibvirtBackend, Place, connect
from kvtui.config import Settings
from kvtui.console.session import Session
from kvtui.console.state import State
from kvtui.errors import HeldError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Domain
from kvtui.ui.consoles.channels import Channel, make_session
from tests.real.conftest import import_libvirt
from tests.real.domains import Guest, define_domain, open_shell, running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()
PATIENCE = 40.0


class Desk:
    """Somebody in front of kvtui with a fleet of hosts."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.sessions: list[Session] = []

    def ref(self, name: str, backend: str) -> Ref:
        """A domain, once it is known."""
        domain = self.fleet.view.get(Domain, backend, "", name)
        assert domain is not None
        return domain.ref(backend)

    async def until(self, holds: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Wait until it holds."""
        end = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < end, f"waited {patience:.0f} s for {what}; {self._told}"
            await asyncio.sleep(0.01)

    async def open(self, name: str, backend: str = "kvm-a") -> Session:
        """A console as `c` opens it."""
        await self.until(lambda: self.fleet.view.get(Domain, backend, "", name), name)
        session = make_session(Channel(self.ref(name, backend)), self.fleet, Settings())
        self.sessions.append(session)
        session.start()
        return session

    async def connected(self, session: Session) -> None:
        await self.until(lambda: session.is_connected, "the line")

    async def ask(self, session: Session, command: str, answer: str) -> None:
        """Type a command on an empty line and wait for what it says."""
        assert session.send(f"\x15{command}\r".encode()), session.sentence
        await self.until(lambda: answer in screen(session), f"{answer!r} on\n{screen(session)}")

    @property
    def _told(self) -> list[str]:
        return [f"{session.state.value}: {session.sentence}" for session in self.sessions]


def screen(session: Session) -> str:
    """Its screen as text."""
    return "\n".join(session.emulator.text())


def live_streams() -> set[int]:
    """The streams of libvirt that nothing has let go of."""
    gc.collect()
    return {id(one) for one in gc.get_objects() if isinstance(one, libvirt.virStream)}


def make_backend(host: Host, folder: Path, name: str = "kvm-a") -> LibvirtBackend:
    return connect(Place(name, host.uri), AuditLog(folder / "audit.jsonl"))


@contextlib.asynccontextmanager
async def desk_at(*backends: LibvirtBackend) -> AsyncIterator[Desk]:
    """A desk with these hosts, whose consoles are closed at its end."""
    fleet = Fleet(backends)
    running = asyncio.create_task(fleet.run())
    desk = Desk(fleet)
    try:
        yield desk
    finally:
        for session in desk.sessions:
            await session.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await fleet.close()


async def test_what_is_typed_reaches_the_guest_and_what_it_answers_the_screen(
    host: Host, guest: Guest, tmp_path: Path
) -> None:
    async with desk_at(make_backend(host, tmp_path)) as desk:
        session = await desk.open(guest.name)
        await desk.connected(session)
        await desk.ask(session, "\x15", ":~#")
        await desk.ask(session, "echo $((6*7))", "42")
    line = (tmp_path / "audit.jsonl").read_text()
    assert '"verb":"console"' in line


async def test_a_flood_slows_no_other_call_and_nothing_of_it_is_lost(host: Host, guest: Guest, tmp_path: Path) -> None:
    backend = make_backend(host, tmp_path)
    async with desk_at(backend) as desk:
        session = await desk.open(guest.name)
        await desk.connected(session)
        await desk.ask(session, "\x15", ":~#")
        heard = bytearray()
        session.tap = heard.extend
        session.send(b"seq 1 250000; echo over-$((1+1))\r")
        await desk.until(lambda: session.received > 10_000, "the flood")
        waits = []
        while b"over-2" not in heard[-1000:]:
            begin = time.perf_counter()
            await backend.call(lambda connection: connection.getLibVersion(), "version")
            waits.append(time.perf_counter() - begin)
            await asyncio.sleep(0.05)
        assert numbers_in(heard) == list(range(1, 250_001))
        assert statistics.median(waits) < 0.05, f"{len(waits)} calls, at most {max(waits):.2f} s"


async def test_a_console_that_is_not_read_stops_to_receive_and_loses_nothing(
    host: Host, guest: Guest, tmp_path: Path
) -> None:
    backend = make_backend(host, tmp_path)
    async with desk_at(backend) as desk:
        await desk.until(lambda: desk.fleet.view.get(Domain, "kvm-a", "", guest.name), "the guest")
        line = await backend.open_line(desk.ref(guest.name, "kvm-a"))
        await line.write(b"seq 1 250000; echo over-$((1+1))\r")
        heard = bytearray()
        rest = 0.0
        while b"over-2" not in heard[-1000:]:
            # Now and then a reader that is busy elsewhere.
            if len(heard) > rest:
                await asyncio.sleep(3)
                rest = len(heard) + 700_000
            heard += await asyncio.wait_for(line.read(), PATIENCE)
        await line.close()
        assert numbers_in(heard) == list(range(1, 250_001))


def numbers_in(heard: bytes | bytearray) -> list[int]:
    """The lines that are numbers."""
    return [int(item) for item in heard.split(b"\r\n") if item.isdigit()]


async def test_a_console_that_somebody_has_is_only_taken_when_the_user_says_so(
    host: Host, guest: Guest, tmp_path: Path
) -> None:
    async with desk_at(make_backend(host, tmp_path)) as desk:
        with open_shell(host.open(), guest.name) as other:
            session = await desk.open(guest.name)
            await desk.until(lambda: session.state is State.HELD, "the refusal")
            other.type("echo still-$((1+1))\r")
            other.wait_for("still-2")
            session.retake()
            await desk.connected(session)
            await desk.ask(session, "\x15", ":~#")
            await desk.until(lambda: other.has_ended, "the end of the other's line")
    assert "taken from whoever had it" in (tmp_path / "audit.jsonl").read_text()


async def test_a_console_that_is_taken_is_told_and_taken_back_on_demand(
    host: Host, guest: Guest, tmp_path: Path
) -> None:
    async with desk_at(make_backend(host, tmp_path)) as desk:
        session = await desk.open(guest.name)
        await desk.connected(session)
        connection = host.open()
        stream = connection.newStream(0)
        connection.lookupByName(guest.name).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        await desk.until(lambda: session.state is State.TAKEN, "the loss")
        session.retake()
        await desk.connected(session)
        assert not session.send(b"\r"), "an enter alone would run what whoever had it left on the line"
        assert session.send(b"\x15")
        await desk.ask(session, "\x15", ":~#")
        connection.close()


async def test_thirty_consoles_leave_no_stream_and_no_connection(
    host: Host, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    close = libvirt.virConnect.close

    def note(connection: object) -> int:
        closed.append(close(connection))
        return closed[-1]

    before = live_streams()
    monkeypatch.setattr(libvirt.virConnect, "close", note)
    backend = make_backend(host, tmp_path)
    async with desk_at(backend) as desk:
        await desk.until(lambda: desk.fleet.view.get(Domain, "kvm-a", "", guest.name), "the guest")
        ref = desk.ref(guest.name, "kvm-a")
        first = await backend.open_line(ref)
        with pytest.raises(HeldError):
            await backend.open_line(ref)
        await first.close()
        for _ in range(29):
            line = await backend.open_line(ref)
            await line.write(b"\r")
            await line.read()
            await line.close()
    await desk.until(lambda: closed and set(closed) == {0}, f"connections that close: {closed}")
    assert live_streams() <= before


async def test_a_console_waits_for_its_domain_follows_its_restart_and_tells_its_end(
    host: Host, image: Image, tmp_path: Path
) -> None:
    connection = host.open()
    domain = define_domain(connection, host, "slow", image)
    try:
        async with desk_at(make_backend(host, tmp_path)) as desk:
            session = await desk.open("slow")
            await desk.until(lambda: session.state is State.WAITING, "the VM that is off")
            domain.create()
            await desk.connected(session)

            await desk.until(lambda: "login:" in screen(session), "the prompt")
            domain.reset(0)
            await desk.until(lambda: session.received > 0 and "login:" in screen(session), "the second boot")
            assert session.is_connected
            domain.destroy()
            await desk.until(lambda: session.state is State.WAITING, "the end")
            assert "The VM stopped" in session.sentence
            domain.create()
            await desk.connected(session)
            assert "new boot" in session.sentence
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            domain.destroy()
        domain.undefine()
        connection.close()


async def test_a_console_follows_its_guest_to_another_host(
    pair: tuple[Host, Host], image: Image, tmp_path: Path
) -> None:
    source, target = pair
    with running_guest(source, "mover", image) as guest:
        backends = make_backend(source, tmp_path), make_backend(target, tmp_path, "kvm-b")
        there = target.open()
        async with desk_at(*backends) as desk:
            session = await desk.open(guest.name)
            await desk.connected(session)
            await desk.ask(session, "\x15", ":~#")
            domain = source.open().lookupByName(guest.name)
            where = {"migrate_uri": "tcp://127.0.0.1"}
            await asyncio.to_thread(domain.migrate3, there, where, libvirt.VIR_MIGRATE_LIVE)
            await desk.until(lambda: "moved to kvm-b" in session.sentence and session.is_connected, "the move")
            await desk.ask(session, "echo $((40+3))", "43")
        there.lookupByName(guest.name).destroy()


async def test_a_console_of_a_host_that_dies_is_told_as_lost(
    make_host: Callable[..., Host], image: Image, tmp_path: Path
) -> None:
    host = make_host("kvm-c")
    with running_guest(host, "alone", image) as guest:
        async with desk_at(make_backend(host, tmp_path)) as desk:
            session = await desk.open(guest.name)
            await desk.connected(session)
            host.kill_daemon()
            await desk.until(lambda: session.state is State.LOST, "the loss")
            assert "Link lost" in session.sentence
            host.start_daemon()
            await desk.until(lambda: desk.fleet.backends["kvm-a"].info.trouble == "", "the host")
            session.retake()
            await desk.connected(session)
            await desk.ask(session, "\x15", ":~#")


async def test_a_host_that_freezes_stops_no_other_console(
    pair: tuple[Host, Host], guest: Guest, make_host: Callable[..., Host], image: Image, tmp_path: Path
) -> None:
    frozen = make_host("kvm-d")
    with running_guest(frozen, "stuck", image) as other:
        backends = make_backend(pair[0], tmp_path), make_backend(frozen, tmp_path, "kvm-d")
        async with desk_at(*backends) as desk:
            well, stuck = await desk.open(guest.name), await desk.open(other.name, "kvm-d")
            await desk.connected(well)
            await desk.connected(stuck)
            frozen.freeze()
            for _ in range(40):
                stuck.send(b"x" * 10_000)
            await desk.ask(well, "", ":~#")
            begin = time.perf_counter()
            await desk.ask(well, "echo $((50+4))", "54")
            assert time.perf_counter() - begin < 5
            await desk.until(lambda: stuck.state is State.LOST, "the loss")
            begin = time.perf_counter()
            await stuck.stop()
            assert time.perf_counter() - begin < 1
            frozen.thaw()
