"""KubeVirt's own pods: what each is for, and whose fault it is that one does not run."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import pytest

from kvtui.model import Finding, Severity
from kvtui.records.base import Record
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.decode import decode_record
from kvtui.records.kubernetes import ApiService, Deployment, Node, Pod
from kvtui.records.kubevirt import KubeVirt, VirtualMachine
from kvtui.store import Put, Store
from kvtui.text import parse_time
from kvtui.triage.engine import Engine

LATER = (parse_time("2026-11-21T02:00:00Z") or 0.0) + 600.0
"""Ten minutes after what the objects tell of."""


R = TypeVar("R", bound=Record)


def _read(item: dict[str, Any], type_: type[R]) -> R:
    return decode_record(json.dumps(item).encode(), type_)


def pod(component: str, number: int = 1, node: str = "worker-01", **status: Any) -> Pod:
    """As kubelet writes it: ready, unless told otherwise."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T02:00:00Z"}
    return _read(
        {
            "kind": "Pod",
            "metadata": {
                "name": f"{component}-{number}",
                "namespace": "kubevirt",
                "uid": f"{component}-{number}",
                "labels": {"kubevirt.io": component},
                "creationTimestamp": "2026-11-01T00:00:00Z",
            },
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "conditions": [ready], **status},
        },
        Pod,
    )


def cdi_pod(labels: dict[str, str], **status: Any) -> Pod:
    """As CDI's operator labels its pods (pkg/operator/resources/namespaced)."""
    made = pod("cdi", **status)
    made.metadata.namespace = "cdi"
    made.metadata.labels = labels
    return made


def deployment(name: str, namespace: str, replicas: int, **status: Any) -> Deployment:
    return _read(
        {
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": {"cdi.kubevirt.io": ""}},
            "spec": {"replicas": replicas},
            "status": status,
        },
        Deployment,
    )


def down(**container: Any) -> dict[str, Any]:
    return {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "ContainersNotReady",
                "lastTransitionTime": "2026-11-21T02:00:00Z",
            }
        ],
        "containerStatuses": [{"name": "it", "ready": False, **container}],
    }


CRASHES = down(
    restartCount=7,
    state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=it"}},
    lastState={"terminated": {"exitCode": 2, "reason": "Error", "finishedAt": "2026-11-21T02:00:00Z"}},
)
STARTS = down(state={"waiting": {"reason": "ContainerCreating"}})


def node(ready: str = "True", schedulable: str = "true") -> Node:
    return _read(
        {
            "kind": "Node",
            "metadata": {"name": "worker-01", "uid": "n-1", "labels": {"kubevirt.io/schedulable": schedulable}},
            "status": {"conditions": [{"type": "Ready", "status": ready, "message": "Kubelet stopped posting"}]},
        },
        Node,
    )


def test_a_node_that_has_lost_the_label_of_virt_handler_takes_no_vms() -> None:
    worker = node()
    worker.metadata.labels = {}
    assert judge(worker) == {}
    (found,) = judge(worker, pod("virt-handler")).values()
    assert (found.trouble, found.cause) == (
        "takes no VMs",
        "it has no label kubevirt.io/schedulable, which virt-handler sets with each heartbeat",
    )


def kubevirt(**metadata: Any) -> KubeVirt:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "False"}]
    return _read(
        {
            "kind": "KubeVirt",
            "metadata": {"name": "kubevirt", "namespace": "kubevirt", "uid": "kv", **metadata},
            "status": {"phase": "Deployed", "conditions": conditions},
        },
        KubeVirt,
    )


def judge(*records: Record, now: float = LATER) -> dict[str, Finding]:
    """What is found, by subject: after an hour, and of nothing that has to settle any more."""
    store, engine = Store(), Engine()
    engine.update(store, store.apply([Put("site", record) for record in records]), now)
    engine.update(store, store.apply([]), now + 60.0)
    return {f"{finding.subject.kind} {finding.subject.name}": finding for finding in engine.findings}


@pytest.mark.parametrize(
    ("container", "words", "step"),
    [
        ({"ready": False}, "its container it runs, and its readiness probe fails",
         "read its log: kubectl logs -n kubevirt virt-handler-1 -c it"),
        (STARTS["containerStatuses"][0], "its container it waits: ContainerCreating",
         "read its log: kubectl logs -n kubevirt virt-handler-1 -c it"),
    ],
)  # fmt: skip
def test_a_pod_that_is_not_ready_without_a_message_is_told_by_its_containers(
    container: dict[str, Any], words: str, step: str
) -> None:
    found = judge(pod("virt-handler", **down(**container)))["Pod virt-handler-1"]
    assert found.cause == f"KubeVirt does nothing on node worker-01: {words}"
    assert found.step == step


def test_one_of_two_controllers_that_crashes_is_a_warning_of_its_own() -> None:
    found = judge(pod("virt-controller"), pod("virt-controller", 2, **CRASHES))
    assert list(found) == ["Pod virt-controller-2"]
    finding = found["Pod virt-controller-2"]
    assert (finding.severity, finding.root) == (Severity.WARN, None)
    assert finding.cause == "container it does not stay up (Error, exit code 2, restarted 7 times)"
    assert finding.evidence[0].field == "container it lastState.terminated"


def test_without_a_controller_nothing_that_is_asked_for_happens() -> None:
    found = judge(pod("virt-controller", **CRASHES))
    finding = found["Deployment virt-controller"]
    assert (finding.severity, finding.trouble) == (Severity.BAD, "has no ready pod")
    assert finding.cause.startswith("nothing that is asked for happens: container it does not stay up")
    assert found["Pod virt-controller-1"].root == finding.subject


def test_a_pod_that_starts_has_its_time() -> None:
    begun = LATER - 600.0
    assert judge(pod("virt-handler", **STARTS), now=begun + 60.0) == {}
    assert "Pod virt-handler-1" in judge(pod("virt-handler", **STARTS))


def test_pods_of_a_lost_node_are_its_effects() -> None:
    found = judge(node("False"), pod("virt-handler", **CRASHES), pod("virt-api", **CRASHES))
    assert {found[name].root for name in found if not name.startswith("Node")} == {found["Node worker-01"].subject}


def test_a_handler_that_is_down_is_the_root_of_its_node() -> None:
    handler = pod("virt-handler", **CRASHES)
    found = judge(node(schedulable="false"), handler)
    assert found["Node worker-01"].root == handler.ref("site")
    assert found["Node worker-01"].since == LATER - 600.0
    assert found["Pod virt-handler-1"].cause.startswith("KubeVirt does nothing on node worker-01: container it")


def test_of_a_handler_whose_node_fell_silent_the_node_is_to_be_seen_and_not_a_log_that_nobody_can_read() -> None:
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-21T02:00:00Z"}
    containers = [{"name": "virt-handler", "ready": True, "state": {"running": {}}}]
    (found,) = judge(pod("virt-handler", conditions=[unready], containerStatuses=containers)).values()
    assert found.cause.startswith("KubeVirt does nothing on node worker-01: nothing is heard of it any more")
    assert found.step == "see node worker-01: only once that answers can its log be read"
    # A container that does not get ready is told by the kubelet: its log is there.
    containers[0]["ready"] = False
    (found,) = judge(pod("virt-handler", conditions=[unready], containerStatuses=containers)).values()
    assert found.step.startswith("read its log: kubectl logs ")


def test_a_node_that_no_handler_runs_on_says_so() -> None:
    found = judge(node(schedulable="false"), pod("virt-handler", node="worker-02"))
    assert found["Node worker-01"].cause.startswith("no virt-handler pod runs on it")


def test_a_component_without_any_pod_is_missed_while_kubevirt_is_to_stay() -> None:
    others = (pod("virt-handler"), pod("virt-operator"), pod("virt-api"))
    found = judge(kubevirt(), *others)
    assert found["Deployment virt-controller"].cause == (
        "nothing that is asked for happens: no pod of it is in namespace kubevirt"
    )
    gone = judge(kubevirt(deletionTimestamp="2026-11-21T02:00:00Z"), *others)
    assert "Deployment virt-controller" not in gone
    assert judge(*others) == {}


def test_an_evicted_pod_that_was_replaced_leaves_its_deployment_well() -> None:
    found = judge(pod("virt-api", phase="Failed", reason="Evicted", conditions=[]), pod("virt-api", 2))
    assert "Deployment virt-api" not in found


def test_without_cdis_controller_no_disk_is_filled_and_its_deployment_stands_for_it() -> None:
    labels = {"app": "containerized-data-importer", "cdi.kubevirt.io": ""}
    whole = deployment("cdi-deployment", "cdi", 1)
    finding = judge(whole, cdi_pod(labels, **CRASHES))["Deployment cdi-deployment"]
    assert finding.cause.startswith("no disk is imported, copied or uploaded: container it does not stay up")
    assert finding.subject == whole.ref("site")


def test_an_importer_is_no_part_of_cdi_itself() -> None:
    importer = cdi_pod({"app": "containerized-data-importer", "cdi.kubevirt.io": "importer"}, **CRASHES)
    assert importer.component == ""


def test_the_upload_api_rests_on_the_deployment_behind_its_service() -> None:
    service = _read(
        {
            "kind": "APIService",
            "metadata": {"name": "v1beta1.upload.cdi.kubevirt.io", "uid": "s"},
            "spec": {"group": "upload.cdi.kubevirt.io", "service": {"namespace": "cdi", "name": "cdi-api"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
        },
        ApiService,
    )
    found = judge(service, cdi_pod({"cdi.kubevirt.io": "cdi-apiserver"}, **CRASHES))
    root = found["APIService v1beta1.upload.cdi.kubevirt.io"].root
    assert root is not None
    assert root[:4] == found["Deployment cdi-apiserver"].subject[:4]


def test_a_deployment_that_was_scaled_to_nothing_says_so() -> None:
    found = judge(deployment("cdi-deployment", "cdi", 0))["Deployment cdi-deployment"]
    assert found.cause == "no disk is imported, copied or uploaded: somebody scaled it to 0"
    assert found.step == "kubectl scale deployment -n cdi cdi-deployment --replicas=1"


def test_a_deployment_whose_pods_are_not_seen_is_told_by_its_own_status() -> None:
    lacks = {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }
    assert (
        "minimum availability"
        in judge(deployment("cdi-deployment", "cdi", 1, conditions=[lacks]))["Deployment cdi-deployment"].cause
    )
    assert judge(deployment("cdi-deployment", "cdi", 1, readyReplicas=1)) == {}


def crashing(*, ready: str, since: str, hour: str = "02", **state: Any) -> dict[str, Any]:
    """A container that was killed after 40 seconds of its last run, for the seventh time."""
    killed = {
        "exitCode": 137,
        "reason": "OOMKilled",
        "startedAt": f"2026-11-21T{hour}:08:00Z",
        "finishedAt": f"2026-11-21T{hour}:08:40Z",
    }
    container = {"name": "it", "restartCount": 7, "state": state, "lastState": {"terminated": killed}}
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": since}
    return {"conditions": [condition], "containerStatuses": [container]}


BACKS_OFF: dict[str, Any] = {
    "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=it"}
}


@pytest.mark.parametrize(
    "status",
    [
        crashing(ready="True", since="2026-11-21T02:09:50Z", running={}),
        crashing(ready="False", since="2026-11-21T02:09:59Z", **BACKS_OFF),
        crashing(ready="False", since="2026-11-21T03:08:40Z", hour="03", **BACKS_OFF),
    ],
    ids=["it runs again for ten seconds", "it crashed a second ago", "the server's clock is ahead of ours"],
)
def test_who_looks_but_once_sees_that_containers_crash_again_and_again(status: dict[str, Any]) -> None:
    store, engine = Store(), Engine()
    engine.waits = False
    pods = [pod("virt-controller", number, **status) for number in (1, 2)]
    engine.update(store, store.apply([Put("site", record) for record in pods]), LATER)
    first = engine.problems[0].finding
    assert (first.rule, first.severity, len(engine.problems)) == ("component.ready", Severity.BAD, 1)
    assert "restarted 7 times" in first.cause


@pytest.mark.parametrize("ready", ["2026-11-21T01:40:00Z", "2026-11-21T02:08:40Z"], ids=["never", "for moments"])
def test_the_age_of_what_crashes_is_never_that_of_its_last_crash(ready: str) -> None:
    """What was ready between two crashes does not tell for how long it goes on."""
    store, engine = Store(), Engine()
    engine.waits = False
    down = pod("virt-controller", **crashing(ready="False", since=ready, **BACKS_OFF))
    engine.update(store, store.apply([Put("site", down)]), LATER)
    known = parse_time(ready) if ready < "2026-11-21T02:08:00Z" else None
    assert {one.since for one in engine.findings if one.rule.startswith("component.")} == {known}


def test_what_is_ready_for_longer_than_its_last_run_lasted_is_believed() -> None:
    status = crashing(ready="True", since="2026-11-21T02:08:50Z", running={})
    assert judge(pod("virt-controller", **status)).get("Deployment virt-controller") is None


def test_a_container_that_ran_for_days_before_its_node_rebooted_is_no_crash_loop() -> None:
    status = crashing(ready="True", since="2026-11-21T02:09:50Z", running={})
    status["containerStatuses"][0]["lastState"]["terminated"]["startedAt"] = "2026-11-01T00:00:00Z"
    assert judge(pod("virt-controller", **status)).get("Deployment virt-controller") is None


def untouched() -> VirtualMachine:
    return _read(
        {
            "kind": "VirtualMachine",
            "metadata": {
                "name": "banner-1",
                "namespace": "web",
                "uid": "vm",
                "creationTimestamp": "2026-11-21T02:00:00Z",
            },
            "spec": {"runStrategy": "Always"},
        },
        VirtualMachine,
    )


def test_a_vm_without_a_status_rests_on_the_controller_that_is_down() -> None:
    found = judge(untouched(), pod("virt-controller", **CRASHES))
    root = found["VirtualMachine banner-1"].root
    assert root is not None
    assert root[1:4] == ("Deployment", "kubevirt", "virt-controller")


def test_a_vm_without_a_status_is_told_of_where_the_controller_runs() -> None:
    finding = judge(untouched(), pod("virt-controller"))["VirtualMachine banner-1"]
    assert (finding.trouble, finding.root) == ("has no status", None)


def test_cdi_that_is_degraded_rests_on_its_deployment_that_is_down() -> None:
    cdi = _read(
        {
            "kind": "CDI",
            "metadata": {"name": "cdi", "uid": "c"},
            "status": {
                "phase": "Deployed",
                "conditions": [
                    {"type": "Available", "status": "False", "reason": "Degraded"},
                    {"type": "Degraded", "status": "True", "reason": "DeploymentNotReady"},
                ],
            },
        },
        Cdi,
    )
    found = judge(cdi, cdi_pod({"app": "containerized-data-importer", "cdi.kubevirt.io": ""}, **CRASHES))
    root = found["CDI cdi"].root
    assert root is not None
    assert root.name == "cdi-deployment"


def test_a_controller_whose_pods_are_not_seen_is_not_taken_for_down() -> None:
    waits = _read(
        {
            "kind": "DataVolume",
            "metadata": {"name": "d", "namespace": "shop", "creationTimestamp": "2026-11-21T02:05:00Z"},
        },
        DataVolume,
    )
    assert "DataVolume d" not in judge(waits, deployment("cdi-deployment", "cdi", 1, readyReplicas=1))
    assert judge(waits, deployment("cdi-deployment", "cdi", 1))["DataVolume d"].root is not None


@pytest.mark.parametrize(
    ("lacking", "known"),
    [("2026-11-21T01:40:00Z", True), ("2026-11-21T02:08:40Z", False)],
    ids=["for long", "since its last crash"],
)
def test_a_deployment_tells_for_how_long_its_pods_crash_where_they_hide_it(lacking: str, known: bool) -> None:
    store, engine = Store(), Engine()
    engine.waits = False
    labels = {"app": "containerized-data-importer", "cdi.kubevirt.io": ""}
    down = cdi_pod(labels, **crashing(ready="False", since="2026-11-21T02:08:40Z", **BACKS_OFF))
    condition = {"type": "Available", "status": "False", "lastTransitionTime": lacking}
    whole = deployment("cdi-deployment", "cdi", 1, conditions=[condition])
    engine.update(store, store.apply([Put("site", whole), Put("site", down)]), LATER)
    (found,) = [one for one in engine.findings if one.rule == "component.ready"]
    assert found.since == (parse_time(lacking) if known else None)


def test_a_deployment_whose_pods_are_not_seen_is_as_long_down_as_it_says() -> None:
    lacks = {"type": "Available", "status": "False", "lastTransitionTime": "2026-11-21T01:40:00Z"}
    finding = judge(deployment("cdi-deployment", "cdi", 1, conditions=[lacks]))["Deployment cdi-deployment"]
    assert finding.since == parse_time("2026-11-21T01:40:00Z")


@pytest.mark.parametrize(
    ("made", "since"),
    [("2026-11-21T01:59:50Z", "2026-11-21T01:40:00Z"), ("2026-11-01T00:00:00Z", "2026-11-21T02:00:00Z")],
    ids=["others were there before", "the same as ever"],
)
def test_pods_that_were_made_anew_and_never_ready_do_not_make_the_trouble_younger(made: str, since: str) -> None:
    unready = pod("virt-api", **STARTS)
    unready.metadata.creation_timestamp = made
    lacks = {"type": "Available", "status": "False", "lastTransitionTime": "2026-11-21T01:40:00Z"}
    whole = deployment("virt-api", "kubevirt", 2, conditions=[lacks])
    assert judge(whole, unready)["Deployment virt-api"].since == parse_time(since)
