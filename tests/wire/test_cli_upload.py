"""``kvtui upload`` as it is called: a process that sends real bytes to a cluster of the demo."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kvtui.demo import kinds
from kvtui.demo.storage import Object
from tests.cluster import RunningCluster, running_cluster
from tests.wire.support import eventually

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def cluster() -> AsyncIterator[RunningCluster]:
    async with running_cluster(speed=60.0) as running:
        yield running


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(os.urandom(3_000_000))
    return path


async def start(
    cluster: RunningCluster, tmp_path: Path, *arguments: str, command: str = "upload"
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kvtui", "--kubeconfig", str(cluster.kubeconfig), command, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip


async def run(
    cluster: RunningCluster, tmp_path: Path, *arguments: str, command: str = "upload"
) -> tuple[int | None, str, str]:
    process = await start(cluster, tmp_path, *arguments, command=command)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def phase(cluster: RunningCluster) -> str:
    found = cluster.world.storage.find(kinds.DATA_VOLUME, "shop", "mine")
    return str(found["status"]["phase"]) if found else "none"


async def test_an_image_is_sent_and_can_be_used(cluster: RunningCluster, image: Path, tmp_path: Path) -> None:
    code, out, err = await run(cluster, tmp_path, str(image), "--name", "mine", "-n", "shop")
    assert (code, out) == (0, "DataVolume shop/mine has got disk.img\n")
    assert "2.9MiB of 2.9MiB sent" in err
    assert phase(cluster) == "Succeeded"
    received = cluster.server.uploads.received["shop", "mine"]
    assert received.sha256 == await asyncio.to_thread(lambda: hashlib.sha256(image.read_bytes()).hexdigest())


async def test_what_is_only_tried_is_judged_by_server_and_proxy_and_changes_nothing(
    cluster: RunningCluster, image: Path, tmp_path: Path
) -> None:
    words = (str(image), "--name", "mine", "-n", "shop", "--dry-run")
    code, out, _ = await run(cluster, tmp_path, *words)
    assert code == 0
    assert out == "shop/mine: would be sent: the server would make the DataVolume, and the upload proxy answers\n"
    code, _, err = await run(cluster, tmp_path, *words, "--proxy-url", "https://127.0.0.1:1")
    assert (code, "cannot connect to https://127.0.0.1:1" in err) == (3, True)
    assert (phase(cluster), cluster.server.uploads.received) == ("none", {})
    (taken, *_) = cluster.world.storage.list(kinds.PVC, "shop")
    code, out, err = await run(cluster, tmp_path, str(image), "--name", taken["metadata"]["name"], *words[3:])
    assert (code, out, "the name is taken" in err) == (1, "", True)


async def test_json_tells_what_verbs_tell_and_how_much_was_sent(
    cluster: RunningCluster, image: Path, tmp_path: Path
) -> None:
    words = (str(image), "--name", "mine", "-n", "shop", "-o", "json")
    code, out, _ = await run(cluster, tmp_path, *words)
    told = json.loads(out)
    (item,) = told["items"]
    assert (code, told["verb"], told["action"], told["error"]) == (0, "upload", "datavolume.upload", "")
    assert (item["name"], item["state"], item["bytes"]) == ("mine", "done", 3_000_000)
    assert item["made"] == {"kind": "DataVolume", "namespace": "shop", "name": "mine", "uid": item["uid"]}
    assert item["uid"]
    code, out, _ = await run(cluster, tmp_path, *words)
    told = json.loads(out)
    (item,) = told["items"]
    assert (code, item["state"], item["made"], "the name is taken" in item["words"]) == (1, "failed", None, True)
    assert told["error"] == item["words"]
    code, out, _ = await run(cluster, tmp_path, "no-such-file", *words[1:])
    assert (code, json.loads(out)["items"]) == (1, [])
    assert "there is no such file" in json.loads(out)["error"]


async def test_what_was_uploaded_is_downloaded_byte_for_byte(
    cluster: RunningCluster, image: Path, tmp_path: Path
) -> None:
    assert (await run(cluster, tmp_path, str(image), "--name", "mine", "-n", "shop"))[0] == 0
    cluster.world.storage.modify(kinds.PVC, "shop", "mine", _shrink)
    made = await run(cluster, tmp_path, "pvc", "shop/mine", "--yes", "--wait", command="export")
    assert made[0] == 0, made
    back = tmp_path / "back.img"
    code, out, err = await run(
        cluster, tmp_path, "shop/mine", "--format", "raw", "--to", str(back), "-o", "json", command="download"
    )
    assert code == 0, err
    (item,) = json.loads(out)["items"]
    assert (item["state"], item["file"]) == ("done", str(back))
    sent, came = await asyncio.gather(*(asyncio.to_thread(path.read_bytes) for path in (image, back)))
    assert came[: len(sent)] == sent
    assert came[len(sent) :] == bytes(_SMALL - len(sent))


_SMALL = 8 * 2**20


def _shrink(claim: Object) -> None:
    """Its disk has no whole GiB, most of which would be nothing, sent and read and compared for seconds."""
    claim["spec"]["resources"]["requests"]["storage"] = claim["status"]["capacity"]["storage"] = str(_SMALL)


async def test_what_is_not_sent_in_time_is_deleted_again(cluster: RunningCluster, image: Path, tmp_path: Path) -> None:
    cluster.server.uploads.rate = 200_000.0
    words = (str(image), "--name", "mine", "-n", "shop", "--timeout", "3", "-o", "json")
    code, out, err = await run(cluster, tmp_path, *words)
    told = json.loads(out)
    assert (code, told["items"][0]["state"], told["items"][0]["made"]) == (5, "failed", None)
    assert told["error"] == "--timeout is over after 3s; DataVolume shop/mine was deleted again"
    assert told["items"][0]["words"] == told["error"]
    assert told["items"][0]["uid"]
    assert f"kvtui: {told['error']}\n" in err
    await eventually(lambda: phase(cluster) == "none")


async def test_what_was_sent_and_is_not_seen_to_its_end_in_time_is_left_and_told(
    cluster: RunningCluster, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvtui.demo.controllers.uploader._FIRST", 1e9)
    words = (str(image), "--name", "mine", "-n", "shop", "--timeout", "6", "-o", "json")
    code, out, err = await run(cluster, tmp_path, *words)
    (item,) = json.loads(out)["items"]
    assert (code, item["state"], item["bytes"]) == (5, "accepted", 3_000_000)
    made = cluster.world.storage.find(kinds.DATA_VOLUME, "shop", "mine")
    assert made is not None
    assert (item["made"]["name"], item["made"]["uid"]) == ("mine", made["metadata"]["uid"])
    assert "--timeout is over after 6s; DataVolume shop/mine is left, and CDI goes on with it" in err
    assert phase(cluster) != "none"


async def test_an_interrupt_deletes_the_disk_again_and_says_so(
    cluster: RunningCluster, image: Path, tmp_path: Path
) -> None:
    cluster.server.uploads.rate = 200_000.0
    process = await start(cluster, tmp_path, str(image), "--name", "mine", "-n", "shop")
    await eventually(lambda: cluster.server.uploads.is_busy)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert "DataVolume shop/mine was deleted again" in err.decode()
    await eventually(lambda: phase(cluster) == "none")


async def test_what_is_not_checked_is_said_loudly(cluster: RunningCluster, image: Path, tmp_path: Path) -> None:
    code, _, err = await run(cluster, tmp_path, str(image), "--name", "mine", "-n", "shop", "--insecure")
    assert code == 0
    assert "WARNING: --insecure" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--size", "nonsense"), 2, "is no size"),
        (("--class", "nosuch", "-n", "shop"), 2, "--class is not 'nosuch': there is ceph-rbd, cephfs, "),
        (("-A",), 2, "one namespace of one cluster"),
        (("--class", "nosuch", "--size", "1Gi", "--read-only"), 1, "is read-only"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    cluster: RunningCluster, image: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    found, _, err = await run(cluster, tmp_path, str(image), "--name", "mine", *arguments)
    assert (found, words in err) == (code, True), err


async def test_how_large_a_packed_disk_is_must_be_said(cluster: RunningCluster, tmp_path: Path) -> None:
    packed = tmp_path / "disk.gz"
    packed.write_bytes(b"\x1f\x8b" + bytes(100))
    code, _, err = await run(cluster, tmp_path, str(packed), "--name", "mine", "-n", "shop")
    assert code == 2
    assert "give --size" in err


@pytest.mark.parametrize("settings", ['[context."*"]\nproduction = true\n', '[context."*"]\nprotected = ["shop"]\n'])
async def test_where_care_is_wanted_it_is_asked_before_anything_is_sent(
    cluster: RunningCluster, image: Path, tmp_path: Path, settings: str
) -> None:
    config = tmp_path / "careful.toml"
    config.write_text(settings, encoding="utf-8")
    words = (str(image), "--name", "mine", "-n", "shop", "--config", str(config))
    code, out, err = await run(cluster, tmp_path, *words)
    assert (code, out) == (4, "")
    assert "upload disk.img to shop/mine?" in err
    assert ("PRODUCTION demo" in err) == ("production" in settings)
    assert "it must be confirmed, and there is no terminal (--yes does it without asking)" in err
    assert phase(cluster) == "none"
    said = "PRODUCTION demo" if "production" in settings else "protected in your settings by 'shop'"
    for more, expected in ((), 4), (("--yes", "--dry-run"), 0), (("--yes",), 0):
        code, out, err = await run(cluster, tmp_path, *words, *more, "-o", "json")
        assert (code, json.loads(out)["warnings"]) == (expected, [said])
        assert said in err


async def test_a_namespace_that_its_label_protects_is_asked_about_too(
    cluster: RunningCluster, image: Path, tmp_path: Path
) -> None:
    def protect(space: dict[str, Any]) -> None:
        space["metadata"].setdefault("labels", {})["kvtui.dev/protected"] = "true"

    cluster.world.storage.modify(kinds.NAMESPACE, "", "shop", protect)
    code, out, err = await run(cluster, tmp_path, str(image), "--name", "mine", "-n", "shop")
    assert (code, out) == (4, "")
    assert "protected by the label kvtui.dev/protected of namespace shop" in err
    assert phase(cluster) == "none"


async def test_a_size_that_the_image_does_not_fit_in_is_refused_and_one_that_is_rounded_is_told(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    large = tmp_path / "large.img"
    with large.open("wb") as file:
        file.truncate(3 * 2**30)
    code, _, err = await run(cluster, tmp_path, str(large), "--name", "mine", "-n", "shop", "--size", "2Gi")
    assert code == 2
    assert "--size 2Gi is too small: the disk of the raw image has 3Gi" in err
    assert "give --size 3Gi, or none" in err
    with large.open("wb") as file:
        file.truncate(2**20)
    code, _, err = await run(cluster, tmp_path, str(large), "--name", "mine", "-n", "shop", "--size", "1500Mi")
    assert code == 0, err
    assert "the disk gets 2Gi, not 1500Mi: whole GiB" in err
