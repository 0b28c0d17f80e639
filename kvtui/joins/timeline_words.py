"""A timeline in words: times by one of three clock faces, whose moment it was, how often; as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from kvtui.joins.involved import Layer
from kvtui.joins.moments import Moment
from kvtui.joins.timeline import Gap, Now, Row
from kvtui.model import Ref, Tone
from kvtui.text import age, clean_line, escape_markdown

LAYER_WIDTH: Final = max(len(layer) for layer in Layer)
_LABELS: Final = {
    "DataVolume": "dv",
    "PersistentVolumeClaim": "pvc",
    "PersistentVolume": "pv",
    "Pod": "pod",
    "Domain": "domain",
    "VirtualMachineSnapshot": "snapshot",
    "VirtualMachineRestore": "restore",
    "VirtualMachineClone": "clone",
    "VirtualMachineExport": "export",
    "CephCluster": "Ceph",
    "StorageClass": "class",
    "CSIDriver": "CSI driver",
    "NetworkAttachmentDefinition": "NAD",
    "KubeadmControlPlane": "control plane",
    "Deployment": "deployment",
    "DaemonSet": "daemonset",
    "Cluster": "cluster",
    "Machine": "machine",
    "Namespace": "namespace",
    "ResourceQuota": "quota",
    "StoragePool": "pool",
    "StorageVolume": "volume",
    "VirtualNetwork": "network",
}
"""What the kinds are called that share a layer with others."""
_SIGNS: Final = {Tone.WARN: "!", Tone.BAD: "x"}


class Clockface(StrEnum):
    """How times are told."""

    LOCAL = "local time"
    UTC = "UTC"
    AGO = "ago"


def tell_time(at: float, now: float, face: Clockface, *, seconds: bool = True) -> str:
    """``02:51:07``; with its date where that is not today's, ``11-25 02:51:07``, and with its year where that is
    another; ``14m ago``.
    """
    if face is Clockface.AGO:
        return f"{age(now - at)} ago" if at <= now else f"in {age(at - now)}"
    moment, today = _on(at, face), _on(now, face)
    clock = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    if moment.date() == today.date():
        return clock
    return f"{moment:%m-%d} {clock}" if moment.year == today.year else f"{moment:%Y-%m-%d} {clock}"


def tell_zone(now: float, face: Clockface) -> str:
    """``UTC``, or the local zone with its distance from it: ``CET, UTC+01:00``."""
    moment = _on(now, face).replace(microsecond=0)
    offset = f"UTC{moment.isoformat()[-6:]}" if moment.utcoffset() else "UTC"
    name = moment.tzname() or ""
    return offset if not name.isalpha() or name == "UTC" else f"{name}, {offset}"


def tell_date(now: float, face: Clockface) -> str:
    """``2026-11-26``."""
    return f"{_on(now, Clockface.UTC if face is Clockface.UTC else Clockface.LOCAL):%Y-%m-%d}"


def _on(at: float, face: Clockface) -> datetime:
    moment = datetime.fromtimestamp(at, UTC)
    return moment if face is Clockface.UTC else moment.astimezone()


def tell_count(moment: Moment, now: float, face: Clockface) -> str:
    """``x14 between 02:51 and 03:05``; of the beginning of it, ``the first of 14``; empty for what happened once."""
    if moment.count < 2:
        return ""
    if moment.opens:
        return f"the first of {moment.count}"
    if moment.first is None or moment.first == moment.at:
        return f"x{moment.count}"
    if face is Clockface.AGO:
        return f"x{moment.count} in {age(moment.at - moment.first)}"
    first, last = (tell_time(at, now, face, seconds=False) for at in (moment.first, moment.at))
    if first == last:
        return f"x{moment.count} within {age(moment.at - moment.first)}"
    return f"x{moment.count} between {first} and {last}"


def name_subject(moment: Moment, ref: Ref) -> str:
    """Whose moment it was; empty where its layer says it already, for an object of the name of `ref`."""
    subject = moment.subject
    if moment.layer is Layer.OURS:
        return "" if moment.source == "finding" or subject[:4] == ref[:4] else clean_line(subject.name)
    if subject[:4] == ref[:4] or (subject.name == ref.name and moment.layer in (Layer.VM, Layer.VMI)):
        return ""
    place = f"{subject.backend}/" if subject.kind == "Domain" and moment.layer is Layer.HOST else ""
    return clean_line(f"{_label(moment)} {place}{subject.name}".strip())


def _label(moment: Moment) -> str:
    """The kind of its object, where that is not plain from the layer."""
    if moment.layer is Layer.OTHER:
        return _LABELS.get(moment.subject.kind, moment.subject.kind)
    shared = moment.layer in (Layer.DISK, Layer.COPY, Layer.HOST)
    return _LABELS.get(moment.subject.kind, "") if shared else ""


def sign_of(moment: Moment) -> str:
    """The sign of trouble where there are no colours; empty for what is none."""
    return _SIGNS.get(moment.tone, "") if moment.tone is not None else ""


def tell_detail(moment: Moment, now: float, face: Clockface) -> str:
    """What is said beside what happened, and how often it did."""
    return clean_line(
        " ".join(filter(None, (moment.detail, f"({count})" if (count := tell_count(moment, now, face)) else "")))
    )


def tell_gap(gap: Gap) -> str:
    """``- 42m -``."""
    return f"- {age(gap.seconds)} -"


def tell_text(rows: Sequence[Row], ref: Ref, now: float, face: Clockface = Clockface.LOCAL) -> Iterator[str]:
    """Lines for a terminal."""
    times = {id(row): tell_time(row.at, now, face) for row in rows if not isinstance(row, Gap)}
    width = max(map(len, times.values()), default=0)
    for row in rows:
        if isinstance(row, Gap):
            yield f"{'':{width}}  {tell_gap(row)}"
        elif isinstance(row, Now):
            yield f"{times[id(row)]:>{width}}  now, {tell_date(now, face)}, {tell_zone(now, face)}"
        else:
            sign = sign_of(row) or " "
            told = ": ".join(filter(None, (clean_line(row.what), tell_detail(row, now, face))))
            words = " ".join(filter(None, (name_subject(row, ref), told)))
            yield f"{times[id(row)]:>{width}} {sign} {row.layer:<{LAYER_WIDTH}}  {words}"


def tell_markdown(rows: Sequence[Row], title: str, now: float, notes: Sequence[str]) -> Iterator[str]:
    """A section for a ticket; all times in UTC with their dates, for who reads it may be anywhere."""
    yield f"## Timeline of {escape_markdown(title)}"
    yield ""
    yield f"Made at {_stamp(now)}; all times are UTC, by the clock of whoever told them."
    yield ""
    yield "| time | | layer | object | what happened |"
    yield "|---|---|---|---|---|"
    for row in rows:
        if isinstance(row, Gap):
            yield f"| | | | | {tell_gap(row)} |"
        elif isinstance(row, Now):
            yield f"| {_stamp(row.at)} | | | | now |"
        else:
            what = f"**{escape_markdown(row.what)}**" if row.what else ""
            detail = escape_markdown(tell_detail(row, now, Clockface.UTC))
            name = escape_markdown(f"{_label(row)} {row.subject.path}".strip() if row.subject.name else "")
            told = ": ".join(filter(None, (what, detail)))
            yield f"| {_stamp(row.at)} | {sign_of(row)} | {row.layer} | {name} | {told} |"
    if notes:
        yield ""
        yield from (f"- {escape_markdown(note)}" for note in notes)


def _stamp(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
