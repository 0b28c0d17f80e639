"""What no rule knows still shows, once it stands, and never twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kvtui.model import Severity
from kvtui.store import Change, Delta, Put, Store
from kvtui.text import parse_time
from kvtui.triage.engine import Engine
from kvtui.triage.problems import Problem
from tests.machines import RECORDED, TYPES, Object, machine_store, record_of

Edit = Callable[[dict[str, Object]], None]


def make_store(name: str, edit: Edit | None = None) -> Store:
    """A recorded machine whose node's heartbeat goes on."""

    def change(items: dict[str, Object]) -> None:
        node = items.get("Node", {}).get("metadata", {})
        node.setdefault("annotations", {})["kubevirt.io/heartbeat"] = "2026-11-21T03:00:00Z"
        if edit is not None:
            edit(items)

    return machine_store(name, change)


def problems(store: Store, now: float = RECORDED) -> Sequence[Problem]:
    """What is told after a minute in which nothing changes."""
    engine = Engine()
    whole = Store()
    for feed in store.feeds():
        whole.post(feed)
    for type_ in {type(record) for _, record in _everything(store)}:
        for ref, record in store.items(type_):
            whole.post(Put(ref.backend, record))
    engine.update(whole, whole.drain(), now)
    engine.update(whole, Delta(), now + 61.0)
    return engine.problems


def _everything(store: Store) -> Sequence[Any]:
    return [item for type_ in TYPES.values() for item in store.items(type_)]


def told(name: str, edit: Edit) -> list[tuple[Severity, str, str, str]]:
    return [
        (problem.severity, problem.finding.label, problem.finding.trouble, problem.cause)
        for problem in problems(make_store(name, edit))
    ]


def condition(kind: str, type_: str, status: str, message: str = "words of it") -> Edit:
    def edit(items: dict[str, Object]) -> None:
        item = {
            "type": type_, "status": status, "reason": "Why", "message": message,
            "lastTransitionTime": "2026-11-21T01:50:00Z",
        }  # fmt: skip
        items[kind].setdefault("status", {}).setdefault("conditions", []).append(item)

    return edit


@pytest.mark.parametrize(
    ("kind", "label", "type_", "status"),
    [
        ("VirtualMachineInstance", "vm", "BackendStorageFailed", "True"),
        ("VirtualMachineInstance", "vm", "GuestStalled", "True"),
        ("VirtualMachineInstance", "vm", "Stalled", "True"),
        ("VirtualMachine", "vm", "FirmwareInvalid", "True"),
        ("Node", "node", "NetworkPluginReady", "False"),
        ("Node", "node", "KernelDegraded", "True"),
        ("Node", "node", "KernelDeadlock", "True"),
        ("Node", "node", "ReadonlyFilesystem", "True"),
        ("Node", "node", "GpuLost", "Unknown"),
        ("Node", "node", "UplinkDown", "True"),
        ("Node", "node", "FrequentKubeletRestart", "True"),
        ("Node", "node", "CorruptDockerOverlay2", "True"),
        ("PersistentVolumeClaim", "claim", "VolumeHealthAbnormal", "True"),
        ("Pod", "vm", "VolumesHealthy", "Unknown"),
    ],
)
def test_a_condition_that_nobody_listed_tells_by_its_name(kind: str, label: str, type_: str, status: str) -> None:
    assert told("imported", condition(kind, type_, status)) == [
        (Severity.WARN, label, f"says {type_}={status}", "words of it")
    ]


@pytest.mark.parametrize(("after", "told"), [(30.0, 0), (61.0, 1)])
@pytest.mark.parametrize("status", ["Unknown", "True"])
def test_a_condition_is_told_by_a_single_look_once_it_stands(status: str, after: float, told: int) -> None:
    store = make_store("running", condition("Node", "GpuLost", status))
    engine, began = Engine(), parse_time("2026-11-21T01:50:00Z") or 0.0
    engine.waits = False
    changes = tuple(Change(ref, None, record) for ref, record in _everything(store))
    engine.update(store, Delta(changes), began + after)
    assert len([one for one in engine.findings if one.trouble == f"says GpuLost={status}"]) == told


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("BackendStorageFailed", "False"),
        ("FirmwareValid", "True"),
        ("LiveMigratable", "False"),
        ("Whatever", "False"),
        ("Whatever", "True"),
        ("Whatever", "Unknown"),
        ("ImageDownloaded", "True"),
        ("DefaultsApplied", "True"),
    ],
)
def test_a_condition_that_says_nothing_bad_is_left_alone(type_: str, status: str) -> None:
    assert told("running", condition("VirtualMachineInstance", type_, status)) == []


def says(kind: str, type_: str, status: str, reason: str, message: str) -> list[tuple[Severity, str]]:
    """What is told of a condition."""

    def edit(items: dict[str, Object]) -> None:
        condition(kind, type_, status, message)(items)
        items[kind]["status"]["conditions"][-1]["reason"] = reason

    return [(severity, trouble) for severity, _, trouble, _ in told("imported", edit)]


@pytest.mark.parametrize(
    ("type_", "status", "reason", "message", "severity"),
    [
        ("DisksAttached", "False", "AttachFailed", "disk vdb could not be attached", Severity.WARN),
        ("FilesystemFull", "True", "NoSpace", "/ is full", Severity.WARN),
        ("OutOfMemory", "True", "OOM", "", Severity.WARN),
        ("HotMemoryChange", "False", "Memory Hotplug Failed", "the VM configuration is not supported", Severity.WARN),
        ("Thermals", "True", "SensorError", "", Severity.INFO),
        ("GuestState", "True", "Seen", "its root file system could not be mounted", Severity.INFO),
        ("Replication", "False", "Behind", "the peer is unreachable", Severity.INFO),
        ("Scrubbed", "True", "NoErrors", "it found no errors", None),
        ("Snapshots", "False", "NotConfigured", "nobody asked for any", None),
    ],
)
def test_a_condition_whose_good_state_nobody_knows_is_read_by_its_reason_and_message(
    type_: str, status: str, reason: str, message: str, severity: Severity | None
) -> None:
    expected = [(severity, f"says {type_}={status}")] if severity is not None else []
    assert says("VirtualMachineInstance", type_, status, reason, message) == expected


@pytest.mark.parametrize(
    ("type_", "status", "bad"),
    [
        ("OOMKilling", "True", True),
        ("CPUThermal", "True", True),
        ("VMEventScheduled", "True", True),
        ("CPUThermal", "False", False),
        ("StorageReady", "True", False),
        ("StorageReady", "False", True),
        ("EtcdIsVoter", "True", False),
        ("EtcdIsVoter", "False", False),
    ],
)
def test_of_nodes_every_condition_is_bad_when_it_is_true_but_those_that_tell_health(
    type_: str, status: str, *, bad: bool
) -> None:
    expected = [(Severity.WARN, f"says {type_}={status}")] if bad else []
    assert says("Node", type_, status, "Seen", "words of it") == expected


def test_a_warning_about_a_node_is_found_though_the_kubelet_gives_its_name_for_the_uid() -> None:
    store = make_store("running")
    node = next(record for ref, record in _everything(store) if ref.kind == "Node")
    event = {
        "kind": "Event", "type": "Warning", "reason": "InvalidDiskCapacity", "message": "invalid capacity 0",
        "metadata": {"name": "e", "namespace": "default", "uid": "e"}, "lastTimestamp": "2026-11-21T01:55:00Z",
        "involvedObject": {"kind": "Node", "name": node.metadata.name, "uid": node.metadata.name},
    }  # fmt: skip
    store.apply([Put("c", record_of(event))])
    assert [problem.cause for problem in problems(store)] == ["invalid capacity 0"]


@pytest.mark.parametrize(
    ("kind", "type_", "step"),
    [
        ("Node", "KernelDeadlock", "kubectl describe node {}; and its kernel's log: journalctl -k on the node"),
        ("PersistentVolumeClaim", "VolumeCorrupted", "kubectl describe pvc -n {}; and the log of its storage driver"),
        ("VirtualMachineInstance", "GuestStalled", "kubectl describe vmi -n {}"),
    ],
)
def test_where_to_look_for_what_no_rule_knows_is_said_as_a_command(kind: str, type_: str, step: str) -> None:
    store = make_store("imported", condition(kind, type_, "True"))
    (problem,) = problems(store)
    (ref,) = [ref for ref, _ in _everything(store) if ref.kind == kind and ref.name in problem.finding.step]
    assert problem.finding.step == step.format(f"{ref.namespace} {ref.name}".strip())


def test_a_webhook_that_does_not_answer_is_named_with_its_service() -> None:
    store = make_store("running")
    vm = next(record for ref, record in _everything(store) if ref.kind == "VirtualMachine")
    event = {
        "kind": "Event", "type": "Warning", "reason": "FailedCreate", "count": 7,
        "message": 'Internal error occurred: failed calling webhook "vm.policy.example.org": failed to call webhook: '
        'Post "https://policy.policy-system.svc:443/validate?timeout=10s": dial tcp 10.1.2.3:443: connect: '
        "connection refused", "lastTimestamp": "2026-11-21T01:59:00Z",
        "metadata": {"name": "e", "namespace": vm.metadata.namespace, "uid": "e"},
        "involvedObject": {"kind": "VirtualMachine", "name": vm.metadata.name, "uid": vm.metadata.uid},
    }  # fmt: skip
    store.apply([Put("c", record_of(event))])
    (problem,) = problems(store)
    assert problem.cause == (
        "webhook vm.policy.example.org does not answer: Service policy-system/policy: dial tcp 10.1.2.3:443: "
        "connect: connection refused (7 times)"
    )
    assert problem.finding.step.endswith("kubectl get endpointslices,pods -n policy-system")


@pytest.mark.parametrize(("seen", "told"), [("2026-11-21T01:55:00Z", ["it hangs"]), ("2020-01-01T00:00:00Z", [])])
def test_a_warning_without_a_uid_is_of_the_object_of_that_name_if_that_is_not_newer(seen: str, told: list[str]) -> None:
    store = make_store("running")
    meta = {"name": "x", "namespace": "n", "uid": "x", "creationTimestamp": "2026-11-01T00:00:00Z"}
    pod = {"kind": "Pod", "metadata": meta}
    event = {
        "kind": "Event", "type": "Warning", "reason": "Hangs", "message": "it hangs", "lastTimestamp": seen,
        "metadata": {"name": "e", "namespace": "n", "uid": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "n", "name": "x"},
    }  # fmt: skip
    store.apply([Put("c", record_of(pod)), Put("c", record_of(event))])
    assert [problem.cause for problem in problems(store)] == told


@pytest.mark.parametrize(("kind", "label"), [("PersistentVolume", "volume"), ("StorageClass", "class")])
def test_a_warning_about_what_has_no_rule_of_its_own_shows(kind: str, label: str) -> None:
    store = make_store("running")
    about = {"kind": kind, "metadata": {"name": "x", "uid": "x"}}
    event = {
        "kind": "Event", "type": "Warning", "reason": "VolumeFailedDelete", "message": "still attached to node 1",
        "metadata": {"name": "e", "namespace": "default", "uid": "e"}, "lastTimestamp": "2026-11-21T01:55:00Z",
        "involvedObject": {"kind": kind, "name": "x", "uid": "x"},
    }  # fmt: skip
    store.apply([Put("c", record_of(about)), Put("c", record_of(event))])
    told = [(problem.finding.label, problem.finding.subject.path, problem.cause) for problem in problems(store)]
    assert told == [(label, "x", "still attached to node 1")]


def container(**status: Any) -> Edit:
    def edit(items: dict[str, Object]) -> None:
        items["Pod"]["status"]["containerStatuses"] = [{"name": "compute", **status}]

    return edit


def test_a_container_that_ran_out_of_memory_is_told_for_an_hour() -> None:
    ended = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-21T01:52:00Z"}
    store = make_store("imported", container(restartCount=1, lastState={"terminated": ended}))
    (problem,) = problems(store)
    assert problem.cause == "container compute was restarted once; last: OOMKilled, exit code 137"
    assert problem.finding.step == "give it more memory"
    assert not problems(store, RECORDED + 3600)


def test_a_container_that_ended_once_by_itself_is_no_news() -> None:
    ended = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-11-21T01:52:00Z"}
    assert told("imported", container(restartCount=1, lastState={"terminated": ended})) == []
    crashed = told("imported", container(restartCount=4, lastState={"terminated": ended}))
    assert crashed[0][2:] == ("crashed", "container compute was restarted 4 times; last: Error, exit code 1")


def warning(count: int, edit: Edit | None = None, of_event: Callable[[Object], None] = lambda _event: None) -> Store:
    store = make_store("running", edit)
    (vmi,) = (record for ref, record in _everything(store) if ref.kind == "VirtualMachineInstance")
    event: Object = {
        "kind": "Event", "type": "Warning", "reason": "Odd", "message": "something odd", "count": count,
        "metadata": {"name": "e", "namespace": "shop", "uid": "e"},
        "firstTimestamp": "2026-11-21T01:54:00Z", "lastTimestamp": "2026-11-21T01:55:00Z",
        "involvedObject": {
            "kind": "VirtualMachineInstance", "namespace": "shop", "name": vmi.metadata.name, "uid": vmi.metadata.uid,
        },
    }  # fmt: skip
    of_event(event)
    store.apply([Put("c", record_of(event))])
    return store


def test_a_warning_is_a_note_and_one_that_repeats_itself_a_problem() -> None:
    (once,) = problems(warning(1))
    assert (once.severity, once.finding.trouble, once.cause) == (Severity.INFO, "warns Odd", "something odd")
    (often,) = problems(warning(7))
    assert (often.severity, often.cause) == (Severity.WARN, "something odd (7 times)")
    assert not problems(warning(7), RECORDED + 900)


def test_a_warning_without_any_words_says_so() -> None:
    def silence(event: Object) -> None:
        event.update(reason="", message="")

    (found,) = problems(warning(7, of_event=silence))
    assert (found.finding.trouble, found.cause) == ("warns", "it gives neither a reason nor words (7 times)")


def told_by(reporter: str, at: str) -> Object:
    """What is told in between of the same instance: that something went well."""
    vmi = next(record for ref, record in _everything(warning(1)) if ref.kind == "VirtualMachineInstance")
    return {
        "kind": "Event", "type": "Normal", "reason": "Fine", "source": {"component": reporter},
        "metadata": {"name": "fine", "namespace": "shop", "uid": "fine"}, "lastTimestamp": at,
        "involvedObject": {"kind": vmi.KIND, "namespace": "shop", "name": vmi.metadata.name, "uid": vmi.metadata.uid},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reporter", "at", "count", "stands"),
    [
        ("", "2026-11-21T01:55:10Z", 1, False),
        ("", "2026-11-21T01:54:50Z", 1, True),
        ("somebody else", "2026-11-21T01:55:10Z", 1, True),
        ("", "2026-11-21T01:55:10Z", 7, True),
    ],
)
def test_a_warning_is_over_when_who_warned_tells_of_progress(
    reporter: str, at: str, count: int, *, stands: bool
) -> None:
    store = warning(count)
    store.apply([Put("c", record_of(told_by(reporter, at)))])
    assert bool(problems(store)) is stands


def test_a_warning_is_over_when_the_guest_runs_afterwards() -> None:
    def run(items: dict[str, Object]) -> None:
        step = {"phase": "Running", "phaseTransitionTimestamp": "2026-11-21T01:55:30Z"}
        items["VirtualMachineInstance"]["status"]["phaseTransitionTimestamps"] = [step]

    assert not problems(warning(7, run))


def test_what_a_rule_tells_of_a_vm_is_not_told_again() -> None:
    for name, type_, status in (("too_big", "Synchronized", "False"), ("running", "ManualRecoveryRequired", "True")):
        (problem,) = problems(make_store(name, condition("VirtualMachine", type_, status, "it")))
        assert problem.finding.rule == "vm.state"


def test_what_a_rule_does_not_tell_of_a_vm_stands_beside_what_it_tells() -> None:
    found = problems(make_store("too_big", condition("VirtualMachine", "FirmwareInvalid", "True")))
    assert [problem.finding.trouble for problem in found] == ["does not start", "says FirmwareInvalid=True"]


def restart_required(items: dict[str, Object]) -> None:
    condition("VirtualMachine", "RestartRequired", "True")(items)


def test_a_note_on_a_vm_silences_nothing_that_it_complains_of() -> None:
    def edit(items: dict[str, Object]) -> None:
        restart_required(items)
        ended = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-21T01:52:00Z"}
        container(restartCount=7, lastState={"terminated": ended})(items)

    assert {one[2] for one in told("imported", edit)} == {"crashed", "waits for a restart"}
    warned = problems(warning(7, restart_required))
    assert {problem.finding.trouble for problem in warned} == {"warns Odd", "waits for a restart"}


def test_a_pod_on_a_node_that_is_not_ready_is_an_effect_of_that() -> None:
    store = make_store("running", _lose_node)
    pod = {
        "kind": "Pod",
        "metadata": {"name": "virt-handler-x", "namespace": "kubevirt", "uid": "p"},
        "spec": {"nodeName": "node01"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-21T01:40:00Z"}],
        },
    }
    store.apply([Put("c", record_of(pod))])
    (problem,) = problems(store)
    assert problem.finding.trouble == "is not ready"
    assert [effect.subject.name for effect in problem.effects] == ["virt-handler-x"]


def _lose_node(items: dict[str, Object]) -> None:
    items["Node"]["metadata"]["name"] = "node01"
    for item in items["Node"]["status"]["conditions"]:
        if item["type"] == "Ready":
            item.update(status="Unknown", message="Kubelet stopped posting node status.")


def test_owners_that_form_a_ring_come_to_an_end() -> None:
    def claim(name: str, owner: str) -> Object:
        return {
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name, "namespace": "shop", "uid": name,
                "ownerReferences": [
                    {"kind": "PersistentVolumeClaim", "name": owner, "uid": owner, "controller": True}
                ],
            },
            "status": {"phase": "Lost"},
        }  # fmt: skip

    store = make_store("running")
    store.apply([Put("c", record_of(claim("a", "b"))), Put("c", record_of(claim("b", "a")))])
    assert {one.subject.name for problem in problems(store) for one in problem.findings} == {"a", "b"}


def hotplugged(source: str | None, state: str = "", *, due: bool) -> Edit:
    """An interface that was attached to a guest that runs for long; `due` while KubeVirt wants to migrate it."""

    def edit(items: dict[str, Object]) -> None:
        live = items["VirtualMachineInstance"]
        live["spec"]["networks"].append({"name": "net2", "multus": {"networkName": "vlan"}})
        live["spec"]["domain"]["devices"]["interfaces"].append({"name": "net2", "bridge": {}, "state": state})
        if source is not None:
            live["status"]["interfaces"].append({"name": "net2", "infoSource": source})
        if due:
            live["status"]["conditions"].append({"type": "MigrationRequired", "status": "True"})

    return edit


@pytest.mark.parametrize(
    ("edit", "bare"),
    [
        (hotplugged("domain, multus-status", due=False), True),
        (hotplugged("domain, multus-status", due=True), True),
        (hotplugged(None, due=True), False),
        (hotplugged("multus-status", due=True), False),
        (hotplugged("multus-status", "absent", due=False), False),
    ],
)
def test_an_interface_that_is_not_plugged_yet_or_any_more_needs_no_address(edit: Edit, bare: bool) -> None:
    found = {problem.finding.rule for problem in problems(make_store("running", edit), RECORDED + 3600)}
    assert ("network.address" in found) is bare
