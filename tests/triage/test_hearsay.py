"""What only warnings tell, of kinds that no rule judges: while it is news, and where it may concern VMs."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Finding
from tests.machines import RECORDED, Object
from tests.triage.judging import event, judge

MULTUS_PATH = "/etc/cni/net.d"


def thing(kind: str, namespace: str, name: str, **parts: Any) -> Object:
    """An object of a kind, made a day ago."""
    meta = {"namespace": namespace, "name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-11-20T02:00:00Z"}
    return {"apiVersion": "v1", "kind": kind, "metadata": {key: one for key, one in meta.items() if one}, **parts}


def warning(about: Object, times: int = 12, message: str = "exceeded quota", reason: str = "FailedCreate") -> Object:
    """One that is half a minute old and has stood for five."""
    meta = about["metadata"]
    named = {**about, "metadata": {"namespace": "", **meta}}
    return {**event(named, reason, message), "count": times}


def daemon_set(namespace: str, name: str, path: str = "") -> Object:
    """One of ten nodes; with a folder of its nodes."""
    volumes = [{"hostPath": {"path": path}}] if path else []
    status = {"desiredNumberScheduled": 10, "numberReady": 10, "updatedNumberScheduled": 10}
    return thing("DaemonSet", namespace, name, spec={"template": {"spec": {"volumes": volumes}}}, status=status)


def deployment(name: str, namespace: str = "kubevirt") -> Object:
    return thing("Deployment", namespace, name, spec={"replicas": 2}, status={"readyReplicas": 2, "replicas": 2})


def told(*items: Object, now: float = RECORDED, waits: bool = True) -> list[tuple[str, str, str, str]]:
    """Glyph, label, path and cause of all that is found."""
    return [(one.severity.glyph, one.label, one.subject.path, one.cause) for one in found(*items, now=now, waits=waits)]


def found(*items: Object, now: float = RECORDED, waits: bool = True) -> list[Finding]:
    return judge(items, now, waits=waits)


@pytest.mark.parametrize(
    ("about", "label"),
    [
        (deployment("virt-api"), "deployment"),
        (thing("NetworkAttachmentDefinition", "data", "vlan140"), "network"),
        (thing("Namespace", "", "shop"), "namespace"),
        (thing("DataSource", "golden", "fedora"), "data source"),
        (thing("ResourceQuota", "tight", "small"), "quota"),
        (thing("Machine", "capi", "cp-1"), "machine"),
        (daemon_set("multus", "kube-multus-ds", MULTUS_PATH), "daemonset"),
    ],
)
def test_a_warning_about_whatever_is_listed_is_told(about: Object, label: str) -> None:
    path = "/".join(about["metadata"][key] for key in ("namespace", "name") if key in about["metadata"])
    assert told(about, warning(about)) == [("!", label, path, "exceeded quota (12 times)")]


def test_a_warning_tells_its_object_as_evidence_and_where_to_see_more() -> None:
    about = thing("NetworkAttachmentDefinition", "data", "vlan140")
    (one,) = found(about, warning(about, message="bridge br10 is missing", reason="Invalid"))
    assert (one.trouble, one.evidence[0].subject) == ("warns Invalid", "Event of NAD vlan140")
    assert one.step == "kubectl describe networkattachmentdefinition -n data vlan140"


@pytest.mark.parametrize("kind", ["VirtualMachinePool", "DataImportCron", "HyperConverged"])
def test_what_makes_vms_and_disks_is_told_though_it_is_in_no_list(kind: str) -> None:
    about = thing(kind, "shop", "web")
    ((glyph, _, path, cause),) = told(warning(about))
    assert (glyph, path, cause) == ("!", "shop/web", "exceeded quota (12 times)")


def test_what_is_told_of_a_replica_set_is_told_of_its_deployment() -> None:
    of_set = warning(thing("ReplicaSet", "kubevirt", "virt-controller-7d9f8b6c5"))
    (one,) = found(deployment("virt-controller"), of_set)
    assert (one.label, one.subject.path) == ("deployment", "kubevirt/virt-controller")
    assert one.evidence[0].subject == "Event of ReplicaSet virt-controller-7d9f8b6c5"


def test_what_is_told_of_a_replica_set_of_a_deployment_that_is_not_listed_is_told_of_itself() -> None:
    set_ = thing("ReplicaSet", "kubevirt", "hco-operator-7d9f8b6c5")
    expected = [("!", "replica set", "kubevirt/hco-operator-7d9f8b6c5", "exceeded quota (12 times)")]
    assert told(deployment("virt-api"), warning(set_)) == expected


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "Job", "Pod", "Service", "Endpoints", "Ingress"])
@pytest.mark.parametrize("namespace", ["shop", "kube-system"])
def test_workloads_that_vms_do_not_stand_on_are_left_alone(kind: str, namespace: str) -> None:
    network = daemon_set("kube-system", "cilium", MULTUS_PATH)
    assert told(network, deployment("virt-api"), warning(thing(kind, namespace, "cart-api-7d9f8b6c5-x2x4z"))) == []


@pytest.mark.parametrize("about", [daemon_set("monitoring", "node-exporter"), thing("Application", "argocd", "web")])
def test_what_may_have_nothing_to_do_with_vms_is_but_a_note(about: Object) -> None:
    assert [glyph for glyph, *_ in told(about, warning(about))] == ["i"]


def test_a_daemon_set_of_kubevirt_is_no_stranger() -> None:
    handler = daemon_set("kubevirt", "virt-handler")
    assert [glyph for glyph, *_ in told(deployment("virt-api"), handler, warning(handler))] == ["!"]


def test_a_pod_that_is_not_watched_is_told_where_vms_stand_on_it() -> None:
    plugin = daemon_set("rook-ceph", "csi-rbdplugin", MULTUS_PATH)
    osd = thing("Pod", "rook-ceph", "rook-ceph-osd-0-5c9f-x2x4z")
    words = "Back-off restarting failed container osd"
    assert told(plugin, warning(osd, message=words, reason="BackOff")) == [
        ("!", "pod", "rook-ceph/rook-ceph-osd-0-5c9f-x2x4z", f"{words} (12 times)")
    ]
    assert told(plugin, warning(osd, message="Readiness probe failed", reason="Unhealthy")) == []


def test_pods_of_kubevirt_itself_are_judged_by_what_they_say_themselves() -> None:
    gone = thing("Pod", "kubevirt", "virt-handler-x2x4z")
    assert told(deployment("virt-api"), warning(gone, reason="BackOff")) == []


@pytest.mark.parametrize(("times", "glyph"), [(4, "i"), (5, "!")])
def test_what_repeats_itself_is_more_than_a_note(times: int, glyph: str) -> None:
    about = thing("Namespace", "", "shop")
    assert told(about, warning(about, times))[0][0] == glyph


def test_a_warning_is_told_while_it_is_news() -> None:
    about = thing("Namespace", "", "shop")
    last = RECORDED - 30.0
    assert len(told(about, warning(about), now=last + 590.0)) == 1
    assert told(about, warning(about), now=last + 610.0) == []


@pytest.mark.parametrize(("times", "waits", "told_of"), [(1, False, 0), (12, False, 1), (12, True, 0)])
def test_a_warning_has_to_stand_for_a_minute_unless_it_repeats_itself_for_who_looks_but_once(
    times: int, waits: bool, told_of: int
) -> None:
    about = thing("Namespace", "", "shop")
    recent = {"firstTimestamp": "2026-11-21T01:55:40Z", "lastTimestamp": "2026-11-21T01:55:50Z"}
    assert len(told(about, {**warning(about, times), **recent}, waits=waits)) == told_of


def test_a_warning_about_an_object_that_is_gone_or_was_another_is_told_no_more() -> None:
    about = thing("Namespace", "", "shop")
    before = thing("Namespace", "", "shop")
    before["metadata"]["uid"] = "uid-earlier"
    assert told(warning(about)) == []
    assert told(about, warning(before)) == []


def test_a_warning_that_who_gave_it_has_answered_is_told_no_more() -> None:
    about = thing("Namespace", "", "shop")
    answer = {**event({**about, "metadata": {"namespace": "", **about["metadata"]}}, "Done", "done", "Normal")}
    answer["lastTimestamp"] = "2026-11-21T01:55:45Z"
    assert told(about, warning(about, times=2), answer) == []
