"""From a key to its effect: is it possible, is it allowed, is it meant, what did the server say, and is it done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kvtui.backends.base import Permission, Verdict
from kvtui.backends.transfer import Transfer
from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.model import Ref, Severity
from kvtui.resources.base import AnyAction, AnyResource, Danger, Site, at_sites
from kvtui.resources.form import Answers
from kvtui.store import Delta
from kvtui.text import age
from kvtui.ui.dialogs.confirm import Question
from kvtui.ui.dialogs.form import Sheet
from kvtui.ui.editing import Editor, edit_text

_AT_ONCE = 8
"""Requests of a bulk action under way at a time."""
_MASS = 2
"""From how many rows on even a harmless action asks."""

_NAMED = 3
"""How many rows a warning or an answer names one by one."""


class Surroundings(Editor, Protocol):
    """What the runner needs of the screen."""

    async def ask(self, question: Question) -> bool:
        """Put the question to the user."""

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        """Have the user fill in a form; None when they leave it."""

    async def follow(self, transfer: Transfer) -> None:
        """Show how far a transfer is, until the user hides it."""

    def tell(self, message: str, severity: Severity) -> None:
        """Answer what the user did."""


@dataclass(frozen=True)
class Pending:
    """An action that the server accepted and whose effect the watch has not shown yet."""

    action: AnyAction
    resource: AnyResource
    before: Any
    """The row as it was then."""
    since: float


class ActionRunner:
    """Carries out actions and remembers which still await their effect."""

    def __init__(self, fleet: Fleet, resources: Sequence[AnyResource], surroundings: Surroundings) -> None:
        self._fleet = fleet
        self._resources = {action.id: resource for resource in resources for action in resource.actions}
        self._resources |= {maker.id: at_sites(resource) for resource in resources for maker in resource.makers}
        self._surroundings = surroundings
        self._pending: dict[Ref, Pending] = {}
        self._transfers: dict[Ref, Transfer] = {}
        self._listeners: list[Callable[[Ref], None]] = []
        fleet.listen(self._settle)

    def listen(self, callback: Callable[[Ref], None]) -> None:
        """Call back when a row's pending text begins or ends."""
        self._listeners.append(callback)

    def pending(self, ref: Ref) -> str | None:
        """What the row awaits and since when: ``starting 3s``; None when nothing."""
        found = self._pending.get(ref)
        if found is None:
            return None
        if ref in self._transfers:
            return f"{found.action.awaits} {self._transfers[ref].words}"
        waited = self._fleet.clock() - found.since
        overdue = ", overdue" if waited > found.action.usual else ""
        return f"{found.action.awaits} {age(waited)}{overdue}"

    @property
    def has_pending(self) -> bool:
        """Whether any row awaits an effect."""
        return bool(self._pending)

    @property
    def transfers(self) -> Sequence[Transfer]:
        """Those that are under way."""
        return tuple(self._transfers.values())

    def reason(self, action: AnyAction, rows: Sequence[Any]) -> str:
        """Why the action is impossible on all of these rows; empty when it is possible on one of them."""
        if not rows:
            return "nothing is selected"
        reasons = [self._why_not(action, row) for row in rows]
        return "" if "" in reasons else reasons[0]

    async def invoke(self, action: AnyAction, rows: Sequence[Any]) -> None:
        """Do it to every row on which it is possible; the user is told of the others, asked first where it is due."""
        resource = self._resources[action.id]
        if len(rows) > 1 and any(action.of(row).single for row in rows):
            self._surroundings.tell(f"{action.label}: one at a time; {len(rows)} are marked", Severity.WARN)
            return
        underway = self._transfers.get(resource.ref(rows[0])) if rows and action.of(rows[0]).transfer else None
        if underway is not None:
            await self._surroundings.follow(underway)
            return
        possible = [row for row in rows if not self._why_not(action, row)]
        if not possible:
            self._surroundings.tell(f"{action.label}: {self.reason(action, rows)}", Severity.WARN)
            return
        refusal = await self._refusal(action, resource, possible)
        if refusal:
            self._surroundings.tell(f"{action.label}: {refusal}", Severity.WARN)
            return
        if action.of(possible[0]).edit is not None:
            await self._edit(action, resource, possible[0])
            return
        left_out = len(rows) - len(possible)
        asked = await self._ask(action, resource, possible, left_out)
        if asked is not None:
            await self._run_all(action, resource, asked, left_out)

    async def _ask(
        self, action: AnyAction, resource: AnyResource, rows: Sequence[Any], left_out: int
    ) -> list[tuple[Any, Answers | None]] | None:
        """The rows with what was answered for them; None when the user leaves it.

        Rows of several platforms are asked about apart where one of them has a form.
        """
        if all(action.of(row).form is None for row in rows):
            question = self._question(action, resource, rows, left_out)
            confirmed = question is None or await self._surroundings.ask(question)
            return [(row, None) for row in rows] if confirmed else None
        kinds: dict[str, list[Any]] = {}
        for row in rows:
            kinds.setdefault(resource.ref(row).kind, []).append(row)
        asked: list[tuple[Any, Answers | None]] = []
        for alike in kinds.values():
            variant = action.of(alike[0])
            if variant.form is None:
                part = await self._ask(variant, resource, alike, 0)
                if part is None:
                    return None
                asked += part
                continue
            known = []
            if variant.prepare is not None:
                try:
                    known = [await variant.prepare(self._fleet.backends, self._fleet.view, alike)]
                except KvtuiError as error:
                    self._surroundings.tell(f"{variant.label}: {error}", Severity.WARN)
                    return None
            form = variant.form(self._fleet.view, alike, *known)
            if len(self._fleet.backends) > 1 and not isinstance(alike[0], Site):
                form = replace(form, about=(_enumerate(self._names(resource, alike)), *form.about))
            word = self._word(variant, resource, alike)
            answers = await self._surroundings.fill_in(Sheet(form, self._warnings(variant, resource, alike), word))
            if answers is None:
                return None
            asked += [(row, answers) for row in alike]
        return asked

    def _why_not(self, action: AnyAction, row: Any) -> str:
        resource = self._resources[action.id]
        ref = resource.ref(row)
        backend = self._fleet.backends.get(ref.backend)
        if backend is None:
            return f"{ref.backend} is not connected"
        if backend.info.read_only:
            return f"{ref.backend} is read-only here"
        found = self._pending.get(ref)
        known = isinstance(row, Site) or ref in self._transfers
        if found is not None and found.action.id == action.id and not known:
            return f"{self._fleet.name(ref)} is {self.pending(ref)} already"
        return action.of(row).when(row)

    async def _refusal(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any]) -> str:
        """What the account lacks, in the first namespace where it lacks it; or that the server does not say."""
        places = {(ref.backend, ref.namespace): (ref, row) for row in rows for ref in (resource.ref(row),)}
        for ref, row in places.values():
            needs = action.of(row).needs
            verdict = await self._may(ref, needs)
            if not verdict.asked:
                return f"nothing was done, as {ref.backend} does not answer: {verdict.reason}"
            if not verdict.allowed:
                place = Ref(ref.backend, "", "", f"namespace {ref.namespace}" if ref.namespace else ref.backend)
                where = self._fleet.name(place)
                words = f": {verdict.reason}" if verdict.reason else ""
                return f"needs {needs} in {where}{words}"
        return ""

    async def _may(self, ref: Ref, permission: Permission) -> Verdict:
        try:
            return await self._fleet.backends[ref.backend].may(permission, ref.namespace)
        except KvtuiError as error:
            return Verdict(False, str(error), asked=False)

    def _question(
        self, action: AnyAction, resource: AnyResource, rows: Sequence[Any], left_out: int
    ) -> Question | None:
        many = len(rows) >= _MASS
        if action.danger is Danger.NONE and not many:
            return None
        names = self._names(resource, rows)
        warnings = self._warnings(action, resource, rows)
        if left_out:
            warnings.append(f"{left_out} of the marked are left out: there it is not possible")
        subject = f"{len(rows)} {resource.title}" if many else f"{resource.label} {names[0]}"
        return Question(f"{action.label} {subject}?", names, warnings, self._word(action, resource, rows))

    def _warnings(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any]) -> list[str]:
        """What must be said of the rows; what is not true of all of them names those it is true of."""
        about: dict[str, list[str]] = {}
        for row in rows:
            for warning in action.of(row).warn(row):
                about.setdefault(warning, []).extend(self._names(resource, [row]))
        return [
            warning if len(names) == len(rows) else f"{_enumerate(names)}: {warning}"
            for warning, names in about.items()
        ]

    def _names(self, resource: AnyResource, rows: Sequence[Any]) -> list[str]:
        return [self._fleet.name(resource.ref(row)) for row in rows]

    def _word(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any]) -> str:
        """What must be typed: the name, or how many there are; empty when a key is enough."""
        many = len(rows) >= _MASS
        if action.danger is Danger.TYPE or (many and action.danger is Danger.ASK):
            return str(len(rows)) if many else resource.ref(rows[0]).name
        return ""

    async def _run_all(
        self, action: AnyAction, resource: AnyResource, rows: Sequence[tuple[Any, Answers | None]], left_out: int
    ) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def guarded(row: Any, answers: Answers | None) -> str:
            async with slots:
                return await self._run(action, resource, row, answers)

        failures = [failure for failure in await asyncio.gather(*(guarded(*row) for row in rows)) if failure]
        done = len(rows) - len(failures)
        if failures:
            more = f"\nand {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
            accepted = f"\n{done} accepted" if done else ""
            self._surroundings.tell("\n".join(failures[:_NAMED]) + more + accepted, Severity.BAD)
        elif done + left_out > 1:
            others = f"; {left_out} left out" if left_out else ""
            self._surroundings.tell(f"{action.label}: accepted for {done} {resource.title}{others}", Severity.INFO)
        elif done and self.pending(resource.ref(rows[0][0])) is None:
            # Its row shows nothing of it.
            self._surroundings.tell(f"{self._say(action, resource, *rows[0])}: accepted", Severity.INFO)

    def _say(self, action: AnyAction, resource: AnyResource, row: Any, answers: Answers | None) -> str:
        """The action and what it is done to; what is made by its new name."""
        if isinstance(row, Site):
            made = answers.text("name") if answers is not None else ""
            where = (answers.text("namespace") if answers is not None else "") or row.namespace
            return f"{action.label} {self._fleet.name(Ref(row.backend, '', where, made))}"
        return f"{action.label} {self._fleet.name(resource.ref(row))}"

    async def _edit(self, action: AnyAction, resource: AnyResource, row: Any) -> None:
        """Have the text of one row edited until it is taken, or given up."""
        ref, action = resource.ref(row), action.of(row)
        backend = self._fleet.backends[ref.backend]
        assert action.edit is not None

        async def write(text: str, before: str) -> None:
            await action.run(backend, row, text, before)

        try:
            before = await action.edit(backend, row)
            told = await edit_text(self._surroundings, ref.name, before, write)
        except KvtuiError as error:
            self._surroundings.tell(f"{action.label} {ref.path}: {error}", Severity.BAD)
        else:
            self._surroundings.tell(f"{action.label} {ref.path}: {told}", Severity.INFO)

    async def _run(self, action: AnyAction, resource: AnyResource, row: Any, answers: Answers | None) -> str:
        """Do it to one row; the sentence of a failure, or nothing."""
        ref = resource.ref(row)
        action = action.of(row)
        mine = self._pending[ref] = Pending(action, resource, row, self._fleet.clock())
        self._announce(ref)
        accepted = False
        try:
            backend = self._fleet.backends[ref.backend]
            if action.transfer is not None and answers is not None:
                await self._carry(ref, action.transfer(backend, row, answers))
            else:
                await (action.run(backend, row) if answers is None else action.run(backend, row, answers))
            accepted = True
        except KvtuiError as error:
            return f"{self._say(action, resource, row, answers)}: {error}"
        finally:
            if not accepted:
                self._forget(ref, mine)
        self._settle_one(ref)
        return ""

    async def _carry(self, ref: Ref, transfer: Transfer) -> None:
        """Carry a transfer on to its end, seen or unseen. Raises what it raises, and nothing when it was cancelled."""
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
        if not transfer.failure:
            self._surroundings.tell(f"{transfer.target} is there, checked", Severity.INFO)

    def _settle(self, _delta: Delta) -> None:
        for ref in tuple(self._pending):
            self._settle_one(ref)

    def _settle_one(self, ref: Ref) -> None:
        found = self._pending.get(ref)
        if found is None or ref in self._transfers:
            return
        row = found.resource.row(self._fleet.view, ref)
        if row is None:
            self._forget(ref, found)
        elif found.action.settled(found.before, row):
            self._forget(ref, found)
            if failure := found.action.outcome(found.before, row):
                self._surroundings.tell(f"{found.action.label} {self._fleet.name(ref)} failed: {failure}", Severity.BAD)

    def _forget(self, ref: Ref, pending: Pending) -> None:
        """End the pending text, unless another action has taken its place."""
        if self._pending.get(ref) is pending:
            del self._pending[ref]
            self._announce(ref)

    def _announce(self, ref: Ref) -> None:
        for listener in self._listeners:
            listener(ref)


def _enumerate(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
