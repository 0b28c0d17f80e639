"""What the server warns of when it does what it is asked."""

from __future__ import annotations

import asyncio
import json

from tests.actions.conftest import Run, change_object

TOLD = "spec.running is deprecated, please use spec.runStrategy instead."
OLDER = {"spec": {"runStrategy": None, "running": False}}
"""A VM says in the older way that it is off."""


def test_a_warning_is_told_on_standard_error_and_in_json(run: Run, kubeconfig: str) -> None:
    rows = json.loads(run("get", "vms", "-o", "json")[1])
    row = next(row for row in rows if row["columns"]["status"] == "Stopped")
    path = f"{row['namespace']}/{row['name']}"
    asyncio.run(change_object(kubeconfig, "VirtualMachine", path, OLDER))
    code, out, err = run("set-labels", "vm", path, "--labels", "a=b", "--yes")
    assert (code, TOLD in out) == (0, False)
    assert f"! {path}: the server warns: {TOLD}" in err.splitlines()
    code, out, err = run("set-labels", "vm", path, "--labels", "a=c", "--yes", "-o", "json")
    assert json.loads(out)["items"][0]["warnings"] == [TOLD]
