"""``kvtui problems``: what is wrong now and because of what, the worst first, for scripts and chat."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from kvtui.cli.codes import FAILED, OK, PARTIAL
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.findings import describe_finding
from kvtui.cli.judging import judge_fleet, tell_missing
from kvtui.cli.output import printing
from kvtui.cli.spaces import check_namespace
from kvtui.fleet import Fleet
from kvtui.model import Severity
from kvtui.records.bastion import Bastion
from kvtui.records.libvirt import Host
from kvtui.text import age, cells, clean_line, fit
from kvtui.triage.base import BACKEND
from kvtui.triage.problems import Problem

_GAP: Final = "   "
_WHOLE: Final = frozenset({BACKEND, Bastion.KIND, Host.KIND})
"""What a whole backend depends on: nobody knows what in a namespace is wrong while it does not answer."""
_LEVELS: Final = {"info": Severity.INFO, "warn": Severity.WARN, "bad": Severity.BAD}


def problems(options: Namespace) -> int:
    """Print the problems; the exit code."""
    return asyncio.run(_problems(options, make_fleet(options, read_settings(options))))


async def _problems(options: Namespace, fleet: Fleet) -> int:
    live = asyncio.create_task(fleet.run())
    try:
        judged = await judge_fleet(options, fleet, live)
        check_namespace(fleet, options.namespace or "")
        found = [problem for problem in judged.problems if _is_in(problem, options.namespace)]
        missing = tell_missing(judged, fleet)
        with printing():
            if options.output == "json":
                _print_json(found)
            else:
                _print_table(found, fleet)
        for words in missing:
            sys.stderr.write(f"kvtui: {clean_line(words)}\n")
        if not found and options.output != "json":
            sys.stderr.write("no problems found" + (" in what could be looked at\n" if missing else "\n"))
        level = _LEVELS.get(options.fail_on or "")
        if level is not None and any(problem.severity >= level for problem in found):
            return FAILED
        return PARTIAL if missing else OK
    finally:
        live.cancel()
        with suppress(asyncio.CancelledError):
            await live
        await fleet.close()


def _is_in(problem: Problem, namespace: str | None) -> bool:
    """Whether it is of a namespace, or touches it, as what is wrong with a whole cluster or host does."""
    subjects = [finding.subject for finding in problem.findings]
    return not namespace or any(ref.namespace == namespace or ref.kind in _WHOLE for ref in subjects)


def _print_json(found: Sequence[Problem]) -> None:
    items: list[dict[str, Any]] = [
        {
            **describe_finding(problem.finding),
            "severity": problem.severity.name.lower(),
            "effects": [describe_finding(finding) for finding in problem.effects],
        }
        for problem in found
    ]
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(items), indent=2).decode() + "\n")


def _print_table(found: Sequence[Problem], fleet: Fleet) -> None:
    now = fleet.clock()
    lines = [
        [
            problem.severity.glyph,
            problem.finding.label,
            *([clean_line(problem.finding.subject.backend)] if len(fleet.backends) > 1 else []),
            clean_line(problem.finding.subject.path),
            clean_line(problem.finding.trouble),
            age(now - problem.finding.since) if problem.finding.since is not None else "-",
            clean_line(problem.cause),
        ]
        for problem in found
    ]
    widths = [max(cells(line[at]) for line in lines) for at in range(len(lines[0]))] if lines else []
    for line in lines:
        padded = (fit(text, width) for text, width in zip(line[:-1], widths, strict=False))
        sys.stdout.write(_GAP.join((*padded, line[-1])) + "\n")
