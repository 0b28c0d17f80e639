"""What the rules found, as the rows of a list show it: the worst of a row and of the parts that it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from kvtui.joins.parts import parts_of
from kvtui.model import Cell, Finding, Health, Ref, Tone
from kvtui.records.cdi import DataVolume
from kvtui.records.clusters import ControlPlane
from kvtui.records.kubernetes import Claim, Pod
from kvtui.records.storage import PersistentVolume
from kvtui.resources.base import AnyResource
from kvtui.store import View

Found = Mapping[tuple[str, ...], Finding]
"""The worst finding by the names of its subject, a Ref without its uid: only what is to alarm."""
NOTHING_FOUND: Final[Found] = {}

_TROUBLED: Final = (Tone.WARN, Tone.BAD)
STANDS_ON: Final = frozenset({Claim.KIND, ControlPlane.KIND, DataVolume.KIND, PersistentVolume.KIND, Pod.KIND})
"""Parts whose trouble is that of the row. A migration may fail and leave its VM as it was, and a snapshot is whole
whatever became of its VM.
"""


class Verdicts:
    """Of the rows of one resource, the worst finding of each. A finding that comes or goes costs its own rows alone."""

    def __init__(self, resource: AnyResource, view: View, found: Callable[[], Found]) -> None:
        """`found` gives another mapping whenever anything in it changed."""
        self._resource = resource
        self._view = view
        self._look = found
        self._found = NOTHING_FOUND
        self._worst: dict[Ref, Finding] = {}

    def of(self, ref: Ref) -> Finding | None:
        """The worst of a row."""
        return self._worst.get(ref)

    def judge(self, ref: Ref, row: Any | None) -> None:
        """Look anew at a row that changed; None when it is gone."""
        finding = find_worst(self._found, ref, row) if row is not None and self._found else None
        if finding is not None:
            self._worst[ref] = finding
        else:
            self._worst.pop(ref, None)

    def renew(self) -> dict[Ref, None]:
        """Take what is found by now; the rows to judge for it."""
        before, now = self._found, self._look()
        if now is before:
            return {}
        self._found = now
        others = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        return dict.fromkeys(ref for name in others for ref in self._rows(Ref(*name)))

    def _rows(self, subject: Ref) -> Iterator[Ref]:
        """The rows that an object has a part in."""
        record = self._view.record(subject)
        related = self._resource.related.get(type(record)) if record is not None else None
        if record is not None and related is not None:
            yield from related(self._view, record.ref(subject.backend), record)


def find_worst(found: Found, ref: Ref, row: Any) -> Finding | None:
    """The worst that was found in a row or in the parts that it stands on."""
    parts = (part for part in parts_of(row, ref.backend) if part.kind in STANDS_ON and part[:4] != ref[:4])
    findings = (found.get(name) for name in (ref[:4], *(part[:4] for part in parts)))
    return max((one for one in findings if one is not None), key=lambda one: one.severity, default=None)


def worsen(health: Health, finding: Finding | None, ref: Ref) -> Health:
    """The health of a row with what was found in it: its word tells the trouble, of itself or of a part, where its own
    neither does nor says that something goes on.
    """
    if finding is None:
        return health
    tone = Tone.BAD if Tone.BAD in (health.tone, finding.severity.tone) else Tone.WARN
    own = finding.subject[:4] == ref[:4]
    if (health.tone in _TROUBLED and not health.wanted) or (health.tone is Tone.BUSY and own):
        return replace(health, tone=tone, reason=health.reason or finding.cause)
    trouble = finding.trouble.removeprefix("is ").removeprefix("has ")
    more = trouble if own else f"{finding.label} {trouble}"
    return Health(tone, f"{health.word},{more}", finding.cause)


def doubt(health: Health) -> Health:
    """The health of a row whose list is cut off: what was well may be so no longer."""
    if health.tone not in (Tone.OK, Tone.BUSY):
        return health
    return replace(health, tone=Tone.MUTED, word=f"{health.word}?")


def show_health(cell: Cell, own: Health, shown: Health, finding: Finding | None) -> Cell:
    """The cell of a status with more than the row's own health: what it says besides its word stays."""
    more = shown.word.removeprefix(own.word)
    sign = f"{finding.severity.glyph} " if finding is not None else ""
    order = cell.text if cell.sort is None else cell.sort
    return Cell(f"{sign}{cell.text}{more}", shown.tone, order)
