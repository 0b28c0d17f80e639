"""Standard output and standard error as they may come: closed, full, a pipe that nobody reads, of few characters."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kvtui.errors import KvtuiError
from kvtui.model import Ref


def prepare_streams() -> None:
    """Replace what the streams cannot spell, and let complaints go nowhere when standard error is closed.

    Raises KvtuiError when standard output is closed: the next file or connection would be in its place.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - open until the end
    if sys.stdout is None:
        raise KvtuiError("standard output is closed", hint="send it to /dev/null to do without it")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


@contextmanager
def printing() -> Iterator[None]:
    """What is printed inside is out at the end. Raises KvtuiError when it cannot be, BrokenPipeError when nobody reads.

    After either, standard output is /dev/null: Python would complain again when it flushes at exit.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        _discard_output()
        if isinstance(error, BrokenPipeError):
            raise
        raise KvtuiError("standard output cannot be written", error.strerror or str(error)) from error


def _discard_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(io.UnsupportedOperation):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def name_object(ref: Ref) -> dict[str, str]:
    """An object, in JSON that is printed."""
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": ref.uid}
