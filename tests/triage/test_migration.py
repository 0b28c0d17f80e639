"""Migrations that wait, find no node, or do not come to an end: a recorded machine and what a server writes (9.4)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kvtui.joins.landing import Wants, judge_nodes, tell_refusals, travel_selector
from kvtui.model import Finding, Severity
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import Migration, VirtualMachineInstance
from kvtui.records.progress import MigrationProgress
from kvtui.store import Drop, Put
from kvtui.text import parse_time
from kvtui.triage.engine import Engine
from tests.machines import Object, read_machine, record_of, store_of
from tests.triage.judging import event, judge, node, only

BEGAN = parse_time("2026-11-21T01:50:14Z") or 0.0
"""When the recorded machine began to move."""
SOURCE, TARGET = "node02", "node01"
_PHASES = ("Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running")


def moving(phase: str, vm: str = "web-1", **spec: Any) -> list[Object]:
    """The recorded machine while it moves, as it was at the source: its migration has come to a phase."""
    items = deepcopy(read_machine("running"))
    of_kind = {item["kind"]: item for item in items}
    job, vmi = of_kind["VirtualMachineInstanceMigration"], of_kind["VirtualMachineInstance"]
    job["spec"] |= spec
    state = job["status"].pop("migrationState")
    job["status"]["phase"] = phase
    steps = job["status"]["phaseTransitionTimestamps"]
    job["status"]["phaseTransitionTimestamps"] = [one for one in steps if one["phase"] in upto(phase)]
    vmi["status"]["nodeName"] = SOURCE
    del vmi["status"]["migrationState"]
    if phase == "Running":
        del state["endTimestamp"], state["completed"]
        vmi["status"]["migrationState"] = state
    launchers = [item for item in items if item["kind"] == "Pod"]
    target, source = launchers
    source["status"]["phase"] = "Running"
    found = [item for item in items if item["kind"] != "Pod"] + [source]
    if phase not in ("Pending", "Failed"):
        found.append(target)
    return [_renamed(item, vm) for item in found]


def upto(phase: str) -> tuple[str, ...]:
    return _PHASES[: _PHASES.index(phase) + 1] if phase in _PHASES else ("Pending", "Scheduling", phase)


def _renamed(item: Object, vm: str) -> Object:
    """Another machine of the same kind."""
    if vm == "web-1":
        return item
    item["metadata"]["name"] = item["metadata"]["name"].replace("web-1", vm).replace("9ksb9", vm)
    item["metadata"]["uid"] = f"{item['metadata']['uid']}-{vm}"
    if item["kind"] == "VirtualMachineInstanceMigration":
        item["spec"]["vmiName"] = vm
    if state := item["status"].get("migrationState"):
        state["migrationUid"] = f"{state['migrationUid']}-{vm}"
    return item


def unschedulable(
    items: list[Object], message: str = "0/3 nodes are available: 3 Insufficient memory."
) -> list[Object]:
    """The target pod waits for a node."""
    pod = next(one for one in items if "kubevirt.io/migrationJobUID" in one["metadata"].get("labels", {}))
    del pod["spec"]["nodeName"]
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pod["status"] = {"phase": "Pending", "conditions": [condition]}
    return items


def installation(**migrations: int) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": "kubevirt", "uid": "kv"},
        "spec": {"configuration": {"migrations": migrations}},
        "status": {"phase": "Deployed"},
    }


def without_others(items: list[Object]) -> list[Object]:
    return [item for item in items if item["kind"] != "Node"]


def of_vm(findings: list[Finding], vm: str) -> Finding:
    return next(one for one in findings if one.label == "migration" and one.cause.startswith(f"{vm}: "))


# The queue


def test_a_migration_that_waits_for_its_turn_names_the_limit_and_who_uses_it_up() -> None:
    items = [*moving("Running"), *moving("Pending", "web-2"), installation(parallelMigrationsPerCluster=1)]
    found = judge(items, BEGAN + 700)
    waits, first = of_vm(found, "web-2"), of_vm(found, "web-1")
    assert waits.cause == "web-2: only 1 may move at a time in the cluster; shop/web-1 has been moving for 11m"
    assert waits.evidence[0].subject == "KubeVirt kubevirt"
    assert waits.evidence[0].field == "spec.configuration.migrations.parallelMigrationsPerCluster"
    assert (waits.severity, waits.root) == (Severity.INFO, first.subject)
    assert waits.step == "cancel the migration of shop/web-1, or raise parallelMigrationsPerCluster"
    assert first.step.startswith("cancel it to let the others go on; ")


def test_two_that_leave_one_node_hold_up_a_third_where_nobody_states_a_limit() -> None:
    items = [*moving("Running"), *moving("Running", "web-2"), *moving("Pending", "web-3")]
    found = of_vm(judge(items, BEGAN + 700), "web-3")
    assert found.cause == (
        f"web-3: only 2 may move at a time from {SOURCE}; shop/web-1 has been moving for 11m, beside 1 more"
    )
    assert found.evidence[0].subject == "KubeVirt's default"
    assert found.evidence[0].value == "2"


def test_a_queue_that_gets_on_is_no_finding() -> None:
    items = [*moving("Running"), *moving("Pending", "web-2"), installation(parallelMigrationsPerCluster=1)]
    assert [one for one in judge(items, BEGAN + 500) if one.cause.startswith("web-2")] == []


def test_a_migration_whose_turn_has_just_come_is_not_said_to_wait_without_a_reason() -> None:
    items = [*moving("Running"), *moving("Pending", "web-2"), installation(parallelMigrationsPerCluster=1)]
    store, engine = store_of(items), Engine()
    engine.update(store, store.drain(), BEGAN + 500)
    first = next(ref for ref, one in store.items(Migration) if one.spec.vmi_name == "web-1")
    for seconds, words in ((1, []), (61, []), (119, []), (122, ["no condition says why it does not begin"])):
        gone = store.apply([Drop(first.backend, Migration, first.namespace, first.name)])
        engine.update(store, gone, BEGAN + 500 + seconds)
        causes = [one.cause for one in engine.findings if one.cause.startswith("web-2")]
        assert [cause.removeprefix("web-2: ").partition(", ")[0] for cause in causes] == words


def test_a_migration_that_no_limit_holds_back_is_virt_controllers_matter() -> None:
    found = only(judge(moving("Pending"), BEGAN + 130), "migration")
    assert found.cause == "web-1: no condition says why it does not begin, and no limit on migrations is reached"


@pytest.mark.parametrize(
    ("type_", "reason", "message", "cause", "step"),
    [
        (  # kv pkg/virt-controller/watch/migration/migration.go:766
            "migrationRejectedByResourceQuota",
            "",
            'pods "virt-launcher-web-1-x" is forbidden: exceeded quota: pair, requested: requests.memory=1312Mi, used: '
            "requests.memory=1312Mi, limited: requests.memory=2Gi",
            "quota pair allows 2Gi of requests.memory, of which 1312Mi are used; it needs 1312Mi",
            "enlarge the quota, for a move needs a second pod; it goes on by itself",
        ),
        (  # kv migration.go:1680
            "migrationBlockedByUtilityVolumes",
            "UtilityVolumesPresent",
            "Migration is blocked: VMI has utility volumes attached",
            "Migration is blocked: VMI has utility volumes attached",
            "wait for the backup to end, or detach the utility volume",
        ),
    ],
)
def test_a_condition_that_holds_it_up_is_its_cause(
    type_: str, reason: str, message: str, cause: str, step: str
) -> None:
    items = moving("Pending")
    job = next(item for item in items if item["kind"] == "VirtualMachineInstanceMigration")
    condition = {"type": type_, "status": "True", "reason": reason, "message": message}
    job["status"]["conditions"] = [{**condition, "lastTransitionTime": "2026-11-21T01:50:14Z"}]
    found = only(judge(items, BEGAN + 60), "migration")
    assert (found.trouble, found.cause) == ("is held up", f"web-1: {cause}")
    assert found.evidence[0].field == f"{type_}=True {reason}".rstrip()
    assert found.step == step


# The target


def test_of_the_nodes_each_is_told_with_what_keeps_the_target_off() -> None:
    offers = {"cpu-model-migration.node.kubevirt.io/Cascadelake-Server": "true"}
    offers |= {"cpu-vendor.node.kubevirt.io/Intel": "true", "machine-type.node.kubevirt.io/pc-q35-rhel9.8.0": "true"}
    nodes = [
        node(SOURCE, labels=offers),
        node("w1", labels=offers, unschedulable=True),
        node("w2", labels=offers, unschedulable=True),
        node("w3", labels=offers, allocatable={"memory": "1Gi"}),
    ]
    items = [*without_others(unschedulable(moving("Scheduling"))), *nodes]
    found = only(judge(items, BEGAN + 60), "migration")
    assert found.trouble == "finds no target"
    assert found.cause == (
        "web-1: w1 and w2 are cordoned; w3 has too little memory (it needs 1.3Gi of memory, and the largest node, w3, "
        f"has 1Gi); {SOURCE} is where it runs"
    )
    assert found.step.startswith("uncordon w1 w2, or give the VM less memory")
    assert found.step.endswith("; it gives up in 3m59s")
    assert found.evidence[0].field == "PodScheduled=False Unschedulable"


def test_what_only_its_own_node_has_is_named() -> None:
    waits = unschedulable(moving("Scheduling"))
    waits[-1]["spec"]["nodeSelector"] = {"disk": "ssd", "kubevirt.io/schedulable": "true"}
    items = [*without_others(waits), node(SOURCE, labels={"disk": "ssd"}), node("w1")]
    found = only(judge(items, BEGAN + 60), "migration")
    assert found.cause == f"web-1: only {SOURCE}, where it runs, has the label disk=ssd"


def test_a_guest_with_the_cpu_of_its_host_names_that_cpu_where_no_other_node_can_take_it() -> None:
    key = "cpu-model-migration.node.kubevirt.io/SapphireRapids"
    waits = unschedulable(moving("Scheduling"))
    waits[-1]["spec"]["nodeSelector"] = {key: "true", "kubevirt.io/schedulable": "true"}
    items = [*without_others(waits), node(SOURCE, labels={key: "true"}), node("w1")]
    found = only(judge(items, BEGAN + 60), "migration")
    assert found.cause == f"web-1: only {SOURCE}, where it runs, can take a guest of CPU SapphireRapids"
    assert found.step.startswith("set a domain.cpu.model that all nodes offer instead of host-model")


def failed_without_target(**spec: Any) -> list[Object]:
    """It was given up after five minutes, and its target pod is gone (kubevirt-api.md 5.4)."""
    items = without_others(moving("Failed", **spec))
    job = next(item for item in items if item["kind"] == "VirtualMachineInstanceMigration")
    told = "Migration target pod for VMI [shop/web-1] is currently unschedulable."
    made = event(job, "SuccessfulCreate", "Created migration target pod virt-launcher-web-1-zzzzz", "Normal")
    pod = {"kind": "Pod", "metadata": {"name": "virt-launcher-web-1-zzzzz", "namespace": "shop", "uid": "gone"}}
    refused = event(pod, "FailedScheduling", "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity.")
    return [*items, event(job, "migrationTargetPodUnschedulable", told), made, refused]


def test_a_target_that_is_gone_is_held_against_the_nodes_as_they_are() -> None:
    items = failed_without_target(addedNodeSelector={"example.org/rack": "b"})
    found = only(judge([*items, node(SOURCE), node("w1")]), "migration")
    assert (found.severity, found.trouble) == (Severity.BAD, "found no target")
    assert found.cause == "web-1: no node has the label example.org/rack=b, which its addedNodeSelector asks for"
    assert found.step.startswith("migrate it without that selector, or label a node")
    assert found.evidence[0].subject == "Event of Pod virt-launcher-web-1-zzzzz"
    assert found.evidence[1].field == "spec.addedNodeSelector"


def test_of_a_target_that_is_gone_the_cpu_of_its_host_counts_too() -> None:
    model = "host-model-cpu.node.kubevirt.io/SapphireRapids"
    found = only(judge([*failed_without_target(), node(SOURCE, labels={model: "true"}), node("w1")]), "migration")
    assert found.cause == "web-1: no node can take a guest of CPU SapphireRapids, that of its host (host-model)"


def test_a_node_of_another_cpu_is_no_choice_for_a_guest_with_the_cpu_of_its_host() -> None:
    source = node(SOURCE, labels={"host-model-cpu.node.kubevirt.io/SapphireRapids": "true"})
    able = node("w1", labels={"cpu-model-migration.node.kubevirt.io/SapphireRapids": "true"})
    store = store_of([*without_others(moving("Pending")), source, able, node("w2")])
    store.drain()
    (vmi,) = (vmi for _, vmi in store.items(VirtualMachineInstance))
    wants = Wants(node_selector=travel_selector(vmi, store.get(Node, "c", "", SOURCE)))
    reasons = {one.node.metadata.name: one.reason for one in judge_nodes(store, "c", SOURCE, [wants])}
    assert reasons == {"w1": "", "w2": "has no CPU model SapphireRapids"}


def test_why_no_node_takes_a_guest_is_told_of_nodes_for_vms_and_by_reason() -> None:
    control = node("cp-1")
    del control["metadata"]["labels"]["kubevirt.io/schedulable"]
    shut = [node(f"w{number}", unschedulable=True) for number in range(2, 7)]
    store = store_of([control, node("w1", lost=True), *shut])
    store.drain()
    wants = [Wants(node_selector={"kubevirt.io/schedulable": "true"})]
    assert tell_refusals(judge_nodes(store, "c", SOURCE, wants)) == "w2, w3, w4 and 2 more: cordoned; w1: not ready"
    assert tell_refusals(judge_nodes(store_of([control]), "c", SOURCE, wants)) == "there is none for VMs"


def test_a_target_that_would_be_found_by_now_says_so() -> None:
    found = only(judge([*failed_without_target(), node(SOURCE), node("w1")]), "migration")
    assert found.cause == (
        "web-1: no node took its target pod: 3 node(s) didn't match Pod's node affinity; now w1 could take it"
    )
    assert found.step == "migrate it again"


def test_a_target_that_does_not_start_is_told_by_the_events_of_its_pod() -> None:
    items = moving("Scheduling")
    pod = items[-1]
    pod["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    told = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) virt-launcher-web-1-bnq6t'
    found = only(judge([*items, event(pod, "FailedAttachVolume", told)], BEGAN + 70), "migration")
    assert found.trouble == "prepares for long"
    assert "Multi-Attach error" in found.cause


def lost(**state: Any) -> list[Object]:
    items = moving("Running")
    job = next(item for item in items if item["kind"] == "VirtualMachineInstanceMigration")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    ended = {"completed": True, "endTimestamp": "2026-11-21T01:54:14Z", "failed": True, **state}
    job["status"] |= {"phase": "Failed", "migrationState": vmi["status"]["migrationState"] | ended}
    vmi["status"]["migrationState"] |= ended
    return items


def test_a_target_whose_node_was_lost_rests_on_the_node() -> None:
    items = [*without_others(lost(failureReason="Target pod is down")), node(TARGET, lost=True)]
    found = only(judge(items), "migration")
    assert found.cause == f"web-1: Target pod is down, for node {TARGET} was lost (from {SOURCE} to {TARGET})"
    assert found.root is not None
    assert found.root[1:4] == ("Node", "", TARGET)


def test_a_target_whose_container_ended_says_how() -> None:
    items = lost(failureReason="Target pod is down")
    pod = next(one for one in items if "kubevirt.io/migrationJobUID" in one["metadata"].get("labels", {}))
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-21T01:54:10Z"}
    pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": "compute", "state": {"terminated": ended}}]}
    found = only(judge(items), "migration")
    assert "Target pod is down: container compute ended with OOMKilled, exit code 137" in found.cause


def test_a_guest_that_is_lost_in_post_copy_says_so_though_its_instance_is_gone() -> None:
    items = [item for item in lost(mode="PostCopy") if item["kind"] == "VirtualMachineInstanceMigration"]
    found = only(judge(items), "migration")
    assert (found.severity, found.trouble) == (Severity.BAD, "failed")
    assert found.cause == (f"web-1: its guest is lost: in post-copy the copy from {SOURCE} to {TARGET} broke off")


def test_utility_volumes_that_did_not_go_have_their_own_way_out() -> None:
    items = lost()
    job = next(item for item in items if item["kind"] == "VirtualMachineInstanceMigration")
    told = "Migration timeout waiting for utility volumes to detach"
    found = only(judge([*items, event(job, "FailedMigration", told)]), "migration")
    assert found.cause.startswith(f"web-1: {told}")
    assert found.step.startswith("let the backup end")


def test_a_copy_that_was_given_up_tells_how_long_it_took_and_what_it_had() -> None:
    found = only(judge(lost(failureReason="Live migration has been aborted")), "migration")
    assert found.cause == (
        "web-1: the copy of its 1Gi of memory did not end in 4m: Live migration has been aborted "
        f"(from {SOURCE} to {TARGET})"
    )
    assert "200 s, for 1Gi 3m20s (MigrationPolicy shop-fast)" in [one.value for one in found.evidence]
    assert found.step == "for the next try raise bandwidthPerMigration, or wait until the guest is quieter"


# Another try


def failed_before(reason: str = "") -> list[Object]:
    """An earlier migration of the same machine; one without a reason found no node."""
    items = lost(failureReason=reason) if reason else failed_without_target()
    job = next(item for item in items if item["kind"] == "VirtualMachineInstanceMigration")
    job["metadata"] |= {"name": "before", "uid": "u-before", "creationTimestamp": "2026-11-21T01:40:00Z"}
    if reason:
        times = {"startTimestamp": "2026-11-21T01:40:00Z", "endTimestamp": "2026-11-21T01:44:00Z"}
        job["status"]["migrationState"] |= times | {"migrationUid": "u-before"}
    events = [item for item in items if item["kind"] == "Event"]
    for item in events:
        if item["involvedObject"]["kind"] == "VirtualMachineInstanceMigration":
            item["involvedObject"] |= {"name": "before", "uid": "u-before"}
    return [job, *events]


_ABORTED = "Live migration has been aborted"


@pytest.mark.parametrize(
    ("now", "items", "trouble"),
    [
        (BEGAN + 110, [*moving("Running"), *failed_before(_ABORTED)], "runs for long"),
        (BEGAN + 60, [*unschedulable(without_others(moving("Scheduling"))), *failed_before()], "finds no target"),
    ],
)
def test_a_try_under_way_in_the_trouble_of_the_one_before_tells_both(
    now: float, items: list[Object], trouble: str
) -> None:
    found = only(judge(items, now), "migration")
    assert (found.severity, found.trouble) == (Severity.BAD, trouble)
    assert found.subject.name != "before"
    assert found.cause.endswith("; the try before failed for the same reason")
    assert found.evidence[-1].subject == "migration before"
    assert found.evidence[-1].value.startswith("Failed")


def test_a_try_that_failed_is_told_while_the_next_is_not_in_trouble() -> None:
    items = [*moving("Running"), *failed_before(_ABORTED)]
    found = only(judge(items, BEGAN + 10), "migration")
    assert (found.subject.name, found.trouble) == ("before", "failed")


def test_a_try_that_failed_for_another_reason_is_told_beside_the_next() -> None:
    items = [*moving("Running"), *failed_before("Target pod is down")]
    found = [one for one in judge(items, BEGAN + 110) if one.label == "migration"]
    assert [(one.trouble, one.severity) for one in found] == [
        ("failed", Severity.BAD), ("runs for long", Severity.WARN),
    ]  # fmt: skip


# The copy


def copying(now: float, progress: MigrationProgress | None = None, **configuration: Any) -> Finding | None:
    """What is said of a copy that runs with this configuration."""
    items = moving("Running")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    vmi["status"]["migrationState"]["migrationConfiguration"] |= configuration
    store, engine = store_of(items), Engine()
    if progress is not None:
        store.post(Put("c", progress))
    engine.update(store, store.drain(), now)
    return next((one for one in engine.findings if one.label == "migration"), None)


def figures(dirty: int, sent: int) -> MigrationProgress:
    meta = record_of(read_machine("running")[0]).metadata
    return MigrationProgress(
        metadata=meta, processed=3e9, remaining=2**29, dirty_rate=dirty * 2**20, transfer_rate=sent * 2**20
    )


def test_a_guest_that_is_busier_than_the_network_does_not_converge() -> None:
    found = copying(BEGAN + 40, figures(412, 380))
    assert found is not None
    assert found.trouble == "does not converge"
    assert found.cause == "web-1: its guest dirties 412Mi/s, 380Mi/s can be sent; it is aborted in 2m40s"
    assert found.evidence[0].value == "dirty 412Mi/s, transfer 380Mi/s, 512Mi left"
    assert copying(BEGAN + 40, figures(12, 380)) is None


@pytest.mark.parametrize(
    ("configuration", "end"),
    [
        ({}, "it is aborted in 50s"),
        ({"allowWorkloadDisruption": True}, "the guest is paused for it in 50s"),
        ({"allowWorkloadDisruption": True, "allowPostCopy": True}, "it goes on in post-copy in 50s"),
    ],
)
def test_what_happens_at_the_end_of_its_time_is_as_configured(configuration: dict[str, Any], end: str) -> None:
    found = copying(BEGAN + 150, **configuration)
    assert found is not None
    assert found.cause.endswith(end)


def test_what_is_allowed_already_is_not_advised() -> None:
    found = copying(BEGAN + 150, allowAutoConverge=False, bandwidthPerMigration="0")
    assert found is not None
    assert found.step == (
        "for the next try allow auto-converge or post-copy in a MigrationPolicy, or wait until the guest is quieter"
    )
    found = copying(BEGAN + 150, allowAutoConverge=True, bandwidthPerMigration="64Mi")
    assert found is not None
    assert found.step == "for the next try raise bandwidthPerMigration, or wait until the guest is quieter"


def test_the_policy_that_gave_a_copy_its_time_is_named() -> None:
    found = copying(BEGAN + 150)
    assert found is not None
    assert "200 s, for 1Gi 3m20s (MigrationPolicy shop-fast)" in [one.value for one in found.evidence]


def test_an_evacuation_that_failed_before_is_told_with_its_pause() -> None:
    items = moving("Failed")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    vmi["status"]["evacuationNodeName"] = SOURCE
    store, engine = store_of(items), Engine()
    engine.waits = False
    engine.update(store, store.drain(), BEGAN + 120)
    (found,) = [one for one in engine.findings if one.rule == "vm.evacuation"]
    assert found.cause.endswith(": the last failed 2m1s ago, and after each that fails it waits longer")
