"""Recordings read back: those of asciinema, those that a crash cut off, and files that are none."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.recording import Event, Marker, Output, Recording, RecordingError, Resize

HEADER = '{"version": 2, "width": 80, "height": 24, "timestamp": 1504467315, "title": "Demo"}'
# The examples of docs.asciinema.org/manual/asciicast/v2/ and v3/.
V2 = f"""{HEADER}
[0.248848, "o", "\\u001b[1;31mHello \\u001b[32mWorld!\\u001b[0m\\n"]
[1.001376, "o", "That was ok\\rThis is better."]
[1.500000, "m", ""]
[2.143733, "o", "Now... "]
[4.050000, "r", "80x24"]
[6.541828, "o", "Bye!"]
"""
V3 = """{"version": 3, "term": {"cols": 80, "rows": 24, "type": "xterm-256color"}, "title": "Demo"}
# event stream follows the header
[0.248, "o", "Hello"]
[1.001, "i", "x"]
[3.500, "m", "Configuration"]
# terminal window resized to 90 cols and 30 rows
[2.050, "r", "90x30"]

[1.541, "o", "Bye!"]
[0.887, "x", "0"]
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.cast"
    path.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    return path


def events_of(path: Path) -> list[Event]:
    with Recording(path) as recording:
        return list(recording.events())


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        events_of(path)
    return str(caught.value)


# What asciinema writes ----------------------------------------------------------------------------------------------


def test_the_example_of_version_2(tmp_path: Path) -> None:
    path = write(tmp_path, V2)
    with Recording(path) as recording:
        assert recording.header == (2, 80, 24, 1504467315.0, "Demo", None)
        assert list(recording.events()) == [
            Output(0.248848, b"\x1b[1;31mHello \x1b[32mWorld!\x1b[0m\n"),
            Output(1.001376, b"That was ok\rThis is better."),
            Marker(1.5, ""),
            Output(2.143733, b"Now... "),
            Resize(4.05, 80, 24),
            Output(6.541828, b"Bye!"),
        ]
        assert not recording.trouble


def test_the_example_of_version_3_whose_times_count_from_the_event_before(tmp_path: Path) -> None:
    events = events_of(write(tmp_path, V3))
    assert [type(event) for event in events] == [Output, Marker, Resize, Output]
    assert [round(event.time, 3) for event in events] == [0.248, 4.749, 6.799, 8.34]


@pytest.mark.parametrize("text", [V2, V3])
def test_reading_goes_on_from_any_place(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with Recording(path) as recording:
        events, places = [], [recording.place]
        while (event := recording.read()) is not None:
            events.append(event)
            places.append(recording.place)
        for at in (3, 0, 4, 2, 1):
            recording.go(places[at])
            assert list(recording.events()) == events[at:]


def test_exact_bytes_are_read_from_a_place_too(tmp_path: Path) -> None:
    path = write(tmp_path, f'{HEADER}\n[0.5, "o", "a"]\n[1.0, "b", "/w=="]\n[1.0, "o", "\ufffd"]\n')
    with Recording(path) as recording:
        recording.read()
        place = recording.place
        assert recording.read() == Output(1.0, b"\xff")
        recording.go(place)
        assert recording.read() == Output(1.0, b"\xff")


def test_bytes_of_a_text_that_someone_edited_are_those_of_the_text(tmp_path: Path) -> None:
    path = write(tmp_path, f'{HEADER}\n[1.0, "b", "/w=="]\n[1.0, "o", "other words"]\n')
    assert events_of(path) == [Output(1.0, b"other words")]


def test_codes_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, f'{HEADER}\n[1.0, "z", {{"a": [1]}}]\n[1.5, "i", "secret"]\n[2.0, "o", "x"]\n')
    assert events_of(path) == [Output(2.0, b"x")]


# Files that a crash or a person left --------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ['[2.0, "o", "hal', "[", '[2.0, "o', "[2.0"])
def test_half_a_line_at_the_end_is_left_out_and_known(tmp_path: Path, rest: str) -> None:
    path = write(tmp_path, f'{HEADER}\n[1.0, "o", "x"]\n{rest}')
    with Recording(path) as recording:
        assert list(recording.events()) == [Output(1.0, b"x")]
        assert recording.trouble == f"{path} was cut off within line 3"


def test_times_that_fall_do_not_lead_back(tmp_path: Path) -> None:
    path = write(tmp_path, f'{HEADER}\n[5.0, "o", "x"]\n[1.0, "o", "y"]\n[-7, "o", "z"]\n')
    assert [event.time for event in events_of(path)] == [5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('[1.0, "o"]', "line 2 is no event"),
        ('{"a": 1}', "line 2 is no event"),
        ("no json", "line 2 is no event"),
        ('["1", "o", "x"]', "line 2 is no event"),
        ('[NaN, "o", "x"]', "line 2 is no event"),
        ('[1e999, "o", "x"]', "line 2"),
        ('[1e300, "o", "x"]', "line 2 has a time that cannot be"),
        ('[1.0, "o", 7]', "line 2 is no event"),
        ('[1.0, "o", "\\ud800"]', "line 2 is no event"),
        ('[1.0, "o", "\udcff"]', "line 2 is no event"),
        ('[1.0, "z", ' + "[" * 100_000 + "]" * 100_000 + "]", "line 2 is no event"),
        ('[1.0, "r", "80"]', "line 2 has a size that is not COLUMNSxLINES"),
        ('[1.0, "r", "-80x24"]', "line 2 has a size that is not COLUMNSxLINES"),
        ('[1.0, "r", "0x24"]', "line 2 has a terminal of 0 by 24"),
        ('[1.0, "r", "80x99999"]', "line 2 has a terminal of 80 by 99999"),
        ('[1.0, "r", "' + "9" * 5000 + 'x24"]', "line 2 has a size that is not COLUMNSxLINES"),
        ('[1.0, "b", "?"]', "line 2 has bytes that are not in base64"),
        ('[1.0, "b", "é"]', "line 2 has bytes that are not in base64"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path, f"{HEADER}\n{line}\n")
    said = refusal(path)
    assert f"{path}: {words}" in said
    assert len(said) < 500
    with Recording(path) as recording:
        with pytest.raises(RecordingError):
            recording.read()
        assert recording.trouble == said


@pytest.mark.parametrize(
    "first",
    [
        "",
        "\n",
        "no json",
        "[]",
        "{}",
        '{"version": 2, "width": "80", "height": 24}',
        '{"version": 2, "width": 80.5, "height": 24}',
        '{"version": 2, "width": ' + "9" * 4000 + ', "height": 24}',
        '{"version": 2, "width": 80, "height": 24, "title": 7}',
        '{"version": 2, "width": 80, "height": 24, "timestamp": NaN}',
        '{"env": ' + '{"a":' * 100_000 + "1" + "}" * 100_001,
        "\x7fELF\x00\x01\udcff",
    ],
)
def test_what_is_no_recording_is_said_to_be_none(tmp_path: Path, first: str) -> None:
    said = refusal(write(tmp_path, f"{first}\n"))
    assert f"{tmp_path / 'some.cast'} is no recording" in said
    assert "--record" in said


@pytest.mark.parametrize("size", [(0, 24), (80, -1), (80, 0), (1001, 24), (2**31 - 1, 2**31 - 1)])
def test_a_terminal_of_impossible_size_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    header = json.dumps({"version": 2, "width": size[0], "height": size[1]})
    assert f"line 1 has a terminal of {size[0]} by {size[1]}" in refusal(write(tmp_path, header))


@pytest.mark.parametrize("version", [1, 4, -2])
def test_another_version_is_named(tmp_path: Path, version: int) -> None:
    said = refusal(write(tmp_path, json.dumps({"version": version, "width": 80, "height": 24, "stdout": []})))
    assert f"is of version {version} of asciicast: 2 and 3 can be played" in said


def test_a_title_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    header = json.dumps({"version": 2, "width": 80, "height": 24, "title": "a\x1b]0;b\x07\u202ec\n" + "x" * 10_000})
    with Recording(write(tmp_path, header)) as recording:
        assert recording.header.title.startswith("a\ufffd]0;b\ufffd\ufffdc x")
        assert len(recording.header.title) <= 200


@pytest.mark.parametrize("timestamp", [1e300, -5, 253_402_300_800])
def test_a_time_before_or_after_all_times_is_none(tmp_path: Path, timestamp: float) -> None:
    header = json.dumps({"version": 2, "width": 80, "height": 24, "timestamp": timestamp})
    with Recording(write(tmp_path, header)) as recording:
        assert recording.header.timestamp is None


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n")
    os.truncate(path, 1024**3)
    tracemalloc.start()
    try:
        assert "line 2 is longer than 4 MiB" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "thing")
    begun = time.monotonic()
    assert f"{tmp_path / 'thing'}" in refusal(tmp_path / "thing")
    assert time.monotonic() - begun < 5


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.cast") == f"cannot read {tmp_path / 'none.cast'}: No such file or directory"


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_file_is_events_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, rest: bytes) -> None:
    path = write(tmp_path_factory.mktemp("casts"), HEADER.encode() + b"\n" + rest)
    with suppress(RecordingError):
        assert all(isinstance(event, Output | Resize | Marker) for event in events_of(path))
