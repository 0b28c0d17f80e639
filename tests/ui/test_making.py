"""What is made from a pane, without a row: on a cluster of the demo that runs, by the keyboard alone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import Input

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect
from kvtui.demo import kinds
from kvtui.fleet import Fleet
from tests.cluster import RunningCluster, running_cluster
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show

pytestmark = pytest.mark.timeout(120)


class ClusterStage(Stage):
    """A stage whose fleet is a cluster that runs."""

    def __init__(self, cluster: RunningCluster, folder: Path, context: str | None = None) -> None:
        backend = connect(str(cluster.kubeconfig), context, "", False, AuditLog(folder / "audit.jsonl"))
        self.fleet = Fleet([backend])
        self.name = backend.name


On = Callable[..., AbstractAsyncContextManager[tuple[Screen, RunningCluster]]]


@pytest.fixture
def on_cluster(show: Show, tmp_path: Path) -> On:
    """Shows the screen on a cluster whose clock runs ten times too fast, the Imports listed."""

    @asynccontextmanager
    async def run(context: str = "") -> AsyncIterator[tuple[Screen, RunningCluster]]:
        async with (
            running_cluster(speed=10.0) as cluster,
            show(ClusterStage(cluster, tmp_path, context or None), (120, 40)) as screen,
        ):
            await until(screen, lambda: screen.main.panes[3].listing.total > 10)
            await screen.press("4")
            yield screen, cluster

    return run


async def until(screen: Screen, condition: Callable[[], object]) -> None:
    """Wait for what the screen shows or knows."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, screen.text
        await screen.look_again()


async def write(screen: Screen, text: str) -> None:
    await screen.press(*("minus" if character == "-" else character for character in text))


async def fill_in(screen: Screen, name: str) -> None:
    """Ask for an empty disk in the namespace shop."""
    await screen.press("n")
    await until(screen, lambda: "new import" in screen.text)
    await write(screen, name)
    await screen.press("down")
    await write(screen, "shop")
    await screen.press("down")
    await write(screen, "blank")


def phase(cluster: RunningCluster, name: str) -> str:
    found = cluster.world.storage.find(kinds.DATA_VOLUME, "shop", name)
    return str(found.get("status", {}).get("phase", "")) if found else "none"


async def test_an_empty_disk_is_made_from_the_imports_and_shows_there(on_cluster: On) -> None:
    async with on_cluster() as (screen, cluster):
        assert "n new" in screen.lines[-1]
        await fill_in(screen, "fresh-1")
        assert "the default" in screen.line_with("ceph-rbd")
        await screen.press("enter")
        await until(screen, lambda: "new shop/fresh-1: accepted" in screen.text)
        await until(screen, lambda: phase(cluster, "fresh-1") == "Succeeded")
        await screen.press("slash", *"fresh", "enter")
        await until(screen, lambda: "Succeeded" in screen.line_with("> fresh-1"))


async def test_what_the_server_refuses_keeps_the_form_with_what_was_typed(on_cluster: On) -> None:
    async with on_cluster() as (screen, cluster):
        await fill_in(screen, "fresh-1")
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "fresh-1", "namespace": "shop"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            "status": {"phase": "Pending"},
        }
        cluster.world.storage.create(kinds.PVC, claim)
        await screen.press("enter")
        await until(screen, lambda: "already exists" in screen.text)
        assert phase(cluster, "fresh-1") == "none"
        assert "new import" in screen.text
        assert "fresh-1" in screen.text
        assert "< blank >" in screen.text
        await screen.press("up", "up", "end", "0", "enter")
        await until(screen, lambda: phase(cluster, "fresh-10") == "Succeeded")
        assert "new import" not in screen.text


async def test_who_may_only_look_is_told_what_is_missing_before_anything_is_asked(on_cluster: On) -> None:
    async with on_cluster("demo-view") as (screen, _):
        await screen.press("n")
        await until(screen, lambda: "needs create on datavolumes" in screen.text)
        assert "new import" not in screen.text


async def test_a_console_that_may_not_be_opened_says_so_and_is_not_opened(on_cluster: On) -> None:
    async with on_cluster() as (screen, _):
        await screen.press("2")
        await until(screen, lambda: "S stop" in screen.lines[-1])
        assert " c console" in screen.lines[-1]
    async with on_cluster("demo-view") as (screen, _):
        await screen.press("2")
        await until(screen, lambda: "(c console)" in screen.lines[-1])
        assert "needs get on virtualmachineinstances/console" in screen.main.current.why_no_console
        await screen.press("c")
        assert screen.main.consoles.current is None
        toasts = [toast.message for toast in screen.app._notifications]
        assert any(toast.startswith("console ") and "virtualmachineinstances/console" in toast for toast in toasts)


async def test_a_pane_without_rows_offers_what_needs_none(on_cluster: On) -> None:
    async with on_cluster() as (screen, _):
        await screen.press("slash", *"nosuchdisk", "enter")
        await until(screen, lambda: screen.main.panes[3].current is None)
        await screen.press("a")
        await until(screen, lambda: "empty one" in screen.text)
        assert "from the beginning" not in screen.text
        await screen.press("enter")
        await until(screen, lambda: "new import" in screen.text)


async def ask_for_upload(screen: Screen, image: Path) -> None:
    """Fill in that an image of this machine goes to shop/mine."""
    await screen.press("U")
    await until(screen, lambda: "upload an image" in screen.text)
    screen.app.screen.query(Input).first().value = str(image)
    await screen.press("down")
    await write(screen, "mine")
    await screen.press("down")
    await write(screen, "shop")
    await screen.press("enter")
    await until(screen, lambda: "upload disk.img to shop/mine" in screen.text)


async def test_an_image_of_this_machine_becomes_a_disk_and_imports_show_how_far_it_is(
    on_cluster: On, tmp_path: Path
) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(os.urandom(12_000_000))
    async with on_cluster() as (screen, cluster):
        cluster.server.uploads.rate = 6_000_000.0
        await ask_for_upload(screen, image)
        await screen.press("escape", "slash", *"mine", "enter")
        await until(screen, lambda: re.search(r"mine +upload +Sending +\[=+ *\] +\d+%", screen.text))
        await until(screen, lambda: "DataVolume shop/mine has got disk.img" in screen.text)
        assert phase(cluster, "mine") == "Succeeded"


async def test_an_upload_that_is_given_up_takes_its_new_disk_with_it(on_cluster: On, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(os.urandom(12_000_000))
    async with on_cluster() as (screen, cluster):
        cluster.server.uploads.rate = 300_000.0
        await ask_for_upload(screen, image)
        await until(screen, lambda: "12MiB" in screen.text or "11MiB" in screen.text)
        await screen.press("ctrl+k")
        await until(screen, lambda: "DataVolume shop/mine was deleted again" in screen.text)
        await until(screen, lambda: phase(cluster, "mine") == "none")
