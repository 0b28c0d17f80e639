"""What the server warns of when it does what it is asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect
from kvtui.model import Ref
from tests.actions.conftest import Run

TOLD = "spec.running is deprecated, please use spec.runStrategy instead."


async def say_running(kubeconfig: str, audit: Path, namespace: str, name: str) -> None:
    """Have a VM say in the older way that it is off."""
    backend = connect(kubeconfig, None, "", False, AuditLog(audit))
    change = {"spec": {"runStrategy": None, "running": False}}
    try:
        await backend.patch(Ref(backend.name, "VirtualMachine", namespace, name), change, verb="edit")
    finally:
        await backend.close()


def test_a_warning_is_told_on_standard_error_and_in_json(run: Run, kubeconfig: str, tmp_path: Path) -> None:
    rows = json.loads(run("get", "vms", "-o", "json")[1])
    row = next(row for row in rows if row["columns"]["status"] == "Stopped")
    path = f"{row['namespace']}/{row['name']}"
    asyncio.run(say_running(kubeconfig, tmp_path / "audit.jsonl", row["namespace"], row["name"]))
    code, out, err = run("set-labels", "vm", path, "--labels", "a=b", "--yes")
    assert (code, TOLD in out) == (0, False)
    assert f"! {path}: the server warns: {TOLD}" in err.splitlines()
    code, out, err = run("set-labels", "vm", path, "--labels", "a=c", "--yes", "-o", "json")
    assert json.loads(out)["items"][0]["warnings"] == [TOLD]
