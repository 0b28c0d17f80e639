"""VM rows: what each recorded machine says of itself, and what can be done to it."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.joins.machine import Machine
from kvtui.model import Tone
from kvtui.resources import migration, vm
from kvtui.resources.base import Danger
from kvtui.resources.form import Draft
from kvtui.store import Store
from tests.machines import RECORDED, Object, machine_store

ACTIONS = {action.id.removeprefix("vm."): action for action in vm.RESOURCE.actions}


def machine(name: str, edit: Any = None) -> Machine:
    store = machine_store(name, edit)
    (ref,) = vm.RESOURCE.refs(store)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    return row


def texts(row: Machine) -> dict[str, str]:
    return {column.title: column.cell(row, RECORDED).text for column in vm.RESOURCE.columns}


def condition(type_: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def add_to_instance(*conditions: dict[str, str]) -> Any:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["conditions"].extend(conditions)

    return edit


def test_a_running_vm() -> None:
    assert texts(machine("running")) == {
        "NAMESPACE": "shop",
        "NAME": "web-1",
        "STATUS": "Running",
        "NODE": "node01",
        "IP": "198.18.1.18",
        "CPU": "1",
        "MEM": "1Gi",
        "AGENT": "yes",
        "MIGRATABLE": "yes",
        "AGE": "9m19s",
        "RUN STRATEGY": "Always",
        "OS": "Fedora Linux 44 (Cloud Edition)",
        "UPTIME": "9m19s",
        "CPU USE": "-",
        "MEM USE": "-",
        "LAUNCHER": "virt-launcher-web-1-925db",
        "REASON": "",
    }


def test_a_stopped_vm_is_not_judged_by_conditions_that_stayed_when_its_instance_went() -> None:
    row = machine("stopped")
    assert row.vm is not None
    assert "AgentConnected" in {item.type for item in row.vm.status.conditions}
    said = texts(row)
    assert (said["STATUS"], said["AGENT"], said["MIGRATABLE"], said["NODE"]) == ("Stopped", "-", "-", "-")
    assert vm.RESOURCE.health(row, RECORDED).tone is Tone.MUTED


def test_a_stopped_vm_whose_run_strategy_wants_it_running_is_a_warning() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["spec"]["runStrategy"] = "Always"

    health = vm.RESOURCE.health(machine("stopped", edit), RECORDED)
    assert (health.tone, health.word) == (Tone.WARN, "Stopped")
    assert "Always" in health.reason


@pytest.mark.parametrize(
    ("name", "word", "reason"),
    [
        ("missing_claim", "ErrorPvcNotFound", "PVC shop/db-2-missing does not exist, waiting for it to appear"),
        ("unbound", "ErrorUnschedulable", 'PVC shop/db-1-data is Pending (storage class "rig-rwx")'),
        ("too_big", "ErrorUnschedulable", "3 Insufficient memory"),
        ("no_cpu_model", "ErrorUnschedulable", "didn't match Pod's node affinity/selector"),
        ("quota", "Starting", "exceeded quota: small"),
    ],
)
def test_a_vm_that_does_not_start_says_why(name: str, word: str, reason: str) -> None:
    health = vm.RESOURCE.health(machine(name), RECORDED)
    assert health.word == word
    assert reason in health.reason


def test_an_instance_without_a_vm_is_a_row_of_its_own() -> None:
    row = machine("without_vm")
    said = texts(row)
    assert (row.vm, said["NAME"], said["STATUS"], said["RUN STRATEGY"]) == (None, "alone-1", "Running", "-")


def test_while_it_moves_the_node_column_tells_both_nodes() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["status"]["printableStatus"] = "Migrating"
        items["VirtualMachineInstance"]["status"]["nodeName"] = "node02"
        del items["VirtualMachineInstance"]["status"]["migrationState"]["endTimestamp"]

    said = texts(machine("running", edit))
    assert (said["STATUS"], said["NODE"]) == ("Migrating", "node02 > node01")


def test_of_two_launcher_pods_the_one_on_the_vms_node_counts() -> None:
    row = machine("evacuated")
    assert row.launcher is not None
    assert row.vmi is not None
    assert row.launcher.spec.node_name == row.vmi.status.node_name
    assert row.launcher.metadata.name == "virt-launcher-evict-1-q9tf5"


def test_a_vm_on_a_node_that_is_not_ready_does_not_claim_to_run_well() -> None:
    def edit(items: dict[str, Object]) -> None:
        for item in items["Node"]["status"]["conditions"]:
            if item["type"] == "Ready":
                item["status"] = "Unknown"

    health = vm.RESOURCE.health(machine("running", edit), RECORDED)
    assert (health.tone, health.word) == (Tone.BAD, "NodeNotReady")


def test_paused_by_an_io_error_is_worse_than_paused_by_a_user() -> None:
    def paused(reason: str) -> Any:
        def edit(items: dict[str, Object]) -> None:
            items["VirtualMachine"]["status"]["printableStatus"] = "Paused"
            add_to_instance(condition("Paused", "True", reason, "VMI was paused"))(items)

        return edit

    assert vm.RESOURCE.health(machine("running", paused("PausedByUser")), RECORDED).tone is Tone.WARN
    assert vm.RESOURCE.health(machine("running", paused("PausedIOError")), RECORDED).tone is Tone.BAD


def test_a_restart_that_is_due_is_told_beside_the_state() -> None:
    def edit(items: dict[str, Object]) -> None:
        due = condition("RestartRequired", "True", "", "a non-live-updatable field was changed in the template spec")
        items["VirtualMachine"]["status"]["conditions"].append(due)

    health = vm.RESOURCE.health(machine("running", edit), RECORDED)
    assert (health.tone, health.word) == (Tone.WARN, "Running,restart due")


def test_no_guest_agent_and_nobody_having_said_whether_it_can_move() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["conditions"] = []

    said = texts(machine("running", edit))
    assert (said["AGENT"], said["MIGRATABLE"]) == ("no", "?")


# Actions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "name", "reason"),
    [
        ("start", "running", "already running"),
        ("start", "quota", "already starting"),
        ("start", "stopped", ""),
        ("start", "without_vm", "it is an instance without a VM, which can only be deleted"),
        ("stop", "running", ""),
        ("stop", "stopped", "not running"),
        ("kill", "running", ""),
        ("kill", "stopped", "not running"),
        ("restart", "stopped", "not running"),
        ("restart", "running", ""),
        ("pause", "running", ""),
        ("pause", "stopped", "the VM is not running"),
        ("unpause", "running", "not paused"),
        ("migrate", "running", ""),
        ("migrate", "stopped", "the VM is not running"),
        ("migrate", "missing_claim", "the VM is not running"),
        ("cancel_migration", "running", "not migrating"),
        ("cancel_migration", "missing_claim", ""),
    ],
)
def test_when_an_action_is_possible(action: str, name: str, reason: str) -> None:
    assert ACTIONS[action].when(machine(name)) == reason


def test_why_a_vm_cannot_be_migrated_is_told_in_the_servers_words() -> None:
    def edit(items: dict[str, Object]) -> None:
        for item in items["VirtualMachineInstance"]["status"]["conditions"]:
            if item["type"] == "LiveMigratable":
                item.update(status="False", reason="DisksNotLiveMigratable", message="PVC data is not shared")

    reason = ACTIONS["migrate"].when(machine("running", edit))
    assert reason == "not live-migratable: DisksNotLiveMigratable: PVC data is not shared"


def test_what_destroys_asks_and_names_what_is_lost() -> None:
    row = machine("running")
    assert ACTIONS["stop"].danger is Danger.ASK
    assert ACTIONS["restart"].danger is Danger.ASK
    assert ACTIONS["kill"].danger is Danger.TYPE
    warnings = " ".join(ACTIONS["stop"].warn(row))
    assert "from Always to Halted" in warnings
    assert "container disk" in warnings


def test_without_a_guest_agent_a_stop_warns_of_the_grace_period() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["conditions"] = []
        items["VirtualMachineInstance"]["spec"]["terminationGracePeriodSeconds"] = 180

    assert "180s" in " ".join(ACTIONS["stop"].warn(machine("running", edit)))


def test_no_bare_letter_destroys_and_only_what_harms_nobody_goes_unasked() -> None:
    asking = {name for name, action in ACTIONS.items() if action.form is not None or action.edit is not None}
    unasked = {name for name, action in ACTIONS.items() if action.danger is Danger.NONE} - asking
    assert unasked == {"start", "start_paused", "unpause", "thaw"}
    for name in ("stop", "kill", "restart", "cancel_migration", "delete"):
        key = ACTIONS[name].key
        assert key.isupper() or key.startswith("ctrl+")


def new_uid(items: dict[str, Object]) -> None:
    items["VirtualMachineInstance"]["metadata"]["uid"] = "another"


def says(word: str, *edits: Any) -> Any:
    """The VM says `word` of its state, after other edits."""

    def edit(items: dict[str, Object]) -> None:
        for other in edits:
            other(items)
        items["VirtualMachine"]["status"]["printableStatus"] = word

    return edit


def ended(items: dict[str, Object]) -> None:
    items["VirtualMachineInstance"]["status"]["phase"] = "Succeeded"


def test_a_start_is_settled_when_the_vm_says_that_it_runs() -> None:
    before = machine("stopped")
    assert not ACTIONS["start"].settled(before, before)
    assert not ACTIONS["start"].settled(before, machine("running", says("Starting")))
    assert ACTIONS["start"].settled(before, machine("running"))


@pytest.mark.parametrize("action", ["start", "restart"])
def test_a_start_that_runs_into_trouble_gives_way_to_the_trouble(action: str) -> None:
    before = machine("stopped")
    for word in ("Starting", "Stopping", "Provisioning", "Running"):
        assert not ACTIONS[action].settled(before, machine("stopped", says(word)))
    assert ACTIONS[action].settled(before, machine("stopped", says("ErrorUnschedulable")))


def refused(message: str) -> Any:
    """virt-controller makes no launcher pod for the instance, in these words."""

    def edit(items: dict[str, Object]) -> None:
        says("Starting")(items)
        for one in items["VirtualMachineInstance"]["status"]["conditions"]:
            if one["type"] == "Synchronized":
                one["message"] = message

    return edit


@pytest.mark.parametrize("action", ["start", "restart", "force_restart", "start_paused"])
def test_a_start_that_is_refused_till_somebody_mends_it_is_not_waited_for(action: str) -> None:
    words = "failed to render launch manifest: failed to locate network attachment definition shop/vlan"
    before, after = machine("running"), machine("quota", refused(words))
    assert ACTIONS[action].settled(before, after)
    assert ACTIONS[action].outcome(before, after) == f"it is Starting: {words}"
    assert not ACTIONS[action].settled(after, after), "the refusal of an instance that was there before"
    assert not ACTIONS[action].settled(before, machine("quota", says("Starting"))), "a quota may get room"


def test_a_restart_is_settled_by_a_new_instance_only() -> None:
    before = machine("running")
    assert not ACTIONS["restart"].settled(before, before)
    assert not ACTIONS["restart"].settled(before, machine("running", says("Starting", new_uid)))
    assert ACTIONS["restart"].settled(before, machine("running", new_uid))


def test_a_restart_goes_on_where_the_end_of_the_old_instance_counts_as_a_start_that_failed() -> None:
    before = machine("too_big")
    assert before.vmi is not None
    old, new = backs_off(before.vmi.metadata.uid), backs_off("another")
    assert not ACTIONS["restart"].settled(before, machine("stopped", old))
    assert ACTIONS["restart"].settled(before, machine("stopped", new))
    assert ACTIONS["restart"].outcome(before, machine("stopped", new)).startswith("it is CrashLoopBackOff")


def backs_off(uid: str) -> Any:
    """Of a VM that waits for its next try, as the instance of that uid ended before it ran."""

    def edit(items: dict[str, Object]) -> None:
        failure = {"consecutiveFailCount": 1, "lastFailedVMIUID": uid}
        items["VirtualMachine"]["status"] |= {"printableStatus": "CrashLoopBackOff", "startFailure": failure}

    return edit


def test_a_stop_is_settled_when_the_vm_no_longer_says_that_it_runs_or_stops() -> None:
    before = machine("running")
    assert not ACTIONS["stop"].settled(before, before)
    assert not ACTIONS["stop"].settled(before, machine("running", ended))
    assert not ACTIONS["stop"].settled(before, machine("running", says("Stopping", ended)))
    assert ACTIONS["stop"].settled(before, machine("running", says("Stopped", ended)))
    assert ACTIONS["stop"].settled(before, machine("stopped"))


def test_pause_and_unpause_are_settled_when_the_vm_says_so() -> None:
    paused = add_to_instance(condition("Paused", "True", "PausedByUser", "VMI was paused by user"))
    running, pausing = machine("running"), machine("running", paused)
    stopped = machine("running", says("Paused", paused))
    assert [ACTIONS["pause"].settled(running, now) for now in (running, pausing, stopped)] == [False, False, True]
    resuming = machine("running", says("Paused"))
    assert [ACTIONS["unpause"].settled(stopped, now) for now in (stopped, resuming, running)] == [False, False, True]


def move(uid: str, phase: str, **state: Any) -> Any:
    """Another migration than the recorded one, in a phase."""

    def edit(items: dict[str, Object]) -> None:
        moved = items["VirtualMachineInstanceMigration"]
        moved["metadata"]["uid"] = uid
        moved["status"] = {"phase": phase, "migrationState": {"migrationUid": uid, **state}}

    return edit


@pytest.mark.parametrize("phase", ["Pending", "Scheduling", "PreparingTarget", "Running"])
def test_a_migration_is_marked_until_the_vm_says_migrating_and_awaited_until_it_has_ended(phase: str) -> None:
    before, migrate = machine("running"), ACTIONS["migrate"]
    assert not migrate.shown(before, before)
    assert not migrate.shown(before, machine("running", move("new", phase)))
    moving = machine("running", says("Migrating", move("new", phase)))
    assert migrate.shown(before, moving)
    assert not migrate.settled(before, moving)
    assert not migrate.settled(before, machine("running", says("Migrating", move("new", "Succeeded"))))
    assert migrate.settled(before, machine("running", move("new", "Succeeded")))


def test_a_migration_that_failed_before_it_began_is_settled_and_told() -> None:
    before = machine("running")
    failed = machine("running", move("new", "Failed", failureReason="Target pod is down"))
    assert ACTIONS["migrate"].settled(before, failed)
    assert ACTIONS["migrate"].outcome(before, failed) == "Target pod is down"
    cancelled = machine("running", move("new", "Failed", abortRequested=True))
    assert ACTIONS["migrate"].outcome(before, cancelled) == "the migration was cancelled"
    silent = machine("running", move("new", "Failed"))
    assert "no reason" in ACTIONS["migrate"].outcome(before, silent)
    done = machine("running", move("new", "Succeeded"))
    assert ACTIONS["migrate"].settled(before, done)
    assert ACTIONS["migrate"].outcome(before, done) == ""


def deleted(items: dict[str, Object]) -> None:
    items["VirtualMachine"]["metadata"]["deletionTimestamp"] = "2026-11-21T01:56:00Z"


def test_a_vm_that_is_being_deleted_can_be_cut_off_and_nothing_else() -> None:
    going = machine("running", deleted)
    for name in ("start", "stop", "restart", "force_restart", "start_paused"):
        assert ACTIONS[name].when(going) == "the VM is being deleted"
    assert ACTIONS["kill"].when(going) == ""
    assert "from Always to Halted" not in " ".join(ACTIONS["kill"].warn(going))
    assert ACTIONS["kill"].when(machine("stopped", deleted)) == "the VM is being deleted"


@pytest.mark.parametrize("verb", ["stop", "kill", "restart"])
def test_what_ends_a_vm_that_somebody_deletes_says_that_it_goes(verb: str) -> None:
    words = "somebody is deleting it: once it has ended, the VM is gone"
    assert words in ACTIONS[verb].warn(machine("running", deleted))
    assert words not in ACTIONS[verb].warn(machine("running"))


def frozen(items: dict[str, Object]) -> None:
    items["VirtualMachineInstance"]["status"]["fsFreezeStatus"] = "frozen"


def test_a_guest_whose_file_systems_are_frozen_says_so_and_is_not_rebooted_without_a_word() -> None:
    row = machine("running", frozen)
    assert vm.RESOURCE.health(row, 0.0).word == "Running,frozen"
    assert "its file systems are frozen" in " ".join(ACTIONS["soft_reboot"].warn(row))
    assert ACTIONS["soft_reboot"].warn(machine("running")) == ()


def test_the_agent_of_a_paused_guest_freezes_and_thaws_nothing() -> None:
    def paused(items: dict[str, Object]) -> None:
        conditions = items["VirtualMachineInstance"]["status"]["conditions"]
        conditions += [{"type": "AgentConnected", "status": "True"}, {"type": "Paused", "status": "True"}]

    for name in ("freeze", "thaw"):
        assert "it is paused" in ACTIONS[name].when(machine("running", paused))


def test_a_cancelled_migration_is_settled_when_the_vm_no_longer_says_migrating() -> None:
    before = machine("running", says("Migrating", move("new", "Running")))
    assert not ACTIONS["cancel_migration"].settled(before, before)
    ended_move = move("new", "Failed")
    assert not ACTIONS["cancel_migration"].settled(before, machine("running", says("Migrating", ended_move)))
    assert ACTIONS["cancel_migration"].settled(before, machine("running", ended_move))


def test_cancelling_a_migration_that_empties_a_node_says_that_the_next_one_begins() -> None:
    def evacuated(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["evacuationNodeName"] = "node01"

    def both(items: dict[str, Object]) -> None:
        move("new", "Running")(items)
        evacuated(items)

    cancel = ACTIONS["cancel_migration"]
    words = "node01 is being emptied of it: a new migration begins at once; cancel evacuation ends that"
    (warning,) = cancel.warn(machine("running", both))
    assert warning.startswith(words)
    assert words in cancel.remark(machine("running", both), machine("running", evacuated))
    assert cancel.warn(machine("running", move("new", "Running"))) == ()
    assert cancel.remark(machine("running", both), machine("running")) == "it runs on node01"
    store = machine_store("running", both)
    (ref,) = migration.RESOURCE.refs(store)
    row = migration.RESOURCE.row(store, ref)
    assert row is not None
    assert migration.RESOURCE.actions[0].warn(row) == ("VM shop/web-1 stays on node01", warning)


def test_what_keeps_a_guest_from_shutting_down_is_said_before_a_stop_and_a_restart() -> None:
    frozen = machine("running", lambda items: items["VirtualMachineInstance"]["status"].update(fsFreezeStatus="frozen"))
    for action in ("stop", "restart"):
        words = "its file systems are frozen: before they thaw it may not shut down by itself"
        assert words in ACTIONS[action].warn(frozen)
        assert words not in ACTIONS[action].warn(machine("running"))


def test_a_vm_that_runs_is_stopped_and_not_halted_by_its_strategy() -> None:
    running, off = machine("running"), machine("stopped")
    form = ACTIONS["run_strategy"].form
    assert form is not None
    for rows, reason in (
        ([running], "it runs: stop it first, which says what ends with it"),
        ([running, off], "1 of them run: stop them first, which says what ends with them"),
    ):
        draft = Draft(form(Store(), rows))
        draft.put("strategy", "Halted")
        assert draft.refusal == f"run strategy: {reason}"


def test_no_run_strategy_is_chosen_for_the_user() -> None:
    always = machine("running")
    halted = machine("stopped", lambda items: items["VirtualMachine"]["spec"].update(runStrategy="Halted"))
    form = ACTIONS["run_strategy"].form
    assert form is not None
    for rows, reason in (
        ([always], "it is so already"),
        ([halted], "it is so already"),
        ([always, halted], "choose one"),
    ):
        draft = Draft(form(Store(), rows))
        assert draft.refusal == f"run strategy: {reason}"
        draft.put("strategy", "Manual")
        assert draft.refusal == ""
