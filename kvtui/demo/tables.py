"""Tables as ``kubectl get`` shows them: the columns of every kind, and the cells of one object.

Custom resources have the ``additionalPrinterColumns`` of their CRDs; `printers` has what the server prints for its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kvtui.demo import kinds
from kvtui.demo.columns import AGE, NAME, UNKNOWN, Column, condition, created, field, find, plain
from kvtui.demo.metadata import Kind, Object
from kvtui.demo.pod_summary import ended
from kvtui.demo.printers import COLUMNS

_PATH_WORDS = "Custom resource definition column (in JSONPath format): "


def _printed(
    name: str, *path: str, type_: str = "string", priority: int = 0, description: str = "", shown: str = ""
) -> Column:
    words = description or f"{_PATH_WORDS}{shown or '.' + '.'.join(path)}"
    return Column(name, field(*path, absent=None), type_, priority, words)


def _condition(name: str, kind: str, priority: int = 0) -> Column:
    words = f"{_PATH_WORDS}.status.conditions[?(@.type=='{kind}')].status"
    return Column(name, condition(kind), priority=priority, description=words)


def _first_address(vmi: Object) -> Any:
    interfaces = find(vmi, "status", "interfaces") or ()
    return interfaces[0].get("ipAddress") if interfaces else None


_CREATED = Column("Age", created, "date", description=_PATH_WORDS + ".metadata.creationTimestamp")
_PHASE = _printed("Phase", "status", "phase")
_CUSTOM: dict[Kind, tuple[Column, ...]] = {
    kinds.KUBEVIRT: (NAME, _CREATED, _PHASE),
    kinds.VM: (
        NAME,
        _CREATED,
        _printed("Status", "status", "printableStatus", description="Human Readable Status"),
        _condition("Ready", "Ready"),
    ),
    kinds.VMI: (
        NAME,
        _CREATED,
        _PHASE,
        Column("IP", plain(_first_address), description=_PATH_WORDS + ".status.interfaces[0].ipAddress"),
        _printed("NodeName", "status", "nodeName"),
        _condition("Ready", "Ready"),
        _condition("Live-Migratable", "LiveMigratable", 1),
        _condition("Paused", "Paused", 1),
    ),
    kinds.VMIM: (
        NAME,
        _printed("Phase", "status", "phase", description="The current phase of VM instance migration"),
        _printed("VMI", "spec", "vmiName", description="The name of the VMI to perform the migration on"),
    ),
    kinds.SNAPSHOT: (
        NAME,
        _printed("SourceKind", "spec", "source", "kind"),
        _printed("SourceName", "spec", "source", "name"),
        _PHASE,
        _printed("ReadyToUse", "status", "readyToUse", type_="boolean"),
        _printed("CreationTime", "status", "creationTime", type_="date"),
        _printed("Error", "status", "error", "message"),
    ),
    kinds.SNAPSHOT_CONTENT: (
        NAME,
        _printed("ReadyToUse", "status", "readyToUse", type_="boolean"),
        _printed("CreationTime", "status", "creationTime", type_="date"),
        _printed("Error", "status", "error", "message"),
    ),
    kinds.RESTORE: (
        NAME,
        _printed("TargetKind", "spec", "target", "kind"),
        _printed("TargetName", "spec", "target", "name"),
        _printed("Complete", "status", "complete", type_="boolean"),
        _printed("RestoreTime", "status", "restoreTime", type_="date"),
    ),
    kinds.CLONE: (
        NAME,
        _PHASE,
        _printed("SourceVirtualMachine", "spec", "source", "name"),
        _printed("TargetVirtualMachine", "spec", "target", "name"),
    ),
    kinds.EXPORT: (
        NAME,
        _printed("SourceKind", "spec", "source", "kind"),
        _printed("SourceName", "spec", "source", "name"),
        _PHASE,
    ),
    kinds.POOL: (
        NAME,
        _printed("Desired", "spec", "replicas", type_="integer", description="Number of desired VirtualMachines"),
        _printed(
            "Current",
            "status",
            "replicas",
            type_="integer",
            description="Number of managed and not final or deleted VirtualMachines",
        ),
        _printed(
            "Ready",
            "status",
            "readyReplicas",
            type_="integer",
            description="Number of managed VirtualMachines which are ready to receive traffic",
        ),
        _CREATED,
    ),
    kinds.APPLICATION: (
        NAME,
        _printed("Sync Status", "status", "sync", "status"),
        _printed("Health Status", "status", "health", "status"),
    ),
    kinds.KUBEVIRT_MACHINE: (
        NAME,
        _CREATED,
        _printed("Ready", "status", "ready", type_="boolean", description="Is machine ready"),
    ),
    kinds.VOLUME_SNAPSHOT: (
        NAME,
        _printed("ReadyToUse", "status", "readyToUse", type_="boolean"),
        _printed("SourcePVC", "spec", "source", "persistentVolumeClaimName"),
        _printed("RestoreSize", "status", "restoreSize"),
        _printed("SnapshotClass", "spec", "volumeSnapshotClassName"),
        _printed("CreationTime", "status", "creationTime", type_="date"),
        _CREATED,
    ),
    kinds.CDI: (NAME, _CREATED, _PHASE),
    kinds.DATA_VOLUME: (
        NAME,
        _printed("Phase", "status", "phase", description="The phase the data volume is in"),
        _printed(
            "Progress",
            "status",
            "progress",
            description="Transfer progress in percentage if known, N/A otherwise",
        ),
        _printed(
            "Restarts",
            "status",
            "restartCount",
            type_="integer",
            description="The number of times the transfer has been restarted.",
        ),
        _CREATED,
    ),
}
# A CRD without printer columns shows the age, in the words of the metadata.
_DEFAULT = (NAME, Column("Age", created, "date", description=AGE.description))


def _columns(kind: Kind) -> tuple[Column, ...]:
    return COLUMNS.get(kind) or _CUSTOM.get(kind, _DEFAULT)


def columns(kind: Kind) -> list[Object]:
    """The ``columnDefinitions`` of a kind; columns of a priority above 0 are shown by ``-o wide`` only."""
    return [column.definition() for column in _columns(kind)]


def row(kind: Kind, obj: Object, now: datetime) -> list[Any]:
    """The cells of one object, in the order of `columns`; unknown ones when its fields are of other types."""
    first, *others = _columns(kind)
    try:
        return [first.cell(obj, now), *(column.cell(obj, now) for column in others)]
    except (AttributeError, KeyError, TypeError, ValueError):
        # One unreadable object does not hide all others.
        return [first.cell(obj, now), *(UNKNOWN for _ in others)]


def row_conditions(kind: Kind, obj: Object) -> list[Object]:
    """The ``conditions`` of a row: only pods that have ended have one. Empty for all others."""
    return ended(obj) if kind == kinds.POD else []
