"""Launcher pods that are refused: what refuses them, as it is now, and what is told once it is mended."""

from __future__ import annotations

import pytest

from kvtui.model import Finding, Severity
from tests.machines import Object, read_machine
from tests.triage.judging import judge, node, only

ENFORCE = "pod-security.kubernetes.io/enforce"


def quota(memory: str, used: str = "0") -> Object:
    """The quota of the recorded refusal, which allowed 1Gi of limits and 512Mi of requests."""
    hard = {"limits.memory": memory, "requests.memory": memory}
    taken = {"limits.memory": used, "requests.memory": used}
    return {
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": "tight", "uid": "q"},
        "spec": {"hard": hard}, "status": {"hard": hard, "used": taken},
    }  # fmt: skip


def refused(message: str, *items: Object) -> Finding:
    """What is found in the VM of the recorded refusal, had virt-controller told of it in these words."""
    machine = read_machine("quota")
    vmi = next(item for item in machine if item["kind"] == "VirtualMachineInstance")
    for condition in vmi["status"]["conditions"]:
        if condition["type"] == "Synchronized":
            condition["message"] = message
    return only(judge([*machine, *items]), "vm")


def test_a_quota_that_has_no_room_is_the_root_of_all_that_it_stops() -> None:
    found = only(judge([*read_machine("quota"), quota("1Gi")]), "vm")
    assert (found.severity, found.trouble) == (Severity.BAD, "does not start")
    assert found.cause == (
        "quota small allows 1Gi of limits.memory; it needs 4.6Gi, and 1Gi of requests.memory; it needs 2.3Gi"
    )
    assert found.step == "enlarge quota small, or ask for less"
    assert found.root is not None
    assert (found.root.kind, found.root.name) == ("ResourceQuota", "small")


def test_what_is_used_of_a_quota_is_told_as_it_is_now() -> None:
    found = only(judge([*read_machine("quota"), quota("6Gi", "5Gi")]), "vm")
    assert "6Gi of limits.memory, of which 5Gi are used; it needs 4.6Gi" in found.cause


@pytest.mark.parametrize(
    ("items", "cause"),
    [
        ([quota("40Gi")], "quota small has room now: it allows 40Gi of limits.memory, 40Gi of requests.memory"),
        ([], "there is no quota small any more"),
    ],
)
def test_a_quota_that_has_room_again_is_no_cause_any_more(items: list[Object], cause: str) -> None:
    found = only(judge([*read_machine("quota"), *items]), "vm")
    assert (found.severity, found.trouble) == (Severity.WARN, "waits for a new try")
    assert found.cause.startswith(f"{cause}; its launcher pod was refused before")
    assert "tries again by itself" in found.step
    assert found.root is None


VIOLATION = (  # kv pkg/virt-controller/watch/vmi/lifecycle.go:176
    "failed to create pod for vmi shop/quota-1, it needs a privileged namespace to run: pods "
    '"virt-launcher-quota-1-x" is forbidden: violates PodSecurity "baseline:latest": non-default '
    'capabilities (container "compute" must not include "SYS_NICE")'
)


def namespace(level: str) -> Object:
    """The namespace of the recorded VM, with the Pod Security Standard that it enforces."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "tight", "uid": "u", "labels": {ENFORCE: level}},
    }


def test_pod_security_is_told_by_the_label_of_the_namespace() -> None:
    found = refused(VIOLATION, namespace("baseline"))
    assert found.cause == 'namespace tight allows "baseline" pods only; the launcher pod of a VM needs "privileged"'
    assert found.step.startswith(f"kubectl label --overwrite namespace tight {ENFORCE}=")


def test_a_namespace_that_allows_it_by_now_is_no_cause_any_more() -> None:
    found = refused(VIOLATION, namespace("privileged"))
    assert (found.severity, found.trouble) == (Severity.WARN, "waits for a new try")
    assert found.cause.startswith('namespace tight allows "privileged" pods now; its launcher pod was refused before')


def test_a_network_that_has_come_is_no_cause_any_more() -> None:
    # kv pkg/network/multus/nad.go:66
    words = "failed to render launch manifest: failed to locate network attachment definition shop/vlan"
    assert refused(words).cause == "there is no NetworkAttachmentDefinition shop/vlan"
    come = {"kind": "NetworkAttachmentDefinition", "metadata": {"name": "vlan", "namespace": "shop", "uid": "n"}}
    assert refused(words, come).trouble == "waits for a new try"


@pytest.mark.parametrize(
    ("refusals", "over"),
    [
        ("3 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }", True),
        ("1 node(s) had volume node affinity conflict, 2 node(s) were unschedulable", True),
        ("3 node(s) didn't match pod anti-affinity rules", False),
        ("3 Insufficient memory", False),
    ],
)
def test_what_the_scheduler_said_of_nodes_is_over_when_they_take_it_by_now(refusals: str, *, over: bool) -> None:
    items = read_machine("too_big")
    pod = next(item for item in items if item["kind"] == "Pod")
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = "1312Mi"
    for condition in pod["status"]["conditions"]:
        condition["message"] = f"0/3 nodes are available: {refusals}. preemption: none."
    found = only(judge([*items, node("a")]), "vm")
    assert (found.trouble == "waits for a new try") is over
    assert found.cause.startswith("nothing known keeps it off a any more" if over else "no node takes it: ")
