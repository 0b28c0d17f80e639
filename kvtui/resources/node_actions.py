"""What can be done to a node: kept free of new pods, and labelled. Both are patches (kubevirt-api.md 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.backends.objects import Body
from kvtui.joins.node import NodeRow
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.form import Answers, Form
from kvtui.resources.labelling import describe_labels, label_form, label_patch, tell_labels
from kvtui.store import View

_NEEDS: Final = Permission("patch", "", "nodes")


def _cordon_when(row: NodeRow) -> str:
    return "it is cordoned already" if row.node.spec.unschedulable else ""


def _uncordon_when(row: NodeRow) -> str:
    return "" if row.node.spec.unschedulable else "it is not cordoned"


def _warn_cordon(row: NodeRow) -> tuple[str, ...]:
    return ("no new pod comes there, and no VM can migrate to it", _tell_stay(row.vms))


def _tell_stay(vms: int) -> str:
    if not vms:
        return "no VM runs there"
    return "its VM stays and runs on" if vms == 1 else f"its {vms} VMs stay and run on"


async def _cordon(backend: Backend, row: NodeRow) -> None:
    await _patch(backend, row, {"spec": {"unschedulable": True}}, "cordon")


async def _uncordon(backend: Backend, row: NodeRow) -> None:
    await _patch(backend, row, {"spec": {"unschedulable": None}}, "uncordon")


def _labels_form(_view: View, rows: Sequence[NodeRow]) -> Form:
    whom = rows[0].node.metadata.name if len(rows) == 1 else f"{len(rows)} nodes"
    return label_form(whom, [row.node.metadata.labels for row in rows])


async def _set_labels(backend: Backend, row: NodeRow, answers: Answers) -> None:
    await _patch(backend, row, label_patch(answers), describe_labels(answers))


async def _patch(backend: Backend, row: NodeRow, patch: Body, verb: str) -> None:
    await objects(backend).patch(row.node.ref(row.backend), patch, verb=verb)


ACTIONS: tuple[Action[NodeRow], ...] = (
    Action(
        id="node.cordon",
        key="ctrl+o",
        label="cordon",
        help="Let no new pod or VM come to the node; what runs there stays.",
        needs=_NEEDS,
        when=_cordon_when,
        already=lambda row: row.node.spec.unschedulable,
        run=_cordon,
        settled=lambda _before, now: now.node.spec.unschedulable,
        awaits="cordoning",
        danger=Danger.ASK,
        warn=_warn_cordon,
        usual=10.0,
        command="cordon",
    ),
    Action(
        id="node.uncordon",
        key="u",
        label="uncordon",
        help="Let pods and VMs come to the node again.",
        needs=_NEEDS,
        when=_uncordon_when,
        already=lambda row: not row.node.spec.unschedulable,
        run=_uncordon,
        settled=lambda _before, now: not now.node.spec.unschedulable,
        awaits="uncordoning",
        usual=10.0,
        command="uncordon",
    ),
    Action(
        id="node.labels",
        key="",
        label="labels",
        help="Set and take away labels of the node.",
        needs=_NEEDS,
        when=lambda _row: "",
        form=_labels_form,
        run=_set_labels,
        settled=lambda before, now: now.node.metadata.labels != before.node.metadata.labels,
        remark=lambda before, now: tell_labels(before.node.metadata.labels, now.node.metadata.labels),
        awaits="changing",
        danger=Danger.ASK,
        usual=10.0,
        footer=False,
        command="set-labels",
    ),
)
