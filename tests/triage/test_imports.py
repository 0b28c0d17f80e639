"""DataVolumes that do not fill, by what CDI writes of them (catalogue 6.4 and 9.3)."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Finding, Severity
from kvtui.text import parse_time
from tests.machines import RECORDED, Object, read_machine
from tests.triage.judging import event, judge, node, storage_class
from tests.triage.test_scheduling import running_pod

URL = "https://images.example.org/fedora.qcow2"


def volume(**status: Any) -> Object:
    """The recorded DataVolume, without its VM, in another state."""
    found = next(item for item in read_machine("imported") if item["kind"] == "DataVolume")
    found["spec"]["source"] = {"http": {"url": URL}}
    found["status"] = status
    return found


def failing(reason: str, message: str) -> Object:
    """A DataVolume whose transfer has ended with such words."""
    condition = {
        "type": "Running", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T01:50:00Z",
    }  # fmt: skip
    return volume(phase="ImportInProgress", progress="N/A", conditions=[condition])


def of(*items: Object, now: float = RECORDED) -> list[Finding]:
    return [one for one in judge(items, now) if one.label == "import"]


@pytest.mark.parametrize(
    ("reason", "message", "cause", "step"),
    [
        (  # cdi pkg/importer/http-datasource.go:412
            "Error",
            "Unable to connect to http data source: expected status code 200, got 404. Status: 404 Not Found",
            f"the server answers 404 Not Found for {URL}",
            "correct the URL",
        ),
        (
            "Error",
            "Unable to connect to http data source: expected status code 200, got 403. Status: 403 Forbidden",
            f"the server answers 403 Forbidden for {URL}, and spec.source names no secretRef",
            "put user and password into a Secret",
        ),
        (  # Go crypto/x509
            "Error",
            f'Unable to connect to http data source: Get "{URL}": tls: failed to verify certificate: x509: '
            "certificate signed by unknown authority",
            f"the server's certificate is not trusted (x509: certificate signed by unknown authority): {URL}",
            "put the server's CA into a ConfigMap",
        ),
        (  # cdi pkg/image/qemu.go:72
            "Error",
            "Unable to process data: virtual image size 42949672960 is larger than the reported available storage "
            "21474836480. A larger PVC is required",
            "the virtual image size, 40Gi, is larger than the space of its volume, 20Gi",
            "ask for a larger volume",
        ),
        (  # cdi pkg/controller/common/util.go:411
            "Error",
            "DataVolume too small to contain image",
            "DataVolume too small to contain image",
            "ask for a larger volume",
        ),
        (  # cdi pkg/common/common.go:325
            "ImagePullFailed",
            "failed to pull image: quay.io/example/fedora:42",
            "image quay.io/example/fedora:42 cannot be pulled",
            "push the image",
        ),
        (  # cdi pkg/controller/import-controller.go
            "Unschedulable",
            "Importer pod cannot be scheduled",
            "no node takes its importer pod",
            "see why no node takes",
        ),
        ("OOMKilled", "", "its importer needs more memory than its limit and is OOMKilled", "raise"),
        (
            "ErrExceededQuota",
            'pods "importer-x" is forbidden: exceeded quota: small, requested: limits.memory=600M, '
            "used: limits.memory=0, limited: limits.memory=512Mi",
            "quota small allows 512Mi of limits.memory; it needs 600M",
            "enlarge quota small",
        ),
        (
            "Error",
            "Image /data/x is invalid because it has invalid backing file /other",
            "Image /data/x is invalid because it has invalid backing file /other",
            "flatten the image",
        ),
    ],
)
def test_what_cdi_says_is_put_into_a_sentence_and_a_step(reason: str, message: str, cause: str, step: str) -> None:
    (found,) = of(failing(reason, message))
    assert (found.severity, found.trouble, found.cause) == (Severity.BAD, "does not fill", cause)
    assert found.step.startswith(step)
    assert found.evidence[0].field == f"Running=False {reason}"
    assert found.since is not None


def test_an_import_that_crashes_again_is_no_younger_for_it() -> None:
    first = failing("Error", "the moon is in the way")
    (found,) = of(first)
    assert found.since == parse_time("2026-11-21T01:50:00Z")
    again = failing("Error", "the moon is in the way")
    again["status"]["restartCount"] = 4
    (found,) = of(again)
    assert found.since == parse_time(again["metadata"]["creationTimestamp"])
    running = {"type": "Running", "status": "True", "lastTransitionTime": "2026-11-21T01:50:00Z"}
    again["status"]["conditions"] = [running]
    (found,) = of(again)
    assert (found.trouble, found.since) == (
        "crashes again and again", parse_time(again["metadata"]["creationTimestamp"])
    )  # fmt: skip


def test_a_message_that_nobody_knows_is_told_as_it_is() -> None:
    (found,) = of(failing("Error", "the moon is in the way"))
    assert (found.cause, found.step) == ("the moon is in the way", "read the log of its importer pod")


@pytest.mark.parametrize(
    ("reason", "message"),
    [("CreatingScratchSpace", ""), ("Error", "Scratch space required and none found"), ("Pending", ""), ("", "")],
)
def test_a_restart_for_scratch_space_and_a_wait_are_no_trouble(reason: str, message: str) -> None:
    assert of(failing(reason, message)) == []


@pytest.mark.parametrize("phase", ["WaitForFirstConsumer", "PendingPopulation", "UploadReady", "Paused", "Succeeded"])
def test_what_waits_for_somebody_is_well_however_long(phase: str) -> None:
    assert of(volume(phase=phase, progress="N/A"), now=RECORDED + 7 * 86400) == []


def test_progress_that_is_not_known_is_no_trouble() -> None:
    assert of(volume(phase="ImportInProgress", progress="N/A"), now=RECORDED + 1800) == []


def test_an_import_that_takes_far_longer_than_others_fills_slowly() -> None:
    slow = volume(phase="ImportInProgress", progress="12.50%")
    assert of(slow, now=RECORDED + 3000) == []
    (found,) = of(slow, now=RECORDED + 7200)
    assert (found.severity, found.trouble) == (Severity.INFO, "fills slowly")
    assert found.cause == "it is still in ImportInProgress, 12.50%"
    assert found.evidence[0].value == "more than 60m is slow"


def test_a_secret_that_is_named_and_refused_is_named() -> None:
    made = failing("Error", "Unable to connect: expected status code 200, got 401. Status: 401 Unauthorized")
    made["spec"]["source"]["http"]["secretRef"] = "vendor"
    (found,) = of(made)
    assert found.cause.endswith(', with secret "vendor"')
    assert found.step == "correct user and password in secret vendor"


def test_a_copy_whose_source_is_in_use_names_the_vm() -> None:
    pod = running_pod("virt-launcher-web-1", "a", "1Gi")
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "web-1", "uid": "u"}
    pod["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    space = pod["metadata"]["namespace"]
    # cdi pkg/controller/clone: pvc-clone-controller.go:399
    words = f"pod {space}/virt-launcher-web-1 using PersistentVolumeClaim web-1-data"
    (found,) = of(failing("CloneSourceInUse", words), pod)
    assert found.cause == f"VM {space}/web-1 uses PVC web-1-data, and a copy needs it for itself"
    assert found.step.startswith(f"stop VM {space}/web-1")


NO_CLASS = "PVC spec is missing accessMode and no storageClass to choose profile"
"""cdi pkg/controller/datavolume/util.go: of a class that does not exist and of a default that is missing."""


def unclaimed(class_name: str | None, **owner: Any) -> tuple[Object, Object]:
    """A DataVolume without a claim, and the event by which CDI says that it finds no class for it."""
    made = volume(phase="")
    made["metadata"]["ownerReferences"] = [{**one, **owner} for one in made["metadata"]["ownerReferences"] if owner]
    made["spec"]["storage"] = {"resources": {"requests": {"storage": "10Gi"}}}
    if class_name is not None:
        made["spec"]["storage"]["storageClassName"] = class_name
    return made, event(made, "ErrClaimNotValid", NO_CLASS)


def test_without_a_default_class_the_event_is_read_and_the_classes_are_named() -> None:
    (found,) = of(*unclaimed(None), storage_class("ceph-rbd"))
    assert (found.severity, found.trouble) == (Severity.WARN, "does not begin")
    assert found.cause == "it names no storageClass, and none of the cluster is the default"
    assert found.step == "make one of ceph-rbd the default, or name one in spec.storage.storageClassName"
    assert [(one.field, one.value) for one in found.evidence] == [
        ("spec.storage.storageClassName", "not set"), ("ErrClaimNotValid", NO_CLASS)
    ]  # fmt: skip


def test_a_class_that_does_not_exist_is_the_root_whatever_is_the_default() -> None:
    classes = (storage_class("ceph-rbd", default=True), storage_class("cephfs"))
    (found,) = of(*unclaimed("ceph-rdb"), *classes)
    assert (found.trouble, found.cause) == ("does not begin", 'there is no StorageClass "ceph-rdb"')
    assert found.step == "create StorageClass ceph-rdb, or make the DataVolume anew with one of ceph-rbd, cephfs"
    assert found.root is not None
    assert (found.root.kind, found.root.name) == ("StorageClass", "ceph-rdb")


def test_a_class_that_does_not_exist_is_found_without_the_event_too() -> None:
    made, _ = unclaimed("ceph-rdb", kind="VirtualMachine", name="typo-1", controller=True)
    (found,) = of(made, storage_class("ceph-rbd", default=True))
    assert found.cause == 'there is no StorageClass "ceph-rdb"'
    assert found.step.endswith("in the dataVolumeTemplates of the VM and delete the DataVolume")


@pytest.mark.parametrize(
    ("class_name", "cause", "root"),
    [
        ("ceph-rdb", 'CDI finds no StorageClass "ceph-rdb"', "ceph-rdb"),
        (None, "it names no storageClass, and CDI finds no default", ""),
    ],
)
def test_of_classes_that_are_not_seen_no_more_is_claimed_than_cdi_says(
    class_name: str | None, cause: str, root: str
) -> None:
    made, told = unclaimed(class_name)
    (found,) = of(made, told)
    assert (found.cause, found.root.name if found.root else "") == (cause, root)
    assert found.step.startswith("have somebody who may list StorageClasses")
    assert of(made) == []


@pytest.mark.parametrize(
    ("class_name", "cause"),
    [
        ("ceph-rbd", 'CDI found no StorageClass "ceph-rbd" when it tried last; it is there now'),
        (None, "CDI found no default StorageClass when it tried last; ceph-rbd is that now"),
    ],
)
def test_a_class_that_came_since_is_not_called_missing(class_name: str | None, cause: str) -> None:
    (found,) = of(*unclaimed(class_name), storage_class("ceph-rbd", default=True))
    assert (found.cause, found.step, found.root) == (cause, "wait: CDI tries again by itself", None)


def test_a_default_that_is_only_for_disks_of_vms_is_none_for_an_archive() -> None:
    made, told = unclaimed(None)
    for_vms = storage_class("ceph-rbd")
    for_vms["metadata"]["annotations"] = {"storageclass.kubevirt.io/is-default-virt-class": "true"}
    (found,) = of(made, told, for_vms)
    assert found.cause.startswith("CDI found no default StorageClass when it tried last")
    made["spec"]["contentType"] = "archive"
    (found,) = of(made, told, for_vms)
    assert found.cause == "it names no storageClass, and none of the cluster is the default"


def test_what_wants_a_volume_without_a_class_is_told_in_the_words_of_cdi() -> None:
    (found,) = of(*unclaimed(""), storage_class("ceph-rbd"))
    assert found.cause == "it states no accessModes, and CDI finds no StorageClass to choose them by"


def test_a_claim_that_came_since_answers_that_there_was_no_class() -> None:
    made, told = unclaimed("ceph-rbd")
    claim = next(item for item in read_machine("imported") if item["kind"] == "PersistentVolumeClaim")
    claim["status"] = {"phase": "Bound"}
    assert [one for one in of(made, told, claim, storage_class("ceph-rbd")) if one.rule == "import.state"] == []


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        (
            "ErrResourceExists",
            'Resource "dv-1-root" already exists and is not managed by DataVolume',
            "there is a PVC dv-1-root already that it does not own",
        ),
        (
            "CloneWithoutSource",
            "The source pvc golden doesn't exist",
            "its source pvc golden does not exist",
        ),
        (
            "ImportTargetInUse",
            "pod shop/backup using PersistentVolumeClaim dv-1-root",
            "pod shop/backup uses PVC dv-1-root, and the import needs it for itself",
        ),
    ],
)
def test_a_refusal_that_only_an_event_tells_is_found(reason: str, message: str, cause: str) -> None:
    made = volume(phase="Pending")
    (found,) = of(made, event(made, reason, message))
    assert found.cause == cause


def test_an_import_whose_helper_claim_gets_no_volume_leads_to_the_class() -> None:
    claim = next(item for item in read_machine("imported") if item["kind"] == "PersistentVolumeClaim")
    claim["status"], claim["spec"] = {"phase": "Pending"}, {"storageClassName": "slow"}
    owner = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": "dv-1-root", "uid": "u"}
    claim["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    name = f"prime-{claim['metadata']['uid']}"
    prime = {**claim, "metadata": {**claim["metadata"], "name": name, "uid": "u-prime"}}
    above = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "dv-1-root", "uid": claim["metadata"]["uid"]}
    prime["metadata"]["ownerReferences"] = [{**above, "controller": True}]
    words = "Waiting for a volume to be created either by the external provisioner 'slow.csi.example.org' or manually"
    told = event(prime, "ExternalProvisioning", words, "Normal")
    (found,) = of(volume(phase="Pending"), claim, prime, told, storage_class("slow"))
    assert (found.trouble, found.cause) == ("does not begin", 'it waits for StorageClass "slow"')
    assert found.evidence[0].subject == f"PVC {name}"
    assert found.root is not None
    assert (found.root.kind, found.root.name) == ("StorageClass", "slow")


def retried(began: str) -> list[Object]:
    """An import whose worker was refused after three seconds, many times, and that runs again since `began`."""
    running = {"type": "Running", "status": "True", "reason": "Pod is running", "lastTransitionTime": began}
    found = volume(phase="ImportInProgress", progress="N/A", restartCount=7, conditions=[running])
    words = "Unable to connect to http data source: expected status code 200, got 404. Status: 404 Not Found"
    ended = {
        "exitCode": 1, "reason": "Error", "message": words,
        "startedAt": "2026-11-21T01:50:00Z", "finishedAt": "2026-11-21T01:50:03Z",
    }  # fmt: skip
    pod = {
        "kind": "Pod",
        "metadata": {"name": f"importer-{found['metadata']['name']}", "namespace": "shop", "uid": "p"},
        "status": {"containerStatuses": [{"name": "importer", "restartCount": 7, "lastState": {"terminated": ended}}]},
    }
    return [found, pod]


@pytest.mark.parametrize(
    ("began", "severity", "trouble"),
    [
        ("2026-11-21T01:55:50Z", Severity.BAD, "does not fill"),
        ("2026-11-21T01:53:00Z", Severity.WARN, "crashes again and again"),
    ],
)
def test_a_new_try_is_in_trouble_until_it_gets_further_than_the_last(
    began: str, severity: Severity, trouble: str
) -> None:
    (finding,) = of(*retried(began), now=parse_time("2026-11-21T01:56:00Z") or 0.0)
    assert (finding.severity, finding.trouble) == (severity, trouble)
    assert severity is Severity.WARN or "404 Not Found" in finding.cause


def unplaced(words: str, **spec: Any) -> list[Object]:
    """A DataVolume whose importer pod no node takes."""
    found = volume(phase="ImportScheduled", progress="N/A")
    meta = {"namespace": found["metadata"]["namespace"], "name": f"importer-{found['metadata']['name']}", "uid": "w"}
    refused = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words,
        "lastTransitionTime": "2026-11-21T01:50:00Z",
    }  # fmt: skip
    pod = {
        "kind": "Pod", "metadata": {**meta, "labels": {"cdi.kubevirt.io": "importer"}}, "spec": spec,
        "status": {"phase": "Pending", "conditions": [refused]},
    }  # fmt: skip
    return [found, pod]


TAINTED = [{"key": "maint", "value": "yes", "effect": "NoSchedule"}]


def test_an_importer_that_no_node_takes_is_told_by_the_nodes() -> None:
    items = unplaced("0/2 nodes are available: 2 node(s) had untolerated taint {maint: yes}.")
    (found,) = of(*items, node("a", taints=TAINTED), node("b", taints=TAINTED))
    assert found.cause == "no node takes its importer pod: a and b have taint maint=yes:NoSchedule"
    assert "spec.workload.tolerations of the CDI object" in found.step
    assert "the VM" not in found.step
    assert found.root is not None
    assert (found.root.kind, found.root.name) == ("Taint", "maint=yes:NoSchedule")


def test_an_importer_that_is_placed_on_nodes_without_vms_is_told_by_those() -> None:
    infra = node("infra-1", taints=TAINTED, labels={"role": "infra"})
    del infra["metadata"]["labels"]["kubevirt.io/schedulable"]
    words = "0/2 nodes are available: 1 node(s) had untolerated taint {maint: yes}, 1 node(s) didn't match selector."
    (found,) = of(*unplaced(words, nodeSelector={"role": "infra"}), infra, node("a"))
    assert "infra-1" in found.cause
    assert "taint maint=yes:NoSchedule" in found.cause


def test_what_no_node_says_of_an_importer_is_told_in_the_words_of_the_scheduler() -> None:
    (found,) = of(*unplaced("0/1 nodes are available: 1 node(s) had volume node affinity conflict."), node("a"))
    assert found.cause == "no node takes its importer pod: 1 node(s) had volume node affinity conflict"
    assert "wait" not in found.step
