"""``kvtui audit``, on a log that was written as the program writes it."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from kvtui.audit import Act, AuditLog, chosen
from kvtui.cli import main
from kvtui.cli.audit import read_since
from kvtui.config import state_dir
from kvtui.model import Platform, Ref

VM = Ref("prod", "VirtualMachine", "shop", "web-1", "u1")
HOST = Ref("kvm-a", "Domain", "", "mail", "u2")


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditLog:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ada")
    log = AuditLog(state_dir() / "audit.jsonl")
    stop = Act("stop", VM, "system:admin", Platform.KUBERNETES)
    log.write(stop, "asked")
    log.write(stop, "refused", "VM is not running")
    log.write(Act("console", HOST, "root", Platform.LIBVIRT), "accepted")
    log.write(Act("start", VM._replace(name="web-2"), "ada", Platform.KUBERNETES, dry_run=True), "asked")
    return log


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[list[str]], str]:
    code = main(["audit", *words])
    told = capsys.readouterr()
    return code, [[cell.strip() for cell in line.split("   ") if cell] for line in told.out.splitlines()], told.err


def test_each_act_is_one_row_with_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, rows, told = run(capsys)
    assert code == 0
    assert not told
    assert [row[1:] for row in rows] == [
        ["USER", "AS", "BACKEND", "VERB", "OBJECT", "RESULT", "WORDS"],
        ["ada", "system:admin", "prod", "stop", "VirtualMachine shop/web-1", "refused", "VM is not running"],
        ["ada", "root", "kvm-a", "console", "Domain mail", "accepted"],
        ["ada", "ada", "prod", "start", "VirtualMachine shop/web-2", "unknown, tried only", "no answer was logged"],
    ]


@pytest.mark.parametrize(
    ("words", "verbs"),
    [
        (["web-1"], ["stop"]),
        (["shop/web-2", "mail"], ["console", "start"]),
        (["--context", "prod"], ["stop", "start"]),
        (["--host", "kvm-a"], ["console"]),
        (["-n", "shop", "web-1"], ["stop"]),
        (["--verb", "st"], ["stop", "start"]),
        (["--since", "1h", "mail"], ["console"]),
    ],
)
def test_what_is_named_is_shown(capsys: pytest.CaptureFixture[str], words: list[str], verbs: list[str]) -> None:
    _, rows, _ = run(capsys, *words)
    assert [row[4] for row in rows[1:]] == verbs


@pytest.mark.parametrize("text", ["force-stop", "vm.kill", "within 0"])
def test_an_action_is_found_by_its_word_its_id_and_what_was_sent(
    capsys: pytest.CaptureFixture[str], log: AuditLog, text: str
) -> None:
    with chosen("vm.kill", "force-stop"):
        log.write(Act("stop within 0 s", VM, "ada", Platform.KUBERNETES), "accepted")
    _, rows, _ = run(capsys, "--verb", text)
    assert [row[4] for row in rows[1:]] == ["force-stop: stop within 0 s"]


def test_a_word_that_says_the_same_as_the_verb_is_not_said_twice(
    capsys: pytest.CaptureFixture[str], log: AuditLog
) -> None:
    with chosen("vm.memory", "set-memory"):
        log.write(Act("set memory 4096Mi", VM, "ada", Platform.KUBERNETES), "accepted")
    _, rows, _ = run(capsys, "--verb", "set-memory")
    assert [row[4] for row in rows[1:]] == ["set memory 4096Mi"]


LONG = VM._replace(name="postgres-primary-with-quite-a-long-name-root-2")
SECRET = "set password of Administrator for winfile-with-a-long-name-1"


def test_nothing_is_cut_in_a_pipe(capsys: pytest.CaptureFixture[str], log: AuditLog) -> None:
    log.write(Act(SECRET, LONG, "ada", Platform.KUBERNETES), "accepted")
    _, rows, _ = run(capsys)
    assert rows[-1][4:6] == [SECRET, f"VirtualMachine {LONG.path}"]


@pytest.mark.parametrize("columns", [132, 300])
def test_on_a_terminal_a_long_name_stands_out_whole_and_the_others_keep_to_their_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log: AuditLog, columns: int
) -> None:
    log.write(Act(SECRET, LONG, "ada", Platform.KUBERNETES), "accepted")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    main(["audit"])
    title, *rows = capsys.readouterr().out.splitlines()
    assert f"{SECRET}   VirtualMachine {LONG.path}   accepted" in rows[-1]
    assert rows[1].endswith("Domain mail".ljust(rows[1].index("accepted") - rows[1].index("Domain")) + "accepted")
    assert title.index("RESULT") == rows[1].index("accepted") <= columns


def test_json_has_the_lines_as_they_are(capsys: pytest.CaptureFixture[str], log: AuditLog) -> None:
    assert main(["audit", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [json.loads(line) for line in log.path.read_text().splitlines()]


def test_a_broken_line_is_told_behind_what_can_be_read(capsys: pytest.CaptureFixture[str], log: AuditLog) -> None:
    with log.path.open("a") as file:
        file.write("half a li\n")
    code, rows, told = run(capsys)
    assert (code, len(rows)) == (1, 4)
    assert told == f"kvtui audit: line 5 of {log.path} cannot be read\n"


def test_an_empty_log_is_said(capsys: pytest.CaptureFixture[str], log: AuditLog) -> None:
    log.path.unlink()
    assert run(capsys) == (0, [], "kvtui audit: nothing is in the log, or nothing of that\n")
    assert main(["audit", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str], log: AuditLog) -> None:
    log.write(Act("stop", VM, "ada", Platform.KUBERNETES), "refused", "\x1b[2J\nbad")
    main(["audit", "-o", "json"])
    main(["audit"])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 92_800.0), ("1w", 0.0), ("90s", 99_910.0), ("1970-01-02T00:00:00Z", 86_400.0), ("1970-01-02", 86_400.0)],
)
def test_since_is_a_span_or_a_time(text: str, seconds: float) -> None:
    assert read_since(text, lambda: 100_000.0) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 hours", "yesterday", "-2h"])
def test_other_times_are_refused_with_examples(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="2h, 3d"):
        read_since(text)
