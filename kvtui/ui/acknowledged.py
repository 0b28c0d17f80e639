"""Problems that somebody knows of: out of the strip for an hour, unless they get worse, have another cause or touch
something else besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from kvtui.errors import KvtuiError
from kvtui.model import Finding, Severity
from kvtui.triage.problems import Problem

SPAN: Final = 3600.0
"""Seconds for which a problem stays acknowledged."""


class _Note(msgspec.Struct, frozen=True):
    """One acknowledgement, as the file has it."""

    rule: str
    subject: tuple[str, ...]
    severity: int
    until: float
    cause: str = ""
    """What it was because of; empty in files of older programs."""
    victims: frozenset[tuple[str, ...]] = frozenset()
    """What it touched; none in files of older programs."""


class Acknowledged:
    """What was acknowledged, kept in a file so that the next program knows of it."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """A file that is not there or makes no sense means nothing is acknowledged."""
        self._path = path
        self._clock = clock
        self._notes: dict[tuple[str, tuple[str, ...]], _Note] = {}
        with suppress(OSError, msgspec.DecodeError):
            for note in msgspec.json.decode(path.read_bytes(), type=list[_Note]):
                self._notes[note.rule, note.subject] = note

    def until(self, problem: Problem) -> float | None:
        """Until when a problem is acknowledged, in seconds since the epoch; None when it is not, got worse, comes of
        something else by now, or touches what it did not touch then.
        """
        note = self._notes.get(_key(problem.finding))
        if note is None or note.until <= self._clock() or note.severity < problem.severity:
            return None
        if note.cause and note.cause != _cause(problem):
            return None
        return note.until if _victims(problem) <= note.victims else None

    def toggle(self, problem: Problem) -> bool:
        """Acknowledge a problem, or take that back; whether it is acknowledged now.

        Raises KvtuiError when that cannot be kept: it holds in this program alone.
        """
        key, now = _key(problem.finding), self._clock()
        known = self.until(problem) is not None
        self._notes = {name: note for name, note in self._notes.items() if note.until > now and name != key}
        if not known:
            cause, victims = _cause(problem), _victims(problem)
            self._notes[key] = _Note(*key, int(problem.severity), now + SPAN, cause, victims)
        self._write()
        return not known

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(list(self._notes.values())))
            fresh.replace(self._path)
        except OSError as error:
            words = f"{self._path}: {error.strerror or error}"
            raise KvtuiError("it is acknowledged in this program alone", words) from error


def _key(finding: Finding) -> tuple[str, tuple[str, ...]]:
    """A problem stays the same while its words change, and another object of that name has another."""
    return finding.rule, tuple(finding.subject)


def _victims(problem: Problem) -> frozenset[tuple[str, ...]]:
    """What a problem troubles, but for what is only worth knowing and for what each new try makes anew."""
    troubled = (one for one in problem.effects if one.severity > Severity.INFO and one.label not in _TRIES)
    return frozenset(tuple(one.subject) for one in troubled)


_TRIES: Final = frozenset({"migration", "pod"})
"""Labels of what has another name at each try."""


def _cause(problem: Problem) -> str:
    """What a problem is because of, but for its figures: those change while the cause stays. A root that speaks through
    its effects alone is the cause by its name.
    """
    finding = problem.finding
    if problem.spoken:
        return finding.trouble
    root = finding.root.path if finding.root is not None else ""
    return "\n".join((finding.trouble, root, _FIGURES.sub("0", finding.cause)))


_FIGURES: Final = re.compile(r"(?<![\w.-])\d[\d.,]*\w*")
"""Numbers with their units, not those within names."""
