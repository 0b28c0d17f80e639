"""The folders of the demo: made among the temporary files, and swept by a later demo when their owner was killed.

The owner holds a lock on a file in its folder, which ends with the process, however it ends. What bears no such file is
nobody's business here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "kvtui-demo-"
_LOCK: Final = ".owner"


@contextmanager
def make_folder() -> Iterator[Path]:
    """A folder of our own, gone at the end; before, those are swept whose owners are."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        owner = _own(folder)
        try:
            yield folder
        finally:
            os.close(owner)


def sweep() -> None:
    """Remove the folders of this user that a demo has left behind. Of trouble nothing is said: they are in no way."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                with suppress(OSError):
                    _sweep_one(Path(entry.path))


def _own(folder: Path) -> int:
    """Lock a new folder; the descriptor that holds the lock."""
    # Under another name until it is locked: a file that nobody has locked means a folder to sweep.
    begun = folder / f"{_LOCK}.new"
    owner = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    # Where the file system knows no locks nothing is ever swept.
    with suppress(OSError):
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        begun.rename(folder / _LOCK)
    return owner


def _sweep_one(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    owner = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(owner)
