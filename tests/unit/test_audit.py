from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from kvtui.audit import AuditLog
from kvtui.errors import BackendError
from kvtui.model import Ref

VM = Ref("prod", "VirtualMachine", "shop", "web-1", "u1")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_who_did_what_to_which_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("start", VM, "system:admin", "accepted")
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
    }


def test_the_words_of_a_refusal_stay_on_one_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("start", VM, "ada", "asked")
    log.write("start", VM, "ada", "refused", 'VM is already "running"\n\x1b[31mnow')
    assert [line["result"] for line in lines(log.path)] == ["asked", "refused"]
    assert lines(log.path)[1]["words"] == 'VM is already "running"\n\x1b[31mnow'
    assert b"\x1b" not in log.path.read_bytes()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "kvtui" / "audit.jsonl")
    log.write("start", VM, "ada", "asked")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.path.touch(mode=0o644)
    log.path.chmod(0o644)
    log.write("start", VM, "ada", "asked")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_half_a_line_is_an_error_and_leaves_the_next_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, line: write(handle, line[:20]))
        with pytest.raises(BackendError, match="nothing was done") as caught:
            log.write("start", VM, "ada", "asked")
    assert "only 20 of" in caught.value.detail
    log.write("start", VM, "ada", "asked")
    broken, whole = log.path.read_text().splitlines()
    assert len(broken) == 20
    assert json.loads(whole)["name"] == "web-1"


def test_several_programs_may_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write_many() -> None:
        for _ in range(50):
            AuditLog(path).write("stop", VM, "ada", "asked", "x" * 500)

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
        log.write("start", VM, "ada", "asked")
    assert str(log.path) in caught.value.title
    assert caught.value.detail
    assert caught.value.hint
