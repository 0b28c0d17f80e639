"""``kvtui replay``: a recording on the screen, as text, or in figures."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from kvtui.cli.connecting import read_settings
from kvtui.cli.output import printing
from kvtui.console.recording import Recording
from kvtui.ending import Ending
from kvtui.errors import KvtuiError
from kvtui.text import clean, clean_line, size

if TYPE_CHECKING:
    from kvtui.console.playback import Survey

_IDLE_LIMIT: Final = 2.0


def replay(options: Namespace) -> int:
    """Play a recording, or print what it holds; the exit code."""
    with Recording(options.file) as recording:
        if options.text:
            return _print_text(recording)
        if options.info:
            return _print_info(recording)
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise KvtuiError(
                "a recording is played in a terminal", hint="--text prints what was said, --info what it holds"
            )
        settings = read_settings(options)
        limit = options.idle_limit
        if limit is None:
            limit = recording.header.idle_limit or _IDLE_LIMIT
        with Ending() as ending:
            from kvtui.ui.consoles.replay import run

            return run(recording, settings, ending, idle_limit=limit, speed=options.speed)


def _print_text(recording: Recording) -> int:
    from kvtui.console.plaintext import read_text

    with printing():
        for text in read_text(recording):
            sys.stdout.write(clean(text))
    return _tell_trouble(recording.trouble)


def _print_info(recording: Recording) -> int:
    from kvtui.console.playback import survey_now

    found = survey_now(recording)
    with printing():
        for line in _describe(recording, found):
            sys.stdout.write(f"{line}\n")
    return _tell_trouble(found.trouble)


def _tell_trouble(trouble: str) -> int:
    """Say that there is no more; the exit code."""
    if trouble:
        sys.stderr.write(f"kvtui: {clean_line(trouble)}; what stands before it is printed\n")
    return 1 if trouble else 0


def _describe(recording: Recording, found: Survey) -> Iterator[str]:
    header = recording.header
    began = None if header.timestamp is None else datetime.fromtimestamp(header.timestamp, UTC)
    yield f"title     {header.title or '-'}"
    yield f"format    asciicast {header.version}"
    yield f"began     {'-' if began is None else began.strftime('%Y-%m-%d %H:%M:%SZ')}"
    yield f"duration  {_duration(found.duration)}"
    yield f"terminal  {header.columns}x{header.lines}"
    yield f"output    {size(found.output)}B in {found.events} events"
    yield f"file      {size(recording.size)}B"
    yield f"markers   {len(found.marks)}"
    for mark in found.marks:
        yield f"  {_duration(mark.time)}  {mark.label or '-'}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:06.3f}"
