"""Before something is asked it is said who would have to do it and is down, and nothing while all are up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kvtui.actions.keepers import tell_absent
from kvtui.backends.base import Permission
from kvtui.cli import codes
from kvtui.cli.demo import DemoCluster
from kvtui.demo.world import World
from kvtui.joins.machine import Machine, join_machine
from kvtui.model import Ref
from kvtui.records.kubernetes import Deployment, Pod
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import RESOURCES
from kvtui.store import Drop
from tests.actions.conftest import call_main
from tests.triage.worlds import BACKEND, Observer

CALL = "subresources.kubevirt.io"
RESTART = Permission("update", CALL, "virtualmachines", "restart")
PAUSE = Permission("update", CALL, "virtualmachineinstances", "pause")
SNAPSHOT = Permission("create", "snapshot.kubevirt.io", "virtualmachinesnapshots")
LABEL = Permission("patch", "kubevirt.io", "virtualmachines")
FILL = Permission("create", "cdi.kubevirt.io", "datavolumes")
CORDON = Permission("patch", "", "nodes")

WAITS = "Deployment virt-controller has no ready pod: what is asked for waits until it has one, and is done then"
REFUSED = "Deployment virt-api has no ready pod: KubeVirt takes no request till it has one"
UNFILLED = "Deployment cdi-deployment has no ready pod: no disk is filled till it has one"


def look_at(drill: str = "") -> Observer:
    start = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    return Observer(World(start=start, drill=drill) if drill else World(start=start, troubles=False))


def machine(observer: Observer, node: str = "") -> Machine:
    """A running one, on that node or any."""
    found = (join_machine(observer.store, ref) for ref, _ in observer.store.items(VirtualMachine))
    return next(one for one in found if one and one.running and one.vmi and node in ("", one.vmi.status.node_name))


def told(observer: Observer, needs: Permission, row: Machine) -> list[str]:
    now = observer.world.clock.now.timestamp()
    return list(tell_absent(observer.store, (needs,), row, row.ref, now))


@pytest.mark.parametrize(
    ("drill", "needs", "words"),
    [
        ("virt-controller-down", RESTART, [WAITS]),
        ("virt-controller-down", SNAPSHOT, [WAITS]),
        ("virt-controller-down", PAUSE, []),
        ("virt-controller-down", LABEL, []),
        ("virt-controller-down", CORDON, []),
        ("virt-api-down", RESTART, [REFUSED]),
        ("virt-api-down", PAUSE, [REFUSED]),
        ("virt-api-down", LABEL, [REFUSED]),
        ("cdi-crash-loop", FILL, [UNFILLED]),
        ("cdi-crash-loop", RESTART, []),
    ],
)
def test_what_is_down_and_has_a_part_in_it_is_named(drill: str, needs: Permission, words: list[str]) -> None:
    observer = look_at(drill)
    assert told(observer, needs, machine(observer)) == words


def test_of_an_account_that_sees_no_pods_of_kubevirt_its_deployment_tells() -> None:
    observer = look_at("virt-controller-down")
    row = machine(observer)
    hidden = [ref for ref, pod in observer.store.items(Pod) if pod.component]
    observer.store.apply([Drop(BACKEND, Pod, ref.namespace, ref.name) for ref in hidden])
    assert told(observer, RESTART, row) == [WAITS]
    deployments = [ref for ref, _ in observer.store.items(Deployment)]
    observer.store.apply([Drop(BACKEND, Deployment, ref.namespace, ref.name) for ref in deployments])
    assert told(observer, RESTART, row) == []


def test_a_guest_on_a_node_where_virt_handler_does_not_run_is_out_of_reach() -> None:
    observer = look_at("virt-handler-silent")
    (problem,) = observer.problems
    pod = observer.store.find(Pod, problem.finding.subject)
    assert pod is not None
    node = pod.spec.node_name
    why = "container virt-handler does not stay up (OOMKilled, exit code 137, restarted 6 times)"
    words = [f"virt-handler does not run on node {node} ({why}): nothing is done to its guest there"]
    for needs in (PAUSE, RESTART):
        assert told(observer, needs, machine(observer, node)) == words
    assert told(observer, LABEL, machine(observer, node)) == []
    assert told(observer, PAUSE, _elsewhere(observer, node)) == []


def test_the_heartbeat_of_a_node_tells_where_its_pods_are_not_seen() -> None:
    observer = look_at("virt-handler-silent")
    pod = observer.store.find(Pod, observer.problems[0].finding.subject)
    assert pod is not None
    row = machine(observer, pod.spec.node_name)
    hidden = [ref for ref, one in observer.store.items(Pod) if one.component]
    observer.store.apply([Drop(BACKEND, Pod, ref.namespace, ref.name) for ref in hidden])
    (words,) = told(observer, PAUSE, row)
    assert words.startswith(f"virt-handler of node {pod.spec.node_name} has given no heartbeat for ")


def test_while_all_are_up_nothing_is_said_of_any_action() -> None:
    observer = look_at()
    row = machine(observer)
    now = observer.world.clock.now.timestamp()
    actions = [action for resource in RESOURCES for action in resource.actions]
    assert len(actions) > 50
    for action in actions:
        assert list(tell_absent(observer.store, (action.needs, *action.also), row, row.ref, now)) == [], action.id


def _elsewhere(observer: Observer, node: str) -> Machine:
    refs: list[Ref] = [ref for ref, _ in observer.store.items(VirtualMachine)]
    found = (join_machine(observer.store, ref) for ref in refs)
    return next(one for one in found if one and one.running and one.vmi and one.vmi.status.node_name != node)


def test_a_command_says_it_first(capfd: pytest.CaptureFixture[str]) -> None:
    with DemoCluster(["--size", "60", "--drill", "virt-controller-down"]) as cluster:
        kubeconfig = cluster.wait_for_kubeconfig()
        assert call_main(["--kubeconfig", kubeconfig, "migrate", "web/cache-1", "--dry-run"]) == codes.OK
    out, err = capfd.readouterr()
    assert err.splitlines() == [f"! {WAITS}"]
    assert out == "web/cache-1: would be accepted\n"
