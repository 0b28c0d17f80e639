"""Kubeconfigs: found, merged as kubectl merges them, and clear words for broken ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect, load_contexts
from kvtui.backends.kubernetes.kubeconfig import read_kubeconfig
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


def test_a_namespace_of_the_command_line_comes_before_that_of_the_context(tmp_path: Path) -> None:
    file = write(tmp_path, TWO)
    assert connect(file, "prod", "", False, AuditLog(tmp_path / "audit")).info.namespace == "shop"
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
