"""The strip over the panes: what is wrong now, the worst first."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from kvtui.fleet import Fleet
from kvtui.model import Cell, FeedState, Finding, Ref, Severity, Tone
from kvtui.resources.base import AnyResource, Column
from kvtui.text import age
from kvtui.triage.problems import Problem
from kvtui.ui.acknowledged import Acknowledged
from kvtui.ui.bar import Piece
from kvtui.ui.feeds import state_words, unread_feed, worst_feed
from kvtui.ui.panes.title import PaneTitle
from kvtui.ui.rows import KeyedRows
from kvtui.ui.table import LiveTable

Key = tuple[str, Ref]
"""Rule and subject of what stands for a problem, by which it stays the same while its words change."""

_COLUMNS: tuple[Column[Problem], ...] = (
    Column("", lambda problem, _now: Cell(problem.severity.glyph, problem.severity.tone), 1, rank=0),
    Column("KIND", lambda problem, _now: Cell(problem.finding.label, Tone.MUTED), 9, rank=3),
    Column("SUBJECT", lambda problem, _now: Cell(problem.finding.subject.path), 22, rank=0),
    Column("TROUBLE", lambda problem, _now: Cell(problem.finding.trouble, problem.severity.tone), 20, rank=0),
    Column("CAUSE", lambda problem, _now: Cell(problem.cause), 20, rank=1, grow=4),
    Column(
        "AGE",
        lambda problem, now: Cell(_age(problem.finding, now), Tone.MUTED),
        5,
        rank=2,
        right=True,
        ticks=True,
    ),
)


_BACKEND: Column[Problem] = Column("BACKEND", lambda problem, _now: Cell(problem.finding.subject.backend), 10, rank=0)


def _age(finding: Finding, now: float) -> str:
    return age(now - finding.since) if finding.since is not None else "-"


class ProblemsPane(Vertical):
    """Problems, one a line. Enter leads to the row that a problem is about."""

    def __init__(self, fleet: Fleet, resources: Sequence[AnyResource], acknowledged: Acknowledged) -> None:
        super().__init__()
        self._acknowledged = acknowledged
        self._fleet = fleet
        self._resources = resources
        columns = (*_COLUMNS[:2], _BACKEND, *_COLUMNS[2:]) if len(fleet.backends) > 1 else _COLUMNS
        self._rows: KeyedRows[Key, Problem] = KeyedRows(columns, fleet.clock)
        self._title = PaneTitle()
        self.table: LiveTable[Key] = LiveTable(columns, self._rows, header=False, id="problems-table")
        self._most = 5
        self._shown: Sequence[Problem] = ()
        """All but what is acknowledged."""

    def compose(self) -> ComposeResult:
        """Title and lines."""
        yield self._title
        yield self.table

    def on_mount(self) -> None:
        """Show what is known already."""
        self.redraw()

    def allow(self, lines: int) -> None:
        """How many problems may show at once."""
        if lines != self._most:
            self._most = lines
            self._fit_height()
            self._draw_title()

    def redraw(self) -> None:
        """Show the problems of now."""
        self._shown = self._fresh()
        shown = {(problem.finding.rule, problem.finding.subject): problem for problem in self._shown}
        changed, moved = self._rows.put(shown)
        self._say_nothing()
        self._fit_height()
        self.table.update_rows(changed, moved=moved)
        self._show_worst()
        self._draw_title()

    def tick(self) -> bool:
        """Let ages go on, and bring back what is acknowledged no longer; whether there was such."""
        back = bool(self._known) and len(self._fresh()) != len(self._shown)
        if back:
            self.redraw()
        self.table.tick()
        return back

    def _fresh(self) -> Sequence[Problem]:
        problems = self._fleet.engine.problems
        return [one for one in problems if self._acknowledged.until(one) is None]

    @property
    def _known(self) -> int:
        """How many are acknowledged."""
        return len(self._fleet.engine.problems) - len(self._shown)

    def show_focus(self, focused: bool) -> None:
        """Show that the keyboard is here."""
        self._title.show_focus(focused)
        self._show_worst()
        self._draw_title()

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Count anew what is below."""
        event.stop()
        self._draw_title()

    def on_resize(self) -> None:
        """Count anew what is below."""
        self.call_after_refresh(self._draw_title)

    def _show_worst(self) -> None:
        """Unless somebody reads further down, the worst stand in sight."""
        if not self.table.has_focus:
            self.table.action_go(0)

    @property
    def finding(self) -> Finding | None:
        """What stands for the problem under the cursor."""
        problem = self._rows.find(self.table.cursor)
        return problem.finding if problem is not None else None

    def _fit_height(self) -> None:
        height = max(1, min(len(self._rows.keys), self._most))
        if self.table.styles.height is None or self.table.styles.height.value != height:
            self.table.styles.height = height

    def _draw_title(self) -> None:
        severities = [problem.severity for problem in self._shown]
        problems = sum(severity > Severity.INFO for severity in severities)
        notes = len(severities) - problems
        left = [self._title.rule, Piece(" 0 ", "key"), Piece("Problems ", "title")]
        if problems:
            left.append(Piece(f"{problems} ", max(severities).tone.value))
        if notes:
            left.append(Piece(f"and {notes} {'note' if notes == 1 else 'notes'} ", "muted"))
        if self._known:
            left.append(Piece(f"{self._known} acknowledged ", "muted"))
        hidden = self.table.below
        right = [Piece(f" {hidden} more below ", "muted"), self._title.rule] if hidden > 0 else []
        self._title.set_pieces(left, right)

    def _say_nothing(self) -> None:
        """Say what was looked at; claim nothing of what could not be seen."""
        words = f"nothing but what is acknowledged: {self._known}" if self._known else ""
        self.table.show_message(words or quiet_words(self._fleet, self._resources))


def quiet_words(fleet: Fleet, resources: Sequence[AnyResource]) -> str:
    """What an empty strip says: what was checked, and what was not and why."""
    now = fleet.clock()
    checked: list[str] = []
    blind: list[str] = []
    for resource in resources:
        feed = worst_feed(fleet, resource)
        if feed is None and unread_feed(fleet, resource) is not None:
            # Optional, or not for ordinary users: nobody misses it, and nothing is claimed of it.
            continue
        if feed is None:
            checked.append(resource.title)
        elif feed.state is FeedState.LOADING:
            blind.append(f"{resource.title} loading")
        else:
            blind.append(f"{resource.title} {state_words(feed, now)[0]}")
    if not fleet.backends or (not checked and all(words.endswith("loading") for words in blind)):
        return "nothing checked yet: loading"
    if blind:
        seen = f"no problems in {_enumerate(checked)}" if checked else "nothing could be checked"
        return f"{seen}; not checked: {', '.join(blind)}"
    return f"no problems found in {_enumerate(checked)}"


def _enumerate(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
