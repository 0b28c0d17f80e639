"""Rows of what hosts of libvirt have, alone and beside those of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from kvtui.model import Platform, Ref, Tone
from kvtui.records.base import Meta
from kvtui.records.libvirt import (
    BlockJob,
    Disk,
    Domain,
    DomainJob,
    DomainState,
    Host,
    Nic,
    StoragePool,
)
from kvtui.records.virtual_networks import Lease, VirtualNetwork
from kvtui.resources import find, resources_for
from kvtui.resources.base import AnyResource, show_backend
from kvtui.resources.listing import Listing
from kvtui.store import Drop, Put, Store
from tests.machines import machine_store

NOW = 2000.0
BOTH = resources_for({Platform.KUBERNETES, Platform.LIBVIRT})
HOSTS = resources_for({Platform.LIBVIRT})
UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
GOING = DomainJob(
    metadata=Meta(name="db", uid="j1"), domain="db", domain_uid=UUID, operation="outgoing migration", source="kvm1",
    began=1990.0, total=100 * 2**20, done=80 * 2**20, left=25 * 2**20, rate=8.0 * 2**20, dirty_rate=9.0 * 2**20,
    iteration=4, downtime=0.3,
)  # fmt: skip
COMING = DomainJob(
    metadata=Meta(name="db", uid="j2"), domain="db", domain_uid=UUID, operation="incoming migration", target="kvm2",
    began=1991.0,
)  # fmt: skip


def resource(name: str, among: Any = HOSTS) -> AnyResource:
    found = find(name, among)
    assert found is not None
    return found


def rows(store: Store, name: str, among: Any = HOSTS, *, several: bool = False) -> list[dict[str, str]]:
    """What the rows of a resource say, in their order."""
    shown = show_backend(resource(name, among)) if several else resource(name, among)
    listing = Listing(shown, store, NOW)
    return [{column.title: column.cell(listing.row(ref), NOW).text for column in shown.columns} for ref in listing.refs]


def domain(name: str = "db", **fields: Any) -> Domain:
    return Domain(metadata=Meta(name=name, uid=fields.pop("uid", UUID)), id=1, state=DomainState.RUNNING, **fields)


def test_a_migration_between_two_watched_hosts_is_one_row_with_both_ends() -> None:
    store = Store()
    store.apply([Put("kvm1", domain()), Put("kvm1", GOING), Put("kvm2", domain()), Put("kvm2", COMING)])
    (row,) = rows(store, "migrations")
    assert (row["VM"], row["FROM > TO"], row["PHASE"], row["ELAPSED"]) == ("db", "kvm1 > kvm2", "Running", "10s")
    assert (row["DONE"], row["LEFT"], row["RATE"], row["DIRTY"]) == ("75%", "25Mi", "8Mi/s", "9Mi/s")
    assert (row["ITER"], row["DOWNTIME"]) == ("4", "~300ms")
    assert row["REASON"] == "does not converge: dirty 9Mi/s >= transfer 8Mi/s"
    assert [vm["STATUS"] for vm in rows(store, "vms")] == ["Migrating", "Arriving"]
    assert [vm["NODE"] for vm in rows(store, "vms")] == ["kvm1 > kvm2", "kvm1 > kvm2"]


@pytest.mark.parametrize("among", [HOSTS, BOTH])
def test_of_a_migration_only_its_progress_and_its_state_are_no_figures_that_drift(among: Any) -> None:
    shown = resource("migrations", among)

    def look(job: DomainJob, now: float) -> dict[str, str]:
        store = Store()
        store.apply([Put("kvm1", domain()), Put("kvm1", job), Put("kvm2", domain()), Put("kvm2", COMING)])
        listing = Listing(shown, store, now)
        (ref,) = listing.refs
        return {column.title: column.cell(listing.row(ref), now).text for column in shown.columns}

    later = replace(GOING, done=90 * 2**20, left=10 * 2**20, rate=5.0 * 2**20, dirty_rate=7.0 * 2**20, iteration=5,
                    downtime=0.2, throttle=0.4, total=101 * 2**20)  # fmt: skip
    before, after = look(GOING, NOW), look(later, NOW + 3)
    moves = {column.title for column in shown.columns if before[column.title] != after[column.title]}
    assert moves > {"DONE", "LEFT", "DIRTY"}
    drifts = {column.title for column in shown.columns if column.drifts or column.ticks}
    assert moves - drifts == {"DONE"}


def test_the_row_at_the_target_comes_back_when_the_source_is_watched_no_more() -> None:
    store = Store()
    store.apply([Put("kvm1", GOING), Put("kvm2", domain()), Put("kvm2", COMING)])
    listing = Listing(resource("migrations"), store, NOW)
    assert [ref.backend for ref in listing.refs] == ["kvm1"]
    listing.apply(store.apply([Drop("kvm1", DomainJob, "", "db")]), NOW)
    assert [ref.backend for ref in listing.refs] == ["kvm2"]


def test_saves_and_dumps_are_jobs_and_no_migrations() -> None:
    store = Store()
    save = replace(GOING, operation="save", iteration=1, dirty_rate=None)
    store.apply([Put("kvm1", domain()), Put("kvm1", save)])
    assert rows(store, "migrations") == []
    (row,) = rows(store, "jobs")
    assert (row["OPERATION"], row["NODE"], row["DONE"]) == ("save", "kvm1", "75%")
    (vm,) = rows(store, "vms")
    assert (vm["STATUS"], vm["NODE"], vm["REASON"]) == ("Saving", "kvm1", "save 75% of 100Mi")


def test_what_ended_says_how_and_stands_behind_what_runs() -> None:
    store = Store()
    ended = replace(GOING, metadata=Meta(name="a", uid="j3"), domain="a", domain_uid="a", phase="Completed", ended=1995)
    failed = replace(ended, metadata=Meta(name="b", uid="j4"), domain="b", domain_uid="b", phase="Failed")
    store.apply([Put("kvm1", ended), Put("kvm1", failed), Put("kvm1", GOING)])
    assert [(row["VM"], row["PHASE"], row["LEFT"]) for row in rows(store, "migrations")] == [
        ("db", "Running", "25Mi"),
        ("b", "Failed", "-"),
        ("a", "Succeeded", "-"),
    ]


def test_migrations_of_both_platforms_share_a_pane() -> None:
    store = machine_store("running")
    store.apply([Put("kvm1", domain()), Put("kvm1", GOING)])
    mine, theirs = rows(store, "migrations", BOTH, several=True)
    assert (mine["BACKEND"], mine["VM"], mine["DONE"], mine["MODE"]) == ("libvirt", "db", "75%", "-")
    assert (theirs["VM"], theirs["PHASE"], theirs["DONE"], theirs["MODE"]) == ("web-1", "Succeeded", "-", "PreCopy")


def test_block_jobs_are_imports_with_their_progress() -> None:
    store = Store()
    job = BlockJob(
        metadata=Meta(name="db/vda", uid="b"), domain="db", target="vda", operation="copy", source="/images/db.qcow2",
        done=50, total=200, rate=10.0, began=1990.0,
    )  # fmt: skip
    store.apply([Put("kvm1", job)])
    (row,) = rows(store, "imports")
    assert (row["NAME"], row["SOURCE"], row["PHASE"], row["ETA"]) == ("db/vda", "copy db.qcow2", "Running", "15s")
    assert row["PROGRESS"] == "[==        ] 25%"
    (row,) = rows(store, "imports", BOTH, several=True)
    assert row["BACKEND"] == "kvm1"


@pytest.mark.parametrize(
    ("pool", "word", "tone"),
    [
        (StoragePool(state="running", capacity=100, free=50), "Running", Tone.OK),
        (StoragePool(state="running", capacity=100, free=9), "Nearly full", Tone.WARN),
        (StoragePool(state="running", capacity=100, free=2), "Full", Tone.BAD),
        (StoragePool(state="inactive", autostart=True), "Inactive", Tone.WARN),
        (StoragePool(state="inactive"), "Inactive", Tone.MUTED),
        (StoragePool(state="degraded"), "Degraded", Tone.BAD),
        (StoragePool(state="inaccessible"), "Inaccessible", Tone.BAD),
    ],
)
def test_pools_say_how_they_fare(pool: StoragePool, word: str, tone: Tone) -> None:
    store = Store()
    pool.metadata = Meta(name="p", uid="p")
    store.apply([Put("kvm1", pool)])
    pools = resource("pools")
    (ref,) = pools.refs(store)
    health = pools.health(pools.row(store, ref), NOW)
    assert (health.word, health.tone) == (word, tone)


def test_whether_a_pool_answers_is_not_known_while_all_vms_on_it_hang() -> None:
    store = Store()
    pool = StoragePool(metadata=Meta(name="far"), type="netfs", path="/far", state="running", capacity=100, free=60)
    disk = Disk(target="vda", source="/far/db.qcow2", kind="file")
    hung = domain(disks=(disk,), hung=True)
    store.apply([Put("kvm1", pool), Put("kvm1", hung), Put("kvm1", domain("web", uid="w"))])
    (row,) = rows(store, "pools")
    assert (row["STATUS"], row["REASON"]) == ("Running?", "nobody knows whether it answers: VM db hangs")
    ref = hung.ref("kvm1")
    assert list(resource("pools").related[Domain](store, ref, hung)) == [pool.ref("kvm1")]
    store.apply([Put("kvm1", domain("mail", uid="m", disks=(replace(disk, source="/far/mail.qcow2"),)))])
    (row,) = rows(store, "pools")
    assert row["STATUS"] == "Running"


def test_of_pools_and_networks_of_a_lost_host_no_more_is_said_than_was_known_last() -> None:
    store = Store()
    host = Host(metadata=Meta(name="kvm1"), link="lost", link_since=NOW - 60)
    full = StoragePool(metadata=Meta(name="small"), state="running", capacity=100, free=1)
    lan = VirtualNetwork(metadata=Meta(name="lan"), autostart=True)
    changes = store.apply([Put("kvm1", host), Put("kvm1", full), Put("kvm1", lan)]).changes
    for kind, record, known in (("pools", full, "Full"), ("networks", lan, "Inactive")):
        (row,) = rows(store, kind)
        assert row["STATUS"] == f"{known}?"
        assert row["REASON"] == f"kvm1 is lost, last answer 60s ago; last known state: {known}"
        touched = resource(kind).related[Host](store, changes[0].ref, host)
        assert list(touched) == [record.ref("kvm1")]


def test_a_pool_in_which_a_vm_found_no_space_is_full_for_its_host_too() -> None:
    store = Store()
    pool = StoragePool(metadata=Meta(name="fast"), type="dir", path="/fast", state="running", capacity=100, free=60)
    disk = Disk(target="vda", kind="file", source="/fast/db.qcow2", error="no space")
    host = Host(metadata=Meta(name="kvm1"), link="connected")
    store.apply([Put("kvm1", host), Put("kvm1", pool)])
    (row,) = rows(store, "pools")
    assert (row["STATUS"], row["FREE"]) == ("Running", "60")
    paused = replace(domain(), state=DomainState.PAUSED, reason="I/O error", disks=(disk,))
    (change,) = store.apply([Put("kvm1", paused)]).changes
    assert list(resource("pools").related[Domain](store, change.ref, paused)) == [pool.ref("kvm1")]
    (row,) = rows(store, "pools")
    assert (row["STATUS"], row["REASON"]) == ("Full", "no space left for VM db")
    # They are of a look before it found none.
    assert (row["FREE"], row["USED"]) == ("60?", "40%?")
    store.apply([Put("kvm1", replace(pool, looked=NOW, free=1))])
    (row,) = rows(store, "pools")
    assert (row["STATUS"], row["FREE"], row["USED"]) == ("Full", "1", "99%")
    (row,) = rows(store, "nodes")
    assert (row["STATUS"], row["POOLS"]) == ("Ready,pool trouble", "fast full")


@pytest.mark.parametrize(
    ("looked", "watched", "told"),
    [
        (NOW - 240, NOW - 9000, "4m ago"),
        (None, NOW - 9000, ">150m ago"),
        (None, NOW - 5, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_a_pool_tells_how_old_its_sizes_are(looked: float | None, watched: float | None, told: str) -> None:
    store = Store()
    store.apply([Put("kvm1", StoragePool(metadata=Meta(name="p"), state="running", looked=looked, watched=watched))])
    (row,) = rows(store, "pools")
    assert row["AS OF"] == told


def test_leases_name_the_vm_that_has_them() -> None:
    store = Store()
    leases = (Lease("52:54:00:00:00:01", "192.0.2.5", "db-1", 2600.0), Lease("52:54:00:00:00:99", "192.0.2.6"))
    network = VirtualNetwork(metadata=Meta(name="default", uid="n"), active=True, dhcp=True, leases=leases)
    nic = Nic(mac="52:54:00:00:00:01", kind="network", source="default")
    store.apply([Put("kvm1", network), Put("kvm1", domain(nics=(nic,)))])
    assert [(row["ADDRESS"], row["VM"], row["HOSTNAME"], row["EXPIRES"]) for row in rows(store, "leases")] == [
        ("192.0.2.5", "db", "db-1", "in 10m"),
        ("192.0.2.6", "-", "-", "never"),
    ]
    listing = Listing(resource("leases"), store, NOW)
    listing.apply(store.apply([Put("kvm1", replace(network, leases=leases[1:]))]), NOW)
    assert [ref.name for ref in listing.refs] == ["default/192.0.2.6"]


def test_a_host_is_named_once_on_a_line() -> None:
    store = Store()
    store.apply([Put("kvm1", Host(metadata=Meta(name="kvm1"))), Put("kvm1", domain())])
    (row,) = rows(store, "vms", several=True)
    assert ("BACKEND" in row, row["NODE"]) == (False, "kvm1")
    (row,) = rows(store, "vms", BOTH, several=True)
    assert (row["BACKEND"], row["NODE"]) == ("libvirt", "kvm1")
    (row,) = rows(store, "nodes", BOTH, several=True)
    assert (row["BACKEND"], row["NAME"]) == ("libvirt", "kvm1")
    store.apply([Put("kvm1", StoragePool(metadata=Meta(name="p")))])
    (row,) = rows(store, "pools", several=True)
    assert row["BACKEND"] == "kvm1"


def test_a_host_is_one_row_before_and_after_it_is_reached() -> None:
    store = Store()
    store.apply([Put("kvm1", Host(metadata=Meta(name="kvm1")))])
    listing = Listing(resource("nodes"), store, NOW)
    listing.apply(store.apply([Put("kvm1", Host(metadata=Meta(name="kvm1"), uuid="u", link="connected"))]), NOW)
    assert list(listing.refs) == [Ref("kvm1", Host.KIND, "", "kvm1")]
