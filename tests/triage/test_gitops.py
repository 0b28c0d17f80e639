"""What Argo CD put back: told by the application's own operation, or by its events where only those may be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kvtui.model import Finding
from tests.applications import application
from tests.machines import RECORDED, Object, read_machine
from tests.triage.judging import event, judge

Change = Callable[[Object], None]
HEALED = "2026-11-21T01:55:20Z"


def machine(generation: int = 3) -> list[Object]:
    items = read_machine("running")
    meta = next(item for item in items if item["kind"] == "VirtualMachine")["metadata"]
    meta["generation"] = generation
    meta["annotations"] = {"argocd.argoproj.io/tracking-id": f"web:kubevirt.io/VirtualMachine:{meta['name']}"}
    return items


def vm_of(items: list[Object]) -> tuple[str, str]:
    meta = next(item for item in items if item["kind"] == "VirtualMachine")["metadata"]
    return meta["namespace"], meta["name"]


def told(items: list[Object], now: float = RECORDED) -> list[Finding]:
    return [one for one in judge(items, now) if one.rule == "vm.put_back"]


def test_a_single_change_that_was_put_back_is_told_with_who_did_it_and_where_to_change_it() -> None:
    items = machine()
    (found,) = told([*items, application(*vm_of(items), HEALED)])
    assert found.cause == "Application argocd/web put it back: it heals what differs from git"
    assert found.since == RECORDED - 40
    assert "change it in git (https://git.example.org/fleet.git, path web), or turn self-heal off" in found.step
    assert "kubectl patch applications.argoproj.io -n argocd web " in found.step
    values = [evidence.value for evidence in found.evidence]
    assert f"virtualmachine.kubevirt.io/{vm_of(items)[1]} configured" in values


def put(path: str, value: Any) -> Change:
    """A change of an application at that path; None takes away what is there."""

    def change(application: Object) -> None:
        *way, last = path.split(".")
        found: Any = application
        for part in way:
            found = found[int(part) if part.isdigit() else part]
        if value is None:
            del found[last]
        else:
            found[last] = value

    return change


_STATE = "status.operationState"


@pytest.mark.parametrize(
    "change",
    [
        put("spec.syncPolicy.automated.selfHeal", False),
        put("spec.syncPolicy.automated.enabled", False),
        put("spec.syncPolicy", {}),
        put("spec.destination", {"server": "https://10.1.2.3:6443", "namespace": "x"}),
        put(f"{_STATE}.operation.initiatedBy", {"username": "admin"}),
        put(f"{_STATE}.operation.sync.resources", None),
        put(f"{_STATE}.phase", "Failed"),
        put(f"{_STATE}.finishedAt", None),
        put(f"{_STATE}.finishedAt", "2026-11-21T01:30:00Z"),
        put(f"{_STATE}.syncResult", None),
        put(f"{_STATE}.syncResult.resources.0.namespace", "elsewhere"),
        put(f"{_STATE}.syncResult.resources.0.message", "virtualmachine.kubevirt.io/x unchanged"),
        put(_STATE, None),
    ],
    ids=[
        "self-heal is off",
        "automation is off",
        "synced by hand",
        "another cluster's",
        "a user synced it",
        "a commit was synced",
        "failed",
        "goes on",
        "long ago",
        "no result",
        "another namespace's",
        "it was as in git",
        "never synced",
    ],
)
def test_what_was_no_self_heal_of_this_vm_is_not_told(change: Change) -> None:
    items = machine()
    found = application(*vm_of(items), HEALED)
    change(found)
    assert told([*items, found]) == []


def application_event(times: int, last: str) -> Object:
    """As Argo CD's controller repeats it."""
    about = {"kind": "Application", "metadata": {"name": "web", "namespace": "argocd", "uid": "uid-app"}}
    synced = event(about, "ResourceUpdated", "Updated sync status: OutOfSync -> Synced", "Normal")
    return {**synced, "count": times, "firstTimestamp": "2026-11-21T01:30:00Z", "lastTimestamp": last}


@pytest.mark.parametrize(
    ("times", "generation", "contested"),
    [(7, 15, True), (7, 4, False), (2, 15, False)],
    ids=["put back", "changed by git alone", "a single change"],
)
def test_who_may_not_read_applications_is_told_by_generation_and_events_when_it_comes_again_and_again(
    times: int, generation: int, *, contested: bool
) -> None:
    found = told([*machine(generation), application_event(times, "2026-11-21T01:55:00Z")])
    causes = ["Argo CD application argocd/web has put it back 7 times in 25m"] if contested else []
    assert [one.cause for one in found] == causes


def test_when_self_heal_is_off_events_of_before_tell_nothing() -> None:
    items = machine(15)
    found = application(*vm_of(items), HEALED)
    put("spec.syncPolicy.automated.selfHeal", False)(found)
    assert told([*items, found, application_event(7, "2026-11-21T01:55:00Z")]) == []


def test_a_vm_that_is_put_back_again_and_again_is_told_with_how_often() -> None:
    items = machine(15)
    (found,) = told([*items, application(*vm_of(items), HEALED), application_event(7, "2026-11-21T01:55:00Z")])
    assert found.cause == "Application argocd/web put it back 7 times in 25m: it heals what differs from git"
