"""The main screen answers its keys."""

from __future__ import annotations

import re

import pytest

from kvtui.config import Settings
from kvtui.errors import BackendError
from kvtui.model import FeedState
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import Migration, VirtualMachine
from kvtui.resources import RESOURCES
from kvtui.store import Drop
from kvtui.ui.hacks import record_frames
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.help import HelpScreen
from kvtui.ui.screens.main import MainScreen
from tests.ui.backend import NAME, Stage, changed, recorded
from tests.ui.conftest import Screen, Show


def cursor_name(screen: Screen) -> str:
    ref = screen.main.current.current
    return ref.path if ref is not None else ""


def vm(name: str) -> VirtualMachine:
    found = next(record for record in recorded(VirtualMachine) if record.metadata.name == name)
    assert isinstance(found, VirtualMachine)
    return found


# Focus and layout ----------------------------------------------------------------------------------------------------


async def test_numbers_and_tab_move_the_focus(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        assert screen.main.current.resource.name == "vms"
        for key, name in (("1", "nodes"), ("3", "migrations"), ("4", "imports"), ("2", "vms")):
            await screen.press(key)
            assert screen.main.current.resource.name == name
            assert screen.main.current.table.has_focus
        await screen.press("tab")
        assert screen.main.current.resource.name == "migrations"
        await screen.press("shift+tab", "shift+tab")
        assert screen.main.current.resource.name == "nodes"
        await screen.press("shift+tab")
        assert screen.main.problems.table.has_focus
        await screen.press("escape")
        assert screen.main.current.table.has_focus


async def test_the_focused_pane_is_known_without_colours(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        assert "━ 2 VMs" in screen.text
        await screen.press("1")
        assert "━ 1 Nodes" in screen.text
        assert "─ 2 VMs" in screen.text


async def test_a_small_terminal_shows_one_pane_and_names_the_others(stage: Stage, show: Show) -> None:
    async with show(stage, (80, 24)) as screen:
        assert "1 Nodes 2" in screen.line_with("2 VMs 13")
        await screen.press("3")
        assert "PHASE" in screen.text
        assert "2 VMs 13" in screen.line_with("━ 3 Migrations 3")


async def test_zoom_and_back(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("z")
        assert "MIGRATABLE" in screen.text
        assert "PROGRESS" not in screen.text
        await screen.press("escape")
        assert "PROGRESS" in screen.text


async def test_the_layout_follows_the_size_of_the_terminal(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        assert "PROGRESS" in screen.text
        await screen.pilot.resize_terminal(80, 24)
        await screen.settle()
        assert "PROGRESS" not in screen.text
        assert screen.main.current.table.has_focus


# Rows ----------------------------------------------------------------------------------------------------------------


async def test_the_cursor_stays_on_its_machine_while_others_come(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("down", "down", "down")
        assert cursor_name(screen) == "lab/cpu-1"
        newcomer = vm("batch-1")
        newcomer.metadata.name, newcomer.metadata.uid = "aaa", "another"
        stage.put(newcomer)
        await screen.settle()
        assert "2 VMs 14" in screen.text
        assert cursor_name(screen) == "lab/cpu-1"
        assert [line for line in screen.lines if "> lab " in line and " cpu-1 " in line]


def renamed(name: str) -> VirtualMachine:
    """Another VM, of that name."""
    machine = vm("batch-1")
    machine.metadata.name, machine.metadata.uid = name, f"uid of {name}"
    return machine


async def test_until_it_is_moved_the_cursor_stays_on_the_first_row_whichever_comes_there(show: Show) -> None:
    stage = Stage()
    async with show(stage) as screen:
        stage.put(vm("dv-1"))
        stage.put(vm("batch-1"))
        assert cursor_name(screen) == "shop/batch-1"
        stage.feed(VirtualMachine, FeedState.LIVE)
        stage.fleet.step()
        stage.put(renamed("aaa"))
        assert cursor_name(screen) == "shop/aaa"
        await screen.press("down", "up")
        stage.put(renamed("aa"))
        assert cursor_name(screen) == "shop/aaa"


@pytest.mark.parametrize("keys", ["a", "space up", "enter", "s", "c", "ctrl+p"])
async def test_the_cursor_follows_a_row_that_something_is_done_to(show: Show, keys: str) -> None:
    stage = Stage()
    async with show(stage) as screen:
        stage.put(vm("dv-1"))
        stage.feed(VirtualMachine, FeedState.LIVE)
        stage.fleet.step()
        await screen.press(*keys.split())
        stage.put(renamed("aaa"))
        assert cursor_name(screen) == "shop/dv-1"


async def test_a_changed_machine_repaints_little(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        screen.main.problems.allow(5)
        frames = record_frames(screen.app)
        stage.put(changed(vm("batch-2"), printableStatus="Stopping"))
        await screen.settle()
        assert "Stopping" in "".join(frames)
        assert "batch-3" not in "".join(frames)
        assert len("".join(frames).encode()) < 1000


async def test_an_idle_second_costs_the_clock_alone(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        screen.main.tick()
        await screen.settle()
        frames = record_frames(screen.app)
        stage.clock.now += 1
        screen.main.tick()
        await screen.settle()
        assert "02:14:08" in "".join(frames)
        assert len("".join(frames).encode()) < 100


async def test_a_gone_machine_leaves_the_list(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        stage.fleet.store.post(Drop(NAME, VirtualMachine, "shop", "batch-1"))
        stage.fleet.step()
        await screen.settle()
        assert "batch-1" not in screen.text
        assert cursor_name(screen) == "shop/batch-2"


async def test_sorting_by_key_and_reversed(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("o")
        assert "STATUS▲" in screen.text
        await screen.press("O")
        assert "STATUS▼" in screen.text
        assert cursor_name(screen) == "shop/batch-1"


async def test_phases_are_ordered_by_urgency_and_no_arrow_claims_the_alphabet(stage: Stage, show: Show) -> None:
    for record in recorded(Migration):
        if isinstance(record, Migration) and record.spec.vmi_name == "web-4":
            stage.put(changed(record, phase="Failed"))
    async with show(stage) as screen:
        pane = screen.main.panes[2]
        phases = [row.migration.status.phase for ref in pane.listing.refs if (row := pane.listing.row(ref))]
        assert phases == ["Pending", "Failed", "Succeeded"]
        assert "3 Migrations 3 active first" in screen.text
        assert "PHASE▲" not in screen.text
        await screen.press("3", "O")
        assert "active first, reversed" in screen.text
        await screen.press("o", "o")
        assert "active first" not in screen.line_with("3 Migrations").split("4 Imports")[0]


# Filter --------------------------------------------------------------------------------------------------------------


async def test_a_filter_narrows_while_it_is_typed(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"batch")
        assert "2 VMs 3/13 /batch" in screen.text
        await screen.press("enter")
        assert screen.main.current.table.has_focus
        await screen.press("escape")
        assert "2 VMs 13 " in screen.text


async def test_what_is_typed_replaces_the_former_filter(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"batch", "enter", "slash", *"web", "enter")
        assert "2 VMs 1/13 /web " in screen.text


async def test_an_unknown_field_is_said_to_be_none(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"bogus:xx", "enter")
        assert "there is no field bogus; there are " in screen.lines[-1]


async def test_a_given_up_filter_leaves_the_former_one(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"batch", "enter", "slash", *"-2", "escape")
        assert "2 VMs 3/13 /batch" in screen.text


async def test_a_filter_that_hides_all_says_so(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"nothing-like-it", "enter")
        assert "none of 13 VMs matches the filter" in screen.text
        assert cursor_name(screen) == ""


async def test_a_filter_that_makes_no_sense_is_answered_with_a_sentence(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"-l", "enter")
        assert "-l wants a label selector" in screen.text
        await screen.press("escape")
        assert "2 VMs 13 " in screen.text


async def test_faults_only(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("exclamation_mark")
        assert "! faults only" in screen.text
        assert "batch-1" not in screen.text
        assert "cpu-1" in screen.text
        await screen.press("escape")
        assert "batch-1" in screen.text


# Going places --------------------------------------------------------------------------------------------------------


async def test_a_namespace_is_shown_alone(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("colon", *"ns la", "tab", "enter")
        assert "prod-fra1 > lab" in screen.lines[0]
        assert "batch-1" not in screen.text
        await screen.press("colon", *"ns all", "enter")
        assert "all namespaces" in screen.lines[0]
        assert "batch-1" in screen.text


async def test_any_resource_can_be_gone_to_and_left(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("colon", *"pods", "enter")
        assert "━ : KubeVirt pods 5" in screen.text
        await screen.press("escape")
        assert "━ 2 VMs" in screen.text
        assert "KubeVirt pods" not in screen.text


async def test_a_namespace_opens_into_its_machines(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("colon", *"namespaces", "enter", "slash", *"lab", "enter", "enter")
        assert "prod-fra1 > lab" in screen.lines[0]
        assert "━ 2 VMs" in screen.text


async def test_a_place_that_is_none_is_answered_and_the_line_stays_open(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("colon", *"frobs", "enter")
        assert "nothing is called 'frobs'" in screen.lines[-1]
        await screen.press("escape")
        assert screen.main.current.table.has_focus


async def test_enter_on_a_problem_leads_to_its_row_even_when_a_filter_hides_it(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"batch", "enter", "0")
        finding = screen.main.problems.finding
        assert finding is not None
        await screen.press("enter")
        assert screen.main.current.table.has_focus
        assert cursor_name(screen) == finding.subject.path


async def test_the_help_names_the_basic_keys_and_is_not_cut(stage: Stage, show: Show) -> None:
    async with show(stage, (80, 24)) as screen:
        await screen.press("question_mark")
        seen = screen.text
        for _ in range(12):
            await screen.press("pagedown")
            seen += "\n" + screen.text
        keys = {found.strip() for found in re.findall(r"^  (\S.{0,17}) ", seen, re.MULTILINE)}
        assert {"enter", "space", "ctrl+space ctrl+@", "o", "O", "tab", "home g", "end G", "up k"} <= keys
        assert {"y", "d", "l", "w", "c", "z"} <= keys
        assert "rows whose column or field holds the value; node!:n3 those whose does not" in " ".join(
            re.sub("[▁-█]", "", seen).split()
        )


async def test_help_detail_and_quit(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, HelpScreen)
        await screen.press("escape", "enter")
        assert isinstance(screen.app.screen, DetailScreen)
        await screen.press("escape", "y")
        assert isinstance(screen.app.screen, DetailScreen)
        await screen.press("escape", "q")
        assert screen.app.return_value == 0
    assert "close" in stage.backend.calls


async def test_the_problems_tell_how_many_are_below_and_without_the_focus_show_the_worst(
    stage: Stage, show: Show
) -> None:
    async with show(stage, (80, 24)) as screen:
        assert "3 more below" in screen.lines[1]
        await screen.press("0", "down", "down", "down")
        assert "2 more below" in screen.lines[1]
        await screen.press("G")
        assert "more below" not in screen.lines[1]
        await screen.press("escape")
        assert "shop/db-2" in screen.lines[2]
        assert "3 more below" in screen.lines[1]


async def test_a_new_worst_problem_is_in_sight_at_once(stage: Stage, show: Show) -> None:
    async with show(stage, (80, 24)) as screen:
        await screen.press("0", "G", "2")
        stage.feed(VirtualMachine, FeedState.STALE, "connection refused", ago=40)
        stage.feed(DataVolume, FeedState.FAILED, "the server sent broken JSON")
        stage.fleet.step()
        await screen.settle()
        assert "cluster" in screen.lines[2]


# Actions -------------------------------------------------------------------------------------------------------------


async def test_a_key_acts_on_the_machine_under_the_cursor_and_the_row_says_so(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("s")
        assert stage.backend.calls == ["start shop/batch-1"]
        assert "starting 0s" in screen.line_with("batch-1")
        stage.clock.now += 5
        screen.main.tick()
        await screen.settle()
        assert "starting 5s" in screen.line_with("batch-1")


async def test_what_cannot_be_done_is_seen_without_colours(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        assert "s start  (S stop)" in screen.lines[-1]
    stage = Stage()
    stage.list_all()
    stage.backend.denied = "no"
    async with show(stage) as screen:
        assert "(s start)  (S stop)" in screen.lines[-1]
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage) as screen:
        assert screen.lines[-1].startswith(" READ-ONLY: looks only  L boot log")
        assert "start" not in screen.lines[-1]


async def test_a_filter_may_follow_a_resource(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("1", "colon", *"vm batch", "enter")
        assert "2 VMs 3/13 /batch" in screen.text
        await screen.press("colon", *"pods shop launcher", "enter")
        assert "prod-fra1 > shop" in screen.lines[0]
        assert "/launcher" in screen.line_with("KubeVirt pods")
        await screen.press("colon", *"vms bogus:xx", "enter")
        assert "there is no field bogus" in screen.text


async def test_zoom_with_a_console_below_gives_the_list_the_larger_part(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"dv-1", "enter", "c", "ctrl+right_square_bracket")
        before = screen.main.current.table.size.height
        await screen.press("z")
        assert screen.main.current.table.size.height > before + 10
        assert "the list has the larger part; Z shows the console alone" in screen.text
        await screen.press("z")
        assert screen.main.current.table.size.height == before


async def test_an_impossible_action_is_dim_and_tells_its_reason(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"dv-1", "enter")
        assert screen.main.current.reasons()["vm.start"] == "already running"
        await screen.press("s")
        assert stage.backend.calls == []
        assert "already running" in screen.text


async def test_marked_machines_are_acted_on_together_after_a_question(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("space", "space", "ctrl+space")
        assert "* 3 marked" in screen.text
        await screen.press("s")
        assert "start 3 VMs?" in screen.text
        await screen.press("y")
        assert sorted(stage.backend.calls) == ["start shop/batch-1", "start shop/batch-2", "start shop/batch-3"]
        assert "marked" not in screen.text


async def test_marks_that_a_filter_hides_are_counted_and_taken_along(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("space", "space", "slash", *"batch-2", "enter")
        assert "* 2 marked, 1 hidden" in screen.text
        await screen.press("s")
        assert "start 2 VMs?" in screen.text
        assert "1 of these 2 marked is hidden: shop/batch-1" in screen.text
        await screen.press("2", "enter")
        assert sorted(stage.backend.calls) == ["start shop/batch-1", "start shop/batch-2"]
        assert "marked" not in screen.text


async def test_the_servers_words_are_shown_as_they_are_when_it_refuses(stage: Stage, show: Show) -> None:
    stage.backend.refusal = BackendError("refused", "[/b] Halted does not support manual start [/dev/kvm]", code=409)
    async with show(stage) as screen:
        await screen.press("s")
        assert "[/dev/kvm]" in screen.text
        assert "starting" not in screen.line_with("batch-1")


async def test_keys_are_the_users_to_choose(stage: Stage, show: Show) -> None:
    async with show(stage, settings=Settings(keys={"vm.start": "f5"})) as screen:
        assert "f5 start" in screen.lines[-1].lower()
        await screen.press("s")
        assert stage.backend.calls == []
        await screen.press("f5")
        assert stage.backend.calls == ["start shop/batch-1"]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_no_action_takes_a_key_of_the_screen(resource: object) -> None:
    taken = {
        key.strip()
        for owner in (MainScreen, ResourcePane)
        for binding in owner.BINDINGS
        for key in binding.key.split(",")  # type: ignore[union-attr]
    }
    actions = getattr(resource, "actions")  # noqa: B009 - of any row type
    assert not taken & {action.key for action in actions}
    keys = [action.key for action in actions if action.key]
    assert len(set(keys)) == len(keys)


# Feeds ---------------------------------------------------------------------------------------------------------------


async def test_a_feed_that_heals_says_nothing_any_more(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        stage.feed(Node, FeedState.STALE, "connection refused", ago=40)
        stage.fleet.step()
        await screen.settle()
        assert "stale 40s" in screen.line_with("1 Nodes")
        stage.clock.now += 2
        screen.main.tick()
        await screen.settle()
        assert "stale 42s" in screen.line_with("1 Nodes")
        stage.feed(Node, FeedState.LIVE)
        stage.fleet.step()
        await screen.settle()
        assert "stale" not in screen.line_with("1 Nodes")


async def test_names_with_markup_and_escapes_do_no_harm(stage: Stage, show: Show) -> None:
    evil = vm("batch-1")
    evil.metadata.name, evil.metadata.uid = "[/x][b]a\x1b[2J", "evil"
    async with show(stage) as screen:
        stage.put(evil)
        await screen.settle()
        assert "[/x][b]a" in screen.text
        assert "\x1b" not in screen.text
        await screen.press("g", "ctrl+p")
        await screen.settle()
