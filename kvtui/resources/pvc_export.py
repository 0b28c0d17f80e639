"""Exports of claims: the volume is offered for download, for a while; kubevirt-api.md 2.8."""

from __future__ import annotations

from collections.abc import Sequence

from kvtui.backends.base import Backend
from kvtui.joins.disk import ClaimRow
from kvtui.model import Ref
from kvtui.records.copies import VmExport
from kvtui.records.kubernetes import Claim
from kvtui.resources import products
from kvtui.resources.base import Action, objects
from kvtui.resources.copying import MAY_EXPORT, export_body, free_name, fresh
from kvtui.resources.form import Answers, Form, Number, Text
from kvtui.store import View


def _export_when(row: ClaimRow) -> str:
    if row.claim.metadata.deletion_timestamp:
        return "it is being deleted"
    return "" if row.claim.status.phase == "Bound" else f"it is {row.claim.status.phase or 'Pending'}"


def _export_form(view: View, rows: Sequence[ClaimRow]) -> Form:
    (row,) = rows
    meta = row.claim.metadata
    taken = {ref.name for ref, _ in view.items(VmExport, row.backend) if ref.namespace == meta.namespace}
    return Form(
        f"export {meta.name}",
        (
            Text("name", "name", default=free_name(meta.name, taken), check=fresh("name", taken, "an export")),
            Number("hours", "deleted after", unit="hours", default="2", least=1, most=24 * 365),
        ),
        about=("download it from :exports, or by kvtui download",),
    )


def _export_warn(row: ClaimRow) -> tuple[str, ...]:
    running = ", ".join(user.name for user in row.users if user.running)
    return (f"the export waits until {running} is off: it is in use",) if running else ()


async def _export(backend: Backend, row: ClaimRow, answers: Answers) -> Ref:
    meta = row.claim.metadata
    ref = Ref(row.backend, VmExport.KIND, meta.namespace, answers.text("name"))
    body = export_body(Claim.KIND, meta.name, answers.number("hours") or 2)
    return await objects(backend).create(ref, body, verb="export", about=row.ref)


ACTIONS: tuple[Action[ClaimRow], ...] = (
    Action(
        id="pvc.export",
        command="export",
        key="",
        label="export",
        help="Offer the volume of the claim for download, for a while.",
        needs=MAY_EXPORT,
        when=_export_when,
        form=_export_form,
        warn=_export_warn,
        run=_export,
        single=True,
        settled=lambda _before, _now: True,
        makes=products.EXPORT,
        lasts=300.0,
        awaits="being exported",
        footer=False,
    ),
)
