"""Verbs of each danger level on the screen of a cluster that refuses them: asked, marked, refused, and as before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect
from kvtui.demo.world import World
from kvtui.fleet import Fleet, all_sources
from kvtui.model import FeedState, Ref
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.form import FormDialog
from tests.actions.bench import TIMINGS
from tests.actions.cases import deed_of, find_rows
from tests.actions.faults import CONTEXT, Faults
from tests.cluster import SIZE, running_cluster
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import until
from tests.wire.fake import status

WORDS: Final = "somebody is at work on it"


class Place:
    """A cluster that refuses what is asked of it, for an app."""

    def __init__(self, faults: Faults, folder: Path) -> None:
        self.faults = faults
        backend = connect(faults.kubeconfig, CONTEXT, "", False, AuditLog(folder / "audit.jsonl"), timings=TIMINGS)
        self.fleet = Fleet([backend])

    async def connect(self, _contexts: Sequence[str] = ()) -> Fleet:
        return self.fleet


@pytest.fixture(scope="module")
def world() -> World:
    """Machines in all kinds of states, for all tests: its clock stands still, and nothing is ever done to them."""
    return World(SIZE, seed=1)


@asynccontextmanager
async def refusing(world: World, folder: Path) -> AsyncIterator[Place]:
    async with running_cluster(world=world) as cluster, Faults(cluster).serving(folder) as faults:
        yield Place(faults, folder)


def row_of(screen: Screen, ref: Ref) -> str:
    return next((line for line in screen.lines if f" {ref.name} " in line), "")


def toasts(screen: Screen) -> list[str]:
    return [toast.message for toast in screen.app._notifications]


async def choose(screen: Screen, place: Place, action_id: str, state: str) -> Ref:
    """A VM in a state to which it can be done, under the cursor."""

    def found() -> list[Ref]:
        rows = find_rows(place.fleet.view, deed_of(action_id))
        return [row.ref for row in rows if row.vm is not None and row.vm.status.printable_status == state]

    def listed() -> bool:
        feeds = place.fleet.feeds(all_sources(place.fleet.resources))
        return all(feed.state is not FeedState.LOADING for feed in feeds)

    # What stands in the way of a VM may be listed after it.
    await until(screen, listed)
    ref = min(found())
    screen.main.jump(ref)
    await screen.settle()
    return ref


NAME: Final = "the name"
"""Typed where it stands among keys."""


@dataclass(frozen=True)
class Journey:
    """How a verb is asked for on a VM in a state, and what its row says meanwhile."""

    action_id: str
    state: str
    keys: Sequence[str]
    dialog: type[ConfirmDialog | FormDialog] | None
    answer: Sequence[str]
    mark: str


JOURNEYS: Final = {
    "unpause": Journey("vm.unpause", "Paused", ["u"], None, [], "unpausing"),
    "stop": Journey("vm.stop", "Running", ["S"], ConfirmDialog, ["y"], "stopping"),
    "pause": Journey("vm.pause", "Running", ["p"], ConfirmDialog, ["y"], "pausing"),
    "migrate": Journey("vm.migrate", "Running", ["m"], FormDialog, ["enter", "enter"], "migration asked"),
    "force stop": Journey("vm.kill", "Running", ["ctrl+k"], ConfirmDialog, [NAME, "enter"], "being cut off"),
    "reset": Journey("vm.reset", "Running", ["a", *"reset", "enter"], ConfirmDialog, [NAME, "enter"], "resetting"),
    "delete": Journey("vm.delete", "Running", ["ctrl+d"], FormDialog, [NAME, "enter"], "deleting"),
}
"""Some of each danger level, with and without a form."""


@pytest.mark.parametrize("verb", JOURNEYS)
async def test_a_verb_is_asked_about_marked_while_it_is_asked_for_and_its_refusal_told(
    show: Show, world: World, tmp_path: Path, verb: str
) -> None:
    journey = JOURNEYS[verb]
    async with refusing(world, tmp_path) as place, show(place, (160, 50)) as screen:
        ref = await choose(screen, place, journey.action_id, journey.state)
        with place.faults.faring(lambda: status(409, WORDS, "Conflict"), hangs=True):
            await screen.press(*journey.keys)
            if journey.dialog is not None:
                await until(screen, lambda: type(screen.app.screen) is journey.dialog)
                assert ref.name in screen.text
                assert place.faults.asked == []
                for key in journey.answer:
                    await screen.press(*(ref.name if key == NAME else [key]))
            await until(screen, place.faults.held.is_set)
            assert screen.app.screen is screen.main
            await until(screen, lambda: f"{journey.mark} " in row_of(screen, ref))
            place.faults.going.set()
            await until(screen, lambda: toasts(screen))
            assert toasts(screen) == [f"{verb} {ref.path}: not possible now: {WORDS} (look at it, then do it again)"]
            await until(screen, lambda: f" {journey.state} " in row_of(screen, ref))
            assert len(place.faults.asked) == 1
