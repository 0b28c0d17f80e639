"""Migrations of a VM: to a node of the scheduler's choice or of the user's, taken back, or not asked for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission, Reader
from kvtui.errors import BackendError, KvtuiError
from kvtui.joins.holdups import hold_migration
from kvtui.joins.landing import HOSTNAME, Landing, Wants, judge_nodes, read_wants, tell_refusals, travel_selector
from kvtui.joins.machine import Machine, migratable
from kvtui.joins.move import tell_next_move, was_cancelled
from kvtui.resources.base import Action, Danger, able, migrations, objects
from kvtui.resources.form import Answers, Choice, Form, Option
from kvtui.store import View

_ASKED: Final = 20
"""Launchers that are looked at before many VMs move; more of them go where the scheduler wants."""
_UPDATE: Final = "update"
_SUBRESOURCES: Final = "subresources.kubevirt.io"
_OFF = "it does not run any more"


def _migrate_when(machine: Machine) -> str:
    if machine.vm is None:
        return "it is an instance without a VM; only a migration object moves it"
    if not machine.running or machine.vmi is None:
        return "the VM is not running"
    if machine.vmi.metadata.deletion_timestamp:
        return "the VM is stopping"
    if machine.moving is not None or machine.migration is not None:
        return "already migrating"
    can, why = migratable(machine)
    return f"not live-migratable: {why}" if can is False else ""


async def _read_launchers(
    backends: Mapping[str, Backend], _view: View, machines: Sequence[Machine]
) -> Sequence[Wants] | str:
    """What the launchers ask of a node; a clause where that cannot be known."""
    if len(machines) > _ASKED:
        return f"of more than {_ASKED} VMs kvtui does not look which nodes could take them"
    if len({machine.backend for machine in machines}) > 1:
        return "they are in several clusters"
    try:
        return await asyncio.gather(*(_read_launcher(backends[machine.backend], machine) for machine in machines))
    except KvtuiError as error:
        return f"which nodes could take it is not known: {error}"


async def _read_launcher(backend: Backend, machine: Machine) -> Wants:
    if machine.launcher is None:
        raise BackendError(f"the launcher pod of {machine.ref.path} is not to be seen")
    reader = able(backend, Reader)  # type: ignore[type-abstract]
    wants = read_wants(await reader.fetch(machine.launcher.ref(machine.backend)))
    if machine.vmi is not None:
        wants.node_selector |= travel_selector(machine.vmi, machine.node)
    return wants


def _migrate_form(view: View, machines: Sequence[Machine], wants: Sequence[Wants] | str) -> Form:
    first = machines[0]
    here = first.live.status.node_name if first.live is not None and len(machines) == 1 else ""
    known = not isinstance(wants, str)
    landings = [] if isinstance(wants, str) else judge_nodes(view, first.backend, here, wants)
    good = [landing for landing in landings if not landing.reason]
    whom = first.record.metadata.name if len(machines) == 1 else f"{len(machines)} VMs"
    about = [f"from {here}"] if here else []
    if isinstance(wants, str):
        about.append(wants)
    count = f"{len(good)} of {len(landings)} other nodes could take it" if known and len(machines) == 1 else ""
    return Form(
        f"migrate {whom}",
        (
            Choice(
                "node", "to", hint="nodes that cannot take it say why; the scheduler has the last word",
                options=[Option("", "any node", note=count or "the scheduler chooses"), *map(_option, landings)],
            ),
        ),
        about=about,
        warn=lambda _answers: _warn_nowhere(landings) if known and not good else (),
    )  # fmt: skip


def _warn_nowhere(landings: Sequence[Landing]) -> tuple[str, ...]:
    return (f"no other node takes it now, so it would wait for one ({tell_refusals(landings)})",)


def _option(landing: Landing) -> Option:
    return Option(landing.selector[HOSTNAME], landing.node.metadata.name, reason=landing.reason)


async def _migrate(backend: Backend, machine: Machine, answers: Answers) -> None:
    node = answers.text("node")
    if not node:
        await migrations(backend).migrate(machine.ref)
        return
    selector = {"addedNodeSelector": {HOSTNAME: node}}
    await objects(backend).call(machine.ref, "migrate", selector, verb=f"migrate to {node}")


def _cancel_when(machine: Machine) -> str:
    if machine.migration is None:
        return "not migrating"
    return "already being cancelled" if machine.migration.metadata.deletion_timestamp else ""


def _warn_cancel(machine: Machine) -> tuple[str, ...]:
    state = machine.moving
    if state is not None and state.mode == "PostCopy":
        return ("in post-copy it cannot be taken back",)
    return tuple(filter(None, (tell_next_move(machine.live),)))


async def _cancel(backend: Backend, machine: Machine) -> None:
    if machine.migration is None:
        raise BackendError(f"{machine.ref.path} is not migrating any more")
    await migrations(backend).cancel_migration(machine.migration.ref(machine.backend))


def _stay_when(machine: Machine) -> str:
    return "" if _evacuated(machine) else "no node is being emptied of it"


def _evacuated(machine: Machine) -> str:
    """The node that is being emptied, where the instance is marked to leave it."""
    return machine.live.status.evacuation_node_name if machine.live is not None else ""


def _warn_stay(machine: Machine) -> tuple[str, ...]:
    said = [f"{_evacuated(machine)} cannot be drained while it stays"]
    if machine.migration is not None:
        said.append("the migration that is under way goes on: cancel it as well")
    return tuple(said)


async def _stay(backend: Backend, machine: Machine) -> None:
    # The name must be the very one of the mark (kubevirt-api.md 3.1).
    node = {"evacuationNodeName": _evacuated(machine)}
    await objects(backend).call(machine.ref, "evacuate/cancel", node, verb="cancel evacuation", instance=True)


def _migrating(_before: Machine, now: Machine) -> bool:
    return now.status == "Migrating"


def _moved(before: Machine, now: Machine) -> bool:
    return now.live is None or (_has_ended(before, now) and now.status != "Migrating")


def _has_ended(before: Machine, now: Machine) -> bool:
    """Whether a migration has ended that had not when it was asked for."""
    return now.moved is not None and (before.moved is None or now.moved.metadata.uid != before.moved.metadata.uid)


def _migration_failure(before: Machine, now: Machine) -> str:
    moved = now.moved
    if now.live is None:
        return _OFF
    if moved is None or not _has_ended(before, now) or moved.status.phase != "Failed":
        return ""
    state = moved.status.migration_state
    if was_cancelled(moved, state):
        return "the migration was cancelled"
    return (state.failure_reason if state is not None else "") or "the migration failed; the server gives no reason"


def _cancelled(before: Machine, now: Machine) -> bool:
    if before.migration is None or now.live is None:
        return True
    if now.migration is None:
        return now.status != "Migrating"
    return now.migration.metadata.uid != before.migration.metadata.uid


def _why_not_cancelled(before: Machine, now: Machine) -> str:
    if now.live is None:
        return _OFF
    moved, asked = now.moved, before.migration
    late = moved is not None and asked is not None and moved.metadata.uid == asked.metadata.uid
    return "too late, it has moved" if late and moved is not None and moved.status.phase == "Succeeded" else ""


def _tell_stay(before: Machine, now: Machine) -> str:
    """Where it runs, and whether it stays there."""
    return "; ".join(filter(None, (_tell_place(before, now), tell_next_move(now.live))))


def _tell_place(_before: Machine, now: Machine) -> str:
    return f"it runs on {now.live.status.node_name}" if now.live is not None else ""


MOVES: tuple[Action[Machine], ...] = (
    Action(
        id="vm.migrate",
        key="m",
        label="migrate",
        help="Move the running VM to another node: one that you choose, or that the scheduler does.",
        needs=Permission(_UPDATE, _SUBRESOURCES, "virtualmachines", "migrate"),
        when=_migrate_when,
        prepare=_read_launchers,
        form=_migrate_form,
        run=_migrate,
        shown=_migrating,
        settled=_moved,
        remark=_tell_place,
        lasts=900.0,
        holds=lambda view, _before, now, clock: hold_migration(view, now, clock),
        outcome=_migration_failure,
        awaits="migration asked",
        danger=Danger.ASK,
        usual=60.0,
        command="migrate",
    ),
    Action(
        id="vm.cancel_migration",
        key="M",
        label="cancel migration",
        help="Abort the migration under way; the guest runs on where it is.",
        needs=Permission("delete", "kubevirt.io", "virtualmachineinstancemigrations"),
        when=_cancel_when,
        already=lambda machine: machine.migration is None,
        run=_cancel,
        settled=_cancelled,
        remark=_tell_stay,
        outcome=_why_not_cancelled,
        awaits="cancelling migration",
        danger=Danger.ASK,
        warn=_warn_cancel,
        holds=lambda view, _before, now, clock: hold_migration(view, now, clock),
        usual=60.0,
        footer=False,
        command="cancel-migration",
    ),
    Action(
        id="vm.cancel_evacuation",
        key="",
        label="cancel evacuation",
        help="Take back the mark that the VM must leave its node.",
        needs=Permission(_UPDATE, _SUBRESOURCES, "virtualmachineinstances", "evacuate/cancel"),
        when=_stay_when,
        already=lambda machine: not _evacuated(machine),
        run=_stay,
        settled=lambda _before, now: not _evacuated(now),
        remark=lambda before, _now: f"it need not leave {_evacuated(before)} any more",
        outcome=lambda _before, now: _OFF if now.live is None else "",
        awaits="cancelling evacuation",
        danger=Danger.ASK,
        warn=_warn_stay,
        usual=20.0,
        footer=False,
        command="cancel-evacuation",
    ),
)
