"""Which limit a waiting migration waits for, and which migrations use it up: kubevirt-api.md 5.2 and 5.4.

The server tells no order and no reason: virt-controller counts the migrations that are under way, and so it is done
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from kvtui.joins.move import Move, join_move
from kvtui.model import Ref
from kvtui.records.kubevirt import KubeVirt, Migration, MigrationConfiguration, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import parse_time

PER_CLUSTER: Final = "parallelMigrationsPerCluster"
PER_NODE: Final = "parallelOutboundMigrationsPerNode"
_DEFAULTS: Final = {PER_CLUSTER: 5, PER_NODE: 2}
WAITING: Final = frozenset({"", "Pending"})
"""Phases before a migration has its turn."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the installation that is used up."""

    field: str
    value: int
    stated: bool
    """Whether the installation states it; else it is KubeVirt's default."""
    node: str
    """The node of which so many may leave at a time; empty for the limit of the whole cluster."""
    holders: tuple[Move, ...]
    """The migrations that are under way within it, the oldest first."""


def find_limit(view: View, move: Move) -> Limit | None:
    """What keeps a migration in the queue; None where both limits have room, as far as migrations are watched."""
    under_way = list_under_way(view, move.backend)
    configuration = configuration_of(view, move.backend)
    stated = {
        PER_CLUSTER: configuration.parallel_migrations_per_cluster,
        PER_NODE: configuration.parallel_outbound_migrations_per_node,
    }

    def limit(field: str, node: str, holders: tuple[Move, ...]) -> Limit | None:
        value = stated[field] or _DEFAULTS[field]
        return Limit(field, value, bool(stated[field]), node, holders) if len(holders) >= value else None

    node = move.source
    of_node = tuple(one for one in under_way if node and one.source == node)
    return limit(PER_CLUSTER, "", under_way) or limit(PER_NODE, node, of_node)


def configuration_of(view: View, backend: str) -> MigrationConfiguration:
    """What the installation states of migrations; nothing where it cannot be read."""
    found = next((kubevirt for _, kubevirt in view.items(KubeVirt, backend)), None)
    return found.spec.configuration.migrations if found is not None else MigrationConfiguration()


def list_under_way(view: View, backend: str) -> tuple[Move, ...]:
    """The migrations that have had their turn and have not ended, the oldest first."""
    key = Ref(backend, "migrations under way", "", "")
    known = view.memo.get(key)
    if isinstance(known, tuple):
        return known
    unfinished = view.linked(Migration, backend, "unfinished", "true")
    moves = (join_move(view, ref) for ref, other in unfinished if other.status.phase not in WAITING)
    found = view.memo[key] = tuple(sorted(filter(None, moves), key=lambda one: one.began or 0.0))
    return found


def list_waiting(view: View, backend: str) -> list[Ref]:
    """The migrations that have not had their turn."""
    unfinished = view.linked(Migration, backend, "unfinished", "true")
    return [ref for ref, other in unfinished if other.status.phase in WAITING]


def last_step(view: View, backend: str) -> float:
    """When a migration entered its present phase, the newest of all, those that have ended among them; of one that was
    cancelled and is gone, its instance tells when it ended. In seconds since the epoch.
    """
    key = Ref(backend, "last step of migrations", "", "")
    known = view.memo.get(key)
    if isinstance(known, float):
        return known
    steps = (step for _, one in view.items(Migration, backend) for step in one.status.phase_transition_timestamps)
    newest = max((parse_time(step.phase_transition_timestamp) or 0.0 for step in steps), default=0.0)
    found = view.memo[key] = max(newest, _last_end(view, backend))
    return found


def _last_end(view: View, backend: str) -> float:
    """When the newest migration ended that an instance tells of: the server writes such times so that they sort."""
    states = (vmi.status.migration_state for _, vmi in view.items(VirtualMachineInstance, backend))
    newest = max((state.end_timestamp or "" for state in states if state is not None), default="")
    return parse_time(newest) or 0.0


def waiting_behind(view: View, ref: Ref, migration: Migration) -> Iterator[Ref]:
    """For `related`: those whose turn may come as a migration ends or goes, as far as anybody reads them."""
    if migration.is_final or view.find(Migration, ref) is None:
        yield from islice(list_waiting(view, ref.backend), _READ)


_READ: Final = 100


def installation_of(view: View, backend: str) -> Ref | None:
    """The KubeVirt object of a cluster."""
    return next((ref for ref, _ in view.items(KubeVirt, backend)), None)
