"""Parts of clusters whose nodes are VMs, in Cluster API's own words: kubevirt-api.md 8.3 and 8.4, rows 113 to 122."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Severity
from kvtui.text import parse_time
from tests.machines import Object
from tests.triage.judging import judge, only

_LONG_AGO = "2026-11-21T00:30:00Z"
_LABEL = "cluster.x-k8s.io/cluster-name"


def condition(type_: str, status: str, reason: str, message: str = "") -> Object:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": _LONG_AGO,
        "observedGeneration": 1,
    }


def made(kind: str, name: str, status: Object, spec: Object | None = None, **meta: Any) -> Object:
    groups = {"KubevirtMachine": "infrastructure.cluster.x-k8s.io/v1alpha1"}
    return {
        "apiVersion": groups.get(kind, "cluster.x-k8s.io/v1beta2"),
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "tenants",
            "uid": f"uid-{kind}-{name}",
            "creationTimestamp": "2026-11-20T00:00:00Z",
            "labels": {_LABEL: "tenant-a"},
            **meta,
        },
        "spec": spec or {},
        "status": status,
    }


def machine(*conditions: Object, phase: str = "Running", node: str = "w-1", **meta: Any) -> Object:
    status: Object = {"phase": phase, "conditions": list(conditions), **({"nodeRef": {"name": node}} if node else {})}
    return made("Machine", "w-1", status, {"clusterName": "tenant-a", "providerID": "kubevirt://w-1"}, **meta)


def kubevirt_machine(*conditions: Object, **status: Any) -> Object:
    return made("KubevirtMachine", "w-1", {"conditions": list(conditions), **status})


WAITS = condition(
    "NodeReady", "Unknown", "InspectionFailed", "Waiting for a Node with spec.providerID kubevirt://w-1 to exist"
)
BLOCKED = """Drain not completed yet (started at 2026-11-21T00:30:00Z):
* Pod shop/cart-0: cannot evict pod as it would violate the pod's disruption budget. The disruption budget cart \
needs 1 healthy pods and has 1 currently
After above Pods have been removed from the Node, the following Pods will be evicted: kube-system/dns-1"""


def test_a_machine_that_no_node_belongs_to_names_the_id_that_is_missed() -> None:
    found = only(judge([machine(WAITS, phase="Provisioned", node="")]), "machine")
    assert (found.trouble, found.cause) == (
        "does not join",
        "no node of cluster tenant-a has spec.providerID kubevirt://w-1",
    )
    assert found.evidence[0].value.startswith("Waiting for a Node")


def test_where_the_bootstrap_has_succeeded_a_node_of_another_name_is_looked_for() -> None:
    booted = kubevirt_machine(condition("BootstrapExecSucceeded", "True", "Succeeded"))
    found = only(judge([booted, machine(WAITS, phase="Provisioned", node="")]), "machine")
    assert found.cause.startswith("its bootstrap has succeeded, and no node")
    assert "another name than w-1" in found.step


def test_a_guest_that_does_not_boot_is_told_once_by_its_kubevirtmachine() -> None:
    not_booted = kubevirt_machine(
        condition("BootstrapExecSucceeded", "False", "BootstrapFailed", "VM not bootstrapped yet")
    )
    found = only(judge([not_booted, machine(WAITS, phase="Provisioned", node="")]), "machine")
    assert (found.subject.kind, found.trouble, found.cause) == (
        "KubevirtMachine",
        "does not join",
        "VM not bootstrapped yet",
    )
    assert found.step == "read its cloud-init log in the guest's console"


@pytest.mark.parametrize(
    "words",
    [
        "The Machine's VM pod is marked for eviction due to infra node drain.",
        "VMI has reached a permanent finalized state",
    ],
)
def test_a_machine_that_has_failed_for_good_says_why(words: str) -> None:
    found = only(judge([kubevirt_machine(failureReason="UpdateError", failureMessage=words)]), "machine")
    assert (found.trouble, found.cause) == ("has failed", words)
    assert found.step == "delete Machine w-1: another takes its place"


def test_a_node_that_was_deleted_leaves_its_machine_behind() -> None:
    words = "Node w-1 has been deleted while the Machine still exists"
    found = only(judge([machine(condition("NodeReady", "False", "NodeDeleted", words))]), "machine")
    assert (found.trouble, found.cause) == ("has lost its node", words)


def test_a_drain_that_a_disruption_budget_holds_up_names_pod_and_budget() -> None:
    going = machine(condition("Deleting", "True", "DrainingNode", BLOCKED), deletionTimestamp=_LONG_AGO)
    found = only(judge([going]), "machine")
    assert found.cause == (
        "in cluster tenant-a: Pod shop/cart-0 cannot be evicted: PodDisruptionBudget cart needs 1 healthy and has 1"
    )
    assert "loosen the budget" in found.step


def test_a_machine_of_the_version_before_tells_its_deletion_by_steps() -> None:
    draining = condition("DrainingSucceeded", "False", "Draining", "Draining the node before deletion")
    found = only(judge([machine(draining, deletionTimestamp=_LONG_AGO)]), "machine")
    assert found.cause == "in cluster tenant-a: Draining the node before deletion"


def test_a_machine_that_has_just_been_deleted_has_its_time() -> None:
    going = machine(condition("Deleting", "True", "DrainingNode", BLOCKED), deletionTimestamp="2026-11-21T01:55:00Z")
    assert judge([going]) == []


def test_what_nobody_can_reach_is_told_by_its_cluster_alone() -> None:
    probe = condition("RemoteConnectionProbe", "False", "ProbeFailed", "Remote connection probe failed")
    lost = machine(condition("NodeReady", "Unknown", "ConnectionDown", "Remote connection down"))
    found = judge([made("Cluster", "tenant-a", {"phase": "Provisioned", "conditions": [probe]}), lost])
    assert [one.rule for one in found] == ["cluster.state"]


def test_an_etcd_that_is_not_whole_names_its_member_and_why() -> None:
    words = "Etcd doesn't have an etcd member for Node w-1"
    told = condition("EtcdClusterHealthy", "False", "NotHealthy", f"* Machine w-1:\n  * EtcdMemberHealthy: {words}")
    plane = made("KubeadmControlPlane", "tenant-a-cp", {"conditions": [told], "replicas": 1})
    owner = {"kind": "KubeadmControlPlane", "name": "tenant-a-cp", "uid": plane["metadata"]["uid"], "controller": True}
    member = machine(condition("EtcdMemberHealthy", "False", "NotHealthy", words), ownerReferences=[owner])
    found = only(judge([plane, member]), "control plane")
    assert found.cause == f"Machine w-1: {words}"
    assert [one.subject for one in found.evidence] == ["KubeadmControlPlane tenant-a-cp", "Machine w-1"]


@pytest.mark.parametrize(
    ("machines", "left"),
    [
        (3, "2 of 3 members are left: the next loss stops it"),
        (5, "4 of 5 members are left: 1 more may be lost"),
        (2, "1 of 2 members are left: it works no more"),
    ],
)
def test_an_etcd_that_lost_a_member_tells_how_many_more_it_may_lose(machines: int, left: str) -> None:
    told = condition("EtcdClusterHealthy", "False", "NotHealthy", "* Machine w-1:\n  * EtcdMemberHealthy: gone")
    plane = made("KubeadmControlPlane", "tenant-a-cp", {"conditions": [told], "replicas": machines})
    owner = {"kind": "KubeadmControlPlane", "name": "tenant-a-cp", "uid": plane["metadata"]["uid"], "controller": True}
    member = machine(condition("EtcdMemberHealthy", "False", "NotHealthy", "gone"), ownerReferences=[owner])
    found = only(judge([plane, member]), "control plane")
    assert (found.trouble, found.cause) == ("is not whole", f"Machine w-1: gone; {left}")


def test_a_static_pod_that_does_not_run_is_told_with_its_machine() -> None:
    words = "* Machine w-1:\n  * SchedulerPodHealthy: Waiting to be scheduled"
    told = condition("ControlPlaneComponentsHealthy", "False", "NotHealthy", words)
    # As an API server of v1beta1 has it.
    status: Object = {"conditions": [], "v1beta2": {"conditions": [told]}, "replicas": 1}
    found = only(judge([made("KubeadmControlPlane", "tenant-a-cp", status)]), "control plane")
    assert found.cause == "Machine w-1: SchedulerPodHealthy: Waiting to be scheduled"


def test_a_pause_is_no_alarm_until_something_waits_for_its_end() -> None:
    paused = condition("Paused", "True", "Paused", "Cluster spec.paused is set to true")
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned", "conditions": [paused]}, {"paused": True})
    found = only(judge([cluster]), "cluster")
    assert (found.severity, found.cause) == (
        Severity.INFO,
        "spec.paused is true: Cluster API does nothing for it",
    )
    workers = made("MachineDeployment", "workers", {"replicas": 2}, {"replicas": 4})
    found = only(judge([cluster, workers]), "cluster")
    assert found.severity is Severity.WARN
    assert found.cause.endswith("and MachineDeployment workers wants 4 machines and has 2")


def test_a_cluster_may_be_paused_by_an_annotation_too() -> None:
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned"}, annotations={"cluster.x-k8s.io/paused": ""})
    found = only(judge([cluster]), "cluster")
    assert found.cause.startswith("annotation cluster.x-k8s.io/paused is set:")
    assert found.step == "kubectl annotate cluster -n tenants tenant-a cluster.x-k8s.io/paused-"


def test_a_machine_that_is_paused_by_itself_is_worth_knowing_and_one_of_a_paused_cluster_is_not() -> None:
    ready = condition("NodeReady", "True", "NodeReady")
    alone = machine(ready, annotations={"cluster.x-k8s.io/paused": ""})
    found = only(judge([alone]), "machine")
    assert (found.severity, found.trouble) == (Severity.INFO, "is paused")
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned"}, {"paused": True})
    assert [one.label for one in judge([cluster, alone])] == ["cluster"]


@pytest.mark.parametrize(
    ("conditions", "words"),
    [((), ""), ((condition("ScalingUp", "True", "ScalingUp", "Scaling up from 2 to 4 replicas"),), ": Scaling up")],
    ids=["by numbers", "by its condition"],
)
def test_a_deployment_that_wants_more_machines_than_it_has_is_told(conditions: tuple[Object, ...], words: str) -> None:
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned"})
    workers = made("MachineDeployment", "workers", {"replicas": 2, "conditions": list(conditions)}, {"replicas": 4})
    found = only(judge([cluster, workers], waits=False), "cluster")
    assert (found.rule, found.trouble) == ("cluster.scale", "does not grow")
    assert found.cause.startswith(f"MachineDeployment workers wants 4 machines and has 2{words}")
    assert bool(judge([cluster, workers])) is bool(conditions), "without a date it has to stand for a while"


def test_a_deployment_that_has_what_it_wants_or_began_just_now_is_no_finding() -> None:
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned"})
    begun = {**condition("ScalingUp", "True", "ScalingUp"), "lastTransitionTime": "2026-11-21T01:55:00Z"}
    grows = made("MachineDeployment", "workers", {"replicas": 2, "conditions": [begun]}, {"replicas": 4})
    whole = made("KubeadmControlPlane", "cp", {"replicas": 3}, {"replicas": 3})
    assert judge([cluster, grows, whole], waits=False) == []


def scaled(at: str, *conditions: Object) -> Object:
    """A MachineDeployment that says nothing of its growth, and whose number somebody set."""
    entry = {"manager": "kubectl-edit", "operation": "Update", "time": at, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    other = {**entry, "manager": "manager", "time": "2026-11-21T01:59:59Z", "subresource": "status"}
    status: Object = {"replicas": 2, "conditions": list(conditions)}
    return made("MachineDeployment", "workers", status, {"replicas": 4}, managedFields=[other, entry])


def test_who_looks_but_once_sees_since_when_more_machines_are_wanted() -> None:
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned"})
    found = only(judge([cluster, scaled("2026-11-21T01:40:00Z")], waits=False), "cluster")
    assert (found.rule, found.since) == ("cluster.scale", parse_time("2026-11-21T01:40:00Z"))
    assert judge([cluster, scaled("2026-11-21T01:55:00Z")], waits=False) == []


def test_a_cluster_whose_pause_is_over_has_its_time_to_grow() -> None:
    cluster = made("Cluster", "tenant-a", {"phase": "Provisioned"})
    over = {**condition("Paused", "False", "NotPaused"), "lastTransitionTime": "2026-11-21T01:55:00Z"}
    assert judge([cluster, scaled("2026-11-21T01:00:00Z", over)], waits=False) == []
