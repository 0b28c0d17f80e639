"""Consoles that are recorded: all of them with a folder in the settings, or one when the user says so."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from kvtui.config import ConsoleSettings, Settings
from kvtui.console.recording import Marker, Output, Recording
from kvtui.ui.consoles.recordings import toggle_recording
from kvtui.ui.consoles.terminal import Terminal
from tests.console.test_transcript import file_limit
from tests.ui.backend import NAME, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import open_console, sees, status, until


def recording_to(folder: Path) -> Settings:
    return Settings(console=ConsoleSettings(record=str(folder)))


def output_of(path: Path) -> bytes:
    with Recording(path) as recording:
        return b"".join(event.data for event in recording.events() if isinstance(event, Output))


def remove_recordings(folder: Path) -> None:
    for path in folder.glob("*.cast"):
        path.unlink()


def toggle(screen: Screen) -> None:
    channel, terminal = screen.main.consoles.current, screen.main.consoles.shown
    assert channel is not None
    assert isinstance(terminal, Terminal)
    pane = screen.main.consoles
    toggle_recording(terminal.session, channel, screen.app.settings.console, pane, pane.label(channel))


async def test_every_console_is_recorded_when_a_folder_is_named(stage: Stage, show: Show, tmp_path: Path) -> None:
    async with show(stage, settings=recording_to(tmp_path / "casts")) as screen:
        line = await open_console(screen, stage)
        line.say(b"web login: \xff")
        await until(screen, sees(screen, "web login:"))
        await screen.press(*"secret")
        await until(screen, lambda: line.written == b"secret")
        assert status(screen).startswith(" REC  Connected.")
        await until(screen, sees(screen, "recorded to"))
        (path,) = (tmp_path / "casts").iterdir()
        assert path.name.startswith(f"{NAME}_shop_dv-1_2")
    # The program has ended, and nobody closed the console.
    assert output_of(path) == b"web login: \xff"
    assert "secret" not in path.read_text()
    with Recording(path) as recording:
        assert recording.header.title == f"{NAME}/shop/dv-1"
        assert [event.label for event in recording.events() if isinstance(event, Marker)][:2] == [
            "Connecting.", "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c.",
        ]  # fmt: skip


async def test_nothing_is_recorded_unless_someone_says_so(stage: Stage, show: Show, tmp_path: Path) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        line.say(b"before ")
        await until(screen, sees(screen, "before"))
        assert "REC" not in status(screen)
        toggle(screen)
        await until(screen, lambda: status(screen).startswith(" REC  "))
        line.say(b"while ")
        await until(screen, sees(screen, "while"))
        toggle(screen)
        await until(screen, lambda: "REC" not in status(screen))
        await until(screen, sees(screen, "see it with: kvtui replay"))
        line.say(b"after ")
        await until(screen, sees(screen, "after"))
    (path,) = (tmp_path / "state" / "kvtui" / "recordings").iterdir()
    assert output_of(path) == b"while "


async def test_a_folder_that_cannot_be_does_not_keep_the_console_shut(stage: Stage, show: Show, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with show(stage, settings=recording_to(tmp_path / "file")) as screen:
        await open_console(screen, stage)
        await until(screen, sees(screen, "nothing is recorded"))
        assert "REC" not in status(screen)


async def test_a_disk_without_room_is_told_and_no_recording_is_claimed(
    stage: Stage, show: Show, tmp_path: Path
) -> None:
    async with show(stage) as screen:
        await open_console(screen, stage)
        with file_limit(0):
            toggle(screen)
        await until(screen, sees(screen, "nothing is recorded"))
        await until(screen, sees(screen, os.strerror(errno.EFBIG)))
        assert "recorded to" not in screen.text
        assert "REC" not in status(screen)
    assert not list((tmp_path / "state" / "kvtui" / "recordings").iterdir())


async def test_a_recording_that_breaks_off_is_told_and_the_console_goes_on(
    stage: Stage, show: Show, tmp_path: Path
) -> None:
    async with show(stage, settings=recording_to(tmp_path)) as screen:
        line = await open_console(screen, stage)
        remove_recordings(tmp_path)
        line.say(b"one ")
        await until(screen, lambda: status(screen).startswith(" REC FAILED  "))
        await until(screen, sees(screen, "the file was removed"))
        line.say(b"two")
        await until(screen, sees(screen, "one two"))


async def test_a_recording_that_breaks_off_while_the_program_ends_is_no_fault(
    stage: Stage, show: Show, tmp_path: Path
) -> None:
    async with show(stage, settings=recording_to(tmp_path)) as screen:
        line = await open_console(screen, stage)
        line.say(b"one ")
        await until(screen, sees(screen, "one"))
        remove_recordings(tmp_path)
        line.say(b"two ")
        await until(screen, sees(screen, "two"))
