"""``kvtui VERB``: what can be done on the screen, for scripts: chosen, confirmed, carried out, and waited for."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from kvtui.actions.batch import Batches
from kvtui.actions.commands import Deed, find_verbs, kind_of
from kvtui.actions.confirm import Confirmer, ImpossibleError, Question, Sheet
from kvtui.actions.items import Batch, Item, State, Task, name_item, tell_warnings
from kvtui.actions.sending import perform
from kvtui.backends.base import Source
from kvtui.backends.objects import Rehearser
from kvtui.cli.choosing import Chooser, confine
from kvtui.cli.codes import FAILED, OK, PARTIAL, UNSEEN
from kvtui.cli.confirming import ask_whether_meant, print_lines, print_warnings
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.fields import describe_fields, fill_form, name_option, tell_answers
from kvtui.cli.lists import wait_for_figures
from kvtui.cli.output import name_object, printing
from kvtui.cli.progress import Line
from kvtui.cli.secrets import take_secrets
from kvtui.cli.signals import Ending
from kvtui.errors import BackendError, ConfigError, KvtuiError, ReadOnlyError, UnconfirmedError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Platform, Ref
from kvtui.resources import RESOURCES, find
from kvtui.resources.base import AnyAction
from kvtui.resources.form import Answers
from kvtui.resources.sources import (
    APPLICATIONS,
    ATTACHMENTS,
    CAPI_MACHINES,
    CDI_DEPLOYMENTS,
    CEPHS,
    CLASSES,
    CLUSTER_MACHINES,
    CLUSTERS,
    DEPLOYMENTS,
    DOMAINS,
    INSTANCES,
    NAMESPACES,
    NODES,
    QUOTAS,
    VM_CLONES,
    VM_RESTORES,
    VOLUMES,
    name_kind,
)
from kvtui.text import age, clean_line

_OF_VMS: Final = (
    CLUSTERS, CLUSTER_MACHINES, CAPI_MACHINES, APPLICATIONS, VOLUMES, CEPHS, ATTACHMENTS, CLASSES, QUOTAS,
    VM_CLONES, VM_RESTORES
)  # fmt: skip
"""A VM may be a machine of a cluster that is in trouble, be put back as git has it, stand on a Ceph that is full, want
a network or class that is gone, be refused by a quota, or be a copy, which nobody puts back.
"""
_KEEPERS: Final = (DEPLOYMENTS, CDI_DEPLOYMENTS)
"""Who is to do what is asked may be down."""
_ANSWERS: Final = 15.0
"""Seconds that the cluster may take for its lists, and put off what it is asked."""
_PATIENCE: Final = 2.0
"""How many times its usual time an effect may take."""
_PARTING: Final = 5.0
"""Seconds until it is to be seen what came of what is abandoned: a script wants to know."""
_TICK: Final = 0.05
_UNTRIED: Final = "a host has no dry run: all that kvtui checks is well"
_LOOK: Final = 0.2
"""Seconds between two looks whether a server asks to wait."""


def act(options: Namespace) -> int:
    """Do what was asked for; the exit code (see ``kvtui VERB --help``)."""
    settings = read_settings(options)
    bare = options.selector is not None
    deed, names = find_verbs(RESOURCES)[options.verb].choose(options.words, alone=bare)
    _check_words(options, deed, names)
    everywhere, within = options.all_namespaces, options.namespace is not None
    homes = confine(options, settings, deed, names)
    fleet = make_fleet(options, settings, patience=options.timeout or _ANSWERS)
    verb = find_verbs(fleet.resources).get(options.verb)
    here = next((one for one in verb.deeds if one.action.id == deed.action.id), None) if verb is not None else None
    if verb is not None and names == list(options.words) and _is_of_hosts(fleet):
        here = verb.choose_owned(names) or here
    if here is None:
        place = ", ".join(fleet.backends)
        if verb is not None:
            raise ConfigError(f"{options.verb} {kind_of(deed)} cannot be done on {place}", f"there is {options.verb} "
                              f"{verb.kinds}")  # fmt: skip
        raise ConfigError(f"{options.verb} cannot be done on {place}", "no action there has that word")
    chooser = Chooser(here, fleet, options, homes, everywhere=everywhere, within=within)
    run = _Run(options, here, fleet, chooser)
    try:
        return asyncio.run(run.run(names))
    except asyncio.CancelledError:
        return run.status


def _is_of_hosts(fleet: Fleet) -> bool:
    return all(backend.info.platform is Platform.LIBVIRT for backend in fleet.backends.values())


def _check_words(options: Namespace, deed: Deed, names: Sequence[str]) -> None:
    """Raise ConfigError when it is not clear what is meant."""
    if len(names) > 1 and names == options.words and find(names[0]) is not None:
        kinds = find_verbs(RESOURCES)[options.verb].kinds
        raise ConfigError(f"{options.verb} is not for {clean_line(names[0])}", f"it is for {kinds}",
                          f"NAMESPACE/{clean_line(names[0])} means one of that name")  # fmt: skip
    if deed.makes:
        if options.selector is not None or len(names) > 1:
            raise ConfigError(f"{options.verb} makes one {deed.resource.label}", hint="give it one NAME")
        if names:
            namespace, _, name = names[0].rpartition("/")
            options.fields.setdefault("name", name)
            if namespace:
                options.namespace = namespace
        return
    if options.selector is not None and names:
        raise ConfigError("names and -l were given", hint="give one of them")
    if options.selector is None and not names:
        raise ConfigError(f"it is not said what to {options.verb}", hint="give a NAME, or -l for all with some labels")


class _Run:
    """One command, from the lists to the exit code."""

    def __init__(self, options: Namespace, deed: Deed, fleet: Fleet, chooser: Chooser) -> None:
        self._options = options
        self._deed = deed
        self._fleet = fleet
        self._chooser = chooser
        self._batches = Batches(fleet, _rehearse if options.dry_run else perform)
        self._confirmer = Confirmer(fleet, fleet.resources, self._batches, self, asks_always=True)
        self._printed: set[Item] = set()
        self._warnings: list[str] = []
        """What was said before it was done."""
        self._line = Line()
        self._ending: Ending | None = None
        self._place = ""
        """The contexts and hosts that it concerns, in words."""
        self._listed = False
        """Whether fields were listed, and nothing is to be done."""

    @property
    def status(self) -> int:
        """The exit status of a signal that ended it; 0 while none came. Ctrl+c is asyncio's."""
        return self._ending.status if self._ending is not None else 0

    async def run(self, names: Sequence[str]) -> int:
        """Do it; the exit code. Raises KvtuiError when nothing was sent."""
        live = asyncio.create_task(self._fleet.run(self._sources), name="fleet")
        try:
            await self._fleet.prepare()
            await self._wait_for_lists(live)
            rows = await self._measure(await self._choose(names), live)
            action = self._deed.action
            judged = self._judge(rows)
            self._place = ", ".join(dict.fromkeys(self._deed.resource.ref(row).backend for row in rows))
            if all(task.reason for task in judged):
                return await self._carry_out(judged, live)
            tasks = await self._confirmer.confirm(action, await self._confirmer.check(action, rows))
            if self._listed:
                return OK
            if tasks is None:
                raise UnconfirmedError("nothing was done", "it was not confirmed")
            return await self._carry_out(tasks, live)
        except KvtuiError as error:
            if self._options.output == "json":
                self._print_json((), str(error))
            raise
        finally:
            live.cancel()
            with suppress(asyncio.CancelledError):
                await live
            await self._fleet.close()

    @property
    def _actions(self) -> Sequence[AnyAction]:
        """What the verb is on each of the platforms."""
        return (self._deed.action, *(variant for _, variant in self._deed.action.variants))

    @property
    def _sources(self) -> Sequence[Source]:
        """What must be known: the rows, what they and the form are joined with, what is waited for, and the namespaces,
        which may be protected.
        """
        reads = [source for one in self._actions for source in one.reads]
        made = [one.makes.source for one in self._actions if one.makes is not None and self._waits]
        # What a domain carries is said before it is stopped or moved.
        carried = (NODES, INSTANCES) if DOMAINS in self._deed.resource.own else ()
        about = _OF_VMS if INSTANCES in self._deed.resource.sources else ()
        known = (*self._deed.resource.sources, *reads, *made, *carried, *about, *_KEEPERS, NAMESPACES)
        return tuple(dict.fromkeys(known))

    # What is meant --------------------------------------------------------------------------------------------------

    async def _wait_for_lists(self, live: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        patience = self._options.timeout or _ANSWERS
        deadline = loop.time() + patience
        while (
            any(feed.state is FeedState.LOADING for feed in self._fleet.feeds(self._sources)) and loop.time() < deadline
        ):
            await _pause(live)
            if self._fleet.asks:
                deadline = loop.time() + patience

    async def _choose(self, names: Sequence[str]) -> list[Any]:
        if self._deed.makes:
            return [self._chooser.find_site()]
        if self._options.selector is not None:
            rows = self._chooser.find_labelled(self._options.selector)
        else:
            rows = await self._chooser.find_named(names)
        for feed in self._chooser.troubles:
            kind, why = name_kind(feed.kind), feed.detail or feed.state
            sys.stderr.write(f"kvtui: {clean_line(feed.backend)}: {kind} not known: {why}\n")
        return rows

    async def _measure(self, rows: Sequence[Any], live: asyncio.Task[None]) -> Sequence[Any]:
        """The rows with their figures, where those tell what the action harms."""
        if not any(one.measured for one in self._actions):
            return rows
        resource, view = self._deed.resource, self._fleet.view
        refs = [resource.ref(row) for row in rows]
        deadline = asyncio.get_running_loop().time() + (self._options.timeout or _ANSWERS)
        names = {ref.full_name for ref in refs}
        await wait_for_figures(resource.own, self._fleet, live, deadline, names)
        return [resource.row(view, ref) or row for ref, row in zip(refs, rows, strict=True)]

    def _judge(self, rows: Sequence[Any]) -> list[Task]:
        """A task for each row. Raises ReadOnlyError, ConfigError when there are too many."""
        resource = self._confirmer.resource_of(self._deed.action)
        for row in rows:
            backend = self._fleet.backends[resource.ref(row).backend]
            if backend.info.read_only:
                raise ReadOnlyError(f"{backend.name} is read-only", f"{self._options.verb} was not sent")
        try:
            return self._confirmer.judge(self._deed.action, rows)
        except ImpossibleError as error:
            raise ConfigError(f"{self._options.verb} is for one at a time", f"{len(rows)} were named") from error

    # What is asked --------------------------------------------------------------------------------------------------

    async def ask(self, question: Question) -> bool:
        """Whether it is meant: by --yes, or by the answer on the terminal. Raises UnconfirmedError without one."""
        if self._options.fields:
            given = ", ".join(map(name_option, self._options.fields))
            raise ConfigError(f"{self._options.verb} has no fields here", f"{given} was given")
        if self._options.list_fields:
            self._listed = True
            sys.stderr.write(f"kvtui: {self._options.verb} asks for no fields\n")
            return False
        return await self._confirm(question)

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        """The form with what was given by options, when it is meant. Raises ConfigError, UnconfirmedError."""
        if self._options.list_fields:
            self._listed = True
            with printing():
                sys.stdout.write("\n".join(describe_fields(sheet.form)) + "\n")
            return None
        draft = fill_form(sheet.form, await take_secrets(sheet.form, self._options.fields))
        warnings = [*sheet.warnings, *draft.warnings]
        subjects = [*sheet.names, *sheet.form.about, *tell_answers(draft)]
        question = Question(f"{sheet.form.title}?", subjects, warnings, sheet.word, sheet.production)
        return draft.answers if await self._confirm(question) else None

    async def _confirm(self, question: Question) -> bool:
        self._warnings += filter(None, (question.production, *question.warnings))
        if self._options.dry_run or self._options.yes:
            print_warnings(question)
            return True
        return await ask_whether_meant(question, self._place)

    # What is done ---------------------------------------------------------------------------------------------------

    async def _carry_out(self, tasks: Sequence[Task], live: asyncio.Task[None]) -> int:
        batch = self._batches.begin(self._deed.action, self._confirmer.resource_of(self._deed.action), tasks)
        by_ref = {item.ref: item for item in batch.items}
        self._batches.listen(lambda refs: self._print_ended(by_ref[ref] for ref in refs if ref in by_ref))
        self._print_ended(batch.items)
        self._ending = Ending((signal.SIGTERM, signal.SIGHUP))
        begun = asyncio.get_running_loop().time()
        try:
            await self._send(batch, begun)
            if any(self._awaits(item) for item in batch.items):
                await self._wait(batch, live, begun)
        except asyncio.CancelledError:
            self._line.clear()
            await self._batches.abandon(_PARTING)
            self._finish(batch, "interrupted")
            print_lines([f"interrupted: {batch.summary(self._fleet.clock())}"])
            raise
        self._finish(batch)
        if len(batch.items) > 1:
            print_lines([f"{self._deed.action.label}: {batch.summary(self._fleet.clock())}"])
        return self._code(batch)

    async def _send(self, batch: Batch, begun: float) -> None:
        """Have it done, for as long as is to be waited, and say so when a server wants to be asked later."""
        loop, limit = asyncio.get_running_loop(), self._options.timeout or math.inf
        work = asyncio.create_task(self._batches.carry_out(batch), name="batch")
        told: dict[str, int] = {}
        try:
            while not work.done() and loop.time() < begun + limit:
                await asyncio.wait({work}, timeout=min(_LOOK, begun + limit - loop.time()))
                if not work.done():
                    self._tell_put_off(told)
            if not work.done():
                print_lines([f"--timeout is over after {age(limit)}: what was sent may still be done"])
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            print_lines(f"! {line}" for line in tell_warnings(batch.items, self._name))
        if not work.cancelled():
            work.result()

    def _tell_put_off(self, told: dict[str, int]) -> None:
        """Say of each server that wants to be asked later in how many seconds it is; not again what was `told`."""
        for name, backend in self._fleet.backends.items():
            seconds = math.ceil(backend.info.put_off)
            if seconds > told.get(name, 0):
                print_lines([f"{name} is busy and is asked again in {seconds}s"])
                told[name] = seconds

    async def _wait(self, batch: Batch, live: asyncio.Task[None], begun: float) -> None:
        """Until every effect is seen, or the time is up."""
        loop = asyncio.get_running_loop()
        longest = max(max(item.patience, item.action.usual, item.action.lasts) for item in batch.items)
        limit = self._options.timeout or _PATIENCE * longest
        deadline = (begun if self._options.timeout else loop.time()) + limit
        while any(item.undecided and self._awaits(item) for item in batch.items) and loop.time() < deadline:
            under_way = [item for item in batch.items if item.undecided and item.words]
            self._line.show([f"{name_item(item)}: {item.words}" for item in under_way])
            await _pause(live)
        self._line.clear()
        if self._batches.carried:
            print_lines(["the time is up: what kvtui carries itself is aborted"])
            await self._batches.abandon(_PARTING)

    @property
    def _waits(self) -> bool:
        return self._options.wait and not self._options.dry_run

    def _awaits(self, item: Item) -> bool:
        """Whether its end is waited for: because it was asked for, or because it would end with us."""
        return self._waits or (item.carried and not self._options.dry_run)

    def _code(self, batch: Batch) -> int:
        counts = batch.counts
        awaited = [item for item in batch.items if item.state is State.ACCEPTED and self._awaits(item)]
        late = len(awaited)
        already = sum(item.already for item in batch.items)
        good = counts[State.DONE] + counts[State.ACCEPTED] - late + already
        # By labels one takes what there is, unless it is possible nowhere.
        left_out = counts[State.LEFT_OUT] - already
        bad = counts[State.FAILED] + (left_out if self._options.selector is None or not good + late else 0)
        unheard = sum(not self._batches.is_heard(item) for item in awaited)
        if counts[State.UNKNOWN] + counts[State.UNSENT] + unheard:
            return PARTIAL
        if bad:
            return PARTIAL if good + late else FAILED
        incomplete = self._options.selector is not None and self._chooser.troubles
        return UNSEEN if late else PARTIAL if incomplete else OK

    # What is printed ------------------------------------------------------------------------------------------------

    def _print_ended(self, items: Iterable[Item]) -> None:
        """Print items as they end; accepted ones too where that is all that is waited for."""
        if self._options.output == "json":
            return
        self._print_items(
            [item for item in items if item not in self._printed and (self._is_over(item) or self._is_enough(item))]
        )

    def _is_over(self, item: Item) -> bool:
        """Whether nothing more will be known of it: what we carry is ended by us, and tells what came of it."""
        return not item.open and not (item.undecided and self._awaits(item))

    def _is_enough(self, item: Item) -> bool:
        return item.state is State.ACCEPTED and not self._awaits(item)

    def _finish(self, batch: Batch, error: str = "") -> None:
        """Print what was not yet, and in JSON what ended it before its time."""
        if self._options.output == "json":
            self._print_json(batch.items, error)
        else:
            self._print_items([item for item in batch.items if item not in self._printed])

    def _print_items(self, items: Iterable[Item]) -> None:
        self._line.clear()
        with printing():
            for item in items:
                self._printed.add(item)
                words = self._words(item)
                sys.stdout.write(f"{self._name(item)}: {self._state(item)}{f': {words}' if words else ''}\n")

    def _name(self, item: Item) -> str:
        return self._fleet.name(Ref(item.ref.backend, "", "", name_item(item)))

    def _is_rehearsed(self, item: Item) -> bool:
        return self._options.dry_run and item.state in (State.ACCEPTED, State.DONE)

    def _can_rehearse(self, item: Item) -> bool:
        return isinstance(self._fleet.backends[item.ref.backend], Rehearser)

    def _state(self, item: Item) -> str:
        if self._is_rehearsed(item):
            return "would be accepted" if self._can_rehearse(item) else "would be sent"
        seconds = item.seconds(self._fleet.clock())
        if item.state is State.DONE and self._awaits(item) and seconds is not None:
            return f"{item.state} in {age(seconds)}"
        return item.state.value

    def _words(self, item: Item) -> str:
        if self._is_rehearsed(item):
            return clean_line(item.aim) if self._can_rehearse(item) else _UNTRIED
        if not item.undecided or not self._awaits(item):
            return clean_line(item.words)
        if item.state is State.UNKNOWN:
            return clean_line("; ".join(filter(None, (item.words, self._batches.tell_row(item)))))
        seconds = item.seconds(self._fleet.clock()) or 0.0
        cause = self._batches.tell_row(item)
        if item.effect is not None:
            return clean_line(cause)
        late = f"its {'end' if item.shown else 'effect'} is not seen after {age(seconds)}"
        return clean_line(f"{late}; {cause}" if cause else late)

    def _tell(self, item: Item) -> str:
        """What is to be said of it where nothing else says it: its words, or how its row stands."""
        if self._is_rehearsed(item):
            return ": ".join(filter(None, (self._state(item), self._words(item))))
        return self._words(item) or ("" if self._options.dry_run else clean_line(self._batches.tell_now(item)))

    def _find_target(self, target: Ref) -> Ref:
        """The VM that something leads to, with its uid once it is there."""
        record = self._fleet.view.record(target)
        return target if record is None else target._replace(uid=record.metadata.uid)

    def _print_json(self, items: Sequence[Item], error: str = "") -> None:
        now = self._fleet.clock()
        # What was only tried is not done, whatever its row shows.
        states = {item: State.ACCEPTED if self._is_rehearsed(item) else item.state for item in items}
        told = {
            "verb": self._options.verb,
            "action": self._deed.action.id,
            "dry_run": self._options.dry_run,
            "waited": self._waits,
            "error": error,
            "warnings": [clean_line(warning) for warning in self._warnings],
            "counts": {str(state): count for state, count in Counter(states.values()).items()},
            "items": [
                {
                    "backend": item.ref.backend,
                    "kind": item.ref.kind,
                    "namespace": item.ref.namespace,
                    "name": item.ref.name or name_item(item).rpartition("/")[2],
                    "uid": item.ref.uid,
                    "state": state.value,
                    "words": self._tell(item),
                    "warnings": item.warnings,
                    "made": None if item.result is None else name_object(item.result),
                    "target": None if item.target is None else name_object(self._find_target(item.target)),
                    "seconds": None if (seconds := item.seconds(now)) is None else round(seconds, 3),
                }
                for item, state in states.items()
            ],
        }
        with printing():
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")


async def _rehearse(fleet: Fleet, item: Item) -> None:
    """Have the server judge it; where there is no such thing, nothing is sent."""
    backend = fleet.backends[item.ref.backend]
    if not isinstance(backend, Rehearser):
        return
    run = item.action.run
    rehearsal = backend.rehearse()
    await (run(rehearsal, item.row) if item.answers is None else run(rehearsal, item.row, item.answers))


async def _pause(live: asyncio.Task[None]) -> None:
    await asyncio.wait({live}, timeout=_TICK)
    if live.done():
        live.result()
        raise BackendError("the backends ended by themselves")
