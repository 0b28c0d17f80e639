"""What can be done to a migration of a domain while it is under way."""

from __future__ import annotations

from collections.abc import Sequence

from kvtui.backends.base import Backend, Movers, Permission
from kvtui.joins.transit import Transit
from kvtui.model import Ref
from kvtui.records.libvirt import Domain
from kvtui.resources.base import Action, Danger, able
from kvtui.resources.form import Answers, Form, Number
from kvtui.store import View

_NEEDS = Permission("write", "libvirt", "domains")


def _mover(backend: Backend) -> Movers:
    return able(backend, Movers)  # type: ignore[type-abstract]


def _domain(row: Transit) -> Ref:
    return Ref(row.backend, Domain.KIND, "", row.job.domain, row.job.domain_uid)


def _when(row: Transit) -> str:
    if row.job.is_final:
        return f"it has ended: {row.job.phase}"
    return "what comes in is steered from its source" if row.job.operation == "incoming migration" else ""


def _abort_when(row: Transit) -> str:
    return _when(row) or ("in post-copy it cannot be taken back" if row.job.phase == "PostCopy" else "")


def _travel_when(row: Transit) -> str:
    moves = row.job.operation == "outgoing migration"
    return _abort_when(row) or ("" if moves else f"it is no migration but a {row.job.operation}")


async def _abort(backend: Backend, row: Transit) -> None:
    await _mover(backend).abort_job(_domain(row))


async def _post_copy(backend: Backend, row: Transit) -> None:
    await _mover(backend).switch_to_post_copy(_domain(row))


def _bandwidth_form(_view: View, rows: Sequence[Transit]) -> Form:
    names = ", ".join(row.job.domain for row in rows)
    return Form(f"limit the migration of {names}", (Number("bandwidth", "at most", unit="MiB/s", least=1),))


async def _limit(backend: Backend, row: Transit, answers: Answers) -> None:
    await _mover(backend).set_bandwidth(_domain(row), answers.number("bandwidth") or 1)


ACTIONS: tuple[Action[Transit], ...] = (
    Action(
        id="migration.cancel",
        command="cancel",
        key="M",
        label="cancel",
        help="Abort the migration; the guest runs on where it is.",
        needs=_NEEDS,
        when=_abort_when,
        run=_abort,
        settled=lambda _before, now: now.job.is_final,
        outcome=lambda _before, now: "too late, it has moved" if now.job.phase == "Completed" else "",
        vanishes=lambda _row: True,
        awaits="cancelling",
        danger=Danger.ASK,
    ),
    Action(
        id="migration.post_copy",
        command="post-copy",
        key="",
        label="post-copy",
        help="Let the VM run on at its target now; the rest of its memory follows as it needs it.",
        needs=_NEEDS,
        when=_travel_when,
        run=_post_copy,
        settled=lambda _before, now: now.job.is_final or now.job.phase == "PostCopy",
        vanishes=lambda _row: True,
        awaits="post-copy asked",
        danger=Danger.ASK,
        warn=lambda _row: ("it cannot be taken back: if a host or the way between them fails now, the guest is lost",),
        footer=False,
    ),
    Action(
        id="migration.bandwidth",
        command="bandwidth",
        key="",
        label="bandwidth",
        help="Give the migration more or less bandwidth.",
        needs=_NEEDS,
        when=_travel_when,
        form=_bandwidth_form,
        run=_limit,
        settled=lambda _before, _now: True,
        awaits="bandwidth asked",
        footer=False,
    ),
)
