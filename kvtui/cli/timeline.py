"""``kvtui timeline``: what happened to an object and its layers, the oldest first."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from kvtui.actions.recall import Recall
from kvtui.audit import AuditLog
from kvtui.cli.codes import OK, PARTIAL
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.findings import describe_ref, tell_time
from kvtui.cli.lists import find_missing, wait_for_lists
from kvtui.cli.naming import find_named, read_name
from kvtui.cli.output import printing
from kvtui.config import state_dir
from kvtui.fleet import Fleet, all_sources
from kvtui.joins.moments import Moment
from kvtui.joins.timeline import fold, lay_out
from kvtui.joins.timeline_words import Clockface, tell_markdown, tell_text
from kvtui.text import clean_line

_FACES: Final = {"local": Clockface.LOCAL, "utc": Clockface.UTC, "ago": Clockface.AGO}


def timeline(options: Namespace) -> int:
    """Print the timeline; the exit code."""
    return asyncio.run(_timeline(options, make_fleet(options, read_settings(options))))


async def _timeline(options: Namespace, fleet: Fleet) -> int:
    kind, name = read_name(options.name, fleet)
    sources = all_sources(fleet.resources)
    live = asyncio.create_task(fleet.run(sources))
    try:
        await wait_for_lists(options, sources, fleet, live)
        fleet.step()
        resource, ref, _ = find_named(fleet, kind, name, options.namespace, find_missing(sources, fleet))
        recall = Recall(fleet, ref, AuditLog(state_dir() / "audit.jsonl"))
        await recall.look()
        now = fleet.clock()
        folded = fold([moment for moment in recall.moments() if _is_wanted(options, moment)])
        title = clean_line(f"{resource.label} {fleet.name(ref)}")
        with printing():
            match options.output:
                case "json":
                    _print_json([moment for moment in folded if not moment.opens], recall.notes)
                case "markdown":
                    lines = tell_markdown(lay_out(folded, now), title, now, recall.notes)
                    sys.stdout.write("\n".join(lines) + "\n")
                case _:
                    sys.stdout.write("\n".join(tell_text(lay_out(folded, now), ref, now, _FACES[options.times])) + "\n")
        if options.output == "text":
            for words in recall.notes:
                sys.stderr.write(f"kvtui: {words}\n")
        return PARTIAL if recall.troubled else OK
    finally:
        live.cancel()
        with suppress(asyncio.CancelledError):
            await live
        await fleet.close()


def _is_wanted(options: Namespace, moment: Moment) -> bool:
    return moment.at >= options.since and (not options.layer or moment.layer.value in options.layer)


def _print_json(moments: Sequence[Moment], notes: Sequence[str]) -> None:
    item: dict[str, Any] = {"moments": [_describe(moment) for moment in moments], "notes": list(notes)}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(item), indent=2).decode() + "\n")


def _describe(moment: Moment) -> dict[str, Any]:
    return {
        "time": tell_time(moment.at),
        "first": tell_time(moment.begin),
        "count": moment.count,
        "layer": moment.layer.value,
        "subject": describe_ref(moment.subject),
        "source": moment.source,
        "what": moment.what,
        "detail": moment.detail,
        "tone": moment.tone.value if moment.tone is not None else "",
        "clock": moment.clock,
    }
