"""The bare-metal nodes: three racks, three control-plane nodes, and workers of two hardware generations."""

from __future__ import annotations

from kvtui.demo.controllers.nodes import HEALTHY, HEARTBEAT
from kvtui.demo.storage import Object

CONTROL_PLANES = 3
RACKS = ("rack-a", "rack-b", "rack-c")
SMALLEST = 13
"""Nodes of even the smallest cluster."""

_MODELS = ("Broadwell", "Broadwell-noTSX", "Cascadelake-Server", "Haswell", "IvyBridge", "Nehalem", "SandyBridge",
           "Skylake-Server", "Westmere")  # fmt: skip
_NEWER_MODELS = ("Icelake-Server", "SapphireRapids")
_FEATURES = ("avx2", "avx512f", "hypervisor", "invtsc", "pcid", "vmx")
_HYPERV = ("base", "frequencies", "ipi", "reenlightenment", "reset", "runtime", "synic", "synictimer", "time",
           "tlbflush", "vpindex")  # fmt: skip
_MACHINES = ("pc", "pc-q35-rhel9.4.0", "pc-q35-rhel9.6.0", "pc-q35-rhel9.8.0", "q35")
_TSC = "2400000000"
_KUBEVIRT_DEVICES = ("devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net")


def node_names(count: int) -> list[str]:
    """The names of all nodes, control plane first."""
    workers = count - CONTROL_PLANES
    width = max(2, len(str(workers)))
    return [f"cp-{number}" for number in range(1, CONTROL_PLANES + 1)] + [
        f"worker-{number:0{width}}" for number in range(1, workers + 1)
    ]


def system_uuid(number: int) -> str:
    """What the firmware of a node's machine says; the control plane runs in domains of that UUID."""
    return f"4c4c4544-0044-3310-8051-{number:012x}"


def node(name: str, number: int, created: str, now: str) -> Object:
    """One node; `number` counts all nodes from 0 and decides on rack, address and hardware."""
    control_plane = number < CONTROL_PLANES
    newer = number % 3 == 2
    rack = RACKS[number % len(RACKS)]
    address = f"172.20.{number // 200}.{number % 200 + 11}"
    cpu, memory = ("32", "131072000Ki") if control_plane else ("64", "791201792Ki") if newer else ("48", "527563776Ki")
    capacity = {
        "cpu": cpu,
        **dict.fromkeys(_KUBEVIRT_DEVICES, "1k"),
        "ephemeral-storage": "937164Mi",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": memory,
        "pods": "250",
    }
    allocatable = {**capacity, "cpu": str(int(cpu) - 1), "memory": f"{int(memory[:-2]) - 1500000}Ki"}
    spec: Object = {"podCIDR": f"10.{128 + number // 256}.{number % 256}.0/24", "providerID": f"metal3://{name}"}
    if control_plane:
        spec["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "creationTimestamp": created,
            "labels": _labels(name, rack, control_plane=control_plane, newer=newer),
            "annotations": {
                HEARTBEAT: now,
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": spec,
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "allocatable": allocatable,
            "capacity": capacity,
            "conditions": [
                {**condition, "lastHeartbeatTime": now, "lastTransitionTime": created} for condition in HEALTHY
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": f"{number:08x}-6f1c-4d0e-9d43-5b1d2ab8c001",
                "containerRuntimeVersion": "containerd://2.2.1",
                "kernelVersion": "6.12.0-124.8.1.el10_1.x86_64",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.36.2",
                "machineID": f"{number:032x}",
                "operatingSystem": "linux",
                "osImage": "Rocky Linux 10.1 (Red Quartz)",
                "systemUUID": system_uuid(number),
            },
        },
    }


def _labels(name: str, rack: str, *, control_plane: bool, newer: bool) -> dict[str, str]:
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "cpu-vendor.node.kubevirt.io/Intel": "true",
        "cpumanager": "false",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "r760" if newer else "r640",
        "topology.kubernetes.io/rack": rack,
        "topology.kubernetes.io/region": "fra",
        "topology.kubernetes.io/zone": f"fra-{rack[-1]}",
    }
    if control_plane:
        # virt-handler runs on workers only.
        return labels | {"node-role.kubernetes.io/control-plane": ""}
    models = [*_MODELS, *(_NEWER_MODELS if newer else ())]
    labels |= {f"cpu-model.node.kubevirt.io/{model}": "true" for model in models}
    labels |= {f"cpu-model-migration.node.kubevirt.io/{model}": "true" for model in models}
    labels |= {f"cpu-feature.node.kubevirt.io/{feature}": "true" for feature in _FEATURES}
    labels |= {f"hyperv.node.kubevirt.io/{feature}": "true" for feature in _HYPERV}
    labels |= {f"machine-type.node.kubevirt.io/{machine}": "true" for machine in _MACHINES}
    return labels | {
        "cpu-timer.node.kubevirt.io/tsc-frequency": _TSC,
        "cpu-timer.node.kubevirt.io/tsc-scalable": "true",
        "host-model-cpu.node.kubevirt.io/" + ("SapphireRapids" if newer else "Cascadelake-Server"): "true",
        "kubevirt.io/cpumanager": "false",
        "kubevirt.io/ksm-enabled": "false",
        "kubevirt.io/schedulable": "true",
        "node-role.kubernetes.io/worker": "",
        "topology.topolvm.io/node": name,
        f"scheduling.node.kubevirt.io/tsc-frequency-{_TSC}": "true",
        "vm.kubevirt.io/amd64": "true",
    }
