"""``kvtui replay`` on the command line: text and figures without a terminal, sentences for what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kvtui.cli import main
from kvtui.cli.arguments import parse_arguments
from kvtui.cli.connecting import read_settings

Events = Sequence[tuple[float, str, str]]


def write(folder: Path, events: Events, *, columns: int = 20, lines: int = 4, **more: object) -> str:
    path = folder / "some.cast"
    header = {"version": 2, "width": columns, "height": lines, **more}
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, *events)))
    return str(path)


def text_of(path: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["replay", path, "--text"]) == 0
    return capsys.readouterr().out.splitlines()


# Text ---------------------------------------------------------------------------------------------------------------


def test_text_is_what_was_said_in_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "".join(f"\x1b[3{number % 8}mline\x1b[0m {number}\r\n" for number in range(300)) + "login: "
    assert text_of(write(tmp_path, [(1.0, "o", said)]), capsys) == [f"line {n}" for n in range(300)] + ["login:"]


def test_a_line_that_was_too_long_for_the_terminal_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "".join(f"{number} " for number in range(100)).rstrip()
    wide = "x" + "日本語" * 20
    path = write(tmp_path, [(1.0, "o", f"{long}\r\nshort\r\n{wide}\r\n{long}")])
    assert text_of(path, capsys) == [long, "short", wide, long]


def test_a_progress_that_was_drawn_over_stands_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [(at / 10, "o", f"\r{at} %") for at in range(101)]
    assert text_of(write(tmp_path, [*events, (20.0, "o", "\r\ndone\r\n")]), capsys) == ["100 %", "done"]


def test_what_was_cleared_is_not_lost_and_resizes_read_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [
        (1.0, "o", "".join(f"{number}\r\n" for number in range(10))),
        (2.0, "r", "30x9"),
        (3.0, "o", "\x1b[2J\x1b[Hafter\r\n"),
        (4.0, "r", "10x2"),
        (5.0, "o", "end"),
    ]
    lines = text_of(write(tmp_path, events), capsys)
    assert [line for line in lines if line] == [*map(str, range(10)), "after", "end"]


def test_text_cannot_act_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [(1.0, "o", "a\x1b]0;x\x07\x1b[6n\x9b2Jb\u202e\x08\x7fc")])
    assert main(["replay", path, "--text"]) == 0
    assert all(character.isprintable() or character == "\n" for character in capsys.readouterr().out)


def test_text_until_a_broken_line_is_printed_and_said_to_be_a_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, [(1.0, "o", "before"), (2.0, "r", "x"), (3.0, "o", "after")])
    assert main(["replay", path, "--text"]) == 1
    out, err = capsys.readouterr()
    assert out == "before\n"
    assert f"{path}: line 3 has a size" in err
    assert "what stands before it is printed" in err


def test_a_reader_that_has_gone_is_no_fault(tmp_path: Path) -> None:
    path = write(tmp_path, [(1.0, "o", "line\r\n" * 200_000)])
    command = f"{sys.executable} -m kvtui replay {path} --text | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("line\n", "")


# Figures ------------------------------------------------------------------------------------------------------------


def test_info_tells_whose_how_long_and_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [(0.5, "m", "Connected."), (1.0, "o", "x" * 2048), (3661.25, "m", "Taken over by another user.")]
    path = write(tmp_path, events, timestamp=1_795_572_847, title="prod/shop/db-2\x1b[31m")
    assert main(["replay", path, "--info"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "title     prod/shop/db-2\ufffd[31m",
        "format    asciicast 2",
        "began     2026-11-25 02:14:07Z",
        "duration  1:01:01.250",
        "terminal  20x4",
        "output    2KiB in 3 events",
        "file      2.2KiB",
        "markers   2",
        "  0:00:00.500  Connected.",
        "  1:01:01.250  Taken over by another user.",
    ]


def test_info_on_a_file_that_was_cut_off_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [(1.0, "o", "x")])
    with Path(path).open("a") as file:
        file.write('[2.0, "o", "ha')
    assert main(["replay", path, "--info"]) == 1
    out, err = capsys.readouterr()
    assert "in 1 events" in out
    assert f"{path} was cut off within line 3" in err


# Recording ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "folder"), [([], "/from/file"), (["--record", "here"], "here"), (["demo", "--record", "here"], "here")]
)
def test_the_folder_of_the_command_line_goes_before_that_of_the_configuration(
    tmp_path: Path, words: list[str], folder: str
) -> None:
    (tmp_path / "config.toml").write_text('[console]\nrecord = "/from/file"\n')
    options = parse_arguments([*words, "--config", str(tmp_path / "config.toml")])
    assert read_settings(options).console.record == folder


# What cannot be -----------------------------------------------------------------------------------------------------


def test_what_is_no_recording_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    for arguments in (["--text"], ["--info"], []):
        assert main(["replay", str(tmp_path / "notes.txt"), *arguments]) == 1
        assert "notes.txt is no recording" in capsys.readouterr().err


def test_without_a_terminal_the_way_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", write(tmp_path, [(1.0, "o", "x")])]) == 1
    assert "--text" in capsys.readouterr().err


def test_a_pipe_is_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kvtui", "replay", "/dev/stdin", "--text"],
        input="{}", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, "/dev/stdin is no file" in done.stderr) == (1, True)


@pytest.mark.parametrize("speed", ["0.2", "17", "nan", "fast", "-1"])
def test_a_speed_that_cannot_be_is_named(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["replay", "x.cast", f"--speed={speed}"])
    assert caught.value.code == 2
    assert "--speed" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "limit"), [(None, None), ("0", 0.0), ("off", 0.0), ("0.5", 0.5)])
def test_limits_of_pauses(given: str | None, limit: float | None) -> None:
    words = [] if given is None else ["--idle-limit", given]
    assert parse_arguments(["replay", "x.cast", *words]).idle_limit == limit


def test_neither_textual_nor_a_backend_is_loaded_for_text(tmp_path: Path) -> None:
    path = write(tmp_path, [(1.0, "o", "x")])
    code = (
        "import sys; from kvtui.cli import main; main(['replay', sys.argv[1], '--text']); "
        "print(*[name for name in ('textual', 'rich', 'kubernetes', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "x\n\n"
