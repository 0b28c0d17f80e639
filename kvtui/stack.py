"""A stack as it is told: each layer with its health in its own words and the worst that was found in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kvtui.joins.layers import Layer, lines_of
from kvtui.joins.machine import machines_named
from kvtui.joins.stack import stack_of
from kvtui.model import FeedState, Finding, Health, Ref, Severity, Tone
from kvtui.records.clusters import (
    PARTS,
    Cluster,
    ControlPlane,
)
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.resources.base import AnyResource
from kvtui.resources.unlisted import judge_unlisted
from kvtui.store import View
from kvtui.text import age, join_clauses


@dataclass(frozen=True, slots=True)
class ToldLayer:
    """A line of a stack."""

    depth: int
    layer: Layer
    health: Health | None
    """In its own words, and as bad as what was found in it."""
    finding: Finding | None
    """The worst that was found in it, or that tells of it; of a cluster also in its control plane."""
    own: bool
    """Whether it is the object that the stack is of."""
    heard: str = ""
    """How old all this is, where its kind is cut off; empty where it is as it is now."""

    @property
    def words(self) -> str:
        """Why it fares so; of one that is well, what else there is to say of it."""
        reason, finding = self.health.reason if self.health is not None else "", self.finding
        if finding is None:
            return join_clauses(reason, self.layer.note, self.heard)
        if self.layer.ref is not None and finding.subject[:4] != self.layer.ref[:4]:
            # What is found in another object stands there with its cause.
            return join_clauses(reason, f"{finding.label} {finding.subject.name} {finding.trouble}", self.heard)
        return join_clauses(f"{finding.trouble}: {finding.cause}", self.heard)

    @property
    def sentence(self) -> str:
        """The layer in a sentence: ``PVC shop/db-2-data: Pending (no provisioner)``."""
        head = " ".join(filter(None, (self.layer.role, self.layer.name)))
        state = self.health.word if self.health is not None else ""
        return ": ".join(filter(None, (head, state))) + (f" ({self.words})" if self.words else "")

    @property
    def no_view(self) -> str:
        """Why there is no more to be seen of it, where it leads nowhere."""
        name = " ".join(filter(None, (self.layer.role, self.layer.name)))
        if self.layer.sought is not None and self.health is not None:
            return f"{name}: {self.health.word}"
        return f"there is no view of {name}: what is known of it stands here"

    @property
    def tone(self) -> Tone | None:
        """Of its words."""
        if self.finding is not None:
            return self.finding.severity.tone
        return self.health.tone if self.health is not None and self.health.reason else Tone.MUTED


def tell_stack(
    view: View, ref: Ref, resources: Sequence[AnyResource], findings: Sequence[Finding], now: float
) -> list[ToldLayer] | None:
    """The layers from the top down; None for what has no stack or is gone. Of each subject the first finding counts."""
    stack = stack_of(view, ref)
    if stack is None:
        return None
    worst: dict[tuple[str, ...], Finding] = {}
    for one in findings:
        worst.setdefault(one.subject[:4], one)
    for one in findings:
        for other in one.about:
            worst.setdefault(other[:4], one)
    told = []
    for depth, layer in lines_of(stack):
        finding = _find_worst(view, worst, layer.ref or layer.sought)
        if layer.quiet and finding is None:
            continue
        health = _grade(layer.health or _judge(view, layer.ref, resources, now), finding)
        told.append(ToldLayer(depth, layer, health, finding, layer is stack.base, _tell_age(view, layer.ref, now)))
    return told


def _grade(health: Health | None, finding: Finding | None) -> Health | None:
    """No better than what was found."""
    if health is None or finding is None or finding.severity is not Severity.BAD:
        return health
    return replace(health, tone=Tone.BAD)


def _find_worst(view: View, worst: Mapping[tuple[str, ...], Finding], ref: Ref | None) -> Finding | None:
    """A cluster is no better than its control plane, which may stand beside it and not below."""
    if ref is None or ref[:4] in worst or ref.kind != Cluster.KIND:
        return worst.get(ref[:4]) if ref is not None else None
    planes = view.linked(ControlPlane, ref.backend, "cluster", ref.path)
    return next((worst[at[:4]] for at, _ in planes if at[:4] in worst), None)


def _tell_age(view: View, ref: Ref | None, now: float) -> str:
    feed = view.feed(ref.backend, ref.kind) if ref is not None else None
    if feed is None or feed.state is not FeedState.STALE:
        return ""
    return f"as it was {age(now - feed.since)} ago" if feed.since else "as it was when it was last heard of"


def find_judge(ref: Ref, resources: Iterable[AnyResource]) -> AnyResource | None:
    """The resource that has objects of this kind as its rows, or as a part of them: an instance is told by its VM."""
    own = (one for one in resources if any(source.kind == ref.kind for source in one.own))
    return next(own, None) or next((one for one in resources if ref.kind in _TOLD_BY.get(one.name, ())), None)


_TOLD_BY: Final = {
    "vms": (VirtualMachineInstance.KIND,),
    "clusters": tuple(type_.KIND for type_ in PARTS),
}


def find_row(view: View, ref: Ref, resources: Iterable[AnyResource]) -> tuple[AnyResource, Ref] | None:
    """The row that tells of an object, with its resource: an instance is told by its VM if it has one, a machine of a
    cluster by that.
    """
    resource = find_judge(ref, resources)
    if resource is None:
        return None
    if ref.kind == VirtualMachineInstance.KIND:
        return resource, next(iter(machines_named(view, ref.backend, ref.namespace, ref.name)), ref)
    record = view.record(ref)
    related = resource.related.get(type(record)) if record is not None else None
    if related is None or any(source.kind == ref.kind for source in resource.own):
        return resource, ref
    return resource, next(iter(related(view, ref, record)), ref)


def _judge(view: View, ref: Ref | None, resources: Iterable[AnyResource], now: float) -> Health | None:
    if ref is None:
        return None
    resource = find_judge(ref, resources)
    row = resource.row(view, ref) if resource is not None else None
    if resource is not None and row is not None:
        return resource.health(row, now)
    record = view.record(ref)
    return judge_unlisted(record) if record is not None else None


def text_lines(told: Iterable[ToldLayer]) -> Iterator[str]:
    """The stack as text, what stands on something above it and less indented."""
    for one in told:
        sign = one.finding.severity.glyph if one.finding is not None else " "
        yield f"{sign} {'  ' * one.depth}{one.sentence}"
