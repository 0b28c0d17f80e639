"""Volumes of exports are brought into files: whole, checked, and never over another file unasked."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import stat
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.backends.downloads import GZIP, RAW, TAR, Download, Figures, fetch
from kvtui.backends.sinks import FileSink, PipeSink
from kvtui.backends.transfer import DownloadTransfer
from kvtui.demo import exports, kinds
from kvtui.demo.certificate import make_certificate
from kvtui.errors import (
    AbsentError,
    BackendError,
    ConflictError,
    ForbiddenError,
    PendingError,
    ReadOnlyError,
)
from kvtui.model import Ref
from tests.cluster import RunningCluster, running_cluster
from tests.demo.worlds import create
from tests.wire.support import Kept, eventually, kept

MI = 1024**2
SIZE = 24 * MI
NAME = "disk-1"


def _claim(name: str = NAME, size: str = "24Mi") -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Block",
        "resources": {"requests": {"storage": size}},
        "storageClassName": "ceph-rbd",
    }
    return {"metadata": {"name": name, "namespace": "lab"}, "spec": spec}


def _make_export(cluster: RunningCluster, name: str = "out", claim: str = NAME) -> Ref:
    source = {"kind": "PersistentVolumeClaim", "name": claim}
    create(cluster.world, kinds.EXPORT, {"metadata": {"name": name, "namespace": "lab"}, "spec": {"source": source}})
    cluster.advance(40)
    return Ref("demo-admin", "VirtualMachineExport", "lab", name)


@pytest.fixture
async def cluster() -> AsyncIterator[RunningCluster]:
    """A cluster with a small disk that is offered for download."""
    async with running_cluster(size=13) as running:
        create(running.world, kinds.PVC, _claim())
        running.advance(10)
        yield running


@pytest.fixture
async def ready(cluster: RunningCluster) -> AsyncIterator[tuple[Kept, Ref]]:
    ref = _make_export(cluster)
    async with kept(cluster.kubeconfig) as made:
        yield made, ref._replace(backend=made.backend.name)


def disk(cluster: RunningCluster, name: str = NAME) -> bytes:
    """What is on the disk."""
    claim = cluster.world.storage.get(kinds.PVC, "lab", name)
    return b"".join(exports.pieces(claim, SIZE))


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_volume_comes_as_gzip_and_holds_the_disk(
    cluster: RunningCluster, ready: tuple[Kept, Ref], tmp_path: Path
) -> None:
    made, ref = ready
    transfer = DownloadTransfer(made.backend, ref, "", GZIP, FileSink(tmp_path / "d.img.gz"))
    await transfer.run()
    assert gzip.decompress((tmp_path / "d.img.gz").read_bytes()) == disk(cluster)
    assert transfer.figures.written == transfer.figures.size == SIZE
    assert transfer.figures.done == 1.0
    assert files_in(tmp_path) == [tmp_path / "d.img.gz"]
    lines = [json.loads(line) for line in made.audit.read_text().splitlines()]
    assert [line["verb"] for line in lines] == ["download"]


async def test_a_volume_is_unpacked_here_and_its_zeros_take_no_room(
    cluster: RunningCluster, ready: tuple[Kept, Ref], tmp_path: Path
) -> None:
    made, ref = ready
    await DownloadTransfer(made.backend, ref, NAME, RAW, FileSink(tmp_path / "d.img")).run()
    assert (tmp_path / "d.img").read_bytes() == disk(cluster)
    assert (tmp_path / "d.img").stat().st_blocks * 512 < SIZE / 4


async def test_a_file_that_is_there_stays_unless_that_is_meant(
    cluster: RunningCluster, ready: tuple[Kept, Ref], tmp_path: Path
) -> None:
    made, ref = ready
    file = tmp_path / "d.img"
    file.write_bytes(b"precious")
    with pytest.raises(BackendError, match="is there already"):
        await DownloadTransfer(made.backend, ref, NAME, RAW, FileSink(file)).run()
    assert file.read_bytes() == b"precious"
    await DownloadTransfer(made.backend, ref, NAME, RAW, FileSink(file, overwrite=True)).run()
    assert file.read_bytes() == disk(cluster)


async def test_a_download_that_is_given_up_leaves_nothing(ready: tuple[Kept, Ref], tmp_path: Path) -> None:
    made, ref = ready
    transfer = DownloadTransfer(made.backend, ref, NAME, RAW, FileSink(tmp_path / "d.img"))
    running = asyncio.create_task(transfer.run())
    await eventually(lambda: transfer.figures.received)
    assert files_in(tmp_path), "it grows beside its place"
    transfer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert transfer.over
    assert "cancelled" in transfer.failure
    assert files_in(tmp_path) == []


async def test_an_export_in_use_says_whom_it_waits_for(cluster: RunningCluster) -> None:
    source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "checkout-1"}
    create(cluster.world, kinds.EXPORT, {"metadata": {"name": "vm", "namespace": "shop"}, "spec": {"source": source}})
    cluster.advance(10)
    async with kept(cluster.kubeconfig) as made:
        ref = Ref(made.backend.name, "VirtualMachineExport", "shop", "vm")
        with pytest.raises(PendingError, match="Virtual Machine shop/checkout-1 is running") as caught:
            async with made.backend.open_download(ref, "", GZIP):
                pass
        assert "waits until that ends" in caught.value.hint
        assert caught.value.since is not None


@pytest.mark.parametrize("phase", ["Skipped", "Terminated"])
async def test_an_export_that_is_over_is_not_waited_for(
    cluster: RunningCluster, ready: tuple[Kept, Ref], phase: str
) -> None:
    made, ref = ready
    cluster.world.storage.modify(kinds.EXPORT, "lab", "out", lambda export: export["status"].update(phase=phase))
    with pytest.raises(ConflictError, match=f"is {phase}") as caught:
        async with made.backend.open_download(ref, "", GZIP):
            pass
    assert caught.value.hint == "make another export"


@pytest.mark.parametrize(
    ("volume", "form", "error", "words"),
    [("other", GZIP, AbsentError, f"it has {NAME}"), (NAME, TAR, AbsentError, "it is offered as raw, gzip")],
)
async def test_what_is_not_offered_is_named(
    ready: tuple[Kept, Ref], volume: str, form: str, error: type[BackendError], words: str
) -> None:
    made, ref = ready
    with pytest.raises(error, match=words):
        async with made.backend.open_download(ref, volume, form):
            pass


async def test_one_of_several_volumes_must_be_named(cluster: RunningCluster) -> None:
    create(cluster.world, kinds.PVC, _claim("disk-2"))
    ref = _make_export(cluster)

    def add(export: dict[str, Any]) -> None:
        volumes = export["status"]["links"]["internal"]["volumes"]
        volumes.append({**volumes[0], "name": "disk-2"})

    cluster.world.storage.modify(kinds.EXPORT, "lab", "out", add)
    async with kept(cluster.kubeconfig) as made:
        with pytest.raises(ConflictError, match="disk-1, disk-2"):
            async with made.backend.open_download(ref._replace(backend=made.backend.name), "", GZIP):
                pass


@pytest.mark.parametrize(("resource", "words"), [("secrets", "token"), ("services/proxy", "get on services/proxy")])
async def test_a_right_that_is_missing_is_named(
    cluster: RunningCluster, ready: tuple[Kept, Ref], resource: str, words: str
) -> None:
    made, ref = ready
    cluster.server.access.revoke("admin", resource)
    with pytest.raises(ForbiddenError, match=words):
        async with made.backend.open_download(ref, "", GZIP):
            pass


async def test_a_token_that_is_not_taken_is_told(ready: tuple[Kept, Ref], monkeypatch: pytest.MonkeyPatch) -> None:
    made, ref = ready
    monkeypatch.setattr(exports, "TOKEN", "x-other-header")
    with pytest.raises(ForbiddenError, match="does not take its token"):
        async with made.backend.open_download(ref, "", GZIP):
            pass


async def test_nothing_is_downloaded_read_only(cluster: RunningCluster) -> None:
    ref = _make_export(cluster)
    async with kept(cluster.kubeconfig, read_only=True) as made:
        with pytest.raises(ReadOnlyError):
            async with made.backend.open_download(ref._replace(backend=made.backend.name), "", GZIP):
                pass


async def test_a_link_to_the_outside_is_taken_first_with_its_own_certificate(
    cluster: RunningCluster, ready: tuple[Kept, Ref], tmp_path: Path
) -> None:
    made, ref = ready
    certificate = make_certificate()
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.headers.get("x-kubevirt-export-token", ""))
        return web.Response(body=gzip.compress(b"from outside", mtime=0))

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context())
    await site.start()
    try:
        port = runner.addresses[0][1]
        _offer_outside(cluster, f"https://127.0.0.1:{port}", certificate.certificate)
        transfer = DownloadTransfer(made.backend, ref, "", RAW, FileSink(tmp_path / "d.img"))
        await transfer.run()
    finally:
        await runner.cleanup()
    assert (tmp_path / "d.img").read_bytes() == b"from outside"
    assert len(asked[0]) == 20
    assert transfer.figures.way == "from 127.0.0.1"


@pytest.mark.parametrize("certificate", ["", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----"])
async def test_a_link_that_cannot_be_reached_gives_way_to_the_api_server(
    cluster: RunningCluster, ready: tuple[Kept, Ref], tmp_path: Path, certificate: str
) -> None:
    made, ref = ready
    _offer_outside(cluster, "https://127.0.0.1:9", certificate)
    transfer = DownloadTransfer(made.backend, ref, "", RAW, FileSink(tmp_path / "d.img"))
    await transfer.run()
    assert (tmp_path / "d.img").read_bytes() == disk(cluster)
    assert transfer.figures.way == "through the API server"


def _offer_outside(cluster: RunningCluster, base: str, certificate: str) -> None:
    def offer(export: dict[str, Any]) -> None:
        formats = [{"format": "gzip", "url": f"{base}/volumes/{NAME}/disk.img.gz"}]
        export["status"]["links"]["external"] = {
            "cert": certificate,
            "volumes": [{"name": NAME, "formats": formats}],
        }

    cluster.world.storage.modify(kinds.EXPORT, "lab", "out", offer)


# What comes, whoever sends it


async def _send(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _store(
    target: Path, *pieces: bytes, form: str = GZIP, packed: bool = True, overwrite: bool = False
) -> Figures:
    figures = Figures()
    await fetch(Download(_send(*pieces), packed, None, "here"), FileSink(target, overwrite=overwrite), form, figures)
    return figures


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (gzip.compress(b"x" * 5000, mtime=0)[:-4], "ends in the middle"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-8] + b"12345678", "no whole gzip file"),
        (b"<html>sorry</html>", "no whole gzip file"),
        (gzip.compress(b"", mtime=0), "nothing came"),
        (b"", "no whole gzip file"),
    ],
    ids=["without its end", "wrong sum", "a page", "empty inside", "empty"],
)
async def test_what_is_broken_is_told_and_not_kept(tmp_path: Path, sent: bytes, words: str) -> None:
    with pytest.raises(BackendError, match=words):
        await _store(tmp_path / "d.gz", sent)
    assert files_in(tmp_path) == []


async def test_a_gzip_file_of_several_members_is_one(tmp_path: Path) -> None:
    sent = gzip.compress(b"one ", mtime=0) + gzip.compress(b"two")
    figures = await _store(tmp_path / "d", sent[:30], sent[30:], form=RAW)
    assert (tmp_path / "d").read_bytes() == b"one two"
    assert figures.written == 7


async def test_zeros_at_the_end_are_there(tmp_path: Path) -> None:
    data = b"x" + bytes(3 * 2**16 + 5)
    await _store(tmp_path / "d", data, form=RAW, packed=False)
    assert (tmp_path / "d").read_bytes() == data


async def test_a_place_that_cannot_be_written_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    for target, words in ((tmp_path, "is a folder"), (tmp_path / "no" / "d", "there is no folder")):
        with pytest.raises(BackendError, match=words):
            await _store(target, zlib.compress(b"x"))


async def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    real, link = tmp_path / "store" / "real", tmp_path / "link"
    link.symlink_to(real)
    for sent in (b"first", b"second"):
        await _store(link, sent, form=RAW, packed=False, overwrite=True)
        assert link.readlink() == real
        assert real.read_bytes() == sent
    assert files_in(real.parent) == [real]


async def test_a_link_to_a_file_is_that_file_which_is_not_written_over_unasked(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"precious")
    link.symlink_to(real)
    with pytest.raises(BackendError, match="link is there already"):
        await _store(link, b"new", form=RAW, packed=False)
    assert real.read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "symbolic link that leads back to itself"])
async def test_what_is_no_file_is_refused_and_stays_what_it_is(tmp_path: Path, kind: str) -> None:
    place = _make_special(tmp_path, kind)
    before = place.lstat()
    with pytest.raises(BackendError, match=f"is a {kind}") as caught:
        await _store(place, b"new", form=RAW, packed=False, overwrite=True)
    assert f"--to - | dd of={place}" in caught.value.hint
    assert (before.st_mode, before.st_ino) == (place.lstat().st_mode, place.lstat().st_ino)


def _make_special(folder: Path, kind: str) -> Path:
    place = folder / "place"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(place))
    elif kind == "device":
        try:
            os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    else:
        place.symlink_to(place)
    return place


async def test_a_pipe_gets_every_byte_and_its_zeros() -> None:
    data = b"x" + bytes(3 * 2**16 + 5) + b"end"
    reader, writer = os.pipe()
    reading = asyncio.create_task(asyncio.to_thread(_read_all, reader))
    await fetch(Download(_send(data), False, None, "here"), PipeSink(writer), RAW, Figures())
    os.close(writer)
    assert await reading == data


def _read_all(handle: int) -> bytes:
    with os.fdopen(handle, "rb") as file:
        return file.read()


async def test_a_pipe_that_nobody_reads_can_be_given_up() -> None:
    reader, writer = os.pipe()
    figures = Figures()
    pieces = _send(*[bytes(2**16)] * 4)
    running = asyncio.create_task(fetch(Download(pieces, False, None, "here"), PipeSink(writer), RAW, figures))
    await eventually(lambda: figures.received > 2**16)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await running
    os.close(reader)
    os.close(writer)


async def test_who_left_the_pipe_is_told_of() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BackendError, match="standard output cannot be written: Broken pipe"):
        await fetch(Download(_send(b"x"), False, None, "here"), PipeSink(writer), RAW, Figures())
    os.close(writer)


def test_rate_and_time_left_are_those_of_late() -> None:
    now = 0.0
    figures = Figures(lambda: now)
    figures.size = 1000
    assert (figures.rate, figures.eta, figures.done) == (None, None, 0.0)
    for moment, written in ((0.0, 0), (20.0, 100), (25.0, 200), (30.0, 300)):
        now, figures.written, figures.received = moment, written, written // 10
        figures.mark()
    assert figures.rate == pytest.approx(2.0)
    assert figures.eta == pytest.approx(35.0)
    assert figures.done == 0.3
