"""An API server behind a bastion."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from yarl import URL

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect
from kvtui.backends.ssh import Questions, Routes
from kvtui.backends.ssh.pace import Pace
from kvtui.backends.ssh.pump import pump
from kvtui.errors import AbsentError, UnreachableError
from kvtui.hops import Hop, parse_route
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import Store
from tests.cluster import RunningCluster, running_cluster
from tests.ssh.sshd import SSHD, Sshd, running_sshd
from tests.wire.sshserver import User, ssh_server
from tests.wire.support import MACHINES, QUICK, Kept, eventually

pytestmark = pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")
BASTION = "ForceCommand /bin/false\nPermitTTY no\nAllowStreamLocalForwarding no"


@dataclass
class Behind:
    """A cluster, the two hops to it, and the way."""

    cluster: RunningCluster
    bastion: Sshd
    inner: Sshd
    routes: Routes
    user: User

    @contextlib.asynccontextmanager
    async def kept(self, kubeconfig: Path) -> AsyncIterator[Kept]:
        """A backend that keeps the machines in a store, by way of the hops."""
        dialer = self.routes.dialer(parse_route(f"{self.bastion.hop},{self.inner.hop}"))
        audit = AuditLog(kubeconfig.with_name("audit.jsonl"))
        backend = connect(str(kubeconfig), None, "", False, audit, timings=QUICK, dialer=dialer)
        made = Kept(backend, Store(), kubeconfig.with_name("audit.jsonl"))
        running = asyncio.create_task(backend.run([MACHINES], made.store.post))
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await backend.close()


@contextlib.asynccontextmanager
async def behind(home: Path, key: asyncssh.SSHKey, *answers: str, pace: Pace | None = None) -> AsyncIterator[Behind]:
    async with (
        running_cluster() as cluster,
        running_sshd(home / "inner", key) as inner,
        running_sshd(home / "bastion", key, options=f"{BASTION}\nPermitOpen 127.0.0.1:{inner.port}") as bastion,
    ):
        user = User(*answers)
        routes = Routes(Questions(user), pace)
        try:
            yield Behind(cluster, bastion, inner, routes, user)
        finally:
            await routes.close()


def at(kubeconfig: Path, url: str, **cluster: str) -> Path:
    """A kubeconfig whose server is elsewhere."""
    document = yaml.safe_load(kubeconfig.read_text())
    for entry in document["clusters"]:
        entry["cluster"] |= {"server": url, **cluster}
    file = kubeconfig.with_name("elsewhere")
    file.write_text(yaml.safe_dump(document))
    return file


async def test_everything_goes_through_two_hops_and_each_is_logged_in_to_once(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "yes", "yes") as there, there.kept(there.cluster.kubeconfig) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        namespace, _, name = min(state.names(VirtualMachine)).partition("/")
        ref = Ref(state.backend.name, "VirtualMachine", namespace, name)
        assert (await state.backend.fetch(ref))["kind"] == "VirtualMachine"
        assert (there.bastion.logins, there.inner.logins) == (1, 1)
        # Each is asked about once, though several connections are made at the same time.
        hops = (there.bastion, there.inner)
        assert [prompt.split()[4] for prompt, _ in there.user.asked] == [f"127.0.0.1:{hop.port}" for hop in hops]


async def test_a_console_goes_through_the_hops(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "yes", "yes") as there, there.kept(there.cluster.kubeconfig) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        running = next(ref for ref, vm in state.store.items(VirtualMachine) if vm.status.printable_status == "Running")
        console = await state.backend.open_console(running)
        await console.write(b"\r")
        assert await asyncio.wait_for(console.read(), 10)
        await console.close()


async def test_a_cut_is_said_and_the_next_request_dials_anew(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "yes", "yes") as there, there.kept(there.cluster.kubeconfig) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        port = there.bastion.port
        await there.bastion.go_down()
        words = f"cannot connect to 127.0.0.1:{port} over ssh: Connection refused"
        await eventually(lambda: state.feed(VirtualMachine).detail == words, lambda: f"{state.feed(VirtualMachine)}")
        assert state.feed(VirtualMachine).state is FeedState.STALE
        with pytest.raises(UnreachableError, match="cannot connect to") as failure:
            await state.backend.fetch(state.ref(VirtualMachine))
        assert str(failure.value) == words
        async with running_sshd(there.bastion.folder, key, key=there.bastion.key, port=port) as again:
            await state.reaches(VirtualMachine, FeedState.LIVE)
            # The hop behind it is logged in to anew, too, and nothing is asked again.
            assert (again.logins, there.inner.logins, len(there.user.asked)) == (2, 2, 2)


async def test_a_bastion_that_hangs_is_noticed_and_said(home: Path, key: asyncssh.SSHKey) -> None:
    pace = Pace(keepalive=1.5, handshake=1)
    async with behind(home, key, "yes", "yes", pace=pace) as there, there.kept(there.cluster.kubeconfig) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        with there.bastion.frozen():
            await state.reaches(VirtualMachine, FeedState.STALE)
            # First it may be either of them; then the hop left its keepalives unanswered, and it is the hop.
            way = f"it hangs, or the way there by {there.bastion.hop},{there.inner.hop}"
            assert way in state.feed(VirtualMachine).detail
            hung = f"no ssh server answers on 127.0.0.1:{there.bastion.port}: connected, but no greeting came in 1 s"
            await eventually(lambda: hung in state.feed(VirtualMachine).detail, lambda: f"{state.feed(VirtualMachine)}")
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_a_question_that_is_given_up_is_not_asked_again_by_itself(home: Path, key: asyncssh.SSHKey) -> None:
    async with behind(home, key, "no") as there, there.kept(there.cluster.kubeconfig) as state:
        words = f"not logged in to 127.0.0.1:{there.bastion.port}: its host key was not trusted"
        await eventually(lambda: state.feed(VirtualMachine).detail.startswith(words))
        for _ in range(3):
            with pytest.raises(UnreachableError, match="was not trusted"):
                await state.backend.fetch(Ref("", "VirtualMachine", "shop", "web-1"))
        assert len(there.user.asked) == 1
        there.user.answers = ["yes", "yes"]
        state.backend.retry()
        await state.reaches(VirtualMachine, FeedState.LIVE)


class Far(asyncssh.SSHServer):
    """A hop of a network where names mean something: all of them the port of a cluster."""

    def __init__(self, key: asyncssh.SSHKey, wanted: list[tuple[str, int]]) -> None:
        self._key = key
        self._wanted = wanted

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == self._key.public_data

    def public_key_auth_supported(self) -> bool:
        return True

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        self._wanted.append((dest_host, dest_port))

        async def carry(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
            near = await asyncio.open_connection("127.0.0.1", PORTS[dest_host])
            await pump(near, (reader, writer))

        return carry


PORTS: dict[str, int] = {}


async def test_names_are_looked_up_at_the_far_end_and_hold_in_tls(home: Path, key: asyncssh.SSHKey) -> None:
    wanted: list[tuple[str, int]] = []
    async with running_cluster() as cluster, ssh_server(lambda: Far(key, wanted)) as port:
        PORTS["api.prod.invalid"] = PORTS["10.255.0.1"] = URL(cluster.url).port or 0
        routes = Routes(Questions(User("yes")))
        dialer = routes.dialer((Hop("127.0.0.1", "ops", port),))
        for host in ("api.prod.invalid", "10.255.0.1"):
            # Its certificate is for another name, and that is noticed through the tunnel as without one.
            file = at(cluster.kubeconfig, f"https://{host}:6443")
            audit = AuditLog(home / "audit")
            backend = connect(str(file), None, "", False, audit, timings=QUICK, dialer=dialer)
            with pytest.raises(UnreachableError, match=f"certificate of https://{host}:6443 is not trusted") as failure:
                await backend.fetch(Ref("", "VirtualMachine", "shop", "web-1"))
            assert host in failure.value.detail
            await backend.close()
            file = at(cluster.kubeconfig, f"https://{host}:6443", **{"tls-server-name": "127.0.0.1"})
            backend = connect(str(file), None, "", False, audit, timings=QUICK, dialer=dialer)
            with pytest.raises(AbsentError, match="not found"):
                await backend.fetch(Ref("", "VirtualMachine", "shop", "nobody"))
            await backend.close()
        assert {*wanted} == {("api.prod.invalid", 6443), ("10.255.0.1", 6443)}
        await routes.close()
