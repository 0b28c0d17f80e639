"""Texts that the user edits in an editor of their own: edited again when they are refused, and never lost."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import unified_diff
from pathlib import Path
from typing import Final, Protocol

from kvtui.config import state_dir
from kvtui.errors import ChangedError, KvtuiError
from kvtui.text import clean

_NOTES: Final = {
    ".xml": re.compile(r"\A\s*<!--\nkvtui: .*?\n-->\n", re.DOTALL),
    ".yaml": re.compile(r"\A\s*# kvtui: .*\n(?:#.*\n)*"),
}
"""What we write above a text that was refused."""
_COUNTER: Final = re.compile(r"  (?:resourceVersion|generation): ")
_LIMIT: Final = 1_000_000
"""Characters of a text that is taken back from an editor."""


class Editor(Protocol):
    """Lets the user edit a file."""

    async def edit(self, path: Path) -> None:
        """Returns when the editor has ended. Raises KvtuiError when there is none, or it failed."""


async def edit_text(editor: Editor, name: str, before: str, write: Callable[[str, str], Awaitable[None]]) -> str:
    """Have a text edited and written, as often as it is refused; what came of it, in a clause.

    What is refused stands above the text when it is edited again, what somebody else changed meanwhile as a diff.
    Who leaves the text as it is gives up, and it is kept in a file. `write` gets the text and what it was before.
    Where the editor fails or the program ends, nothing is written, and what was saved is kept. Raises KvtuiError.
    """
    original, text, note, suffix = before, before, "", _suffix(before)
    conflict = ""
    with tempfile.TemporaryDirectory(prefix="kvtui-") as folder:
        path = Path(folder) / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name).lstrip('.') or 'vm'}{suffix}"
        while True:
            shown = note + text
            path.touch(mode=0o600)
            path.write_text(shown, encoding="utf-8")
            try:
                await editor.edit(path)
            except (KvtuiError, asyncio.CancelledError) as error:
                saved = _NOTES[suffix].sub("", _read(path))
                if not saved.strip() or saved == original:
                    raise
                where = _keep(name, saved, suffix)
                if isinstance(error, KvtuiError):
                    raise KvtuiError(error.title, error.detail, f"what was saved is kept in {where}") from error
                raise
            edited = _read(path)
            stripped = _NOTES[suffix].sub("", edited)
            if not stripped.strip() or edited == shown:
                if not note:
                    return "nothing was changed"
                return f"given up{conflict}; your text is kept in {_keep(name, text, suffix)}"
            text = stripped
            try:
                await write(text, before)
            except ChangedError as error:
                note = _describe(suffix, error, "".join(_compare(before, error.found)))
                before, conflict = error.found, ", for somebody changed it meanwhile and nothing was stored"
            except KvtuiError as error:
                note, conflict = _describe(suffix, error), ""
            else:
                return "stored; what runs gets it with the next start" if suffix == ".xml" else "stored"


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LIMIT)
    except OSError:
        return ""


def _suffix(text: str) -> str:
    """Definitions of domains are XML, objects of Kubernetes YAML."""
    return ".xml" if text.lstrip().startswith("<") else ".yaml"


def _describe(suffix: str, error: KvtuiError, diff: str = "") -> str:
    """What went wrong, as a comment."""
    lines = [f"kvtui: {error}"]
    if diff:
        lines += ["What somebody else changed (- before, + now); if you save again, your text takes its place:", diff]
    lines.append("Change the text and save to try again; leave it as it is to give up.")
    if suffix == ".yaml":
        return "".join(f"# {line}".rstrip() + "\n" for line in clean("\n".join(lines)).splitlines())
    # No comment of XML may contain two hyphens.
    body = re.sub("-(?=-)", "- ", clean("\n".join(lines)))
    return f"<!--\n{body}\n-->\n"


def _compare(before: str, now: str) -> Iterator[str]:
    for line in list(unified_diff(_drop_counters(before), _drop_counters(now), n=1, lineterm=""))[2:]:
        yield f"{line}\n"


def _drop_counters(text: str) -> list[str]:
    """The lines, without those of an object's metadata that count its changes: nobody changed these."""
    return [line for line in text.splitlines() if not _COUNTER.match(line)]


def _keep(name: str, text: str, suffix: str) -> Path:
    """Where a text is kept that nobody took; only its owner can read it, for it may hold secrets."""
    folder = state_dir() / "edits"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".") or "vm"
    path = folder / f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path


async def run_editor(path: Path) -> None:
    """Run the user's editor on a file, in the terminal. Raises KvtuiError when there is none, or it failed."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(command), str(path))
    except (OSError, ValueError) as error:
        raise KvtuiError(f"the editor {command!r} cannot be run", str(error), "set EDITOR") from error
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        # The program ends, and the shell reads from the terminal next.
        with suppress(ProcessLookupError):
            process.terminate()
        raise
    if status:
        # Such as vi when its terminal is gone: nobody has said that the text is ready.
        how = f"status {status}" if status > 0 else f"signal {-status}"
        raise KvtuiError("the editor failed, nothing was written", f"{command} ended with {how}", "edit it again")


@contextmanager
def undisturbed() -> Iterator[None]:
    """An interrupt is the editor's, not ours."""
    # A function, not SIG_IGN, which the editor would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
