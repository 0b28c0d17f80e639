"""A cluster whose clock only tests put forward, with a fleet that is live on it through a way that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from kvtui.actions.batch import Batches
from kvtui.actions.commands import Deed
from kvtui.actions.confirm import Confirmer, Question, Sheet
from kvtui.actions.items import Batch, State, Task
from kvtui.audit import AuditLog, Entry
from kvtui.backends.base import Source
from kvtui.backends.kubernetes.client import connect
from kvtui.backends.kubernetes.impersonation import NOBODY, Impersonation
from kvtui.backends.kubernetes.timings import Timings
from kvtui.cli.fields import fill_form
from kvtui.fleet import Fleet
from kvtui.model import FeedState
from kvtui.resources.base import Site, at_sites
from kvtui.resources.form import Answers
from tests.actions.cases import CASES, deed_of, find_rows
from tests.actions.faults import CONTEXT, Faults
from tests.cluster import RunningCluster, running_cluster
from tests.wire.support import eventually

_NUMBERS: Final = count(1)
NEVER: Final = 1e6
TIMINGS: Final = Timings(
    watch_silence=NEVER, poll=NEVER, pulse=NEVER, metrics=NEVER, metrics_many=NEVER, metrics_absent=NEVER,
    progress=NEVER, permission=NEVER, retry_first=0.05, retry_most=0.05, absent=0.5,
)  # fmt: skip
"""Nothing but what is waited for happens when the clock of the loop is put forward."""


class Filler:
    """Means everything, and fills in forms with what is given."""

    def __init__(self, fields: Mapping[str, str | None]) -> None:
        self._fields = fields

    async def ask(self, _question: Question) -> bool:
        return True

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        return fill_form(sheet.form, self._fields).answers


class Bench:
    """Actions are put to it."""

    def __init__(self, cluster: RunningCluster, faults: Faults, audit: AuditLog) -> None:
        self.cluster = cluster
        self.faults = faults
        self._backend = connect(faults.kubeconfig, CONTEXT, "", False, audit, timings=TIMINGS)
        self.fleet = Fleet([self._backend])
        self.batches = Batches(self.fleet)
        self._done: dict[str, str] = {}
        """By their ids, what the actions were done to that had to be done before."""
        self._audit = audit
        self._read = 0

    async def find_row(self, deed: Deed) -> Any:
        """A row on which it is possible; what must be done before is done, if there is none."""
        case = CASES[deed.action.id]
        if deed.makes:
            return Site(CONTEXT, "lab")
        if case.prepare is not None:
            path = await asyncio.to_thread(case.prepare, str(self.cluster.kubeconfig))
            await self.catch_up((*deed.resource.sources, *deed.action.reads))
            (ref,) = (ref for ref in deed.resource.refs(self.fleet.view) if ref.path == path)
            return deed.resource.row(self.fleet.view, ref)
        await self.catch_up(deed.resource.sources)
        rows = find_rows(self.fleet.view, deed)
        if not rows or (case.before and not self._done.keys() & set(case.before)):
            for action_id in case.before:
                await self._do(deed_of(action_id))
            for _ in range(200):
                await self.catch_up(deed.resource.sources)
                rows = find_rows(self.fleet.view, deed)
                if rows:
                    break
                self.cluster.advance(1)
        assert rows, f"{deed.action.id} is possible on nothing"
        # What the action before was done to, for what `when` cannot see.
        best = {self._done.get(action_id) for action_id in case.before}
        return next((row for row in rows if deed.resource.ref(row).path in best), rows[0])

    async def plan(self, deed: Deed, row: Any) -> list[Task]:
        """The task, allowed and confirmed."""
        confirmer = Confirmer(self.fleet, self.fleet.resources, self.batches, Filler(fields_of(deed)))
        tasks = await confirmer.confirm(deed.action, await confirmer.check(deed.action, [row]))
        assert tasks is not None
        return tasks

    def begin(self, deed: Deed, tasks: list[Task]) -> Batch:
        """A batch that is still to be carried out."""
        return self.batches.begin(deed.action, at_sites(deed.resource) if deed.makes else deed.resource, tasks)

    async def carry_out(self, deed: Deed, tasks: list[Task]) -> Batch:
        """A batch of which every item was answered."""
        batch = self.begin(deed, tasks)
        await self.batches.carry_out(batch)
        return batch

    @asynccontextmanager
    async def acting(self, *, read_only: bool = False, user: Impersonation = NOBODY) -> AsyncIterator[None]:
        """What is asked for is asked for so; what is known stays."""
        other = connect(self.faults.kubeconfig, CONTEXT, "", read_only, self._audit, timings=TIMINGS, acting_as=user)
        self.fleet.backends[CONTEXT] = other
        try:
            yield
        finally:
            self.fleet.backends[CONTEXT] = self._backend
            await other.close()

    def read_log(self) -> list[Entry]:
        """What was written into the audit log since the last time."""
        entries = [entry for entry in self._audit.read() if isinstance(entry, Entry)]
        fresh, self._read = entries[self._read :], len(entries)
        return fresh

    async def catch_up(self, sources: Iterable[Source]) -> None:
        """Wait until the fleet knows all that there is of some kinds."""
        for source in sources:
            await eventually(partial(self._knows, source), partial("{} lags".format, source.kind))

    def _knows(self, source: Source) -> bool:
        self.fleet.step()
        if source.polled:
            self._backend.retry(source.kind)
        kind = self.cluster.server.served.find(source.group, source.versions[0], source.plural)
        if kind is None or source.label_selector:
            return self.fleet.view.feed(CONTEXT, source.kind).state is not FeedState.LOADING
        there = (found["metadata"] for found in self.cluster.world.storage.list(kind))
        return {(meta["uid"], meta["resourceVersion"]) for meta in there} == {
            (record.metadata.uid, record.metadata.resource_version) for _, record in self.fleet.view.items(source.type)
        }

    async def _do(self, deed: Deed) -> None:
        row = await self.find_row(deed)
        tasks = await self.plan(deed, row)
        with self.faults.opened():
            batch = await self.carry_out(deed, tasks)
        (item,) = batch.items
        assert item.state in (State.ACCEPTED, State.DONE), item.words
        self._done[deed.action.id] = item.ref.path
        # Whether its effect is seen is not looked at here: its row bears no mark.
        self.batches.close()
        self.batches = Batches(self.fleet)


def fields_of(deed: Deed) -> dict[str, str | None]:
    """The fields that its command line gives, a secret of a file as any word."""
    given = CASES[deed.action.id].fields
    fields: dict[str, str | None] = {}
    for name, value in zip(given[::2], given[1::2], strict=True):
        secret = name.endswith("-file")
        fields[name.removeprefix("--").removesuffix("-file")] = "secret" if secret else value
    if deed.makes:
        fields["name"] = f"made-by-{deed.resource.name}-{next(_NUMBERS)}"
    return fields


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """A bench on a small cluster, in which machines are in all kinds of states."""
    async with running_cluster(30, seed=1, troubles=True) as cluster, Faults(cluster).serving(folder) as faults:
        made = Bench(cluster, faults, AuditLog(folder / "audit.jsonl"))
        live = asyncio.create_task(made.fleet.run())
        try:
            yield made
        finally:
            live.cancel()
            with suppress(asyncio.CancelledError):
                await live
            await made.fleet.close()


@contextmanager
def movable_time() -> Iterator[Callable[[float], None]]:
    """Puts the clock of the running loop forward."""
    loop, ahead = asyncio.get_running_loop(), 0.0
    real = loop.time

    def put_forward(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: real() + ahead)
        yield put_forward
