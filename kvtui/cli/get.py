"""``kvtui get``: rows as text or JSON, the same as on the screen."""

from __future__ import annotations

import asyncio
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from kvtui.backends.base import Source
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.judging import judging_kinds
from kvtui.cli.lists import find_awaited, pause, say_awaited, say_missing, wait_for_figures, wait_for_lists
from kvtui.cli.output import printing
from kvtui.cli.spaces import check_namespace
from kvtui.fleet import Fleet, all_sources
from kvtui.model import Feed, FeedState, Platform, Ref
from kvtui.resources import RESOURCES, find
from kvtui.resources.base import AnyResource, show_backend
from kvtui.resources.filtering import FilterError
from kvtui.resources.listing import Listing
from kvtui.resources.sources import NAMESPACES
from kvtui.store import Delta
from kvtui.text import cells, clean_line, fit

_METRICS_WAIT: Final = 0.7
"""Seconds that measured usage may lag behind the lists before we go without."""
_NEAR_WAIT: Final = 3.0
"""Seconds that lists by which rules judge the rows may lag behind those of the rows."""
_FAR_WAIT: Final = 1.0
"""The same of all other lists: what they tell bears on the rows only through other objects."""
_GAP: Final = "   "


def get(options: Namespace) -> int:
    """Print what was asked for; the exit code."""
    if find(options.resource) is None:
        known = ", ".join(resource.name for resource in RESOURCES)
        sys.stderr.write(f"kvtui get: there is no resource {options.resource!r}; known are {known}\n")
        return 2
    fleet = make_fleet(options, read_settings(options))
    resource = find(options.resource, fleet.resources)
    if resource is None:
        names = ", ".join(resource.name for resource in fleet.resources)
        where = ", ".join(fleet.backends)
        sys.stderr.write(f"kvtui get: {where} has no {options.resource}; it has {names}\n")
        return 2
    return asyncio.run(_get(options, resource, fleet))


async def _get(options: Namespace, resource: AnyResource, fleet: Fleet) -> int:
    spaces = (NAMESPACES,) if options.namespace else ()
    judges = options.output != "name" or bool(options.filter or options.faults)
    fleet.engine.waits = False
    near = judging_kinds(resource) if judges else frozenset()
    wanted = all_sources(fleet.resources) if near else resource.sources
    live = asyncio.create_task(fleet.run(tuple(dict.fromkeys((*wanted, *spaces)))))
    try:
        deadline = await wait_for_lists(options, resource.sources, fleet, live)
        if near:
            await _judge(options, fleet, live, near)
        if options.output != "name":
            await _wait_for_usage(options, resource, fleet, live)
            await wait_for_figures(resource.measured, fleet, live, deadline, _names(options, resource))
        try:
            listing = _list(options, resource, fleet)
        except FilterError as error:
            sys.stderr.write(f"kvtui get: {error}\n")
            return 2
        if options.namespace and not listing.refs:
            await wait_for_lists(options, spaces, fleet, live)
            check_namespace(fleet, options.namespace)
        printer = _Printer(options, listing, fleet)
        with printing():
            missing = printer.print_all()
        for name in missing:
            sys.stderr.write(f"kvtui: no {resource.label} named {name}\n")
        for words in say_missing(_troubles(resource, fleet), fleet):
            sys.stderr.write(f"kvtui: {words}\n")
        if options.output != "name":
            for words in say_awaited(find_awaited(resource.measured, fleet, _names(options, resource))):
                sys.stderr.write(f"kvtui: {words}\n")
        if options.watch:
            await printer.follow(live)
        return 3 if not _complete(resource, fleet) else 1 if missing else 0
    finally:
        live.cancel()
        with suppress(asyncio.CancelledError):
            await live
        await fleet.close()


async def _judge(options: Namespace, fleet: Fleet, live: asyncio.Task[None], near: Container[str]) -> None:
    """A moment for what the rules look at, and their judgement: rows show what they find."""
    sources = all_sources(fleet.resources)
    begun = asyncio.get_running_loop().time()
    for wait, waited in ((_NEAR_WAIT, [one for one in sources if one.kind in near]), (_FAR_WAIT, sources)):
        await _wait_until(begun + min(options.timeout, wait), waited, fleet, live)
    fleet.step()
    # Of what comes from now on there is time to see whether it stands.
    fleet.engine.waits = True


async def _wait_until(end: float, sources: Sequence[Source], fleet: Fleet, live: asyncio.Task[None]) -> None:
    """Until these lists are there, till `end` by the clock of the loop at most."""
    loop = asyncio.get_running_loop()
    while any(feed.state is FeedState.LOADING for feed in fleet.feeds(sources)) and loop.time() < end:
        await pause(live)


async def _wait_for_usage(options: Namespace, resource: AnyResource, fleet: Fleet, live: asyncio.Task[None]) -> None:
    """A moment for what a metrics server measured of anything."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    shown = [column for column in resource.columns if options.output != "table" or not column.wide]
    if any(column.measured for column in shown):
        while not _measured(resource, fleet) and loop.time() < begun + _METRICS_WAIT:
            await pause(live)


def _names(options: Namespace, resource: AnyResource) -> Container[str] | None:
    """The names of those whose figures are shown; None for all."""
    return options.names if options.names and set(resource.measured) <= set(resource.own) else None


def _feeds(resource: AnyResource, fleet: Fleet) -> list[Feed]:
    return fleet.feeds(resource.sources)


def _measured(resource: AnyResource, fleet: Fleet) -> bool:
    """Whether some of it is there, or no metrics server is asked."""
    kinds = {source.kind for source in resource.sources}
    clusters = [name for name, backend in fleet.backends.items() if backend.info.platform is Platform.KUBERNETES]
    return not clusters or any(fleet.view.has_usage(backend, kind) for backend in clusters for kind in kinds)


def _complete(resource: AnyResource, fleet: Fleet) -> bool:
    """Whether all rows are there, whatever some of their cells may lack."""
    return all(feed.state is FeedState.LIVE for feed in fleet.feeds(resource.own))


def _troubles(resource: AnyResource, fleet: Fleet) -> list[Feed]:
    """What rows or cells lack.

    Of joined kinds, one that is not installed has nothing to add, and one that has no namespace is forbidden to most.
    """
    joined = resource.joined
    expected = {(source.feed, FeedState.ABSENT) for source in joined}
    expected |= {(source.feed, FeedState.FORBIDDEN) for source in joined if not source.namespaced}
    return [
        feed
        for feed in _feeds(resource, fleet)
        if feed.state is not FeedState.LIVE and (feed.kind, feed.state) not in expected
    ]


def _list(options: Namespace, resource: AnyResource, fleet: Fleet) -> Listing:
    now = fleet.clock()
    shown = show_backend(resource) if len(fleet.backends) > 1 else resource
    listing = Listing(shown, fleet.view, now, lambda: fleet.engine.worst)
    if options.namespace:
        listing.set_namespace(options.namespace, now)
    if options.faults:
        listing.set_faults(True, now)
    selector = f" -l {shlex.quote(options.selector)}" if options.selector else ""
    listing.set_filter(f"{options.filter}{selector}", now)
    return listing


class _Printer:
    """Writes rows in one of the forms."""

    def __init__(self, options: Namespace, listing: Listing, fleet: Fleet) -> None:
        self._options = options
        self._listing = listing
        self._fleet = fleet
        wide = options.output in ("wide", "json")
        self._columns = [(at, one) for at, one in enumerate(listing.resource.columns) if wide or not one.wide]
        """Those that are printed, with their places."""
        self._widths: list[int] = []
        self._known: dict[Ref, object] = {}
        self._awake = asyncio.Event()

    def print_all(self) -> list[str]:
        """Print the rows there are; the names asked for that no row bears."""
        refs = [ref for ref in self._listing.refs if self._wants(ref)]
        match self._options.output:
            case "json" if not self._options.watch:
                items = [self._object(ref) for ref in refs]
                sys.stdout.write(msgspec.json.format(msgspec.json.encode(items), indent=2).decode() + "\n")
            case "table" | "wide":
                self._print_table(refs)
            case _:
                self._print_lines(refs)
        names = {name for ref in refs for name in ref.names}
        return [name for name in self._options.names if name not in names]

    async def follow(self, live: asyncio.Task[None]) -> None:
        """Print rows that change, until interrupted."""
        self._known = {ref: self._look(ref) for ref in self._listing.refs if self._wants(ref)}
        pending: list[Delta] = []

        def listen(delta: Delta) -> None:
            pending.append(delta)
            self._awake.set()

        stop: Callable[[], None] = self._fleet.listen(listen)
        try:
            while True:
                waiter = asyncio.ensure_future(self._awake.wait())
                await asyncio.wait({waiter, live}, return_when=asyncio.FIRST_COMPLETED)
                waiter.cancel()
                if live.done():
                    live.result()
                    return
                self._awake.clear()
                with printing():
                    self._print_changes(pending)
        finally:
            stop()

    def _print_changes(self, pending: list[Delta]) -> None:
        touched: dict[Ref, None] = {}
        while pending:
            change = self._listing.apply(pending.pop(0), self._fleet.clock())
            touched.update(dict.fromkeys(ref for ref in change.changed if self._wants(ref)))
            touched.update(dict.fromkeys(ref for ref in self._known if self._listing.index(ref) is None))
        for ref in touched:
            if self._listing.index(ref) is None:
                self._print_gone(ref)
                continue
            looks = self._look(ref)
            if self._known.get(ref) != looks:
                self._known[ref] = looks
                self._print_lines([ref])

    def _wants(self, ref: Ref) -> bool:
        names = self._options.names
        return not names or not ref.names.isdisjoint(names)

    def _look(self, ref: Ref) -> object:
        """What a row says but for its ages and figures: lines are printed when this changes."""
        row, now = self._listing.row(ref), self._fleet.clock()
        still = [
            self._listing.cell(ref, row, at, now).text
            for at, column in self._columns
            if not (column.ticks or column.measured or column.drifts)
        ]
        # The word of a status that counts down beside it.
        health = self._listing.health(ref, row, now)
        return [health.word, health.tone, *still]

    def _cells(self, ref: Ref) -> list[str]:
        row, now = self._listing.row(ref), self._fleet.clock()
        return [clean_line(self._listing.cell(ref, row, at, now).text) or "-" for at, _ in self._columns]

    def _print_table(self, refs: Sequence[Ref]) -> None:
        if not refs and all(feed.usable for feed in self._fleet.feeds(self._listing.resource.own)):
            where = f" in namespace {self._options.namespace}" if self._options.namespace else ""
            elsewhere = f"; {self._listing.resource.elsewhere}" if self._listing.resource.elsewhere else ""
            sys.stderr.write(f"no {self._listing.resource.title} found{where}{elsewhere}\n")
        lines = [self._cells(ref) for ref in refs]
        titles = [column.title for _, column in self._columns]
        self._widths = [max([cells(titles[at]), *(cells(line[at]) for line in lines)]) for at in range(len(titles))]
        if refs or self._options.watch:
            self._write([titles])
        self._write(lines)

    def _print_lines(self, refs: Iterable[Ref]) -> None:
        for ref in refs:
            match self._options.output:
                case "json":
                    sys.stdout.write(msgspec.json.encode(self._object(ref)).decode() + "\n")
                case "name":
                    sys.stdout.write(f"{ref.path}\n")
                case _:
                    self._write([self._cells(ref)])

    def _print_gone(self, ref: Ref) -> None:
        self._known.pop(ref, None)
        if self._options.output == "json":
            gone = {"backend": ref.backend, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
            sys.stdout.write(msgspec.json.encode({**gone, "uid": ref.uid, "gone": True}).decode() + "\n")
        elif self._options.output != "name":
            sys.stdout.write(f"{ref.path} is gone\n")

    def _write(self, lines: Iterable[Sequence[str]]) -> None:
        sides = [column.right for _, column in self._columns]
        for line in lines:
            padded = [
                fit(text, max(width, cells(text)), right=right)
                for text, width, right in zip(line, self._widths, sides, strict=True)
            ]
            sys.stdout.write(_GAP.join(padded).rstrip() + "\n")

    def _object(self, ref: Ref) -> dict[str, Any]:
        resource, now = self._listing.resource, self._fleet.clock()
        row = self._listing.row(ref)
        health = self._listing.health(ref, row, now)
        return {
            "backend": ref.backend,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
            "created": self._created(ref),
            "health": {"tone": health.tone.value, "word": health.word, "reason": health.reason},
            "columns": {
                column.title.lower().replace(" ", "_"): self._listing.cell(ref, row, at, now).text
                for at, column in enumerate(resource.columns)
            },
            "fields": dict(resource.fields(row)),
            "labels": dict(resource.labels(row)),
        }

    def _created(self, ref: Ref) -> str | None:
        type_ = next((type_ for type_ in self._listing.resource.related if ref.kind == type_.KIND), None)
        record = self._fleet.view.find(type_, ref) if type_ is not None else None
        moment = record.created if record is not None else None
        return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
