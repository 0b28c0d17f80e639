"""What came of one upload or download, told as verbs tell it: in a line, or with ``-o json`` as one object."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from kvtui.actions.items import State
from kvtui.backends.warned import hearing
from kvtui.cli.confirming import print_lines
from kvtui.cli.output import name_object, printing
from kvtui.errors import KvtuiError
from kvtui.model import Ref
from kvtui.text import clean_line


class Outcome:
    """One transfer, until it is told how it ended; told once."""

    def __init__(self, options: Namespace, action: str) -> None:
        self._options = options
        self._action = action
        self._begun = time.monotonic()
        self._ref: Ref | None = None
        self._is_told = False
        self._warnings: list[str] = []

    @property
    def begun(self) -> bool:
        """Whether anything was asked of an object."""
        return self._ref is not None

    def begin(self, ref: Ref) -> None:
        """From now on something is sent to the object, or asked of it."""
        self._begun = time.monotonic()
        self._ref = ref

    def identify(self, uid: str) -> None:
        """The uid of the object, as soon as it has one."""
        if self._ref is not None and uid:
            self._ref = self._ref._replace(uid=uid)

    def note(self, words: str) -> None:
        """What was said on standard error, for the JSON."""
        self._warnings.append(clean_line(words))

    def warn(self, words: str) -> None:
        """What belongs on standard error, and in the JSON."""
        self.note(words)
        print_lines([f"kvtui: {words}"])

    @contextmanager
    def hearing(self, clear: Callable[[], None]) -> Iterator[None]:
        """What the server warns of meanwhile is told in the end, after `clear`."""
        heard: list[str] = []
        try:
            with hearing(heard):
                yield
        finally:
            clear()
            for words in heard:
                self.warn(f"the server warns: {words}")

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Errors go on, and are told in JSON too."""
        try:
            yield
        except KvtuiError as error:
            if self._ref is None:
                self._print((), str(error))
            else:
                self.end(State.FAILED, str(error), error=str(error))
            raise

    def end(
        self, state: State, words: str, *, line: str = "", error: str = "", made: bool = False, **more: object
    ) -> None:
        """How it ended; `line` is what is printed as text, nothing when empty, `error` why it ended before its time,
        and `made` whether the object is there now.
        """
        if self._options.output == "json":
            if self._ref is None:
                self._print([], words)
            else:
                self._print([self._describe(self._ref, state, words, more, made=made)], error)
        elif line:
            with printing():
                sys.stdout.write(f"{clean_line(line)}\n")

    def _describe(
        self, ref: Ref, state: State, words: str, more: dict[str, object], *, made: bool
    ) -> dict[str, object]:
        return {
            "backend": ref.backend,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
            "state": state.value,
            "words": clean_line(words),
            "made": name_object(ref) if made else None,
            "target": None,
            "seconds": round(time.monotonic() - self._begun, 3),
            **more,
        }

    def _print(self, items: Sequence[dict[str, object]], error: str = "") -> None:
        if self._options.output != "json" or self._is_told:
            return
        self._is_told = True
        told = {
            "verb": self._options.command,
            "action": self._action,
            "dry_run": self._options.dry_run,
            "waited": not self._options.dry_run,
            "error": error,
            "warnings": self._warnings,
            "counts": {str(item["state"]): 1 for item in items},
            "items": items,
        }
        with printing():
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
