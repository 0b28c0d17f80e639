"""What domains can be told to do, on libvirt's test driver: each verb, its audit lines, its refusals."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kvtui.backends.base import Lifecycle
from kvtui.backends.domains import Power, Saves, Scope, Tuning
from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.errors import BackendError, ConflictError, ReadOnlyError, UnconnectedError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, DomainState
from tests.libvirt.conftest import host_file, live, make_backend, until

BOTH = Scope(live=True, stored=True)
STORED = Scope(live=False, stored=True)
Verb = Callable[[LibvirtBackend, Ref], Awaitable[None]]


def found(fleet: Fleet, name: str) -> Domain:
    domain = fleet.view.get(Domain, "kvm1", "", name)
    assert domain is not None
    return domain


def audited(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "audit.jsonl").read_text().splitlines()
    return [(entry["verb"], entry["result"]) for entry in map(json.loads, lines)]


async def test_hosts_can_do_what_the_protocols_say(tmp_path: Path) -> None:
    backend = make_backend("test:///default", tmp_path)
    for protocol in (Lifecycle, Power, Saves, Tuning):
        assert isinstance(backend, protocol)


ALL: list[tuple[str, str, Verb, str, Callable[[Domain], object]]] = [
    ("off:5", "start", lambda b, r: b.start(r), "start", lambda d: d.state is DomainState.RUNNING),
    ("on:1", "stop", lambda b, r: b.stop(r), "stop", lambda d: d.state is DomainState.SHUTOFF),
    ("on:1", "kill", lambda b, r: b.stop(r, grace=0), "stop within 0 s", lambda d: d.reason == "destroyed"),
    ("on:1", "restart", lambda b, r: b.restart(r), "restart", lambda d: d.state is DomainState.RUNNING),
    ("on:1", "pause", lambda b, r: b.pause(r), "pause", lambda d: d.state is DomainState.PAUSED),
    ("still:3", "unpause", lambda b, r: b.unpause(r), "unpause", lambda d: d.state is DomainState.RUNNING),
    ("off:5", "start afresh", lambda b, r: b.start_afresh(r), "start afresh", lambda d: d.active),
    ("on:1", "reset", lambda b, r: b.reset(r), "reset", lambda d: d.state is DomainState.RUNNING),
    ("still:3", "reset of what stands still", lambda b, r: b.reset(r), "reset",
     lambda d: d.state is DomainState.RUNNING),
    ("on:1", "NMI", lambda b, r: b.inject_nmi(r), "inject NMI", lambda d: d.active),
    ("on:1", "save", lambda b, r: b.save(r), "save", lambda d: d.saved and not d.active),
    ("on:1", "autostart", lambda b, r: b.set_autostart(r, True), "autostart on", lambda d: d.autostart),
    ("on:1", "CPUs", lambda b, r: b.set_vcpus(r, 1, BOTH), "set CPUs to 1", lambda d: d.vcpus == 1),
    ("off:5", "stored CPUs", lambda b, r: b.set_vcpus(r, 8, STORED), "set CPUs to 8, stored",
     lambda d: (d.vcpus, d.vcpus_most) == (8, 8)),
    ("on:1", "memory", lambda b, r: b.set_memory(r, 256 << 20, BOTH), "set memory to 256 MiB",
     lambda d: d.memory == 256 << 20),
    ("off:5", "most memory", lambda b, r: b.set_memory(r, 768 << 20, STORED, most=1 << 30),
     "set memory to 768 MiB of 1024 MiB, stored", lambda d: (d.memory, d.memory_most) == (768 << 20, 1 << 30)),
]  # fmt: skip


@pytest.mark.parametrize(("domain", "name", "verb", "logged", "effect"), ALL, ids=[case[1] for case in ALL])
async def test_a_verb_has_its_effect_and_its_audit_lines(
    tmp_path: Path, domain: str, name: str, verb: Verb, logged: str, effect: Callable[[Domain], object]
) -> None:
    backend = make_backend(host_file(tmp_path, domain), tmp_path, name="kvm1")
    title = domain.partition(":")[0]
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        await verb(backend, found(fleet, title).ref("kvm1"))
        await until(fleet, lambda: effect(found(fleet, title)))
    assert audited(tmp_path) == [(logged, "asked"), (logged, "accepted")]


@pytest.mark.parametrize(("domain", "name", "verb", "logged", "effect"), ALL, ids=[case[1] for case in ALL])
async def test_a_read_only_host_does_nothing_and_says_what_was_not_done(
    tmp_path: Path, domain: str, name: str, verb: Verb, logged: str, effect: object
) -> None:
    backend = make_backend(host_file(tmp_path, domain), tmp_path, name="kvm1", read_only=True)
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        before = found(fleet, domain.partition(":")[0])
        with pytest.raises(ReadOnlyError) as caught:
            await verb(backend, before.ref("kvm1"))
        assert caught.value.detail == f"{logged} of {before.metadata.name} was not sent"
        assert before.state is (DomainState.SHUTOFF if "5" in domain else found(fleet, before.metadata.name).state)
    assert not (tmp_path / "audit.jsonl").exists()


async def test_what_libvirt_refuses_is_told_in_its_words_and_logged(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        with pytest.raises(BackendError, match="was refused") as caught:
            await backend.start(found(fleet, "on").ref("kvm1"))
        assert "already running" in caught.value.detail
    assert audited(tmp_path) == [("start", "asked"), ("start", "refused")]


async def test_a_domain_of_the_same_name_that_is_another_one_is_left_alone(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        other = found(fleet, "on").ref("kvm1")._replace(uid="00000000-0000-4000-8000-00000000ffff")
        with pytest.raises(ConflictError, match="re-created since"):
            await backend.stop(other, grace=0)
        with pytest.raises(BackendError, match="was refused"):
            await backend.stop(other._replace(name="gone"))
        assert found(fleet, "on").state is DomainState.RUNNING


async def test_a_saved_domain_starts_from_its_memory_or_afresh_or_loses_it(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        ref = found(fleet, "on").ref("kvm1")
        await backend.save(ref)
        await until(fleet, lambda: found(fleet, "on").saved)
        await backend.drop_save(ref)
        await until(fleet, lambda: not found(fleet, "on").saved)
        await backend.start(ref)
        await backend.save(ref)
        await backend.start_afresh(ref)
        await until(fleet, lambda: found(fleet, "on").active and not found(fleet, "on").saved)


async def test_a_guest_that_has_stopped_within_its_grace_is_not_cut_off(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        await backend.stop(found(fleet, "on").ref("kvm1"), grace=30)
        await until(fleet, lambda: found(fleet, "on").reason == "shutdown")
    assert audited(tmp_path) == [("stop within 30 s", "asked"), ("stop within 30 s", "accepted")]


async def test_more_than_the_running_machine_can_have_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        with pytest.raises(ConflictError, match="exceeds maximum"):
            await backend.set_vcpus(found(fleet, "on").ref("kvm1"), 99, BOTH)
        assert found(fleet, "on").vcpus == 2


async def test_a_host_that_is_not_connected_is_told_of(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    with pytest.raises(UnconnectedError, match="kvm1 is not connected: start of on was not sent"):
        await backend.start(Ref("kvm1", Domain.KIND, "", "on"))
    assert [result for _, result in audited(tmp_path)] == ["asked", "unsent"]


async def test_what_was_sent_to_a_host_that_fell_silent_may_have_been_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(*_: object) -> None:
        raise UnreachableError("it was refused", "the server closed the connection")

    backend = make_backend(host_file(tmp_path, "on"), tmp_path, name="kvm1")
    monkeypatch.setattr(backend, "call", cut)
    with pytest.raises(UnreachableError, match="nobody knows whether start of on was accepted") as caught:
        await backend.start(Ref("kvm1", Domain.KIND, "", "on"))
    assert caught.value.hint == "look at on again once kvm1 is back"
    assert [result for _, result in audited(tmp_path)] == ["asked", "unknown"]


async def test_a_simulated_host_says_that_it_moves_nothing(tmp_path: Path) -> None:
    here = make_backend(host_file(tmp_path, "web", name="a.xml"), tmp_path, name="kvm1")
    there = make_backend(host_file(tmp_path, "db", name="b.xml"), tmp_path, name="kvm2")
    here.peers = {"kvm1": here, "kvm2": there}
    async with live(here, there) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 2)
        with pytest.raises(BackendError, match="kvm1 is libvirt's test driver, which moves no VMs"):
            await here.check_move(found(fleet, "web").ref("kvm1"), "kvm2")
