"""What messages of controllers mean: the one table of their patterns. Rules read it last, for what no field tells.

The catalogue is kubevirt-api.md section 9; `origin` names the text that writes the message (paths as there).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kvtui.text import quantity, shorten, size


@dataclass(frozen=True, slots=True)
class Message:
    """A pattern of a message: what it says, where it comes from, what to do."""

    pattern: re.Pattern[str]
    origin: str
    step: str = ""
    says: str | Callable[[Mapping[str, str]], str] = ""
    """The cause in a sentence, with the groups of the pattern in braces; empty: the message's own words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A message that is known."""

    message: Message
    sentence: str
    parts: Mapping[str, str]
    """What the pattern found, by name."""

    @property
    def step(self) -> str:
        """What to do, with the names that it found."""
        return self.message.step.format_map(self.parts)


def read_message(words: str) -> Reading | None:
    """The first message of the table that these words hold; None for words that nobody knows."""
    for message in MESSAGES:
        found = message.pattern.search(words)
        if found is not None:
            parts = {name: value or "" for name, value in found.groupdict().items()}
            says = message.says(parts) if callable(message.says) else message.says.format_map(parts)
            return Reading(message, says or words, parts)
    return None


def step_for(words: str) -> str:
    """What to do about a message; empty when nothing is known of it."""
    found = read_message(words)
    return found.step if found is not None else ""


def tell_quota(parts: Mapping[str, str]) -> str:
    """``quota small allows 6Gi of requests.memory, of which 4Gi are used; it needs 3Gi``."""
    asked, used, allowed = (_amounts(parts[name]) for name in ("requested", "used", "limited"))
    told = []
    for name, amount in asked.items():
        taken = f", of which {used[name]} are used" if used.get(name, "0") != "0" else ""
        told.append(f"{allowed.get(name, '?')} of {name}{taken}; it needs {amount}")
    return f"quota {parts['quota']} allows {', and '.join(told)}"


def read_amounts(listed: str) -> dict[str, str]:
    """By name: ``requests.cpu=2,requests.memory=4Gi``."""
    pairs = (item.partition("=") for item in listed.split(","))
    return {name.strip(): amount.strip() for name, _, amount in pairs}


def _amounts(listed: str) -> dict[str, str]:
    return {name: _round(name, amount) for name, amount in read_amounts(listed).items()}


def _round(name: str, amount: str) -> str:
    """Bytes as people say them; what is counted stays as it is."""
    in_bytes = name.strip().endswith(("memory", "storage")) and amount.isdecimal()
    return size(quantity(amount)) if in_bytes else amount


def _tell_size(parts: Mapping[str, str]) -> str:
    image, room = (size(quantity(parts[name])) for name in ("image", "room"))
    return f"the virtual image size, {image}, is larger than the space of its volume, {room}"


def _tell_checksum(parts: Mapping[str, str]) -> str:
    wanted, found = (shorten(parts[name], _SUM) for name in ("wanted", "found"))
    return f"checksum mismatch: spec.source says {wanted}, the image that came has {found}"


def _tell_patch(parts: Mapping[str, str]) -> str:
    patched = f" of {parts['patched']}" if parts["patched"] else ""
    return f"the patch{patched} in spec.customizeComponents cannot be applied: {parts['words']}"


_SUM: Final = 13
"""Columns of a checksum that tell it from others."""


def _message(pattern: str, origin: str, step: str = "", says: str | Callable[[Mapping[str, str]], str] = "") -> Message:
    return Message(re.compile(pattern), origin, step, says)


_REGISTRY: Final = "push the image, or correct its name or the pull secret"
_URL_STEP: Final = "correct the URL: delete the DataVolume and make it anew"
_LARGER: Final = "ask for a larger volume: delete the DataVolume and make it anew"

MESSAGES: Final = (
    # Migrations: row 70.
    _message(
        r"timeout waiting for utility volumes",
        "kv pkg/virt-controller/watch/migration/migration.go:1680",
        "let the backup end that has attached them (or detach them), then migrate it again",
    ),
    # Making the launcher pod: VMI Synchronized=False FailedCreate, rows 8, 9, 17.
    _message(
        r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<requested>\S+), used: (?P<used>\S+), "
        r"limited: (?P<limited>[^\s;]+)",
        "kubernetes apiserver/pkg/admission/plugin/resourcequota/controller.go",
        "enlarge quota {quota}, or ask for less",
        tell_quota,
    ),
    _message(
        r'violates PodSecurity "(?P<level>[a-z]+)',
        "kubernetes pod-security-admission; kv vmi/lifecycle.go:176",
        "label the namespace pod-security.kubernetes.io/enforce=privileged",
        'its namespace allows "{level}" pods only, and the launcher pod of a VM needs "privileged"',
    ),
    _message(
        r"Not authorized to create DataVolume (?P<name>\S+):",
        "kv vm.go:484",
        "give its service account datavolumes/source in the source namespace: role cdi.kubevirt.io:clone-sourcer",
    ),
    _message(
        r"PVC (?P<claim>\S+) does not exist, waiting for it to appear",
        "kv vmi/lifecycle.go:159",
        "create the claim, or correct claimName in the VM",
        "PVC {claim} does not exist",
    ),
    _message(
        r"topology hints|TSC frequency",
        "kv pkg/virt-controller/watch/topology; row 11",
        "look which nodes have the label scheduling.node.kubevirt.io/tsc-frequency-...; or leave the TSC to the node",
    ),
    _message(
        r'(?:failed to resolve reference "(?P<image>[^"]+)").*not found',
        "containerd (general)",
        _REGISTRY,
        "image {image} is not in its registry",
    ),
    _message(
        r'(?:Back-off pulling image "|Failed to pull image "|failed to pull and unpack image ")(?P<image>[^"]+)"',
        "kubernetes kubelet images (general)",
        _REGISTRY,
    ),
    _message(
        r"failed to locate network attachment definition (?P<network>\S+)",
        "kv pkg/network/multus/nad.go:66",
        "create it, or correct networkName in the VM: one without a namespace is looked for in the VM's own",
        "there is no NetworkAttachmentDefinition {network}",
    ),
    _message(
        r"cannot find a network-attachment-definition \((?P<name>[^)]+)\) in namespace \((?P<space>[^)]+)\)",
        "multus pkg/k8sclient/k8sclient.go:302",
        "create it anew: the pod starts by itself then",
        "there is no NetworkAttachmentDefinition {space}/{name} any more",
    ),
    # Beginning a pod on its node: events of kubelet and of the attach-detach controller, rows 65, 79 and 105.
    _message(
        r'error adding container to network "(?P<net>[^"]+)": (?P<words>.+)',
        "multus, CNI plugins (general)",
        "see the network's plugin on that node: its bridge, VLAN or addresses",
        "its network {net} cannot be set up: {words}",
    ),
    _message(
        r'no runtime for "(?P<runtime>[^"]+)" is configured',
        "containerd (general)",
        "see kata-deploy on that node, and the handler of its RuntimeClass",
        "the node has no runtime {runtime}",
    ),
    _message(
        r'Multi-Attach error for volume "(?P<volume>[^"]+)" (?P<words>.+)',
        "kubernetes pkg/controller/volume/attachdetach/reconciler",
        "stop what uses it there; where that node is lost, make sure that it is off first",
        "volume {volume} is attached to another node: {words}",
    ),
    # Webhooks of KubeVirt and CDI: row 101.
    _message(
        r'failed calling webhook "(?P<hook>[^"]+)": (?:failed to call webhook: )?'
        r'Post "https://(?P<service>[^./"]+)\.(?P<space>[^./:"]+)\.svc[^"]*": (?P<words>.+)',
        "kubernetes apiserver/pkg/admission/plugin/webhook/errors; net/url",
        "see the pods behind Service {service} and their certificates: kubectl get endpointslices,pods -n {space}",
        "webhook {hook} does not answer: Service {space}/{service}: {words}",
    ),
    _message(
        r'failed calling webhook "(?P<hook>[^"]+)": (?:failed to call webhook: )?(?P<words>.+)',
        "kubernetes apiserver/pkg/admission/plugin/webhook/errors; kv components/secrets.go",
        "see the pods behind webhook {hook}, and their certificates",
        "webhook {hook} does not answer: {words}",
    ),
    # Running and starting QEMU: states of containers, event SyncFailed, events of the VMI; rows 10, 23, 24.
    _message(
        r"container (?P<container>\S+) of the launcher ended: OOMKilled",
        "kubernetes kubelet",
        "give the VM more memory, or look for memory pressure on the node",
        "container {container} of its launcher pod was OOMKilled",
    ),
    _message(
        r"IO error at the volume: (?P<volume>\S+)",
        "kv virt-handler/vm.go:1118",
        "mend its storage, then unpause it",
        "IO error at its volume {volume}",
    ),
    _message(
        r"(?:monitor: )?(?P<words>[^:]+: cannot set up guest memory.*Cannot allocate memory)",
        "QEMU (general), as virt-launcher passes it on: kv vm.go, row 10",
        "free memory on the node, or give the VM less",
        "{words}",
    ),
    _message(
        r"process exited while connecting to monitor: (?P<words>[^\"]+?)'?\)?\"?$",
        "libvirt qemu_process.c, as virt-launcher passes it on",
        "read the log of its last launcher pod",
        "QEMU ended: {words}",
    ),
    # Scheduling: PodScheduled=False, rows 1 to 6; only where the nodes themselves cannot be read.
    _message(r'persistentvolumeclaim "(?P<name>[^"]+)" is being deleted', "kubernetes scheduler volumebinding",
             "copy the data of claim {name} away: it goes when the last pod that has it is gone"),
    _message(r"Insufficient devices\.kubevirt\.io/kvm", "kubernetes scheduler noderesources/fit.go",
             "check KVM on the nodes: BIOS, nested virtualization, virt-handler"),
    _message(r"Insufficient \S+", "kubernetes scheduler noderesources/fit.go",
             "free capacity, add a node, or make the VM smaller"),
    _message(r"volume node affinity conflict", "kubernetes scheduler volumebinding (not verified)",
             "see on which node its volume is, and why that one does not take it"),
    _message(r"node affinity|node selector", "kubernetes scheduler nodeaffinity",
             "compare its node selector and CPU model with the labels of the nodes"),
    _message(r"untolerated taint", "kubernetes scheduler tainttoleration",
             "give the VM a toleration, or take the taint away"),
    _message(r"were unschedulable", "kubernetes scheduler nodeunschedulable", "uncordon a node"),
    _message(r"free ports", "kubernetes scheduler nodeports (not verified)",
             "another pod has the host port: free it, or add a node"),
    _message(r"anti-affinity rules", "kubernetes scheduler interpodaffinity",
             "its affinity keeps it away from other pods: add a node, or relax it"),
    # Binding claims: events of the claim, row 13.
    _message(
        r"either by the external provisioner '(?P<provisioner>[^']+)' or manually",
        "kubernetes pv_controller.go ExternalProvisioning",
        "see whether the pods of {provisioner} run",
        "provisioner {provisioner} does not answer",
    ),
    _message(
        r"no persistent volumes available for this claim and no storage class is set",
        "kubernetes pv_controller.go FailedBinding",
        "name a storage class in the claim, or make one the default",
        "it names no storage class, and no free volume fits",
    ),
    _message(
        r'storageclass\.storage\.k8s\.io "(?P<name>[^"]+)" not found',
        "kubernetes pv_controller.go ProvisioningFailed",
        "create StorageClass {name}, or make the claim anew with one that exists",
        "there is no StorageClass {name}",
    ),
    _message(
        r'failed to provision volume with StorageClass "(?P<name>[^"]+)": (?P<words>.+)',
        "csi external-provisioner controller.go ProvisioningFailed",
        "read the log of the provisioner of class {name}",
        "{words}",
    ),
    # CDI: conditions of a DataVolume, rows 38 to 47 (kubevirt-api.md 6.4).
    _message(
        r"expected status code 200, got (?P<code>40[13])(?:\. Status: \d+ (?P<status>[A-Za-z ]+))?",
        "cdi http-datasource.go:412",
        "put user and password into a Secret and name it in spec.source.http.secretRef",
        "the server answers {code} {status}",
    ),
    _message(
        r"expected status code 200, got (?P<code>\d+)(?:\. Status: \d+ (?P<status>[A-Za-z ]+))?",
        "cdi http-datasource.go:412",
        _URL_STEP,
        "the server answers {code} {status}",
    ),
    _message(
        r"handshake failed: .*x509: certificate has expired or is not yet valid",
        "Go crypto/x509, as gRPC passes it on between virt-handler and launcher; row 102",
        "look at the clock of its node; if that is right, delete the secrets kubevirt-virt-handler-certs and "
        "kubevirt-virt-handler-server-certs in KubeVirt's namespace: they are made anew",
        "virt-handler and launcher do not trust each other: a certificate has expired or is not valid yet",
    ),
    _message(
        r"x509: certificate has expired or is not yet valid",
        "Go crypto/x509",
        "renew the server's certificate, or correct the clock of whoever reads it",
        "the server's certificate has expired or is not valid yet",
    ),
    _message(
        r"virt-handler is not present, there are orphaned vmis on this node",
        "kv node.go:351; row 93",
        "let virt-handler onto the node: its taints against tolerations and nodeSelector of spec.workloads in KubeVirt",
        "virt-handler does not run here, and VMs do: nobody follows, stops or moves them",
    ),
    _message(
        r"no node is suitable to run the required CPU model / required features: ?(?P<features>.*)",
        "kv migration.go:2513 NoSuitableNodesForHostModelMigration; row 61",
        "set a domain.cpu.model that several nodes offer instead of host-model, or add a node with that CPU",
        "no other node has the CPU model and features of its host (host-model)",
    ),
    _message(
        r"EvictionStrategy is set but vmi is not migratable",
        "kv virt-handler/vm.go:661; row 127",
        "mend what keeps it from being moved, or give it another evictionStrategy: a drain of its node stands still",
        "its evictionStrategy wants it moved at a drain, and it cannot be",
    ),
    _message(
        r"x509: (?P<authority>[^\"\n]+)",
        "Go crypto/x509, as the importer passes it on",
        "put the server's CA into a ConfigMap and name it in spec.source.http.certConfigMap",
        "the server's certificate is not trusted (x509: {authority})",
    ),
    _message(
        r"checksum mismatch: expected (?P<wanted>[0-9a-f]+), calculated (?P<found>[0-9a-f]+)",
        "cdi checksum.go:37",
        "find out which of the two is right; then delete the DataVolume and make it anew",
        _tell_checksum,
    ),
    _message(
        r"virtual image size (?P<image>\d+) is larger than the reported available storage (?P<room>\d+)",
        "cdi qemu.go:72",
        _LARGER,
        _tell_size,
    ),
    _message(r"DataVolume too small to contain image|larger PVC is required", "cdi util.go:411", _LARGER),
    _message(r"failed to pull image: (?P<image>\S+)", "cdi common.go:325", _REGISTRY,
             "image {image} cannot be pulled"),
    _message(r"Importer pod cannot be scheduled", "cdi import-controller",
             "see why no node takes the importer pod: kubectl describe it",
             "no node takes its importer pod"),
    _message(r"\A(?P<oom>OOMKilled)\Z", "kubernetes kubelet",
             "raise spec.config.podResourceRequirements in the CDI resource",
             "its importer needs more memory than its limit and is OOMKilled"),
    _message(
        r"pod (?P<pod>\S+) using PersistentVolumeClaim (?P<claim>\S+)",
        "cdi import-controller.go:276, pvc-clone-controller.go:399",
        "stop what uses the claim",
        "pod {pod} uses PVC {claim}, and a copy needs it for itself",
    ),
    _message(r"invalid because it has invalid backing file", "cdi pkg/image/qemu.go",
             "flatten the image first: qemu-img convert"),
    _message(r"scratch space|convert source data", "cdi data-processor.go",
             "see whether CDI's class for scratch space works and the image is what it seems"),
    _message(r"waiting for v2v-vmware configmap", "cdi import-controller.go AwaitingVDDK",
             "name the VDDK image in the DataVolume, or in ConfigMap v2v-vmware"),
    _message(
        r"missing accessMode and (?P<no_class>no storageClass) to choose profile",
        "cdi datavolume/util.go:55",
        "see whether the class that it names exists, or which is the default: kubectl get storageclass",
        "it states no accessModes, and CDI finds no StorageClass to choose them by",
    ),
    _message(
        r"cannot get access mode from StorageProfile (?P<name>\S+)",
        "cdi datavolume/util.go",
        "fill StorageProfile {name}, or state accessModes in the DataVolume",
        "it states no accessModes, and StorageProfile {name} has none",
    ),
    _message(r'Resource "(?P<name>[^"]+)" already exists and is not managed by DataVolume',
             "cdi controller-base.go", "delete the claim {name}, or give the DataVolume another name",
             "there is a PVC {name} already that it does not own"),
    _message(r"(?i:source) (?P<kind>\S+) (?P<name>\S+) (?:doesn't exist|not available)",
             "cdi pvc-clone-controller.go CloneWithoutSource; kv vm.go:479",
             "bring {name} back, or copy from another source",
             "its source {kind} {name} does not exist"),
    # What a VM lacks for a live migration: rows 58 to 60.
    _message(
        r"cannot migrate VMI: PVC (?P<claim>\S+) is not shared",
        "kv pkg/virt-handler/vm.go:1788",
        "move PVC {claim} to a class with ReadWriteMany",
        "its PVC {claim} is not ReadWriteMany",
    ),
    _message(
        r"cannot migrate VMI which does not use masquerade",
        "kv pkg/network/vmispec/interface.go:87",
        "use masquerade on the pod network",
        "its interface on the pod network is a bridge, not masquerade",
    ),
    _message(
        r"cannot migrate VMI with non-shared HostDisk",
        "kv pkg/virt-handler/vm.go",
        "move that disk to a claim with ReadWriteMany",
        "its hostDisk lies on its node alone",
    ),
    _message(
        r'the node "(?P<node>[^"]+)" does not allow migration with host-model',
        "kv pkg/virt-handler/vm.go isHostModelMigratable",
        "give it a fixed CPU model",
        "its CPU is host-model, of which {node} allows no migration",
    ),
    _message(
        r"VMI (?P<words>specifies (?:a |too many )?(?:non-migratable )?(?:generic PCI host device|GPU).*|"
        r"uses (?:a PCI host devices|SEV|TDX|Secure Execution|hyperv passthrough))",
        "kv pkg/virt-handler/vm.go calculateLiveMigrationCondition",
        "agree with its owner on a time at which it is off",
        "it {words}",
    ),
    # KubeVirt's own rollout: row 97.
    _message(
        r"unable to apply patch(?: to (?P<patched>\w+ [\w-]+))?: (?P<words>.+)",
        "kv pkg/virt-operator/resource/generate/components; util/client.go:94",
        "correct that patch, or take it out",
        _tell_patch,
    ),
    # Machines of clusters that do not begin, and that are to go: rows 108 and 119.
    _message(
        r"secret not found: (?P<secret>[^:\s]+)",
        "capi bootstrap/kubeadm/internal/controllers/kubeadmconfig_controller.go",
        "create Secret {secret}: the rest follows by itself",
        "its KubeadmConfig needs Secret {secret}, which does not exist",
    ),
    _message(
        r"Pods? (?P<pod>[^:\n]+): cannot evict pod as it would violate the pod's disruption budget\. "
        r"The disruption budget (?P<budget>\S+) needs (?P<needs>\d+) healthy pods? and has (?P<has>\d+)",
        "capi internal/controllers/machine/drain/drain.go; kubernetes eviction API",
        "in the cluster, give what {budget} guards another replica, or loosen the budget",
        "Pod {pod} cannot be evicted: PodDisruptionBudget {budget} needs {needs} healthy and has {has}",
    ),
    # Copies: rows 30 to 33.
    _message(r"VolumeSnapshot \S+-volume-(?P<volume>\S+) error: (?:Failed to check and update snapshot content: )?"
             r"(?:failed to take snapshot of the volume: )?\"?(?P<words>[^\"]+)",
             "kv snapshot.go; csi external-snapshotter",
             "see the CSI driver and its snapshotter, then take it again",
             "its driver said of volume {volume}: {words}"),
    _message(r"snapshot deadline exceeded", "kv snapshot.go:66",
             "see why its VolumeSnapshots are not ready; or raise spec.failureDeadline"),
    _message(r"must be powered off before restore|failed to be ready within", "kv restore.go:91",
             "stop the VM and restore anew, or with targetReadinessPolicy StopTarget"),
    _message(r"does not support snapshots|No VolumeSnapshotClass", "kv pkg/storage/snapshot",
             "create a VolumeSnapshotClass for its driver"),
)  # fmt: skip
"""The first that is found counts."""
