"""Files for what consoles said: names that tell them apart, nothing overwritten, for their owner's eyes alone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kvtui.text import clean_line

_NAME_LIMIT: Final = 200
_UNSAFE_NAME: Final = re.compile(r"[^A-Za-z0-9.-]+")


def create(path: Path) -> int:
    """The descriptor of a new file to write to. Raises FileExistsError, or OSError when it cannot be made."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def new_paths(folder: Path, names: Sequence[str], suffix: str, now: float) -> Iterator[Path]:
    """Paths in `folder`, which is made where it is missing, to be tried in this order until one does not exist yet.

    They are made of `names` (backend, namespace, name) and the time in UTC. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = f"{_file_name(names)}_{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    yield folder / f"{stem}{suffix}"
    again = 2
    while True:
        yield folder / f"{stem}_{again}{suffix}"
        again += 1


def open_new(folder: Path, names: Sequence[str], suffix: str, now: float) -> tuple[Path, int]:
    """A new file under the first of `new_paths` that is free: its path and its descriptor. Raises OSError."""
    for path in new_paths(folder, names, suffix, now):
        with suppress(FileExistsError):
            return path, create(path)
    raise AssertionError("the paths do not end")


def short_path(path: Path) -> str:
    """The path as people write it, harmless and in one line."""
    home = Path.home()
    return clean_line(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path))


def _file_name(names: Sequence[str]) -> str:
    """The names as a part of a file name: letters, digits, dots within and dashes, nothing that leads elsewhere."""
    safe = (_UNSAFE_NAME.sub("-", name).strip(".-") for name in names)
    return "_".join(name for name in safe if name)[:_NAME_LIMIT] or "console"
