"""DaemonSets of which not every pod is ready: what they say of it themselves, and what is warned of their pods."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Finding
from tests.machines import RECORDED, Object
from tests.triage.judging import event, judge, node

PLUGIN = "csi-rbdplugin"
SOCKET = "--kubelet-registration-path=/var/lib/kubelet/plugins/rook-ceph.rbd.csi.ceph.com/csi.sock"
WORDS = "Back-off restarting failed container csi-rbdplugin"


def plugin(ready: int = 9, **parts: Any) -> Object:
    """The node plugin of a CSI driver on ten nodes."""
    spec: Object = {
        "selector": {"matchLabels": {"app": PLUGIN}},
        "template": {"spec": {"containers": [{"args": [SOCKET]}]}},
        **parts.pop("spec", {}),
    }
    status = {"desiredNumberScheduled": 10, "numberReady": ready, "updatedNumberScheduled": 10, **parts}
    meta = {"namespace": "rook-ceph", "name": PLUGIN, "uid": "uid-plugin"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec, "status": status}


def warned(pod: str, times: int = 17, reason: str = "BackOff", message: str = WORDS) -> Object:
    """A warning of the kubelet of a node about a pod."""
    about = {"kind": "Pod", "metadata": {"namespace": "rook-ceph", "name": pod, "uid": f"uid-{pod}"}}
    return {**event(about, reason, message), "count": times, "source": {"component": "kubelet", "host": "worker-01"}}


def found(*items: Object, waits: bool = False) -> list[Finding]:
    return judge(items, RECORDED, waits=waits)


def told(*items: Object, waits: bool = False) -> list[tuple[str, str, str]]:
    """Glyph, trouble and cause of all that is found of DaemonSets and pods."""
    kinds = ("DaemonSet", "Pod")
    return [
        (one.severity.glyph, one.trouble, one.cause) for one in found(*items, waits=waits) if one.subject.kind in kinds
    ]


@pytest.mark.parametrize(("ready", "glyphs"), [(10, []), (9, ["!"]), (0, ["x"])])
def test_a_node_plugin_with_fewer_pods_ready_than_wanted_tells_how_many(ready: int, glyphs: list[str]) -> None:
    assert [glyph for glyph, *_ in told(plugin(ready))] == glyphs


def test_it_tells_what_does_not_go_on_and_how_to_see_where() -> None:
    (one,) = found(plugin(9))
    assert one.trouble == "lacks pods"
    assert one.cause == "9 of 10 pods are ready; on a node without one no disk of its driver can be mounted"
    assert one.step == "kubectl get pods -n rook-ceph -l app=csi-rbdplugin -o wide"


def test_a_pod_that_the_kubelet_warns_of_is_named_with_its_node() -> None:
    ((glyph, _, cause),) = told(plugin(9), warned(f"{PLUGIN}-22qq2"))
    assert glyph == "!"
    assert cause.endswith(f"mounted; pod {PLUGIN}-22qq2 on worker-01: {WORDS} (17 times)")


def test_while_all_pods_are_ready_what_was_warned_of_them_is_over() -> None:
    assert told(plugin(10), warned(f"{PLUGIN}-22qq2")) == []


def test_pods_of_another_daemon_set_are_not_taken_for_its_own() -> None:
    ((_, _, cause),) = [one for one in told(plugin(9), warned(f"{PLUGIN}-holder-22qq2")) if one[1] == "lacks pods"]
    assert "holder" not in cause


def test_what_connects_pods_says_so() -> None:
    spec = {"template": {"spec": {"volumes": [{"hostPath": {"path": "/opt/cni/bin"}}]}}}
    ((_, _, cause),) = told(plugin(9, spec=spec))
    assert cause == "9 of 10 pods are ready; on a node without one no new pod is connected to its network"


def test_a_daemon_set_that_vms_do_not_stand_on_is_but_a_note() -> None:
    ((glyph, _, cause),) = told(plugin(9, spec={"template": {}}))
    assert (glyph, cause) == ("i", "9 of 10 pods are ready")


@pytest.mark.parametrize(("lost", "told_of"), [(0, 1), (1, 0)])
def test_what_lacks_as_its_nodes_are_lost_is_told_of_those(lost: int, told_of: int) -> None:
    nodes = [node(f"w{number}", lost=number < lost) for number in range(3)]
    assert len(told(plugin(9), *nodes)) == told_of


@pytest.mark.parametrize(
    ("strategy", "warnings", "glyph", "trouble"),
    [
        ("RollingUpdate", [], "i", "is being rolled out"),
        ("RollingUpdate", [warned(f"{PLUGIN}-a", 17)], "!", "is being rolled out"),
        ("RollingUpdate", [warned(f"{PLUGIN}-a", 17, "Unhealthy")], "i", "is being rolled out"),
        ("OnDelete", [], "!", "lacks pods"),
    ],
)
def test_a_new_version_takes_its_time_unless_its_pods_crash(
    strategy: str, warnings: list[Object], glyph: str, trouble: str
) -> None:
    spec = {"updateStrategy": {"type": strategy}}
    ((severity, what, _),) = told(plugin(9, spec=spec, updatedNumberScheduled=4), *warnings)
    assert (severity, what) == (glyph, trouble)


def test_a_pod_may_take_three_minutes_to_get_ready_unless_it_crashes() -> None:
    assert told(plugin(9), waits=True) == []
    assert len(told(plugin(9), warned(f"{PLUGIN}-22qq2"), waits=True)) == 1


def test_virt_handler_is_judged_by_its_pods() -> None:
    handler = plugin(9)
    handler["metadata"].update(namespace="kubevirt", name="virt-handler")
    assert told(handler) == []
