from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from kvtui.audit import Act, AuditLog, Entry
from kvtui.errors import BackendError
from kvtui.model import Platform, Ref

VM = Ref("prod", "VirtualMachine", "shop", "web-1", "u1")
START = Act("start", VM, "ada", Platform.KUBERNETES, id="a1")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_who_did_what_to_which_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(Act("start", VM, "system:admin", Platform.KUBERNETES, id="a1"), "accepted")
    [line] = lines(log.path)
    assert line.pop("time").endswith("Z")
    assert line == {
        "user": "ada",
        "backend": "prod",
        "account": "system:admin",
        "verb": "start",
        "kind": "VirtualMachine",
        "namespace": "shop",
        "name": "web-1",
        "uid": "u1",
        "result": "accepted",
        "platform": "kubernetes",
        "context": "prod",
        "act": "a1",
    }


def test_the_words_of_a_refusal_stay_on_one_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(START, "asked")
    log.write(START, "refused", 'VM is already "running"\n\x1b[31mnow')
    assert [line["result"] for line in lines(log.path)] == ["asked", "refused"]
    assert lines(log.path)[1]["words"] == 'VM is already "running"\n\x1b[31mnow'
    assert b"\x1b" not in log.path.read_bytes()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "kvtui" / "audit.jsonl")
    log.write(START, "asked")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.path.touch(mode=0o644)
    log.path.chmod(0o644)
    log.write(START, "asked")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_half_a_line_is_an_error_and_leaves_the_next_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, line: write(handle, line[:20]))
        with pytest.raises(BackendError, match="nothing was done") as caught:
            log.write(START, "asked")
    assert "only 20 of" in caught.value.detail
    log.write(START, "asked")
    broken, whole = log.path.read_text().splitlines()
    assert len(broken) == 20
    assert json.loads(whole)["name"] == "web-1"


def test_several_programs_may_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write_many() -> None:
        for _ in range(50):
            AuditLog(path).write(START, "asked", "x" * 500)

    writers = [threading.Thread(target=write_many) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(lines(path)) == 200


def test_an_action_that_cannot_be_logged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = AuditLog(tmp_path / "file" / "audit.jsonl")
    with pytest.raises(BackendError, match="nothing was done") as caught:
        log.write(START, "asked")
    assert str(log.path) in caught.value.title
    assert caught.value.detail
    assert caught.value.hint


# Files that are full, and reading them again -------------------------------------------------------------------------


def entries(log: AuditLog, since: float = 0.0) -> list[Entry]:
    return [entry for entry in log.read(since) if isinstance(entry, Entry)]


def test_a_full_file_is_kept_beside_the_new_one_and_read_before_it(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", size=1000)
    for number in range(20):
        log.write(START, "refused", f"{number} {'x' * 100}")
    assert [path.name for path in log.full_files[:2]] == ["audit.1.jsonl", "audit.2.jsonl"]
    assert log.full_files[1].exists()
    assert all(path.stat().st_size < 1500 for path in tmp_path.iterdir())
    assert stat.S_IMODE(log.full_files[0].stat().st_mode) == 0o600
    assert [entry.words.split()[0] for entry in entries(log)] == [str(number) for number in range(20)]


def test_of_many_full_files_the_latest_are_kept(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", size=1)
    for number in range(15):
        log.write(START, "refused", str(number))
    assert [entry.words for entry in entries(log)] == [str(number) for number in range(6, 15)]
    assert len(list(tmp_path.iterdir())) == 9


def test_no_line_is_lost_when_several_programs_fill_files_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write_many() -> None:
        for _ in range(50):
            AuditLog(path, size=10_000).write(START, "asked", "x" * 100)

    writers = [threading.Thread(target=write_many) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(entries(AuditLog(path))) == 200


def test_a_file_that_cannot_be_moved_on_goes_on_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    log = AuditLog(tmp_path / "audit.jsonl", size=1)
    monkeypatch.setattr(Path, "replace", refuse)
    for _ in range(3):
        log.write(START, "asked")
    assert len(lines(log.path)) == 3


def test_what_is_older_is_not_read(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    old = {"time": "2026-01-31T03:00:00Z"} | dict.fromkeys(Entry.__struct_fields__[1:11], "x")
    log.path.write_text("".join(json.dumps({**old, "time": f"2026-01-31T0{hour}:00:00Z"}) + "\n" for hour in (1, 3, 5)))
    since = 1769828400.0
    assert [entry.time for entry in entries(log, since)] == ["2026-01-31T03:00:00Z", "2026-01-31T05:00:00Z"]


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(START, "asked")
    with log.path.open("ab") as file:
        file.write(b'{"time": 1}\n\xff\n\n')
    log.write(START, "accepted")
    found = list(log.read())
    assert [entry.result for entry in found if isinstance(entry, Entry)] == ["asked", "accepted"]
    assert [words for words in found if isinstance(words, str)] == [
        f"line 2 of {log.path} cannot be read",
        f"line 3 of {log.path} cannot be read",
    ]
