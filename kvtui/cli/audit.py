"""``kvtui audit``: what was done through kvtui, and what came of it."""

from __future__ import annotations

import re
import shutil
import sys
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kvtui.audit import AuditLog, Entry, join_acts
from kvtui.cli.output import printing
from kvtui.config import state_dir
from kvtui.text import cells, clean_line, fit, parse_time

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN: Final = re.compile(r"(\d{1,9})([smhdw])")
_GAP: Final = "   "
_TITLES: Final = ("TIME", "USER", "AS", "BACKEND", "VERB", "OBJECT", "RESULT", "WORDS")
_ELASTIC: Final = ("VERB", "OBJECT")
"""Columns whose cells may be long; where a terminal has no room for the longest, that one sticks out."""
_LEAST: Final = 16


def audit(options: Namespace) -> int:
    """Print the log, or the part that was asked for; the exit code."""
    log = AuditLog(state_dir() / "audit.jsonl")
    complaints: list[str] = []
    entries = (entry for entry in _keep_whole(log.read(options.since), complaints) if _matches(entry, options))
    with printing():
        if options.output == "json":
            _print_json(entries)
        else:
            _print_table(join_acts(entries))
    for words in complaints:
        sys.stderr.write(f"kvtui audit: {clean_line(words)}\n")
    return 1 if complaints else 0


def read_since(text: str, clock: Callable[[], float] = time.time) -> float:
    """Seconds since the epoch of ``2h``, ``3d`` ago, or of an RFC 3339 time. Raises ArgumentTypeError."""
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        return max(0.0, clock() - int(span[1]) * _UNITS[span[2]])
    moment = parse_time(text.strip())
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is no span (30m, 2h, 3d, 1w) and no time (2026-01-31, 2026-01-31T03:00:00Z)")
    return moment


def _keep_whole(entries: Iterable[Entry | str], complaints: list[str]) -> Iterator[Entry]:
    for entry in entries:
        if isinstance(entry, str):
            complaints.append(entry)
        else:
            yield entry


def _matches(entry: Entry, options: Namespace) -> bool:
    """Whether an entry is about what was named; the result is looked at once acts are joined."""
    places = [*options.context, *options.host]
    return (
        (not options.names or any({one.name, one.path} & set(options.names) for one in entry.subjects))
        and (not places or entry.backend in places)
        and (options.namespace is None or entry.namespace == options.namespace)
        and (options.verb is None or any(options.verb in name for name in (entry.verb, entry.command, entry.action)))
    )


def _print_json(entries: Iterable[Entry]) -> None:
    """One array, each entry on its line, while they are read."""
    sys.stdout.write("[")
    for number, entry in enumerate(entries):
        # The log keeps control characters escaped, and so does JSON.
        sys.stdout.write((",\n " if number else "\n ") + msgspec.json.encode(entry).decode())
    sys.stdout.write("\n]\n")


def _print_table(entries: Sequence[Entry]) -> None:
    if not entries:
        sys.stderr.write("kvtui audit: nothing is in the log, or nothing of that\n")
        return
    rows = [_TITLES, *(_row(entry) for entry in entries)]
    widths = [max(cells(row[index]) for row in rows) for index in range(len(_TITLES) - 1)]
    if sys.stdout.isatty():
        widths = _narrow(widths, shutil.get_terminal_size().columns)
    for row in rows:
        # Names are what is looked for here: nothing is cut.
        padded = [fit(text, max(width, cells(text))) for text, width in zip(row, widths, strict=False)]
        sys.stdout.write(f"{_GAP.join([*padded, row[-1]]).rstrip()}\n")


def _narrow(widths: Sequence[int], room: int) -> list[int]:
    """The widths, the largest elastic ones so much smaller that all but the words has room on a line."""
    narrowed, elastic = list(widths), [_TITLES.index(title) for title in _ELASTIC]
    for _ in range(sum(widths) + len(_GAP) * len(widths) - room):
        widest = max(elastic, key=lambda index: narrowed[index])
        if narrowed[widest] > _LEAST:
            narrowed[widest] -= 1
    return narrowed


def _row(entry: Entry) -> tuple[str, ...]:
    result = f"{entry.result}, tried only" if entry.dry_run else entry.result
    kind = f"{entry.kind} {entry.path}"
    others = ", ".join(f"{one.kind} {one.path}" for one in entry.about)
    words = "; ".join(filter(None, (f"for {others}" if others else "", entry.words)))
    return tuple(
        clean_line(text)
        for text in (entry.time, entry.user, entry.account, entry.backend, entry.told, kind, result, words)
    )
