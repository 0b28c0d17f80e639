"""Images of this machine into a disk: real bytes through the demo's upload proxy, and what may go wrong on the way."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kvtui.backends.images import parse_image, read_image
from kvtui.backends.kubernetes.client import KubernetesBackend
from kvtui.backends.uploads import ImageUpload
from kvtui.demo import kinds
from kvtui.errors import BackendError, ConfigError, ConflictError, ReadOnlyError, UnreachableError
from kvtui.model import Ref
from kvtui.records.cdi import Upload
from kvtui.store import Drop, Put
from tests.cluster import RunningCluster, running_cluster
from tests.disks import volume
from tests.wire.support import VOLUMES, Kept, eventually, kept

pytestmark = pytest.mark.timeout(60)
GIB = 2**30


class Desk:
    """A cluster whose clock runs fast, a backend on it, and images to send."""

    def __init__(self, cluster: RunningCluster, made: Kept, folder: Path) -> None:
        self.cluster = cluster
        self.kept = made
        self.folder = folder
        self.told: list[Upload] = []

    @property
    def backend(self) -> KubernetesBackend:
        return self.kept.backend

    def file(self, data: bytes, name: str = "disk.img") -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def wanted(self, data: bytes | Path, name: str = "mine", size: str = "1Gi", **options: Any) -> ImageUpload:
        file = data if isinstance(data, Path) else self.file(data)
        storage = {"resources": {"requests": {"storage": size}}, "storageClassName": "ceph-rbd"}
        body = {"spec": {"source": {"upload": {}}, "storage": storage}}
        ref = Ref(self.backend.name, "DataVolume", "shop", name)
        return ImageUpload(ref, file, body, tell=self.told.append, **options)

    def phase(self, name: str = "mine") -> str:
        found = self.cluster.world.storage.find(kinds.DATA_VOLUME, "shop", name)
        return str(found.get("status", {}).get("phase", "")) if found else "none"

    def audited(self) -> list[tuple[str, str]]:
        lines = map(json.loads, self.kept.audit.read_text().splitlines())
        return [(line["verb"], line["result"]) for line in lines]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_cluster(speed=60.0) as cluster, kept(cluster.kubeconfig, VOLUMES) as made:
        yield Desk(cluster, made, tmp_path)


def qcow2(disk: int, *, backing: int = 0, size: int = 65536) -> bytes:
    return struct.pack(">4sIQIIQ", b"QFI\xfb", 3, backing, 0, 16, disk).ljust(size, b"\0")


async def test_every_byte_arrives_and_the_disk_can_be_used(desk: Desk) -> None:
    data = os.urandom(5_000_000)
    ref = await desk.backend.upload(desk.wanted(data))
    assert desk.phase() == "Succeeded"
    received = desk.cluster.server.uploads.received["shop", "mine"]
    assert (received.size, received.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (ref.path, bool(ref.uid)) == ("shop/mine", True)
    phases = list(dict.fromkeys(upload.phase for upload in desk.told))
    assert phases == ["Waiting", "Sending", "Processing"]
    assert desk.told[-1].sent == desk.told[-1].total == len(data)


async def test_what_goes_on_is_a_record_while_it_goes_on(desk: Desk) -> None:
    await desk.backend.upload(desk.wanted(os.urandom(3_000_000)))
    mine = [said for said in desk.kept.said if isinstance(said, Put) and isinstance(said.record, Upload)]
    assert {said.record.metadata.name for said in mine} == {"mine"}
    last = [said for said in desk.kept.said if isinstance(said, Drop) and said.type is Upload]
    assert [(said.namespace, said.name) for said in last] == [("shop", "mine")]


async def test_the_log_tells_what_was_sent_where(desk: Desk) -> None:
    await desk.backend.upload(desk.wanted(b"x" * 2048))
    assert desk.audited() == [
        ("create for an upload", "asked"),
        ("create for an upload", "accepted"),
        ("upload disk.img (2Ki)", "asked"),
        ("upload disk.img (2Ki)", "accepted"),
    ]


async def test_a_connection_that_breaks_in_the_middle_is_tried_again_from_the_beginning(desk: Desk) -> None:
    data = os.urandom(4_000_000)
    desk.cluster.server.uploads.cut_after = [1_000_000, 2_000_000]
    await desk.backend.upload(desk.wanted(data))
    assert desk.phase() == "Succeeded"
    assert desk.cluster.server.uploads.received["shop", "mine"].sha256 == hashlib.sha256(data).hexdigest()
    assert any("attempt 3" in upload.words for upload in desk.told)


async def test_a_connection_that_breaks_ever_again_is_given_up_and_what_is_left_is_said(desk: Desk) -> None:
    desk.cluster.server.uploads.cut_after = [10_000] * 9
    with pytest.raises(UnreachableError) as caught:
        await desk.backend.upload(desk.wanted(os.urandom(2_000_000), retries=2))
    assert "DataVolume shop/mine is left" in caught.value.hint
    assert len(desk.cluster.server.uploads.cut_after) == 6
    assert desk.phase() == "UploadReady"
    desk.cluster.server.uploads.cut_after = []
    await desk.backend.upload(desk.wanted(os.urandom(2_000_000), reuse=True))
    assert desk.phase() == "Succeeded"


async def test_an_image_that_does_not_fit_is_refused_before_it_is_sent(desk: Desk) -> None:
    with pytest.raises(ConflictError, match=r"disk\.img does not fit: its disk has 8Gi, DataVolume shop/mine only 1Gi"):
        await desk.backend.upload(desk.wanted(qcow2(8 * GIB)))
    assert desk.cluster.server.uploads.received == {}


async def test_an_image_that_turns_out_too_large_is_refused_in_cdis_words(desk: Desk) -> None:
    packed = gzip.compress(qcow2(8 * GIB))
    with pytest.raises(BackendError, match=f"virtual image size {8 * GIB} is larger than the reported available"):
        await desk.backend.upload(desk.wanted(packed))
    assert not any("attempt" in upload.words for upload in desk.told)


async def test_an_image_that_cdi_cannot_convert_fails_in_cdis_words(desk: Desk) -> None:
    packed = gzip.compress(qcow2(GIB // 2, backing=512))
    with pytest.raises(BackendError, match="invalid backing file") as caught:
        await desk.backend.upload(desk.wanted(packed))
    assert "is left" in caught.value.hint


@pytest.mark.parametrize("how", ["missing", "wrong", "old"])
async def test_the_proxy_takes_nothing_without_a_good_token(desk: Desk, how: str) -> None:
    uploads = desk.cluster.server.uploads
    tokens = {"missing": "", "wrong": "Bearer eyJhbGciOiJub25lIn0.e30.x", "old": ""}
    headers = {"Authorization": tokens[how]} if tokens[how] else {}
    if how == "old":
        headers = {"Authorization": f"Bearer {uploads.token('shop', 'mine', -1.0)}"}
    tls = desk.cluster.server.certificate.client_context()
    address = f"https://127.0.0.1:{uploads.port}/v1beta1/upload-async"
    async with aiohttp.ClientSession() as session, session.post(address, ssl=tls, headers=headers, data=b"x") as answer:
        assert answer.status == (400 if how == "missing" else 401)


async def test_a_token_that_grew_old_is_asked_for_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = desk.cluster.server.uploads
    good = uploads.token
    lifetimes = iter([-1.0])
    monkeypatch.setattr(uploads, "token", lambda space, name: good(space, name, next(lifetimes, 300.0)))
    await desk.backend.upload(desk.wanted(b"x" * 1000))
    assert desk.phase() == "Succeeded"


async def test_one_that_is_left_off_takes_its_disk_with_it(desk: Desk) -> None:
    desk.cluster.server.uploads.rate = 500_000.0
    sending = asyncio.create_task(desk.backend.upload(desk.wanted(os.urandom(8_000_000))))
    await eventually(lambda: desk.told and desk.told[-1].sent > 0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await eventually(lambda: desk.phase() == "none")
    assert desk.told[-1].words == "DataVolume shop/mine was deleted again"


async def test_one_that_is_left_off_leaves_a_disk_that_was_there_before(desk: Desk) -> None:
    wanted = desk.wanted(os.urandom(8_000_000), reuse=True)
    await desk.backend.create(wanted.ref, wanted.body)
    desk.cluster.server.uploads.rate = 500_000.0
    sending = asyncio.create_task(desk.backend.upload(wanted))
    await eventually(lambda: desk.told and desk.told[-1].sent > 0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert desk.phase() == "UploadReady"
    assert "is left, and waits for an upload" in desk.told[-1].words


async def test_the_proxys_certificate_is_checked_unless_that_is_said(desk: Desk) -> None:
    world = desk.cluster.world
    world.storage.modify(kinds.CDI_CONFIG, "", "config", lambda found: found["status"].update(uploadProxyCA=""))
    with pytest.raises(UnreachableError, match="is not trusted") as caught:
        await desk.backend.upload(desk.wanted(b"x" * 100))
    assert "--insecure" in caught.value.hint
    assert not any("attempt" in upload.words for upload in desk.told)
    await desk.backend.upload(desk.wanted(b"x" * 100, reuse=True, insecure=True))
    assert desk.phase() == "Succeeded"


def hide_proxy(cluster: RunningCluster, authority: str = "") -> None:
    """CDI has no Ingress for its upload proxy."""
    told = {"uploadProxyURL": "", "uploadProxyCA": authority}
    cluster.world.storage.modify(kinds.CDI_CONFIG, "", "config", lambda found: found["status"].update(told))


async def test_without_an_address_of_the_proxy_its_pod_is_reached_through_the_api_server(desk: Desk) -> None:
    hide_proxy(desk.cluster)
    data = os.urandom(3_000_000)
    await desk.backend.upload(desk.wanted(data))
    assert desk.phase() == "Succeeded"
    assert desk.cluster.server.uploads.received["shop", "mine"].sha256 == hashlib.sha256(data).hexdigest()


async def test_on_that_way_too_the_certificate_is_checked(desk: Desk) -> None:
    hide_proxy(desk.cluster)
    desk.cluster.world.storage.delete(kinds.CONFIG_MAP, "cdi", "cdi-uploadproxy-signer-bundle")
    with pytest.raises(UnreachableError, match="is not trusted"):
        await desk.backend.upload(desk.wanted(b"x" * 100))


@pytest.mark.parametrize(("right", "words"), [("pods", "--proxy-url"), ("pods/portforward", "cannot get resource")])
async def test_who_may_not_go_that_way_is_told_the_way_out(desk: Desk, right: str, words: str) -> None:
    hide_proxy(desk.cluster)
    desk.cluster.server.access.revoke("admin", right)
    with pytest.raises(BackendError) as caught:
        await desk.backend.upload(desk.wanted(b"x" * 100))
    assert words in str(caught.value)
    address = f"https://localhost:{desk.cluster.server.uploads.port}"
    hide_proxy(desk.cluster, desk.cluster.server.certificate.certificate)
    await desk.backend.upload(desk.wanted(b"x" * 100, reuse=True, proxy=address))
    assert desk.phase() == "Succeeded"


@pytest.mark.parametrize(
    ("address", "words"), [("ftp://x", "no URL"), ("http://x", "in the clear"), ("https://[", "no URL")]
)
async def test_an_address_that_makes_no_sense_is_refused(desk: Desk, address: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await desk.backend.upload(desk.wanted(b"x" * 100, proxy=address))


async def test_a_disk_that_is_there_is_not_overwritten(desk: Desk) -> None:
    await desk.backend.upload(desk.wanted(b"x" * 100))
    with pytest.raises(BackendError, match="already exists"):
        await desk.backend.upload(desk.wanted(b"y" * 100))
    with pytest.raises(ConflictError, match="it has got its image already"):
        await desk.backend.upload(desk.wanted(b"y" * 100, reuse=True))
    other = "elsewhere"
    desk.cluster.world.storage.create(kinds.DATA_VOLUME, volume(other))
    wanted = ImageUpload(Ref(desk.backend.name, "DataVolume", "shop", other), desk.file(b"x"), {}, reuse=True)
    with pytest.raises(ConflictError, match="takes no upload"):
        await desk.backend.upload(wanted)


async def test_a_rehearsal_makes_and_sends_nothing(desk: Desk) -> None:
    await desk.backend.rehearse().upload(desk.wanted(b"x" * 100))
    assert desk.phase() == "none"
    assert desk.cluster.server.uploads.received == {}


async def test_nothing_is_sent_from_a_read_only_backend(tmp_path: Path) -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, read_only=True) as made:
        with pytest.raises(ReadOnlyError):
            await made.backend.upload(Desk(cluster, made, tmp_path).wanted(b"x"))


# Images


@pytest.mark.parametrize(
    ("head", "name", "disk"),
    [
        (qcow2(8 * GIB, size=100), "qcow2", 8 * GIB),
        (b"\x1f\x8b\x08", "gz", None),
        (b"\xfd7zXZ\x00", "xz", None),
        (b"KDMV", "vmdk", None),
        (b"\xeb\x63\x90", "raw", 500),
        (b"QFI\xfb", "raw", 500),
    ],
)
def test_an_image_says_what_it_is(head: bytes, name: str, disk: int | None) -> None:
    found = parse_image(head, 500)
    assert (found.format, found.disk, found.size) == (name, disk, 500)


def test_what_cannot_be_sent_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path, words in ((tmp_path / "none", "no such file"), (tmp_path, "no file"), (empty, "empty")):
        with pytest.raises(BackendError, match=words):
            read_image(path)
