"""Pools, volumes, networks and snapshots of a host on libvirt's test driver, as its events and its lists tell them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.fleet import Fleet
from kvtui.model import FeedState
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import Address, BlockJob, Domain, DomainJob, Host, StoragePool, StorageVolume
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.resources import find
from kvtui.resources.listing import Listing
from kvtui.store import Message, Put
from tests.libvirt.conftest import live, make_backend, until

if TYPE_CHECKING:
    import libvirt

DOMAIN = """<domain type='test'><name>web</name><uuid>00000000-0000-4000-8000-000000000001</uuid>
  <memory unit='MiB'>512</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>
  <disk type='file'><source file='/fast/web.qcow2'/><target dev='vda'/></disk>
  <disk type='volume'><source pool='fast' volume='logs'/><target dev='vdb'/></disk>
  <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
  </devices></domain>"""
POOL = """<pool type='dir'><name>fast</name><uuid>00000000-0000-4000-8000-0000000000aa</uuid>
  <capacity>1000</capacity><allocation>0</allocation><available>1000</available><target><path>/fast</path></target>
  {volumes}</pool>"""
VOLUME = """<volume><name>{name}</name><key>/fast/{name}</key><capacity unit='MiB'>64</capacity>
  <allocation unit='MiB'>{allocation}</allocation><target><path>/fast/{name}</path><format type='qcow2'/></target>
  {backing}</volume>"""
NETWORK = """<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.9'/></dhcp>
  </ip></network>"""


def stocked_host(folder: Path) -> str:
    """The URI of a host with a machine, a pool of four volumes, and a network."""
    backing = "<backingStore><path>/fast/base.qcow2</path></backingStore>"
    volumes = [
        VOLUME.format(name="base.qcow2", allocation=32, backing=""),
        VOLUME.format(name="web.qcow2", allocation=8, backing=backing),
        VOLUME.format(name="logs", allocation=8, backing=""),
        VOLUME.format(name="orphan", allocation=8, backing=""),
    ]
    path = folder / "host.xml"
    path.write_text(f"<node>{DOMAIN}{NETWORK}{POOL.format(volumes=''.join(volumes))}</node>", encoding="utf-8")
    return f"test://{path}"


def said(fleet: Fleet, name: str, key: str = "NAME", now: float = 0.0) -> dict[str, dict[str, str]]:
    """The rows of a resource by what stands in a column: all that they say."""
    resource = find(name, fleet.resources)
    assert resource is not None
    listing = Listing(resource, fleet.view, now)
    rows = [
        {column.title: column.cell(listing.row(ref), now).text for column in resource.columns} for ref in listing.refs
    ]
    return {row[key]: row for row in rows}


async def do(backend: LibvirtBackend, ask: Any) -> None:
    """Do something on the host, with its connection."""

    def work(connection: libvirt.virConnect) -> None:
        ask(connection)

    await backend.call(work, "it cannot be done")


async def test_pools_are_told_with_their_space_and_their_end_at_once(tmp_path: Path) -> None:
    backend = make_backend(stocked_host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(StoragePool) == 1)
        row = said(fleet, "pools")["fast"]
        assert (row["STATUS"], row["TYPE"], row["VOLUMES"], row["PATH"]) == ("Running", "dir", "4", "/fast")
        await do(backend, lambda connection: connection.storagePoolLookupByName("fast").setAutostart(1))
        await do(backend, lambda connection: connection.storagePoolLookupByName("fast").destroy())
        # The next look of its own is 15 s away.
        await until(fleet, lambda: said(fleet, "pools")["fast"]["STATUS"] == "Inactive", 5)
        row = said(fleet, "pools")["fast"]
        assert (row["AUTOSTART"], row["FREE"], row["VOLUMES"]) == ("yes", "-", "-")
        assert "start with its host" in row["REASON"]
        await until(fleet, lambda: fleet.view.count(StorageVolume) == 0)


async def test_volumes_tell_who_uses_them_and_what_stands_on_them(tmp_path: Path) -> None:
    backend = make_backend(stocked_host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(StorageVolume) == 4 and fleet.view.count(Domain) == 1)
        rows = said(fleet, "volumes")
        assert {name: row["USED BY"] for name, row in rows.items()} == {
            "base.qcow2": "base of 1",
            "logs": "web",
            "orphan": "-",
            "web.qcow2": "web",
        }
        assert rows["web.qcow2"]["STANDS ON"] == "/fast/base.qcow2"
        assert (rows["base.qcow2"]["SIZE"], rows["base.qcow2"]["TAKEN"], rows["base.qcow2"]["FORMAT"]) == (
            "64Mi", "32Mi", "qcow2",
        )  # fmt: skip
        await do(backend, lambda connection: connection.lookupByName("web").destroy())
        await do(backend, lambda connection: connection.lookupByName("web").undefine())
        await until(fleet, lambda: fleet.view.count(Domain) == 0)
        assert said(fleet, "volumes")["web.qcow2"]["USED BY"] == "-"


async def test_networks_count_their_machines_and_one_that_is_down_below_them_is_a_fault(tmp_path: Path) -> None:
    backend = make_backend(stocked_host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(VirtualNetwork) == 1 and fleet.view.count(Domain) == 1)
        row = said(fleet, "networks")["default"]
        assert (row["STATUS"], row["FORWARD"], row["BRIDGE"], row["VMS"]) == ("Active", "nat", "virbr0", "1")
        assert row["ADDRESSES"] == "192.168.122.1/24"
        await do(backend, lambda connection: connection.networkLookupByName("default").destroy())
        await until(fleet, lambda: said(fleet, "networks")["default"]["STATUS"] == "Inactive", 5)
        assert said(fleet, "networks")["default"]["REASON"] == "1 running VM plugged into it"


async def test_snapshots_are_a_tree_whichever_column_orders_them(tmp_path: Path) -> None:
    backend = make_backend(stocked_host(tmp_path), tmp_path, name="kvm1")

    def take(connection: libvirt.virConnect) -> None:
        domain = connection.lookupByName("web")
        for name, moment in (("zero", 100), ("one", 200), ("two", 300)):
            domain.snapshotCreateXML(
                f"<domainsnapshot><name>{name}</name><creationTime>{moment}</creationTime></domainsnapshot>"
            )
            if name == "one":
                domain.revertToSnapshot(domain.snapshotLookupByName("zero"))

    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        await do(backend, take)
        backend.announce("kvtui.SNAPSHOT", "00000000-0000-4000-8000-000000000001")
        await until(fleet, lambda: fleet.view.count(DomainSnapshot) == 3, 5)
        resource = find("snapshots", fleet.resources)
        assert resource is not None
        listing = Listing(resource, fleet.view, 0.0)
        for column in range(len(resource.columns)):
            for descending in (False, True):
                listing.set_sort(column, descending, 0.0)
                names = [resource.columns[1].cell(listing.row(ref), 0.0).text for ref in listing.refs]
                assert names[0] == "zero"
                assert set(names[1:]) == {"+- one", "+- two"}
        assert {name: row["STATUS"] for name, row in said(fleet, "snapshots").items()} == {
            "zero": "-", "+- one": "-", "+- two": "Current",
        }  # fmt: skip
        await until(fleet, lambda: said(fleet, "vms")["web"]["SNAPS"] == "3")


async def test_addresses_come_without_the_looks_waiting_for_them(tmp_path: Path) -> None:
    backend = make_backend("test:///default", tmp_path, name="kvm1")
    async with live(backend) as fleet:

        def addresses() -> tuple[Address, ...]:
            domain = fleet.view.get(Domain, "kvm1", "", "test")
            return domain.addresses if domain is not None else ()

        await until(fleet, addresses)
        assert addresses() == (Address("aa:bb:cc:dd:ee:ff", "192.168.122.3", "lease"),)
        assert said(fleet, "vms")["test"]["IP"] == "192.168.122.3"


async def test_what_the_driver_cannot_tell_is_empty_and_no_fault(tmp_path: Path) -> None:
    backend = make_backend(stocked_host(tmp_path), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        kinds = (DomainJob.KIND, BlockJob.KIND)
        await until(fleet, lambda: all(fleet.view.feed("kvm1", kind).state is FeedState.LIVE for kind in kinds))
        assert fleet.view.count(DomainJob) + fleet.view.count(BlockJob) == 0


async def test_only_what_is_wanted_is_collected(tmp_path: Path) -> None:
    backend = make_backend(stocked_host(tmp_path), tmp_path, name="kvm1")
    fleet = Fleet([backend])
    pools = find("pools", fleet.resources)
    assert pools is not None
    kinds = set()
    found = asyncio.Event()

    def take(message: Message) -> None:
        if isinstance(message, Put):
            kinds.add(type(message.record))
        if StoragePool in kinds:
            found.set()

    running = asyncio.create_task(backend.run(pools.sources, take))
    try:
        await asyncio.wait_for(found.wait(), 10)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await fleet.close()
    # Domains tell which pools are full.
    assert kinds - {Domain} == {Host, StoragePool}
