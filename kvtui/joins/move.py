"""A migration with the state that its instance keeps of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kvtui.model import Ref
from kvtui.records.base import Condition, Record, is_true
from kvtui.records.kubevirt import Migration, MigrationState, VirtualMachineInstance
from kvtui.records.progress import MigrationProgress
from kvtui.store import View
from kvtui.text import parse_time


def was_cancelled(migration: Migration, state: MigrationState | None) -> bool:
    """Whether somebody asked to end a migration of this state: who does so deletes it (kubevirt-api.md 5.4)."""
    return (
        migration.metadata.deletion_timestamp is not None
        or (state is not None and state.abort_requested)
        or is_true(migration.status.conditions, "migrationAbortRequested")
    )


@dataclass(frozen=True, slots=True)
class Move:
    """A migration with the instance that it moves."""

    backend: str
    migration: Migration
    vmi: VirtualMachineInstance | None
    ahead: int | None = None
    """How many others of the cluster are under way or older in the queue, while it waits."""
    progress: MigrationProgress | None = None
    """How far its copy is; None where none runs or the server does not tell."""

    @property
    def state(self) -> MigrationState | None:
        """From and to, times and result: kept on the instance while it runs, on the migration itself at the end.

        Until then the migration's own state is but the name of the source pod.
        """
        own = self.migration.status.migration_state
        if own is not None and self.migration.is_final:
            return own
        state = self.vmi.status.migration_state if self.vmi is not None else None
        return state if state is not None and state.migration_uid == self.migration.metadata.uid else own

    @property
    def source(self) -> str:
        """The node that it leaves, as far as it is known."""
        state = self.state
        if state is not None and state.source_node:
            return state.source_node
        return self.vmi.status.node_name if self.vmi is not None and not self.migration.is_final else ""

    @property
    def target(self) -> str:
        """The node that it goes to; empty while none is chosen."""
        state = self.state
        return state.target_node if state is not None else ""

    @property
    def aborting(self) -> bool:
        """Whether somebody asked to end it."""
        return not self.migration.is_final and was_cancelled(self.migration, self.state)

    @property
    def began(self) -> float | None:
        """When it began to move memory, in seconds since the epoch; before that, when it was asked for."""
        state = self.state
        return (parse_time(state.start_timestamp) if state is not None else None) or self.migration.created

    @property
    def ended(self) -> float | None:
        """When it ended, in seconds since the epoch; None while it has not, or nobody wrote when."""
        if not self.migration.is_final:
            return None
        state = self.state
        if state is not None and state.end_timestamp:
            return parse_time(state.end_timestamp)
        for step in self.migration.status.phase_transition_timestamps:
            if step.phase == self.migration.status.phase:
                return parse_time(step.phase_transition_timestamp)
        return None

    @property
    def reason(self) -> str:
        """Why it failed or is held up, in the server's words."""
        state = self.state
        if state is not None and state.failure_reason and self.migration.status.phase != "Succeeded":
            return state.failure_reason
        held = self.hold_up
        return (held.message or held.reason or held.type) if held is not None else ""

    @property
    def hold_up(self) -> Condition | None:
        """The condition that says why it does not go on."""
        if self.migration.is_final:
            return None
        held = (one for one in self.migration.status.conditions if one.status == "True" and one.type in _HOLD_UPS)
        return next(held, None)


_HOLD_UPS = frozenset(
    {
        "migrationRejectedByResourceQuota",
        "migrationBlockedByUtilityVolumes",
        "decentralizedMigrationBlocked",
        "migrationBlockedByBackup",
    }
)
"""Conditions of a migration that say why it does not go on: kubevirt-api.md 2.3."""


def join_move(view: View, ref: Ref) -> Move | None:
    """The migration that `ref` means."""
    migration = view.find(Migration, ref)
    if migration is None:
        return None
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, migration.spec.vmi_name)
    runs = migration.status.phase == "Running"
    progress = view.get(MigrationProgress, ref.backend, ref.namespace, migration.spec.vmi_name) if runs else None
    return Move(ref.backend, migration, vmi, _ahead(view, ref.backend, migration), progress)


def _ahead(view: View, backend: str, migration: Migration) -> int | None:
    """How many unfinished migrations stand before a waiting one. The server tells no order; age is all we know."""
    if migration.status.phase not in {"", "Pending"}:
        return None
    mine = (migration.metadata.creation_timestamp or "", migration.metadata.name)
    return sum(
        1
        for _, other in view.linked(Migration, backend, "unfinished", "true")
        if other.status.phase not in {"", "Pending"}
        or (other.metadata.creation_timestamp or "", other.metadata.name) < mine
    )


def tell_next_move(vmi: VirtualMachineInstance | None) -> str:
    """That another migration follows one that is cancelled, as the node is being emptied; empty where none does."""
    node = vmi.status.evacuation_node_name if vmi is not None else ""
    if not node:
        return ""
    next_one = "a new migration begins at once"
    return f"{node} is being emptied of it: {next_one}; cancel evacuation ends that, unless a drain goes on"


def last_step_of_queue(view: View, backend: str) -> float | None:
    """When one of the migrations that are under way entered its phase, the newest of them; None where none is."""
    entered = [
        parse_time(step.phase_transition_timestamp)
        for _, other in view.linked(Migration, backend, "unfinished", "true")
        for step in other.status.phase_transition_timestamps
        if step.phase not in {"", "Pending"}
    ]
    return max((moment for moment in entered if moment is not None), default=None)


def moves_of_instance(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    """For `related`: the migrations of an instance."""
    for migration, _ in view.linked(Migration, ref.backend, "vmi", ref.path):
        yield migration


def moves_of_migration(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    """For `related`: the migration, and those that wait behind it."""
    yield ref
    for other, record in view.linked(Migration, ref.backend, "unfinished", "true"):
        if record.status.phase in {"", "Pending"} and other != ref:
            yield other
