"""A secret that an action asks for: how it is given on the command line, and where it must never be seen."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvtui.cli import codes
from kvtui.cli.arguments import parse_arguments
from kvtui.cli.fields import tell_answers
from kvtui.resources.form import Draft, Form, Text
from tests.actions.conftest import Run

PASSWORD = " correct horse=battery "
VM = "erp/winfile-1"
PRIVATE_KEY = """\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQy=
QyNTUxOQAAACDJWLRYtfrP09xj8SVwQXQXj1anCiilXH46VznlurC9+QAAAJBNj2RDTY9k
-----END OPENSSH PRIVATE KEY-----
"""
SET = ("set-password", VM, "--user", "builder")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\nand nothing of this line\n", encoding="utf-8")
    return path


def assert_unseen(tmp_path: Path, told: tuple[int, str, str], log: str) -> None:
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    texts = [*told[1:], log, *(path.read_text(encoding="utf-8", errors="replace") for path in written)]
    assert not [text for text in texts if PASSWORD.strip() in text or encoded in text]


@pytest.mark.parametrize("dashed", [True, False])
def test_a_password_comes_out_of_a_file_or_of_standard_input(
    run: Run,
    file: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    dashed: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    told = run(*SET, "--password-file", "-" if dashed else str(file), "--yes", "-o", "json")
    assert told[0] == codes.OK, told
    assert [item["state"] for item in json.loads(told[1])["items"]] == ["accepted"], "the guest has not taken it yet"
    assert "set password of builder for winfile-1" in (tmp_path / "state/kvtui/audit.jsonl").read_text()
    assert_unseen(tmp_path, told, caplog.text)


def test_the_secret_of_the_vm_holds_the_password_as_it_was_given(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    async def patch(_self: object, _ref: object, change: Any, **_how: object) -> None:
        sent.append(change)

    monkeypatch.setattr("kvtui.backends.kubernetes.client.KubernetesBackend.patch", patch)
    assert run(*SET, "--password-file", str(file), "--yes")[0] == codes.OK
    assert sent == [{"data": {"builder": base64.b64encode(PASSWORD.encode()).decode()}}]


@pytest.mark.parametrize("words", [("--password", "hunter2"), ("--password=hunter2",), ("--set", "password=hunter2")])
def test_a_password_among_the_words_is_refused(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    code, out, err = run(*SET, *words, "--yes")
    assert (code, out) == (2, "")
    assert "--password is not taken from the command line" in err
    assert "--password-file FILE" in err
    assert "hunter2" not in err
    assert not (tmp_path / "state/kvtui/audit.jsonl").exists()


def test_a_password_is_typed_twice_on_the_terminal_and_not_echoed(
    run: Run, type_answer: Callable[[str], None], tmp_path: Path
) -> None:
    type_answer("hunter2")
    type_answer("hunter2")
    type_answer("y")
    code, out, err = run(*SET)
    assert code == codes.OK, err
    assert "password: (not shown)" in err
    assert "hunter2" not in out + err


def test_two_passwords_that_differ_set_none(run: Run, type_answer: Callable[[str], None], tmp_path: Path) -> None:
    type_answer("hunter2")
    type_answer("hunter3")
    code, _, err = run(*SET, "--yes")
    assert code == 2
    assert "the password was typed twice, and not alike" in err
    assert not (tmp_path / "state/kvtui/audit.jsonl").exists()


def test_without_a_terminal_it_is_said_how_to_give_a_password(run: Run) -> None:
    code, _, err = run(*SET, "--yes")
    assert code == 2
    assert "no password was given: there is no terminal to ask on" in err
    assert "--password-file FILE" in err


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"\n", "is empty"), (b"\xff\xfe\n", "is no text"), (b"a\tb\n", "nobody can type")],
)
def test_a_file_without_a_password_sets_none(run: Run, tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    code, _, err = run(*SET, "--password-file", str(path), "--yes")
    assert code == 2
    assert words in err


@pytest.mark.parametrize(
    "words",
    [
        ("--password-file", "hunter2!"),
        ("--password-file=hunter2!",),
        ("--set", "hunter2!"),
        ("--password-file", __file__, "--hunter2!"),
        ("--password-file", __file__, "--hunter2! and more"),
    ],
)
def test_a_password_that_got_into_a_wrong_place_is_not_repeated(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run(*SET, *words, "--yes")
    assert (code, out) == (2, "")
    assert "hunter2" not in err


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("before", [("--key",), ("--set",), ("--set", "key"), ()])
@pytest.mark.parametrize("command", [("add-ssh-key", VM), ("stop", VM), ("get", "vms"), ("why",), ()])
def test_a_private_key_among_the_words_is_called_so_and_not_repeated(
    run: Run, tmp_path: Path, command: tuple[str, ...], before: tuple[str, ...], quoted: bool
) -> None:
    code, out, err = run(*command, *before, *([PRIVATE_KEY] if quoted else PRIVATE_KEY.split()), "--yes")
    assert (code, out) == (2, "")
    assert "a private key was given" in err
    assert "a public one is in the file that ends in .pub" in err
    assert not [part for part in PRIVATE_KEY.split() if part in err and part not in ("PRIVATE", "KEY-----")]
    assert not (tmp_path / "state/kvtui/audit.jsonl").exists()


def test_a_private_key_given_with_an_equals_sign_is_not_repeated(run: Run) -> None:
    for words in ([f"--key={PRIVATE_KEY}"], ["--set", f"key={PRIVATE_KEY}"], [PRIVATE_KEY.splitlines()[1]]):
        code, out, err = run("add-ssh-key", VM, *words, "--yes")
        assert (code, out) == (2, "")
        assert "a private key was given" in err
        assert "b3BlbnNz" not in err


@pytest.mark.parametrize(
    "words", [(PRIVATE_KEY,), (VM, PRIVATE_KEY), (VM, "-i", PRIVATE_KEY), (VM, f"--identity={PRIVATE_KEY}", "true")]
)
def test_a_private_key_instead_of_the_name_of_its_file_is_not_repeated(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run("ssh", *words)
    assert (code, out) == (2, "")
    assert "a private key was given" in err
    assert "b3BlbnNz" not in err


def test_a_command_of_a_guest_may_hold_a_private_key() -> None:
    command = f"cat > key <<EOF\n{PRIVATE_KEY}EOF"
    assert parse_arguments(["ssh", VM, "--", command]).remote == [command]


def test_the_list_of_fields_names_the_file_and_no_option_for_the_password_itself(run: Run) -> None:
    code, out, _ = run(*SET[:2], "--fields")
    assert code == codes.OK
    assert "--password-file FILE   password" in out
    assert "--password VALUE" not in out


def test_what_was_answered_is_told_without_the_secret() -> None:
    draft = Draft(Form("f", (Text("password", "password", secret=True), Text("user", "user"))))
    draft.put("password", "hunter2")
    draft.put("user", "root")
    assert tell_answers(draft) == ["password: (not shown)", "user: root"]
