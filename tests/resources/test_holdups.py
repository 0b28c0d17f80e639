"""What a row shows of a verb that is not done yet: what keeps it, how long it still may take, and when it is late."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kvtui.joins.holdups import grace_left, hold_deletion, hold_growth
from kvtui.joins.machine import Machine
from kvtui.records.base import Condition, Meta
from kvtui.records.kubernetes import Claim, ClaimSpec, ClaimStatus, Requests
from kvtui.records.kubevirt import Migration
from kvtui.records.libvirt import DomainJob, DomainState
from kvtui.resources import vm
from kvtui.resources.base import Action
from kvtui.store import Store
from tests.machines import RECORDED, Object, read_machine, store_of
from tests.resources import test_domain_actions as domains
from tests.resources.test_vm import ACTIONS, machine

NOW = RECORDED + 60


def stopping(*, grace: int | None = 180, **more: Any) -> Any:
    """A shutdown that was asked for a minute before `NOW`."""

    def edit(items: dict[str, Object]) -> None:
        vmi = items["VirtualMachineInstance"]
        vmi["metadata"]["deletionTimestamp"] = "2026-11-21T01:56:00Z"
        vmi["spec"] |= {"terminationGracePeriodSeconds": grace} if grace is not None else {}
        if grace is None:
            vmi["spec"].pop("terminationGracePeriodSeconds", None)
        vmi["metadata"] |= more
        items["VirtualMachine"]["status"]["printableStatus"] = "Stopping"

    return edit


def held(action: Action[Any], row: Machine, before: Machine | None = None, store: Store | None = None) -> str:
    return action.holds(store or Store(), before or row, row, NOW)


@pytest.mark.parametrize("verb", ["stop", "restart", "force_restart", "kill", "delete"])
@pytest.mark.parametrize(("grace", "left"), [(180, 120.0), (70, 10.0), (0, 0.0), (None, 0.0)])
def test_every_verb_that_ends_a_guest_counts_down_the_grace_of_its_instance(
    verb: str, grace: int | None, left: float
) -> None:
    row = machine("running", stopping(grace=grace))
    assert ACTIONS[verb].left(row, NOW) == left
    assert grace_left(machine("running"), NOW) is None


def test_a_shutdown_by_anybody_counts_down_on_its_row() -> None:
    (status,) = [column for column in vm.RESOURCE.columns if column.title == "STATUS"]
    assert status.cell(machine("running", stopping(grace=180)), NOW).text == "Stopping 2m"
    assert status.cell(machine("running", stopping(grace=None)), NOW - 50).text == "Stopping 20s"


def test_a_stop_is_late_a_minute_after_the_grace_of_this_very_vm() -> None:
    def with_grace(seconds: int) -> Machine:
        return machine("running", lambda items: items["VirtualMachineInstance"]["spec"].update(
            terminationGracePeriodSeconds=seconds))  # fmt: skip

    stop, restart, delete = (ACTIONS[verb].patience for verb in ("stop", "restart", "delete"))
    assert stop is not None
    assert restart is not None
    assert delete is not None
    assert [stop(with_grace(0)), stop(with_grace(3600))] == [60.0, 3660.0]
    assert restart(with_grace(600)) == 720.0
    assert delete(with_grace(600)) == 660.0
    assert delete(machine("stopped")) == 60.0


def test_a_guest_that_does_not_shut_down_has_so_much_grace_left() -> None:
    words = "the guest has not shut down; 2m of 180s grace left, then it is killed"
    assert held(ACTIONS["stop"], machine("running", stopping())) == words


def test_a_guest_that_never_ran_has_no_grace_period() -> None:
    row = machine("too_big", stopping(grace=30, finalizers=["kubevirt.io/foregroundDeleteVirtualMachine"]))
    (status,) = [column for column in vm.RESOURCE.columns if column.title == "STATUS"]
    assert ACTIONS["stop"].left(row, NOW) is None
    assert status.cell(row, NOW).text == "Stopping"
    words = "its guest never ran; launcher pod virt-launcher-huge-1-tdxnl is still Pending"
    assert held(ACTIONS["stop"], row) == f"{words}; finalizers kubevirt.io/foregroundDeleteVirtualMachine"


@pytest.mark.parametrize(("ahead", "left"), [(0, "2m"), (20, "100s"), (-20, "2m20s"), (-900, "3m")])
def test_the_grace_is_counted_by_the_clock_of_the_cluster(ahead: int, left: str) -> None:
    row = replace(machine("running", stopping()), ahead=float(ahead))
    assert f"; {left} of 180s grace left" in held(ACTIONS["stop"], row)


def test_a_paused_guest_that_is_stopped_is_told_to_be_paused() -> None:
    def edit(items: dict[str, Object]) -> None:
        stopping()(items)
        items["VirtualMachineInstance"]["status"]["conditions"].append({"type": "Paused", "status": "True"})

    assert "has not shut down as it is paused; 2m of" in held(ACTIONS["stop"], machine("running", edit))


def test_past_its_grace_the_pod_and_the_finalizers_that_are_left_are_named() -> None:
    row = machine("running", stopping(grace=30, finalizers=["foregroundDeleteVirtualMachine", "example.com/held"]))
    words = held(ACTIONS["stop"], row)
    assert words.startswith(
        "its grace of 30s is over since 30s; launcher pod virt-launcher-web-1-925db is still Running"
    )
    assert words.endswith("; finalizers foregroundDeleteVirtualMachine, example.com/held")


def test_a_node_that_is_lost_is_why_a_stop_hangs() -> None:
    def edit(items: dict[str, Object]) -> None:
        stopping()(items)
        for found in items["Node"]["status"]["conditions"]:
            if found["type"] == "Ready":
                found["status"] = "Unknown"

    assert held(ACTIONS["kill"], machine("running", edit)).startswith("node node01 is not ready")


def test_a_stop_that_no_controller_took_up_says_so() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["status"]["stateChangeRequests"] = [{"action": "Stop", "uid": "u"}]

    words = "the request to stop it waits: virt-controller has not taken it up"
    assert held(ACTIONS["stop"], machine("running", edit)) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("too_big", "no node takes it: "),
        ("stopped", "the VM says Stopped, and virt-controller has made no instance of it yet"),
    ],
)
def test_a_start_is_held_by_what_its_objects_say(name: str, words: str) -> None:
    row = machine(name)
    assert words in held(ACTIONS["start"], row, replace(row, vmi=None))


def test_a_start_is_held_by_an_import_with_how_far_it_is() -> None:
    def fill(items: dict[str, Object]) -> None:
        items["DataVolume"]["status"] |= {"phase": "ImportInProgress", "progress": "40.00%"}
        items["VirtualMachine"]["status"]["printableStatus"] = "Provisioning"

    row = replace(machine("imported", fill), vmi=None, launcher=None)
    assert held(ACTIONS["start"], row) == "its disk dv-1-root is being filled: ImportInProgress, 40.00%"


def test_a_restart_is_held_by_the_old_guest_first_and_then_by_the_new_one() -> None:
    before = machine("running")
    assert "then it is killed" in held(ACTIONS["restart"], machine("running", stopping()), before)

    def renew(items: dict[str, Object]) -> None:
        vmi = items["VirtualMachineInstance"]
        vmi["metadata"]["uid"] = "another"
        vmi["status"] |= {"phase": "Scheduling", "conditions": []}

    assert held(ACTIONS["restart"], machine("running", renew), before).startswith("its instance is Scheduling: ")


def migration(**status: Any) -> Object:
    return {
        "kind": "VirtualMachineInstanceMigration", "apiVersion": "kubevirt.io/v1",
        "metadata": {"name": "m1", "namespace": "shop", "uid": "u-m1", "creationTimestamp": "2026-11-21T01:56:00Z"},
        "spec": {"vmiName": "web-1"}, "status": status,
    }  # fmt: skip


def target_pod(vmi: str, *conditions: Object) -> Object:
    return {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": "virt-launcher-web-1-new", "namespace": "shop", "uid": "u-pod",
            "labels": {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": vmi,
                       "kubevirt.io/migrationJobUID": "u-m1"},
        },
        "spec": {}, "status": {"phase": "Pending", "conditions": list(conditions)},
    }  # fmt: skip


def test_a_migration_tells_its_phase_and_what_its_target_pod_says() -> None:
    items = read_machine("running")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")["metadata"]["uid"]
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are free"}

    def told(*more: Object) -> str:
        store = store_of([*items, *more])
        store.drain()
        (ref,) = vm.RESOURCE.refs(store)
        row = vm.RESOURCE.row(store, ref)
        assert row is not None
        return held(ACTIONS["migrate"], row, store=store)

    assert told() == "virt-controller has made no migration of it yet"
    assert told(migration(phase="Scheduling"), target_pod(vmi, refused)) == (
        "migration m1 is Scheduling for 60s: no node takes its target pod virt-launcher-web-1-new: 0/3 nodes are free"
    )
    assert told(migration(phase="Scheduling"), target_pod(vmi)) == (
        "migration m1 is Scheduling for 60s: its target pod virt-launcher-web-1-new is Pending"
    )
    quota = {"type": "migrationRejectedByResourceQuota", "status": "True", "message": "exceeded quota"}
    assert told(migration(phase="Pending", conditions=[quota])) == "migration m1 is Pending for 60s: exceeded quota"


def test_what_is_deleted_names_the_finalizers_that_hold_it() -> None:
    def record(*finalizers: str) -> Migration:
        return Migration(metadata=Meta(deletion_timestamp="2026-11-21T01:56:00Z", finalizers=finalizers))

    assert hold_deletion(record("a/b")) == "finalizer a/b holds it"
    assert hold_deletion(record("a/b", "c/d")) == "finalizers a/b, c/d hold it"
    assert hold_deletion(record()) == "nothing holds it any more"
    assert hold_deletion(Migration()) == "the server does not show that it is being deleted"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition(type="Resizing", status="True"), "its storage driver grows it"),
        (Condition(type="ControllerResizeError", status="True", message="no room"),
         "its storage driver failed to grow it: no room"),
        (Condition(type="FileSystemResizePending", status="True", message="Waiting for user to (re-)start a pod"),
         "the volume has grown, the file system on it has not: that waits for a pod that uses it: Waiting for"),
    ],
)  # fmt: skip
def test_a_claim_that_does_not_grow_says_who_is_at_it(condition: Condition, words: str) -> None:
    def claim(*conditions: Condition) -> Claim:
        spec = ClaimSpec(resources=Requests(requests={"storage": "2Gi"}))
        return Claim(spec=spec, status=ClaimStatus(capacity={"storage": "1Gi"}, conditions=conditions))

    assert hold_growth(claim()) == "it has 1Gi of the 2Gi that are asked for: its storage driver has not begun"
    assert hold_growth(claim(condition)).startswith(words)


def of_domain(verb: str, **changes: Any) -> str:
    row = domains.guest(**changes)
    return domains.action(verb).holds(Store(), row, row, NOW)


def test_a_domain_that_does_not_stop_says_whose_turn_it_is() -> None:
    assert of_domain("stop") == "the guest has not shut down; libvirt never cuts it off, force stop does"
    assert "no guest agent is connected" in of_domain("stop", agent=None)
    assert "is paused and cannot shut down" in of_domain("stop", state=DomainState.PAUSED)
    assert of_domain("kill", hung=True) == "its QEMU does not answer"
    assert of_domain("start", state=DomainState.SHUTOFF, id=None, reason="failed") == "libvirt still has it off: failed"


def test_a_domain_that_something_is_done_to_tells_what_and_how_far() -> None:
    row = replace(domains.guest(), job=DomainJob(operation="dump", total=100, left=60))
    assert domains.action("pause").holds(Store(), row, row, NOW) == "its dump is under way: Running, 40%"


def test_a_domain_of_a_host_that_is_lost_says_that_its_state_is_old() -> None:
    row = domains.guest()
    assert row.host is not None
    lost = replace(row, host=type(row.host)(metadata=Meta(name="kvm1"), link="lost", trouble="no route to host"))
    words = domains.action("stop").holds(Store(), lost, lost, NOW)
    assert words == "kvm1 is lost: no route to host: what is known of it is old"
