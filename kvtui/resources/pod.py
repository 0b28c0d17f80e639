"""Pods of KubeVirt and CDI: launchers of VMs, hot-plug pods, those that fill disks, and their own components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone, Usage
from kvtui.records.base import is_true
from kvtui.records.kubernetes import ContainerStatus, Pod
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import NOTHING, age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.store import View
from kvtui.text import size

_STARTING = frozenset({"ContainerCreating", "PodInitializing", "Pending", "Init"})


@dataclass(frozen=True, slots=True)
class PodRow:
    """A pod and what it uses."""

    backend: str
    pod: Pod
    usage: Usage | None


def _row(view: View, ref: Ref) -> PodRow | None:
    pod = view.find(Pod, ref)
    if pod is None:
        return None
    return PodRow(ref.backend, pod, view.usage(ref.backend, Pod.KIND, ref.namespace, ref.name))


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Pod))


def _health(row: PodRow, _now: float) -> Health:
    pod = row.pod
    if pod.fault:
        return Health(Tone.BAD, pod.status.phase or "Unreadable", f"cannot be read in full: {pod.fault}")
    if pod.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Terminating")
    began = is_true(pod.status.conditions, "Initialized")
    for status in pod.status.init_container_statuses if not began else ():
        word, reason = _trouble(status)
        if word:
            tone = Tone.BUSY if word in _STARTING else Tone.BAD
            return Health(tone, f"Init:{word}", reason)
    for status in pod.status.container_statuses:
        word, reason = _trouble(status)
        if word and pod.status.phase != "Succeeded":
            return Health(Tone.BUSY if word in _STARTING else Tone.BAD, word, reason)
    return _phase_health(pod)


def _trouble(status: ContainerStatus) -> tuple[str, str]:
    """The word that kubectl shows for a container that waits or has failed, and its message."""
    waiting, ended = status.state.waiting, status.state.terminated
    if waiting is not None and waiting.reason:
        return waiting.reason, waiting.message
    if ended is not None and ended.exit_code:
        return ended.reason or f"ExitCode:{ended.exit_code}", ended.message
    return "", ""


def _phase_health(pod: Pod) -> Health:
    phase = pod.status.phase
    scheduled = next((item for item in pod.status.conditions if item.type == "PodScheduled"), None)
    if phase == "Pending" and scheduled is not None and scheduled.status == "False":
        return Health(Tone.BAD, phase, scheduled.message or scheduled.reason)
    words = {"Succeeded": "Completed", "": "Unknown"}
    tones = {"Running": Tone.OK, "Pending": Tone.BUSY, "Succeeded": Tone.MUTED}
    return Health(tones.get(phase, Tone.BAD), pod.status.reason or words.get(phase, phase), pod.status.message)


def _lasting(pod: Pod) -> list[ContainerStatus]:
    """How those fare that are to run as long as the pod does: kubectl counts them alone."""
    beside = {one.name for one in pod.spec.init_containers if one.restart_policy == "Always"}
    return [*pod.status.container_statuses, *(one for one in pod.status.init_container_statuses if one.name in beside)]


def _ready(row: PodRow, _now: float) -> Cell:
    spec = row.pod.spec
    statuses = _lasting(row.pod)
    ready = sum(status.ready for status in statuses)
    beside = sum(one.restart_policy == "Always" for one in spec.init_containers)
    whole = len(spec.containers) + beside or len(statuses)
    tone = Tone.WARN if ready < whole and row.pod.status.phase == "Running" else None
    return Cell(f"{ready}/{whole}", tone, ready - whole)


def _restarts(row: PodRow, _now: float) -> Cell:
    count = sum(status.restart_count for status in _lasting(row.pod))
    return number_cell(count, str(count))


def _cpu(row: PodRow, _now: float) -> Cell:
    return NOTHING if row.usage is None else number_cell(row.usage.cpu, f"{1000 * row.usage.cpu:.0f}m")


def _memory(row: PodRow, _now: float) -> Cell:
    return NOTHING if row.usage is None else number_cell(row.usage.memory, size(row.usage.memory))


def _owner(row: PodRow) -> str:
    owner = row.pod.controller
    return f"{owner.kind}/{owner.name}" if owner is not None else ""


def _fields(row: PodRow) -> Mapping[str, str]:
    names = " ".join(container.name for container in row.pod.spec.containers)
    return {"owner": _owner(row), "phase": row.pod.status.phase, "container": names}


RESOURCE: Resource[PodRow] = Resource(
    name="pods",
    aliases=("pod", "po", "launcher"),
    title="KubeVirt pods",
    label="pod",
    row_type=PodRow,
    sources=(sources.PODS, sources.CDI_PODS),
    refs=_refs,
    row=_row,
    related={Pod: itself},
    ref=lambda row: row.pod.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.pod.metadata.namespace), 12, rank=2, grow=1),
        Column("NAME", lambda row, _now: Cell(row.pod.metadata.name), 24, rank=0, grow=3),
        Column("READY", _ready, 5, rank=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 14, rank=0),
        Column("RESTARTS", _restarts, 8, rank=3, right=True),
        Column("CPU", _cpu, 6, rank=4, right=True, measured=True),
        Column("MEM", _memory, 6, rank=4, right=True, measured=True),
        Column("NODE", lambda row, _now: text_cell(row.pod.spec.node_name), 10, rank=1, grow=1),
        age_column(lambda row: row.pod.created),
        Column("OWNER", lambda row, _now: text_cell(_owner(row)), 24, rank=5, wide=True),
        reason_column(_health, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.pod.metadata.labels,
)
