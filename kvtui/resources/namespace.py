"""Namespaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubernetes import Namespace
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class NamespaceRow:
    """A namespace."""

    backend: str
    namespace: Namespace


def _row(view: View, ref: Ref) -> NamespaceRow | None:
    namespace = view.find(Namespace, ref)
    return None if namespace is None else NamespaceRow(ref.backend, namespace)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Namespace))


def _health(row: NamespaceRow, _now: float) -> Health:
    if row.namespace.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Terminating")
    return Health(Tone.OK, "Active")


RESOURCE: Resource[NamespaceRow] = Resource(
    name="namespaces",
    aliases=("namespace", "ns"),
    title="Namespaces",
    label="namespace",
    row_type=NamespaceRow,
    sources=(sources.NAMESPACES,),
    refs=_refs,
    row=_row,
    related={Namespace: itself},
    ref=lambda row: row.namespace.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.namespace.metadata.name), 24, rank=0, grow=1),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        age_column(lambda row: row.namespace.created),
    ),
    fields=lambda _row: {},
    labels=lambda row: row.namespace.metadata.labels,
)
