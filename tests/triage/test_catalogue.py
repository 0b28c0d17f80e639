"""Rows of the catalogue (kubevirt-api.md 9) that no drill plays, each from an object as a real server writes it."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Finding, Severity
from kvtui.triage.messages import read_message
from tests.machines import RECORDED, Object, read_machine
from tests.triage.judging import event, judge, node, only
from tests.triage.test_storage import running

_LONG_AGO = "2026-11-21T01:40:00Z"


def part(items: list[Object], kind: str) -> Object:
    return next(item for item in items if item["kind"] == kind)


def with_condition(obj: Object, type_: str, status: str, reason: str, message: str = "") -> None:
    conditions = [one for one in obj["status"].get("conditions", ()) if one["type"] != type_]
    told = {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": _LONG_AGO}
    obj["status"]["conditions"] = [*conditions, told]


def vm_finding(items: list[Object]) -> Finding:
    return only(judge(items), "vm")


def refused(message: str) -> Finding:
    """A VM whose launcher is refused so (kv vmi/lifecycle.go)."""
    items = [item for item in read_machine("quota") if item["kind"] != "Event"]
    vmi = part(items, "VirtualMachineInstance")
    for condition in vmi["status"]["conditions"]:
        if condition["type"] == "Synchronized":
            condition["message"] = message
    vm = part(items, "VirtualMachine")
    for condition in vm["status"]["conditions"]:
        if condition["type"] == "Synchronized":
            condition["message"] = message
    return vm_finding(items)


def beginning(reason: str, message: str) -> Finding:
    """A VM whose launcher has a node, and whose pod kubelet cannot begin there."""
    items = [item for item in read_machine("unbound") if item["kind"] not in ("Event", "PersistentVolumeClaim")]
    pod = part(items, "Pod")
    pod["spec"]["nodeName"] = "worker-1"
    with_condition(pod, "PodScheduled", "True", "")
    vmi, vm = part(items, "VirtualMachineInstance"), part(items, "VirtualMachine")
    vmi["status"]["conditions"] = []
    vm["status"] = {"printableStatus": "Starting", "conditions": []}
    return vm_finding([*items, event(pod, reason, message)])


def test_row_5_host_ports_are_told_in_the_schedulers_words() -> None:
    items = read_machine("too_big")
    words = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    for kind in ("Pod", "VirtualMachineInstance", "VirtualMachine"):
        for condition in part(items, kind)["status"].get("conditions", ()):
            if condition["type"] == "PodScheduled":
                condition["message"] = words
    for container in part(items, "Pod")["spec"]["containers"]:
        container["resources"] = {}
    found = vm_finding([*items, node("a")])
    assert "free ports" in found.cause
    assert found.step == "another pod has the host port: free it, or add a node"


@pytest.mark.parametrize(
    ("message", "cause", "step"),
    [
        (
            "failed to render launch manifest: failed to locate network attachment definition shop/blue",
            "there is no NetworkAttachmentDefinition shop/blue",
            "create it",
        ),
        (
            'failed to create virtual machine pod: Internal error occurred: failed calling webhook "pods.kubevirt.io": '
            'failed to call webhook: Post "https://virt-api.kubevirt.svc:443/": tls: failed to verify certificate: '
            "x509: certificate signed by unknown authority",
            "webhook pods.kubevirt.io does not answer",
            "certificates",
        ),
        (
            "failed to gather topology hints: TSC frequency 2.4GHz is not offered",
            "TSC frequency",
            "tsc-frequency",
        ),
    ],
    ids=["row 77", "row 101", "row 11"],
)
def test_what_refuses_a_launcher_is_named(message: str, cause: str, step: str) -> None:
    found = refused(message)
    assert cause in found.cause
    assert step in found.step


@pytest.mark.parametrize(
    ("message", "sentence", "step"),
    [
        (
            "rpc error: code = Unavailable desc = connection error: transport: authentication handshake failed: tls: "
            "failed to verify certificate: x509: certificate has expired or is not yet valid: current time is after",
            "virt-handler and launcher do not trust each other",
            "kubevirt-virt-handler-certs",
        ),
        (
            'Get "https://images.example.org/a.img": tls: failed to verify certificate: x509: certificate has expired '
            "or is not yet valid: current time is after",
            "the server's certificate has expired",
            "renew",
        ),
        (
            "virt-handler is not present, there are orphaned vmis on this node. Run virt-handler on this node.",
            "virt-handler does not run here",
            "tolerations",
        ),
        (
            "Migration cannot proceed since no node is suitable to run the required CPU model / required features: vmx",
            "no other node has the CPU model",
            "domain.cpu.model",
        ),
        (
            "EvictionStrategy is set but vmi is not migratable; cannot migrate VMI: PVC a is not shared",
            "its evictionStrategy wants it moved",
            "evictionStrategy",
        ),
    ],
    ids=["row 102", "an expired server", "row 93", "row 61", "row 127"],
)
def test_what_only_a_message_tells_is_read(message: str, sentence: str, step: str) -> None:
    reading = read_message(message)
    assert reading is not None
    assert sentence in reading.sentence
    assert step in reading.step


@pytest.mark.parametrize(
    ("reason", "message", "cause", "step"),
    [
        (
            "FailedCreatePodSandBox",
            "Failed to create pod sandbox: rpc error: cannot find a network-attachment-definition (blue) in namespace "
            '(shop): network-attachment-definitions.k8s.cni.cncf.io "blue" not found',
            "on worker-1: there is no NetworkAttachmentDefinition shop/blue any more",
            "create it anew",
        ),
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: plugin type="multus" name="multus-cni-network" failed (add): '
            '[shop/virt-launcher-db-1/u:blue]: error adding container to network "blue": failed to find br1',
            "on worker-1: its network blue cannot be set up: failed to find br1",
            "see the network's plugin on that node",
        ),
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: rpc error: code = Unknown desc = no runtime for "kata-qemu" is configured',
            "on worker-1: the node has no runtime kata-qemu",
            "see kata-deploy on that node",
        ),
        (
            "FailedAttachVolume",
            'Multi-Attach error for volume "pvc-7" Volume is already used by pod(s) virt-launcher-db-1-x2k',
            "on worker-1: volume pvc-7 is attached to another node",
            "stop what uses it there",
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "root" : configmap "x" not found',
            'MountVolume.SetUp failed for volume "root"',
            "kubectl describe pod",
        ),
    ],
    ids=["row 78", "row 79", "row 105", "row 65", "another"],
)
def test_what_kubelet_cannot_begin_is_told_by_the_events_of_the_launcher(
    reason: str, message: str, cause: str, step: str
) -> None:
    found = beginning(reason, message)
    assert found.cause.startswith(cause)
    assert found.step.startswith(step)


def test_row_10_a_launcher_that_ran_out_of_memory_says_so() -> None:
    items = [item for item in read_machine("running") if item["kind"] != "Event"]
    vm, vmi, pod = (part(items, kind) for kind in ("VirtualMachine", "VirtualMachineInstance", "Pod"))
    vm["spec"]["runStrategy"] = "Always"
    vm["status"] = {"printableStatus": "CrashLoopBackOff", "startFailure": {"consecutiveFailCount": 3}}
    vmi["status"]["phase"] = "Failed"
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-21T01:55:00Z"}
    pod["status"]["phase"] = "Failed"
    pod["status"]["containerStatuses"] = [{"name": "compute", "state": {"terminated": ended}}]
    found = vm_finding(items)
    assert "OOMKilled" in found.cause
    assert found.step.startswith("give the VM more memory")


@pytest.mark.parametrize("phase", ["AttachedToNode", "MountedToPod"])
def test_row_21_an_added_disk_that_stops_half_way_says_where(phase: str) -> None:
    items = running({"name": "cold", "target": "", "phase": phase, "hotplugVolume": {}})
    space = items[0]["metadata"]["namespace"]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cold-claim", "namespace": space, "uid": "u-cold"},
        "status": {"phase": "Bound"},
    }
    found = next(one for one in judge([*items, claim], waits=False) if one.rule == "vm.volumes")
    assert (found.trouble, found.cause) == ("lacks volume cold", f"it stays {phase}")


def test_row_26_a_migration_of_volumes_that_broke_off_needs_a_hand() -> None:
    items = read_machine("running")
    words = "VM recovery required: Volume migration failed, the volumes are not the source ones"
    with_condition(part(items, "VirtualMachine"), "ManualRecoveryRequired", "True", "", words)
    found = vm_finding(items)
    assert (found.severity, found.trouble, found.cause) == (Severity.BAD, "needs recovery", words)


def without_agent(*written: str, known: bool = True) -> list[Object]:
    """A VM that runs since 01:46:41, whose agent is not there, and whose instance was written at such times."""
    items = read_machine("running")
    vmi = part(items, "VirtualMachineInstance")
    vmi["status"]["conditions"] = [one for one in vmi["status"]["conditions"] if one["type"] != "AgentConnected"]
    vmi["metadata"]["managedFields"] = [
        {"manager": "virt-handler", "operation": "Update", "time": at} for at in written
    ]
    if not known:
        vmi["status"]["guestOSInfo"] = {}
    return items


@pytest.mark.parametrize("waits", [True, False], ids=["screen", "command"])
@pytest.mark.parametrize("known", [True, False])
def test_row_84_a_guest_that_boots_anew_is_not_said_to_lack_an_agent(waits: bool, known: bool) -> None:
    items = without_agent("2026-11-21T01:46:41Z", "2026-11-21T01:51:01Z", known=known)
    assert judge(items, waits=waits) == []
    assert [one.rule for one in judge(items, RECORDED + 1, waits=waits)] == ["vm.agent"]


@pytest.mark.parametrize("waits", [True, False], ids=["screen", "command"])
def test_row_84_an_agent_that_never_came_is_a_note(waits: bool) -> None:
    found = only(judge(without_agent("2026-11-21T01:46:41Z", known=False), waits=waits), "vm")
    assert (found.severity, found.trouble) == (Severity.INFO, "has no agent")
    assert found.step == "install and start qemu-guest-agent in the guest"


@pytest.mark.parametrize("waits", [True, False], ids=["screen", "command"])
def test_row_84_an_agent_that_went_is_not_to_be_installed(waits: bool) -> None:
    found = only(judge(without_agent("2026-11-21T01:50:00Z"), waits=waits), "vm")
    assert (found.severity, found.trouble) == (Severity.WARN, "has lost its agent")
    assert found.cause.startswith("its guest agent was connected and is gone: ")
    assert "install" not in found.step
    assert [(one.field, one.value) for one in found.evidence] == [
        ("AgentConnected", "not there"),
        ("guestOSInfo.name", "Fedora Linux"),
    ]


def test_row_80_an_interface_whose_address_only_an_agent_could_tell_is_no_trouble_beside_its_lack() -> None:
    items = without_agent("2026-11-21T01:46:41Z", known=False)
    vmi = part(items, "VirtualMachineInstance")
    vmi["spec"]["networks"].append({"name": "vlan", "multus": {"networkName": "data-vlan140"}})
    vmi["spec"]["domain"]["devices"]["interfaces"].append({"name": "vlan", "bridge": {}})
    (found,) = (one for one in judge(items, waits=False) if one.label == "vm")
    assert (found.severity, found.trouble) == (Severity.INFO, "has no agent")
    assert found.cause.endswith("no address of interface vlan in network data-vlan140")
    assert found.step.endswith("; see on its console whether interface vlan is up and whether DHCP answers there")


def test_row_84_a_guest_that_is_shut_down_needs_no_agent() -> None:
    items = without_agent("2026-11-21T01:46:41Z")
    part(items, "VirtualMachineInstance")["metadata"]["deletionTimestamp"] = "2026-11-21T01:55:50Z"
    assert [one.rule for one in judge(items, waits=False) if one.rule == "vm.agent"] == []


def test_file_systems_that_stay_frozen_are_told_but_not_those_of_a_snapshot() -> None:
    items = read_machine("running")
    part(items, "VirtualMachineInstance")["status"]["fsFreezeStatus"] = "frozen"
    found = [one for one in judge(items, waits=False) if one.rule == "vm.frozen"]
    assert [(one.severity, one.trouble) for one in found] == [(Severity.WARN, "has frozen file systems")]
    assert [one for one in judge(items) if one.rule == "vm.frozen"] == []
    part(items, "VirtualMachine")["status"]["snapshotInProgress"] = "nightly"
    assert [one for one in judge(items, waits=False) if one.rule == "vm.frozen"] == []


def test_row_85_an_agent_that_is_too_old_says_its_version() -> None:
    items = read_machine("running")
    words = "Guest agent version 2.3.0 is not supported"
    with_condition(part(items, "VirtualMachineInstance"), "AgentVersionNotSupported", "True", words)
    found = vm_finding(items)
    assert found.cause == f"its guest agent is too old: {words}"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("GuestNotRunning", "Guest VM is not reported as running"),
        ("ContainersNotReady", "containers with unready status: [compute]"),
    ],
)
def test_row_87_a_guest_whose_probe_fails_is_not_ready(reason: str, message: str) -> None:
    items = read_machine("running")
    with_condition(part(items, "VirtualMachineInstance"), "Ready", "False", reason, message)
    found = next(one for one in judge(items) if one.rule == "vm.ready")
    assert (found.trouble, found.cause) == ("is not ready", message)


_CLAIM = (
    "cannot migrate VMI: PVC web-1-data is not shared, live migration requires that all PVCs must be shared "
    "(using ReadWriteMany access mode)"
)
_BRIDGE = "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network"


@pytest.mark.parametrize(
    ("reason", "message", "why", "step"),
    [
        ("DisksNotLiveMigratable", _CLAIM, "its PVC web-1-data is not ReadWriteMany", "a class with ReadWriteMany"),
        (
            "DisksNotLiveMigratable",
            "cannot migrate VMI with non-shared HostDisk",
            "its hostDisk lies on its node alone",
            "a claim with ReadWriteMany",
        ),
        (
            "InterfaceNotLiveMigratable",
            _BRIDGE,
            "its interface default on the pod network is a bridge, not masquerade",
            "use masquerade",
        ),
        (
            "CPUModeLiveMigratable",
            'the node "node01" does not allow migration with host-model',
            "its CPU is host-model, of which node01 allows no migration",
            "fixed CPU model",
        ),
        (
            "HostDeviceNotLiveMigratable",
            "VMI specifies non-migratable generic PCI host device",
            "it specifies non-migratable generic PCI host device",
            "a time at which it is off",
        ),
        (
            "HostDeviceNotLiveMigratable",
            "VMI specifies a GPU but feature gate VGPULiveMigration is not enabled",
            "it specifies a GPU but feature gate VGPULiveMigration is not enabled",
            "a time at which it is off",
        ),
        ("HostDeviceNotLiveMigratable", "VMI uses a PCI host devices", "it uses a PCI host devices", "it is off"),
        ("SEVNotLiveMigratable", "VMI uses SEV", "it uses SEV", "a time at which it is off"),
        ("TDXNotLiveMigratable", "VMI uses TDX", "it uses TDX", "a time at which it is off"),
        (
            "HypervPassthroughNotLiveMigratable",
            "VMI uses hyperv passthrough",
            "it uses hyperv passthrough",
            "a time at which it is off",
        ),
        ("VirtIOFSNotLiveMigratable", "VMI uses virtiofs", "VMI uses virtiofs", "LiveMigrateIfPossible"),
    ],
)
def test_rows_58_to_60_and_73_a_vm_that_cannot_be_moved_says_why_and_blocks_the_drain_of_its_node(
    reason: str, message: str, why: str, step: str
) -> None:
    items = read_machine("running")
    vmi = part(items, "VirtualMachineInstance")
    with_condition(vmi, "LiveMigratable", "False", reason, message)
    assert [one for one in judge(items) if one.rule == "vm.eviction"] == [], "whoever drains may shut it down"
    vmi["spec"]["evictionStrategy"] = "LiveMigrate"
    found = vm_finding(items)
    assert (found.rule, found.severity) == ("vm.eviction", Severity.INFO)
    assert found.cause == f"its evictionStrategy is LiveMigrate, and {why}"
    assert step in found.step
    name = vmi["status"]["nodeName"]
    drained = node(name, unschedulable=True)
    found = vm_finding([*(one for one in items if one["kind"] != "Node"), drained])
    assert (found.trouble, found.severity) == ("blocks the drain", Severity.WARN)
    assert found.cause == f"{name} is cordoned, and it cannot be moved away: {why}"


def test_row_74_a_vm_that_is_to_leave_its_node_and_that_nobody_moves() -> None:
    items = read_machine("running")
    vmi = part(items, "VirtualMachineInstance")
    vmi["status"]["evacuationNodeName"] = vmi["status"]["nodeName"]
    found = next(one for one in judge(items, waits=False) if one.rule == "vm.evacuation")
    assert found.cause == (f"it is to leave {vmi['status']['nodeName']}, and virt-controller makes no migration for it")


def kubevirt(**status: Any) -> Object:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Degraded", "status": "False"}]
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": "kubevirt", "uid": "uid-kv"},
        "status": {"phase": "Deployed", "conditions": conditions, **status},
    }


def test_row_75_vms_in_launchers_of_the_version_before_are_counted_and_no_alarm() -> None:
    assert judge([kubevirt(outdatedVirtualMachineInstanceWorkloads=0)]) == []
    found = only(judge([kubevirt(outdatedVirtualMachineInstanceWorkloads=3)]), "kubevirt")
    assert (found.severity, found.cause) == (Severity.INFO, "3 VMs run in launchers of an older version")


def test_row_83_a_network_whose_devices_are_all_taken() -> None:
    items = read_machine("too_big")
    container = part(items, "Pod")["spec"]["containers"][0]
    container["resources"]["requests"] = {"intel.com/sriov_blue": "1"}
    found = vm_finding([*items, node("a", allocatable={"intel.com/sriov_blue": "0"})])
    assert "intel.com/sriov_blue" in found.cause


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("DVFailed", "DataVolume w-1-root is not ready; Phase: Failed"),
        ("DVImagePullFailed", "DataVolume w-1-root import is not running: failed to pull image"),
        ("Unschedulable", "0/3 nodes are available: 3 Insufficient memory."),
    ],
    ids=["row 110", "row 110 image", "row 111"],
)
def test_rows_110_and_111_a_machine_without_a_vm_says_why(reason: str, message: str) -> None:
    told = {"type": "VMProvisioned", "status": "False", "reason": reason, "message": message}
    machine = {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1alpha1",
        "kind": "KubevirtMachine",
        "metadata": {"name": "w-1", "namespace": "tenants", "uid": "uid-w-1"},
        "status": {"conditions": [{**told, "lastTransitionTime": _LONG_AGO}]},
    }
    found = only(judge([machine]), "machine")
    assert (found.trouble, found.cause) == ("gets no VM", message)
