"""Snapshots, restores, clones and exports on the screen, and downloads that go on while it is used."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kvtui.backends.downloads import Download
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.store import Put
from tests.machines import record_of
from tests.resources.test_copies import served
from tests.ui.backend import NAME, RecordedBackend, Stage
from tests.ui.conftest import Screen, Show

DISK = b"what is on the disk"


class Exporter(RecordedBackend):
    """Sends volumes as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    @asynccontextmanager
    async def open_download(self, ref: Ref, volume: str, form: str) -> AsyncIterator[Download]:
        self.calls.append(f"download {ref.path} {volume} {form}")
        yield Download(self._send(), True, 100, "through the API server")

    async def _send(self) -> AsyncIterator[bytes]:
        while piece := await self.pieces.get():
            yield piece


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture
def stage(exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The recorded cluster, with the copies of the demo cluster."""
    monkeypatch.chdir(tmp_path)
    stage = Stage()
    stage.backend = exporter
    stage.fleet = Fleet([exporter], clock=stage.clock)
    stage.list_all()
    for type_ in (VmSnapshot, VmRestore, VmClone, VmExport):
        stage.feed(type_, FeedState.LIVE)
    for item in json.loads(served()):
        if item["kind"] not in ("VirtualMachineInstance", "PersistentVolumeClaim"):
            stage.fleet.store.post(Put(NAME, record_of(item)))
    stage.fleet.step()
    return stage


async def go_to(screen: Screen, place: str) -> None:
    await screen.press("colon", *place, "enter")
    await screen.settle()


async def until(screen: Screen, condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        await screen.look_again()
    raise AssertionError(screen.text)


@pytest.mark.parametrize("place", ["snapshots", "restores", "clones", "exports"])
async def test_the_panes_of_copies(stage: Stage, show: Show, golden: Callable[[str, str], None], place: str) -> None:
    async with show(stage) as screen:
        await go_to(screen, place)
        golden(screen.text, f"{place}-120x35")


async def test_a_vm_shows_its_snapshots_and_restores_in_full(stage: Stage, show: Show) -> None:
    async with show(stage, (120, 60)) as screen:
        await go_to(screen, "vms")
        await screen.press("slash", *"postgres-1", "enter", "enter")
        await screen.press("end")
        assert "Snapshots 1" in screen.text
        assert "postgres-1-before-upgrade" in screen.text
        assert "Restores 1" in screen.text


async def _begin(screen: Screen, exporter: Exporter) -> None:
    """Download the only volume of an export, as it is offered."""
    await go_to(screen, "exports")
    await screen.press("slash", *"spark-5", "enter", "D")
    await until(screen, lambda: "download spark-5-to-lab" in screen.text)
    await screen.press("enter")
    await until(screen, lambda: exporter.calls and exporter.calls[-1].startswith("download"))
    exporter.pieces.put_nowait(gzip.compress(DISK)[:20])


async def test_a_download_goes_on_hidden_and_its_row_says_how_far_it_is(
    stage: Stage, show: Show, exporter: Exporter, tmp_path: Path
) -> None:
    async with show(stage) as screen:
        await _begin(screen, exporter)
        await until(screen, lambda: "give it up" in screen.text)
        await screen.press("escape")
        await until(screen, lambda: "downloading" in screen.line_with("spark-5-to-lab"))
        exporter.pieces.put_nowait(gzip.compress(DISK)[20:])
        exporter.pieces.put_nowait(b"")
        await until(screen, lambda: "is there, checked" in screen.text)
        assert "downloading" not in screen.line_with("spark-5-to-lab")
    assert exporter.calls.count("download data/spark-5-to-lab spark-5-root gzip") == 1
    assert gzip.decompress((tmp_path / "spark-5-root.img.gz").read_bytes()) == DISK


async def test_a_download_is_looked_at_again_and_given_up(
    stage: Stage, show: Show, exporter: Exporter, tmp_path: Path
) -> None:
    async with show(stage) as screen:
        await _begin(screen, exporter)
        await until(screen, lambda: "give it up" in screen.text)
        await screen.press("escape")
        await until(screen, lambda: "give it up" not in screen.text)
        await screen.press("D")
        await until(screen, lambda: "give it up" in screen.text)
        await screen.press("ctrl+k")
        await until(screen, lambda: "cancelled: nothing of it was kept" in screen.text.lower())
        await screen.press("escape")
        await until(screen, lambda: "download data/spark-5-to-lab: cancelled" in screen.text)
    assert list(_files(tmp_path)) == []


async def test_a_download_that_breaks_is_told(stage: Stage, show: Show, exporter: Exporter, tmp_path: Path) -> None:
    async with show(stage) as screen:
        await _begin(screen, exporter)
        exporter.pieces.put_nowait(b"")
        await until(screen, lambda: "no whole gzip file" in screen.text)
    assert list(_files(tmp_path)) == []


async def test_to_quit_while_something_comes_is_asked_about(
    stage: Stage, show: Show, exporter: Exporter, tmp_path: Path
) -> None:
    async with show(stage) as screen:
        await _begin(screen, exporter)
        await until(screen, lambda: "give it up" in screen.text)
        await screen.press("escape", "q")
        await until(screen, lambda: "quit and give up what is under way?" in screen.text)
        await screen.press("y")
    assert list(_files(tmp_path)) == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]
