"""Stacks of KubeVirt, CDI, their API, namespaces and quotas."""

from __future__ import annotations

import pytest

from kvtui.joins.layers import lines_of
from kvtui.joins.stack import stack_of
from kvtui.model import Feed, FeedState, Ref
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Deployment, Pod
from kvtui.resources import RESOURCES
from kvtui.stack import tell_stack, text_lines
from kvtui.store import Put, Store
from tests.triage.test_drills import play
from tests.triage.worlds import BACKEND


def told(drill: str, kind: str, path: str) -> list[str]:
    """The stack as it is printed, without what each layer complains of."""
    seen = play(drill)
    namespace, _, name = path.rpartition("/")
    record = seen.store.record(Ref(BACKEND, kind, namespace, name))
    assert record is not None
    now = seen.world.clock.now.timestamp()
    lines = tell_stack(seen.store, record.ref(BACKEND), RESOURCES, tuple(seen.engine.worst.values()), now)
    assert lines is not None
    return [one.partition(" (")[0] for one in text_lines(lines)]


def starts(lines: list[str], indent: int) -> list[str]:
    """Role and name of the layers so deep."""
    found = (line[2:] for line in lines)
    return [one.strip().partition(":")[0] for one in found if len(one) - len(one.lstrip()) == 2 * indent]


def test_kubevirt_stands_on_its_deployments_and_on_virt_handler_of_every_node() -> None:
    lines = told("virt-controller-down", "KubeVirt", "kubevirt/kubevirt")
    assert starts(lines, 1) == [
        "deployment kubevirt/virt-api",
        "deployment kubevirt/virt-controller",
        "deployment kubevirt/virt-operator",
        "daemonset kubevirt/virt-handler",
    ]
    assert "x   deployment kubevirt/virt-controller: Not ready" in lines


def test_of_virt_handler_only_pods_that_are_not_ready_have_a_line() -> None:
    lines = told("virt-handler-silent", "KubeVirt", "kubevirt/kubevirt")
    at = next(at for at, line in enumerate(lines) if "daemonset" in line)
    below = [line[2:].strip().partition(" ")[0] for line in lines[at + 1 :]]
    assert below == ["pod", "node", "pods"]
    assert lines[at].endswith(": In part")


def test_a_disk_that_is_to_be_filled_stands_on_who_fills_it() -> None:
    lines = told("cdi-crash-loop", "DataVolume", "lab/golden-next")
    assert starts(lines, 1) == ["PVC lab/golden-next", "deployment cdi/cdi-deployment"]
    assert "!   deployment cdi/cdi-deployment: Not ready" in lines


def test_who_fills_a_disk_is_told_where_only_its_pods_are_seen() -> None:
    seen = play("cdi-crash-loop")
    store = Store()
    for ref, record in (*seen.store.items(DataVolume), *seen.store.items(Pod)):
        store.post(Put(ref.backend, record))
    store.post(Feed(BACKEND, Deployment.KIND, FeedState.FORBIDDEN))
    store.drain()
    ref = next(ref for ref, _ in store.items(DataVolume) if ref.name == "golden-next")
    stack = stack_of(store, ref)
    assert stack is not None
    (filler,) = (layer for _, layer in lines_of(stack) if layer.role == "deployment")
    assert filler.sought == Ref(BACKEND, Deployment.KIND, "cdi", "cdi-deployment")


def test_a_disk_that_fills_stands_on_the_pod_that_fills_it_and_the_pod_has_the_disk_on_top() -> None:
    lines = told("import-not-found", "DataVolume", "ci/rocky-10-golden")
    (pod,) = (one.split()[-1] for one in starts(lines, 1) if one.startswith("pod "))
    above = [one.partition(":")[0].strip() for one in told("import-not-found", "Pod", pod)]
    assert above[:2] == ["x DataVolume ci/rocky-10-golden", "PVC ci/rocky-10-golden"]
    assert above[2].startswith("PVC ci/prime-")


def test_a_disk_without_a_claim_stands_on_the_class_that_it_asks_for() -> None:
    lines = [one[1:].strip() for one in told("misspelt-class", "DataVolume", "lab/mesh-1-root")]
    at = lines.index("PVC lab/mesh-1-root: does not exist")
    assert lines[at + 1] == "class ceph-rdb: does not exist"


def test_a_vm_stands_on_the_quota_that_refuses_it() -> None:
    assert "quota tight/small" in starts(told("over-quota", "VirtualMachine", "tight/analytics-1"), 1)


@pytest.mark.parametrize(
    ("drill", "shown"), [("virt-controller-down", ["deployment kubevirt/virt-controller"]), ("over-quota", [])]
)
def test_who_has_to_act_for_a_vm_is_told_while_something_is_wrong_with_it(drill: str, shown: list[str]) -> None:
    vm = {"virt-controller-down": "web/banner-1", "over-quota": "tight/analytics-1"}[drill]
    found = starts(told(drill, "VirtualMachine", vm), 1)
    assert [one for one in found if one.startswith("deployment ")] == shown


def test_a_node_has_its_virt_handler_while_something_is_wrong_with_it() -> None:
    lines = told("virt-handler-silent", "Node", "worker-02")
    assert any(one.strip("x! ").startswith("pod kubevirt/virt-handler-") for one in lines)
    assert not any(" pod " in one for one in told("virt-handler-silent", "Node", "worker-03"))


def test_a_pod_of_kubevirt_has_its_deployment_on_top() -> None:
    lines = told("virt-controller-down", "Deployment", "kubevirt/virt-controller")
    pod = starts(lines, 1)[0].split()[-1]
    assert told("virt-controller-down", "Pod", pod)[0].strip("x! ").startswith("deployment kubevirt/virt-controller")


def test_cdi_stands_on_its_deployments() -> None:
    lines = told("cdi-crash-loop", "CDI", "cdi")
    assert starts(lines, 1) == [f"deployment cdi/cdi-{name}" for name in ("apiserver", "deployment", "uploadproxy")]


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("v1.subresources.kubevirt.io", ["service kubevirt/virt-api", "deployment kubevirt/virt-api"]),
        ("v1beta1.upload.cdi.kubevirt.io", ["service cdi/cdi-api", "deployment cdi/cdi-apiserver"]),
        ("v1beta1.metrics.k8s.io", ["service kube-system/metrics-server", "pods of kube-system/metrics-server"]),
        ("v1.", []),
    ],
)
def test_an_api_stands_on_its_service_and_the_pods_behind_it(name: str, below: list[str]) -> None:
    lines = told("virt-api-down", "APIService", name)
    assert [*starts(lines, 1), *starts(lines, 2)] == below


def test_a_quota_tells_whom_it_refuses_what_is_taken_and_of_which_namespace_it_is() -> None:
    lines = told("over-quota", "ResourceQuota", "tight/small")
    assert lines == [
        "x VM refused tight/analytics-1: Starting",
        "    quota tight/small: Room",
        "      requests.memory 0 of 4Gi: Room",
        "      namespace tight: Active",
    ]


def test_a_namespace_counts_its_vms_and_tells_its_quotas() -> None:
    lines = told("over-quota", "Namespace", "tight")
    assert lines == [
        "  VMs 1",
        "    namespace tight: Active",
        "      quota tight/small: Room",
        "        requests.memory 0 of 4Gi: Room",
    ]
