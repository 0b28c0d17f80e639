"""Imports that do not get on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Download
from kvtui.demo.catalog.disks import LOCAL
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_claim_disk, claim, create, import_of, let_stop, small_machine
from kvtui.demo.objects import GI, MI
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World


@drill(
    "import-not-found",
    "an image is not where it should be",
    briefing="The new golden image of Rocky 10 has been importing for a quarter of an hour.",
    debrief="The web server answers 404 for the address of DataVolume ci/rocky-10-golden: the release was moved. The "
    "importer is started again and again for ever. Correct spec.source.http.url: delete the DataVolume and "
    "make it anew.",
)
def not_found(world: World) -> None:
    """The address answers 404: the importer fails and is started again and again."""
    url = "https://images.example.org/releases/rocky-10.0-GenericCloud.qcow2"
    world.outside.downloads[url] = Download(status=404)
    create(world, kinds.DATA_VOLUME, import_of("ci", "rocky-10-golden", url))


@drill(
    "waits-for-consumer",
    "a disk waits, and that is well",
    briefing="Somebody asks whether lab/scratch-disk-1 is broken: it has been waiting for a quarter of an hour.",
    debrief="Nothing is wrong. Its class local-lvm binds when the first VM uses the disk (WaitForFirstConsumer), so "
    "that the volume is made on that VM's node. Start a VM with it, or annotate the DataVolume with "
    "cdi.kubevirt.io/storage.bind.immediate.requested.",
)
def waits_for_consumer(world: World) -> None:
    """A disk of a node-local class waits until a machine uses it: nothing is wrong."""
    url = "https://images.example.org/debian-13.qcow2"
    create(world, kinds.DATA_VOLUME, import_of("lab", "scratch-disk-1", url, storage_class=LOCAL))


@drill(
    "wrong-checksum",
    "an image is not the one that was meant",
    briefing="The vendor's appliance was downloaded completely, and still there is no disk.",
    debrief="The checksum of DataVolume erp/appliance-7-2 does not match what the mirror delivered (ChecksumError). "
    "Find out which of the two is wrong before you trust the image; then delete the DataVolume and make it "
    "anew.",
)
def wrong_checksum(world: World) -> None:
    """The image is not the one that was meant."""
    url = "https://mirror.example.org/appliance-7.2.img"
    world.outside.downloads[url] = Download(size=1.5 * GI, rate=64.0 * MI, checksum_matches=False)
    wanted = "sha256:3f1a9c0e7d5b2846af01c9e2b8d47f6a5e0c3b1d9f8274a6c5e1d0b3f7a29c84"
    create(world, kinds.DATA_VOLUME, import_of("erp", "appliance-7-2", url, checksum=wanted))


@drill(
    "import-unauthorized",
    "a registry of images wants to know who asks",
    briefing="The licensed database image does not arrive; the vendor says that the subscription is valid.",
    debrief="The vendor's server answers 401: DataVolume data/oracle-19-root names no secret. Put user and password "
    "into a Secret (accessKeyId, secretKey) and name it in spec.source.http.secretRef.",
)
def unauthorized(world: World) -> None:
    """The server wants a password, and the import names none."""
    url = "https://downloads.vendor.example.org/oracle-19-el9.qcow2"
    world.outside.downloads[url] = Download(status=401)
    create(world, kinds.DATA_VOLUME, import_of("data", "oracle-19-root", url))


@drill(
    "import-unknown-authority",
    "an image server is not trusted",
    briefing="Since the mirror got its new certificate, imports from it do not finish. The browser shows it fine.",
    debrief="The mirror's certificate is signed by the company's own CA, which the importer of web/intranet-root does "
    "not know: x509: certificate signed by unknown authority. Put the CA into a ConfigMap and name it in "
    "spec.source.http.certConfigMap.",
)
def unknown_authority(world: World) -> None:
    """The server's certificate is of an authority that nobody told CDI of."""
    url = "https://mirror.corp.example.org/intranet-3.qcow2"
    words = f'Get "{url}": tls: failed to verify certificate: x509: certificate signed by unknown authority'
    world.outside.downloads[url] = Download(refusal=f"Unable to connect to http data source: {words}")
    create(world, kinds.DATA_VOLUME, import_of("web", "intranet-root", url))


@drill(
    "import-too-large",
    "a disk is smaller than its image",
    briefing="erp/bi-server-root is tried again every few minutes. The image is only 3 GiB, its owner says.",
    debrief="The image's virtual size is 40 GiB, and the claim has 20Gi: virtual image size is larger than the "
    "reported available storage. Ask for at least 40Gi in spec.storage, and a little more on file systems.",
)
def too_large(world: World) -> None:
    """The image's virtual size is more than the claim holds."""
    url = "https://images.example.org/appliances/bi-server-12.qcow2"
    world.outside.downloads[url] = Download(size=3.0 * GI, virtual_size=40 * GI)
    create(world, kinds.DATA_VOLUME, import_of("erp", "bi-server-root", url, size="20Gi"))


@drill(
    "import-out-of-memory",
    "an import begins again and again",
    briefing="data/lake-snapshot has been at a few percent for a quarter of an hour, again and again.",
    debrief="The importer needs more memory than its limit of 600M for this image: it is OOMKilled, and CDI starts it "
    "anew. Raise spec.config.podResourceRequirements in the CDI CR.",
)
def out_of_memory(world: World) -> None:
    """The importer is killed for its memory at each attempt."""
    url = "https://images.example.org/lake/snapshot-2026-11.vmdk"
    world.outside.downloads[url] = Download(size=60.0 * GI, rate=48.0 * MI, killed_after=20.0)
    create(world, kinds.DATA_VOLUME, import_of("data", "lake-snapshot", url, size="100Gi"))


@drill(
    "no-default-class",
    "an import does not even begin",
    briefing="Since the storage migration, new disks are made but nothing happens to them.",
    debrief="No StorageClass is marked as the default any more, and DataVolume ci/alma-10-golden names none: PVC spec "
    "is missing accessMode and no storageClass to choose profile. Annotate one class with "
    "storageclass.kubernetes.io/is-default-class=true, or name a class in spec.storage.storageClassName.",
)
def no_default_class(world: World) -> None:
    """The default mark was taken off the storage class."""
    for storage_class in world.storage.list(kinds.STORAGE_CLASS):
        world.storage.modify(kinds.STORAGE_CLASS, "", storage_class["metadata"]["name"], _unmark)
    url = "https://images.example.org/alma-10.qcow2"
    create(world, kinds.DATA_VOLUME, import_of("ci", "alma-10-golden", url))


def _unmark(storage_class: Object) -> None:
    notes = storage_class["metadata"].get("annotations", {})
    for mark in ("storageclass.kubevirt.io/is-default-virt-class", "storageclass.kubernetes.io/is-default-class"):
        notes.pop(mark, None)


@drill(
    "clone-source-in-use",
    "a copy of a disk does not begin",
    briefing="The copy of the reporting disk for the auditors has stood at N/A for ten minutes.",
    debrief="DataVolume lab/reports-copy copies claim reports-1-data, whose class local-lvm cannot clone by itself: "
    "CDI copies with a pod, and waits because VM lab/reports-1 uses the disk. Stop the VM for the time of the "
    "copy.",
)
def clone_source_in_use(world: World) -> None:
    """A copy that needs the source for itself, which a machine uses."""
    create(world, kinds.PVC, claim("lab", "reports-1-data", LOCAL, "50Gi"))
    vm = small_machine("lab", "reports-1", system="debian", memory="4Gi")
    add_claim_disk(vm, "reports-1-data")
    let_stop(vm)
    create(world, kinds.VM, vm)
    copy = import_of("lab", "reports-copy", "", size="50Gi", storage_class=LOCAL)
    copy["spec"]["source"] = {"pvc": {"namespace": "lab", "name": "reports-1-data"}}
    copy["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.bind.immediate.requested": "true"}

    def ask() -> None:
        create(world, kinds.DATA_VOLUME, copy)

    world.clock.call_later(120.0, ask)
