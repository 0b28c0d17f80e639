"""What starting costs: heavy packages are imported by those alone who use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROBE = """
import sys
try:
    {statement}
except SystemExit:
    pass
print("loaded:", *sorted({{name.partition(".")[0] for name in sys.modules}}))
"""

HEAVY = frozenset({"textual", "kubernetes", "aiohttp", "libvirt", "pyte", "rich", "yaml", "asyncio"})
# Nothing listens at the discard port.
KUBECONFIG = """
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: nobody, user: {}}]
"""


def loaded_by(statement: str, home: Path, *arguments: str) -> set[str]:
    """The packages that are loaded after the statement has run in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(statement=statement), *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def run_command(home: Path, *arguments: str) -> set[str]:
    return loaded_by("from kvtui.cli import main; main(sys.argv[1:])", home, *arguments)


@pytest.mark.parametrize("arguments", [("version",), ("get", "--help"), ("demo", "--help")])
def test_help_and_version_import_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    loaded = run_command(tmp_path, *arguments)
    assert "kvtui" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("arguments", [("--help",), ("nonsense",), ("stop", "--help"), ("stop",)])
def test_what_names_the_verbs_imports_the_actions_alone(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    loaded = run_command(tmp_path, *arguments)
    assert "kvtui" in loaded
    assert loaded & HEAVY <= {"asyncio", "yaml"}


def test_the_screen_imports_no_client(tmp_path: Path) -> None:
    loaded = loaded_by("import kvtui.ui.app, kvtui.ui.stage", tmp_path)
    assert "textual" in loaded
    assert not loaded & {"kubernetes", "aiohttp", "libvirt"}


def test_the_first_frame_needs_neither_consoles_nor_pictures(tmp_path: Path) -> None:
    loaded = loaded_by("import kvtui.ui.app", tmp_path)
    assert "textual" in loaded
    assert not loaded & {"pyte", "PIL", "asyncssh"}


def test_hosts_alone_need_no_package_of_kubernetes(tmp_path: Path) -> None:
    pytest.importorskip("libvirt", reason="libvirt-python is not installed")
    loaded = run_command(tmp_path, "get", "vms", "--host", "test:///default")
    assert "libvirt" in loaded, "it went as far as asking the host"
    assert not loaded & {"kubernetes", "aiohttp", "asyncssh", "textual"}


def test_get_imports_no_screen(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG)
    loaded = run_command(tmp_path, "get", "vms", "--kubeconfig", str(config), "--timeout", "0.5")
    assert "aiohttp" in loaded, "it went as far as asking the cluster"
    assert not loaded & {"textual", "rich", "pyte", "asyncssh", "libvirt"}


def test_of_the_package_of_kubernetes_the_client_for_asyncio_alone_is_imported(tmp_path: Path) -> None:
    loaded = loaded_by("import kvtui.backends.kubernetes.transport", tmp_path)
    assert "kubernetes" in loaded
    assert not loaded & {"requests", "requests_oauthlib", "oauthlib", "urllib3", "websocket"}


def test_printing_imports_no_screen(tmp_path: Path) -> None:
    loaded = loaded_by("import kvtui.cli.get, kvtui.backends.kubernetes.client", tmp_path)
    assert not loaded & {"textual", "rich", "pyte"}


def test_the_demo_cluster_starts_without_its_ssh_server(tmp_path: Path) -> None:
    loaded = loaded_by("import kvtui.demo.__main__, kvtui.demo.server", tmp_path)
    assert "aiohttp" in loaded
    assert not loaded & {"asyncssh", "cryptography", "PIL"}


@pytest.mark.parametrize("module", ["kvtui.store", "kvtui.records.kubevirt", "kvtui.resources", "kvtui.triage.engine"])
def test_the_core_imports_neither_client_nor_screen(tmp_path: Path, module: str) -> None:
    assert not loaded_by(f"import {module}", tmp_path) & (HEAVY - {"asyncio"})
