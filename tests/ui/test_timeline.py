"""The timeline of an object: t on its row."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kvtui.errors import ForbiddenError
from kvtui.records.decode import decode_record
from kvtui.records.kubernetes import Event
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.past import Past
from kvtui.store import Drop
from kvtui.ui.screens.detail import DetailScreen
from tests.ui.backend import NAME, Stage, changed
from tests.ui.conftest import Screen, Show
from tests.ui.test_detail import RUNNING, launcher, until

EDITED = {
    "metadata": {
        "creationTimestamp": "2026-11-21T01:46:43Z",
        "managedFields": [
            {"manager": "kubectl-client-side-apply", "time": "2026-11-21T01:46:43Z",
             "fieldsV1": {"f:spec": {"f:template": {}}}},
            {"manager": "kubectl-edit", "time": "2026-11-21T01:52:10Z",
             "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:domain": {"f:memory": {"f:guest": {}}}}}}}},
        ],
    }
}  # fmt: skip


def happened(reason: str, message: str, first: str, last: str, count: int) -> Event:
    """A warning about the instance of the VM."""
    raw = msgspec.json.encode(
        {
            "metadata": {"name": f"{RUNNING}.{reason}", "uid": reason, "namespace": "shop"},
            "type": "Warning", "reason": reason, "message": message, "count": count,
            "firstTimestamp": first, "lastTimestamp": last,
            "involvedObject": {"kind": "VirtualMachineInstance", "name": RUNNING, "namespace": "shop"},
        }
    )  # fmt: skip
    return decode_record(raw, Event)


@pytest.fixture
def past(stage: Stage) -> Stage:
    """The recorded cluster, in which dv-1 has a launcher, was edited, and is in trouble."""
    stage.put(launcher())
    stage.put(happened("SyncFailed", "the guest does not answer", "2026-11-21T01:51:00Z", "2026-11-21T01:53:30Z", 14))
    stage.backend.pasts[f"VirtualMachine/{RUNNING}"] = msgspec.convert(EDITED, Past)
    return stage


async def open_timeline(screen: Screen, name: str = RUNNING) -> None:
    await screen.press("slash", *name, "enter", "t")
    assert isinstance(screen.app.screen, DetailScreen)
    await until(screen, "now")


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_the_screen(past: Stage, show: Show, golden: Callable[[str, str], None], size: tuple[int, int]) -> None:
    async with show(past, size) as screen:
        await open_timeline(screen)
        await until(screen, "kubectl-edit")
        golden(screen.text, f"timeline-{size[0]}x{size[1]}")


async def test_who_changed_the_spec_stands_between_what_happened_before_and_after(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        await until(screen, "spec written by kubectl-edit: spec.template.spec.domain.memory.guest")
        order = [
            screen.text.index(words) for words in ("the first of 14", "kubectl-edit", "x14 between 01:51 and 01:53")
        ]
        assert order == sorted(order)
        assert screen.text.rindex("now") > order[-1]


async def test_one_layer_is_shown_alone_and_then_all_again(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        await screen.press("f")
        assert "[timeline]   log    vm " in screen.lines[1]
        assert "kubectl-edit" in screen.text
        assert "SyncFailed" not in screen.text
        await screen.press("f")
        assert "[timeline]   log    vmi " in screen.lines[1]
        assert "SyncFailed" in screen.text
        await screen.press("F", "F")
        assert "[timeline]   log    all " in screen.lines[1]


async def test_trouble_alone(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        await screen.press("exclamation_mark")
        assert "only trouble" in screen.lines[1]
        assert "SyncFailed" in screen.text
        assert "phase Running" not in screen.text


async def test_times_are_local_then_utc_then_ago(past: Stage, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    async with show(past) as screen:
        await open_timeline(screen)
        assert "02:53:30" in screen.line_with("x14 between 02:51 and 02:53")
        await screen.press("T")
        assert "01:53:30" in screen.line_with("x14 between 01:51 and 01:53")
        await screen.press("T")
        assert " ago" in screen.line_with("x14 in 2m30s")


async def test_it_follows_what_happens_now(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        past.put(happened("Stopped", "the guest was shut down", "2026-11-21T01:55:00Z", "2026-11-21T01:55:00Z", 1))
        await until(screen, "Stopped: the guest was shut down")
        vmi = past.fleet.view.get(VirtualMachineInstance, NAME, "shop", RUNNING)
        assert vmi is not None
        past.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING, vmi.metadata.uid))
        past.fleet.step()
        await until(screen, "vmi")
        await until(screen, "gone")
        assert "Stopped: the guest was shut down" in screen.text, "what was seen stays"


async def test_what_is_shown_is_saved_for_a_ticket(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        await until(screen, "kubectl-edit")
        await screen.press("exclamation_mark", "s")
        (path,) = (Path(os.environ["XDG_STATE_HOME"]) / "kvtui" / "timelines").iterdir()
        text = path.read_text(encoding="utf-8")
        assert path.suffix == ".md"
        assert "saved to" in screen.text
        assert f"## Timeline of vm shop/{RUNNING}" in text
        assert "SyncFailed" in text
        assert "kubectl" not in text


async def test_what_cannot_be_read_is_one_line_that_says_so(past: Stage, show: Show) -> None:
    past.backend.pasts[f"VirtualMachine/{RUNNING}"] = ForbiddenError("pods is forbidden")
    async with show(past) as screen:
        await open_timeline(screen)
        await until(screen, "who wrote VirtualMachine objects: forbidden to this account")
        await until(screen, "there is no audit log yet")


async def test_a_search_finds_a_moment(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        await screen.press("slash", *"phase Scheduled", "enter")
        assert "phase Scheduled" in screen.text


async def test_keys_of_the_timeline_do_nothing_on_other_tabs(past: Stage, show: Show) -> None:
    async with show(past) as screen:
        await open_timeline(screen)
        await screen.press("d", "s", "f", "T")
        assert "[overview]" in screen.lines[1]
        assert not (Path(os.environ["XDG_STATE_HOME"]) / "kvtui" / "timelines").exists()


async def test_hostile_words_stay_words(stage: Stage, show: Show) -> None:
    vmi = stage.fleet.view.get(VirtualMachineInstance, NAME, "shop", RUNNING)
    assert vmi is not None
    stage.put(changed(vmi, nodeName=vmi.status.node_name))
    stage.put(happened("Bad[red]", "\x1b[31mred\x1b[0m [bold]x", "2026-11-21T01:55:00Z", "2026-11-21T01:55:00Z", 1))
    async with show(stage) as screen:
        await open_timeline(screen)
        await until(screen, "Bad[red]")
        assert "\x1b" not in screen.text
        assert "[bold]x" in screen.text
