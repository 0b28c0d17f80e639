"""Sessions that are recorded: all that the guest sends, nothing that the user types, and what became of the line."""

from __future__ import annotations

from pathlib import Path

from kvtui.console.recording import Event, Marker, Output, Recording, Resize
from kvtui.console.transcript import create_transcript
from tests.console.test_session import CUT, Bench, bench, settle

__all__ = ["bench"]


def record(bench: Bench, folder: Path) -> Path:
    transcript = create_transcript(folder, ("prod", "shop", "db-2"), 80, 24)
    bench.session.record(transcript)
    return transcript.path


def events_of(path: Path) -> list[Event]:
    with Recording(path) as recording:
        return list(recording.events())


def output_of(path: Path) -> bytes:
    return b"".join(event.data for event in events_of(path) if isinstance(event, Output))


def markers_of(path: Path) -> list[str]:
    return [event.label for event in events_of(path) if isinstance(event, Marker)]


async def test_what_the_guest_sends_is_kept_before_it_is_shown(bench: Bench, tmp_path: Path) -> None:
    path = record(bench, tmp_path)
    await bench.open()
    flood = bytes(range(256)) * 1000
    bench.line.send(b"login: ", flood)
    await settle()
    await bench.session.stop()
    assert output_of(path) == b"login: " + flood
    assert bench.session.transcript is None


async def test_what_is_typed_is_not_kept(bench: Bench, tmp_path: Path) -> None:
    path = record(bench, tmp_path)
    await bench.open()
    bench.line.send(b"Password: ")
    await settle()
    bench.session.send(b"hunter2\r")
    bench.session.paste("hunter2")
    await settle()
    await bench.session.stop()
    assert b"".join(bench.line.written).startswith(b"hunter2\r")
    assert b"hunter2" not in path.read_bytes()


async def test_states_are_markers_and_the_recording_goes_on_after_a_cut(bench: Bench, tmp_path: Path) -> None:
    path = record(bench, tmp_path)
    await bench.open()
    bench.line.send(b"one", CUT)
    await settle()
    await bench.sleep.advance(10)
    bench.session.retake()
    await settle()
    bench.line.send(b"two")
    await settle()
    await bench.session.stop()
    assert output_of(path) == b"onetwo"
    assert markers_of(path) == [
        "Connecting.",
        "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c.",
        "Connected.",
        "The connection was cut; looking for the reason.",
        f"Taken over by another user at {bench.clock_words}.",
        "Connecting.",
        "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c.",
        "Connected.",
        "Closed.",
    ]


async def test_a_recording_may_begin_and_end_in_between(bench: Bench, tmp_path: Path) -> None:
    await bench.open()
    bench.line.send(b"before")
    await settle()
    path = record(bench, tmp_path)
    bench.line.send(b"while")
    await settle()
    bench.session.resize(100, 30)
    changes = bench.changes
    bench.session.stop_recording()
    assert bench.changes > changes
    bench.line.send(b"after")
    await settle()
    assert output_of(path) == b"while"
    assert markers_of(path) == ["Connected."]
    assert [event[1:] for event in events_of(path) if isinstance(event, Resize)] == [(100, 30)]


async def test_a_new_recording_ends_the_one_before(bench: Bench, tmp_path: Path) -> None:
    await bench.open()
    first, second = record(bench, tmp_path), record(bench, tmp_path)
    bench.line.send(b"x")
    await settle()
    bench.session.stop_recording()
    assert (output_of(first), output_of(second)) == (b"", b"x")


async def test_a_recording_that_fails_does_not_end_the_console(bench: Bench, tmp_path: Path) -> None:
    path = record(bench, tmp_path)
    await bench.open()
    path.unlink()
    assert bench.session.transcript is not None
    bench.session.transcript.flush()
    bench.line.send(b"on and on")
    await settle()
    assert bench.session.emulator.text()[0] == "on and on"
    assert bench.session.transcript.failure is not None
