"""What must be true before an action is carried out: it is possible, allowed, and meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from kvtui.actions.batch import Batches
from kvtui.actions.care import count_left, interrupts, name_managers, raise_level, why_protected
from kvtui.actions.foresight import comes_to_nothing, foresee
from kvtui.actions.items import Task
from kvtui.actions.keepers import tell_absent
from kvtui.actions.rehearsal import rehearsal
from kvtui.backends.base import Permission, Verdict
from kvtui.backends.kubernetes.roles import find_role
from kvtui.errors import BackendError, ForbiddenError, KvtuiError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.joins.footing import tell_carried
from kvtui.model import Ref
from kvtui.records.libvirt import Domain
from kvtui.resources.base import AnyAction, AnyResource, Danger, Site, at_sites
from kvtui.resources.form import Answers, Form
from kvtui.text import clean_line

_MASS: Final = 2
"""From how many rows on even a harmless action asks."""
_NUMBERED: Final = 10
"""From how many rows on even a harmless action has their number typed: a slip and a hasty key start no fleet."""
_LEVELS: Final = (Danger.NONE, Danger.ASK, Danger.TYPE)
"""From the least to the strictest."""
_NAMED: Final = 3
"""How many rows a warning names one by one."""


@dataclass(frozen=True)
class Question:
    """What is asked before it is done."""

    title: str
    """The action and how many it concerns: ``stop 3 VMs?``."""
    subjects: Sequence[str]
    """Names of the objects, each whole."""
    warnings: Sequence[str] = ()
    word: str = ""
    """What must be typed; empty when a ``y`` is enough."""
    production: str = ""
    """The production that it concerns, in words: ``PRODUCTION prod-fra1``; empty when it is none."""


@dataclass(frozen=True)
class Sheet:
    """A form and what is to be said beside it."""

    form: Form
    warnings: Sequence[str] = ()
    """What is said whatever is answered."""
    word: str = ""
    """What must be typed below the fields; empty when it is enough to send them."""
    asks: bool = False
    """Whether to ask once more where nothing was answered or looked at: the key may have been a slip."""
    production: str = ""
    """As of a question."""
    names: Sequence[str] = ()
    """Of the objects that it is about, each whole; none where it makes one."""
    rehearse: Callable[[Answers], Awaitable[str]] | None = None
    """Why the server would refuse these answers; empty when it would not. Changes nothing. Raises UnreachableError when
    nobody says. None where there is no such thing.
    """
    before: Answers | None = None
    """What was answered the last time, when it failed."""


class Asker(Protocol):
    """Whoever puts questions to the user."""

    async def ask(self, question: Question) -> bool:
        """Put the question to the user."""

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        """Have the user fill in a form; None when they leave it."""


class ImpossibleError(BackendError):
    """The action is possible on none of the rows, or not on all of them together."""


class Confirmer:
    """Finds out whether an action may be carried out, and has the user say so."""

    def __init__(
        self,
        fleet: Fleet,
        resources: Sequence[AnyResource],
        batches: Batches,
        asker: Asker,
        *,
        asks_always: bool = False,
        sessions: Callable[[Ref], Sequence[str]] = lambda _ref: (),
    ) -> None:
        """With `asks_always` also what is harmless is asked about. `sessions` names our own consoles and shells of a
        machine.
        """
        self._fleet = fleet
        self._sessions = sessions
        self._resources = {action.id: resource for resource in resources for action in resource.actions}
        self._resources |= {maker.id: at_sites(resource) for resource in resources for maker in resource.makers}
        self._batches = batches
        self._asker = asker
        self._asks_always = asks_always

    def resource_of(self, action: AnyAction) -> AnyResource:
        """Whose rows it is done to."""
        return self._resources[action.id]

    def reason(self, action: AnyAction, rows: Sequence[Any]) -> str:
        """Why the action is impossible on all of these rows; empty when it is possible on one of them."""
        return self.reasons([action], rows)[action.id]

    def reasons(self, actions: Sequence[AnyAction], rows: Sequence[Any]) -> dict[str, str]:
        """The same of several actions of one resource, by their ids: quick, for a thousand rows may be marked."""
        if not rows or not actions:
            return {action.id: "nothing is selected" for action in actions}
        resource = self.resource_of(actions[0])
        pairs = [(row, resource.ref(row)) for row in rows]
        found = {}
        for action in actions:
            first = ""
            for row, ref in pairs:
                reason = self._batches.why_not(action, ref, row)
                if not reason:
                    first = ""
                    break
                first = first or reason
            found[action.id] = first
        return found

    def judge(self, action: AnyAction, rows: Sequence[Any]) -> list[Task]:
        """A task for each row, those that are left out with their reasons. Raises ImpossibleError when it is possible
        for one row only, and there are several.
        """
        if len(rows) > 1 and any(action.of(row).single for row in rows):
            raise ImpossibleError(f"one at a time; {len(rows)} are marked")
        resource = self.resource_of(action)
        return [Task(row, reason=self._batches.why_not(action, resource.ref(row), row)) for row in rows]

    async def check(self, action: AnyAction, rows: Sequence[Any]) -> list[Task]:
        """The tasks, one of them possible and all that are allowed. Raises ImpossibleError, ForbiddenError, and
        UnreachableError when nobody says whether it is allowed.
        """
        tasks = self.judge(action, rows)
        possible = [task.row for task in tasks if not task.reason]
        if not possible:
            raise ImpossibleError(self.reason(action, rows))
        await self._check_rights(action, self.resource_of(action), possible)
        return tasks

    async def confirm(
        self, action: AnyAction, tasks: Sequence[Task], hidden: Collection[Ref] = ()
    ) -> list[Task] | None:
        """The tasks with what was answered for them; None when the user leaves it. `hidden` are those that the user
        does not see at present. Raises KvtuiError when it cannot be asked.
        """
        resource = self.resource_of(action)
        left_out = [task for task in tasks if task.reason]
        rows = [task.row for task in tasks if not task.reason]
        asked = await self._ask(action, resource, rows, len(left_out), hidden)
        return None if asked is None else [*asked, *left_out]

    async def ask_again(self, action: AnyAction, rows: Sequence[Any], unknown: Sequence[Any] = ()) -> bool:
        """Whether the user means it once more for these rows, with what they answered; always asked where there are
        rows of which nobody knows whether it was done. Raises as `check` does.
        """
        resource = self.resource_of(action)
        await self._check_rights(action, resource, rows)
        question = self._question(action, resource, rows, 0, doubts=self._tell_unknown(resource, rows, unknown))
        return question is None or await self._asker.ask(replace(question, title=f"again: {question.title}"))

    async def ask_to_edit(self, action: AnyAction, row: Any, hidden: Collection[Ref] = ()) -> bool:
        """Whether the user means to edit what production or protection asks to be careful with, or what is hidden."""
        question = self._question(action, self.resource_of(action), [row], 0, hidden)
        return question is None or await self._asker.ask(question)

    async def _ask(
        self,
        action: AnyAction,
        resource: AnyResource,
        rows: Sequence[Any],
        left_out: int,
        hidden: Collection[Ref] = (),
    ) -> list[Task] | None:
        """Rows of several platforms are asked about apart where one of them has a form."""
        if all(action.of(row).form is None for row in rows):
            question = self._question(action, resource, rows, left_out, hidden)
            confirmed = question is None or await self._asker.ask(question)
            return [Task(row) for row in rows] if confirmed else None
        kinds: dict[str, list[Any]] = {}
        for row in rows:
            kinds.setdefault(resource.ref(row).kind, []).append(row)
        asked: list[Task] = []
        for alike in kinds.values():
            variant = action.of(alike[0])
            if variant.form is None:
                part = await self._ask(variant, resource, alike, 0, hidden)
                if part is None:
                    return None
                asked += part
                continue
            known = []
            if variant.prepare is not None:
                known = [await variant.prepare(self._fleet.backends, self._fleet.view, alike)]
            form = variant.form(self._fleet.view, alike, *known)
            if not isinstance(alike[0], Site):
                form = replace(form, about=(*self._spaces(resource, alike), *form.about))
            unseen = bool(self._tell_hidden(resource, alike, hidden))
            asks = unseen or self._danger(variant, resource, alike) is not Danger.NONE
            word = self._word(variant, resource, alike, hidden)
            warnings = [*self._tell_hidden(resource, alike, hidden), *self._warnings(variant, resource, alike)]
            production = self._production(resource, alike)
            names = () if isinstance(alike[0], Site) else self._names(resource, alike)
            first = resource.ref(alike[0])
            # What deletes begins with nothing ticked, whatever was before.
            failed = None if variant.danger is Danger.TYPE else self._batches.find_failed(variant, first)
            if failed is not None:
                form = replace(form, about=(f"filled in as before, when it failed: {failed.words}", *form.about))
            sheet = Sheet(
                form, warnings, word, asks, production, names,
                rehearse=rehearsal(self._fleet.backends[first.backend], variant, alike[0], first),
                before=failed.answers if failed is not None else None,
            )  # fmt: skip
            answers = await self._asker.fill_in(sheet)
            if answers is None:
                return None
            asked += [Task(row, answers) for row in alike]
        return asked

    async def _check_rights(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any]) -> None:
        """Ask in each namespace whether the account may do it. Raises ForbiddenError, UnreachableError."""
        places = {(ref.backend, ref.namespace): (ref, row) for row in rows for ref in (resource.ref(row),)}
        for ref, row in places.values():
            for needs in (action.of(row).needs, *action.of(row).also):
                verdict = await self._may(ref, needs)
                if not verdict.asked:
                    raise UnreachableError(f"nothing was done, as {ref.backend} does not answer", verdict.reason)
                if not verdict.allowed:
                    place = Ref(ref.backend, "", "", f"namespace {ref.namespace}" if ref.namespace else ref.backend)
                    role = find_role(needs)
                    hint = f"role {role} has it" if role else ""
                    raise ForbiddenError(f"needs {needs} in {self._fleet.name(place)}", verdict.reason, hint)

    async def _may(self, ref: Ref, permission: Permission) -> Verdict:
        try:
            return await self._fleet.backends[ref.backend].may(permission, ref.namespace)
        except KvtuiError as error:
            return Verdict(False, str(error), asked=False)

    def _question(
        self,
        action: AnyAction,
        resource: AnyResource,
        rows: Sequence[Any],
        left_out: int,
        hidden: Collection[Ref] = (),
        doubts: Sequence[str] = (),
    ) -> Question | None:
        many = len(rows) >= _MASS
        harmless = self._danger(action, resource, rows) is Danger.NONE
        unseen = self._tell_hidden(resource, rows, hidden)
        if harmless and not many and not unseen and not doubts and not self._asks_always:
            return None
        names = self._names(resource, rows)
        subjects = [*(self._spaces(resource, rows) if many else ()), *names]
        warnings = [*doubts, *unseen, *self._warnings(action, resource, rows)]
        if left_out:
            warnings.append(f"{left_out} {'is' if left_out == 1 else 'are'} left out: there it is not possible")
        subject = f"{len(rows)} {resource.title}" if many else f"{resource.label} {names[0]}"
        word, production = self._word(action, resource, rows, hidden), self._production(resource, rows)
        return Question(f"{action.label} {subject}?", subjects, warnings, word, production)

    def _danger(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any]) -> Danger:
        """The strictest that one of the rows asks for."""
        levels, view = {Danger.NONE}, self._fleet.view
        for row in rows:
            variant, ref = action.of(row), resource.ref(row)
            level = variant.danger
            if level is Danger.NONE and (
                any(variant.breaks(view, row))
                or comes_to_nothing(view, variant.id, row)
                or any(self._tell_absent(variant, row, ref))
            ):
                level = Danger.ASK
            care = self._fleet.care(ref.backend)
            stricter = care.production or why_protected(view, care, ref)
            levels.add(raise_level(level) if stricter else level)
        return max(levels, key=_LEVELS.index)

    def _production(self, resource: AnyResource, rows: Sequence[Any]) -> str:
        """The production that these rows are in."""
        backends = dict.fromkeys(resource.ref(row).backend for row in rows)
        names = [clean_line(name) for name in backends if self._fleet.care(name).production]
        return f"PRODUCTION {enumerate_names(names)}" if names else ""

    def _warnings(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any]) -> list[str]:
        """What must be said of the rows; what is not true of all of them names those it is true of."""
        about: dict[str, list[str]] = {}
        together: dict[Permission, list[Ref]] = {}
        refs_of_all = {resource.ref(row) for row in rows}
        for row in rows:
            variant, ref = action.of(row), resource.ref(row)
            together.setdefault(variant.needs, []).append(ref)
            foreseen = foresee(self._fleet.view, self._fleet.engine.worst, variant.id, row, ref, refs_of_all)
            record = self._fleet.view.record(ref)
            absent = self._tell_absent(variant, row, ref)
            asks = variant.danger is not Danger.NONE
            carried = tell_carried(self._fleet.view, record) if isinstance(record, Domain) and asks else ()
            broken = variant.breaks(self._fleet.view, row)
            for warning in (
                *absent,
                *foreseen,
                *carried,
                *self._objections(variant.needs, ref),
                *broken,
                *variant.warn(row),
            ):
                about.setdefault(warning, []).append(self._fleet.name(ref))
        left = [words for needs, refs in together.items() for words in count_left(self._fleet.view, needs, refs)]
        return left + [
            warning if len(names) == len(rows) else f"{enumerate_names(names)}: {warning}"
            for warning, names in about.items()
        ]

    def _tell_absent(self, action: AnyAction, row: Any, ref: Ref) -> Iterator[str]:
        return tell_absent(self._fleet.view, (action.needs, *action.also), row, ref, self._fleet.clock())

    def _objections(self, needs: Permission, ref: Ref) -> Iterator[str]:
        """What the object itself says against it."""
        view = self._fleet.view
        if protector := why_protected(view, self._fleet.care(ref.backend), ref):
            yield protector
        record = view.record(ref)
        if record is None:
            return
        yield from name_managers(view, needs, ref, record)
        # What an action does to a domain, its permission does not tell.
        ends = isinstance(record, Domain) or interrupts(needs, record)
        if ends and (sessions := self._sessions(ref)):
            yield f"you have its {' and its '.join(sessions)} open"

    def _names(self, resource: AnyResource, rows: Sequence[Any]) -> list[str]:
        return [self._fleet.name(resource.ref(row)) for row in rows]

    def _tell_hidden(self, resource: AnyResource, rows: Sequence[Any], hidden: Collection[Ref]) -> Sequence[str]:
        """Which of the rows the user marked and does not see now."""
        unseen = [self._fleet.name(ref) for row in rows if (ref := resource.ref(row)) in hidden]
        if not unseen:
            return ()
        if len(rows) == 1:
            return ("it is marked but hidden: the row under the cursor is another one",)
        if len(unseen) == len(rows):
            return (f"all {len(rows)} marked are hidden: the row under the cursor is none of them",)
        verb = "is" if len(unseen) == 1 else "are"
        return (f"{len(unseen)} of these {len(rows)} marked {verb} hidden: {enumerate_names(unseen)}",)

    def _tell_unknown(self, resource: AnyResource, rows: Sequence[Any], unknown: Sequence[Any]) -> Sequence[str]:
        """That it may be done once too often to the rows of which nobody knows."""
        words = "nobody knows whether it was done before: it may be done twice"
        if len(unknown) == len(rows):
            return (words,) if rows else ()
        return (f"{enumerate_names(self._names(resource, unknown))}: {words}",) if unknown else ()

    def _spaces(self, resource: AnyResource, rows: Sequence[Any]) -> list[str]:
        """The namespaces that several rows are in, where they are in several, the most touched first."""
        refs = [resource.ref(row) for row in rows]
        counts = Counter(Ref(ref.backend, "", "", ref.namespace) for ref in refs if ref.namespace)
        if len(counts) < _MASS:
            return []
        told = ", ".join(f"{self._fleet.name(space)} ({count})" for space, count in counts.most_common())
        return [f"{len(counts)} namespaces: {told}"]

    def _word(self, action: AnyAction, resource: AnyResource, rows: Sequence[Any], hidden: Collection[Ref] = ()) -> str:
        """What must be typed: the name, or how many there are; empty when a key is enough."""
        many, danger = len(rows) >= _MASS, self._danger(action, resource, rows)
        careful = danger is Danger.ASK or len(rows) >= _NUMBERED or bool(self._tell_hidden(resource, rows, hidden))
        if danger is Danger.TYPE or (many and careful):
            return str(len(rows)) if many else resource.ref(rows[0]).name
        return ""


def enumerate_names(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
