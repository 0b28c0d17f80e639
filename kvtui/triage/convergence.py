"""Whether the memory copy of a migration comes to an end: kubevirt-api.md 5.1 and 5.2, and 9.4, row 67.

It ends when what is left can be sent within the permitted downtime. A guest that changes its memory as fast as that can
be sent never gets there; then its time runs out, and what happens is a matter of the configuration in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kvtui.joins.move import Move
from kvtui.joins.queue import configuration_of
from kvtui.model import Evidence
from kvtui.records.kubevirt import MigrationConfiguration
from kvtui.store import View
from kvtui.text import age, quantity, rate, size
from kvtui.triage.pace import COPY, Pace, pace_of

PER_GIB: Final = 150
"""Seconds per GiB that a copy may take, unless the cluster or a policy says otherwise (5.2)."""
_SLOW_PER_GIB: Final = 30.0
"""Seconds per GiB from which a copy is slow: some 35 MiB/s, a third of what a gigabit carries."""
_STUCK: Final = 30.0
"""Seconds for which a guest may be busier than the network: applications have peaks."""
_GIB: Final = 2.0**30


@dataclass(frozen=True, slots=True)
class Copy:
    """A memory copy under way."""

    move: Move
    began: float
    """In seconds since the epoch."""
    memory: float
    """Bytes of the guest's memory."""
    configuration: MigrationConfiguration
    """In force for it; where it does not tell, that of the installation."""
    pace: Pace

    @property
    def per_gib(self) -> int:
        """Seconds that it has for each GiB."""
        return self.configuration.completion_timeout_per_gi_b or PER_GIB

    @property
    def time_limit(self) -> float:
        """Seconds that it has."""
        return self.per_gib * max(1.0, self.memory / _GIB)

    @property
    def stuck(self) -> bool:
        """Whether the guest changes its memory at least as fast as that is sent, as far as the server tells."""
        return self.move.progress is not None and self.move.progress.is_stuck

    @property
    def told_at(self) -> float:
        """When it is worth a word: half of its time is over, it takes far longer than others, or it cannot end."""
        if self.stuck:
            return self.began + min(self.time_limit / 2, _STUCK)
        slow = max(self.pace.limit, _SLOW_PER_GIB * self.memory / _GIB)
        return self.began + min(self.time_limit / 2, slow)

    @property
    def name(self) -> str:
        """Of the instance, which is the subject of its evidence."""
        return f"VMI {self.move.migration.spec.vmi_name}"

    def tell(self, now: float) -> str:
        """The rates where they are known, else how long it runs and what is usual; and what happens when."""
        progress = self.move.progress
        if progress is not None:
            dirty, sent = rate(progress.dirty_rate), rate(progress.transfer_rate)
            if self.stuck:
                return f"its guest dirties {dirty}, {sent} can be sent; {self.tell_end(now)}"
            left = f"{size(progress.remaining)} are left after {age(now - self.began)}"
            return f"{left}: {sent} are sent, {dirty} dirtied meanwhile; {self.tell_end(now)}"
        usual = self.pace.tell()
        long = f"the copy of its {size(self.memory)} of memory runs for {age(now - self.began)}"
        return f"{long}{f' ({usual})' if usual else ''}; {self.tell_end(now)}"

    def tell_end(self, now: float) -> str:
        """What happens to it when its time is up."""
        left = self.began + self.time_limit - now
        return f"{_END[self._end]} {f'in {age(left)}' if left > 0 else 'now'}"

    @property
    def ends_well(self) -> bool:
        """Whether it ends by itself: post-copy always does, short of a broken link."""
        return self._end == "post-copy"

    @property
    def _end(self) -> str:
        if self.configuration.allow_post_copy:
            return "post-copy"
        return "pause" if self.configuration.allow_workload_disruption else "abort"

    def tell_failure(self, ended: float) -> str:
        """That it did not come to an end in its time."""
        return f"the copy of its {size(self.memory)} of memory did not end in {age(ended - self.began)}"

    def evidence(self) -> Iterator[Evidence]:
        """Where the numbers stand."""
        progress = self.move.progress
        if progress is not None:
            rates = f"dirty {rate(progress.dirty_rate)}, transfer {rate(progress.transfer_rate)}"
            yield Evidence(self.name, "virt-handler metrics", f"{rates}, {size(progress.remaining)} left")
        else:
            yield self.pace.evidence(self.name, "migrationState.startTimestamp", self.began)
        yield from self._limits()

    def _limits(self) -> Iterator[Evidence]:
        """How long it may take, and how fast it may go."""
        policy = self.move.state.migration_policy_name if self.move.state is not None else ""
        by = f" (MigrationPolicy {policy})" if policy else ""
        told = f"{self.per_gib} s, for {size(self.memory)} {age(self.time_limit)}{by}"
        yield self._of_configuration("completionTimeoutPerGiB", told)
        if bandwidth := quantity(self.configuration.bandwidth_per_migration):
            yield self._of_configuration("bandwidthPerMigration", rate(bandwidth))

    def evidence_of_failure(self, ended: float) -> Iterator[Evidence]:
        """The same of one that was given up; before its time was up, that is for want of progress."""
        yield Evidence(self.name, "migrationState.startTimestamp", "", self.began)
        yield from self._limits()
        stands = self.configuration.progress_timeout
        if stands and ended < self.began + self.time_limit:
            yield self._of_configuration("progressTimeout", f"{stands} s without progress")

    def _of_configuration(self, field: str, told: str) -> Evidence:
        return Evidence(self.name, f"migrationState.migrationConfiguration.{field}", told)

    @property
    def step(self) -> str:
        """What lets the next try come to an end: a copy keeps the configuration that it began with."""
        ways = []
        if not self.configuration.allow_auto_converge and not self.configuration.allow_post_copy:
            ways.append("allow auto-converge or post-copy in a MigrationPolicy")
        if quantity(self.configuration.bandwidth_per_migration):
            ways.append("raise bandwidthPerMigration")
        ways.append("wait until the guest is quieter")
        return f"for the next try {', or '.join(ways)}"


_END: Final = {
    "post-copy": "it goes on in post-copy",
    "pause": "the guest is paused for it",
    "abort": "it is aborted",
}


def copy_of(view: View, move: Move, now: float) -> Copy | None:
    """The copy of a migration that runs; None where its begin or the memory of its guest is not known."""
    if move.vmi is None or move.began is None:
        return None
    memory = _memory(move)
    if not memory:
        return None
    state = move.state
    stated = state.migration_configuration if state is not None else None
    configuration = stated or configuration_of(view, move.backend)
    return Copy(move, move.began, memory, configuration, pace_of(view, move.backend, COPY, now))


def _memory(move: Move) -> float | None:
    """Bytes of the guest's memory, as it is now."""
    vmi = move.vmi
    if vmi is None:
        return None
    told = vmi.status.memory.guest_current if vmi.status.memory is not None else None
    domain = vmi.spec.domain
    return quantity(told or domain.memory.guest or domain.resources.requests.get("memory"))
