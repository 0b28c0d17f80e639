"""Whoever looks up a VM in the audit log finds all that was done to it, whatever object that was asked of."""

from __future__ import annotations

import json
from typing import Any

from kvtui.cli import codes
from tests.actions.conftest import Run


def accepted(run: Run, path: str, action_id: str) -> list[dict[str, Any]]:
    """What was done to an object by an action, where the log tells a uid with it."""
    entries = json.loads(run("audit", path, "-o", "json")[1])
    found = [one for one in entries if one.get("action") == action_id and one["result"] == "accepted"]
    return [one for one in found if "dry_run" not in one and (one["uid"] or one["about"][0]["uid"])]


def test_a_vm_that_was_taken_back_to_a_snapshot_is_found_by_its_name(run: Run) -> None:
    vm, snapshot = "shop/catalog-1", "shop/before"
    assert run("snapshot", vm, "--name", "before", "--yes", "--wait", "--timeout", "30s")[0] == codes.OK
    in_place = ("--target", "in-place", "--policy", "StopTarget")
    assert run("restore", snapshot, *in_place, "--yes")[0] == codes.OK
    (taken,), (restored,) = accepted(run, vm, "vm.snapshot"), accepted(run, vm, "snapshot.restore")
    assert (taken["kind"], taken["name"]) == ("VirtualMachineSnapshot", "before")
    assert [one["kind"] for one in restored["about"]] == ["VirtualMachineSnapshot", "VirtualMachine"]
    assert all(one["uid"] for one in restored["about"])
    assert restored["name"].startswith("before-")
    assert restored["name"] != "before-"
    assert f"for VirtualMachineSnapshot {snapshot}, VirtualMachine {vm}" in run("audit", vm)[1]
    told = json.loads(run("timeline", vm, "-o", "json")[1])["moments"]
    assert [one["what"] for one in told if one["source"] == "audit"] == ["take snapshot", "restore into catalog-1"]
