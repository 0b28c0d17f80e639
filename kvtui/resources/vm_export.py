"""Exports of KubeVirt: volumes that are offered for download, until they delete themselves; kubevirt-api.md 2.8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.backends.downloads import FORMATS, GZIP, RAW, SUFFIXES, Downloads
from kvtui.backends.sinks import FileSink
from kvtui.backends.transfer import DownloadTransfer
from kvtui.errors import BackendError
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.copies import VmExport, VmSnapshot
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import sources
from kvtui.resources.base import Action, Column, Danger, Resource, able, itself, objects
from kvtui.resources.cells import NOTHING, age_column, health_cell, reason_column, text_cell
from kvtui.resources.form import Answers, Choice, Form, Option, Text, Toggle
from kvtui.resources.products import FOR_EVER
from kvtui.store import View
from kvtui.text import age, parse_time

_WORDS: Final = {
    "Initializing": "its pod is not there yet",
    "PodPending": "its pod is starting",
    "PodCompleted": "its pod has ended, and is made anew",
}
_KINDS: Final = {VirtualMachine.KIND: "vm", VmSnapshot.KIND: "snapshot", "PersistentVolumeClaim": "claim"}


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An export."""

    backend: str
    export: VmExport


def _row(view: View, ref: Ref) -> ExportRow | None:
    export = view.find(VmExport, ref)
    return None if export is None else ExportRow(ref.backend, export)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(VmExport))


def _health(row: ExportRow, _now: float) -> Health:
    export, phase = row.export, row.export.status.phase or "Pending"
    if export.fault:
        return Health(Tone.BAD, phase, f"cannot be read in full: {export.fault}")
    if export.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Deleting")
    if phase == "Ready":
        return Health(Tone.OK, phase, "" if export.volumes else "it offers no volumes")
    ready = find_condition(export.status.conditions, "Ready")
    reason = ready.reason if ready is not None else ""
    words = (ready.message if ready is not None else "") or _WORDS.get(reason, reason)
    if phase == "Skipped":
        return Health(Tone.WARN, phase, words or "there is nothing to export")
    if reason == "InUse":
        return Health(Tone.WARN, phase, f"{words}: it waits until that ends")
    return Health(Tone.BAD if reason in FOR_EVER else Tone.BUSY, phase, words)


def _source(row: ExportRow, _now: float) -> Cell:
    source = row.export.spec.source
    return text_cell(f"{_KINDS.get(source.kind, source.kind)} {source.name}".strip())


def _volumes(row: ExportRow, _now: float) -> Cell:
    return text_cell(", ".join(volume.name for volume in row.export.volumes))


def _ends(row: ExportRow, now: float) -> Cell:
    moment = parse_time(row.export.status.ttl_expiration_time)
    return NOTHING if moment is None else Cell(f"in {age(moment - now)}", None, moment)


def _from_outside(row: ExportRow, _now: float) -> Cell:
    links = row.export.status.links
    if links.external is not None and links.external.volumes:
        return Cell("link")
    return Cell("API server") if links.internal is not None else NOTHING


def _fields(row: ExportRow) -> Mapping[str, str]:
    return {"source": row.export.spec.source.name, "kind": _KINDS.get(row.export.spec.source.kind, "")}


# Download ----------------------------------------------------------------------------------------------------------


def _download_when(row: ExportRow) -> str:
    if row.export.metadata.deletion_timestamp:
        return "it is being deleted"
    if row.export.status.phase != "Ready":
        health = _health(row, 0.0)
        return f"it is {health.word}{f': {health.reason}' if health.reason else ''}"
    return "" if row.export.volumes else "it offers no volumes"


def _formats(row: ExportRow, volume: str) -> Sequence[Option]:
    found = next((one for one in row.export.volumes if one.name == volume), None)
    offered = {one.format for one in found.formats} if found is not None else set()
    notes = {GZIP: "as it comes, checked", RAW: "unpacked here; zeros take no room"}
    possible = [form for form in FORMATS if form in offered or (form == RAW and GZIP in offered)]
    return [Option(form, note=notes.get(form, "files of the volume")) for form in possible]


def file_for(volume: str, form: str) -> str:
    """What a downloaded volume is called, where nobody says."""
    return f"{volume}{SUFFIXES[form]}" if form in SUFFIXES else volume


def _download_form(_view: View, rows: Sequence[ExportRow]) -> Form:
    (row,) = rows
    volumes = [volume.name for volume in row.export.volumes]

    def target(answers: Answers) -> Path:
        name = answers.text("file") or file_for(answers.text("volume"), answers.text("format"))
        return Path(name).expanduser()

    def check(answers: Answers) -> str:
        try:
            FileSink(target(answers).absolute(), overwrite=True).check()
        except (BackendError, RuntimeError) as error:
            return str(error)
        return ""

    def exists(answers: Answers) -> bool:
        return target(answers).is_file()

    return Form(
        f"download {row.export.metadata.name}",
        (
            Choice("volume", "volume", options=[Option(name) for name in volumes]),
            Choice("format", "format", options=lambda answers: _formats(row, answers.text("volume"))),
            Text("file", "file", needed=False, check=check,
                 hint=f"empty: named as the volume, in {Path.cwd()}"),
            Toggle("overwrite", "overwrite it", asked=exists, hint="that file is there already",
                   check=lambda answers: "" if answers.flag("overwrite") else "that file is there already"),
        ),
        about=(_way(row),),
        warn=lambda answers: (f"{target(answers)} is overwritten",) if answers.flag("overwrite") else (),
    )  # fmt: skip


def _way(row: ExportRow) -> str:
    outside = row.export.status.links.external is not None
    return "from outside, by its link" if outside else "through the API server, which needs get on services/proxy"


def _transfer(backend: Backend, row: ExportRow, answers: Answers) -> DownloadTransfer:
    volume, form = answers.text("volume"), answers.text("format")
    target = Path(answers.text("file") or file_for(volume, form)).expanduser().absolute()
    downloads = able(backend, Downloads)  # type: ignore[type-abstract]
    ref = row.export.ref(row.backend)
    return DownloadTransfer(downloads, ref, volume, form, FileSink(target, overwrite=answers.flag("overwrite")))


async def _download(backend: Backend, row: ExportRow, answers: Answers) -> None:
    await _transfer(backend, row, answers).run()


def _delete_when(row: ExportRow) -> str:
    return "it is being deleted already" if row.export.metadata.deletion_timestamp else ""


async def _delete(backend: Backend, row: ExportRow) -> None:
    await objects(backend).delete(row.export.ref(row.backend))


def _delete_warn(row: ExportRow) -> tuple[str, ...]:
    source = row.export.spec.source
    copies = ("the copies of its disks go too",) if source.kind == VmSnapshot.KIND else ()
    return ("downloads of it that are under way break off", *copies, f"{source.name} stays as it is")


RESOURCE: Resource[ExportRow] = Resource(
    name="exports",
    aliases=("export", "vmexport", "vmexports", "virtualmachineexports"),
    title="Exports",
    label="export",
    row_type=ExportRow,
    sources=(sources.VM_EXPORTS,),
    refs=_refs,
    row=_row,
    related={VmExport: itself},
    ref=lambda row: row.export.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.export.metadata.namespace), 10, rank=3, grow=1),
        Column("NAME", lambda row, _now: Cell(row.export.metadata.name), 18, rank=0, grow=2),
        Column("SOURCE", _source, 20, rank=1, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 9, rank=0),
        Column("VOLUMES", _volumes, 18, rank=2, grow=2),
        Column("BY", _from_outside, 10, rank=5),
        Column("ENDS", _ends, 9, rank=1, right=True, ticks=True),
        reason_column(_health, rank=2),
        age_column(lambda row: row.export.created),
    ),
    fields=_fields,
    labels=lambda row: row.export.metadata.labels,
    actions=(
        Action(
            id="export.download",
            key="D",
            label="download",
            help="Bring a volume of the export into a file here, checked; once more shows how far it is.",
            needs=Permission("get", "", "secrets"),
            when=_download_when,
            form=_download_form,
            run=_download,
            transfer=_transfer,
            single=True,
            settled=lambda _before, _now: True,
            awaits="downloading",
            usual=3600.0,
        ),
        Action(
            id="export.delete",
            command="delete",
            key="ctrl+d",
            label="delete",
            help="Delete the export, not what it exports.",
            needs=Permission("delete", "export.kubevirt.io", "virtualmachineexports"),
            when=_delete_when,
            warn=_delete_warn,
            run=_delete,
            settled=lambda _before, _now: False,
            vanishes=lambda _row: True,
            awaits="being deleted",
            danger=Danger.TYPE,
            usual=60.0,
        ),
    ),
)
