"""Causes name the field and its value, and the evidence is what the object says."""

from __future__ import annotations

import pytest

from kvtui.model import Finding, Usage
from kvtui.store import SetUsage
from tests.triage.judging import judge, node
from tests.triage.test_drills import play


def found(drill: str, rule: str) -> Finding:
    return next(one for one in play(drill).findings if one.rule == rule)


@pytest.mark.parametrize(
    ("drill", "rule", "cause", "field", "value"),
    [
        ("ceph-nearly-full", "ceph.health", "87 % of its 84Ti are used", "status.ceph.capacity", "bytesUsed 7"),
        ("import-out-of-memory", "import.state", "more memory than its limit, 600M, and", "limits.memory", "600M"),
        (
            "broken-customization",
            "kubevirt.available",
            "the patch of Deployment virt-controller in spec.customizeComponents cannot be applied: invalid JSON",
            "spec.customizeComponents.patches[0].patch",
            '{"spec": {"template"',
        ),
        (
            "restart-required",
            "vm.restart",
            "domain.cpu.cores is 4 in its spec, and the guest runs with 2",
            "spec.domain.cpu.cores",
            "2",
        ),
        ("private-disk", "vm.eviction", "its PVC legacy-cms-1-data", "spec.accessModes", "ReadWriteOnce"),
        ("blocked-drain", "vm.eviction", "worker-10 is cordoned", "spec.unschedulable", "true"),
        ("bridge-on-pod-network", "vm.eviction", "its interface default on the pod network", "LiveMigratable", ""),
        ("stuck-rollout", "node.state", "virt-handler has not renewed its heartbeat", "kubevirt.io/heartbeat", "20"),
        ("unbound-claim", "claim.state", 'it waits for StorageClass "nfs-archive"', "status.phase", "Pending"),
    ],
)
def test_the_cause_names_the_value_and_the_evidence_where_it_stands(
    drill: str, rule: str, cause: str, field: str, value: str
) -> None:
    told = found(drill, rule)
    assert cause in told.cause
    assert any(field in one.field and one.value.startswith(value) for one in told.evidence), told.evidence


def test_what_several_conditions_say_in_the_same_words_is_told_once() -> None:
    values = [one.value for one in found("broken-customization", "kubevirt.available").evidence]
    assert len(set(values)) == len(values)


def test_a_patch_that_cannot_be_applied_is_to_be_corrected_where_it_stands() -> None:
    step = found("broken-customization", "kubevirt.available").step
    assert step == "correct that patch, or take it out: kubectl edit kubevirt -n kubevirt kubevirt"


def test_a_lost_node_is_evidence_once_and_all_of_it_has_its_age() -> None:
    node, vm = (found("node-not-ready", rule) for rule in ("node.state", "vm.state"))
    assert set(node.evidence) <= {*vm.evidence}
    assert all(one.since is not None for one in vm.evidence)


def test_a_node_short_of_memory_tells_how_much_is_in_use_and_what_to_do() -> None:
    short = node("worker-01", capacity={"memory": "8Gi"})
    pressure = next(one for one in short["status"]["conditions"] if one["type"] == "MemoryPressure")
    pressure |= {
        "status": "True",
        "reason": "KubeletHasInsufficientMemory",
        "message": "kubelet has insufficient memory",
    }
    usage = SetUsage("c", "Node", {("", "worker-01"): Usage(1.0, 7.9 * 2**30)})
    (told,) = [one for one in judge([short], more=[usage]) if one.rule == "node.state"]
    assert (told.trouble, told.step.partition(":")[0]) == ("is short of memory", "migrate VMs away from it")
    assert told.evidence[1].value == "7.9Gi of 8Gi"


def test_all_that_a_node_is_short_of_is_told_in_one_and_what_else_it_says_beside() -> None:
    short = node("worker-01")
    said = {
        "DiskPressure": "kubelet has disk pressure",
        "MemoryPressure": "kubelet has insufficient memory available",
        "ReadonlyFilesystem": "the root file system is read-only",
    }
    short["status"]["conditions"] = [
        {"type": type_, "status": "True", "reason": "Why", "message": words, "lastTransitionTime": _LONG_AGO}
        for type_, words in said.items()
    ] + [one for one in short["status"]["conditions"] if one["type"] not in said]
    pressed, other = judge([short])
    assert pressed.trouble == "is short of memory and disk"
    assert pressed.cause == "kubelet has insufficient memory available; kubelet has disk pressure"
    assert [one.field for one in pressed.evidence] == ["MemoryPressure=True Why", "DiskPressure=True Why"]
    words = "migrate VMs away from it and make room on its disk: the kubelet evicts pods until there is enough"
    assert pressed.step == words
    assert (other.trouble, other.cause) == ("says ReadonlyFilesystem=True", said["ReadonlyFilesystem"])
    assert [one.field for one in other.evidence] == ["ReadonlyFilesystem=True Why"]


_LONG_AGO = "2026-11-20T00:00:00Z"


def test_a_node_that_is_not_ready_tells_what_else_keeps_it_down() -> None:
    lost = node("worker-01")
    for one in lost["status"]["conditions"]:
        if one["type"] == "Ready":
            one |= {"status": "False", "reason": "KubeletNotReady", "message": "PLEG is not healthy"}
        if one["type"] == "DiskPressure":
            one |= {"status": "True", "reason": "KubeletHasDiskPressure", "message": "kubelet has disk pressure"}
    (told,) = judge([lost])
    assert (told.trouble, told.cause) == ("is not ready", "PLEG is not healthy; it also is short of disk")
    assert [one.field for one in told.evidence] == ["Ready=False", "DiskPressure=True KubeletHasDiskPressure"]


def test_who_looks_but_once_does_not_call_new_what_has_no_date() -> None:
    problems = play("no-kvm").look_once()
    (told,) = [one for problem in problems for one in problem.findings if one.rule == "node.state"]
    assert told.since is None


def test_a_root_is_as_grave_everywhere_as_what_it_stops() -> None:
    observer = play("unbound-claim")
    (problem,) = [one for one in observer.problems if one.effects]
    assert problem.finding.severity < problem.severity
    assert observer.engine.worst[problem.finding.subject[:4]].severity == problem.severity
