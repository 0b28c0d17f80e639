"""Drills: the incident stands in the objects' own words, and its cause is found first and alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache

import pytest

from kvtui.demo import kinds
from kvtui.demo.drills import DRILLS
from kvtui.demo.storage import Kind
from kvtui.demo.world import World
from kvtui.joins.moments import list_fields
from kvtui.model import Feed, FeedState
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import RESOURCES
from kvtui.stack import find_judge
from kvtui.store import Delta, Put, Store
from kvtui.triage.engine import Engine
from kvtui.triage.problems import Problem
from kvtui.triage.rules import RULES
from tests.triage.drills import CASES, Says
from tests.triage.worlds import BACKEND, Observer, find

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@cache
def play(name: str) -> Observer:
    observer = Observer(World(start=START, drill=name))
    observer.pass_time(CASES[name].looks)
    return observer


def test_every_drill_is_told_what_it_brings_about() -> None:
    assert set(CASES) == set(DRILLS)


@pytest.mark.parametrize("name", CASES)
def test_the_incident_stands(name: str) -> None:
    observer = play(name)
    for says in CASES[name].says:
        assert says_so(observer.world, says), says
    assert not observer.world.failures.told


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_tells_the_symptom_first_and_the_cause_afterwards(name: str) -> None:
    drill = DRILLS[name]
    assert drill.name == name
    assert name == name.lower().replace(" ", "-")
    assert len(f"{name}  {drill.sentence}") < 80
    assert drill.briefing.endswith((".", "?"))
    assert drill.debrief.endswith(".")
    assert len(drill.debrief) > len(drill.sentence)


@pytest.mark.parametrize("name", CASES)
def test_its_cause_is_found_first_and_nothing_else(name: str) -> None:
    case, problems = CASES[name], play(name).problems
    if not case.finds:
        assert problems == []
        return
    assert problems
    told = tell(problems[0])
    assert [word for word in case.finds if word.lower() not in told.lower()] == [], told
    assert not case.rule or problems[0].finding.rule == case.rule
    assert [tell(problem) for problem in problems[1:]] == []


@pytest.mark.parametrize("name", CASES)
def test_findings_are_as_grave_as_their_rules_declare(name: str) -> None:
    declared = {rule.id: rule.severities.split(", ") for rule in RULES}
    for finding in play(name).findings:
        assert finding.severity.name.lower() in declared[finding.rule], finding


@pytest.mark.parametrize("name", CASES)
def test_all_that_is_told_of_has_a_row_to_go_to(name: str) -> None:
    found = play(name).findings
    # What speaks through its effects is no object: all that is known of it stands among the problems.
    roots = {one.root for one in found if one.root is not None and one.at_root is None}
    told = {one.subject for one in found} | roots
    assert [ref for ref in told if find_judge(ref, RESOURCES) is None] == []


def tell(problem: Problem) -> str:
    """A problem as the strip tells it."""
    finding = problem.finding
    return f"{finding.label} {finding.subject.path} {finding.trouble}: {problem.cause}"


def says_so(world: World, says: Says) -> bool:
    """Whether there is such an object that says so."""
    space, _, name = says.path.rpartition("/")
    for row in world.storage.raw_list(says.kind, space or None):
        named = row.name.startswith(name) if name.endswith("-") or not name else row.name == name
        text = json.dumps(json.loads(row.raw), separators=(",", ":"), ensure_ascii=False)
        if named and all(json.dumps(word)[1:-1] in text or word in text for word in says.words):
            return True
    return False


def test_instances_that_are_listed_before_their_vms_are_no_problem_of_their_own() -> None:
    whole = play("io-error")
    store, engine, now = Store(), Engine(), whole.world.clock.now.timestamp()
    instances = [Put(BACKEND, vmi) for _, vmi in whole.store.items(VirtualMachineInstance)]
    engine.update(store, store.apply(instances), now)
    assert list(engine.findings) == []
    machines = [Put(BACKEND, vm) for _, vm in whole.store.items(VirtualMachine)]
    live = Feed(BACKEND, VirtualMachine.KIND, FeedState.LIVE, now)
    engine.update(store, store.apply([*machines, live]), now + 1.0)
    engine.update(store, Delta(), now + 2.0)
    assert [finding.subject.path for finding in engine.findings] == ["data/ingest-1"]


@pytest.mark.parametrize(
    ("drill", "kind", "path", "manager", "field"),
    [
        ("restart-required", kinds.VM, "shop/search-1", "kubectl-edit", "spec.template.spec.domain.cpu.cores"),
        ("ignores-shutdown", kinds.VM, "shop/till-sync-1", "kubectl-edit", "spec.runStrategy"),
        ("cordoned-node", kinds.NODE, "worker-04", "kubectl", "spec.unschedulable"),
        ("tainted-nodes", kinds.NODE, "worker-01", "kubectl-taint", "spec.taints"),
        ("pod-security", kinds.NAMESPACE, "lab", "kubectl-label",
         "metadata.labels[pod-security.kubernetes.io/enforce]"),
        ("stuck-rollout", kinds.KUBEVIRT, "kubevirt/kubevirt", "kubectl-edit", "spec.imageTag"),
        ("cluster-paused", kinds.CLUSTER, "tenants/tenant-a", "kubectl-edit", "spec.paused"),
        ("cluster-paused", kinds.MACHINE_DEPLOYMENT, "tenants/tenant-a-workers", "kubectl-edit", "spec.replicas"),
    ],
)  # fmt: skip
def test_who_changes_an_object_in_a_drill_leaves_the_name_on_the_fields(
    drill: str, kind: Kind, path: str, manager: str, field: str
) -> None:
    namespace, _, name = path.rpartition("/")
    written = find(play(drill).world, kind, namespace, name)["metadata"]["managedFields"][-1]
    assert (written["manager"], written["operation"]) == (manager, "Update")
    assert list_fields(written["fieldsV1"]) == [field]


def test_a_node_of_a_blocked_drain_tells_who_cordoned_it() -> None:
    world = play("blocked-drain").world
    (node,) = (one for one in world.storage.list(kinds.NODE) if one["spec"].get("unschedulable"))
    assert [one["manager"] for one in node["metadata"]["managedFields"]] == ["kubectl"]
