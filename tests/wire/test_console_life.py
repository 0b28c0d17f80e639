"""Consoles of two users on one cluster, over the wire: first lines, restarts, migrations, takeovers, dead links."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import KubernetesBackend, connect
from kvtui.backends.kubernetes.timings import Timings
from kvtui.config import Settings
from kvtui.console.session import Session
from kvtui.console.state import State, Stream
from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.ui.consoles.channels import Channel, make_session
from tests.cluster import RunningCluster, running_cluster
from tests.demo.wire import machine
from tests.wire.proxy import running_proxy
from tests.wire.support import INSTANCES, MACHINES, QUICK, eventually, moved_to_port

STEADY = replace(QUICK, watch_silence=60.0)
"""For a cluster whose time stands still, so that no bookmark comes for long."""


@dataclass
class User:
    """One kvtui: a backend, a fleet, and a session with the machine."""

    backend: KubernetesBackend
    fleet: Fleet
    ref: Ref

    def session(self, stream: Stream = Stream.SERIAL) -> Session:
        return make_session(Channel(self.ref, stream), self.fleet, Settings())

    async def sees(self, phase: str) -> None:
        """The store knows of the machine's phase; empty for no instance."""

        def found() -> str:
            vmi = self.fleet.view.get(VirtualMachineInstance, self.ref.backend, "shop", "one")
            return vmi.status.phase if vmi is not None else ""

        def live() -> bool:
            return self.fleet.view.feed(self.ref.backend, "VirtualMachineInstance").state is FeedState.LIVE

        await eventually(lambda: live() and found() == phase, lambda: f"the phase is {found()!r}")


@contextlib.asynccontextmanager
async def cluster_of_one() -> AsyncIterator[RunningCluster]:
    """With shop/one, which is stopped."""
    async with running_cluster(size=1) as cluster:
        vm = machine("one")
        vm["spec"]["template"]["spec"]["evictionStrategy"] = "LiveMigrate"
        cluster.world.storage.create(kinds.VM, admit(cluster.world, kinds.VM, vm, None, "CREATE"))
        cluster.advance(5)
        yield cluster


@contextlib.asynccontextmanager
async def user(kubeconfig: Path, timings: Timings = STEADY) -> AsyncIterator[User]:
    backend = connect(str(kubeconfig), None, "", False, AuditLog(kubeconfig.parent / "audit.jsonl"), timings=timings)
    fleet = Fleet([backend])
    running = asyncio.create_task(fleet.run([MACHINES, INSTANCES]))
    try:
        yield User(backend, fleet, Ref(backend.name, VirtualMachine.KIND, "shop", "one"))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await fleet.close()


@contextlib.asynccontextmanager
async def opened(session: Session) -> AsyncIterator[Session]:
    session.start()
    try:
        yield session
    finally:
        await session.stop()


async def reaches(session: Session, state: State, words: str = "") -> None:
    await eventually(
        lambda: session.state is state and words in session.sentence,
        lambda: f"{session.state}: {session.sentence}",
    )


def history(session: Session) -> str:
    emulator = session.emulator
    rows = range(-emulator.scrollback_size, emulator.lines)
    return "\n".join("".join(run.text for run in emulator.row(y)).rstrip() for y in rows)


async def live_until(cluster: RunningCluster, session: Session, state: State, words: str = "") -> None:
    """Let the cluster's time go on until the session is in a state."""

    def condition() -> bool:
        cluster.advance(0.1)
        return session.state is state and words in session.sentence

    await eventually(condition, lambda: f"{session.state}: {session.sentence}")


async def says(cluster: RunningCluster, session: Session, words: str, count: int = 1) -> None:
    """Let the cluster's time go on until the guest has said something so often."""

    def condition() -> bool:
        cluster.advance(0.1)
        return history(session).count(words) == count

    await eventually(condition, lambda: history(session))


async def test_a_console_of_a_stopped_vm_shows_the_first_line_of_its_boot_and_of_the_next() -> None:
    async with cluster_of_one() as cluster, user(cluster.kubeconfig) as one:
        await one.sees("")
        async with opened(one.session()) as session:
            await reaches(session, State.WAITING, "it is Stopped")
            await one.backend.start(one.ref)
            await live_until(cluster, session, State.LIVE)
            await eventually(lambda: "SeaBIOS" in history(session), lambda: history(session))
            assert history(session).lstrip().startswith("SeaBIOS")
            await says(cluster, session, "login:")

            await one.backend.restart(one.ref)
            await live_until(cluster, session, State.LIVE, "new boot at")
            await eventually(lambda: session.emulator.text()[0].startswith("SeaBIOS"))
            assert history(session).count("SeaBIOS") == 2
            assert "Power down" in history(session)


async def test_two_users_follow_a_migration_without_throwing_each_other_out() -> None:
    async with cluster_of_one() as cluster, user(cluster.kubeconfig) as one, user(cluster.kubeconfig) as two:
        await one.backend.start(one.ref)
        await one.sees("")
        for _ in range(30):
            cluster.advance(5)
        await one.sees("Running")
        await two.sees("Running")
        async with opened(one.session()) as first, opened(two.session()) as second:
            await reaches(second, State.SILENT)
            await reaches(first, State.TAKEN, "Taken over by another user at ")
            await one.backend.migrate(one.ref)
            await live_until(cluster, second, State.SILENT, "the VM moved to ")
            second.send(b"\x15\r")
            await says(cluster, second, "login:")
            assert first.state is State.TAKEN

            first.retake()
            await reaches(second, State.TAKEN)
            assert first.is_connected
            assert second.received > 0


async def test_a_dead_link_is_told_from_a_takeover() -> None:
    async with cluster_of_one() as cluster, running_proxy(cluster.server.port) as proxy:
        kubeconfig = moved_to_port(cluster.kubeconfig, proxy.port)
        # The store shall not be the one that notices.
        slow = replace(STEADY, heartbeat=0.3, pulse=60.0)
        async with user(kubeconfig, slow) as one:
            await one.backend.start(one.ref)
            cluster.advance(120)
            await one.sees("Running")
            async with opened(one.session()) as session:
                await reaches(session, State.SILENT)
                proxy.hang()
                await reaches(session, State.LOST, "no answer to pings")
                proxy.go_on()
                assert not session.is_open


async def test_a_boot_log_follows_a_restart_over_the_wire() -> None:
    async with cluster_of_one() as cluster, user(cluster.kubeconfig) as one:
        await one.sees("")
        async with opened(one.session(Stream.LOG)) as session:
            await reaches(session, State.WAITING)
            await one.backend.start(one.ref)
            await live_until(cluster, session, State.LIVE)
            await says(cluster, session, "log in as root")
            await one.backend.restart(one.ref)
            await live_until(cluster, session, State.LIVE, "new boot at")
            await says(cluster, session, "SeaBIOS", 2)
