"""The life of a backend on libvirt's test driver: what it tells, what events bring, and what trouble looks like."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from kvtui.backends.base import Permission
from kvtui.backends.libvirt import link
from kvtui.backends.libvirt.addresses import AddressCollector
from kvtui.backends.libvirt.survey import Survey
from kvtui.model import FeedState, Platform, Ref
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.resources import find
from tests.libvirt.conftest import host_file, live, make_backend, until


async def test_a_host_shows_itself_and_its_domains_with_their_states(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web", "db:3", "old:5"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 3)
        states = {ref.name: domain.state for ref, domain in fleet.view.items(Domain)}
        assert states == {"web": DomainState.RUNNING, "db": DomainState.PAUSED, "old": DomainState.SHUTOFF}
        host = fleet.view.get(Host, "kvm1", "", "kvm1")
        assert host is not None
        assert (host.connected, host.cpus, host.driver) == (True, 16, "TEST")
        assert backend.info.platform is Platform.LIBVIRT
        await until(fleet, lambda: fleet.view.feed("kvm1", Host.KIND).state is FeedState.LIVE)
        assert fleet.view.feed("kvm1", Domain.KIND).state is FeedState.LIVE


async def test_what_happens_to_a_domain_is_told_at_once(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)

        def state() -> DomainState | None:
            domain = fleet.view.get(Domain, "kvm1", "", "web")
            return domain.state if domain is not None else None

        begun = asyncio.get_running_loop().time()
        await backend.call(lambda connection: connection.lookupByName("web").suspend() and None, "pause")
        await until(fleet, lambda: state() is DomainState.PAUSED)
        # An event, not the next look, which is three seconds away.
        assert asyncio.get_running_loop().time() - begun < 2
        paused = fleet.view.get(Domain, "kvm1", "", "web")
        assert paused is not None
        assert paused.reason == "user"
        assert paused.since is not None


async def test_two_hosts_with_machines_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    one = make_backend(host_file(tmp_path, "web", name="a.xml"), tmp_path, name="kvm1")
    other = make_backend(host_file(tmp_path, "web:5", name="b.xml"), tmp_path, name="kvm2")
    async with live(one, other) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 2)
        vms = find("vms", fleet.resources)
        assert vms is not None
        words = {ref.backend: vms.health(vms.row(fleet.view, ref), 0.0).word for ref in vms.refs(fleet.view)}
        assert words == {"kvm1": "Running", "kvm2": "Stopped"}


async def test_a_host_that_cannot_be_reached_is_one_row_that_says_why_and_stops_nobody(tmp_path: Path) -> None:
    dead = make_backend(f"qemu+unix:///system?socket={tmp_path}/none", tmp_path, name="dead")
    well = make_backend(host_file(tmp_path, "web"), tmp_path, name="well")
    async with live(dead, well) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        await until(fleet, lambda: fleet.view.feed("dead", Domain.KIND).state is FeedState.FAILED)
        feed = fleet.view.feed("dead", Domain.KIND)
        assert "No such file" in feed.detail
        assert feed.retry_at is not None
        nodes = find("nodes", fleet.resources)
        assert nodes is not None
        row = nodes.row(fleet.view, Ref("dead", Host.KIND, "", "dead"))
        health = nodes.health(row, 0.0)
        assert (health.word, "No such file" in health.reason) == ("unreachable", True)
        verdict = await dead.may(Permission("write", "libvirt", "domain"), "")
        assert (verdict.allowed, verdict.asked) == (False, False)


async def test_an_account_that_may_only_look_is_told_so(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, read_only=True)
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        assert backend.info.read_only
        assert not (await backend.may(Permission("write", "libvirt", "domain"), "")).allowed


async def test_without_libvirt_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    monkeypatch.setattr(link, "_started", True)
    backend = make_backend("test:///default", tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.feed("kvm1", Domain.KIND).state is FeedState.FAILED)
        words = fleet.view.feed("kvm1", Domain.KIND).detail
        assert "libvirt-python" in words
        assert "install kvtui[libvirt]" in words


async def test_hosts_know_nothing_of_nodes_of_kubernetes(tmp_path: Path) -> None:
    backend = make_backend("test:///default", tmp_path)
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        assert find("pods", fleet.resources) is None
        assert Node not in {source.type for resource in fleet.resources for source in resource.sources}


async def test_a_network_without_addresses_does_not_crash_the_test_driver(tmp_path: Path) -> None:
    card = "<devices><interface type='network'><mac address='52:54:00:00:00:01'/><source network='bare'/></interface>"
    uri = host_file(tmp_path, "web")
    path = tmp_path / "host.xml"
    text = rewrite(path, lambda text: text.replace("</os>", f"</os>{card}</devices>"))
    assert "bare" in text
    rewrite(
        path, lambda text: text.replace("</node>", "<network><name>bare</name><bridge name='b0'/></network></node>")
    )
    backend = make_backend(uri, tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        collector = AddressCollector(Survey("kvm1"), cast("Any", None))
        domain = fleet.view.get(Domain, "kvm1", "", "web")
        assert domain is not None
        assert await backend.call(lambda connection: collector._ask(connection, domain, [], 0.0), "addresses") == ()


def rewrite(path: Path, change: Callable[[str], str]) -> str:
    """What a file holds after a change."""
    path.write_text(change(path.read_text()))
    return path.read_text()
