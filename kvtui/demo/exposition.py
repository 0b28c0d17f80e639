"""The metrics of virt-handler as Prometheus text, read through ``pods/proxy``: how far running migrations are.

Source: KubeVirt's ``pkg/monitoring/metrics`` (1.9), reference section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable

from kvtui.demo import kinds
from kvtui.demo.controllers.transfer import Transfer
from kvtui.demo.storage import StorageError
from kvtui.demo.world import World

_PORT = "8443"
_GAUGES: tuple[tuple[str, str, str, Callable[[Transfer], float]], ...] = (
    (
        "kubevirt_vmi_migration_data_bytes_total",
        "counter",
        "The total amount of data to be migrated.",
        lambda copy: copy.processed + copy.remaining,
    ),
    (
        "kubevirt_vmi_migration_data_processed_bytes",
        "gauge",
        "The total Guest OS data processed and migrated to the new VM.",
        lambda copy: copy.processed,
    ),
    (
        "kubevirt_vmi_migration_data_remaining_bytes",
        "gauge",
        "The remaining guest OS data to be migrated to the new VM.",
        lambda copy: copy.remaining,
    ),
    (
        "kubevirt_vmi_migration_dirty_memory_rate_bytes",
        "gauge",
        "The rate of memory being dirty in the Guest OS.",
        lambda copy: copy.dirty_rate,
    ),
    (
        "kubevirt_vmi_migration_memory_transfer_rate_bytes",
        "gauge",
        "The rate at which the memory is being transferred.",
        lambda copy: copy.transfer_rate,
    ),
)


def _split(address: str) -> tuple[str, str, str]:
    """Scheme, pod and port of a proxied name: ``https:virt-handler-x:8443``."""
    parts = address.split(":")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return "", parts[0], parts[1] if len(parts) == 2 else ""


def handler_metrics(world: World, namespace: str, address: str) -> str:
    """What the virt-handler behind a proxied pod name tells of the migrations that leave its node.

    Raises StorageError 404 for a pod that is not there, 503 for one that serves no metrics at that port.
    """
    scheme, name, port = _split(address)
    pod = world.storage.get(kinds.POD, namespace, name)
    if (scheme, port) != ("https", _PORT) or pod["metadata"].get("labels", {}).get("kubevirt.io") != "virt-handler":
        raise StorageError(503, "ServiceUnavailable", "error trying to reach service: connection refused")
    node = pod["spec"].get("nodeName", "")
    leaving = [
        (f'name="{vm}",namespace="{where}",node="{node}"', copy)
        for (where, vm), copy in world.transfers.running.items()
        if world.storage.get(kinds.VMI, where, vm)["status"].get("migrationState", {}).get("sourceNode") == node
    ]
    moment = round(world.clock.now.timestamp() * 1000)
    lines = []
    for metric, kind, told, value in _GAUGES:
        lines += [f"# HELP {metric} {told}", f"# TYPE {metric} {kind}"]
        lines += [f"{metric}{{{labels}}} {value(copy):.6e} {moment}" for labels, copy in leaving]
    return "\n".join(lines) + "\n"
