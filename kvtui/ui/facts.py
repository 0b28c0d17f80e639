"""What a detail screen says of an object, as lines: health and why, columns, conditions, events. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kvtui.fleet import Fleet
from kvtui.joins.conditions import tone_of
from kvtui.joins.parts import records_of
from kvtui.joins.reach import Tie
from kvtui.model import Cell, Finding, Health, Ref, Tone
from kvtui.records.base import Condition, Record
from kvtui.records.kubernetes import Event, Pod
from kvtui.resources.base import AnyResource
from kvtui.resources.verdicts import find_worst, worsen
from kvtui.text import age, name_few, parse_time
from kvtui.triage.problems import Problem
from kvtui.triage.runbooks import runbook_line, runbook_of
from kvtui.triage.telling import Story, evidence_line
from kvtui.ui.lines import Line, Part, line, wrap
from kvtui.unseen import name_unseen, tell_way, unseen_layers

_SEQUENCES = re.compile("\ufffd(?:\\[[0-?]*[ -/]*[@-~]|\\(B)")
_LAUNCHER_LOGS = ("compute", "guest-console-log")  # kubevirt-api.md 2.10


def overview(resource: AnyResource, row: Any, stories: Sequence[Story], fleet: Fleet, width: int) -> Iterator[Line]:
    """The lines of the overview: health and why, every column, and the conditions of every record in the row."""
    now, ref = fleet.clock(), resource.ref(row)
    health = resource.health(row, now)
    shown = judge_row(resource, row, fleet)
    yield (Part(f"{'STATUS':<{_NAMES}}", "key"), Part(shown.word, str(shown.tone)))
    if health.reason and all(story.finding.cause != health.reason for story in stories):
        yield from _indented(health.reason, width, str(health.tone))
    for story in stories:
        yield line()
        if story.finding.subject[:4] != ref[:4]:
            tie = "" if story.tie is Tie.OWN else f"{story.tie.value.capitalize()}: "
            yield line(f"{tie}{story.finding.label} {story.finding.subject.path}", "title")
        yield from story_lines(story, fleet, width)
    yield from unseen_lines(fleet, ref, width)
    yield line()
    for column in resource.columns:
        cell: Cell = column.cell(row, now)
        if cell.text not in {"", "-", health.word, health.reason}:
            yield from _value(column.title, cell, width)
    for record in records_of(row):
        yield from condition_lines(record, now, width)


def judge_row(resource: AnyResource, row: Any, fleet: Fleet) -> Health:
    """How a row fares by its own word and by what the rules found, as its list shows it."""
    ref = resource.ref(row)
    return worsen(resource.health(row, fleet.clock()), find_worst(fleet.engine.worst, ref, row), ref)


_NAMES = 16
"""Columns that the names of values take."""


def _value(title: str, cell: Cell, width: int) -> Iterator[Line]:
    first, *more = wrap(cell.text, width - _NAMES)
    look = str(cell.tone or "")
    yield (Part(f"{title:<{_NAMES}}", "key"), Part(first, look))
    for piece in more:
        yield (Part(" " * _NAMES), Part(piece, look))


def _indented(text: str, width: int, look: str = "") -> Iterator[Line]:
    for piece in wrap(text, width - _NAMES):
        yield (Part(" " * _NAMES), Part(piece, look))


def finding_lines(finding: Finding, now: float, width: int) -> Iterator[Line]:
    """A finding with its evidence."""
    since = f"  for {age(now - finding.since)}" if finding.since else ""
    yield (Part(f"{finding.severity.glyph} {finding.trouble}", str(finding.severity.tone)), Part(since, "muted"))
    for piece in wrap(finding.cause, width, "  ") if finding.cause else ():
        yield line(piece)
    for evidence in finding.evidence:
        for piece in wrap(evidence_line(evidence, now), width, "    "):
            yield line(piece, Tone.MUTED)


def _way_out(step: str, runbook: str, width: int) -> Iterator[Line]:
    """What to do, and the runbook that tells more of it."""
    for piece in wrap(f"next: {step}", width, "  ") if step else ():
        yield line(piece, "bold")
    for piece in wrap(runbook_line(runbook), width, "  ") if runbook else ():
        yield line(piece, Tone.MUTED)


def story_lines(story: Story, fleet: Fleet, width: int) -> Iterator[Line]:
    """What is wrong with an object: the trouble, what it rests on down to the root, and what else that troubles."""
    now = fleet.clock()
    yield from finding_lines(story.finding, now, width)
    for below in story.told_chain:
        yield line(f"  because {below.label} {fleet.name(below.subject)}", "title")
        yield from finding_lines(below, now, width)
    yield from _way_out(story.step, story.runbook, width)
    if story.effects:
        named = name_few([f"{finding.label} {finding.subject.path}" for finding in story.effects], _NAMED)
        for piece in wrap(f"the same cause troubles {named}", width, "  "):
            yield line(piece, Tone.MUTED)


_NAMED = 5
"""Objects that a sentence names before it counts the rest."""


def unseen_lines(fleet: Fleet, ref: Ref, width: int) -> Iterator[Line]:
    """The layers under an object of which nobody can tell, and what it takes to see them."""
    unseen = unseen_layers(fleet.view, ref)
    if not unseen:
        return
    yield line()
    for piece in wrap(f"not seen: {name_unseen(unseen)}", width):
        yield line(piece, Tone.WARN)
    yield from _way_out(tell_way(unseen), "", width)


def problem_lines(problem: Problem, fleet: Fleet, width: int) -> Iterator[Line]:
    """A problem with its evidence, its next step, and all that it brings about."""
    now = fleet.clock()
    yield line(fleet.name(problem.finding.subject), "title")
    yield from finding_lines(replace(problem.finding, severity=problem.severity), now, width)
    yield from _way_out(problem.finding.step, runbook_of(problem.finding), width)
    if problem.effects:
        yield line()
        yield line(f"Brings about {len(problem.effects)}", "title")
    for finding in problem.effects:
        since = f"  for {age(now - finding.since)}" if finding.since else ""
        yield (
            Part(f"  {finding.severity.glyph} {finding.label} ", str(finding.severity.tone)),
            Part(fleet.name(finding.subject)),
            Part(f" {finding.trouble}{since}", "muted"),
        )
        for piece in wrap(finding.cause, width, "      "):
            yield line(piece, Tone.MUTED)


def condition_lines(record: Record, now: float, width: int) -> Iterator[Line]:
    """The conditions of a record, trouble first."""
    conditions: tuple[Condition, ...] = getattr(getattr(record, "status", None), "conditions", ())
    if not conditions and not record.fault:
        return
    yield line()
    yield line(f"Conditions of {record.KIND} {record.metadata.name}", "title")
    if record.fault:
        yield line(f"  this object cannot be read in full: {record.fault}", Tone.BAD)
    tones = {item.type: tone_of(record.KIND, item) for item in conditions}
    for condition in sorted(conditions, key=lambda item: (tones[item.type] not in (Tone.BAD, Tone.WARN), item.type)):
        since = parse_time(condition.last_transition_time)
        yield (
            Part(f"  {condition.type:<28} "),
            Part(f"{condition.status:<8}", str(tones[condition.type] or "")),
            Part(f"{age(now - since) if since else '-':>8}  ", "muted"),
            Part(condition.reason),
        )
        for piece in wrap(condition.message, width, "      ") if condition.message else ():
            yield line(piece, Tone.MUTED)


def event_lines(events: Iterable[Event], now: float, width: int) -> Iterator[Line]:
    """Events, the newest first."""
    ordered = sorted(events, key=lambda event: _event_time(event) or 0.0, reverse=True)
    if not ordered:
        yield line("no events: the server forgets them after an hour or so", Tone.MUTED)
    for event in ordered:
        moment = _event_time(event)
        count = event.series.count if event.series else event.count or 1
        times = f" x{count}" if count > 1 else ""
        tone = Tone.WARN if event.type == "Warning" else Tone.MUTED
        about = f"{event.involved_object.kind}/{event.involved_object.name}"
        yield (
            Part(f"{age(now - moment) if moment else '-':>6}  ", "muted"),
            Part(f"{event.type or 'Normal':<8} ", str(tone)),
            Part(f"{event.reason}{times}  ", "bold"),
            Part(about, "muted"),
        )
        for piece in wrap(event.message, width, "        "):
            yield line(piece)


def _event_time(event: Event) -> float | None:
    series = event.series.last_observed_time if event.series else None
    newest = series or event.last_timestamp or event.event_time or event.first_timestamp
    return parse_time(newest) or event.created


def yaml_line(text: str) -> Line:
    """A line of YAML with its key set off."""
    indent = len(text) - len(text.lstrip(" -"))
    key, colon, value = text[indent:].partition(":")
    if not colon or " " in key or (value and not value.startswith(" ")):
        return line(text)
    return (Part(text[:indent]), Part(key + colon, "key"), Part(value))


def log_containers(pod: Pod) -> list[str]:
    """The containers of a pod in the order in which their logs are of use.

    Of a launcher first the one that runs the guest, then the one that writes what its serial console said.
    """
    names = [container.name for container in (*pod.spec.containers, *pod.spec.init_containers)]
    wanted = _LAUNCHER_LOGS if pod.is_launcher else (pod.metadata.annotations.default_container,)
    first = [name for name in wanted if name in names]
    return first + [name for name in names if name not in first]


def log_line(text: str) -> Line:
    """A line of a log without the colours that it would have on a terminal.

    The line comes cleaned, so each sequence begins with the sign that took the place of its escape.
    """
    return line(_SEQUENCES.sub("", text))
