"""Hosts that are not heard of: how header and borders tell of several."""

from __future__ import annotations

from pathlib import Path

from kvtui.audit import AuditLog
from kvtui.backends.libvirt.client import Place, connect
from kvtui.fleet import Fleet
from kvtui.model import Feed, FeedState
from kvtui.records.base import Meta
from kvtui.records.bastion import Bastion
from kvtui.records.libvirt import Host
from kvtui.resources import find
from kvtui.store import Put
from kvtui.ui.bar import give_way
from kvtui.ui.feeds import name_backends, worst_feeds
from kvtui.ui.panes.header import versions

NAMES = ("kvm-a", "kvm-b", "kvm-c")


def fleet_of(folder: Path, *lost: str, hop: str = "") -> Fleet:
    audit = AuditLog(folder / "audit.jsonl")
    fleet = Fleet([connect(Place(name, f"test:///{name}"), audit) for name in NAMES])
    for name in NAMES:
        host = Host(metadata=Meta(name=name), link="lost" if name in lost else "connected", hop=hop)
        fleet.store.post(Put(name, host))
        state = FeedState.STALE if name in lost else FeedState.LIVE
        for source in fleet.resources[0].sources:
            fleet.store.post(Feed(name, source.kind, state, 1.0, ""))
    return fleet


def header(fleet: Fleet, room: int) -> str:
    fleet.step()
    return "".join(piece.text for piece in give_way(versions(fleet), [], room)[0]).strip()


def test_the_header_counts_lost_hosts_and_names_them_where_there_is_room(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "kvm-b", "kvm-c")
    assert header(fleet, 40) == "2 lost: kvm-b, kvm-c"
    assert header(fleet, 12) == "2 lost"


def test_the_header_names_a_bastion_and_no_host_behind_it(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, *NAMES, hop="gate")
    fleet.store.post(Put("", Bastion(metadata=Meta(name="gate"), trouble="cannot be reached", hosts=NAMES)))
    assert header(fleet, 60) == "bastion gate cannot be reached"
    assert header(fleet, 30) == "bastion cannot be reached"


def test_a_border_names_all_hosts_that_fare_alike_or_counts_them(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "kvm-a", "kvm-c")
    fleet.step()
    nodes = find("nodes", fleet.resources)
    assert nodes is not None
    names = [feed.backend for feed in worst_feeds(fleet, nodes)]
    assert names == ["kvm-a", "kvm-c"]
    assert name_backends(fleet, names, 20) == "kvm-a, kvm-c"
    assert name_backends(fleet, names, 10) == "2 hosts"
