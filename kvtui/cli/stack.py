"""``kvtui stack``: what an object stands on and what stands on it, as the tab of the screen shows it."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from kvtui.cli.codes import OK, PARTIAL
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.findings import describe_finding, describe_ref
from kvtui.cli.judging import Judged, judge_fleet, list_missing, tell_missing
from kvtui.cli.naming import check_kind, find_subject
from kvtui.cli.output import printing
from kvtui.errors import AbsentError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.stack import ToldLayer, find_row, tell_stack, text_lines
from kvtui.text import clean_line
from kvtui.unseen import unseen_layers


def stack(options: Namespace) -> int:
    """Print the layers; the exit code."""
    return asyncio.run(_stack(options, make_fleet(options, read_settings(options))))


async def _stack(options: Namespace, fleet: Fleet) -> int:
    check_kind(options.name, fleet)
    live = asyncio.create_task(fleet.run())
    try:
        judged = await judge_fleet(options, fleet, live)
        label, ref, *_ = find_subject(fleet, options.name, options.namespace, judged)
        missing = tell_missing(judged, fleet, {one.ref.kind for one in unseen_layers(fleet.view, ref)})
        told = _tell(fleet, ref, judged)
        if told is None:
            raise AbsentError(f"{label} {clean_line(fleet.name(ref))} has no stack", "nothing is known below it")
        with printing():
            if options.output == "json":
                sys.stdout.write(_json(told, list_missing(judged, fleet)))
            else:
                sys.stdout.write("".join(f"{_scrubbed(line)}\n" for line in text_lines(told)))
        for words in missing:
            sys.stderr.write(f"kvtui: {clean_line(words)}\n")
        return PARTIAL if missing else OK
    finally:
        live.cancel()
        with suppress(asyncio.CancelledError):
            await live
        await fleet.close()


def _tell(fleet: Fleet, ref: Ref, judged: Judged) -> list[ToldLayer] | None:
    """The stack of an object, or that of the row which tells of it, as on the screen."""
    row = find_row(fleet.view, ref, fleet.resources)
    findings = (*fleet.engine.worst.values(), *judged.findings)
    stacks = (
        tell_stack(fleet.view, one, fleet.resources, findings, fleet.clock())
        for one in dict.fromkeys((ref, row[1] if row is not None else ref))
    )
    return next((told for told in stacks if told is not None), None)


def _scrubbed(line: str) -> str:
    """The line without control characters, as deep as it was."""
    words = line[2:].lstrip(" ")
    return line[: len(line) - len(words)] + clean_line(words)


def _json(told: Sequence[ToldLayer], missing: Sequence[str]) -> str:
    item = {"layers": [_describe(one) for one in told], "not_checked": list(missing)}
    return msgspec.json.format(msgspec.json.encode(item), indent=2).decode() + "\n"


def _describe(told: ToldLayer) -> dict[str, Any]:
    layer, health = told.layer, told.health
    return {
        "depth": told.depth,
        "role": layer.role,
        "name": layer.name,
        "subject": describe_ref(layer.ref) if layer.ref is not None else None,
        "own": told.own,
        "health": {"tone": health.tone.value, "word": health.word, "reason": health.reason} if health else None,
        "note": layer.note,
        "finding": describe_finding(told.finding) if told.finding is not None else None,
    }
