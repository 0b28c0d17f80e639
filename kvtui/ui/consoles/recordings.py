"""Recording a console: where it goes, and what the user is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kvtui.config import ConsoleSettings, state_dir
from kvtui.console.files import short_path
from kvtui.console.session import Session
from kvtui.console.transcript import create_transcript
from kvtui.errors import KvtuiError
from kvtui.text import clean_line
from kvtui.ui.consoles.channels import Channel

if TYPE_CHECKING:
    from textual.widget import Widget


def toggle_recording(session: Session, channel: Channel, settings: ConsoleSettings, teller: Widget, title: str) -> None:
    """Record a session from now on, or end that; `teller` shows what came of it, below `title`."""
    if session.transcript is not None and session.transcript.is_open:
        end_recording(session, teller)
    else:
        begin_recording(session, channel, settings, teller, title)


def begin_recording(session: Session, channel: Channel, settings: ConsoleSettings, teller: Widget, title: str) -> None:
    """Record a session from now on into a new file of the folder that the settings name."""

    def tell_failure(error: KvtuiError) -> None:
        teller.notify(clean_line(str(error)), title=title, severity="error", timeout=15, markup=False)
        session.touch()

    if record(session, channel, settings, tell_failure) and session.transcript is not None:
        teller.notify(f"recorded to {short_path(session.transcript.path)}", title=title, markup=False)


def record(
    session: Session, channel: Channel, settings: ConsoleSettings, tell_failure: Callable[[KvtuiError], None]
) -> bool:
    """The same where there is no screen; whether it is recorded. `tell_failure` is told, then or later, why not."""
    emulator = session.emulator
    try:
        transcript = create_transcript(
            recordings_dir(settings), channel.names, emulator.columns, emulator.lines, failed=tell_failure
        )
    except KvtuiError as error:
        tell_failure(error)
        return False
    session.record(transcript)
    return True


def end_recording(session: Session, teller: Widget) -> None:
    """End the recording of a session, if there is one, and tell how to see it."""
    transcript = session.transcript
    session.stop_recording()
    if transcript is not None and transcript.failure is None:
        teller.notify(f"the recording has ended; see it with: kvtui replay {short_path(transcript.path)}", markup=False)


def describe_recording(session: Session) -> str:
    """What the status line says of it: nothing, that it goes on, or that it broke off."""
    if session.transcript is None:
        return ""
    return "REC" if session.transcript.is_open else "REC FAILED"


def recordings_dir(settings: ConsoleSettings) -> Path:
    """Where recordings go: the folder of the settings, else one beside the audit log."""
    return Path(settings.record).expanduser() if settings.record else state_dir() / "recordings"
