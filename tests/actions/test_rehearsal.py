"""What is answered in a form is put to the server before the form closes, and is there again when it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from kvtui.actions import rehearsal as module
from kvtui.actions.batch import Batches
from kvtui.actions.confirm import Confirmer, Question, Sheet
from kvtui.actions.items import Batch, State, Task
from kvtui.actions.rehearsal import rehearsal
from kvtui.audit import Act, AuditLog, Entry
from kvtui.errors import BackendError, ConflictError, UnreachableError, UntriableError
from kvtui.model import Platform, Ref
from kvtui.resources import RESOURCES
from kvtui.resources.base import AnyAction, Danger
from kvtui.resources.form import Answers, Draft
from tests.actions.test_batch import VMS, action, batches, rows, stage
from tests.ui.backend import RecordedBackend, Stage

__all__ = ["batches", "stage"]

RUNNING: Final = "dv-1"
WEB: Final = Ref("c", "VirtualMachine", "shop", "a", "u1")


class Rehearsing(RecordedBackend):
    """Says what it is told to say, and which of its two selves was asked."""

    rehearses = False

    def rehearse(self) -> Rehearsing:
        stage = Rehearsing()
        stage.rehearses = True
        return stage


def done(error: BackendError | None) -> AnyAction:
    """An action that the server answers so."""

    async def run(backend: Any, _row: Any, _answers: Answers) -> None:
        assert backend.rehearses
        if error is not None:
            raise error

    return replace(action("labels"), run=run)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, ""),
        (ConflictError("it has changed", "try again", code=409), "it has changed: try again"),
        (UntriableError("freeze cannot be tried out", "the server has no dry run of it"), ""),
    ],
)
async def test_a_rehearsal_tells_what_the_server_would_refuse(error: BackendError | None, words: str) -> None:
    rehearse = rehearsal(Rehearsing(), done(error), None, WEB)
    assert rehearse is not None
    assert await rehearse(Answers({})) == words


async def test_a_rehearsal_that_nobody_answers_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(_backend: Any, _row: Any, _answers: Answers) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "PATIENCE", 0.01)
    rehearse = rehearsal(Rehearsing(), replace(action("labels"), run=run), None, WEB)
    assert rehearse is not None
    with pytest.raises(UnreachableError, match="did not answer"):
        await rehearse(Answers({}))


async def test_a_server_that_is_lost_meanwhile_has_refused_nothing() -> None:
    rehearse = rehearsal(Rehearsing(), done(UnreachableError("the API server is lost")), None, WEB)
    assert rehearse is not None
    with pytest.raises(UnreachableError, match="is lost"):
        await rehearse(Answers({}))


def test_where_nothing_can_be_tried_out_nothing_is() -> None:
    assert rehearsal(RecordedBackend(), action("labels"), None, WEB) is None
    download = next(one for resource in RESOURCES for one in resource.actions if one.id == "export.download")
    assert rehearsal(Rehearsing(), download, None, WEB) is None


class Reader:
    """Reads forms, and leaves them."""

    def __init__(self) -> None:
        self.sheets: list[Sheet] = []

    async def ask(self, _question: Question) -> bool:
        return False

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        self.sheets.append(sheet)
        return None


async def test_what_is_tried_out_is_logged_as_the_action_that_was_chosen(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")

    async def run(_backend: Any, _row: Any, _answers: Answers) -> None:
        act = Act("label", Ref("c", "VirtualMachine", "shop", "a"), "ada", Platform.KUBERNETES, dry_run=True)
        log.write(act, "asked")

    rehearse = rehearsal(Rehearsing(), replace(action("labels"), run=run), None, WEB)
    assert rehearse is not None
    assert await rehearse(Answers({})) == ""
    (entry,) = log.read()
    assert isinstance(entry, Entry)
    assert (entry.action, entry.command, entry.dry_run) == ("vm.labels", "set-labels", True)


async def show_form(stage: Stage, batches: Batches, meant: AnyAction, found: Sequence[Any]) -> Sheet:
    reader = Reader()
    await Confirmer(stage.fleet, stage.fleet.resources, batches, reader).confirm(meant, [Task(row) for row in found])
    (sheet,) = reader.sheets
    return sheet


async def fail(batches: Batches, meant: AnyAction, found: Sequence[Any]) -> Batch:
    """Do it with some labels; the server refuses it."""

    async def run(_backend: Any, _row: Any, _answers: Answers) -> None:
        raise ConflictError("exceeded quota: small", code=403)

    answers = Answers({"labels": "tested=yes"})
    batch = batches.begin(replace(meant, run=run, variants=()), VMS, [Task(row, answers) for row in found])
    await batches.carry_out(batch)
    assert batch.items[0].state is State.FAILED
    return batch


async def test_after_a_failure_the_form_begins_with_what_was_answered(stage: Stage, batches: Batches) -> None:
    found, meant = rows(stage, RUNNING), action("labels")
    await fail(batches, meant, found)
    sheet = await show_form(stage, batches, meant, found)
    assert sheet.form.about[0] == "filled in as before, when it failed: exceeded quota: small"
    assert Draft(sheet.form, sheet.before).answers.text("labels") == "tested=yes"


async def test_what_failed_long_ago_is_not_filled_in_again(stage: Stage, batches: Batches) -> None:
    found, meant = rows(stage, RUNNING), action("labels")
    await fail(batches, meant, found)
    stage.clock.now += 700
    assert (await show_form(stage, batches, meant, found)).before is None


async def test_what_was_answered_for_another_vm_is_not_filled_in(stage: Stage, batches: Batches) -> None:
    meant = action("labels")
    await fail(batches, meant, rows(stage, RUNNING))
    assert (await show_form(stage, batches, meant, rows(stage, "net-1"))).before is None


async def test_what_deletes_has_nothing_ticked_after_a_failure(stage: Stage, batches: Batches) -> None:
    found, meant = rows(stage, RUNNING), action("delete")
    assert meant.danger is Danger.TYPE
    await fail(batches, meant, found)
    assert (await show_form(stage, batches, meant, found)).before is None
