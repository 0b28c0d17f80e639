"""Stacks: the layers from the top down, what stands on them, and what is said of a layer that cannot be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest
from msgspec.structs import replace

from kvtui.joins.layers import lines_of
from kvtui.joins.stack import has_stack, stack_of
from kvtui.model import Feed, FeedState, Finding, Platform, Ref, Severity, Tone
from kvtui.records.base import Condition, Meta, Owner, Record
from kvtui.records.kubernetes import Claim, Node, NodeStatus, NodeSystem, Pod, PodSpec
from kvtui.records.libvirt import (
    Address,
    Disk,
    Domain,
    DomainJob,
    DomainState,
    Host,
    Nic,
    StoragePool,
    StorageVolume,
)
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.resources import RESOURCES, resources_for
from kvtui.stack import tell_stack, text_lines
from kvtui.store import Drop, Put, Store
from tests.machines import RECORDED, TYPES, Object, machine_store
from tests.resources.test_provisioning import cluster, complains, each

NOW = RECORDED
OUTER, INNER = "6695eb01-f6a4-8304-79aa-97f2502e193f", "11111111-f6a4-8304-79aa-97f2502e193f"
POSTGRES = Ref("c", "VirtualMachine", "shop", "postgres-1")


def lines(store: Store, ref: Ref, findings: Sequence[Finding] = ()) -> list[str]:
    store.drain()
    told = tell_stack(store, find(store, ref), RESOURCES, findings, NOW)
    assert told is not None
    return list(text_lines(told))


def find(store: Store, ref: Ref) -> Ref:
    """The same with its uid."""
    record = store.record(ref)
    assert record is not None, ref
    return record.ref(ref.backend)


def line(store: Store, ref: Ref, role: str) -> str:
    return next(one.strip() for one in lines(store, ref) if one.strip().startswith((f"{role} ", f"{role}:")))


def depths(store: Store, ref: Ref) -> list[tuple[int, str]]:
    store.drain()
    stack = stack_of(store, find(store, ref))
    assert stack is not None
    return [(depth, layer.role) for depth, layer in lines_of(stack) if not layer.quiet]


def put(store: Store, backend: str, *records: Record) -> Store:
    for record in records:
        store.post(Put(backend, record))
    return store


# VMs of KubeVirt ---------------------------------------------------------------------------------------------------


def test_a_vm_stands_on_its_instance_its_disks_and_its_networks() -> None:
    assert depths(cluster(), POSTGRES) == [
        (0, "VM"), (1, "VMI"), (2, "launcher"), (3, "node"),
        (1, "disk"), (2, "DataVolume"), (3, "PVC"), (4, "PV"), (5, "class"), (6, "CSI driver"),
        (7, "driver on"), (7, "node plugin"), (7, "Ceph"),
        (1, "disk"), (2, "DataVolume"), (3, "PVC"), (4, "PV"), (5, "class"),
        (1, "disk"),
        (1, "interface"), (2, "network"),
        (1, "interface"), (2, "NAD"), (3, "bridge"),
    ]  # fmt: skip


def test_each_layer_tells_its_health_in_its_own_words() -> None:
    store = cluster(each("CephCluster", complains))
    assert line(store, POSTGRES, "VM") == "VM shop/postgres-1: Running"
    assert line(store, POSTGRES, "Ceph") == (
        "Ceph rook-ceph/rook-ceph: HEALTH_ERR (OSD_FULL: 1 full osd(s); MON_DOWN: 1/3 mons down, quorum a,b)"
    )


def test_the_worst_finding_of_a_layer_stands_at_it() -> None:
    ceph = Ref("c", "CephCluster", "rook-ceph", "rook-ceph")
    finding = Finding("r", Severity.BAD, ceph, "ceph", "is full", "1 full osd(s)")
    told = next(one for one in lines(cluster(), POSTGRES, [finding]) if " Ceph " in one)
    assert told.startswith("x ")
    assert told.endswith("(is full: 1 full osd(s))")


def test_what_stands_under_several_disks_is_gone_into_once() -> None:
    told = [one.strip() for one in lines(cluster(), POSTGRES) if one.strip().startswith("class ")]
    assert told == ["class ceph-rbd: Defined", "class ceph-rbd: Defined (see above)"]


def test_interfaces_tell_addresses_and_where_they_are_plugged_in() -> None:
    store = cluster()
    assert line(store, POSTGRES, "NAD") == "NAD shop/db-vlan120: Defined"
    assert line(store, POSTGRES, "bridge") == "bridge br-ex (VLAN 120)"


def without(kind: str, where: Callable[[Object], bool] = lambda _item: True) -> Callable[[list[Object]], None]:
    def edit(items: list[Object]) -> None:
        items[:] = [item for item in items if item["kind"] != kind or not where(item)]

    return edit


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (FeedState.LIVE, "does not exist"),
        (FeedState.FORBIDDEN, "forbidden (this account may not list its kind)"),
        (FeedState.FAILED, "not known"),
        (FeedState.STALE, "not known (it did not exist when its kind was last heard of)"),
        (FeedState.LOADING, "loading"),
    ],
)
def test_a_layer_that_cannot_be_seen_says_why(state: FeedState, words: str) -> None:
    store = cluster(without("PersistentVolume"))
    store.post(Feed("c", "PersistentVolume", state))
    assert line(store, POSTGRES, "PV").partition(": ")[2] == words


@pytest.mark.parametrize(("kind", "layer"), [("VirtualMachineInstance", "VMI shop/postgres-1"), ("Pod", "launcher")])
def test_what_may_not_be_listed_is_not_said_to_be_none(kind: str, layer: str) -> None:
    store = cluster(without(kind))
    store.post(Feed("c", kind, FeedState.FORBIDDEN))
    told = [one.strip() for one in lines(store, POSTGRES)]
    assert f"{layer}: forbidden (this account may not list its kind)" in told


def test_a_kind_that_was_never_asked_for_is_not_watched() -> None:
    store = cluster(without("PersistentVolume"))
    fresh = Store()
    for type_ in TYPES.values():
        for ref, record in store.items(type_):
            fresh.post(Put(ref.backend, record))
    assert line(fresh, POSTGRES, "PV").endswith(": not watched")


def test_a_layer_whose_kind_is_cut_off_is_told_with_its_age() -> None:
    store = cluster()
    store.post(Feed("c", "Node", FeedState.STALE, NOW - 300))
    assert line(store, POSTGRES, "node").endswith(": Ready (as it was 5m ago)")
    assert "as it was" not in line(store, POSTGRES, "VMI")


def test_what_is_asked_for_now_and_then_only_is_not_said_to_be_gone() -> None:
    store = cluster(without("StorageClass"))
    store.post(Feed("c", "StorageClass", FeedState.LIVE, polled=True))
    assert line(store, POSTGRES, "class") == "class ceph-rbd: not found (it did not exist at the last look)"


def test_below_a_volume_that_may_not_be_seen_the_class_of_the_claim_is_told() -> None:
    store = cluster(without("PersistentVolume"))
    store.post(Feed("c", "PersistentVolume", FeedState.FORBIDDEN))
    assert line(store, POSTGRES, "Ceph") == "Ceph rook-ceph/rook-ceph: HEALTH_OK"


def test_a_claim_that_does_not_exist_ends_the_chain() -> None:
    store = machine_store("missing_claim")
    assert line(store, Ref("c", "VirtualMachine", "shop", "db-2"), "PVC") == "PVC shop/db-2-missing: does not exist"


def test_a_claim_without_a_volume_tells_the_class_that_it_waits_for() -> None:
    store = machine_store("unbound")
    told = lines(store, Ref("c", "VirtualMachine", "shop", "db-1"))
    at = next(index for index, one in enumerate(told) if one.strip().startswith("PV:"))
    assert told[at].strip() == "PV: none yet"
    assert told[at + 1].strip().startswith("class rig-rwx")


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "PersistentVolume"])
def test_a_claim_and_its_volume_have_the_data_volume_and_the_vm_on_top(kind: str) -> None:
    store = cluster()
    claim = next(record for ref, record in store.items(Claim) if ref.name.startswith("postgres-1-"))
    name = claim.metadata.name if kind == Claim.KIND else claim.spec.volume_name
    told = [one.strip().partition(":")[0] for one in lines(store, Ref("c", kind, "shop" * (kind == Claim.KIND), name))]
    path = f"shop/{claim.metadata.name}"
    assert told[:4] == ["VM shop/postgres-1", f"DataVolume {path}", f"PVC {path}", f"PV {claim.spec.volume_name}"]


def test_a_claim_that_is_filled_for_another_has_that_on_top() -> None:
    store = cluster()
    whole = next(record for ref, record in store.items(Claim) if ref.name.startswith("postgres-1-"))
    owner = Owner(kind=Claim.KIND, name=whole.metadata.name, uid=whole.metadata.uid, controller=True)
    prime = Meta(name="prime-1", namespace="shop", uid="p", owner_references=(owner,))
    told = [one.strip().partition(":")[0] for one in lines(put(store, "c", Claim(metadata=prime)), Ref(
        "c", Claim.KIND, "shop", "prime-1"))]  # fmt: skip
    path = f"shop/{whole.metadata.name}"
    assert told[:4] == ["VM shop/postgres-1", f"DataVolume {path}", f"PVC {path}", "PVC shop/prime-1"]


def test_a_vm_that_is_off_has_no_instance_and_still_its_disks() -> None:
    store = machine_store("stopped")
    vm = next(ref for ref in RESOURCES[1].refs(store))
    told = [one.strip() for one in lines(store, vm)]
    assert told[1] == "VMI: none (nothing of it runs)"


def test_during_a_migration_both_launchers_are_told_the_source_first() -> None:
    def moves(items: dict[str, Object]) -> None:
        vmi, pods = items["VirtualMachineInstance"], items["Pod"]
        vmi["status"]["nodeName"] = pods["spec"]["nodeName"]
        state = items["VirtualMachineInstanceMigration"]["status"].pop("migrationState")
        state.pop("endTimestamp", None)
        vmi["status"]["migrationState"] = {**state, "targetPod": "launcher-there", "targetNode": "node07"}

    store = machine_store("running", moves)
    pod = next(record for _, record in store.items(Pod) if record.is_launcher)
    there = replace(pod.metadata, name="launcher-there", uid="there")
    put(store, "c", replace(pod, metadata=there, spec=PodSpec(node_name="node07")))
    vm = next(ref for ref in RESOURCES[1].refs(store))
    told = [one.strip() for one in lines(store, vm)]
    first = next(index for index, one in enumerate(told) if one.startswith("launcher "))
    assert told[first].startswith("launcher virt-launcher-web-1-")
    assert [one.partition(":")[0] for one in told[first:] if one.startswith("launcher")][1] == (
        "launcher, target launcher-there"
    )


# Layers of several backends ----------------------------------------------------------------------------------------


def node(name: str, uuid: str) -> Node:
    status = NodeStatus(conditions=(Condition(type="Ready", status="True"),), node_info=NodeSystem(system_uuid=uuid))
    return Node(metadata=Meta(name=name, uid=name), status=status)


def test_a_vm_carries_the_node_of_another_cluster_and_that_node_stands_on_the_vm() -> None:
    def firmware(items: list[Object]) -> None:
        for item in items:
            if item["kind"] == "VirtualMachine" and item["metadata"]["name"] == "postgres-1":
                item["spec"]["template"]["spec"]["domain"]["firmware"] = {"uuid": INNER}
            if item["kind"] == "VirtualMachineInstance" and item["metadata"]["name"] == "postgres-1":
                item["spec"]["domain"]["firmware"] = {"uuid": INNER}

    store = put(cluster(firmware), "tenant", node("worker-1", INNER))
    told = lines(store, POSTGRES)
    assert told[0].strip() == "node inside worker-1 in tenant: Ready"
    assert told[1].startswith("    VM shop/postgres-1: ")
    below = [one.strip() for one in lines(store, Ref("tenant", "Node", "", "worker-1"))]
    assert below[0] == "node worker-1: Ready"
    assert below[1].startswith("VM shop/postgres-1 in c: ")
    assert below[2].startswith("VMI shop/postgres-1: ")
    assert not any(one.startswith("disk") for one in below)


def test_a_node_stands_on_its_domain_and_that_on_its_host() -> None:
    store = put(cluster(), "c", node("worker-x", OUTER))
    host = Host(metadata=Meta(name="kvm1"), link="lost", trouble="no route to host")
    put(store, "kvm1", host, Domain(metadata=Meta(name="k8s-x", uid=OUTER), state=DomainState.RUNNING, id=3))
    told = [one.strip() for one in lines(store, Ref("c", "Node", "", "worker-x"))]
    assert told[0] == "node worker-x: Ready,host trouble (host kvm1 is lost: no route to host)"
    assert told[1].startswith("domain kvm1/k8s-x: ")
    assert told[2].startswith("host kvm1: ")
    assert "no route to host" in told[2]


def test_a_ring_of_layers_ends() -> None:
    """A host that says that it runs in a domain of its own domain's host."""
    store = Store()
    for name, other in (("a", OUTER), ("b", INNER)):
        uuid = INNER if other == OUTER else OUTER
        put(store, name, Host(metadata=Meta(name=name), link="connected", system_uuid=other),
            Domain(metadata=Meta(name="vm", uid=uuid), state=DomainState.RUNNING, id=1))  # fmt: skip
    assert len(lines(store, Ref("a", "Domain", "", "vm"))) < 10


# Libvirt -----------------------------------------------------------------------------------------------------------


def hypervisor(*, state: str = "running", error: str = "") -> Store:
    disk = Disk("vda", kind="file", source="/pool/db.qcow2", backing="/pool/base.qcow2", error=error)
    nic = Nic(mac="52:54:00:00:00:01", kind="network", source="default", model="virtio")
    domain = Domain(
        metadata=Meta(name="db", uid=OUTER), state=DomainState.RUNNING, id=4,
        disks=(disk, Disk("sda", device="cdrom")),
        nics=(nic, Nic(mac="52:54:00:00:00:02", kind="bridge", source="br0")),
        addresses=(Address("52:54:00:00:00:01", "10.0.0.7", "lease"),),
    )  # fmt: skip
    return put(
        Store(),
        "kvm1",
        Host(metadata=Meta(name="kvm1"), link="connected"),
        domain,
        StoragePool(metadata=Meta(name="images"), type="dir", state=state, path="/pool", capacity=100, free=50),
        StorageVolume(metadata=Meta(name="images/db.qcow2", uid="1"), pool="images", path="/pool/db.qcow2",
                      backing="/pool/base.qcow2"),
        StorageVolume(metadata=Meta(name="images/base.qcow2", uid="2"), pool="images", path="/pool/base.qcow2"),
        VirtualNetwork(metadata=Meta(name="default", uid="n"), active=True, bridge="virbr0"),
    )  # fmt: skip


DOMAIN = Ref("kvm1", "Domain", "", "db")


def test_a_domain_stands_on_its_host_its_volumes_with_all_layers_and_its_networks() -> None:
    assert depths(hypervisor(), DOMAIN) == [
        (0, "domain"), (1, "host"),
        (1, "disk"), (2, "volume"), (3, "pool"), (4, "dir"), (3, "volume"), (4, "pool"),
        (1, "interface"), (2, "network"), (3, "bridge"),
        (1, "interface"), (2, "bridge"),
    ]  # fmt: skip


def test_a_host_stands_on_its_pools_and_networks() -> None:
    assert depths(hypervisor(), Ref("kvm1", "Host", "", "kvm1")) == [
        (0, "VMs"), (1, "host"), (2, "pool"), (3, "dir"), (2, "network"), (3, "bridge"),
    ]  # fmt: skip


def test_a_job_stands_on_its_vm_and_is_a_layer_of_it_until_it_ends_well() -> None:
    store = hypervisor()
    job = DomainJob(metadata=Meta(name="db", uid="j"), domain="db", domain_uid=OUTER, operation="outgoing migration")
    put(store, "kvm1", job)
    assert depths(store, job.ref("kvm1"))[:3] == [(0, "outgoing migration"), (1, "domain"), (2, "host")]
    assert depths(store, DOMAIN)[:3] == [(0, "domain"), (1, "host"), (1, "outgoing migration")]
    put(store, "kvm1", replace(job, phase="Completed"))
    assert "outgoing migration" not in [role for _, role in depths(store, DOMAIN)]


def test_a_disk_that_fails_says_so() -> None:
    assert line(hypervisor(error="no space"), DOMAIN, "disk") == "disk vda: failing (no space)"


def test_an_interface_of_a_domain_tells_its_addresses() -> None:
    assert line(hypervisor(), DOMAIN, "interface") == "interface 52:54:00:00:00:01 (10.0.0.7, virtio)"


def test_a_volume_is_under_its_vms_and_over_its_base() -> None:
    told = [one.strip() for one in lines(hypervisor(), Ref("kvm1", "StorageVolume", "", "images/base.qcow2"))]
    assert told[0] == "VMs 1 (db)"
    told = [one.strip() for one in lines(hypervisor(), Ref("kvm1", "StorageVolume", "", "images/db.qcow2"))]
    assert [one for one in told if one.startswith("volume images/base.qcow2")]


def test_a_file_that_its_pool_has_not_seen_yet_stands_on_the_pool_all_the_same() -> None:
    store = hypervisor()
    store.post(Drop("kvm1", StorageVolume, "", "images/db.qcow2"))
    told = [one.strip() for one in lines(store, DOMAIN)]
    at = told.index("file /pool/db.qcow2 (not among the volumes of its pool)")
    assert told[at + 1].startswith("pool images: ")


def test_a_pool_counts_the_vms_with_a_disk_in_it_before_its_volumes() -> None:
    told = [one.strip() for one in lines(hypervisor(), Ref("kvm1", "StoragePool", "", "images"))]
    assert told[0] == "VMs 1 (db)"
    assert told[1].startswith("volumes ")


def test_of_a_file_in_a_pool_that_is_not_active_nobody_knows_whether_it_is_there() -> None:
    store = hypervisor()
    store.post(Drop("kvm1", StorageVolume, "", "images/db.qcow2"))
    store.post(Put("kvm1", StoragePool(metadata=Meta(name="images"), type="dir", path="/pool", state="inactive")))
    told = [one.strip() for one in lines(store, DOMAIN)]
    assert "file /pool/db.qcow2: not known (pool images is inactive)" in told


def test_a_layer_is_as_bad_as_what_was_found_in_it() -> None:
    store = hypervisor()
    store.drain()
    found = Finding("domain.state", Severity.BAD, find(store, DOMAIN), "vm", "hangs", "why", None)
    told = tell_stack(store, find(store, DOMAIN), RESOURCES, (found,), NOW) or []
    (own,) = (one.health for one in told if one.own)
    assert own is not None
    assert own.tone is Tone.BAD


# The other way -----------------------------------------------------------------------------------------------------


def test_every_pane_of_things_that_stand_on_something_has_stacks() -> None:
    """Events, sources of data and applications have none."""
    store = cluster()
    for resource in resources_for([Platform.KUBERNETES]):
        for ref in first(resource.refs(store)):
            told = tell_stack(store, ref, RESOURCES, (), NOW)
            assert (told is not None) is has_stack(ref.kind), ref
            if told is not None:
                assert sum(one.own for one in told) == 1


def first(refs: Iterable[Ref]) -> list[Ref]:
    return list(refs)[:3]


def test_a_class_counts_the_claims_on_it() -> None:
    told = lines(cluster(), Ref("c", "StorageClass", "", "ceph-rbd"))
    assert told[0].strip().startswith("PVCs ")
    assert told[1].strip() == "class ceph-rbd: Defined"


def test_what_is_gone_has_no_stack() -> None:
    assert stack_of(cluster(), Ref("c", "VirtualMachine", "shop", "nobody")) is None
    assert stack_of(cluster(), Ref("c", "Namespace", "", "nowhere")) is None
