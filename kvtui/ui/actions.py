"""From a key to its effect: is it possible, is it allowed, is it meant, what did the server say, and is it done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Protocol

from kvtui.actions.batch import Batches
from kvtui.actions.confirm import Asker, Confirmer
from kvtui.actions.items import AGAIN, Batch, Item, State, name_item, tell_warnings
from kvtui.actions.sending import perform
from kvtui.audit import chosen
from kvtui.backends.transfer import Transfer
from kvtui.backends.warned import hearing
from kvtui.errors import BackendError, KvtuiError
from kvtui.fleet import Fleet
from kvtui.model import Ref, Severity
from kvtui.resources.base import AnyAction, AnyResource
from kvtui.ui.editing import Editor, edit_text

_NAMED: Final = 3
"""How many failures an answer tells one by one."""
_FAILURES: Final = (State.FAILED, State.UNKNOWN, State.UNSENT)


class Surroundings(Asker, Editor, Protocol):
    """What the runner needs of the screen."""

    async def follow(self, transfer: Transfer) -> None:
        """Show how far a transfer is, until the user hides it."""

    def tell(self, message: str, severity: Severity) -> None:
        """Answer what the user did."""

    def name_sessions(self, ref: Ref) -> Sequence[str]:
        """Our own consoles and shells that are open on a machine."""


class ActionRunner:
    """Carries out what the user asks for on the screen, and tells what came of it."""

    def __init__(self, fleet: Fleet, resources: Sequence[AnyResource], surroundings: Surroundings) -> None:
        self._fleet = fleet
        self._surroundings = surroundings
        self.batches = Batches(fleet, self._perform)
        self._confirmer = Confirmer(fleet, resources, self.batches, surroundings, sessions=surroundings.name_sessions)
        self._transfers: dict[Ref, Transfer] = {}
        self._overdue: set[Batch] = set()
        """Those of which it was told that something is overdue."""
        self._answered: set[Batch] = set()
        """Those of which it was told what the servers answered."""
        self.batches.on_end(self._tell_end)

    def listen(self, callback: Callable[[Collection[Ref]], None]) -> None:
        """Call back when the pending text of rows begins or ends."""
        self.batches.listen(callback)

    def pending(self, ref: Ref) -> str | None:
        """What the row awaits and since when: ``starting 3s``; None when nothing."""
        item = self.batches.awaited(ref) if ref in self._transfers else None
        return f"{item.action.awaits} {self._transfers[ref].words}" if item else self.batches.pending(ref)

    def is_overdue(self, ref: Ref) -> bool:
        """Whether what the row awaits should have been seen by now."""
        item = self.batches.awaited(ref)
        return item is not None and item.is_overdue(self._fleet.clock())

    @property
    def has_pending(self) -> bool:
        """Whether any row awaits an effect."""
        return self.batches.awaiting

    @property
    def progress(self) -> str:
        """How far those are that were not sent to all of their rows yet: ``stop 120/1000``."""
        going = [batch for batch in self.batches.all if batch.unsent and len(batch.items) > 1]
        return ", ".join(f"{batch.action.label} {batch.answered}/{len(batch.items)}" for batch in going)

    @property
    def transfers(self) -> Sequence[Transfer]:
        """Those that are under way."""
        return tuple(self._transfers.values())

    def reasons(self, actions: Sequence[AnyAction], rows: Sequence[Any]) -> dict[str, str]:
        """Of several actions of one resource, by their ids: why it is impossible on all of these rows; empty when it is
        possible on one of them.
        """
        found = self._confirmer.reasons(actions, rows)
        return found | {action.id: "" for action in actions if self._transfer(action, rows) is not None}

    async def invoke(self, action: AnyAction, rows: Sequence[Any], hidden: Collection[Ref] = ()) -> None:
        """Do it to every row on which it is possible; the user is told of the others, asked first where it is due, and
        always where the list does not show some of the rows now: the `hidden` ones.
        """
        underway = self._transfer(action, rows)
        if underway is not None:
            await self._surroundings.follow(underway)
            return
        try:
            tasks = await self._confirmer.check(action, rows)
            possible = [task.row for task in tasks if not task.reason]
            if action.of(possible[0]).edit is not None:
                if await self._confirmer.ask_to_edit(action, possible[0], hidden):
                    await self._edit(action, possible[0])
                return
            asked = await self._confirmer.confirm(action, tasks, hidden)
        except KvtuiError as error:
            self._surroundings.tell(f"{action.label}: {error}", Severity.WARN)
            return
        if asked is not None:
            await self._carry_out(self.batches.begin(action, self._confirmer.resource_of(action), asked))

    async def retry(self, batch: Batch) -> None:
        """Do again what failed, was not sent, or of which nobody knows, as far as it is possible now; asked first where
        it is due.
        """
        rows = {item: batch.resource.row(self._fleet.view, item.ref) for item in batch.items if item.state in AGAIN}
        there = {item: row for item, row in rows.items() if row is not None}
        unknown = [row for item, row in there.items() if item.state is State.UNKNOWN]
        try:
            confirmed = not there or await self._confirmer.ask_again(batch.action, list(there.values()), unknown)
        except KvtuiError as error:
            self._surroundings.tell(f"{batch.action.label}: {error}", Severity.WARN)
            return
        if confirmed and self.batches.revive(batch):
            self._answered.discard(batch)
            await self._carry_out(batch)

    def cancel_all(self) -> None:
        """Send nothing more."""
        for batch in self.batches.all:
            self.batches.cancel(batch)

    def tell_overdue(self) -> None:
        """Say once of each batch that something is overdue, and why as far as its row tells."""
        now = self._fleet.clock()
        for batch in self.batches.all:
            if not batch.open or batch in self._overdue:
                continue
            late = [item for item in batch.items if item.is_overdue(now)]
            if late:
                self._overdue.add(batch)
                lines = [f"{self._say(item)}: {self.batches.explain(item)}" for item in late]
                self._surroundings.tell(_head(lines), Severity.WARN)

    def _transfer(self, action: AnyAction, rows: Sequence[Any]) -> Transfer | None:
        """What is under way already, where the action would begin it."""
        if len(rows) != 1 or action.of(rows[0]).transfer is None:
            return None
        return self._transfers.get(self._confirmer.resource_of(action).ref(rows[0]))

    async def _perform(self, fleet: Fleet, item: Item) -> None:
        begin = item.action.transfer
        if begin is None or item.answers is None:
            await perform(fleet, item)
        else:
            await self._carry(item.ref, begin(fleet.backends[item.ref.backend], item.row, item.answers))

    async def _carry(self, ref: Ref, transfer: Transfer) -> None:
        """Carry a transfer on to its end, seen or unseen. Raises what it raises, BackendError when it was given up."""
        self._transfers[ref] = transfer
        running = asyncio.create_task(transfer.run(), name=f"transfer {ref.path}")
        try:
            await self._surroundings.follow(transfer)
            await asyncio.wait([running])
        finally:
            running.cancel()
            ended = await asyncio.gather(running, return_exceptions=True)
            del self._transfers[ref]
        if isinstance(ended[0], KvtuiError):
            raise ended[0]
        if transfer.failure:
            raise BackendError(transfer.failure)
        self._surroundings.tell(transfer.result, Severity.INFO)

    async def _carry_out(self, batch: Batch) -> None:
        await self.batches.carry_out(batch)
        self._answered.add(batch)
        self._tell_answers(batch)
        warned = [f"{batch.action.label} {line}" for line in tell_warnings(batch.items, self._name)]
        if warned:
            self._surroundings.tell(_head(warned), Severity.WARN)

    def _tell_answers(self, batch: Batch) -> None:
        """Say what the servers answered."""
        counts = batch.counts
        accepted = counts[State.ACCEPTED] + counts[State.DONE]
        failures = [f"{self._say(item)}: {item.words}" for item in batch.items if item.state in _FAILURES]
        if failures:
            # The sum comes first: of a long answer only the head is shown.
            summary = [self._sum_up(batch)] if len(batch.items) > _NAMED else []
            told = [f"{accepted} accepted"] if accepted and not summary else []
            self._surroundings.tell("\n".join([*summary, _head(failures), *told]), Severity.BAD)
        elif len(batch.items) > 1:
            left_out = counts[State.LEFT_OUT]
            others = f"; {left_out} left out" if left_out else ""
            self._surroundings.tell(
                f"{batch.action.label}: accepted for {accepted} {batch.resource.title}{others}", Severity.INFO
            )
        elif accepted and batch.items[0].action.transfer is None and self.pending(batch.items[0].ref) is None:
            # Its row shows nothing of it.
            gain = f": {batch.items[0].gain}" if batch.items[0].gain else ""
            self._surroundings.tell(f"{self._say(batch.items[0])}: accepted{gain}", Severity.INFO)
        elif counts[State.LEFT_OUT]:
            self._surroundings.tell(f"{self._say(batch.items[0])}: {batch.items[0].words}", Severity.WARN)

    def _tell_end(self, batch: Batch) -> None:
        """Once every effect is seen, or will not be: say so, unless the answers told it all."""
        if batch not in self._answered:
            return
        failed = [f"{self._say(item)} failed: {item.words}" for item in batch.items if item.state is State.FAILED]
        if len(batch.items) > 1:
            severity = Severity.BAD if failed else Severity.INFO
            self._surroundings.tell("\n".join([self._sum_up(batch), *failed[:_NAMED]]), severity)
        elif failed:
            self._surroundings.tell(failed[0], Severity.BAD)

    def _sum_up(self, batch: Batch) -> str:
        """How many came to what, and where all of it stands."""
        return f"{batch.action.label}: {batch.summary(self._fleet.clock())} (:actions lists them)"

    def _say(self, item: Item) -> str:
        """The action and what it is done to."""
        return f"{item.action.label} {self._name(item)}"

    def _name(self, item: Item) -> str:
        return self._fleet.name(Ref(item.ref.backend, "", "", name_item(item)))

    async def _edit(self, action: AnyAction, row: Any) -> None:
        """Have the text of one row edited until it is taken, or given up."""
        ref, action = self._confirmer.resource_of(action).ref(row), action.of(row)
        backend = self._fleet.backends[ref.backend]
        assert action.edit is not None
        warnings: list[str] = []

        async def write(text: str, before: str) -> None:
            warnings.clear()
            with hearing(warnings):
                await action.run(backend, row, text, before)

        try:
            with chosen(action.id, action.command, ref):
                before = await action.edit(backend, row)
                told = await edit_text(self._surroundings, ref.name, before, write)
        except KvtuiError as error:
            self._surroundings.tell(f"{action.label} {ref.path}: {error}", Severity.BAD)
        else:
            warned = "".join(f"; the server warns: {words}" for words in warnings)
            severity = Severity.WARN if warned else Severity.INFO
            self._surroundings.tell(f"{action.label} {ref.path}: {told}{warned}", severity)


def _head(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
    return "\n".join([*lines[:_NAMED], *more])
