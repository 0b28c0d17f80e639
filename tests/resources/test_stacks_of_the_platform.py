"""Stacks of KubeVirt, CDI, their API, namespaces and quotas."""

from __future__ import annotations

import pytest

from kvtui.model import Ref
from kvtui.resources import RESOURCES
from kvtui.stack import tell_stack, text_lines
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
