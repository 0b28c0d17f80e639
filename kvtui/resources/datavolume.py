"""Imports: DataVolumes, be they imports, clones, uploads or blank disks. Phases: kubevirt-api.md 2.5 and 6.

Rate and time left are averages since the worker pod runs, reckoned from the progress and the size of the disk: the API
tells neither. A dash stands where the progress is not known or stands still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from kvtui.joins.causes import find_import_cause
from kvtui.joins.disk import Import, disks_of, find_users
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataVolume, SourceAddress, Upload
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource
from kvtui.resources.cells import (
    ACTIVE_FIRST,
    NOTHING,
    age_column,
    number_cell,
    progress_cell,
    reason_column,
    text_cell,
    urgency_cell,
)
from kvtui.resources.datavolume_actions import ACTIONS, MAKERS
from kvtui.resources.products import BY_USER
from kvtui.store import View
from kvtui.text import age, rate, size

_STILL = 60.0
"""Seconds without any progress after which no rate and no end is foretold; CDI tells it every other second."""
_REMEMBERED = 1_000
"""Imports whose progress is remembered."""
"""Phases in which it rightly waits for somebody."""


def _row(view: View, ref: Ref) -> Import | None:
    volume = view.find(DataVolume, ref)
    if volume is None:
        return None
    name = volume.status.claim_name or ref.name
    claim = view.get(Claim, ref.backend, ref.namespace, name)
    upload = view.get(Upload, ref.backend, ref.namespace, ref.name)
    return Import(ref.backend, volume, claim, find_users(view, ref.backend, f"{ref.namespace}/{name}"), upload)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(DataVolume))


def _of_volume(_view: View, ref: Ref, _record: DataVolume) -> tuple[Ref, ...]:
    return (ref,)


def _of_claim(view: View, ref: Ref, _record: Claim) -> Iterator[Ref]:
    for volume, _ in view.linked(DataVolume, ref.backend, "claim", ref.path):
        yield volume


def _of_machine(view: View, ref: Ref, machine: VirtualMachine | VirtualMachineInstance) -> Iterator[Ref]:
    for name in disks_of(machine):
        volume = view.get(DataVolume, ref.backend, ref.namespace, name)
        if volume is not None:
            yield volume.ref(ref.backend)


def _of_upload(view: View, ref: Ref, _record: Upload) -> Iterator[Ref]:
    volume = view.get(DataVolume, ref.backend, ref.namespace, ref.name)
    if volume is not None:
        yield volume.ref(ref.backend)


def _health(row: Import, _now: float) -> Health:
    phase = row.volume.status.phase
    if row.volume.fault:
        return Health(Tone.BAD, phase or "Unreadable", f"cannot be read in full: {row.volume.fault}")
    if row.volume.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Terminating")
    cause = find_import_cause(row.volume)
    if cause is not None:
        return Health(Tone.BAD, phase or "Pending", cause.evidence.value or cause.sentence)
    if phase == "Succeeded":
        return Health(Tone.OK, phase)
    if row.upload is not None and row.upload.phase != "Waiting" and phase != "Succeeded":
        return Health(Tone.BUSY, row.upload.phase, row.upload.words)
    if phase in BY_USER:
        return Health(Tone.MUTED, phase, BY_USER[phase])
    if phase == "Unknown":
        return Health(Tone.WARN, phase)
    return Health(Tone.BUSY, phase or "Pending", _last_words(row.volume) if row.volume.status.restart_count else "")


def _last_words(volume: DataVolume) -> str:
    running = find_condition(volume.status.conditions, "Running")
    return (running.message or running.reason) if running is not None and running.status == "False" else ""


def _phase(row: Import, now: float) -> Cell:
    health = _health(row, now)
    urgency = {Tone.BUSY: 0, Tone.WARN: 0, Tone.BAD: 1}.get(health.tone, 2)
    return urgency_cell(health, urgency, row.volume.created)


def _source(row: Import, _now: float) -> Cell:
    return text_cell(_source_text(row.volume))


def _source_text(volume: DataVolume) -> str:
    spec = volume.spec
    if spec.source_ref is not None:
        place = spec.source_ref.namespace or volume.metadata.namespace
        return f"{spec.source_ref.kind} {place}/{spec.source_ref.name}"
    if spec.source is None:
        return ""
    for kind in ("http", "s3", "gcs", "registry", "imageio", "vddk"):
        address: SourceAddress | None = getattr(spec.source, kind)
        if address is not None:
            return f"{kind} {_short_url(address.url or address.image_stream)}"
    for kind in ("pvc", "snapshot"):
        address = getattr(spec.source, kind)
        if address is not None:
            return f"{kind} {address.namespace or volume.metadata.namespace}/{address.name}"
    return "upload" if spec.source.upload is not None else "blank" if spec.source.blank is not None else ""


def _short_url(url: str) -> str:
    """Host and path: no scheme, and never the user, password or query, which may be secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(not a URL)"
    return f"{host}:{port}{parts.path}" if port else host + parts.path


def _progress(row: Import, _now: float) -> Cell:
    done = row.progress
    if row.volume.status.phase == "Succeeded":
        return Cell("done", Tone.MUTED, 1.0)
    if done is None:
        return text_cell(row.volume.status.progress, Tone.MUTED)
    return progress_cell(done, failed=row.volume.status.phase == "Failed")


class _Standstill:
    """Remembers when each progress was first seen: no object tells when it last moved."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[float, float]] = {}

    def lasts(self, row: Import, progress: float, now: float) -> float:
        """Seconds for which the progress has stood still while somebody looked."""
        key = (row.backend, row.volume.metadata.uid)
        before, since = self._seen.get(key, (None, now))
        if before != progress:
            since = now
            self._seen.pop(key, None)
            while len(self._seen) >= _REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = (progress, since)
        return now - since


_standstill = _Standstill()


def _moved(row: Import, now: float) -> float | None:
    """Part that is done a second; None when it is not known, or does not move any more."""
    done, began = row.progress, row.began
    if not done or began is None or now - began < 1:
        return None
    return None if _standstill.lasts(row, done, now) > _STILL else done / (now - began)


def _rate(row: Import, now: float) -> Cell:
    if row.upload is not None:
        return number_cell(row.upload.rate, rate(row.upload.rate)) if row.upload.rate else NOTHING
    speed, whole = _moved(row, now), row.size
    if speed is None or whole is None or row.volume.status.phase == "Succeeded":
        return NOTHING
    return number_cell(speed * whole, rate(speed * whole))


def _eta(row: Import, now: float) -> Cell:
    if row.upload is not None:
        left = (row.upload.total - row.upload.sent) / row.upload.rate if row.upload.rate else None
        return number_cell(left, age(left)) if left is not None else NOTHING
    speed, done = _moved(row, now), row.progress
    if speed is None or done is None or row.volume.status.phase == "Succeeded":
        return NOTHING
    left = (1 - done) / speed
    return number_cell(left, age(left))


def _restarts(row: Import, _now: float) -> Cell:
    count = row.volume.status.restart_count
    return Cell(str(count), Tone.WARN if count > 2 and row.volume.status.phase != "Succeeded" else None, count)


def _size(row: Import, _now: float) -> Cell:
    return number_cell(row.size, size(row.size))


def _class(row: Import) -> str:
    for part in (row.claim.spec if row.claim is not None else None, row.volume.spec.pvc, row.volume.spec.storage):
        if part is not None and part.storage_class_name:
            return part.storage_class_name
    return ""


def _fields(row: Import) -> Mapping[str, str]:
    kind = _source_text(row.volume).partition(" ")[0]
    return {"class": _class(row), "claim": row.volume.status.claim_name or row.volume.metadata.name, "kind": kind}


RESOURCE: Resource[Import] = Resource(
    name="imports",
    aliases=("import", "dv", "dvs", "datavolumes", "datavolume"),
    title="Imports",
    label="import",
    row_type=Import,
    sources=(sources.DATA_VOLUMES, sources.CLAIMS, sources.MACHINES, sources.INSTANCES),
    refs=_refs,
    row=_row,
    related={
        DataVolume: _of_volume,
        Claim: _of_claim,
        VirtualMachine: _of_machine,
        VirtualMachineInstance: _of_machine,
        Upload: _of_upload,
    },
    ref=lambda row: row.ref,
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.volume.metadata.namespace), 10, rank=6, grow=1),
        Column("NAME", lambda row, _now: Cell(row.volume.metadata.name), 12, rank=0, grow=2),
        Column("SOURCE", _source, 14, rank=4, grow=2),
        Column("PHASE", _phase, 16, rank=0, order=ACTIVE_FIRST),
        Column("PROGRESS", _progress, 17, rank=1),
        Column("RATE", _rate, 8, rank=5, right=True, ticks=True),
        Column("ETA", _eta, 6, rank=3, right=True, ticks=True),
        Column("RESTARTS", _restarts, 8, rank=5, right=True),
        Column("SIZE", _size, 5, rank=5, right=True),
        age_column(lambda row: row.volume.created),
        reason_column(_health, rank=7),
        Column("CLASS", lambda row, _now: text_cell(_class(row)), 14, rank=7, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.volume.metadata.labels,
    sort="PHASE",
    actions=ACTIONS,
    makers=MAKERS,
)
