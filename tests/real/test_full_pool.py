"""A pool that a real guest fills: it is called full by the VM that stands still, and tells how old its sizes are."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kvtui.errors import ConflictError
from kvtui.fleet import Fleet
from kvtui.model import Finding
from kvtui.records.libvirt import Domain, DomainState, StoragePool
from kvtui.resources import find
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import running_guest
from tests.real.hosts import Host, wait_until
from tests.real.image import Image
from tests.real.line import Line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

import_libvirt()

FOLDER = "/var/lib/libvirt/small"
_SMALL = (
    f"mkdir {FOLDER} && mount -t tmpfs -o size=8m tmpfs {FOLDER} && qemu-img create -q -f qcow2 {FOLDER}/db.qcow2 32M"
)


def found(fleet: Fleet, label: str) -> Finding | None:
    return next((finding for finding in fleet.engine.findings if finding.label == label), None)


def row(fleet: Fleet) -> dict[str, str]:
    """What the row of the pool says."""
    pools = find("pools", fleet.resources)
    assert pools is not None
    (ref,) = pools.refs(fleet.view)
    known = pools.row(fleet.view, ref)
    return {column.title: column.cell(known, fleet.clock()).text for column in pools.columns}


def used(fleet: Fleet) -> int:
    """Of the pool, as its row says, in percent."""
    return int(row(fleet)["USED"].rstrip("%?"))


def dry_run(host: Host, verb: str, home: Path) -> str:
    """What a command says that would do it to the VM."""
    command = [sys.executable, "-m", "kvtui", verb, "db", "--host", host.uri, "--dry-run"]
    quiet = {**os.environ, "HOME": str(home), "KUBECONFIG": os.devnull}
    return subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=30, check=True).stderr


async def test_a_pool_that_a_vm_has_filled_is_full_though_libvirt_has_not_looked_since(
    make_host: Callable[..., Host], image: Image, tmp_path: Path
) -> None:
    host = make_host("kvm-a", namespaces=True)
    making = host.run("sh", "-c", _SMALL)
    wait_until(lambda: not host.is_alive(making), "a small folder")
    own = host.open()
    pool = own.storagePoolDefineXML(f"<pool type='dir'><name>small</name><target><path>{FOLDER}</path></target></pool>")
    pool.create()
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "db", image, disks=[f"{FOLDER}/db.qcow2"]):
        async with live(backend) as fleet:
            await until(fleet, lambda: fleet.view.count(Domain) == fleet.view.count(StoragePool) == 1, 20)
            assert (row(fleet)["STATUS"], row(fleet)["AS OF"]) == ("Running", "unknown")

            with Line(host.open(), "db") as line:
                line.type("dd if=/dev/zero of=/dev/vda bs=1M count=30\r")
                await until(fleet, lambda: any(one.trouble == "is full" for one in fleet.engine.findings), 30)
            told = found(fleet, "pool")
            assert told is not None
            assert told.cause.startswith(f"nothing more can be written in {FOLDER};")
            vm = found(fleet, "vm")
            assert vm is not None
            assert "vda (no space)" in vm.cause
            (problem,) = fleet.engine.problems
            assert (problem.finding.label, problem.cause.partition(":")[0]) == ("pool", "stops VM db")
            assert row(fleet)["STATUS"] == "Full"
            assert "pool small had no space" in await asyncio.to_thread(dry_run, host, "unpause", tmp_path)
            assert used(fleet) < 10
            assert row(fleet)["FREE"].endswith("?")

            # The daemon is new, and the troubles are the old ones.
            host.kill_daemon()
            await until(fleet, lambda: found(fleet, "host") is not None, 20)
            host.start_daemon()
            await until(fleet, lambda: found(fleet, "vm") is not None and found(fleet, "pool") is not None, 30)
            assert [
                (one.label, one.since) for one in (found(fleet, "vm"), found(fleet, "pool")) if one is not None
            ] == [
                ("vm", vm.since),
                ("pool", told.since),
            ]

            ref, _ = next(iter(fleet.view.items(StoragePool)))
            await backend.refresh_pool(ref)
            await until(fleet, lambda: used(fleet) > 80 and row(fleet)["AS OF"].endswith("s ago"), 10)
            assert row(fleet)["STATUS"] == "Full"
            assert not row(fleet)["FREE"].endswith("?")

            vm_ref, _ = next(iter(fleet.view.items(Domain)))
            with pytest.raises(ConflictError, match="the I/O error on vda has paused it again"):
                await backend.unpause(vm_ref)

            growing = host.run("mount", "-o", "remount,size=64m", FOLDER)
            await asyncio.to_thread(wait_until, lambda: not host.is_alive(growing), "a larger folder")
            await backend.unpause(vm_ref)

            def is_well() -> bool:
                (domain,) = (record for _, record in fleet.view.items(Domain))
                return domain.state is DomainState.RUNNING and found(fleet, "vm") is None

            await until(fleet, is_well, 20)
            assert "VM db" not in row(fleet)["REASON"]

            # The guest goes on, and takes more than libvirt knew to be there.
            await until(fleet, lambda: getattr(found(fleet, "pool"), "rule", "") == "pool.sizes", 60)
            assert (row(fleet)["STATUS"], row(fleet)["FREE"], row(fleet)["USED"]) == ("Running", "-", "-")
            await backend.refresh_pool(ref)
            await until(fleet, lambda: found(fleet, "pool") is None and 40 < used(fleet) < 80, 10)
