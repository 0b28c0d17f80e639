"""The launcher pod of an instance, as virt-controller renders it (trimmed to what people and rules look at)."""

from __future__ import annotations

from kvtui.demo.controllers.instance import absent_interfaces
from kvtui.demo.objects import MI, amount, binary, owner_reference
from kvtui.demo.storage import Object

VERSION = "v1.9.0"
REGISTRY = "quay.io/kubevirt"
LAUNCHER_IMAGE = f"{REGISTRY}/virt-launcher:{VERSION}"
OVERHEAD = 288 * MI
MACHINE_TYPE = "pc-q35-rhel9.8.0"
HOST_MODEL = "Cascadelake-Server"

_DEVICES = ("devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net")
_EMPTY_DIRS = ("private", "public", "sockets", "virt-bin-share-dir", "libvirt-runtime", "ephemeral-disks")
_MOUNTS = (
    ("private", "/var/run/kubevirt-private"),
    ("public", "/var/run/kubevirt"),
    ("ephemeral-disks", "/var/run/kubevirt-ephemeral-disks"),
    ("libvirt-runtime", "/var/run/libvirt"),
    ("sockets", "/var/run/kubevirt/sockets"),
)
_NODE_LOSS: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for taint in ("not-ready", "unreachable")
)
"""What the API server adds to every pod: five minutes of patience with a lost node."""
_LABELS = ("kubevirt.io/nodeName", "kubevirt.io/migrationTargetNodeName", "kubevirt.io/outdatedLauncherImage")


def memory_request(vmi: Object) -> int:
    """The bytes that the pod asks for: the guest's memory and the overhead of QEMU, libvirt and the launcher."""
    domain = vmi["spec"]["domain"]
    guest = amount(domain.get("memory", {}).get("guest")) or amount(
        domain.get("resources", {}).get("requests", {}).get("memory")
    )
    return int(guest) + OVERHEAD


def cpu_request(vmi: Object) -> str:
    """What KubeVirt requests for the virtual CPUs: a tenth of each."""
    cpu = vmi["spec"]["domain"].get("cpu", {})
    count = cpu.get("cores", 1) * cpu.get("sockets", 1) * cpu.get("threads", 1)
    return f"{100 * count}m"


def claims_of(vmi: Object) -> list[tuple[str, str]]:
    """The volumes of an instance (or of a VM's template) that lie on claims, with the claim's name."""
    found = []
    for volume in vmi["spec"].get("volumes", ()):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get("dataVolume", {}).get("name")
        if claim:
            found.append((volume["name"], claim))
    return found


def launcher_pod(vmi: Object, *, migration: Object | None = None, block: frozenset[str] = frozenset()) -> Object:
    """A launcher pod for the instance; the target of `migration` when given. `block` names claims of volumeMode Block.

    The caller fills in nothing: generateName, owner and labels are there.
    """
    meta = vmi["metadata"]
    name, namespace, uid = meta["name"], meta["namespace"], meta["uid"]
    spec = vmi["spec"]
    labels = {key: value for key, value in meta.get("labels", {}).items() if key not in _LABELS}
    labels |= {
        "kubevirt.io": "virt-launcher",
        "kubevirt.io/created-by": uid,
        "vm.kubevirt.io/name": name,
        "vmi.kubevirt.io/id": name,
    }
    if migration:
        labels["kubevirt.io/migrationJobUID"] = migration["metadata"]["uid"]
    volumes, devices, mounts = _disks(spec, block)
    compute: Object = {
        "name": "compute",
        "image": LAUNCHER_IMAGE,
        "command": ["/usr/bin/virt-launcher-monitor"],
        "args": ["--qemu-timeout", "254s", "--name", name, "--uid", uid, "--namespace", namespace, "--run-as-nonroot"],
        "resources": {
            "limits": dict.fromkeys(_DEVICES, "1"),
            "requests": {
                "cpu": cpu_request(vmi),
                **dict.fromkeys(_DEVICES, "1"),
                "ephemeral-storage": "50M",
                "memory": binary(memory_request(vmi)),
            },
        },
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in _MOUNTS] + mounts,
        "imagePullPolicy": "IfNotPresent",
    }
    if devices:
        compute["volumeDevices"] = devices
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"virt-launcher-{name}-",
            "namespace": namespace,
            "labels": labels,
            "annotations": _annotations(vmi, migration),
            "ownerReferences": [owner_reference(vmi)],
        },
        "spec": {
            "volumes": [*({"name": item, "emptyDir": {}} for item in _EMPTY_DIRS), *volumes],
            "initContainers": [_console_log(uid)] if _is_console_logged(spec) else [],
            "containers": [compute],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": spec.get("terminationGracePeriodSeconds", 30) + 30,
            "nodeSelector": _node_selector(vmi, migration),
            "serviceAccountName": "default",
            "automountServiceAccountToken": False,
            "hostname": name,
            "schedulerName": "default-scheduler",
            "tolerations": [*spec.get("tolerations", ()), *_NODE_LOSS],
            "priority": 0,
            "readinessGates": [{"conditionType": "kubevirt.io/virtual-machine-unpaused"}],
            "enableServiceLinks": False,
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }
    if migration:
        pod["spec"]["affinity"] = {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "labelSelector": {"matchLabels": {"kubevirt.io/created-by": uid}},
                        "topologyKey": "kubernetes.io/hostname",
                    }
                ]
            }
        }
    return pod


def _annotations(vmi: Object, migration: Object | None) -> dict[str, str]:
    meta = vmi["metadata"]
    found = {
        "descheduler.alpha.kubernetes.io/request-evict-only": "",
        "kubectl.kubernetes.io/default-container": "compute",
        "kubevirt.io/domain": meta["name"],
        "kubevirt.io/memory-overhead-bytes": str(OVERHEAD),
        "kubevirt.io/migrationTransportUnix": "true",
        "kubevirt.io/nonroot": "true",
        "kubevirt.io/pci-topology-version": "v3",
        "kubevirt.io/vm-generation": meta.get("annotations", {}).get("kubevirt.io/vm-generation", "1"),
    }
    if migration:
        found["kubevirt.io/migrationJobName"] = migration["metadata"]["name"]
    detached = absent_interfaces(vmi["spec"])
    networks = [
        {"name": network["multus"]["networkName"].rpartition("/")[2], "namespace": meta["namespace"]}
        for network in vmi["spec"].get("networks", ())
        if "multus" in network and network["name"] not in detached
    ]
    if networks:
        found["k8s.v1.cni.cncf.io/networks"] = ",".join(f"{item['namespace']}/{item['name']}" for item in networks)
    return found


def _node_selector(vmi: Object, migration: Object | None) -> dict[str, str]:
    found: dict[str, str] = dict(vmi["spec"].get("nodeSelector", {}))
    model = vmi["spec"]["domain"].get("cpu", {}).get("model", "host-model")
    if model == "host-model":
        if migration:
            found[f"cpu-model-migration.node.kubevirt.io/{HOST_MODEL}"] = "true"
            found["cpu-vendor.node.kubevirt.io/Intel"] = "true"
    elif model != "host-passthrough":
        found[f"cpu-model.node.kubevirt.io/{model}"] = "true"
    found["kubernetes.io/arch"] = vmi["spec"].get("architecture", "amd64")
    found["kubevirt.io/schedulable"] = "true"
    found["machine-type.node.kubevirt.io/" + (MACHINE_TYPE if migration else "q35")] = "true"
    if migration:
        found |= migration["spec"].get("addedNodeSelector", {})
    return dict(sorted(found.items()))


def _disks(spec: Object, block: frozenset[str]) -> tuple[list[Object], list[Object], list[Object]]:
    """Pod volumes, block devices and mounts for the disks."""
    volumes: list[Object] = []
    devices: list[Object] = []
    mounts: list[Object] = []
    for number, volume in enumerate(spec.get("volumes", ())):
        name = volume["name"]
        claim = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get("dataVolume", {}).get("name")
        if "containerDisk" in volume:
            image = volume["containerDisk"]["image"]
            volumes.append({"name": name, "image": {"reference": image, "pullPolicy": "IfNotPresent"}})
            mounts.append(
                {"name": name, "readOnly": True, "mountPath": f"/var/run/kubevirt-image-volume/disk_{number}"}
            )
        elif claim:
            volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
            if claim in block:
                devices.append({"name": name, "devicePath": f"/dev/{name}"})
            else:
                mounts.append({"name": name, "mountPath": f"/var/run/kubevirt-private/vmi-disks/{name}"})
    return volumes, devices, mounts


def _is_console_logged(spec: Object) -> bool:
    devices = spec.get("domain", {}).get("devices", {})
    return all(devices.get(name) is not False for name in ("autoattachSerialConsole", "logSerialConsole"))


def _console_log(uid: str) -> Object:
    return {
        "name": "guest-console-log",
        "image": LAUNCHER_IMAGE,
        "command": ["/usr/bin/virt-tail"],
        "args": ["--logfile", f"/var/run/kubevirt-private/{uid}/virt-serial0-log"],
        "resources": {"limits": {"cpu": "15m", "memory": "60M"}, "requests": {"cpu": "5m", "memory": "35M"}},
        "restartPolicy": "Always",
        "volumeMounts": [{"name": "private", "readOnly": True, "mountPath": "/var/run/kubevirt-private"}],
        "imagePullPolicy": "IfNotPresent",
    }
