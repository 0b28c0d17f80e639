"""Storage that hangs, as a network file system does whose server is gone: what of a host goes on, and what is told."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.libvirt import Domain, DomainState, StoragePool
from kvtui.resources import find
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import open_shell, running_guest
from tests.real.hosts import Host, wait_until
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

import_libvirt()
SHOWN, BEHIND = "/var/lib/libvirt/far", "/var/lib/libvirt/behind"
_SERVER = Path(__file__).with_name("fuse.py")


@dataclass
class Far:
    """A host with the pool far, and the server of its storage."""

    host: Host
    server: int

    def freeze(self) -> None:
        self.host.signal(self.server, signal.SIGSTOP)

    def thaw(self) -> None:
        self.host.signal(self.server, signal.SIGCONT)


@pytest.fixture
def far(make_host: Callable[..., Host]) -> Iterator[Far]:
    """Its storage holds the disk db.qcow2."""
    host = make_host("kvm-a", namespaces=True)
    making = host.run("mkdir", "-p", SHOWN, BEHIND)
    wait_until(lambda: not host.is_alive(making), "two folders")
    server = host.run(sys.executable, "-I", "-S", str(_SERVER), BEHIND, SHOWN)
    wait = f"until mountpoint -q {SHOWN}; do sleep 0.1; done; qemu-img create -q -f qcow2 {SHOWN}/db.qcow2 32M"
    making = host.run("sh", "-c", wait)
    wait_until(lambda: not host.is_alive(making) or not host.is_alive(server), "a file system")
    if not host.is_alive(server):
        pytest.skip("no FUSE here")
    own = host.open()
    own.storagePoolDefineXML(f"<pool type='dir'><name>far</name><target><path>{SHOWN}</path></target></pool>").create()
    own.close()
    storage = Far(host, server)
    yield storage
    # What hangs would not end with the host.
    with suppress(OSError):
        storage.thaw()


def state(fleet: Fleet, kind: str) -> FeedState:
    return fleet.store.feed("kvm1", kind).state


def found(fleet: Fleet, name: str) -> Domain:
    return fleet.view.get(Domain, "kvm1", "", name) or Domain()


def pool(fleet: Fleet) -> dict[str, str]:
    """What its row says."""
    pools = find("pools", fleet.resources)
    assert pools is not None
    row = pools.row(fleet.view, Ref("kvm1", StoragePool.KIND, "", "far"))
    return {column.title: column.cell(row, fleet.clock()).text for column in pools.columns}


async def test_storage_that_hangs_holds_up_nothing_else_and_is_told(far: Far, image: Image, tmp_path: Path) -> None:
    host, backend = far.host, make_backend(far.host.uri, tmp_path, name="kvm1")
    with (
        running_guest(host, "db", image, disks=[f"{SHOWN}/db.qcow2"]),
        running_guest(host, "web", image),
        open_shell(host.open(), "web") as line,
    ):
        async with live(backend) as fleet:
            await until(fleet, lambda: found(fleet, "db").use and found(fleet, "web").use, 20)
            await until(fleet, lambda: fleet.view.count(StoragePool), 20)
            assert pool(fleet)["STATUS"] == "Running"

            far.freeze()
            await until(fleet, lambda: found(fleet, "db").hung, 30)
            assert (pool(fleet)["STATUS"], pool(fleet)["REASON"]) == (
                "Running?",
                "nobody knows whether it answers: VM db hangs",
            )
            ref = next(ref for ref, _ in fleet.view.items(StoragePool))
            looking = asyncio.create_task(backend.refresh_pool(ref))
            await until(fleet, lambda: state(fleet, StoragePool.KIND) is FeedState.STALE, 40)

            web = found(fleet, "web").ref("kvm1")
            before = found(fleet, "web").use
            line.type("while :; do :; done\r")
            await until(fleet, lambda: (found(fleet, "web").use or before) != before, 20)
            line.type("\x03")
            await asyncio.to_thread(line.wait_for, r"\^C[^#]*# ")
            assert "alive" in await asyncio.to_thread(line.run, "echo alive")
            await backend.pause(web)
            await until(fleet, lambda: found(fleet, "web").state is DomainState.PAUSED, 5)
            assert state(fleet, Domain.KIND) is FeedState.LIVE
            assert not looking.done()

            far.thaw()
            await asyncio.wait_for(looking, 20)
            await until(fleet, lambda: state(fleet, StoragePool.KIND) is FeedState.LIVE, 40)
            await until(fleet, lambda: not found(fleet, "db").hung and pool(fleet)["STATUS"] == "Running", 40)
