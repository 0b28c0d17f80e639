"""All problems on one screen: grouped, with evidence, and acknowledged for an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kvtui.config import Settings, state_dir
from kvtui.errors import KvtuiError
from kvtui.model import Finding, Ref, Severity
from kvtui.records.base import Meta
from kvtui.records.bastion import Bastion
from kvtui.records.daemons import DaemonSet
from kvtui.records.kubevirt import Migration
from kvtui.records.storage import CephCluster, CephHealth, CephStatus
from kvtui.resources import RESOURCES
from kvtui.stack import find_judge
from kvtui.store import Put
from kvtui.triage.base import itself
from kvtui.triage.problems import Problem
from kvtui.triage.rules import RULES
from kvtui.ui.acknowledged import SPAN, Acknowledged
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.problems import ProblemsScreen
from tests.ui.backend import NAME, Clock, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_main import cursor_name


def page(screen: Screen) -> ProblemsScreen:
    assert isinstance(screen.app.screen, ProblemsScreen)
    return screen.app.screen


@pytest.mark.parametrize("size", [(80, 24), (120, 35)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_all_problems(
    stage: Stage, show: Show, golden: Callable[[str, str], None], size: tuple[int, int]
) -> None:
    async with show(stage, size) as screen:
        await screen.press("P")
        golden(screen.text, f"problems-{size[0]}x{size[1]}")


async def test_the_chosen_problem_is_told_with_its_evidence_and_what_it_brings_about(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("P")
        assert "VMI db-2 Synchronized=False FailedPvcNotFound" in screen.text
        assert "next: create the claim, or correct claimName in the VM" in screen.text
        assert "Brings about 1" in screen.text
        assert "migration shop/mig-stnpl waits" in screen.text
        await screen.press("down")
        assert "FailedPvcNotFound" not in screen.text


async def test_enter_leads_to_the_row(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("P", "enter")
        assert cursor_name(screen) == "shop/db-2"


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_enter_on_what_has_no_row_tells_it_in_full_among_all_problems(
    stage: Stage, show: Show, size: tuple[int, int]
) -> None:
    shown, known = (
        "SHA256:shown/shown/shown/shown/shown/shown/shown/s",
        "SHA256:known/known/known/known/known/known/known/k",
    )
    hosts = tuple(f"kvm{number}" for number in range(9))
    bastion = Bastion(
        metadata=Meta(name="gate"),
        trouble="changed its host key",
        cause=f"it shows ssh-ed25519 {shown}, but ssh-ed25519 {known} is known from line 2 of ~/.ssh/known_hosts",
        step="if it was reinstalled, delete line 2 of ~/.ssh/known_hosts",
        hosts=hosts,
    )
    async with show(stage, size) as screen:
        stage.fleet.store.post(Put("", bastion))
        await screen.settle()
        await screen.press("0")
        # It is the first, once it has been judged.
        while screen.main.problems.finding is None or screen.main.problems.finding.subject.name != "gate":
            await screen.press("g")
        await screen.press("enter")
        table, evidence = page(screen).table, page(screen).query_one("#problem-evidence")
        assert table.cursor == ("bastion.closed", *screen.main.problems.finding.subject)
        text = " ".join(screen.text.split())
        for words in (shown, known, "next: if it was reinstalled, delete line 2", ", ".join(hosts)):
            assert words in text
        await screen.press("enter")
        assert evidence.has_focus
        await screen.press("escape")
        assert screen.main.is_current


@pytest.mark.parametrize(("key", "tab"), [("w", "overview"), ("x", "stack"), ("t", "timeline")])
async def test_keys_of_a_row_mean_the_same_among_all_problems(stage: Stage, show: Show, key: str, tab: str) -> None:
    async with show(stage) as screen:
        await screen.press("P", key)
        assert isinstance(screen.app.screen, DetailScreen)
        assert f"[{tab}]" in screen.lines[1]
        assert "shop/db-2" in screen.lines[0]
        await screen.press("escape")
        assert "acknowledged" not in screen.lines[1]


async def test_a_key_that_the_user_chose_stands_in_the_last_line_and_acknowledges(stage: Stage, show: Show) -> None:
    settings = Settings(keys={"problems.acknowledge": "K", "pane.stack": "f6"})
    async with show(stage, settings=settings) as screen:
        await screen.press("P")
        assert "K acknowledge" in screen.lines[-1]
        assert "f6 stack" in screen.lines[-1]
        await screen.press("x", "A")
        assert "acknowledged" not in screen.lines[0]
        await screen.press("K")
        assert "1 acknowledged" in screen.lines[0]
        await screen.press("f6")
        assert isinstance(screen.app.screen, DetailScreen)


async def test_problems_are_grouped_by_node_and_by_namespace(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("colon", *"problems", "enter", "o")
        assert "by node" in screen.lines[0]
        assert "node node01 (1)" in screen.text
        await screen.press("o")
        assert "by namespace" in screen.lines[0]
        headings = [line.strip() for line in screen.lines if line.strip().startswith("namespace ")]
        assert headings[0].startswith("namespace shop (2)")
        # What a cause brings about in the same namespace is counted in its line.
        (told,) = (line for line in screen.lines if "shop/db-2 " in line)
        assert "does not start" in told
        assert "holds up 1 migration" in told
        await screen.press("o")
        assert "by cause" in screen.lines[0]


async def test_what_is_acknowledged_leaves_the_strip_for_an_hour(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("P", "A")
        assert "1 acknowledged" in screen.lines[0]
        await screen.press("escape")
        assert "shop/db-2 does not start" not in screen.lines[2]
        assert "1 acknowledged" in screen.lines[1]
        assert "5 problems" in screen.lines[0]
        stage.clock.now += SPAN
        screen.main.tick()
        await screen.settle()
        assert "db-2" in screen.lines[2]
        assert "6 problems" in screen.lines[0]


async def test_an_acknowledgement_is_taken_back_by_the_same_key(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("P", "A")
        page(screen).table.action_go(-1)
        await screen.settle()
        assert "acknowledged for 60m" in screen.text
        await screen.press("A", "escape")
        assert "db-2" in screen.lines[2]


async def test_the_next_program_knows_what_was_acknowledged(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("P", "A")
    assert (state_dir() / "acknowledged.json").exists()
    async with show(stage) as screen:
        assert "1 acknowledged" in screen.lines[1]


FOUND = Finding("vm.state", Severity.WARN, Ref("c", "VirtualMachine", "shop", "a", "uid"), "vm", "is bad", "words")


def of(finding: Finding, severity: Severity = Severity.WARN, *effects: Finding) -> Problem:
    return Problem(replace(finding, severity=severity), effects)


def test_what_gets_worse_is_acknowledged_no_longer(tmp_path: Path) -> None:
    clock = Clock("2026-11-21T01:00:00Z")
    known = Acknowledged(tmp_path / "a.json", clock)
    assert known.toggle(of(FOUND))
    assert known.until(of(FOUND)) == clock.now + SPAN
    assert known.until(of(FOUND, Severity.BAD)) is None
    assert Acknowledged(tmp_path / "a.json", clock).until(of(FOUND, Severity.INFO)) == clock.now + SPAN


def test_what_has_another_cause_is_acknowledged_no_longer_and_figures_are_none(tmp_path: Path) -> None:
    clock = Clock("2026-11-21T01:00:00Z")
    known = Acknowledged(tmp_path / "a.json", clock)
    slow = replace(FOUND, cause="dirty 412 MiB/s on worker-3")
    known.toggle(of(slow))
    assert known.until(of(replace(slow, cause="dirty 98.5 MiB/s on worker-3"))) is not None
    assert known.until(of(replace(slow, cause="dirty 412 MiB/s on worker-4"))) is None
    assert known.until(of(replace(slow, root=Ref("c", "Node", "", "worker-3")))) is None


def test_a_victim_that_was_not_there_ends_an_acknowledgement(tmp_path: Path) -> None:
    known = Acknowledged(tmp_path / "a.json", Clock("2026-11-21T01:00:00Z"))
    lost = replace(FOUND, rule="class.state", subject=Ref("c", "StorageClass", "", "nfs"), label="class")
    first = replace(FOUND, subject=Ref("c", "VirtualMachine", "shop", "db-1", "u1"))
    second = replace(FOUND, subject=Ref("c", "VirtualMachine", "shop", "db-9", "u9"))
    note = replace(second, severity=Severity.INFO)
    retry = replace(second, label="migration", subject=Ref("c", "VirtualMachineInstanceMigration", "shop", "m", "u7"))
    known.toggle(of(lost, Severity.WARN, first))
    assert known.until(of(lost, Severity.WARN, first, note, retry)) is not None
    assert known.until(of(lost)) is not None
    assert known.until(of(lost, Severity.WARN, first, second)) is None
    assert known.toggle(of(lost, Severity.WARN, first, second))
    again = Acknowledged(tmp_path / "a.json", Clock("2026-11-21T01:00:00Z"))
    assert again.until(of(lost, Severity.WARN, first, second)) is not None


def test_what_speaks_through_its_effects_alone_stays_acknowledged_whatever_nodes_they_name(tmp_path: Path) -> None:
    known = Acknowledged(tmp_path / "a.json", Clock("2026-11-21T01:00:00Z"))
    full = replace(FOUND, subject=Ref("c", "Memory", "", "of the nodes"), cause="the largest free node, w-4, has 2Gi")
    later = replace(full, cause="the largest free node, w-7, has 1Gi")
    known.toggle(Problem(full, (FOUND,), spoken=True))
    assert known.until(Problem(later, (FOUND,), spoken=True)) is not None


def test_a_file_that_makes_no_sense_acknowledges_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"rule": 7}]')
    known = Acknowledged(file, Clock("2026-11-21T01:00:00Z"))
    assert known.until(of(FOUND)) is None
    assert known.toggle(of(FOUND))


def test_where_nothing_can_be_kept_it_holds_in_this_program_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    known = Acknowledged(tmp_path / "file" / "a.json", Clock("2026-11-21T01:00:00Z"))
    with pytest.raises(KvtuiError, match="in this program alone"):
        known.toggle(of(FOUND))
    assert known.until(of(FOUND)) is not None


async def test_enter_shows_a_row_that_another_namespace_hides(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        screen.main.show_namespace("data")
        await screen.press("P", "enter")
        assert cursor_name(screen) == "shop/db-2"


@pytest.mark.parametrize("keys", [("P",), ("0",)], ids=["all problems", "strip"])
async def test_w_on_a_problem_shows_its_object_in_full(stage: Stage, show: Show, keys: tuple[str, ...]) -> None:
    async with show(stage) as screen:
        await screen.press(*keys, "w")
        assert isinstance(screen.app.screen, DetailScreen)
        assert "shop/db-2" in screen.lines[0]
        assert "next: create the claim, or correct claimName in the VM" in screen.text


@pytest.mark.parametrize(
    ("keys", "tab"), [("0t", "timeline"), ("0x", "stack"), ("Pt", "timeline")], ids=["strip t", "strip x", "all t"]
)
async def test_a_tab_of_the_object_opens_from_its_problem(stage: Stage, show: Show, keys: str, tab: str) -> None:
    async with show(stage) as screen:
        await screen.press(*keys)
        assert isinstance(screen.app.screen, DetailScreen)
        assert "shop/db-2" in screen.lines[0]
        assert screen.app.screen._tab == tab


async def test_enter_leads_to_the_row_of_a_kind_that_has_no_pane(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        status = CephStatus(ceph=CephHealth(health="HEALTH_ERR"))
        ceph = CephCluster(metadata=Meta(name="rook-ceph", namespace="rook-ceph", uid="ceph"), status=status)
        stage.fleet.store.post(Put(NAME, ceph))
        ref = ceph.ref(NAME)
        while stage.fleet.engine.worst.get(ref[:4]) is None:
            await screen.settle()
        await screen.press("P")
        page(screen).table.move_to((stage.fleet.engine.worst[ref[:4]].rule, *ref))
        await screen.press("enter")
        await screen.settle()
        assert screen.main._current.resource.name == "cephclusters"
        assert screen.main._current.current == ref


def test_each_kind_that_rules_judge_has_a_row_to_go_to() -> None:
    judged = {type_.KIND for rule in RULES for type_, related in rule.related.items() if related is itself}
    lost = {kind for kind in judged if find_judge(Ref("c", kind, "a", "b"), RESOURCES) is None}
    assert lost <= {Bastion.KIND, DaemonSet.KIND}, "those are told in full where all problems are"


async def test_w_follows_the_chain_down_to_the_root(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        screen.main.jump(next(ref for ref, _ in stage.fleet.view.items(Migration) if ref.name == "mig-stnpl"))
        await screen.press("w")
        assert "waits" in screen.text
        assert "because vm shop/db-2" in screen.text
        assert "PVC shop/db-2-missing does not exist, waiting for it to appear" in screen.text
        assert "next: create the claim, or correct claimName in the VM" in screen.text
