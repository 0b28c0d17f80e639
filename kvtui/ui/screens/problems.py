"""All problems: by cause, by node or by namespace, with the evidence of the chosen one below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.joins.places import node_of
from kvtui.model import Cell, Finding, Ref, Severity, Tone
from kvtui.resources.base import Column
from kvtui.store import Delta
from kvtui.text import age, clean_line
from kvtui.triage.problems import Problem, split_problem
from kvtui.ui.acknowledged import Acknowledged
from kvtui.ui.bar import Piece
from kvtui.ui.facts import problem_lines
from kvtui.ui.lines import LinesView
from kvtui.ui.panes.footer import Footer, entry
from kvtui.ui.rows import KeyedRows
from kvtui.ui.table import LiveTable

_GROUPS: Final = ("cause", "node", "namespace")
# A shifted key, and one that the list has not: what it does is to hide, and no habit may lead to it.
ACKNOWLEDGE: Final = Binding(
    "A",
    "acknowledge",
    "acknowledge",
    tooltip="among all problems: acknowledge one, out of the strip for an hour, or take that back",
    id="problems.acknowledge",
)
_FOOTER: Final = (
    ("", "escape", "back", 2),
    ("", "enter", "its row", 20),
    ("pane.why", "w", "why", 3),
    ("pane.stack", "x", "stack", 4),
    ("pane.timeline", "t", "timeline", 5),
    ("", "o", "group", 6),
    ("problems.acknowledge", "A", "acknowledge", 3),
    ("", "question_mark", "help", 2),
)
"""Keys of the last line: the name by which the user may have another, the key, the word, and how soon it gives way."""


_Key = tuple[str, ...]
"""A heading's group and name, or rule and subject of a finding."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line: a heading, or a problem as far as it is of the group."""

    name: str
    count: int = 0
    shown: Problem | None = None
    """What the line tells."""
    problem: Problem | None = None
    """All of it."""
    until: float | None = None
    """Until when the problem is acknowledged."""

    @property
    def finding(self) -> Finding | None:
        """Whose row the line leads to."""
        return self.shown.finding if self.shown is not None else None


@dataclass(frozen=True, slots=True)
class Choice:
    """The object whose row is to be shown."""

    ref: Ref
    tab: str = ""
    """In full, at this tab; none for its row in the list."""


class ProblemsScreen(Screen[Choice]):
    """Ends with the object that was chosen."""

    TITLE = "All problems"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back", tooltip="back to the list"),
        Binding("w", "tell('overview')", "why", tooltip="what is wrong with the object, in full", id="pane.why"),
        Binding("x", "tell('stack')", "stack", tooltip="the stack of the object", id="pane.stack"),
        Binding(
            "t",
            "tell('timeline')",
            "timeline",
            tooltip="what happened to the object and its layers, and when",
            id="pane.timeline",
        ),
        Binding("o", "group", "group", tooltip="by cause, by node, by namespace"),
        ACKNOWLEDGE,
        Binding("tab,shift+tab", "step", "other part", tooltip="from the list to the evidence, and back"),
    ]

    def __init__(
        self,
        fleet: Fleet,
        acknowledged: Acknowledged,
        has_row: Callable[[Ref], bool],
        keys: Mapping[str, str],
        chosen: Finding | None = None,
        note: str = "",
    ) -> None:
        """`has_row` says whether there is one to go to, `keys` what the user bound; `chosen` is the finding to show
        first, and `note` what is said of its object.
        """
        super().__init__()
        self._fleet = fleet
        self._acknowledged = acknowledged
        self._has_row = has_row
        self._keys = keys
        self._chosen = chosen
        self._note = note
        self._noted = _key(chosen) if chosen is not None else None
        """The line that the note is of."""
        self._group = _GROUPS[0]
        self._title = Static(classes="detail-title", markup=False)
        columns = self._columns()
        self._rows: KeyedRows[_Key, _Entry] = KeyedRows(columns, fleet.clock)
        self.table: LiveTable[_Key] = LiveTable(columns, self._rows, id="all-problems")
        self._evidence = LinesView(id="problem-evidence")
        self._footer = Footer()
        self._unlisten: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """The list, and what is known of the chosen one."""
        yield self._title
        yield self.table
        yield self._evidence
        yield self._footer

    def on_mount(self) -> None:
        """Follow what is found."""
        self._unlisten = self._fleet.listen(self._on_delta)
        self.table.show_message("no problems are known")
        self.redraw()
        self._draw_footer()
        if self._chosen is not None:
            self.table.move_to(_key(self._chosen))
        self.set_interval(1.0, self.table.tick)
        self.set_focus(self.table)

    def on_unmount(self) -> None:
        """Stop following."""
        self._unlisten()

    def on_resize(self) -> None:
        """Wrap anew."""
        self._show_evidence()

    def _on_delta(self, _delta: Delta) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Show the present state."""
        problems = self._fleet.engine.problems
        entries = dict(self._by_cause(problems) if self._group == "cause" else self._grouped(problems))
        changed, moved = self._rows.put(entries)
        self.table.update_rows(changed, moved=moved)
        self._draw_title()
        self._show_evidence()

    def _draw_title(self) -> None:
        problems = self._fleet.engine.problems
        known = sum(self._until(problem) is not None for problem in problems)
        words = f" Problems   {len(problems)} by {self._group}{f', {known} acknowledged' if known else ''}"
        note = self._note if self.table.cursor == self._noted else ""
        self._title.update(Text(f"{words}   {note}"))

    def _draw_footer(self) -> None:
        pieces = [Piece(" ")]
        for name, key, word, rank in _FOOTER:
            pieces += entry(self._keys.get(name, key).split(",")[0].strip(), word, rank=rank)
        self._footer.set_pieces(pieces)

    def _by_cause(self, problems: Sequence[Problem]) -> Iterator[tuple[_Key, _Entry]]:
        """One line a cause; what is acknowledged comes last."""
        for problem in sorted(problems, key=lambda one: self._until(one) is not None):
            entry = _Entry(self._fleet.name(problem.finding.subject), 0, problem, problem, self._until(problem))
            yield _key(problem.finding), entry

    def _grouped(self, problems: Sequence[Problem]) -> Iterator[tuple[_Key, _Entry]]:
        """One line a cause under each node or namespace that it touches, those with the most causes first."""
        groups: dict[str, list[tuple[Problem, Problem]]] = {}
        for problem in problems:
            for name, part in split_problem(problem, self._place).items():
                groups.setdefault(name, []).append((part, problem))
        for name, parts in sorted(groups.items(), key=lambda group: (not group[0], -len(group[1]), group[0])):
            heading = f"{self._group} {name}" if name else f"of no {self._group}"
            yield (self._group, name), _Entry(heading, len(parts))
            for part, problem in parts:
                entry = _Entry(f"  {part.finding.subject.path}", 0, part, problem, self._until(problem))
                # A cause may stand in several groups: its line is its own where it is itself of the group.
                place = () if part is problem else (self._group, name)
                yield (*place, *_key(problem.finding)), entry

    def _place(self, ref: Ref) -> str:
        name = ref.namespace if self._group == "namespace" else node_of(self._fleet.view, ref)
        return f"{name} in {ref.backend}" if name and len(self._fleet.backends) > 1 else name

    def _until(self, problem: Problem) -> float | None:
        return self._acknowledged.until(problem)

    def _show_evidence(self) -> None:
        entry = self._rows.find(self.table.cursor)
        if entry is None or entry.problem is None:
            self._evidence.show(())
            return
        self._evidence.show(problem_lines(entry.problem, self._fleet, max(20, self.size.width - 4)))

    def _columns(self) -> tuple[Column[_Entry], ...]:
        return (
            Column("", _glyph, 1, rank=0),
            Column("KIND", _kind, 9, rank=3),
            Column("SUBJECT", _subject, 24, rank=0, grow=1),
            Column("TROUBLE", _trouble, 20, rank=0),
            Column("CAUSE", lambda entry, _now: Cell(self._cause(entry)), 20, rank=1, grow=4),
            Column("AGE", _age, 5, rank=2, right=True, ticks=True),
        )

    def _cause(self, entry: _Entry) -> str:
        if entry.shown is None:
            return ""
        if entry.until is None:
            return entry.shown.cause
        return f"(acknowledged for {age(entry.until - self._fleet.clock())}) {entry.shown.cause}"

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_step(self) -> None:
        """Give the keyboard to the evidence or back."""
        self.set_focus(self._evidence if self.table.has_focus else self.table)

    def action_group(self) -> None:
        """Another grouping."""
        self._group = _GROUPS[(_GROUPS.index(self._group) + 1) % len(_GROUPS)]
        self.redraw()

    def action_acknowledge(self) -> None:
        """Acknowledge the chosen problem, or take that back."""
        entry = self._chosen_line()
        if entry is None or entry.problem is None:
            return
        problem = entry.problem
        try:
            known = self._acknowledged.toggle(problem)
        except KvtuiError as error:
            self.notify(clean_line(f"{error.title}: {error.detail}"), severity="warning")
        else:
            words = (
                "acknowledged for an hour, unless it gets worse or touches more"
                if known
                else "is no longer acknowledged"
            )
            self.notify(clean_line(f"{problem.finding.subject.path}: {words}"), timeout=4)
        self.redraw()

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Show what is known of the problem that is chosen now."""
        event.stop()
        self._draw_title()
        self._show_evidence()

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """Leave for the row of the chosen one; of what has none, all that there is to read is below."""
        event.stop()
        self._end()

    def action_tell(self, tab: str) -> None:
        """Leave for a tab of the chosen one."""
        self._end(tab)

    def _end(self, tab: str = "") -> None:
        entry = self._chosen_line()
        if entry is None or entry.finding is None:
            return
        if self._has_row(entry.finding.subject):
            self.dismiss(Choice(entry.finding.subject, tab))
        else:
            # In the title, for a toast would lie over what is to be read.
            self._note, self._noted = tell_lack(self._fleet.name(entry.finding.subject), tab), self.table.cursor
            self._draw_title()
            self.set_focus(self._evidence)

    def _chosen_line(self) -> _Entry | None:
        """The finding under the cursor; where there is none, it is said why."""
        entry = self._rows.find(self.table.cursor)
        if entry is None:
            self.notify("no problem is chosen: none is known", severity="warning", timeout=4)
        elif entry.finding is None:
            self.notify("this is a heading: choose a line below it", severity="warning", timeout=4)
        return entry


def tell_lack(name: str, tab: str = "") -> str:
    """Of an object that no list has, what there is instead of its row, or of a tab of it."""
    wanted = tab if tab in ("stack", "timeline") else "row"
    return clean_line(f"{name} has no {wanted}: all that is known of it stands below")


def _key(finding: Finding) -> _Key:
    return finding.rule, *finding.subject


def _severity(entry: _Entry) -> Severity | None:
    return entry.shown.severity if entry.shown is not None else None


def _glyph(entry: _Entry, _now: float) -> Cell:
    severity = _severity(entry)
    return Cell(severity.glyph, Tone.MUTED if entry.until else severity.tone) if severity is not None else Cell("")


def _kind(entry: _Entry, _now: float) -> Cell:
    return Cell(entry.finding.label if entry.finding is not None else "", Tone.MUTED)


def _subject(entry: _Entry, _now: float) -> Cell:
    return Cell(f"{entry.name} ({entry.count})" if entry.count else entry.name)


def _trouble(entry: _Entry, _now: float) -> Cell:
    severity = _severity(entry)
    if entry.finding is None or severity is None:
        return Cell("")
    return Cell(entry.finding.trouble, Tone.MUTED if entry.until else severity.tone)


def _age(entry: _Entry, now: float) -> Cell:
    if entry.finding is None:
        return Cell("")
    since = entry.finding.since
    return Cell(age(now - since) if since is not None else "-", Tone.MUTED)
