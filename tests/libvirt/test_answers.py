"""From what libvirt answers to records: pure. The answers are recorded ones; each file names its origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.libvirt.addresses import merge, read_addresses
from kvtui.backends.libvirt.blockjobs import describe_block_job
from kvtui.backends.libvirt.describe import describe_domain
from kvtui.backends.libvirt.jobs import carry_on, complete, describe_job
from kvtui.backends.libvirt.networks import describe_leases, describe_network
from kvtui.backends.libvirt.pools import describe_pool, describe_volume
from kvtui.backends.libvirt.snapshots import describe_snapshot
from kvtui.backends.libvirt.survey import Survey
from kvtui.backends.libvirt.transfers import Transfers
from kvtui.records.base import Meta
from kvtui.records.libvirt import Address, Disk, Domain, DomainState
from kvtui.records.virtual_networks import Lease

DATA = Path(__file__).parents[1] / "data" / "libvirt"
NUMBERS: dict[str, Any] = json.loads((DATA / "numbers.json").read_text(encoding="utf-8"))
MOVER = Domain(metadata=Meta(name="mover", uid="u1"), state=DomainState.RUNNING, driver="qemu")


def xml(name: str) -> str:
    return (DATA / f"{name}.xml").read_text(encoding="utf-8")


def test_a_migration_is_told_in_bytes_and_when_it_began() -> None:
    first, running, last = (describe_job(MOVER, "kvm1", stats, 1000.0) for stats in NUMBERS["migration"])
    assert (first.operation, first.total, first.progress, first.rate) == ("outgoing migration", 0, None, None)
    assert (running.total, running.left, running.iteration) == (151592960, 138063872, 1)
    assert running.progress == pytest.approx(0.089, abs=0.001)
    assert (running.rate, running.dirty_rate, running.downtime) == (8_200_000.0, 0.0, 0.3)
    assert running.began == pytest.approx(1000 - 3.012)
    assert (running.source, running.target) == ("kvm1", "")
    assert last.iteration == 5
    assert last.dirty_rate == 250_000.0
    assert not last.is_stuck


def test_a_migration_whose_guest_writes_faster_than_is_copied_is_stuck_from_the_third_round_on() -> None:
    stats = {**NUMBERS["migration"][-1], "memory_dirty_rate": 4000}
    assert describe_job(MOVER, "kvm1", stats, 0.0).is_stuck
    assert not describe_job(MOVER, "kvm1", {**stats, "memory_iteration": 2}, 0.0).is_stuck


def test_a_job_gets_on_as_long_as_more_of_it_is_done() -> None:
    first, running, last = (describe_job(MOVER, "kvm1", stats, 1000.0) for stats in NUMBERS["migration"])
    carry_on(running, first, 1002.0)
    assert (running.advanced, running.metadata) == (1002.0, first.metadata)
    again = describe_job(MOVER, "kvm1", NUMBERS["migration"][1], 1004.0)
    carry_on(again, running, 1004.0)
    assert again.advanced == 1002.0
    carry_on(last, again, 1006.0)
    assert last.advanced == 1006.0


def test_the_end_of_a_job_keeps_its_numbers() -> None:
    moved = complete(describe_job(MOVER, "kvm1", NUMBERS["migration"][-1], 1000.0), NUMBERS["migrated"], 1001.0)
    assert (moved.phase, moved.left, moved.downtime, moved.ended) == ("Completed", 0, 0.413, 1001.0)
    saved = complete(describe_job(MOVER, "kvm1", NUMBERS["saved"], 1000.0), NUMBERS["saved"], 1001.0)
    assert (saved.operation, saved.phase) == ("save", "Completed")
    assert not saved.is_migration
    failed = complete(moved, {**NUMBERS["saved"], "success": 0, "errmsg": "no\x1b[2Jspace"}, 1002.0)
    assert (failed.phase, failed.reason.isprintable()) == ("Failed", True)


def test_a_copy_of_a_disk_is_told_with_what_is_done() -> None:
    begun, later = (
        describe_block_job(MOVER, Disk(target="vda", source="/images/g.qcow2"), info, 5.0) for info in NUMBERS["copy"]
    )
    assert (begun.metadata.name, begun.operation, begun.phase) == ("mover/vda", "copy", "Running")
    assert (begun.done, later.done, later.total) == (0, 16 * 2**20, 64 * 2**20)
    ready = Disk(target="vda", mirror="copy", mirror_ready=True)
    assert describe_block_job(MOVER, ready, NUMBERS["copy"][0], 5.0).phase == "Ready"


def test_a_disk_that_is_being_copied_says_so() -> None:
    (disk,) = describe_domain(
        "<domain><devices><disk type='file'><source file='/a'/><mirror type='file' job='copy' ready='yes'/>"
        "<target dev='vda'/></disk></devices></domain>"
    ).disks
    assert (disk.mirror, disk.mirror_ready) == ("copy", True)


class FakeHandle:
    """A domain as a look at figures sees it."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return self._uuid

    def controlInfo(self) -> list[int]:  # noqa: N802 - libvirt's name
        return [2, 0, 40]  # VIR_DOMAIN_CONTROL_OCCUPIED, in ms


class FakeConnection:
    """Answers figures as recorded."""

    def __init__(self, figures: dict[str, dict[str, int]]) -> None:
        self.figures = figures

    def getAllDomainStats(self, _groups: int, flags: int) -> list[Any]:  # noqa: N802 - libvirt's name
        return [(FakeHandle(uuid), figures) for uuid, figures in self.figures.items()] if flags else []


def test_pools_volumes_networks_and_snapshots_are_read_from_their_xml() -> None:
    pool = describe_pool(xml("pool"))
    assert (pool.metadata.name, pool.type, pool.path, pool.source) == ("fast", "dir", "/var/lib/libvirt/pool", "")
    volume = describe_volume("fast", "top.qcow2", xml("volume"))
    assert volume.names == ("/var/lib/libvirt/pool/top.qcow2", "fast/top.qcow2")
    assert (volume.capacity, volume.allocation, volume.format) == (64 * 2**20, 200704, "qcow2")
    assert volume.backing == "/var/lib/libvirt/pool/base.qcow2"
    network = describe_network(xml("network"))
    assert (network.bridge, network.forward, network.addresses) == ("virbr77", "", ("10.77.0.1/24",))
    assert network.dhcp
    two = describe_snapshot("guest", "u1", xml("snapshot"), current=True)
    assert (two.metadata.name, two.parent, two.memory, two.external, two.current) == (
        "guest/two", "one", True, False, True,
    )  # fmt: skip
    assert two.created == 1795642420
    disks = describe_snapshot("guest", "u1", xml("snapshot-disks"))
    assert (disks.state, disks.memory, disks.external, disks.parent) == ("disk-snapshot", False, True, "")


def test_where_a_pool_gets_its_storage_from_is_named() -> None:
    shape = "<pool type='netfs'><name>nfs</name><source>{}</source></pool>"
    for source, named in (
        ("<host name='filer'/><dir path='/export/vm'/>", "filer:/export/vm"),
        ("<host name='ceph1'/><name>rbd</name>", "ceph1:rbd"),
        ("<device path='/dev/sdb'/><name>vg0</name>", "vg0"),
        ("<device path='/dev/sdb'/>", "/dev/sdb"),
    ):
        assert describe_pool(shape.format(source)).source == named


@given(st.text(max_size=100))
def test_text_that_is_no_xml_makes_records_without_anything(text: str) -> None:
    assert describe_pool(text).type == ""
    assert describe_volume("p", "v", text).path == ""
    assert describe_network(text).bridge == ""
    assert describe_snapshot("d", "u", text).parent == ""


def test_leases_stand_in_the_order_of_addresses_and_one_for_ever_never_expires() -> None:
    told = [
        {"iface": "virbr0", "expirytime": 1700000000, "mac": "52:54:00:00:00:02", "ipaddr": "192.168.122.10",
         "hostname": "db", "prefix": 24, "type": 0},
        {"iface": "virbr0", "expirytime": 0, "mac": "52:54:00:00:00:01", "ipaddr": "192.168.122.9", "hostname": None},
    ]  # fmt: skip
    assert describe_leases(told) == (
        Lease("52:54:00:00:00:01", "192.168.122.9", "", None),
        Lease("52:54:00:00:00:02", "192.168.122.10", "db", 1700000000.0),
    )


def test_of_an_agents_addresses_only_those_of_the_machines_own_cards_count() -> None:
    told = {
        "lo": {"hwaddr": "00:00:00:00:00:00", "addrs": [{"addr": "127.0.0.1", "prefix": 8, "type": 0}]},
        "docker0": {"hwaddr": "02:42:00:00:00:01", "addrs": [{"addr": "172.17.0.1", "prefix": 16, "type": 0}]},
        "eth0": {
            "hwaddr": "52:54:00:AA:00:01",
            "addrs": [{"addr": "fe80::1", "type": 1}, {"addr": "2001:db8::5", "type": 1}, {"addr": "10.0.0.5"}],
        },
        "tun0": {"hwaddr": None, "addrs": None},
    }
    found = read_addresses(told, "agent", ["52:54:00:aa:00:01"])
    assert [address.address for address in found] == ["10.0.0.5", "2001:db8::5", "fe80::1"]
    leased = [Address("52:54:00:aa:00:01", "10.0.0.5", "lease")]
    assert [address.source for address in merge(leased, found)] == ["lease", "agent", "agent"]


def test_a_transfer_is_told_with_its_rate_and_its_end_and_forgotten_in_time() -> None:
    now = 100.0
    transfers = Transfers(lambda: now)
    upload = transfers.begin("fast/disk", "upload", 1000, "/tmp/disk.qcow2")
    now = 102.0
    upload.advance(500)
    (job,) = transfers.jobs()
    assert (job.metadata.name, job.operation, job.done, job.rate, job.phase) == (
        "fast/disk", "upload", 500, 250.0, "Running",
    )  # fmt: skip
    upload.end("Failed", "no space left")
    (job,) = transfers.jobs()
    assert (job.phase, job.reason, job.done, job.rate) == ("Failed", "no space left", 500, None)
    now = 800.0
    assert transfers.jobs() == []


def test_a_volume_that_grows_is_shown_until_it_is_full_or_stands_still() -> None:
    transfers = Transfers(lambda: 0.0)
    transfers.grow("fast/a", "/fast/a", 10, 100)
    transfers.grow("fast/b", "/fast/b", 10, 100)
    transfers.stop_growing("fast/a", full=True)
    transfers.stop_growing("fast/b")
    (job,) = transfers.jobs()
    assert (job.metadata.name, job.operation, job.phase, job.done) == ("fast/a", "filling", "Completed", 100)
    upload = transfers.begin("fast/c", "upload", 100)
    transfers.stop_growing("fast/c")
    assert len(transfers.jobs()) == 2
    upload.end("Completed")


def test_a_qemu_that_tells_only_what_libvirt_knows_by_itself_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = Survey("kvm1")
    well, frozen = (Domain(metadata=Meta(name=name, uid=name), driver="qemu", id=1) for name in ("well", "frozen"))
    monkeypatch.setattr(survey, "_known", {"well": well, "frozen": frozen})
    survey._looked.set()
    survey.measure(FakeConnection({"well": NUMBERS["answering"], "frozen": NUMBERS["frozen"]}))
    assert survey.answers(well)
    assert not survey.answers(frozen)
    # Who is received from another host answers, for all its lack of figures.
    frozen.reason = "migrating"
    assert survey.answers(frozen)
