"""Rules on recorded machines, as they were and with one thing changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kvtui.model import Feed, FeedState, Finding, Severity
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.store import Put, Store
from kvtui.text import parse_time
from kvtui.triage.engine import Engine
from tests.machines import RECORDED, TYPES, Object, machine_store, record_of


def judge(store: Store, now: float = RECORDED) -> Sequence[Finding]:
    engine = Engine()
    everything = Store()
    for feed in store.feeds():
        everything.post(feed)
    for kind in TYPES.values():
        for ref, record in store.items(kind):
            everything.post(Put(ref.backend, record))
    engine.update(everything, everything.drain(), now)
    return engine.findings


def findings(name: str, edit: Any = None, now: float = RECORDED) -> list[tuple[Severity, str, str, str]]:
    found = judge(machine_store(name, edit), now)
    return [(finding.severity, finding.label, finding.trouble, finding.cause) for finding in found]


@pytest.mark.parametrize("name", ["running", "stopped", "evacuated", "imported"])
def test_what_is_well_is_left_alone(name: str) -> None:
    assert findings(name) == []


def test_an_instance_without_a_vm_is_a_note() -> None:
    ((severity, label, trouble, _),) = findings("without_vm")
    assert (severity, label, trouble) == (Severity.INFO, "vm", "has no VM")


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing_claim", "PVC shop/db-2-missing does not exist"),
        (
            "unbound",
            "its PVC shop/db-1-data is Pending",
        ),
        ("too_big", "no node takes it: 3 nodes have too little memory: it needs 10Ti"),
        (
            "no_cpu_model",
            "no node takes it: 3 nodes lack CPU model EPYC-Genoa (or arch amd64 or machine type q35), which it asks",
        ),
    ],
)
def test_a_vm_that_does_not_start_names_the_culprit(name: str, cause: str) -> None:
    severity, label, trouble, words = findings(name)[0]
    assert (severity, label, trouble) == (Severity.BAD, "vm", "does not start")
    assert words.startswith(cause)


def test_a_finding_has_evidence_a_step_and_a_time() -> None:
    (finding,) = judge(machine_store("too_big"))
    assert finding.evidence[0].subject == "Pod virt-launcher-huge-1-tdxnl"
    assert finding.evidence[0].field == "PodScheduled=False Unschedulable"
    assert finding.step == "give the VM less memory, or have 10Ti of memory made free on a node"
    assert finding.since == parse_time("2026-11-21T01:46:43Z")


def test_a_vm_that_does_not_start_is_as_old_as_its_start_not_as_the_last_try() -> None:
    def retry(items: dict[str, Object]) -> None:
        for condition in items["VirtualMachineInstance"]["status"]["conditions"]:
            if condition["type"] == "Synchronized":
                condition["lastTransitionTime"] = "2026-11-21T01:50:00Z"

    store = machine_store("missing_claim", retry)
    (instance,) = [record for _, record in store.items(VirtualMachineInstance)]
    assert judge(store)[0].since == instance.created


def test_since_when_instances_fail_one_after_the_other_nobody_tells_but_when_that_was_first_seen() -> None:
    def fail(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["status"]["startFailure"] = {"consecutiveFailCount": 6}

    found = judge(machine_store("missing_claim", fail))[0]
    assert (found.since, found.seen) == (None, RECORDED)


def test_of_several_reasons_the_one_that_keeps_most_nodes_off_gives_the_step() -> None:
    def edit(items: dict[str, Object]) -> None:
        for item in items["Pod"]["status"]["conditions"]:
            if item["type"] == "PodScheduled":
                item["message"] = (
                    "0/13 nodes are available: 1 node(s) were unschedulable, 3 node(s) had untolerated taint {a: }, "
                    "9 node(s) didn't match Pod's node affinity/selector. preemption: 0/13 nodes are available."
                )

    (finding,) = judge(machine_store("too_big", edit))
    assert finding.step == "have somebody who may see the nodes compare their labels with what it asks for"
    assert finding.cause == (
        "no node takes it: 9 nodes lack one of label kubernetes.io/arch=amd64 or machine type q35, which it asks for; "
        "3 nodes have taint a; 1 node is cordoned"
    )


def test_complaints_of_the_first_seconds_do_not_count() -> None:
    assert findings("quota", now=RECORDED - 550) == []


def test_a_migration_of_a_vm_that_does_not_run_waits_and_says_so() -> None:
    waits = [found for found in findings("missing_claim") if found[1] == "migration"]
    assert waits == [(Severity.WARN, "migration", "waits", "db-2: its VM is not running: phase Pending")]


def test_a_vm_that_its_run_strategy_wants_on_is_bad_after_a_minute_off() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["spec"]["runStrategy"] = "Always"

    ((severity, _, trouble, _),) = findings("stopped", edit)
    assert (severity, trouble) == (Severity.BAD, "does not run")
    stopped = parse_time("2026-11-21T01:50:56Z")
    assert stopped is not None
    assert findings("stopped", edit, stopped + 30) == []


def test_a_vm_paused_by_its_storage_is_bad_and_one_paused_by_a_user_is_not() -> None:
    def paused(reason: str) -> Any:
        def edit(items: dict[str, Object]) -> None:
            item = {"type": "Paused", "status": "True", "reason": reason, "message": "low-level IO error detected"}
            items["VirtualMachineInstance"]["status"]["conditions"].append(item)

        return edit

    assert findings("running", paused("PausedByUser")) == []
    assert findings("running", paused("PausedIOError")) == [
        (Severity.BAD, "vm", "is paused", "low-level IO error detected")
    ]


def test_a_guest_that_ignores_the_power_button_is_told_after_its_grace_period() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["metadata"]["deletionTimestamp"] = "2026-11-21T01:50:00Z"
        items["VirtualMachineInstance"]["status"]["phase"] = "Scheduled"
        items["VirtualMachineInstance"]["spec"]["terminationGracePeriodSeconds"] = 30

    ((severity, _, trouble, _),) = findings("running", edit)
    assert (severity, trouble) == (Severity.WARN, "does not stop")


def migration(phase: str, **state: Any) -> Any:
    def edit(items: dict[str, Object]) -> None:
        status = items["VirtualMachineInstanceMigration"]["status"]
        status["phase"] = phase
        status["migrationState"].update(state)

    return edit


def test_a_failed_migration_is_news_for_an_hour() -> None:
    failed = migration("Failed", failed=True, failureReason="Target pod is down")
    ((severity, label, trouble, cause),) = findings("running", failed)
    assert (severity, label, trouble) == (Severity.BAD, "migration", "failed")
    assert cause == "web-1: Target pod is down (from node02 to node01)"
    assert "migration" not in [found[1] for found in findings("running", failed, RECORDED + 3600)]


def test_a_migration_that_failed_without_a_reason_is_explained_by_its_events() -> None:
    def edit(items: dict[str, Object]) -> None:
        status = items["VirtualMachineInstanceMigration"]["status"]
        status["phase"] = "Failed"
        del status["migrationState"]

    store = machine_store("running", edit)
    about = {"kind": "VirtualMachineInstanceMigration", "namespace": "shop", "name": "kubevirt-migrate-vm-9ksb9"}
    (uid,) = (ref.uid for ref, _ in store.items(TYPES["VirtualMachineInstanceMigration"]))
    event = {
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "shop", "uid": "e"},
        "type": "Warning",
        "message": "Migration failed due to being canceled",
        "involvedObject": {**about, "uid": uid},
    }
    store.apply([Put("c", record_of(event))])
    (finding,) = judge(store)
    assert finding.cause.startswith("web-1: Migration failed due to being canceled")


def test_a_failed_migration_is_no_news_once_a_later_one_succeeded() -> None:
    store = machine_store("running", migration("Failed", failureReason="Target pod is down"))
    later = {
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "later", "namespace": "shop", "uid": "l", "creationTimestamp": "2026-11-21T01:55:00Z"},
        "spec": {"vmiName": "web-1"},
        "status": {"phase": "Succeeded"},
    }
    store.apply([Put("c", record_of(later))])
    assert judge(store) == ()


def test_a_migration_that_somebody_aborted_has_not_failed() -> None:
    assert findings("running", migration("Failed", abortRequested=True, failureReason="aborted")) == []


def test_a_migration_that_takes_half_of_its_limit_is_a_warning() -> None:
    def edit(items: dict[str, Object]) -> None:
        moved = items["VirtualMachineInstanceMigration"]["status"]
        state = moved.pop("migrationState")
        moved["phase"] = "Running"
        del state["endTimestamp"]
        items["VirtualMachineInstance"]["status"]["migrationState"] = state

    began = parse_time("2026-11-21T01:50:14Z")
    assert began is not None
    assert findings("running", edit, began + 99) == []
    ((severity, _, trouble, cause),) = findings("running", edit, began + 101)
    assert (severity, trouble) == (Severity.WARN, "runs for long")
    assert "it is aborted in 99s" in cause


def volume(**status: Any) -> Any:
    def edit(items: dict[str, Object]) -> None:
        items["DataVolume"]["status"] = status

    return edit


def test_an_import_of_a_url_that_is_not_there() -> None:
    words = "Unable to connect to http data source: expected status code 200, got 404. Status: 404 Not Found"
    failing = {"type": "Running", "status": "False", "reason": "Error", "message": words}
    edit = volume(phase="ImportInProgress", progress="N/A", restartCount=3, conditions=[failing])
    (finding,) = [found for found in judge(machine_store("imported", edit)) if found.label == "import"]
    assert (finding.severity, finding.trouble) == (Severity.BAD, "does not fill")
    url = "https://images.example.org/fedora.qcow2"
    assert finding.cause == f"the server answers 404 Not Found for {url} (restarted 3 times)"
    assert words in [evidence.value for evidence in finding.evidence]
    assert finding.step == "correct the URL: delete the DataVolume and make it anew"


def test_an_import_whose_checksum_does_not_match_has_failed() -> None:
    words = "checksum mismatch: expected abc, calculated def"
    failing = {"type": "Running", "status": "False", "reason": "ChecksumError", "message": words}
    found = findings("imported", volume(phase="Failed", conditions=[failing]))
    told = "checksum mismatch: spec.source says abc, the image that came has def"
    assert (Severity.BAD, "import", "has failed", told) in found


@pytest.mark.parametrize(
    ("status", "running", "trouble", "since"),
    [
        ({"phase": "Failed"}, "True", "has failed", "2026-11-21T01:50:00Z"),
        ({"phase": "Failed"}, "False", "has failed", "2026-11-21T01:50:00Z"),
        # Each worker's restart is a transition; the import stands still since it was made.
        ({"phase": "ImportInProgress", "restartCount": 4}, "True", "crashes again and again", "2026-11-21T01:46:44Z"),
    ],
)
def test_the_age_of_an_import_in_trouble_is_the_same_to_whoever_comes_later(
    status: dict[str, Any], running: str, trouble: str, since: str
) -> None:
    condition = {"type": "Running", "status": running, "reason": "Completed", "message": "Import Complete"}
    edit = volume(**status, conditions=[{**condition, "lastTransitionTime": "2026-11-21T01:50:00Z"}])
    (finding,) = [found for found in judge(machine_store("imported", edit)) if found.label == "import"]
    assert finding.trouble == trouble
    assert finding.since == parse_time(since)


@pytest.mark.parametrize(
    ("phase", "reason", "message"),
    [
        ("WaitForFirstConsumer", "", ""),
        ("PendingPopulation", "", ""),
        ("ImportScheduled", "CreatingScratchSpace", "creating scratch space"),
        ("ImportInProgress", "Error", "Scratch space required and none found"),
        ("ImportScheduled", "ContainerCreating", ""),
        ("Succeeded", "Completed", "Import Complete"),
    ],
)
def test_what_is_benign_never_alarms(phase: str, reason: str, message: str) -> None:
    running = {"type": "Running", "status": "False", "reason": reason, "message": message}
    now = parse_time("2026-11-21T01:47:00Z")
    assert now is not None
    assert findings("imported", volume(phase=phase, progress="N/A", conditions=[running]), now) == []


def node(ready: str = "True", **labels: str) -> Any:
    def edit(items: dict[str, Object]) -> None:
        items["Node"]["metadata"]["labels"].update({f"kubevirt.io/{key}": value for key, value in labels.items()})
        for item in items["Node"]["status"]["conditions"]:
            if item["type"] == "Ready":
                item.update(status=ready, message="Kubelet stopped posting node status.")

    return edit


def test_a_node_that_is_not_ready_names_how_many_vms_it_carries() -> None:
    ((severity, label, trouble, cause),) = findings("running", node("Unknown"))
    assert (severity, label, trouble) == (Severity.BAD, "node", "is not ready")
    assert cause == "Kubelet stopped posting node status; it carries 1 VM"


def test_a_node_without_heartbeat_and_one_that_takes_no_vms() -> None:
    assert [found[2] for found in findings("running", now=RECORDED + 600)] == ["has no heartbeat"]
    assert [found[2] for found in findings("running", node(schedulable="false"))] == ["takes no VMs"]


def installation(kind: str, phase: str, **conditions: str) -> Store:
    store = Store()
    items = [{"type": key.capitalize(), "status": value, "message": "words"} for key, value in conditions.items()]
    item = {"kind": kind, "metadata": {"name": "x", "uid": "k"}, "status": {"phase": phase, "conditions": items}}
    store.apply([Put("c", record_of(item))])
    return store


def test_an_instance_of_which_nobody_tells_anything_has_not_stopped() -> None:
    def lose(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["status"]["printableStatus"] = "Unknown"
        status = items["VirtualMachineInstance"]["status"]
        status["phase"] = "Unknown"
        step = {"phase": "Unknown", "phaseTransitionTimestamp": "2026-11-21T01:50:00Z"}
        status["phaseTransitionTimestamps"].append(step)

    (finding,) = [one for one in judge(machine_store("running", lose)) if one.rule == "vm.state"]
    assert (finding.severity, finding.trouble) == (Severity.BAD, "is out of sight")
    assert "is in phase Unknown" in finding.cause
    assert finding.since == parse_time("2026-11-21T01:50:00Z")


def test_kubevirt_in_a_phase_that_nobody_knows_is_told() -> None:
    odd = installation("KubeVirt", "Weird", available="True", progressing="False", degraded="False")
    assert [(one.severity, one.trouble, one.cause) for one in judge(odd)] == [
        (Severity.WARN, "is in phase Weird", "its phase is Weird")
    ]


def test_kubevirt_that_is_degraded_is_bad_and_one_that_is_being_updated_is_not() -> None:
    degraded = installation("KubeVirt", "Deployed", available="False", progressing="False", degraded="True")
    assert [(found.severity, found.trouble) for found in judge(degraded)] == [(Severity.BAD, "is degraded")]
    updating = installation("KubeVirt", "Deployed", available="True", progressing="True", degraded="True")
    assert [(found.severity, found.trouble) for found in judge(updating)] == [(Severity.INFO, "is being updated")]
    assert judge(installation("CDI", "Deployed", available="True", progressing="False", degraded="False")) == ()


@pytest.mark.parametrize(
    ("state", "kind", "severity"),
    [
        (FeedState.LIVE, "VirtualMachine", None),
        (FeedState.LOADING, "VirtualMachine", None),
        (FeedState.ABSENT, "DataVolume", None),
        (FeedState.STALE, "VirtualMachine", Severity.WARN),
        (FeedState.FAILED, "Node", Severity.BAD),
        (FeedState.FORBIDDEN, "VirtualMachine", Severity.WARN),
        (FeedState.FORBIDDEN, "Node", Severity.INFO),
    ],
)
def test_feeds_in_trouble(state: FeedState, kind: str, severity: Severity | None) -> None:
    store = Store()
    store.apply([Feed("c", kind, state, RECORDED - 5, "words of the server")])
    found = judge(store)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(finding.subject.name == "c" and finding.evidence[0].subject == kind for finding in found)
