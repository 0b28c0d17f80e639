"""``kvtui why``: what is wrong with an object, because of what, how that is known, and what to do."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from kvtui.cli.codes import OK, PARTIAL
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.findings import describe_finding, describe_ref
from kvtui.cli.judging import Judged, judge_fleet
from kvtui.cli.naming import Named, find_named, read_name
from kvtui.cli.output import printing
from kvtui.fleet import Fleet
from kvtui.joins.parts import parts_of, records_of
from kvtui.model import Health, Ref, Tone
from kvtui.records.bastion import Bastion
from kvtui.resources.base import AnyResource
from kvtui.resources.verdicts import find_worst, worsen
from kvtui.text import clean_line, escape_markdown
from kvtui.triage.telling import Story, evidence_line, headline, tell_stories

_NAMED: Final = 5
"""Objects that a sentence names before it counts the rest."""


def why(options: Namespace) -> int:
    """Print what there is to say; the exit code."""
    return asyncio.run(_why(options, make_fleet(options, read_settings(options))))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What there is to say of one object."""

    resource: AnyResource
    ref: Ref
    name: str
    health: Health
    stories: Sequence[Story]
    kinds: Sequence[str]
    """Of it and of the parts that were looked at with it."""
    awaited: bool
    """Whether its figures did not come: what those would tell is not known."""


async def _why(options: Namespace, fleet: Fleet) -> int:
    kind, name = read_name(options.name, fleet)
    live = asyncio.create_task(fleet.run())
    try:
        judged = await judge_fleet(options, fleet, live)
        missing = judged.missing
        answer = _answer(fleet, find_named(fleet, kind, name, options.namespace, missing), judged)
        with printing():
            match options.output:
                case "json":
                    _print_json(answer, missing)
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


def _answer(fleet: Fleet, named: Named, judged: Judged) -> _Answer:
    resource, ref, row = named
    # Of what a bastion keeps us from, it is what is wrong.
    before = [one for one, bastion in fleet.view.items(Bastion) if ref.backend in (*bastion.contexts, *bastion.hosts)]
    subjects = [ref, *parts_of(row, ref.backend), *before]
    stories = tell_stories(judged.problems, subjects)
    health = worsen(resource.health(row, fleet.clock()), find_worst(fleet.engine.worst, ref, row), ref)
    kinds = [record.KIND for record in records_of(row)] or [ref.kind]
    return _Answer(resource, ref, fleet.name(ref), health, stories, kinds, not judged.awaited.isdisjoint(subjects))


def _plain(answer: _Answer) -> str:
    """What is said where no rule finds anything: never more than what was looked at."""
    health = answer.health
    state = f"{answer.resource.label} {answer.name} is {health.word}{f' ({health.reason})' if health.reason else ''}"
    if health.tone in (Tone.WARN, Tone.BAD):
        return f"{state}: no rule says why; what it says itself is all that is known"
    if answer.awaited:
        return f"{state}: whether something is wrong with it is not known, for its figures did not come in time"
    return f"{state}: nothing is known to be wrong with it; looked at: {_looked_at(answer.kinds)}"


def _looked_at(kinds: Sequence[str]) -> str:
    """Kinds of objects, counted: ``VirtualMachine, Pod, 2 PersistentVolumeClaims``."""
    counts = Counter(kinds)
    return ", ".join(kind if count == 1 else f"{count} {kind}s" for kind, count in counts.items())


def _names(story: Story) -> str:
    named = [f"{finding.label} {finding.subject.path}" for finding in story.effects]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _text(answer: _Answer, now: float) -> Iterator[str]:
    if not answer.stories:
        yield clean_line(_plain(answer))
    for number, story in enumerate(answer.stories):
        if number:
            yield ""
        name = answer.name if story.finding.subject == answer.ref else story.finding.subject.path
        yield clean_line(headline(story.finding, name, now))
        yield clean_line(f"  {story.finding.cause}")
        for below in story.chain:
            yield clean_line(f"  because {headline(below, below.subject.path, now)}: {below.cause}")
        for evidence in story.evidence:
            yield clean_line(f"    {evidence_line(evidence, now)}")
        if story.step:
            yield clean_line(f"  next: {story.step}")
        if story.effects:
            yield clean_line(f"  the same cause troubles {_names(story)}")


def _markdown(answer: _Answer, missing: Sequence[str], now: float) -> Iterator[str]:
    if not answer.stories:
        yield escape_markdown(_plain(answer))
    for number, story in enumerate(answer.stories):
        if number:
            yield ""
        name = answer.name if story.finding.subject == answer.ref else story.finding.subject.path
        yield f"**{escape_markdown(headline(story.finding, name, now))}**"
        yield ""
        yield escape_markdown(story.finding.cause)
        for below in story.chain:
            told = escape_markdown(headline(below, below.subject.path, now))
            yield f"because **{told}**: {escape_markdown(below.cause)}"
        if story.evidence:
            yield ""
            yield from (f"- {escape_markdown(evidence_line(evidence, now))}" for evidence in story.evidence)
        if story.step:
            yield ""
            yield f"Next: {escape_markdown(story.step)}"
        if story.effects:
            yield ""
            yield f"The same cause troubles {escape_markdown(_names(story))}"
    if missing:
        yield ""
        yield "Not known:"
        yield ""
        yield from (f"- {escape_markdown(words)}" for words in missing)


def _print_json(answer: _Answer, missing: Sequence[str]) -> None:
    health = answer.health
    item = {
        "subject": describe_ref(answer.ref),
        "health": {"tone": health.tone.value, "word": health.word, "reason": health.reason},
        "problems": [
            {
                **describe_finding(story.finding),
                "step": story.step,
                "because": [describe_finding(finding) for finding in story.chain],
                "effects": [describe_ref(finding.subject) for finding in story.effects],
            }
            for story in answer.stories
        ],
        "not_checked": list(missing),
    }
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(item), indent=2).decode() + "\n")
