"""Once what a drill is about has been mended, nothing is told for the moment that a controller takes to go on."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from kvtui.demo import kinds
from kvtui.demo.storage import Kind, Object
from kvtui.demo.world import World
from kvtui.model import Severity
from tests.triage.drills import CASES
from tests.triage.worlds import Observer

_START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def begin(drill: str) -> Observer:
    observer = Observer(World(start=_START, drill=drill))
    observer.pass_time(CASES[drill].looks)
    return observer


def watch(observer: Observer, seconds: int) -> list[str]:
    """What is told without a reason, second by second, by who watches and by who looks once."""
    told = []
    for _ in range(seconds):
        observer.pass_time(1.0)
        causes = [one.cause for one in (*observer.findings, *(found.finding for found in observer.look_once()))]
        told += [cause for cause in causes if "no condition says why" in cause]
    return told


def untaint(node: Object) -> None:
    node["spec"].pop("taints", None)


def test_a_vm_that_gets_its_node_at_last_is_not_told_to_start_for_long() -> None:
    observer = begin("tainted-nodes")
    for node in observer.world.storage.list(kinds.NODE):
        if "node-role.kubernetes.io/control-plane" not in node["metadata"].get("labels", {}):
            observer.world.storage.modify(kinds.NODE, "", node["metadata"]["name"], untaint)
    assert watch(observer, 30) == []


def test_a_cluster_that_is_paused_no_more_gets_the_machines_that_it_was_to_have() -> None:
    observer = begin("cluster-paused")
    world, labels = observer.world, {"cluster.x-k8s.io/deployment-name": "tenant-a-workers"}
    before = len(world.storage.list(kinds.MACHINE, "tenants", labels))
    world.storage.modify(kinds.CLUSTER, "tenants", "tenant-a", lambda found: found["spec"].update(paused=False))
    for _ in range(60):
        observer.pass_time(15.0)
        # Their disks are imported meanwhile.
        assert [one.rule for one in observer.findings if one.rule != "cluster.paused"] == []
        assert observer.look_once() == []
    machines = world.storage.list(kinds.MACHINE, "tenants", labels)
    assert len(machines) == before + 2
    assert {one["status"]["phase"] for one in machines} == {"Running"}
    assert observer.problems == []


@pytest.mark.parametrize(
    ("drill", "container", "resource"),
    [
        ("virt-controller-down", "virt-controller", "kubevirt -n kubevirt"),
        ("cdi-crash-loop", "cdi-controller", "cdi"),
    ],
)
def test_where_a_component_gets_more_memory_is_said_by_field_and_value(
    drill: str, container: str, resource: str
) -> None:
    observer = begin(drill)
    patch = f"by a patch in spec.customizeComponents (any other change its operator puts back): kubectl edit {resource}"
    step = next(one.step for one in observer.findings if one.rule == "component.ready")
    assert re.match(
        r"see what it takes and what its node has left \(kubectl top pod -n \S+, kubectl top node \S+\), ", step
    )
    assert step.endswith(f"as container {container} has no limits.memory; or raise its requests.memory {patch}")
    for pod in observer.world.storage.list(kinds.POD):
        if pod["spec"]["containers"][0]["name"] == container:
            observer.world.storage.modify(
                kinds.POD, pod["metadata"]["namespace"], pod["metadata"]["name"], lambda found: limit(found, "300Mi")
            )
    observer.pass_time(15.0)
    step = next(one.step for one in observer.findings if one.rule == "component.ready")
    assert step == f"raise limits.memory of container {container}, now 300Mi, {patch}"


def limit(pod: Object, memory: str) -> None:
    pod["spec"]["containers"][0]["resources"]["limits"] = {"memory": memory}


@pytest.mark.parametrize(
    ("drill", "kind", "deployment", "container"),
    [
        ("virt-controller-down", kinds.KUBEVIRT, "virt-controller", "virt-controller"),
        ("cdi-crash-loop", kinds.CDI, "cdi-deployment", "cdi-controller"),
    ],
)
def test_a_patch_in_customize_components_ends_the_crashes(
    drill: str, kind: Kind, deployment: str, container: str
) -> None:
    observer = begin(drill)
    resources = {"requests": {"memory": "1Gi"}}
    template = {"template": {"spec": {"containers": [{"name": container, "resources": resources}]}}}
    patch = {"resourceType": "Deployment", "resourceName": deployment, "type": "strategic"}
    patch["patch"] = json.dumps({"spec": template})
    meta = observer.world.storage.list(kind)[0]["metadata"]
    observer.world.storage.modify(
        kind, meta.get("namespace", ""), meta["name"],
        lambda found: found["spec"].update(customizeComponents={"patches": [patch]}),
    )  # fmt: skip
    observer.pass_time(900.0)
    assert [one.cause for one in observer.findings if one.severity > Severity.INFO] == []


def test_a_guest_that_finds_no_memory_is_told_with_the_node_that_has_none() -> None:
    observer = begin("crash-loop")
    (found,) = [one for one in observer.findings if one.subject.path == "lab/dpdk-router-1"]
    assert found.step.startswith("free memory on node worker-")


@pytest.mark.parametrize(("before", "every", "looks"), [(0.0, 1.0, 180), (0.2, 0.25, 40), (0.55, 0.25, 40)])
def test_once_a_migration_that_holds_up_the_queue_is_cancelled_nothing_is_told_of_it_or_of_the_queue(
    before: float, every: float, looks: int
) -> None:
    """Whenever somebody looks: virt-controller counts those under way every five seconds."""
    observer = begin("migration-queue")
    observer.pass_time(before)
    moves = observer.world.storage.list(kinds.VMIM)
    (held,) = [one["metadata"] for one in moves if one["status"]["phase"] == "Running"]
    observer.world.storage.delete(kinds.VMIM, held["namespace"], held["name"])
    for _ in range(looks):
        observer.pass_time(every, every)
        assert [one.cause for one in (*observer.problems, *observer.look_once())] == []
    observer.pass_time(180.0)
    assert {one["status"]["phase"] for one in observer.world.storage.list(kinds.VMIM, "web")} == {"Succeeded"}


def test_a_vm_that_got_less_memory_is_told_to_be_restarted_and_no_crash_is_told_of_its_restart() -> None:
    observer = begin("too-much-memory")
    world = observer.world

    def shrink(found: Object) -> None:
        found["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "16Gi"

    world.storage.modify(kinds.VM, "data", "warehouse-1", shrink)
    observer.pass_time(15.0)
    (found,) = observer.findings
    assert found.cause.startswith(
        "its VM asks for 16Gi of memory by now, the instance that waits still for 2Ti of memory: it needs 2Ti"
    )
    assert found.step == "restart it: the new instance is made as the VM is now"
    world.storage.delete(kinds.VMI, "data", "warehouse-1")
    observer.pass_time(1.0)
    for _ in range(60):
        observer.pass_time(1.0)
        assert [one.trouble for one in observer.findings if one.trouble.startswith("crashes")] == []
        assert [one.cause for one in observer.look_once()] == []
    assert world.storage.get(kinds.VM, "data", "warehouse-1")["status"]["printableStatus"] == "Running"
