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
from kvtui.cli.judging import judge_fleet
from kvtui.cli.naming import check_kind, find_subject
from kvtui.cli.output import printing
from kvtui.config import state_dir
from kvtui.errors import AbsentError
from kvtui.fleet import Fleet
from kvtui.joins.moments import Moment
from kvtui.joins.timeline import fold, lay_out
from kvtui.joins.timeline_words import Clockface, tell_markdown, tell_text
from kvtui.text import clean_line

_FACES: Final = {"local": Clockface.LOCAL, "utc": Clockface.UTC, "ago": Clockface.AGO}


def timeline(options: Namespace) -> int:
    """Print the timeline; the exit code."""
    return asyncio.run(_timeline(options, make_fleet(options, read_settings(options))))


async def _timeline(options: Namespace, fleet: Fleet) -> int:
    check_kind(options.name, fleet)
    live = asyncio.create_task(fleet.run())
    try:
        judged = await judge_fleet(options, fleet, live)
        label, ref, *_ = find_subject(fleet, options.name, options.namespace, judged)
        if ref.backend not in fleet.backends:
            raise AbsentError(f"{label} {clean_line(ref.name)} has no timeline", "nothing is kept of its past")
        recall = Recall(fleet, ref, AuditLog(state_dir() / "audit.jsonl"))
        await recall.look()
        now = fleet.clock()
        folded = fold([moment for moment in recall.moments() if _is_wanted(options, moment)])
        title = clean_line(f"{label} {fleet.name(ref)}")
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
