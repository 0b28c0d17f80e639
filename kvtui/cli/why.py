"""``kvtui why``: what is wrong with an object, because of what, how that is known, and what to do."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kvtui.cli.codes import OK, PARTIAL
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.findings import describe_finding, describe_ref
from kvtui.cli.judging import Judged, judge_fleet, list_missing, tell_missing
from kvtui.cli.naming import Subject, check_kind, find_subject
from kvtui.cli.output import printing
from kvtui.fleet import Fleet
from kvtui.joins.reach import Tie
from kvtui.model import Finding, Health, Ref, Tone
from kvtui.resources.unlisted import judge_unlisted
from kvtui.resources.verdicts import find_worst, worsen
from kvtui.text import clean_line, escape_markdown, name_few
from kvtui.triage.runbooks import runbook_line, runbook_url
from kvtui.triage.telling import Story, evidence_line, full_reach, headline, is_note, tell_stories
from kvtui.unseen import Unseen, name_unseen, tell_way, unseen_layers

_NAMED: Final = 5
"""Objects that a sentence names before it counts the rest."""
_PART: Final = "what is a part of it"


def why(options: Namespace) -> int:
    """Print what there is to say; the exit code."""
    return asyncio.run(_why(options, make_fleet(options, read_settings(options))))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What there is to say of one object."""

    subject: Subject
    name: str
    own: Health | None
    """By its own word; None for what says nothing of it."""
    health: Health | None
    """The same, with what was found in it and its parts."""
    stories: Sequence[Story]
    awaited: bool
    """Whether its figures did not come: what those would tell is not known."""
    seen: Sequence[Ref]
    """What was looked at."""
    unseen: Sequence[Unseen]
    """Layers under it of which nobody can tell, the nearest first."""


async def _why(options: Namespace, fleet: Fleet) -> int:
    check_kind(options.name, fleet)
    live = asyncio.create_task(fleet.run())
    try:
        judged = await judge_fleet(options, fleet, live)
        answer = _answer(fleet, find_subject(fleet, options.name, options.namespace, judged), judged)
        missing = tell_missing(judged, fleet, {one.ref.kind for one in answer.unseen})
        with printing():
            match options.output:
                case "json":
                    _print_json(answer, list_missing(judged, fleet))
                case "markdown":
                    sys.stdout.write("\n".join(_markdown(answer, missing, fleet.clock())) + "\n")
                case _:
                    sys.stdout.write("\n".join(_text(answer, fleet.clock())) + "\n")
        for words in missing:
            sys.stderr.write(f"kvtui: {clean_line(words)}\n")
        return PARTIAL if missing else OK
    finally:
        live.cancel()
        with suppress(asyncio.CancelledError):
            await live
        await fleet.close()


def _answer(fleet: Fleet, subject: Subject, judged: Judged) -> _Answer:
    _, ref, row, resource = subject
    own = resource.health(row, fleet.clock()) if resource is not None else judge_unlisted(row) if row else None
    health = worsen(own, find_worst(fleet.engine.worst, ref, row), ref) if own is not None else None
    reach = full_reach(fleet.view, ref, row)
    return _Answer(
        subject,
        fleet.name(ref),
        own,
        health,
        tell_stories(fleet.view, ref, row, judged.problems),
        not judged.awaited.isdisjoint(one for one, tie in reach.items() if tie is Tie.OWN),
        [one for one in reach if fleet.view.record(one) is not None],
        unseen_layers(fleet.view, ref),
    )


def _lead(answer: _Answer) -> str:
    """What is said first where no story is of the object itself: never more than what was looked at."""
    health, head = answer.health, f"{answer.subject.label} {answer.name}"
    told = answer.own if answer.stories else health
    state = f"{head} is {told.word}{f' ({told.reason})' if told.reason else ''}" if told is not None else head
    if not all(is_note(story, answer.subject.ref) for story in answer.stories):
        if any(_names_subject(story.finding, answer.subject.ref) for story in answer.stories):
            return ""
        ties = dict.fromkeys(_PART if story.tie is Tie.OWN else story.tie.value for story in answer.stories)
        are = "is" if len(ties) == 1 else "are"
        return f"{state}; {' and '.join(ties)} {are} in trouble:"
    if health is not None and health.tone in (Tone.WARN, Tone.BAD):
        return f"{state}: no rule says why; what it says itself is all that is known"
    if answer.awaited:
        return f"{state}: whether something is wrong with it is not known, for its figures did not come in time"
    worth = "; worth knowing:" if answer.stories else ""
    return f"{state}: nothing is known to be wrong with it; looked at: {_looked_at(answer.seen)}{worth}"


def _names_subject(finding: Finding, ref: Ref) -> bool:
    """Whether it is found in the object, or has that as its cause."""
    return ref[:4] in {one[:4] for one in (finding.subject, finding.root, *finding.about) if one is not None}


def _looked_at(refs: Sequence[Ref]) -> str:
    """Kinds of objects, counted: ``VirtualMachine, Pod, 2 PersistentVolumeClaims``."""
    counts = Counter(ref.kind for ref in refs)
    return ", ".join(kind if count == 1 else f"{count} {kind}s" for kind, count in counts.items())


def _names(story: Story) -> str:
    return name_few([f"{finding.label} {finding.subject.path}" for finding in story.effects], _NAMED)


def _text(answer: _Answer, now: float) -> Iterator[str]:
    lead = _lead(answer)
    if lead:
        yield clean_line(lead)
    for number, story in enumerate(answer.stories):
        if number or lead:
            yield ""
        name = answer.name if story.finding.subject == answer.subject.ref else story.finding.subject.path
        yield clean_line(headline(story.finding, name, now))
        yield f"  {clean_line(story.finding.cause)}"
        for below in story.told_chain:
            told = f": {below.cause}" if below.cause else ""
            yield f"  because {clean_line(f'{headline(below, below.subject.path, now)}{told}')}"
        for evidence in story.evidence:
            yield f"    {clean_line(evidence_line(evidence, now))}"
        if story.step:
            yield f"  next: {clean_line(story.step)}"
        if story.runbook:
            yield f"  {runbook_line(story.runbook)}"
        if story.effects:
            yield f"  the same cause troubles {clean_line(_names(story))}"
    if answer.unseen:
        yield from ("",) if answer.stories else ()
        yield clean_line(f"not seen: {name_unseen(answer.unseen)}")
        way = tell_way(answer.unseen)
        yield from (f"  next: {clean_line(way)}",) if way else ()


def _markdown(answer: _Answer, missing: Sequence[str], now: float) -> Iterator[str]:
    lead = _lead(answer)
    if lead:
        yield escape_markdown(lead)
    for number, story in enumerate(answer.stories):
        if number or lead:
            yield ""
        name = answer.name if story.finding.subject == answer.subject.ref else story.finding.subject.path
        yield f"**{escape_markdown(headline(story.finding, name, now))}**"
        yield ""
        yield escape_markdown(story.finding.cause)
        for below in story.told_chain:
            told = f": {escape_markdown(below.cause)}" if below.cause else ""
            yield f"because **{escape_markdown(headline(below, below.subject.path, now))}**{told}"
        if story.evidence:
            yield ""
            yield from (f"- {escape_markdown(evidence_line(evidence, now))}" for evidence in story.evidence)
        if story.step:
            yield ""
            yield f"Next: {escape_markdown(story.step)}"
        if story.runbook:
            yield ""
            yield f"Runbook: [{story.runbook}]({runbook_url(story.runbook)})"
        if story.effects:
            yield ""
            yield f"The same cause troubles {escape_markdown(_names(story))}"
    if answer.unseen:
        yield ""
        yield f"Not seen: {escape_markdown(name_unseen(answer.unseen))}"
        way = tell_way(answer.unseen)
        yield from ("", f"Next: {escape_markdown(way)}") if way else ()
    if missing:
        yield ""
        yield "Not known:"
        yield ""
        yield from (f"- {escape_markdown(words)}" for words in missing)


def _print_json(answer: _Answer, missing: Sequence[str]) -> None:
    health = answer.health
    item = {
        "subject": describe_ref(answer.subject.ref),
        "health": {"tone": health.tone.value, "word": health.word, "reason": health.reason} if health else None,
        "problems": [
            {
                **describe_finding(story.finding),
                "tie": story.tie.value,
                "step": story.step,
                "because": [describe_finding(finding) for finding in story.chain],
                "effects": [describe_ref(finding.subject) for finding in story.effects],
            }
            for story in answer.stories
        ],
        "checked": [describe_ref(ref) for ref in answer.seen],
        "not_seen": [_describe_unseen(one) for one in answer.unseen],
        "not_checked": missing,
    }
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(item), indent=2).decode() + "\n")


def _describe_unseen(unseen: Unseen) -> dict[str, Any]:
    return {
        "role": unseen.role,
        "subject": describe_ref(unseen.ref),
        "state": unseen.state,
        "reason": unseen.reason,
        "step": tell_way([unseen]),
    }
