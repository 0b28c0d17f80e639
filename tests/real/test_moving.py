"""Domains move between two real hosts: checked before, seen while they travel, ended on demand."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from kvtui.backends.base import MovePlan, Transport
from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.errors import BackendError, ReadOnlyError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, DomainJob, DomainState
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import Guest, define_domain, open_shell, running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

libvirt = import_libvirt()
Pair = tuple[Host, Host]


@asynccontextmanager
async def fleet_of(pair: Pair, folder: Path, *, read_only: bool = False) -> AsyncIterator[Fleet]:
    """A fleet of both hosts, as kvm1 and kvm2, that know each other."""
    backends = {
        name: make_backend(host.uri, folder, name=name, read_only=read_only)
        for name, host in zip(("kvm1", "kvm2"), pair, strict=True)
    }
    for backend in backends.values():
        backend.peers = backends
    async with live(*backends.values()) as fleet:
        yield fleet


def source(fleet: Fleet) -> LibvirtBackend:
    backend = fleet.backends["kvm1"]
    assert isinstance(backend, LibvirtBackend)
    return backend


def ref_of(fleet: Fleet, name: str) -> Ref:
    return next(ref for ref, _ in fleet.view.items(Domain, "kvm1") if ref.name == name)


def state(fleet: Fleet, backend: str, name: str) -> DomainState | None:
    domain = fleet.view.get(Domain, backend, "", name)
    return domain.state if domain is not None else None


MOVE = "migrate to kvm2"


def audited(folder: Path) -> list[tuple[str, str]]:
    """Verbs and results of the log."""
    lines = (folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    return [(item["verb"], item["result"]) for item in map(json.loads, lines)]


async def test_a_guest_moves_to_the_other_host_and_is_told_there(pair: Pair, image: Image, tmp_path: Path) -> None:
    async with fleet_of(pair, tmp_path) as fleet:
        with running_guest(pair[0], "wanderer", image):
            await until(fleet, lambda: state(fleet, "kvm1", "wanderer") is DomainState.RUNNING, 20)
            ref = ref_of(fleet, "wanderer")
            check = await source(fleet).check_move(ref, "kvm2")
            assert check.possible, check.obstacles
            assert check.copied == ()
            await source(fleet).move(ref, MovePlan("kvm2", uri="tcp://127.0.0.1"))
            await until(fleet, lambda: state(fleet, "kvm2", "wanderer") is DomainState.RUNNING, 60)
            await until(fleet, lambda: state(fleet, "kvm1", "wanderer") is None, 20)
        there = pair[1].open()
        moved = there.lookupByName("wanderer")
        moved.destroy()
        moved.undefine()
        assert audited(tmp_path) == [(MOVE, "asked"), (MOVE, "accepted"), (MOVE, "done")]


async def test_a_migration_that_does_not_end_is_aborted_and_the_guest_stays(
    pair: Pair, image: Image, tmp_path: Path
) -> None:
    async with fleet_of(pair, tmp_path) as fleet:
        with running_guest(pair[0], "busy", image):
            await until(fleet, lambda: state(fleet, "kvm1", "busy") is DomainState.RUNNING, 20)
            await asyncio.to_thread(_keep_busy, pair[0])
            ref = ref_of(fleet, "busy")
            plan = MovePlan("kvm2", Transport.DIRECT, bandwidth=4, uri="tcp://127.0.0.1")
            await source(fleet).move(ref, plan)
            there = fleet.backends["kvm2"]
            assert isinstance(there, LibvirtBackend)
            places = [await backend.locate("busy") for backend in (source(fleet), there)]
            assert [place.arriving for place in places if place is not None] == [False, True]
            await source(fleet).abort_job(ref)
            # Its figures change all the time, so the store has news.
            await until(fleet, lambda: source(fleet).failures, 30)
            assert source(fleet).failures[-1].target == "kvm2"
            assert state(fleet, "kvm1", "busy") is DomainState.RUNNING
            assert state(fleet, "kvm2", "busy") is None
            assert audited(tmp_path)[:2] == [(MOVE, "asked"), (MOVE, "accepted")]
            assert (MOVE, "failed") in audited(tmp_path)


def _keep_busy(host: Host) -> None:
    """Have the guest write to its memory without end."""
    with open_shell(host.open(), "busy") as line:
        line.run("dirty 32 & echo $!")


async def test_what_stands_in_the_way_is_told_before_anything_moves(pair: Pair, image: Image, tmp_path: Path) -> None:
    disk = pair[0].make_disk("held.qcow2")
    here, there = pair[0].open(), pair[1].open()
    domain = define_domain(here, pair[0], "held", image, disks=[disk], machine="pc")
    namesake = define_domain(there, pair[1], "held", image)
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        async with fleet_of(pair, tmp_path) as fleet:
            await until(fleet, lambda: state(fleet, "kvm1", "held") is DomainState.PAUSED, 20)
            ref = ref_of(fleet, "held")
            check = await source(fleet).check_move(ref, "kvm2")
            assert not check.possible
            assert [one.subject for one in check.obstacles if one.blocks] == ["name"]
            assert check.copied == ("vda",)
            assert check.copied_bytes > 0
            with pytest.raises(BackendError, match="is the host that it runs on"):
                await source(fleet).move(ref, MovePlan("kvm1"))
            with pytest.raises(BackendError, match="no host of this fleet"):
                await source(fleet).check_move(ref, "nowhere")
            # Without shared storage libvirt refuses, in its words.
            namesake.undefine()
            with pytest.raises(BackendError, match="without shared storage"):
                await source(fleet).move(ref, MovePlan("kvm2", uri="tcp://127.0.0.1"))
            assert state(fleet, "kvm1", "held") is DomainState.PAUSED
    finally:
        domain.destroy()
        domain.undefine()
        if _is_there(there, "held"):
            namesake.undefine()


async def test_a_disk_is_never_copied_onto_that_of_another_vm_there_be_it_off(
    pair: Pair, image: Image, tmp_path: Path
) -> None:
    if not pair[1].has_namespaces:
        pytest.skip("both hosts have the same files")
    disk = pair[0].make_disk("db.qcow2")
    assert pair[1].make_disk("db.qcow2", 24) == disk
    file = pair[1].folder / "lib" / "images" / "db.qcow2"
    before = file.read_bytes()
    there = pair[1].open()
    other = define_domain(there, pair[1], "other", image, disks=[disk])
    try:
        with running_guest(pair[0], "commanded", image, disks=[disk]):
            for option in ("--wait", "--overwrite", "--dry-run"):
                told = await _migrate(pair, tmp_path, "commanded", option)
                assert told.code != 0, told
                assert "db.qcow2 there is the disk of VM other" in told.words, told
            async with fleet_of(pair, tmp_path) as fleet:
                await until(fleet, lambda: state(fleet, "kvm1", "commanded") is DomainState.RUNNING, 20)
                # As one whose form was asked before the other came.
                plan = MovePlan("kvm2", uri="tcp://127.0.0.1", copied=("vda",), overwrite=True)
                with pytest.raises(BackendError, match="is the disk of VM other"):
                    await source(fleet).move(ref_of(fleet, "commanded"), plan)
                other.undefine()
                # No pool of libvirt knows the file before it is looked for.
                target = f"<target><path>{Path(disk).parent}</path></target>"
                file.unlink()
                own = there.storagePoolCreateXML(f"<pool type='dir'><name>images</name>{target}</pool>")
                file.write_bytes(before)
                plan = MovePlan("kvm2", uri="tcp://127.0.0.1", copied=("vda",))
                with pytest.raises(BackendError, match="has a file already where vda would be copied to"):
                    await source(fleet).move(ref_of(fleet, "commanded"), plan)
                own.destroy()
        assert file.read_bytes() == before
    finally:
        if _is_there(there, "other"):
            other.undefine()


async def test_a_disk_is_copied_onto_a_file_that_nobody_has_only_when_that_is_said(
    pair: Pair, image: Image, tmp_path: Path
) -> None:
    if not pair[1].has_namespaces:
        pytest.skip("both hosts have the same files")
    disk = pair[0].make_disk("left.qcow2")
    pair[1].make_disk("left.qcow2")
    there = pair[1].open()
    target = f"<target><path>{Path(disk).parent}</path></target>"
    pool = there.storagePoolCreateXML(f"<pool type='dir'><name>images</name>{target}</pool>")
    try:
        with running_guest(pair[0], "commanded", image, disks=[disk]):
            told = await _migrate(pair, tmp_path, "commanded", "--wait")
            assert told.code != 0, told
            assert "kvm2 has files already where commanded/vda would be copied to" in told.words, told
            assert pair[0].open().lookupByName("commanded").isActive()
            told = await _migrate(pair, tmp_path, "commanded", "--wait", "--overwrite")
            assert told.code == 0, told
            assert there.lookupByName("commanded").isActive()
    finally:
        pool.destroy()
        if _is_there(there, "commanded"):
            moved = there.lookupByName("commanded")
            moved.destroy()
            moved.undefine()


async def test_nothing_moves_where_only_looking_is_allowed(pair: Pair, guest: Guest, tmp_path: Path) -> None:
    async with fleet_of(pair, tmp_path, read_only=True) as fleet:
        await until(fleet, lambda: state(fleet, "kvm1", guest.name) is DomainState.RUNNING, 20)
        with pytest.raises(ReadOnlyError):
            await source(fleet).move(ref_of(fleet, guest.name), MovePlan("kvm2"))


@pytest.mark.parametrize("transport", ["direct", "peer to peer"])
async def test_a_move_by_command_ends_when_the_guest_runs_on_the_other_host(
    pair: Pair, image: Image, tmp_path: Path, transport: str
) -> None:
    with running_guest(pair[0], "commanded", image):
        told = await _migrate(pair, tmp_path, "commanded", "--transport", transport, "--wait")
        assert told.code == 0, told
        assert "done" in told.words, told
        assert "it runs on kvm2" in told.words, told
        assert not _is_there(pair[0].open(), "commanded")
    moved = pair[1].open().lookupByName("commanded")
    assert moved.isActive()
    moved.destroy()
    moved.undefine()


async def test_a_direct_move_by_command_is_waited_for_and_its_failure_told(
    pair: Pair, guest: Guest, tmp_path: Path
) -> None:
    told = await _migrate(pair, tmp_path, guest.name, uri="tcp://nowhere.invalid")
    assert told.code == 1, told
    assert "nowhere.invalid" in told.words, told
    assert pair[0].open().lookupByName(guest.name).isActive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_direct_move_by_command_that_is_ended_by_a_signal_is_aborted_at_once_and_told(
    pair: Pair, guest: Guest, tmp_path: Path, number: signal.Signals
) -> None:
    handle = pair[0].open().lookupByName(guest.name)

    async def interrupt(process: asyncio.subprocess.Process) -> None:
        async with asyncio.timeout(30):
            while (await asyncio.to_thread(handle.jobInfo))[0] == libvirt.VIR_DOMAIN_JOB_NONE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        # It stands on both hosts, and the one that it runs on is meant.
        why = await _run(tmp_path / "config.toml", "why", guest.name)
        assert why.code == 0, why
        process.send_signal(number)
        async with asyncio.timeout(10):
            await process.wait()

    told = await _migrate(pair, tmp_path, guest.name, "--bandwidth", "1", meanwhile=interrupt)
    assert told.code == 128 + number, told
    assert "stays on kvm1" in told.words, told
    assert handle.isActive()
    assert handle.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE
    assert not _is_there(pair[1].open(), guest.name)


class Told(NamedTuple):
    """What a command said."""

    code: int | None
    words: str


async def _leave(_process: asyncio.subprocess.Process) -> None:
    """Do nothing meanwhile."""


async def _migrate(
    pair: Pair,
    folder: Path,
    name: str,
    *options: str,
    uri: str = "tcp://127.0.0.1",
    meanwhile: Callable[[asyncio.subprocess.Process], Awaitable[None]] = _leave,
) -> Told:
    """``kvtui migrate NAME`` from kvm1 to kvm2."""
    config = folder / "config.toml"
    hosts = (f'[[host]]\nname = "kvm{number}"\nuri = "{host.uri}"\n' for number, host in enumerate(pair, 1))
    config.write_text("".join(hosts), encoding="utf-8")
    words = ("migrate", name, "--target", "kvm2", "--uri", uri, "--yes", *options)
    return await _run(config, *words, meanwhile=meanwhile)


async def _run(
    config: Path, *words: str, meanwhile: Callable[[asyncio.subprocess.Process], Awaitable[None]] = _leave
) -> Told:
    """A command of kvtui with the hosts of `config`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kvtui", *words, "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    await meanwhile(process)
    out, _ = await process.communicate()
    return Told(process.returncode, out.decode())


def _is_there(connection: object, name: str) -> bool:
    try:
        connection.lookupByName(name)  # type: ignore[attr-defined]
    except libvirt.libvirtError:
        return False
    return True


async def test_a_move_that_fails_while_it_connects_is_told_with_the_reason(
    pair: Pair, guest: Guest, tmp_path: Path
) -> None:
    async with fleet_of(pair, tmp_path) as fleet:
        await until(fleet, lambda: state(fleet, "kvm1", guest.name) is DomainState.RUNNING, 20)
        ref = ref_of(fleet, guest.name)

        def failed() -> list[DomainJob]:
            return [job for _, job in fleet.view.items(DomainJob, "kvm1") if job.phase == "Failed"]

        refusal = await attempt(source(fleet).move(ref, MovePlan("kvm2", uri="tcp://nowhere.invalid")))
        if not refusal:
            await until(fleet, failed, 30)
            (job,) = failed()
            assert (job.domain, job.target) == (guest.name, "kvm2")
            refusal = job.reason
        assert "nowhere.invalid" in refusal
        assert state(fleet, "kvm1", guest.name) is DomainState.RUNNING


async def attempt(verb: Awaitable[None]) -> str:
    """The words of a refusal; empty when it was accepted."""
    try:
        await verb
    except BackendError as error:
        return error.detail
    return ""
