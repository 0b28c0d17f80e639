"""Why no node takes a VM: recorded pods that wait, and recorded nodes that do not take them (catalogue 9.1)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kvtui.joins.causes import shorten_refusal
from kvtui.model import Finding
from tests.machines import Object, read_machine
from tests.triage.judging import judge, node, only

_MODEL = {"cpu-model.node.kubevirt.io/EPYC-Genoa": "true"}


def waiting(name: str, *nodes: Object, select: dict[str, str] | None = None, **spec: Any) -> Finding:
    """What is found in a recorded VM whose pod waits, beside these nodes."""
    items = read_machine(name)
    pod = next(item for item in items if item["kind"] == "Pod")
    pod["spec"]["nodeSelector"] |= select or {}
    pod["spec"] |= spec
    return only(judge([*items, *nodes]), "vm")


def small(name: str, *nodes: Object, select: dict[str, str] | None = None, **spec: Any) -> Finding:
    """The same of a VM that is not larger than the nodes."""
    items = read_machine(name)
    pod = next(item for item in items if item["kind"] == "Pod")
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = "1312Mi"
    pod["spec"]["nodeSelector"] |= select or {}
    pod["spec"] |= spec
    return only(judge([*items, *nodes]), "vm")


@pytest.mark.parametrize(
    ("said", "short"),
    [
        (
            '0/9 nodes are available: persistentvolumeclaim "a" not found. not found',
            'persistentvolumeclaim "a" not found',
        ),
        ("0/9 nodes are available: 1 one, 8 two. preemption: 0/9 nodes are available: x.", "8 two, 1 one"),
        ("it says something else", "it says something else"),
        ("", ""),
    ],
)
def test_the_schedulers_words_are_told_without_those_of_preemption(said: str, short: str) -> None:
    assert shorten_refusal(said) == short


def test_a_vm_that_is_larger_than_every_node_is_told_the_largest() -> None:
    large, less = node("big", allocatable={"memory": "64Gi"}), node("less", allocatable={"memory": "32Gi"})
    found = waiting("too_big", large, less)
    assert found.cause == "it needs 10Ti of memory, and the largest node, big, has 64Gi"
    assert found.step == "give the VM less memory, or add a node that has 10Ti"
    assert ("Node big", "allocatable memory", "64Gi") in [(e.subject, e.field, e.value) for e in found.evidence]
    assert found.evidence[0].field == "PodScheduled=False Unschedulable"


def test_a_vm_that_would_fit_an_empty_node_is_told_where_most_is_free() -> None:
    nodes = [node("a", allocatable={"memory": "2Gi"}), node("b", allocatable={"memory": "2Gi"})]
    pods = [running_pod(name, place, room) for name, place, room in (("x", "a", "1536Mi"), ("y", "b", "1Gi"))]
    found = small("too_big", *nodes, *pods)
    assert found.cause == "it needs 1.3Gi of memory, and the largest free node, b, has at most 1Gi of 2Gi left"


def test_a_node_that_is_too_small_is_not_offered_though_it_could_be_opened() -> None:
    sizes = {"memory": "64Gi"}
    nodes = [node("a", allocatable=sizes, unschedulable=True), node("b", allocatable=sizes, lost=True), node("c")]
    found = waiting("too_big", *nodes, node("d", allocatable={"memory": "32Gi"}))
    assert found.cause.startswith("it needs 10Ti of memory, and the largest node, ")
    assert found.step == "give the VM less memory, or add a node that has 10Ti"


def test_of_cordoned_nodes_one_with_room_is_offered_first_and_one_that_is_full_as_that() -> None:
    nodes = [node(name, allocatable={"memory": "2Gi"}, unschedulable=True) for name in ("a", "b")]
    found = small("too_big", *nodes, running_pod("x", "a", "1Gi"))
    assert found.cause == "b is cordoned; a is cordoned and has too little memory left"
    assert found.step == "uncordon b, or free memory on a and uncordon a"


def test_a_lost_node_is_offered_whatever_ran_on_it() -> None:
    found = small("too_big", node("a", allocatable={"memory": "2Gi"}, lost=True), running_pod("x", "a", "1Gi"))
    assert found.step == "bring a back"


def test_of_nodes_without_room_those_count_that_are_large_enough() -> None:
    shut = node("a", allocatable={"memory": "1Gi"}, unschedulable=True)
    nodes = [shut, node("b", allocatable={"memory": "2Gi"})]
    found = small("too_big", *nodes, running_pod("x", "b", "1536Mi"))
    assert found.cause == "it needs 1.3Gi of memory, and the largest free node, b, has at most 512Mi of 2Gi left"


def running_pod(name: str, place: str, memory: str) -> Object:
    pod = deepcopy(next(item for item in read_machine("running") if item["kind"] == "Pod"))
    pod["metadata"].update(name=name, uid=f"uid-{name}", ownerReferences=[], labels={"kubevirt.io": "virt-launcher"})
    pod["spec"] |= {"nodeName": place, "containers": [{"name": "c", "resources": {"requests": {"memory": memory}}}]}
    pod["status"] = {"phase": "Running"}
    return pod


def test_a_cpu_model_that_nobody_offers_is_named_with_those_that_are() -> None:
    found = waiting("no_cpu_model", node("a"), node("b"))
    assert found.cause == "no node offers CPU model EPYC-Genoa"
    assert found.step == (
        "choose a CPU model that the nodes offer (Broadwell, Cascadelake-Server, Haswell), or host-model"
    )


def test_of_the_nodes_that_offer_what_it_needs_each_is_told_with_what_keeps_it_off() -> None:
    nodes = [node("a", labels=_MODEL, unschedulable=True), node("b", labels=_MODEL, lost=True), node("c")]
    found = waiting("no_cpu_model", *nodes)
    assert found.cause == "only a and b offer CPU model EPYC-Genoa: a is cordoned; b is not ready"
    assert found.step == "uncordon a, or bring b back"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("cpu-feature.node.kubevirt.io/amx", "no node's CPU has feature amx"),
        ("machine-type.node.kubevirt.io/pc-q35-10", "no node offers machine type pc-q35-10"),
        ("disk", "no node has the label disk=true"),
        ("kubernetes.io/hostname", "its nodeSelector allows node true only, and there is none of that name"),
    ],
)
def test_a_label_that_no_node_has_is_told_in_plain_words(key: str, words: str) -> None:
    assert small("too_big", node("a"), select={key: "true"}).cause == words


def test_a_taint_of_all_nodes_is_named_and_how_to_take_it_away() -> None:
    taint = {"key": "firmware", "value": "pending", "effect": "NoSchedule"}
    found = small("too_big", *(node(name, taints=[taint]) for name in "abcd"))
    assert found.cause == "all 4 nodes that take VMs have taint firmware=pending:NoSchedule"
    assert found.step == "take the taint away (kubectl taint node NAME firmware-), or give the VM a toleration"


def test_a_taint_that_the_pod_tolerates_is_none() -> None:
    taint = {"key": "firmware", "value": "pending", "effect": "NoSchedule"}
    bears = [{"key": "firmware", "operator": "Exists"}]
    nodes = [node("a", taints=[taint]), node("b", unschedulable=True)]
    assert small("too_big", *nodes, tolerations=bears).cause == "no node takes it: 3 Insufficient memory"


def test_nodes_that_are_cordoned_drained_or_without_virt_handler_are_told_each() -> None:
    drain = {"key": "kubevirt.io/drain", "effect": "NoSchedule"}
    nodes = [
        node("a", unschedulable=True),
        node("b", taints=[drain]),
        node("c", labels={"kubevirt.io/schedulable": "false"}),
    ]
    found = small("too_big", *nodes)
    assert found.cause == "a is cordoned; b is being drained; c takes no VMs (kubevirt.io/schedulable=false)"


def test_a_single_node_without_kvm_is_at_fault_itself() -> None:
    items = read_machine("too_big")
    pod = next(item for item in items if item["kind"] == "Pod")
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = "1Gi"
    pod["spec"]["nodeSelector"]["kubernetes.io/hostname"] = "a"
    nodes = [node("a", allocatable={"devices.kubevirt.io/kvm": "0"}), node("b")]
    found = only(judge([*items, *nodes]), "vm")
    assert found.cause == "its nodeSelector allows a only, and it offers no devices.kubevirt.io/kvm"
    assert found.root is not None
    assert (found.root.kind, found.root.name) == ("Node", "a")


def test_node_affinity_is_read_as_the_scheduler_reads_it() -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    nodes = [node("a", labels={"zone": "a"}), node("b", labels={"zone": "c"})]
    found = small("too_big", *nodes, affinity={"nodeAffinity": required})
    assert found.cause == "no node meets its node affinity: zone in b"


def test_a_disk_that_is_on_one_node_names_the_node_and_what_is_wrong_with_it() -> None:
    found = _with_local_disk(node("a", unschedulable=True), node("b"))
    assert found.cause == "its PVC db-1-data can be used on a only, and it is cordoned"
    assert found.step == "uncordon a"


def test_a_disk_whose_node_is_gone_says_so() -> None:
    found = _with_local_disk(node("b"))
    assert found.cause == "its PVC db-1-data can be used on a only, and the cluster has no such node"


def test_a_disk_on_one_node_while_nodes_cannot_be_seen_is_taken_to_be_on_the_cordoned_one() -> None:
    found = _with_local_disk()
    assert found.step == "the node of its volume is most likely the one that is cordoned: whoever may, uncordon that"


def _with_local_disk(*nodes: Object) -> Finding:
    items = [item for item in read_machine("unbound") if item["kind"] != "Event"]
    claim = next(item for item in items if item["kind"] == "PersistentVolumeClaim")
    claim["spec"]["volumeName"], claim["status"]["phase"] = "pv-1", "Bound"
    pod = next(item for item in items if item["kind"] == "Pod")
    words = "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) had volume node affinity conflict."
    for condition in pod["status"]["conditions"]:
        if condition["type"] == "PodScheduled":
            condition["message"] = words
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1", "uid": "uid-pv-1"},
        "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}},
        "status": {"phase": "Bound"},
    }
    return only(judge([*items, volume, *nodes]), "vm")


def test_what_the_nodes_do_not_tell_is_told_in_the_schedulers_words() -> None:
    assert small("too_big", node("a")).cause == "no node takes it: 3 Insufficient memory"


def test_without_a_node_that_virt_handler_has_labelled_that_is_the_cause() -> None:
    plain = node("a")
    del plain["metadata"]["labels"]["kubevirt.io/schedulable"]
    found = small("too_big", plain)
    assert found.cause == "no node has the label kubevirt.io/schedulable, which virt-handler sets where VMs can run"
