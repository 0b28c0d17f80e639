"""What is wrong with a fleet, for a command that looks but once."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from kvtui.cli.lists import (
    all_measured,
    find_awaited,
    find_missing,
    say_awaited,
    say_missing,
    wait_for_figures,
    wait_for_lists,
)
from kvtui.fleet import Fleet, all_sources
from kvtui.model import Evidence, Feed, FeedState, Finding, Platform, Ref, Severity
from kvtui.records.bastion import Bastion
from kvtui.records.libvirt import Host
from kvtui.resources.base import AnyResource
from kvtui.resources.listing import has_status
from kvtui.resources.verdicts import STANDS_ON
from kvtui.triage.base import backend_ref
from kvtui.triage.control_plane import LOOK_AT, UNANSWERED
from kvtui.triage.problems import Problem, group_problems, worst_first


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found, and what could not be looked at."""

    findings: Sequence[Finding]
    problems: Sequence[Problem]
    lacking: Sequence[Feed]
    """Lists that are not known, or not as they are now."""
    awaited: frozenset[Ref]
    """Objects whose figures did not come: what those would tell is not known."""


def judging_kinds(resource: AnyResource) -> frozenset[str]:
    """The kinds by which rules judge the rows of a resource; none where nothing that is found shows in them."""
    if not has_status(resource):
        return frozenset()
    from kvtui.triage.rules import RULES

    shown = {source.type for source in resource.own}
    shown |= {source.type for source in resource.joined if source.kind in STANDS_ON}
    return frozenset(type_.KIND for rule in RULES if not shown.isdisjoint(rule.related) for type_ in rule.related)


async def judge_fleet(options: Namespace, fleet: Fleet, live: asyncio.Task[None]) -> Judged:
    """Wait for lists and figures, `options.timeout` seconds at most, and judge them by all rules; `live` runs the
    fleet with all its sources.
    """
    sources, measured = all_sources(fleet.resources), all_measured(fleet.resources)
    fleet.engine.waits, fleet.engine.holds = False, True
    deadline = await wait_for_lists(options, sources, fleet, live)
    await wait_for_figures(measured, fleet, live, deadline)
    fleet.engine.holds = False
    fleet.step()
    awaited = tuple(find_awaited(measured, fleet))
    silent = tuple(_find_silent(options, fleet))
    findings = tuple(sorted((*fleet.engine.findings, *silent), key=worst_first))
    problems = group_problems(findings) if silent else fleet.engine.problems
    return Judged(findings, problems, find_missing(sources, fleet), frozenset(awaited))


def tell_missing(judged: Judged, fleet: Fleet, first: Container[str] = ()) -> list[str]:
    """What could not be looked at, in few sentences; the kinds in `first` are named first."""
    return [*say_missing(judged.lacking, fleet, first), *say_awaited(sorted(judged.awaited))]


def list_missing(judged: Judged, fleet: Fleet) -> list[str]:
    """The same for scripts: every kind is named."""
    return [*say_missing(judged.lacking, fleet, most=sys.maxsize), *say_awaited(sorted(judged.awaited))]


def _find_silent(options: Namespace, fleet: Fleet) -> Iterator[Finding]:
    """Backends of which nothing came in time: the rules still wait. Of those behind a bastion, that is told."""
    sources = all_sources(fleet.resources)
    behind = {name for _, bastion in fleet.view.items(Bastion) for name in (*bastion.contexts, *bastion.hosts)}
    for name, backend in fleet.backends.items():
        feeds = [feed for feed in fleet.feeds(sources) if feed.backend == name and feed.state is not FeedState.ABSENT]
        if name in behind or not feeds or any(feed.state is not FeedState.LOADING for feed in feeds):
            continue
        is_host = backend.info.platform is Platform.LIBVIRT
        host, record = next(iter(fleet.view.items(Host, name)), (None, None))
        said = (record.trouble if record is not None else "") or next((one.detail for one in feeds if one.detail), "")
        words = said or f"nothing was answered within {options.timeout:g} s"
        place = record.uri if record is not None else ""
        yield Finding(
            rule="backend.silent",
            severity=Severity.BAD,
            subject=host or backend_ref(name),
            label="host" if is_host else "cluster",
            trouble=UNANSWERED,
            cause=words,
            evidence=(Evidence(f"{'host' if is_host else 'cluster'} {name}", place or "lists", words),),
            step=LOOK_AT["host" if is_host else "cluster"],
        )
