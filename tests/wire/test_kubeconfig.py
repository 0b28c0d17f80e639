"""Kubeconfigs: found, merged as kubectl merges them, and clear words for broken ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes import kubefile
from kvtui.backends.kubernetes.client import connect, load_contexts
from kvtui.backends.kubernetes.kubeconfig import load_current_context, read_kubeconfig
from kvtui.errors import ConfigError

TWO = """
apiVersion: v1
kind: Config
current-context: prod
contexts:
- {name: lab, context: {cluster: lab, user: me}}
- {name: prod, context: {cluster: prod, user: me, namespace: shop}}
clusters:
- {name: prod, cluster: {server: "https://prod:6443"}}
- {name: lab, cluster: {server: "https://lab:6443"}}
users:
- {name: me, user: {token: very-secret}}
"""


def write(folder: Path, text: str, name: str = "config") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_contexts_the_current_one_first(tmp_path: Path) -> None:
    found = load_contexts(write(tmp_path, TWO))
    assert [(info.name, info.namespace, info.cluster, info.user, info.current) for info in found] == [
        ("prod", "shop", "prod", "me", True),
        ("lab", "", "lab", "me", False),
    ]


def test_several_files_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path, TWO, "first")
    other = TWO.replace("https://prod:6443", "https://evil").replace("current-context: prod", "current-context: lab")
    second = write(tmp_path, other + "- {name: third, user: {}}\n", "second")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/nowhere:{first}:{second}")
    merged = read_kubeconfig()
    assert merged.current == "prod"
    assert merged.clusters["prod"].value["server"] == "https://prod:6443"
    assert "third" in merged.users
    assert merged.users["third"].file.name == "second"


def test_the_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"\.kube/config does not exist.*kvtui demo"):
        load_contexts()
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube", TWO)
    assert load_contexts()[0].name == "prod"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "holds no mapping"),
        ("a: [", "not valid YAML"),
        ("contexts: {}\n", "has no contexts"),
        ("contexts: 7\n", "contexts is not a list"),
        ("contexts: [{context: {}}]\n", "entry 1 of contexts has no name"),
        ("contexts: [{name: a, context: 7}]\n", "'a' of contexts is not a mapping"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_contexts(file)
    assert file in str(caught.value)


def test_a_broken_line_is_named_and_not_quoted(tmp_path: Path) -> None:
    file = write(tmp_path, TWO.replace("very-secret}", "very-secret"))
    with pytest.raises(ConfigError, match="line 1") as caught:
        load_contexts(file)
    assert "very-secret" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_contexts(str(tmp_path / "config"))


@pytest.mark.parametrize(
    ("change", "context", "words"),
    [
        (("", ""), "nope", "no context 'nope' .*there are: lab, prod"),
        (("current-context: prod", ""), None, "names no current context.*--context"),
        (("- {name: prod, cluster", "- {name: other, cluster"), None, "names a cluster 'prod'"),
        (("- {name: me", "- {name: you"), None, "names a user 'me'"),
        (('{server: "https://prod:6443"}', "{}"), None, "has no server"),
    ],
)
def test_contexts_that_cannot_be(tmp_path: Path, change: tuple[str, str], context: str | None, words: str) -> None:
    file = write(tmp_path, TWO.replace(*change) if change[0] else TWO)
    with pytest.raises(ConfigError, match=words):
        connect(file, context, "", False, AuditLog(tmp_path / "audit"))


def test_no_other_context_is_taken_for_the_current_one(tmp_path: Path) -> None:
    assert load_current_context(write(tmp_path, TWO)).name == "prod"
    file = write(tmp_path, TWO.replace("current-context: prod", ""))
    with pytest.raises(ConfigError, match=r"names no current context.*lab, prod"):
        load_current_context(file)
    file = write(tmp_path, TWO.replace("current-context: prod", "current-context: gone"))
    with pytest.raises(ConfigError, match=r"no context 'gone' in .*lab, prod") as caught:
        load_current_context(file)
    assert file in str(caught.value)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TWO,))
    writer.start()
    name = load_current_context(str(pipe)).name
    writer.join()
    assert connect(str(pipe), name, "", False, AuditLog(tmp_path / "audit")).name == "prod"
    assert len(load_contexts(str(pipe))) == 2


def test_a_pipe_without_a_writer_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubefile, "_PATIENCE", 0.05)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="nobody writes to"):
        load_contexts(str(tmp_path / "pipe"))


def test_a_home_folder_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="~nouser/x is in a home folder"):
        load_contexts("~nouser/x")
    monkeypatch.setenv("KUBECONFIG", "~nouser/x")
    with pytest.raises(ConfigError, match="~nouser/x is in a home folder"):
        load_contexts()


def test_what_is_too_large_or_too_deep_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load_contexts(write(tmp_path, TWO + "#" * (4 << 20)))
    # In a process of its own: the parser would end it without a word.
    deep = write(tmp_path, "[" * 100_000)
    code = f"from kvtui.backends.kubernetes.kubeconfig import load_contexts; load_contexts({deep!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ConfigError" in done.stderr.splitlines()[-1]
    assert "nested deeper" in done.stderr.splitlines()[-1]
    assert load_contexts(write(tmp_path, TWO + "extensions: " + "[" * 50 + "]" * 50))[0].name == "prod"
    with pytest.raises(ConfigError, match="nested deeper"):
        load_contexts(write(tmp_path, TWO + "extensions: " + "[" * 150 + "]" * 150))


@pytest.mark.parametrize("value", ["!!int ''", "!!bool maybe", "!!timestamp soon"])
def test_a_value_that_does_not_fit_its_tag(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_contexts(write(tmp_path, f"a: {value}\n"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"https://prod:6443"', "ftp://prod"), "neither with https:// nor with http://.*ftp://prod"),
        (('"https://prod:6443"', '"https://p", certificate-authority: gone.crt'), "cannot be read: .*gone.crt"),
        (('"https://prod:6443"', '"https://p", certificate-authority-data: "%%"'), "authority-data .* is not base64"),
        (('"https://prod:6443"', '"https://p", certificate-authority-data: aGVsbG8='), "is not PEM"),
        (("token: very-secret", "client-key: gone.key"), "client-key of user 'me' .*gone.key"),
    ],
)
def test_values_that_no_request_could_be_made_with(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_current_context(write(tmp_path, TWO.replace(*change)))


def test_a_backend_is_confined_to_the_namespace_that_was_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path, TWO)
    assert connect(file, "prod", "", False, AuditLog(tmp_path / "audit")).info.namespace == ""
    assert connect(file, "prod", "other", False, AuditLog(tmp_path / "audit")).info.namespace == "other"


def test_connecting_imports_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect, load_contexts
load_contexts({write(tmp_path, TWO)!r})
connect({write(tmp_path, TWO)!r}, None, "", False, AuditLog(Path("audit")))
print(*sorted({{"kubernetes", "aiohttp", "textual"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
