"""What a user is asked before an action, and told after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kvtui.actions.confirm import Question, Sheet
from kvtui.backends.base import Backend
from kvtui.backends.transfer import Transfer
from kvtui.errors import BackendError
from kvtui.joins.machine import Machine
from kvtui.model import Ref, Severity
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.resources import RESOURCES
from kvtui.resources.base import AnyAction
from kvtui.resources.form import Answers, Draft, Form, Number
from kvtui.store import View
from kvtui.ui.actions import ActionRunner
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.form import FormDialog
from tests.ui.backend import NAME, Stage, changed, recorded
from tests.ui.conftest import Screen, Show

RUNNING = "dv-1"
STOPPED = "batch-1"


def vm(name: str = RUNNING) -> VirtualMachine:
    found = next(record for record in recorded(VirtualMachine) if record.metadata.name == name)
    assert isinstance(found, VirtualMachine)
    return found


async def choose(screen: Screen, name: str = RUNNING) -> None:
    await screen.press("slash", *name, "enter")


def row(screen: Screen, name: str = RUNNING) -> str:
    return next((line for line in screen.lines if f" {name} " in line and "shop" in line and "migrate" not in line), "")


@pytest.mark.parametrize("key", ["p", "S", "R"])
async def test_what_freezes_moves_or_ends_a_guest_asks_first(stage: Stage, show: Show, key: str) -> None:
    async with show(stage) as screen:
        await choose(screen)
        await screen.press(key)
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert f"shop/{RUNNING}?" in screen.text
        await screen.press("n")
        assert stage.backend.calls == []
        await screen.press(key, "y")
        assert len(stage.backend.calls) == 1


async def test_a_migration_asks_where_to_and_takes_no_enter_for_an_answer_that_may_be_a_slip(
    stage: Stage, show: Show
) -> None:
    async with show(stage) as screen:
        await choose(screen)
        await screen.press("m", "enter")
        assert isinstance(screen.app.screen, FormDialog)
        assert "< any node >" in screen.text or "any node" in screen.text
        assert "nothing was chosen here yet: enter once more does it" in screen.text
        await screen.press("escape")
        assert stage.backend.calls == []
        await screen.press("m", "enter", "enter")
        assert len(stage.backend.calls) == 1


async def test_no_key_but_y_answers_yes_and_only_n_and_escape_leave(stage: Stage, show: Show) -> None:
    others = [
        "enter",
        "space",
        "tab",
        "m",
        "s",
        "q",
        "Y",
        "d",
        "1",
        "colon",
        "slash",
        "question_mark",
        "c",
        "l",
        "ctrl+p",
    ]
    async with show(stage) as screen:
        await choose(screen)
        for leave in ("n", "escape"):
            await screen.press("S", *others)
            assert isinstance(screen.app.screen, ConfirmDialog)
            await screen.press(leave)
            assert not isinstance(screen.app.screen, ConfirmDialog)
        assert stage.backend.calls == []


async def test_a_migration_is_pending_while_the_vm_still_says_running(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await choose(screen)
        await screen.press("m", "enter", "enter")
        pending = changed(recorded(Migration)[0])
        assert isinstance(pending, Migration)
        pending.metadata.uid, pending.metadata.name, pending.metadata.namespace = "new", "mig-new", "shop"
        pending.spec.vmi_name = RUNNING
        stage.put(changed(pending, phase="Scheduling"))
        await screen.settle()
        assert "migration asked" in row(screen)
        stage.put(changed(vm(), printableStatus="Migrating"))
        await screen.settle()
        assert "Migrating" in row(screen)
        assert "asked" not in row(screen)


async def test_a_migration_that_fails_before_it_begins_ends_the_pending_text_and_is_told(
    stage: Stage, show: Show
) -> None:
    async with show(stage) as screen:
        await choose(screen)
        await screen.press("m", "enter", "enter")
        failed = recorded(Migration)[0]
        assert isinstance(failed, Migration)
        failed.metadata.uid, failed.metadata.name, failed.metadata.namespace = "new", "mig-new", "shop"
        failed.metadata.creation_timestamp = "2026-11-21T02:14:08Z"
        failed.spec.vmi_name = RUNNING
        stage.put(changed(failed, phase="Failed", migrationState={"failureReason": "Target pod is down"}))
        await screen.settle()
        assert f"migrate shop/{RUNNING} failed: Target pod is down" in screen.text
        assert "Running" in row(screen)
        assert "asked" not in row(screen)


async def test_while_one_action_is_pending_another_is_possible_but_not_the_same_again(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await choose(screen)
        await screen.press("S", "y")
        assert "stopping" in row(screen)
        reasons = screen.main.current.reasons()
        assert "already" in reasons["vm.stop"]
        assert reasons["vm.kill"] == ""


async def test_a_server_that_does_not_answer_is_not_a_missing_right(stage: Stage, show: Show) -> None:
    stage.backend.unreachable = "cannot connect to https://10.0.0.1:6443: timed out"
    async with show(stage, (160, 40)) as screen:
        await screen.press("s")
        assert "does not answer" in screen.text
        assert "cannot connect" in screen.text
        assert "needs update" not in screen.text
        assert stage.backend.calls == []


async def test_a_missing_right_is_named(stage: Stage, show: Show) -> None:
    stage.backend.denied = "no RBAC policy matched"
    async with show(stage, (160, 40)) as screen:
        await screen.press("s")
        assert "needs update on virtualmachines/start" in screen.text


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Change a file."""
    path.write_text(change(path.read_text()))


class Asker:
    """Says yes to every question, leaves every form as it is, and keeps what was asked and told."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.sheets: list[Sheet] = []
        self.edits: list[Callable[[str], str]] = []
        """What happens to a text each time that it is edited."""
        self.told: list[tuple[str, Severity]] = []

    async def ask(self, question: Question) -> bool:
        self.questions.append(question)
        return True

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        self.sheets.append(sheet)
        return Draft(sheet.form).answers

    async def follow(self, transfer: Transfer) -> None:
        """Does not look."""

    async def edit(self, path: Path) -> None:
        rewrite(path, self.edits.pop(0))

    def tell(self, message: str, severity: Severity) -> None:
        self.told.append((message, severity))

    def name_sessions(self, _ref: Ref) -> Sequence[str]:
        return ()


class Leaver(Asker):
    """Leaves every form."""

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        self.sheets.append(sheet)
        return None


async def invoke(stage: Stage, action_id: str, *names: str) -> Asker:
    """Do an action to VMs by their names."""
    asker = Asker()
    runner = ActionRunner(stage.fleet, RESOURCES, asker)
    resource = next(item for item in RESOURCES if item.name == "vms")
    action = next(item for item in resource.actions if item.id == action_id)
    by_name = {ref.name: resource.row(stage.fleet.view, ref) for ref in resource.refs(stage.fleet.view)}
    await runner.invoke(action, [by_name[name] for name in names])
    return asker


async def test_a_bulk_action_tells_how_many_were_accepted_and_left_out(stage: Stage) -> None:
    asker = await invoke(stage, "vm.start", STOPPED, "batch-2", RUNNING)
    assert asker.told == [("start: accepted for 2 VMs; 1 left out", Severity.INFO)]


async def test_what_the_server_warns_of_is_told_once_with_whom_it_is_about(stage: Stage) -> None:
    stage.backend.warnings = ['299 - "spec.\x1b[31mrunning is \\"old\\"", 199 - "something else"']
    asker = await invoke(stage, "vm.start", STOPPED, "batch-2")
    assert asker.told == [
        ("start: accepted for 2 VMs", Severity.INFO),
        (f'start shop/{STOPPED} and 1 more: the server warns: spec.\ufffd[31mrunning is "old"', Severity.WARN),
    ]


async def test_a_bulk_action_tells_whom_the_server_refused(stage: Stage) -> None:
    stage.backend.refusal = BackendError("no", code=409)
    asker = await invoke(stage, "vm.start", STOPPED, "batch-2")
    ((message, severity),) = asker.told
    assert message.splitlines() == [f"start shop/{STOPPED}: no", "start shop/batch-2: no"]
    assert severity is Severity.BAD


async def test_a_warning_names_the_vms_that_it_is_about_unless_it_is_about_all(stage: Stage) -> None:
    """dv-1 writes to a claim, net-1 and evict-1 to container disks that end with their instances."""
    asker = await invoke(stage, "vm.restart", RUNNING, "net-1", "evict-1")
    (question,) = asker.questions
    lost = [warning for warning in question.warnings if "is lost" in warning]
    assert lost == ["lab/net-1, lab/evict-1: what the guest wrote to root is lost: a container disk does not last"], (
        question.warnings
    )
    assert "a console or VNC session that is open on it ends" in question.warnings
    assert question.word == "3"


async def test_a_reason_of_the_state_that_is_being_left_is_not_shown(stage: Stage, show: Show) -> None:
    async with show(stage, (200, 50)) as screen:
        vmi = stage.fleet.view.get(VirtualMachineInstance, NAME, "shop", RUNNING)
        assert vmi is not None
        paused = {"type": "Paused", "status": "True", "reason": "PausedByUser", "message": "VMI was paused by user"}
        stage.put(changed(vmi, conditions=[paused]), changed(vm(), printableStatus="Paused"))
        await choose(screen)
        await screen.press("z")
        assert "VMI was paused by user" in row(screen)
        await screen.press("S", "y")
        assert "stopping" in row(screen)
        assert "paused" not in row(screen)


def with_form(action: AnyAction, ran: list[tuple[str, int | None]], *, single: bool = False) -> AnyAction:
    """The action, asking for a number."""

    async def run(_backend: Backend, machine: Machine, answers: Answers) -> None:
        ran.append((machine.ref.name, answers.number("memory")))

    def form(_view: View, machines: Sequence[Machine]) -> Form:
        return Form(f"memory of {len(machines)}", (Number("memory", "memory", default="64"),))

    return replace(action, form=form, run=run, single=single, settled=lambda _before, _now: True)


async def invoke_form(
    stage: Stage, asker: Asker, ran: list[tuple[str, int | None]], *names: str, single: bool = False
) -> None:
    resource = next(item for item in RESOURCES if item.name == "vms")
    action = next(item for item in resource.actions if item.id == "vm.restart")
    rows = {ref.name: resource.row(stage.fleet.view, ref) for ref in resource.refs(stage.fleet.view)}
    runner = ActionRunner(stage.fleet, RESOURCES, asker)
    action = with_form(action.of(rows[RUNNING]), ran, single=single)
    await runner.invoke(action, [rows[name] for name in names or (RUNNING, "net-1")])


async def test_what_a_form_asks_is_asked_once_for_all_rows_with_their_warnings(stage: Stage) -> None:
    asker, ran = Asker(), list[tuple[str, int | None]]()
    await invoke_form(stage, asker, ran)
    (sheet,) = asker.sheets
    assert (sheet.form.title, sheet.word, asker.questions) == ("memory of 2", "2", [])
    assert any("lab/net-1: what the guest wrote" in warning for warning in sheet.warnings)
    assert sorted(ran) == [(RUNNING, 64), ("net-1", 64)]


async def test_what_no_row_shows_is_told(stage: Stage) -> None:
    asker, ran = Asker(), list[tuple[str, int | None]]()
    await invoke_form(stage, asker, ran, RUNNING)
    assert asker.told == [(f"restart shop/{RUNNING}: accepted", Severity.INFO)]


async def test_a_form_that_is_left_changes_nothing(stage: Stage) -> None:
    asker, ran = Leaver(), list[tuple[str, int | None]]()
    await invoke_form(stage, asker, ran)
    assert len(asker.sheets) == 1
    assert ran == []
    assert asker.told == []


async def test_what_is_done_to_one_row_at_a_time_is_not_done_to_two(stage: Stage) -> None:
    asker, ran = Asker(), list[tuple[str, int | None]]()
    await invoke_form(stage, asker, ran, single=True)
    assert (asker.sheets, ran) == ([], [])
    assert asker.told == [("restart: one at a time; 2 are marked", Severity.WARN)]
