"""Disks on a cluster of the demo: every action is sent, judged in the cluster's words, and shows its effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kvtui.demo import kinds
from kvtui.demo.behaviour import Download
from kvtui.errors import BackendError, ConflictError
from kvtui.model import Ref
from kvtui.resources import datavolume, pvc, sources, vm
from kvtui.resources.base import AnyAction, AnyResource, Site
from kvtui.resources.datavolume_actions import data_volume_body
from kvtui.resources.datavolume_retry import retry
from kvtui.resources.form import Answer, Answers
from tests.cluster import RunningCluster, running_cluster
from tests.wire.support import Kept, eventually, kept

pytestmark = pytest.mark.timeout(60)
ACTIONS: dict[str, AnyAction] = {
    action.id: action for resource in (datavolume.RESOURCE, pvc.RESOURCE, vm.RESOURCE) for action in resource.verbs
}


class Desk:
    """A cluster whose clock runs fast, and a backend that keeps its disks and VMs."""

    def __init__(self, cluster: RunningCluster, made: Kept) -> None:
        self.cluster = cluster
        self.kept = made
        self.name = made.backend.name

    def row(self, resource: AnyResource, name: str) -> Any:
        """The row of that name in the namespace shop; None while there is none."""
        self.kept.store.drain()
        refs = [ref for ref in resource.refs(self.kept.store) if ref.path == f"shop/{name}"]
        return resource.row(self.kept.store, refs[0]) if refs else None

    async def comes(self, resource: AnyResource, name: str, condition: Callable[[Any], object] = bool) -> Any:
        def holds() -> object:
            row = self.row(resource, name)
            return row is not None and condition(row)

        await eventually(holds, lambda: f"{name}: {self.row(resource, name)}")
        return self.row(resource, name)

    async def make(self, name: str, **answers: Answer) -> Any:
        """A DataVolume in the namespace shop."""
        given = {"name": name, "namespace": "shop", "size": 1, "class": "ceph-rbd", **answers}
        site = Site(self.name, "shop")
        await ACTIONS["datavolume.create"].run(self.kept.backend, site, Answers(given))
        return await self.comes(datavolume.RESOURCE, name)

    async def do(self, action: str, row: Any, **answers: Answer) -> None:
        """Do an action to a row, and wait until it shows its effect."""
        run = ACTIONS[action].run
        await (run(self.kept.backend, row, Answers(answers)) if answers else run(self.kept.backend, row))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    wanted = (sources.DATA_VOLUMES, sources.CLAIMS, sources.MACHINES, sources.INSTANCES, sources.MIGRATIONS)
    async with running_cluster(speed=60.0) as cluster, kept(cluster.kubeconfig, *wanted) as made:
        yield Desk(cluster, made)


def succeeded(row: Any) -> bool:
    return bool(row.volume.status.phase == "Succeeded")


@pytest.mark.parametrize(
    "answers",
    [
        {"source": "http", "url": "https://images.example.org/small.qcow2"},
        {"source": "registry", "url": "docker://quay.io/containerdisks/fedora:44"},
        {"source": "s3", "url": "s3://bucket/key", "secret": "login"},
        {"source": "blank"},
        {"source": "blank", "class": "local-lvm", "bind": True},
        {"source": "http", "url": "https://images.example.org/small.qcow2", "class": "local-lvm", "bind": True},
    ],
    ids=lambda answers: f"{answers['source']}{'-local' if 'class' in answers else ''}",
)
async def test_a_disk_is_made_of_every_source(desk: Desk, answers: dict[str, Answer]) -> None:
    desk.cluster.world.outside.downloads |= {
        str(answers.get("url")): Download(size=2**20, rate=2**20),
    }
    await desk.make("fresh", **answers)
    await desk.comes(datavolume.RESOURCE, "fresh", succeeded)


async def test_a_copy_is_as_large_as_its_source(desk: Desk) -> None:
    await desk.make("fresh", source="blank", size=3)
    await desk.comes(datavolume.RESOURCE, "fresh", succeeded)
    await desk.make("copy", source="pvc", size=None, **{"from": "shop/fresh"})
    row = await desk.comes(datavolume.RESOURCE, "copy", succeeded)
    assert row.size == 3 * 2**30


async def test_a_class_that_waits_is_waited_for_unless_it_is_bound_at_once(desk: Desk) -> None:
    await desk.make("fresh", source="blank", **{"class": "local-lvm"})
    await desk.comes(datavolume.RESOURCE, "fresh", lambda row: "WaitForFirstConsumer" in row.volume.status.phase)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"source": {"http": {"url": "nonsense"}}, "storage": {}}, "size is missing"),
        (
            {"source": {"http": {"url": "ftp://x/y"}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
            "spec.source Invalid source URL scheme: ftp://x/y",
        ),
        (
            {"source": {"registry": {"url": "x/y"}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
            "Illegal registry source URL scheme",
        ),
        (
            {"source": {"pvc": {"namespace": "shop", "name": "none"}}, "storage": {}},
            "Source PVC shop/none not found",
        ),
        (
            {
                "source": {"http": {"url": "https://x/y", "checksum": "crc:1"}},
                "storage": {"resources": {"requests": {"storage": "1Gi"}}},
            },
            "Invalid checksum format",
        ),
    ],
)
async def test_what_cdi_refuses_is_told_in_its_words(desk: Desk, body: dict[str, Any], words: str) -> None:
    ref = Ref(desk.name, "DataVolume", "shop", "fresh")
    with pytest.raises(BackendError) as caught:
        await desk.kept.backend.create(ref, {"spec": body})
    assert words in str(caught.value)


async def test_a_deleted_disk_goes_with_its_claim(desk: Desk) -> None:
    await desk.make("fresh", source="blank")
    row = await desk.comes(datavolume.RESOURCE, "fresh", succeeded)
    await desk.do("datavolume.delete", row)
    await eventually(lambda: desk.row(datavolume.RESOURCE, "fresh") is None)
    await eventually(lambda: desk.row(pvc.RESOURCE, "fresh") is None)


async def test_another_disk_of_the_name_is_never_deleted(desk: Desk) -> None:
    await desk.make("fresh", source="blank")
    row = await desk.comes(datavolume.RESOURCE, "fresh", succeeded)
    await desk.do("datavolume.delete", row)
    await eventually(lambda: desk.row(pvc.RESOURCE, "fresh") is None)
    await desk.make("fresh", source="blank")
    with pytest.raises(ConflictError):
        await desk.do("datavolume.delete", row)
    assert desk.row(datavolume.RESOURCE, "fresh") is not None


async def test_an_import_that_fails_ever_again_begins_anew_at_once_when_its_source_is_mended(desk: Desk) -> None:
    url = "https://images.example.org/late.qcow2"
    downloads = desk.cluster.world.outside.downloads
    downloads[url] = Download(status=404)
    await desk.make("fresh", source="http", url=url)
    action = ACTIONS["datavolume.retry"]
    row = await desk.comes(datavolume.RESOURCE, "fresh", lambda row: not action.when(row))
    desk.cluster.server.ticker.speed = 1.0
    downloads[url] = Download(size=2**20, rate=2**20)
    uid = row.volume.metadata.uid
    await desk.do("datavolume.retry", row)
    desk.cluster.server.ticker.speed = 60.0
    row = await desk.comes(datavolume.RESOURCE, "fresh", succeeded)
    assert row.volume.metadata.uid == uid, "only its pod was deleted"


async def test_an_import_that_cdi_has_given_up_is_made_anew_as_it_was(desk: Desk) -> None:
    url = "https://images.example.org/wrong.qcow2"
    downloads = desk.cluster.world.outside.downloads
    downloads[url] = Download(size=2**20, rate=2**20, checksum_matches=False)
    before = await desk.make("fresh", source="http", url=url, checksum="md5:" + "0" * 32)
    row = await desk.comes(datavolume.RESOURCE, "fresh", lambda row: row.volume.status.phase == "Failed")
    downloads[url] = Download(size=2**20, rate=2**20)
    await desk.do("datavolume.retry", row)
    row = await desk.comes(datavolume.RESOURCE, "fresh", succeeded)
    assert row.volume.metadata.uid != before.volume.metadata.uid
    made = desk.cluster.world.storage.get(kinds.DATA_VOLUME, "shop", "fresh")
    assert made["spec"]["source"]["http"] == {"url": url, "checksum": "md5:" + "0" * 32}


async def test_of_an_import_that_its_vm_makes_anew_the_new_one_is_followed(desk: Desk) -> None:
    url = "https://images.example.org/wrong.qcow2"
    downloads = desk.cluster.world.outside.downloads
    downloads[url] = Download(size=2**20, rate=2**20, checksum_matches=False)
    await desk.make("fresh", source="http", url=url, checksum="md5:" + "0" * 32)
    storage = desk.cluster.world.storage
    vm = next(one for one in storage.list(kinds.VM, "shop"))["metadata"]
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": vm["name"], "uid": vm["uid"],
             "controller": True}  # fmt: skip
    storage.modify(kinds.DATA_VOLUME, "shop", "fresh", lambda dv: dv["metadata"].update(ownerReferences=[owner]))
    before = await desk.comes(
        datavolume.RESOURCE, "fresh", lambda row: row.volume.status.phase == "Failed" and row.volume.controller
    )
    retried = asyncio.ensure_future(retry(desk.kept.backend, before))
    await eventually(
        lambda: not any(storage.find(kind, "shop", "fresh") for kind in (kinds.DATA_VOLUME, kinds.PVC)),
    )
    assert not retried.done(), "the old one is gone, and the new one is not there"
    made = await desk.make("fresh", source="blank")
    ref = await retried
    assert ref is not None
    assert (ref.uid, ref.uid == before.ref.uid) == (made.ref.uid, False)


# Claims


async def make_claim(desk: Desk, **answers: Answer) -> Any:
    given = {"name": "fresh", "namespace": "shop", "size": 1, "class": "ceph-rbd", "access": "ReadWriteOnce", **answers}
    await ACTIONS["pvc.create"].run(desk.kept.backend, Site(desk.name, "shop"), Answers(given))
    return await desk.comes(pvc.RESOURCE, "fresh", lambda row: row.claim.status.phase == "Bound")


async def test_a_claim_is_made_made_larger_and_deleted(desk: Desk) -> None:
    row = await make_claim(desk, mode="Block")
    await desk.do("pvc.resize", row, size=5)
    grown = await desk.comes(pvc.RESOURCE, "fresh", lambda now: ACTIONS["pvc.resize"].settled(row, now))
    assert grown.claim.status.capacity == {"storage": "5Gi"}
    await desk.do("pvc.delete", grown)
    await eventually(lambda: desk.row(pvc.RESOURCE, "fresh") is None)


async def test_the_file_system_of_a_claim_that_nothing_uses_grows_later(desk: Desk) -> None:
    row = await make_claim(desk, mode="Filesystem")
    await desk.do("pvc.resize", row, size=5)
    waiting = await desk.comes(pvc.RESOURCE, "fresh", lambda now: ACTIONS["pvc.resize"].settled(row, now))
    assert "file system grows when a pod uses it next" in pvc.RESOURCE.health(waiting, 0.0).reason
    assert waiting.claim.status.capacity == {"storage": "1Gi"}


async def test_a_claim_does_not_shrink_and_grows_only_where_its_class_allows_that(desk: Desk) -> None:
    row = await make_claim(desk, size=3)
    with pytest.raises(BackendError, match=r"field can not be less than status\.capacity"):
        await desk.do("pvc.resize", row, size=2)
    desk.cluster.world.storage.modify(
        kinds.STORAGE_CLASS, "", "ceph-rbd", lambda found: found.__setitem__("allowVolumeExpansion", False)
    )
    with pytest.raises(BackendError, match="must support resize"):
        await desk.do("pvc.resize", row, size=5)
    prepare = ACTIONS["pvc.resize"].prepare
    assert prepare is not None
    with pytest.raises(ConflictError, match="lets no claim grow"):
        await prepare({desk.name: desk.kept.backend}, desk.kept.store, [row])


# Disks of VMs


async def test_a_disk_is_attached_to_a_running_vm_and_taken_off(desk: Desk) -> None:
    await desk.make("fresh", source="blank")
    await desk.comes(datavolume.RESOURCE, "fresh", succeeded)
    attach, detach = ACTIONS["vm.attach_disk"], ACTIONS["vm.detach_disk"]
    before = await desk.comes(vm.RESOURCE, "catalog-1", lambda row: row.running)
    await desk.do("vm.attach_disk", before, volume="datavolume/fresh", bus="scsi", persist=True)
    attached = await desk.comes(vm.RESOURCE, "catalog-1", lambda now: attach.settled(before, now))
    assert [(item.target, item.phase) for item in attached.live.status.volume_status if item.name == "fresh"] == [
        ("sda", "Ready")
    ]
    pods = [
        pod for pod in desk.cluster.world.storage.list(kinds.POD, "shop") if "hp-volume-" in pod["metadata"]["name"]
    ]
    assert [pod["spec"]["nodeName"] for pod in pods] == [attached.live.status.node_name]
    assert "catalog-1" in [user.name for user in desk.row(datavolume.RESOURCE, "fresh").users]
    await desk.do("vm.detach_disk", attached, name="fresh")
    await desk.comes(vm.RESOURCE, "catalog-1", lambda now: detach.settled(attached, now))
    assert desk.row(datavolume.RESOURCE, "fresh") is not None


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("addvolume", {}, "Request with no body"),
        ("addvolume", {"disk": {}}, "AddVolumeOptions requires name to be set"),
        ("addvolume", {"name": "x"}, "requires disk to not be nil"),
        ("addvolume", {"name": "x", "disk": {}}, "requires VolumeSource to not be nil"),
        (
            "addvolume",
            {"name": "rootdisk", "disk": {}, "volumeSource": {"dataVolume": {"name": "x"}}},
            "Unable to add volume [rootdisk] because volume with that name already exists",
        ),
        ("removevolume", {"name": "none"}, "Unable to remove volume [none] because it does not exist"),
        ("removevolume", {"name": "rootdisk"}, "Unable to remove volume [rootdisk] because it is not hotpluggable"),
    ],
)
async def test_what_virt_api_refuses_is_told_in_its_words(
    desk: Desk, verb: str, options: dict[str, Any], words: str
) -> None:
    ref = Ref(desk.name, "VirtualMachine", "shop", "catalog-1")
    with pytest.raises(BackendError) as caught:
        await desk.kept.backend.call(ref, verb, options)
    assert words in str(caught.value)


async def test_for_one_run_alone_nothing_is_attached_where_volumes_are_declared(desk: Desk) -> None:
    row = await desk.comes(vm.RESOURCE, "catalog-1", lambda row: row.running)
    with pytest.raises(BackendError, match="is owned by a VM"):
        await desk.do("vm.attach_disk", row, volume="claim/x", bus="scsi", persist=False)


def test_bodies_say_nothing_that_was_not_asked() -> None:
    body = data_volume_body(Answers({"source": "blank", "size": 1}))
    assert body == {"spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}}}
