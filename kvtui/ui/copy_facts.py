"""What a detail screen says of the copies of a VM of KubeVirt: snapshots, restores, the last dump of memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kvtui.joins.machine import Machine
from kvtui.joins.parts import records_of
from kvtui.model import Tone
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.resources import vm_clone, vm_export, vm_restore, vm_snapshot
from kvtui.resources.base import AnyResource
from kvtui.store import View
from kvtui.text import age
from kvtui.ui.lines import Line, Part, line, wrap

_SHOWN = 8
"""Copies of a kind that are shown one by one."""
_NAME = 30


def copy_lines(view: View, machine: Machine, now: float, width: int) -> Iterator[Line]:
    """The snapshots of a VM, the newest first, then its restores, clones and exports, and the dump of its memory."""
    vm = machine.vm
    if vm is None:
        return
    path = f"{vm.metadata.namespace}/{vm.metadata.name}"
    for title, resource, type_, link, value in (
        ("Snapshots", vm_snapshot.RESOURCE, VmSnapshot, "vm", path),
        ("Restores", vm_restore.RESOURCE, VmRestore, "vm", path),
        ("Clones", vm_clone.RESOURCE, VmClone, "source", f"VirtualMachine {path}"),
        ("Exports", vm_export.RESOURCE, VmExport, "source", f"VirtualMachine {path}"),
    ):
        refs = [ref for ref, _ in view.linked(type_, machine.backend, link, value)]
        rows = [row for row in (resource.row(view, ref) for ref in refs) if row is not None]
        if rows:
            yield from _section(title, resource, rows, now, width)
    yield from _dump_lines(machine, width)


def _section(title: str, resource: AnyResource, rows: Iterable[Any], now: float, width: int) -> Iterator[Line]:
    def age_of(row: Any) -> float:
        return next((record.created or 0.0 for record in records_of(row)), 0.0)

    ordered = sorted(rows, key=age_of, reverse=True)
    yield line()
    yield line(f"{title} {len(ordered)}", "title")
    for row in ordered[:_SHOWN]:
        health = resource.health(row, now)
        name = resource.ref(row).name
        yield (
            Part(f"  {name:<{_NAME}} "),
            Part(f"{health.word:<14}", str(health.tone)),
            Part(f"{age(now - age_of(row)):>6}", "muted"),
        )
        for piece in wrap(health.reason, width, "      ") if health.reason else ():
            yield line(piece, health.tone if health.tone in (Tone.BAD, Tone.WARN) else Tone.MUTED)
    if len(ordered) > _SHOWN:
        yield line(f"  and {len(ordered) - _SHOWN} more: :{resource.name}", Tone.MUTED)


def _dump_lines(machine: Machine, width: int) -> Iterator[Line]:
    request = machine.vm.status.memory_dump_request if machine.vm is not None else None
    if request is None:
        return
    yield line()
    yield line("Memory dump", "title")
    told = f"{request.phase} in claim {request.claim_name}{f', {request.file_name}' if request.file_name else ''}"
    look = Tone.BAD if request.phase == "Failed" else ""
    for piece in wrap(told, width, "  "):
        yield line(piece, look)
    for piece in wrap(request.message, width, "      ") if request.message else ():
        yield line(piece, Tone.BAD)
