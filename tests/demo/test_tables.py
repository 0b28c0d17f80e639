"""Tables: columns and cells are those that a real API server printed, and those its source names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kvtui.demo import kinds, tables
from kvtui.demo.storage import Kind, Object

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/demo/tables.json").read_text())["tables"]
# Inferred: the moment at which all ages in the cells hold.
RECORDED_AT = datetime(2026, 11, 21, 1, 51, 36, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
KINDS = {
    "vm": kinds.VM,
    "vmi": kinds.VMI,
    "vmim": kinds.VMIM,
    "dv": kinds.DATA_VOLUME,
    "pods": kinds.POD,
    "nodes": kinds.NODE,
}
ROWS = [(kind, row) for kind, table in RECORDED.items() for row in table["rows"]]


@pytest.mark.parametrize("recorded", RECORDED)
def test_columns_are_those_of_the_real_server(recorded: str) -> None:
    found = [
        {part: column[part] for part in ("name", "type", "format", "priority")}
        for column in tables.columns(KINDS[recorded])
    ]
    assert found == RECORDED[recorded]["columns"]


@pytest.mark.parametrize(("recorded", "row"), ROWS, ids=[f"{kind} {row['cells'][0]}" for kind, row in ROWS])
def test_cells_are_those_of_the_real_server(recorded: str, row: Object) -> None:
    assert tables.row(KINDS[recorded], row["object"], RECORDED_AT) == row["cells"]
    assert tables.row_conditions(KINDS[recorded], row["object"]) == row["conditions"]


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.plural)
def test_every_kind_has_a_cell_for_each_column_even_of_a_bare_object(kind: Kind) -> None:
    bare = {"metadata": {"name": "x", "creationTimestamp": "2026-11-21T01:59:00Z"}}
    assert len(tables.row(kind, bare, NOW)) == len(tables.columns(kind))


def shown(kind: Kind, obj: Object) -> dict[str, Any]:
    obj.setdefault("metadata", {"name": "x", "creationTimestamp": "2026-11-21T01:59:00Z"})
    names = [column["name"] for column in tables.columns(kind)]
    return dict(zip(names, tables.row(kind, obj, NOW), strict=True))


def container(name: str, **state: Any) -> Object:
    return {"name": name, "restartCount": state.pop("restarts", 0), "ready": state.pop("ready", False), **state}


def pod(*statuses: Object, init: tuple[Object, ...] = (), **status: Any) -> Object:
    return {
        "spec": {
            "containers": [{"name": one["name"]} for one in statuses] or [{"name": "main"}],
            "initContainers": [{"name": one["name"]} for one in init],
        },
        "status": {"containerStatuses": list(statuses), "initContainerStatuses": list(init), **status},
    }


def test_a_crashing_pod_tells_the_reason_and_when_it_last_restarted() -> None:
    last = {"terminated": {"exitCode": 1, "finishedAt": "2026-11-21T01:56:30Z"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    cells = shown(kinds.POD, pod(container("main", restarts=4, state=waiting, lastState=last), phase="Running"))
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == ("0/1", "CrashLoopBackOff", "4 (3m30s ago)")


def test_a_pod_in_its_init_containers() -> None:
    done = container("a", state={"terminated": {"exitCode": 0, "reason": "Completed"}})
    running = container("b", state={"running": {}})
    failed = container("b", state={"terminated": {"exitCode": 3}})
    main = container("main", state={"waiting": {"reason": "PodInitializing"}})
    assert shown(kinds.POD, pod(main, init=(done, running), phase="Pending"))["Status"] == "Init:1/2"
    assert shown(kinds.POD, pod(main, init=(done, failed), phase="Pending"))["Status"] == "Init:ExitCode:3"
    assert shown(kinds.POD, pod(main, init=(done, done), phase="Pending"))["Status"] == "PodInitializing"


def test_a_gated_pod_says_so() -> None:
    gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    assert shown(kinds.POD, pod(phase="Pending", conditions=[gate]))["Status"] == "SchedulingGated"


def test_init_containers_that_stay_count_as_ready_and_restarted() -> None:
    beside = container("proxy", restarts=2, ready=True, started=True, state={"running": {}})
    waiting = container("b", restarts=1, state={"running": {}})
    main = container("main", restarts=5, ready=True, state={"running": {}})
    sidecar = pod(main, init=(beside, waiting), phase="Pending")
    sidecar["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    cells = shown(kinds.POD, sidecar)
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == ("1/2", "Init:1/2", "3")
    sidecar["status"]["conditions"] = [{"type": "Initialized", "status": "True"}]
    cells = shown(kinds.POD, sidecar)
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == ("2/2", "Init:1/2", "7")


def test_a_pod_of_which_some_containers_are_done() -> None:
    done = container("a", state={"terminated": {"exitCode": 0, "reason": "Completed"}})
    failed = container("b", state={"terminated": {"exitCode": 2, "reason": "Error"}})
    running = container("c", ready=True, state={"running": {}})
    ready = [{"type": "Ready", "status": "True"}]
    assert shown(kinds.POD, pod(done, running, phase="Running", conditions=ready))["Status"] == "Running"
    assert shown(kinds.POD, pod(done, running, phase="Running"))["Status"] == "NotReady"
    assert shown(kinds.POD, pod(done, failed, running, phase="Running"))["Status"] == "Error"
    assert shown(kinds.POD, pod(done, phase="Succeeded"))["Status"] == "Completed"


def test_a_pod_that_is_deleted_terminates_unless_it_has_ended() -> None:
    deleted = {"name": "x", "deletionTimestamp": "2026-11-21T01:59:00Z"}
    assert shown(kinds.POD, {**pod(phase="Running"), "metadata": deleted})["Status"] == "Terminating"
    assert shown(kinds.POD, {**pod(phase="Succeeded"), "metadata": deleted})["Status"] == "Succeeded"
    lost = pod(phase="Running", reason="NodeLost")
    assert shown(kinds.POD, {**lost, "metadata": deleted})["Status"] == "Unknown"


def test_a_cordoned_node_that_is_not_ready() -> None:
    node = {"spec": {"unschedulable": True}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    cells = shown(kinds.NODE, node)
    assert (cells["Status"], cells["Roles"], cells["OS-Image"]) == (
        "NotReady,SchedulingDisabled",
        "<none>",
        "<unknown>",
    )
    node["status"]["nodeInfo"] = {"architecture": "amd64"}  # type: ignore[index]
    assert shown(kinds.NODE, node)["Kernel-Version"] == "<unknown> (amd64)"


def test_claims_show_capacity_only_when_bound() -> None:
    claim: Object = {
        "spec": {"storageClassName": "fast", "volumeMode": "Block"},
        "status": {"phase": "Pending", "capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteMany"]},
    }
    cells = shown(kinds.PVC, claim)
    assert (cells["Status"], cells["Capacity"], cells["Access Modes"]) == ("Pending", "", "")
    claim["spec"]["volumeName"] = "pv-1"
    claim["status"] |= {"phase": "Bound", "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}
    cells = shown(kinds.PVC, claim)
    assert (cells["Volume"], cells["Capacity"], cells["Access Modes"]) == ("pv-1", "20Gi", "RWO,RWX")
    assert (cells["VolumeAttributesClass"], cells["VolumeMode"]) == ("<unset>", "Block")


def test_events_show_how_long_ago_and_about_what() -> None:
    cells = shown(
        kinds.EVENT,
        {
            "involvedObject": {"kind": "VirtualMachineInstance", "name": "db-1"},
            "type": "Warning",
            "reason": "SyncFailed",
            "message": "no room\n",
            "source": {"component": "virt-handler", "host": "node01"},
            "firstTimestamp": "2026-11-21T01:00:00Z",
            "lastTimestamp": "2026-11-21T01:59:15Z",
            "count": 9,
        },
    )
    assert (cells["Last Seen"], cells["Object"], cells["Message"]) == ("45s", "virtualmachineinstance/db-1", "no room")
    assert (cells["First Seen"], cells["Count"], cells["Source"]) == ("60m", 9, "virt-handler, node01")


def test_events_without_a_last_time_or_a_name() -> None:
    single: Object = {"involvedObject": {"kind": "Node"}, "firstTimestamp": "2026-11-21T01:59:30Z"}
    cells = shown(kinds.EVENT, single)
    assert (cells["Last Seen"], cells["Object"], cells["Count"]) == ("30s", "node", 1)
    series = {"count": 4, "lastObservedTime": "2026-11-21T01:59:50.000000Z"}
    cells = shown(kinds.EVENT, single | {"series": series, "eventTime": "2026-11-21T01:50:00.000000Z"})
    assert (cells["Last Seen"], cells["First Seen"], cells["Count"]) == ("10s", "30s", 4)


def test_services_deployments_and_classes() -> None:
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 53, "nodePort": 30053, "protocol": "UDP"}]
    service: Object = {"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "ports": ports}}
    cells = shown(kinds.SERVICE, service)
    assert (cells["External-IP"], cells["Port(s)"], cells["Selector"]) == ("<pending>", "80/TCP,53:30053/UDP", "<none>")
    service["status"] = {
        "loadBalancer": {"ingress": [{"ip": "10.0.0.9"}, {"hostname": "a.example"}, {"ip": "10.0.0.8"}]}
    }
    assert shown(kinds.SERVICE, service)["External-IP"] == "10.0.0.8,10.0.0.9,a.example"
    template = {"spec": {"containers": [{"name": "a", "image": "img:1"}, {"name": "b", "image": "img:2"}]}}
    selector = {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "x", "operator": "In", "values": ["2", "1"]}]}
    cells = shown(
        kinds.DEPLOYMENT,
        {"spec": {"replicas": 3, "template": template, "selector": selector}, "status": {"readyReplicas": 2}},
    )
    assert (cells["Ready"], cells["Up-to-date"], cells["Containers"], cells["Images"]) == (
        "2/3",
        0,
        "a,b",
        "img:1,img:2",
    )
    assert cells["Selector"] == "app=a,x in (1,2)"
    assert shown(kinds.DEPLOYMENT, {})["Selector"] == ""
    assert shown(kinds.DAEMON_SET, {})["Selector"] == "<none>"
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    storage_class = {"metadata": {"name": "fast", "annotations": default}, "provisioner": "p"}
    cells = shown(kinds.STORAGE_CLASS, storage_class)
    assert (cells["Name"], cells["ReclaimPolicy"], cells["AllowVolumeExpansion"]) == ("fast (default)", "Delete", False)


def test_an_api_service_that_is_not_available() -> None:
    conditions = [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]
    service = {"namespace": "kubevirt", "name": "virt-api"}
    cells = shown(kinds.API_SERVICE, {"spec": {"service": service}, "status": {"conditions": conditions}})
    assert (cells["Service"], cells["Available"]) == ("kubevirt/virt-api", "False (MissingEndpoints)")
