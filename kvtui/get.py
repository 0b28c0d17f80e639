"""``kvtui get``: the tables of the screen as text or JSON, once or as they change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

import msgspec

from kvtui.errors import ConfigError
from kvtui.fleet import Fleet
from kvtui.model import Cell, Feed, FeedState, Ref
from kvtui.resources import RESOURCES, find
from kvtui.resources.base import AnyResource, Column
from kvtui.resources.listing import Listing
from kvtui.store import Delta
from kvtui.text import cells, clean_line

PARTIAL = 3
"""Exit status when something that was asked for could not be read."""


@dataclass(frozen=True)
class Request:
    """What to print and how."""

    resource: AnyResource
    names: tuple[str, ...] = ()
    output: str = "table"
    selector: str = ""
    filter: str = ""
    watch: bool = False
    timeout: float = 30.0


def find_resource(name: str) -> AnyResource:
    """The resource of that name or alias. Raises ConfigError that lists what there is."""
    found = find(name)
    if found is None:
        known = ", ".join(resource.name for resource in RESOURCES if resource.columns)
        raise ConfigError(f"no resource {clean_line(name)!r}", hint=f"there are: {known}")
    return found


async def print_rows(fleet: Fleet, request: Request, out: TextIO, errors: TextIO) -> int:
    """Print the rows and, with `watch`, go on; the exit status. A feed in trouble is told on `errors`."""
    sources = request.resource.sources
    answered = asyncio.Event()
    printer = _Printer(fleet, request, out)

    def on_delta(delta: Delta) -> None:
        if all(
            fleet.view.feed(name, source.kind).state is not FeedState.LOADING
            for name in fleet.backends
            for source in sources
        ):
            answered.set()
        if printer.begun:
            printer.follow(delta)

    fleet.listen(on_delta)
    running = asyncio.create_task(fleet.run(sources))
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(_first(answered, running)), request.timeout)
        printer.begin()
        troubles = [feed for name in fleet.backends if (feed := _trouble(fleet, name, request.resource))]
        for feed in troubles:
            print(f"kvtui: {feed.backend}: {feed.kind} {feed.state}: {feed.detail or 'no answer'}", file=errors)
        if request.watch:
            await running
        missing = printer.missing()
        for name in missing:
            print(f"kvtui: no {request.resource.label} {clean_line(name)!r}", file=errors)
        return PARTIAL if troubles or missing else 0
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await fleet.close()


async def _first(answered: asyncio.Event, running: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(answered.wait())
    await asyncio.wait((waiting, running), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        await running


def _trouble(fleet: Fleet, backend: str, resource: AnyResource) -> Feed | None:
    """The feed that the rows come from, when it is not live. An absent kind has no rows and is no trouble."""
    feed = fleet.view.feed(backend, resource.sources[0].kind)
    return None if feed.state in (FeedState.LIVE, FeedState.ABSENT) else feed


class _Printer:
    """Prints the rows of one resource, and then those that change."""

    def __init__(self, fleet: Fleet, request: Request, out: TextIO) -> None:
        self._fleet = fleet
        self._request = request
        self._out = out
        self._listing = Listing(request.resource, fleet.view, fleet.clock())
        if expression := _expression(request):
            self._listing.set_filter(expression)
        shown = request.output == "wide"
        self._columns = [column for column in request.resource.columns if shown or not column.wide]
        if len(fleet.backends) > 1:
            self._columns.insert(0, Column("BACKEND", lambda row, _now: Cell(request.resource.ref(row).backend), 12))
        self._widths: list[int] = []
        self.begun = False

    def begin(self) -> None:
        """Print everything there is now."""
        self.begun = True
        self._listing.rebuild(self._fleet.clock())
        refs = [ref for ref in self._listing.refs if self._is_wanted(ref)]
        if self._request.output == "json" and not self._request.watch:
            self._out.write(
                msgspec.json.format(msgspec.json.encode([self._as_json(ref) for ref in refs])).decode() + "\n"
            )
        elif self._request.output in ("table", "wide"):
            self._print_table(refs)
        else:
            self._print_plain(refs)
        self._out.flush()

    def follow(self, delta: Delta) -> None:
        """Print the rows that changed."""
        changed = self._listing.apply(delta, self._fleet.clock()).changed
        refs = [ref for ref in self._listing.refs if ref in changed and self._is_wanted(ref)]
        if not refs:
            return
        if self._request.output in ("table", "wide"):
            self._print_lines(self._texts(refs))
        else:
            self._print_plain(refs)
        self._out.flush()

    def missing(self) -> list[str]:
        """Names asked for that no row bears."""
        present = {ref.name for ref in self._listing.refs}
        return [name for name in self._request.names if name not in present]

    def _is_wanted(self, ref: Ref) -> bool:
        return not self._request.names or ref.name in self._request.names

    def _print_table(self, refs: Sequence[Ref]) -> None:
        texts = self._texts(refs)
        titles = [column.title for column in self._columns]
        self._widths = [max(map(cells, column)) for column in zip(titles, *texts, strict=True)]
        self._print_lines([titles, *texts] if texts else [])
        if not texts and not self._request.watch:
            print(f"no {self._request.resource.title} here", file=self._out)

    def _print_lines(self, lines: Iterable[Sequence[str]]) -> None:
        for line in lines:
            padded = (
                text.rjust(width) if column.right else text + " " * (width - cells(text))
                for text, width, column in zip(line, self._widths, self._columns, strict=True)
            )
            print("   ".join(padded).rstrip(), file=self._out)

    def _print_plain(self, refs: Sequence[Ref]) -> None:
        for ref in refs:
            if self._request.output == "name":
                print(f"{self._request.resource.label}/{ref.path}", file=self._out)
            else:
                print(msgspec.json.encode(self._as_json(ref)).decode(), file=self._out)

    def _texts(self, refs: Sequence[Ref]) -> list[list[str]]:
        now = self._fleet.clock()
        rows = [row for ref in refs if (row := self._listing.row(ref)) is not None]
        return [[clean_line(column.cell(row, now).text) for column in self._columns] for row in rows]

    def _as_json(self, ref: Ref) -> dict[str, Any]:
        """One object: its identity, its health, and every column by its lower-case title."""
        row, now = self._listing.row(ref), self._fleet.clock()
        resource = self._request.resource
        health = resource.health(row, now)
        values = {
            column.title.lower().replace(" ", "_").replace("%", "percent"): column.cell(row, now).text or None
            for column in resource.columns
        }
        return {
            "backend": ref.backend,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
            "health": {"state": str(health.tone), "word": health.word, "reason": health.reason},
            "columns": values,
        }


def _expression(request: Request) -> str:
    parts = [request.filter]
    if request.selector:
        parts.append(f"-l {request.selector}")
    return " ".join(filter(None, parts))
