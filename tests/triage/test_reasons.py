"""What is told of an object: its own troubles, and those of all that bears on it. Played by the demo's drills."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from kvtui.cli.judging import Judged
from kvtui.cli.naming import Subject, check_kind, find_subject
from kvtui.demo.drills import DRILLS
from kvtui.fleet import Fleet
from kvtui.joins.reach import Tie
from kvtui.model import BackendInfo, Platform
from kvtui.records.base import Condition, Meta, StampedMeta
from kvtui.records.kubernetes import Node, NodeStatus, NodeSystem
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import DomainState
from kvtui.resources import resources_for
from kvtui.resources.unlisted import judge_unlisted
from kvtui.triage.problems import group_problems, label_of
from kvtui.triage.telling import Story, tell_stories
from tests.triage.drills import CASES
from tests.triage.hosts import UUID, domain, fill, host, judge
from tests.triage.test_drills import play
from tests.triage.worlds import BACKEND

RESOURCES = resources_for([Platform.KUBERNETES])
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*(?:/[a-z0-9][a-z0-9-]*)?")


def subjects_named_in(drill: str) -> Iterator[Subject]:
    """The objects that a briefing names: by their path, or by a name that has a dash in it."""
    store = play(drill).store
    words = {word for word in _NAME.findall(DRILLS[drill].briefing) if "/" in word or "-" in word}
    for resource in RESOURCES:
        for ref in resource.refs(store) if resource.name != "events" else ():
            if ref.path in words or ref.name in words:
                yield Subject(resource.label, ref, resource.row(store, ref), resource)


def why(drill: str, subject: Subject) -> list[Story]:
    observer = play(drill)
    return tell_stories(observer.store, subject.ref, subject.row, observer.problems)


def words_of(story: Story) -> str:
    """All that a story says, down to the root."""
    told = (story.finding, *story.chain)
    return " ".join(f"{one.label} {one.subject.path} {one.trouble}: {one.cause}" for one in told)


def naming(drill: str) -> bool:
    return bool(re.search("[a-z]/[a-z]|tenant-", DRILLS[drill].briefing))


@pytest.mark.parametrize("drill", [name for name in CASES if naming(name) and CASES[name].finds])
def test_why_of_what_a_briefing_names_tells_the_cause(drill: str) -> None:
    subjects = list(subjects_named_in(drill))
    assert subjects
    for subject in subjects:
        told = " ".join(map(words_of, why(drill, subject))).lower()
        assert [word for word in CASES[drill].finds if word.lower() not in told] == [], (subject.ref, told)


def machine(drill: str, wanted: Callable[[VirtualMachineInstance], bool]) -> Subject:
    """A VM whose instance is as wanted."""
    store = play(drill).store
    vms = next(one for one in RESOURCES if one.name == "vms")
    at = next(at for at, vmi in store.items(VirtualMachineInstance) if wanted(vmi))
    ref = store.ref_of(VirtualMachine, BACKEND, at.namespace, at.name)
    assert ref is not None
    return Subject("vm", ref, vms.row(store, ref), vms)


def test_a_vm_that_runs_on_a_node_without_heartbeat_is_not_well() -> None:
    (story,) = why(
        "virt-handler-silent", machine("virt-handler-silent", lambda vmi: vmi.status.node_name == "worker-02")
    )
    assert (story.tie, story.finding.subject.name, story.root.label) == (Tie.BELOW, "worker-02", "pod")


def test_a_vm_that_runs_elsewhere_is_none_of_that() -> None:
    elsewhere = machine("virt-handler-silent", lambda vmi: vmi.status.node_name == "worker-03" and vmi.is_running)
    assert why("virt-handler-silent", elsewhere) == []


def test_while_nobody_acts_on_vms_no_vm_is_well() -> None:
    subject = machine("virt-controller-down", lambda vmi: vmi.is_running)
    (story,) = why("virt-controller-down", subject)
    assert (story.tie, story.finding.subject.name) == (Tie.KEEPER, "virt-controller")


def test_what_failed_of_a_vm_comes_before_what_is_only_worth_knowing() -> None:
    (subject,) = [one for one in subjects_named_in("restore-into-running") if one.label == "vm"]
    first, *_ = why("restore-into-running", subject)
    assert (first.tie, first.finding.label) == (Tie.PART, "restore")


def test_of_a_namespace_is_told_what_is_wrong_in_it() -> None:
    (subject,) = [one for one in all_of("over-quota", "namespaces") if one.ref.name == "tight"]
    (story,) = why("over-quota", subject)
    assert (story.tie, story.finding.subject.path) == (Tie.PART, "tight/analytics-1")


def all_of(drill: str, name: str) -> list[Subject]:
    store = play(drill).store
    resource = next(one for one in RESOURCES if one.name == name)
    return [Subject(resource.label, ref, resource.row(store, ref), resource) for ref in resource.refs(store)]


def test_each_cause_is_told_once_of_an_object() -> None:
    for drill in CASES:
        for subject in subjects_named_in(drill):
            others = [story.root for story in why(drill, subject) if story.tie is not Tie.OWN]
            assert len(others) == len({(one.subject, one.rule) for one in others}), (drill, subject.ref)


def test_a_vm_is_not_well_whose_node_runs_in_a_domain_that_is_paused() -> None:
    inner = Node(
        metadata=Meta(name="node-1", uid="n"),
        status=NodeStatus(
            conditions=(Condition(type="Ready", status="Unknown"),), node_info=NodeSystem(system_uuid=UUID)
        ),
    )
    vmi = VirtualMachineInstance(metadata=StampedMeta(name="web", namespace="shop", uid="vmi"))
    vmi.status.node_name, vmi.status.phase = "node-1", "Running"
    vm = VirtualMachine(metadata=Meta(name="web", namespace="shop", uid="vm"))
    store = fill(kvm1=[host(), domain(DomainState.PAUSED, "I/O error")], prod=[inner, vm, vmi])
    problems = group_problems(judge(store))
    story = next(one for one in tell_stories(store, vm.ref("prod"), vm, problems) if one.tie is Tie.BELOW)
    assert story.finding.subject.name == "node-1"
    assert (story.root.subject.backend, story.root.subject.name) == ("kvm1", "w1")


# Names -------------------------------------------------------------------------------------------------------------


def fleet_of(drill: str) -> Fleet:
    store = play(drill).store
    backends = {BACKEND: SimpleNamespace(info=BackendInfo(BACKEND, Platform.KUBERNETES))}
    found = SimpleNamespace(view=store, resources=RESOURCES, backends=backends, name=lambda ref: ref.path)
    return cast("Fleet", found)


@pytest.mark.parametrize(
    ("drill", "text", "tie"),
    [
        ("stuck-rollout", "daemonset/kubevirt/virt-handler", Tie.PART),
        ("node-not-ready", "daemonset/multus/kube-multus-ds", Tie.KEEPER),
        ("cluster-paused", "machinedeployment/tenants/tenant-a-workers", Tie.KEEPER),
    ],
)
def test_what_makes_pods_or_machines_and_lacks_some_is_told_with_what_keeps_them_from_it(
    drill: str, text: str, tie: Tie
) -> None:
    judged, fleet = Judged(play(drill).findings, play(drill).problems, (), frozenset()), fleet_of(drill)
    subject = find_subject(fleet, text, None, judged)
    health = judge_unlisted(subject.row)
    assert health is not None
    assert health.word == "In part"
    stories = tell_stories(fleet.view, subject.ref, subject.row, judged.problems)
    assert any(story.tie is tie and story.root == judged.problems[0].finding for story in stories)


@pytest.mark.parametrize("drill", CASES)
def test_what_a_problem_prints_can_be_asked_about(drill: str) -> None:
    problems = play(drill).problems
    judged, fleet = Judged(play(drill).findings, problems, (), frozenset()), fleet_of(drill)
    printed = [(one.label, one.subject) for problem in problems for one in problem.findings]
    printed += [(problem.finding.label, problem.finding.subject) for problem in problems]
    printed += [(label_of(one.root), one.root) for problem in problems for one in problem.findings if one.root]
    for label, ref in printed:
        for word in (label, ref.kind):
            text = f"{word}/{ref.path}"
            check_kind(text, fleet)
            subject = find_subject(fleet, text, None, judged)
            assert subject.ref.path == ref.path
            assert tell_stories(fleet.view, subject.ref, subject.row, problems), text
