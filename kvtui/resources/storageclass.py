"""Storage classes: who makes volumes, how, and for how many claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubernetes import Claim
from kvtui.records.storage import StorageClass
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, number_cell, text_cell, yes_no
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class, and the claims that name it."""

    backend: str
    record: StorageClass
    claims: int
    pending: int
    """How many of them have no volume yet."""


def _row(view: View, ref: Ref) -> ClassRow | None:
    record = view.find(StorageClass, ref)
    if record is None:
        return None
    claims = view.linked(Claim, ref.backend, "class", ref.name)
    return ClassRow(ref.backend, record, len(claims), sum(claim.status.phase == "Pending" for _, claim in claims))


def _of_claim(view: View, ref: Ref, claim: Claim) -> Iterator[Ref]:
    record = view.get(StorageClass, ref.backend, "", claim.spec.storage_class_name or "")
    if record is not None:
        yield record.ref(ref.backend)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(StorageClass))


def _health(row: ClassRow, _now: float) -> Health:
    """A class has no status of its own: that it is there says nothing of its provisioner."""
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    return Health(Tone.MUTED, "Defined")


def _default(row: ClassRow, _now: float) -> Cell:
    if row.record.is_default:
        return Cell("yes")
    return Cell("for VMs") if row.record.is_default_for_vms else yes_no(False)


def _count(count: int, tone: Tone | None = None) -> Cell:
    return number_cell(count, str(count), tone if count else None)


def _fields(row: ClassRow) -> Mapping[str, str]:
    return {"provisioner": row.record.provisioner}


RESOURCE: Resource[ClassRow] = Resource(
    name="storageclasses",
    aliases=("sc", "storageclass"),
    title="Storage classes",
    label="class",
    row_type=ClassRow,
    sources=(sources.CLASSES, sources.CLAIMS, sources.CSI_DRIVERS, sources.CSI_NODES, sources.DAEMON_SETS),
    refs=_refs,
    row=_row,
    related={StorageClass: itself, Claim: _of_claim},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 10, rank=5),
        Column("DEFAULT", _default, 7, rank=1),
        Column("PROVISIONER", lambda row, _now: text_cell(row.record.provisioner), 26, rank=0, grow=2),
        Column("BINDING", lambda row, _now: Cell(row.record.volume_binding_mode), 20, rank=2),
        Column("CLAIMS", lambda row, _now: _count(row.claims), 6, rank=1, right=True),
        Column("PENDING", lambda row, _now: _count(row.pending, Tone.BUSY), 7, rank=1, right=True),
        Column("RECLAIM", lambda row, _now: text_cell(row.record.reclaim_policy), 8, rank=3),
        Column("GROWS", lambda row, _now: yes_no(row.record.allow_volume_expansion), 5, rank=4),
        age_column(lambda row: row.record.created),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
