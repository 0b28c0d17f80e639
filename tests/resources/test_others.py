"""Rows of migrations, imports, nodes and claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kvtui.model import Finding, Health, Severity, Tone, Usage
from kvtui.resources import datavolume, migration, node, pod, pvc
from kvtui.resources.base import AnyResource
from kvtui.resources.verdicts import worsen
from kvtui.store import SetUsage, Store
from tests.machines import RECORDED, Object, machine_store, read_machine, store_of


def only_row(resource: AnyResource, store: Store) -> Any:
    (ref,) = resource.refs(store)
    return resource.row(store, ref)


def texts(resource: AnyResource, row: Any, now: float = RECORDED) -> dict[str, str]:
    return {column.title: column.cell(row, now).text for column in resource.columns}


def test_a_migration_that_ended_keeps_its_own_state() -> None:
    row = only_row(migration.RESOURCE, machine_store("running"))
    said = texts(migration.RESOURCE, row)
    assert said["VM"] == "web-1"
    assert said["FROM > TO"] == "node02 > node01"
    assert (said["PHASE"], said["ELAPSED"], said["MODE"]) == ("Succeeded", "5s", "PreCopy")
    assert (said["BY"], said["POLICY"]) == ("user", "shop-fast")


def running(items: dict[str, Object]) -> None:
    moved = items["VirtualMachineInstanceMigration"]
    state = moved["status"].pop("migrationState")
    moved["status"]["phase"] = "Running"
    state.pop("endTimestamp")
    items["VirtualMachineInstance"]["status"]["migrationState"] = state


def test_while_it_runs_the_instance_tells_where_it_goes() -> None:
    row = only_row(migration.RESOURCE, machine_store("running", running))
    said = texts(migration.RESOURCE, row, (row.began or 0) + 42)
    assert (said["FROM > TO"], said["PHASE"], said["ELAPSED"]) == ("node02 > node01", "Running", "42s")
    assert migration.RESOURCE.actions[0].when(row) == ""
    (stays,) = migration.RESOURCE.actions[0].warn(row)
    assert stays == f"VM shop/web-1 stays on {row.source}, and does not go to {row.target}"


def test_the_state_of_another_migration_of_the_instance_is_not_taken_for_its_own() -> None:
    def edit(items: dict[str, Object]) -> None:
        running(items)
        items["VirtualMachineInstance"]["status"]["migrationState"]["migrationUid"] = "another"

    row = only_row(migration.RESOURCE, machine_store("running", edit))
    assert row.state is None
    assert row.target == ""


def test_a_waiting_migration_tells_its_place_in_the_queue() -> None:
    waiting = read_machine("missing_claim")
    others = [item for item in read_machine("running") if item["kind"] == "VirtualMachineInstanceMigration"]
    others[0]["status"]["phase"] = "Running"
    store = store_of([*waiting, *others])
    store.drain()
    rows = {ref.name: migration.RESOURCE.row(store, ref) for ref in migration.RESOURCE.refs(store)}
    assert texts(migration.RESOURCE, rows["mig-stnpl"])["ELAPSED"].startswith("queue 2, ")


def test_an_abort_that_was_asked_for_is_shown() -> None:
    def edit(items: dict[str, Object]) -> None:
        running(items)
        items["VirtualMachineInstance"]["status"]["migrationState"]["abortRequested"] = True

    row = only_row(migration.RESOURCE, machine_store("running", edit))
    assert migration.RESOURCE.health(row, RECORDED).word == "Running,aborting"


def volume(**status: Any) -> Any:
    def edit(items: dict[str, Object]) -> None:
        items["DataVolume"]["status"].update(status)

    return edit


def import_row(edit: Any = None) -> Any:
    return only_row(datavolume.RESOURCE, machine_store("imported", edit))


def test_an_import_that_is_done() -> None:
    said = texts(datavolume.RESOURCE, import_row())
    assert said["SOURCE"] == "http images.example.org/fedora.qcow2"
    assert (said["PHASE"], said["PROGRESS"], said["SIZE"], said["CLASS"]) == ("Succeeded", "done", "10Gi", "rig-rwx")


def test_an_import_under_way_has_a_bar_a_rate_and_a_time_left() -> None:
    began = "2026-11-21T01:55:00Z"
    runs = {"type": "Running", "status": "True", "reason": "Pod is running", "lastTransitionTime": began}
    row = import_row(volume(phase="ImportInProgress", progress="25.00%", conditions=[runs]))
    said = texts(datavolume.RESOURCE, row)
    assert said["PROGRESS"] == "[==        ] 25%"
    assert (said["RATE"], said["ETA"]) == ("43Mi/s", "3m")


def under_way(uid: str, progress: str, phase: str = "ImportInProgress") -> Any:
    """An import whose worker runs since a minute before the recording ended."""
    runs = {"type": "Running", "status": "True", "reason": "", "lastTransitionTime": "2026-11-21T01:55:00Z"}

    def edit(items: dict[str, Object]) -> None:
        items["DataVolume"]["metadata"]["uid"] = uid
        volume(phase=phase, progress=progress, conditions=[runs])(items)

    return import_row(edit)


def test_an_import_that_stands_still_foretells_no_end() -> None:
    def foretold(progress: str, after: float) -> tuple[str, str]:
        said = texts(datavolume.RESOURCE, under_way("still", progress), RECORDED + after)
        return said["RATE"], said["ETA"]

    assert foretold("25.00%", 0) == ("43Mi/s", "3m")
    assert foretold("25.00%", 59)[1] != "-"
    assert foretold("25.00%", 61) == ("-", "-")
    assert foretold("25.00%", 3600) == ("-", "-")
    assert foretold("25.01%", 3601)[1] != "-"


def test_a_failed_import_has_no_bar_as_if_it_went_on() -> None:
    said = texts(datavolume.RESOURCE, import_row(volume(phase="Failed", progress="97.31%")))
    assert (said["PROGRESS"], said["RATE"], said["ETA"]) == ("failed at 97%", "-", "-")


def test_what_is_not_done_never_reads_100_percent() -> None:
    said = texts(datavolume.RESOURCE, import_row(volume(phase="ImportInProgress", progress="99.96%")))
    assert said["PROGRESS"] == "[========= ] 99%"


@pytest.mark.parametrize("progress", ["N/A", "", "almost", "12"])
def test_a_progress_that_is_no_percentage_is_not_taken_for_one(progress: str) -> None:
    said = texts(datavolume.RESOURCE, import_row(volume(phase="ImportInProgress", progress=progress)))
    assert (said["RATE"], said["ETA"]) == ("-", "-")
    assert said["PROGRESS"] == (progress or "-")


def test_a_crashing_import_is_bad_although_its_phase_is_not_failed() -> None:
    words = "Unable to connect to http data source: expected status code 200, got 404. Status: 404 Not Found"
    failing = {"type": "Running", "status": "False", "reason": "Error", "message": words}
    row = import_row(volume(phase="ImportInProgress", progress="N/A", restartCount=4, conditions=[failing]))
    health = datavolume.RESOURCE.health(row, RECORDED)
    assert (health.tone, health.word, health.reason) == (Tone.BAD, "ImportInProgress", words)
    assert texts(datavolume.RESOURCE, row)["RESTARTS"] == "4"


@pytest.mark.parametrize("phase", ["WaitForFirstConsumer", "PendingPopulation", "UploadReady"])
def test_waiting_rightly_is_no_warning(phase: str) -> None:
    health = datavolume.RESOURCE.health(import_row(volume(phase=phase, progress="N/A", conditions=[])), RECORDED)
    assert health.tone is Tone.MUTED


def test_a_url_never_shows_its_password_or_query() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["DataVolume"]["spec"]["source"] = {"http": {"url": "https://u:hunter2@img.example:8443/a.img?sig=s3cret"}}

    said = texts(datavolume.RESOURCE, import_row(edit))["SOURCE"]
    assert said == "http img.example:8443/a.img"


def test_a_node_counts_its_vms_and_what_they_ask_for() -> None:
    said = texts(node.RESOURCE, only_row(node.RESOURCE, machine_store("running")))
    assert (said["STATUS"], said["VMS"], said["KVM"], said["ZONE"]) == ("Ready", "1", "yes", "zone-1")
    assert said["CPU"].endswith("% req")


def test_what_was_measured_comes_before_what_is_asked_for() -> None:
    store = machine_store("running")
    store.post(SetUsage("c", "Node", {("", "node01"): Usage(32.0, 64 * 2.0**30)}))
    store.drain()
    said = texts(node.RESOURCE, only_row(node.RESOURCE, store))
    assert (said["CPU"], said["MEMORY"]) == ("50%", "25%")


def test_a_node_says_all_that_keeps_vms_off_it() -> None:
    def edit(items: dict[str, Object]) -> None:
        items["Node"]["spec"]["unschedulable"] = True
        items["Node"]["metadata"]["labels"]["kubevirt.io/schedulable"] = "false"

    health = node.RESOURCE.health(only_row(node.RESOURCE, machine_store("running", edit)), RECORDED)
    assert (health.tone, health.word) == (Tone.WARN, "Ready,cordoned,virt off")


def test_a_node_says_what_is_wrong_with_it_be_it_cordoned_or_not() -> None:
    def break_kernel(items: dict[str, Object]) -> None:
        items["Node"]["status"]["conditions"].append(
            {"type": "KernelDeadlock", "status": "True", "reason": "DockerHung", "message": "task docker:1 hangs"}
        )

    def cordon(items: dict[str, Object]) -> None:
        break_kernel(items)
        items["Node"]["spec"]["unschedulable"] = True

    for edit, word in ((break_kernel, "Ready,KernelDeadlock"), (cordon, "Ready,KernelDeadlock,cordoned")):
        health = node.RESOURCE.health(only_row(node.RESOURCE, machine_store("running", edit)), RECORDED)
        assert (health.tone, health.word, health.reason) == (Tone.WARN, word, "task docker:1 hangs")


def test_what_is_found_of_a_cordoned_node_stands_beside_that_it_is_cordoned() -> None:
    def cordon(items: dict[str, Object]) -> None:
        items["Node"]["spec"]["unschedulable"] = True

    row = only_row(node.RESOURCE, machine_store("running", cordon))
    ref, own = node.RESOURCE.ref(row), node.RESOURCE.health(row, RECORDED)
    found = Finding("node.state", Severity.WARN, ref, "node", "offers no KVM", "devices.kubevirt.io/kvm is 0")
    assert worsen(own, found, ref) == Health(Tone.WARN, "Ready,cordoned,offers no KVM", found.cause)


def test_a_heartbeat_that_is_old_is_told() -> None:
    row = only_row(node.RESOURCE, machine_store("running"))
    assert node.RESOURCE.health(row, RECORDED).word == "Ready"
    assert node.RESOURCE.health(row, RECORDED + 3600).word == "Ready,virt stale"


@pytest.mark.parametrize(
    ("vms", "words"),
    [(0, "no VM runs there"), (1, "its VM stays and runs on"), (3, "its 3 VMs stay and run on")],
)
def test_a_cordon_says_what_stays(vms: int, words: str) -> None:
    row = replace(only_row(node.RESOURCE, machine_store("running")), vms=vms)
    cordon = next(action for action in node.RESOURCE.actions if action.id == "node.cordon")
    assert cordon.warn(row)[-1] == words


def test_a_claim_names_the_vm_that_uses_it() -> None:
    said = texts(pvc.RESOURCE, only_row(pvc.RESOURCE, machine_store("unbound")))
    assert (said["NAME"], said["STATUS"], said["VM"]) == ("db-1-data", "Pending", "db-1")


# Pods ----------------------------------------------------------------------------------------------------------------


def launcher(phase: str, exit_code: int, **status: Any) -> dict[str, str]:
    """What is said of a launcher whose containers have ended; its console log is an init container that goes on."""

    def ended(name: str) -> Object:
        return {"name": name, "state": {"terminated": {"exitCode": exit_code, "reason": "Error"}}}

    store = store_of([{
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "virt-launcher-db-1-abcde", "namespace": "shop", "uid": "1"},
        "spec": {"containers": [{"name": "compute"}],
                 "initContainers": [{"name": "guest-console-log", "restartPolicy": "Always"}, {"name": "disk-init"}]},
        "status": {"phase": phase, "containerStatuses": [ended("compute")],
                   "initContainerStatuses": [ended("guest-console-log")], **status},
    }])  # fmt: skip
    store.drain()
    return texts(pod.RESOURCE, only_row(pod.RESOURCE, store))


def test_a_launcher_that_failed_is_called_as_kubectl_calls_it() -> None:
    """Its console log ended with it, long after the pod had begun."""
    said = launcher("Failed", 1, conditions=[{"type": "Initialized", "status": "True"}])
    assert (said["READY"], said["STATUS"]) == ("0/2", "Error")


def test_a_pod_whose_init_container_fails_has_not_begun() -> None:
    said = launcher("Pending", 1, conditions=[{"type": "Initialized", "status": "False"}])
    assert (said["READY"], said["STATUS"]) == ("0/2", "Init:Error")
