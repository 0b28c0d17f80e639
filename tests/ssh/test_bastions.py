"""Which ssh server on the way is told to be in the way of whom, with real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from kvtui.backends.ssh import Routes
from kvtui.backends.ssh.pace import Pace
from kvtui.errors import HostKeyError, KvtuiError, UnreachableError
from kvtui.hops import Route, parse_route
from kvtui.records.bastion import Bastion
from kvtui.store import Store
from tests.ssh.sshd import SSHD, Sshd, running_sshd
from tests.ssh.support import opened, trusted
from tests.wire.sshserver import User
from tests.wire.support import eventually

pytestmark = pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")


class Told:
    """What the store was told of bastions, and which hosts were called to try again."""

    def __init__(self, routes: Routes) -> None:
        self._store = Store()
        self.revived: list[str] = []
        routes.bastions.inbox = self._store.post
        routes.bastions.revive = self.revived.append

    @property
    def bastions(self) -> list[Bastion]:
        self._store.drain()
        return [record for _, record in self._store.items(Bastion)]


@contextlib.asynccontextmanager
async def behind(home: Path, key: asyncssh.SSHKey, *names: str) -> AsyncIterator[list[Sshd]]:
    """Servers, one for each name, whose keys are known."""
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running_sshd(home / name, key)) for name in names]
        trusted(home, *(server.known for server in servers))
        yield servers


async def failure(routes: Routes, route: Route) -> KvtuiError:
    """Why a route is not free."""
    with pytest.raises(KvtuiError) as caught:
        await routes.dialer(route).prepare()
    return caught.value


async def test_a_bastion_that_is_down_is_one_record_with_all_who_are_behind_it(
    home: Path, key: asyncssh.SSHKey
) -> None:
    async with behind(home, key, "gate", "kvm1", "kvm2") as (gate, one, two), opened(User()) as routes:
        told = Told(routes)
        ways = [parse_route(f"{gate.hop},{server.hop}") for server in (one, two)]
        for name, way in zip(("kvm1", "kvm2"), ways, strict=True):
            routes.bastions.lead_to_host(name, way)
        routes.bastions.lead_to_context("prod", parse_route(gate.hop))
        await asyncio.gather(*(routes.dialer(way).prepare() for way in (*ways, parse_route(gate.hop))))
        assert told.bastions == []
        await gate.go_down()
        # The cut alone tells it, before anybody tries again.
        await eventually(lambda: told.bastions and told.bastions[0].contexts and len(told.bastions[0].hosts) == 2)
        errors = [await failure(routes, way) for way in ways]
        assert [error.hop for error in errors] == [f"127.0.0.1:{gate.port}"] * 2
        (bastion,) = told.bastions
        assert bastion.metadata.name == f"127.0.0.1:{gate.port}"
        assert (bastion.trouble, bastion.cause) == ("cannot be reached", "Connection refused")
        assert (bastion.contexts, sorted(bastion.hosts)) == (("prod",), ["kvm1", "kvm2"])
        async with running_sshd(gate.folder, key, key=gate.key, port=gate.port):
            await routes.dialer(ways[0]).prepare()
            # Whoever comes first frees the way for all.
            await eventually(lambda: not told.bastions)
            assert sorted(told.revived) == ["kvm1", "kvm2"]


async def test_a_changed_key_is_told_with_both_fingerprints_and_its_line(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "gate", "kvm1") as (gate, kvm), opened(User()) as routes:
        other = asyncssh.generate_private_key("ssh-ed25519")
        file = trusted(
            home, kvm.known, gate.known.replace(gate.known.split()[2], other.export_public_key().decode().split()[1])
        )
        told = Told(routes)
        way = parse_route(f"{gate.hop},{kvm.hop}")
        routes.bastions.lead_to_host("kvm1", way)
        assert isinstance(await failure(routes, way), HostKeyError)
        await eventually(lambda: told.bastions)
        (bastion,) = told.bastions
        assert bastion.trouble == "changed its host key"
        assert f"it shows ssh-ed25519 {gate.key.get_fingerprint()}" in bastion.cause
        assert f"but ssh-ed25519 {other.get_fingerprint()} is known from line 2 of {file}" in bastion.cause
        assert f"delete line 2 of {file}" in bastion.step


async def test_of_a_chain_the_hop_is_named_that_fails(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "gate", "inner", "kvm1") as (gate, inner, kvm), opened(User()) as routes:
        told = Told(routes)
        way = parse_route(f"{gate.hop},{inner.hop},{kvm.hop}")
        routes.bastions.lead_to_host("kvm1", way)
        await routes.dialer(way).prepare()
        await inner.go_down()
        await eventually(lambda: told.bastions)
        error = await failure(routes, way)
        assert error.hop == f"127.0.0.1:{inner.port}"
        (bastion,) = told.bastions
        assert (bastion.metadata.name, bastion.hops) == (f"127.0.0.1:{inner.port}", (f"127.0.0.1:{gate.port}",))
        assert bastion.hosts == ("kvm1",)
        # Once the first of them is gone, nobody can tell of the second.
        await gate.go_down()
        async with asyncio.timeout(10):
            while [bastion.metadata.name for bastion in told.bastions] != [f"127.0.0.1:{gate.port}"]:
                await failure(routes, way)


async def test_a_host_that_is_itself_down_is_behind_nothing(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "gate", "kvm1") as (gate, kvm), opened(User()) as routes:
        told = Told(routes)
        way = parse_route(f"{gate.hop},{kvm.hop}")
        routes.bastions.lead_to_host("kvm1", way)
        # To an API server behind the same server it is one.
        routes.bastions.lead_to_context("prod", way)
        await routes.dialer(way).prepare()
        await kvm.go_down()
        await eventually(lambda: told.bastions)
        (bastion,) = told.bastions
        assert (bastion.metadata.name, bastion.hops) == (f"127.0.0.1:{kvm.port}", (f"127.0.0.1:{gate.port}",))
        assert (bastion.contexts, bastion.hosts) == (("prod",), ())
        error = await failure(routes, way)
        assert isinstance(error, UnreachableError)
        assert error.hop == ""


async def test_of_hops_that_fall_silent_the_nearest_is_named_and_no_other(home: Path, key: asyncssh.SSHKey) -> None:
    pace = Pace(keepalive=0.3, handshake=0.5)
    async with behind(home, key, "gate", "inner", "kvm1") as (gate, inner, kvm), opened(User(), pace) as routes:
        told = Told(routes)
        way = parse_route(f"{gate.hop},{inner.hop},{kvm.hop}")
        routes.bastions.lead_to_host("kvm1", way)
        await routes.dialer(way).prepare()
        with gate.frozen():
            await eventually(lambda: told.bastions)
            (bastion,) = told.bastions
            assert (bastion.metadata.name, bastion.hosts) == (f"127.0.0.1:{gate.port}", ("kvm1",))
            assert (await failure(routes, way)).hop == f"127.0.0.1:{gate.port}"
        await routes.dialer(way).prepare()
        await eventually(lambda: not told.bastions)


async def test_who_hears_nothing_through_hops_asks_them_and_learns_which_one_hangs(
    home: Path, key: asyncssh.SSHKey
) -> None:
    pace = Pace(keepalive=60, check=0.2)
    async with behind(home, key, "gate", "inner", "kvm1") as (gate, inner, kvm), opened(User(), pace) as routes:
        way = parse_route(f"{gate.hop},{inner.hop},{kvm.hop}")
        await routes.dialer(way).prepare()
        await routes.check(way)
        for server in (inner, gate):
            with server.frozen():
                # The host itself is not asked: of it one knows already that it does not answer.
                with pytest.raises(UnreachableError, match="was cut") as caught:
                    await routes.check(way)
                assert caught.value.hop == f"127.0.0.1:{server.port}"
            await routes.dialer(way).prepare()
        with kvm.frozen():
            await routes.check(way)


async def test_a_hop_is_not_blamed_where_the_one_before_it_fell_silent_meanwhile(
    home: Path, key: asyncssh.SSHKey
) -> None:
    pace = Pace(connect=0.5, handshake=0.5, keepalive=60, check=0.2)
    async with behind(home, key, "gate", "inner") as (gate, inner), opened(User(), pace) as routes:
        told = Told(routes)
        await routes.dialer(parse_route(gate.hop)).prepare()
        way = parse_route(f"{gate.hop},{inner.hop}")
        routes.bastions.lead_to_context("prod", way)
        with gate.frozen():
            assert (await failure(routes, way)).hop == f"127.0.0.1:{gate.port}"
            await eventually(lambda: told.bastions)
            assert [bastion.metadata.name for bastion in told.bastions] == [f"127.0.0.1:{gate.port}"]


async def test_a_hop_that_takes_connections_and_hangs_is_named(home: Path, key: asyncssh.SSHKey) -> None:
    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with opened(User(), Pace(handshake=0.3)) as routes:
            told = Told(routes)
            way = parse_route(f"127.0.0.1:{port},kvm1")
            routes.bastions.lead_to_host("kvm1", way)
            await failure(routes, way)
            await eventually(lambda: told.bastions)
            (bastion,) = told.bastions
            assert (bastion.trouble, bastion.cause) == ("cannot be reached", "connected, but no greeting came in 0.3 s")
    finally:
        server.close()
