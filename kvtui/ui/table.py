"""A table of live rows on Textual's Line API: a changed row repaints its own line and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar, Generic

from rich.segment import Segment
from rich.style import Style
from textual import events, on
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from kvtui.model import Cell
from kvtui.resources.base import Column
from kvtui.text import fit
from kvtui.ui.columns import Slot, Widths, head, lay_out
from kvtui.ui.hacks import PaintedWidget
from kvtui.ui.marks import Marks
from kvtui.ui.rows import K, Rows
from kvtui.ui.segments import SegmentedLine
from kvtui.ui.viewport import Viewport

_GUTTER = 2
"""Terminal columns left of the first one: the cursor's sign and the mark's."""
_WHEEL = 3
"""Rows that one notch of the mouse wheel scrolls."""


class LiveTable(PaintedWidget, Generic[K], can_focus=True, inherit_bindings=False):
    """Rows with a cursor and marks. Cursor and marks belong to keys, never to line numbers."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header", "table--sorted", "table--cursor", "table--idle-cursor", "table--marked", "table--scrollbar",
        "table--message", "table--ok", "table--busy", "table--warn", "table--bad", "table--muted",
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, tooltip="one row up", id="list.up"),
        Binding("down,j", "move(1)", "down", show=False, tooltip="one row down", id="list.down"),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False, tooltip="a page up", id="list.page_up"),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False, tooltip="a page down", id="list.page_down"),
        Binding("home,g", "go(0)", "first row", show=False, tooltip="to the first row", id="list.first"),
        Binding("end,G", "go(-1)", "last row", show=False, tooltip="to the last row", id="list.last"),
        Binding("enter", "activate", "open", show=False, tooltip="open the row; from a problem go to its row"),
    ]

    class Moved(Message):
        """The cursor stands on another row, or on none, or other rows are in sight."""

        def __init__(self, table: LiveTable[Any]) -> None:
            super().__init__()
            self.table = table

    class Activated(Moved):
        """Enter was pressed, be it that there is no row; or the row under the cursor was clicked twice."""

    class SortPicked(Message):
        """A column's title was clicked."""

        def __init__(self, table: LiveTable[Any], column: int) -> None:
            super().__init__()
            self.table = table
            self.column = column

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        rows: Rows[K],
        *,
        header: bool = True,
        id: str | None = None,  # noqa: A002 - the name that every Textual widget uses
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._rows = rows
        self._header = header
        self._wide = False
        self._sort: tuple[int, bool] | None = None
        self._message: tuple[str, ...] = ()
        self._slots: tuple[Slot, ...] = ()
        self._port = Viewport()
        self._cursor: K | None = None
        self._cursor_index = 0
        self.on_top = False
        """Whether the cursor stays on the first row, whichever that is, for the user chose none yet."""
        self._marks = Marks(rows)
        self._texts: dict[K, list[Cell]] = {}
        self._strips: dict[tuple[K, bool, bool], Strip] = {}
        self._styles: dict[str, Style] = {}
        self._painted: list[K] = []
        self._thumb = range(0)
        self._widths = Widths()
        self._measured = range(0)
        self._layout_due = False

    # What the owner says -------------------------------------------------------------------------------------------

    def update_rows(self, changed: Collection[K], *, moved: bool) -> None:
        """Some rows changed; `moved` when any came, went or changed places."""
        shown = [slot.index for slot in self._slots]
        changed = [key for key in changed if key not in self._texts or self._reads_differently(key, shown)]
        if not moved:
            self._repaint(changed)
            return
        keys = self._rows.keys
        self._marks.drop_gone()
        before, old_index = self._cursor, self._cursor_index
        self._follow_cursor(keys)
        self._fit()
        self._port.scroll_to(self._port.top + (self._cursor_index - old_index if self._port.top else 0))
        self._port.show(self._cursor_index)
        self._repaint(changed)
        if self._cursor != before:
            self.post_message(self.Moved(self))

    def update_all(self) -> None:
        """Anything may have changed: forget what was drawn and draw anew."""
        self._texts.clear()
        self._strips.clear()
        self._widths.clear()
        self._measured = range(0)
        self.update_rows((), moved=True)
        self.refresh()

    def tick(self) -> None:
        """Time went by: redraw the visible rows in which it shows, and forget the hidden ones."""
        self._judge_widths()
        ticking = [slot.index for slot in self._slots if self._columns[slot.index].ticks]
        if not ticking:
            return
        visible = set(self.visible_keys)
        for key in [key for key in self._texts if key not in visible]:
            self._forget(key)
        self._repaint([key for key in tuple(self._texts) if self._reads_differently(key, ticking)])

    def show_sort(self, column: int, descending: bool) -> None:
        """Tell in the header by which column the rows stand in order."""
        self._sort = (column, descending)
        self._lay_out()
        if self._header:
            self.refresh(Region(0, 0, self.size.width, 1))

    def show_message(self, *lines: str) -> None:
        """What is said where rows would be, while there are none."""
        if lines != self._message:
            self._message = lines
            if not self._rows.keys:
                self.refresh()

    @property
    def wide(self) -> bool:
        """Whether columns meant for wide output stand too."""
        return self._wide

    @wide.setter
    def wide(self, wide: bool) -> None:
        if wide != self._wide:
            self._wide = wide
            self._lay_out()

    # What the owner asks -------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> K | None:
        """The row under the cursor."""
        return self._cursor

    @property
    def cursor_line(self) -> int:
        """The widget's line that the cursor stands on."""
        return self._cursor_index - self._port.top + self._header

    @property
    def marks(self) -> tuple[K, ...]:
        """The marked rows, in the order of the screen; after them those that are hidden."""
        return (*self._marks.shown, *self._marks.hidden)

    @property
    def hidden_marks(self) -> Sequence[K]:
        """The marked rows that are not shown."""
        return self._marks.hidden

    @property
    def visible_keys(self) -> Sequence[K]:
        """The rows on the screen."""
        return self._rows.keys[self._port.top : self._port.top + self._port.height]

    @property
    def below(self) -> int:
        """How many rows are under the last line of the screen."""
        return max(0, len(self._rows.keys) - self._port.top - self._port.height)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The columns that have room now."""
        return self._slots

    # Cursor and marks ----------------------------------------------------------------------------------------------

    def move_to(self, key: K) -> bool:
        """Put the cursor on a row; False when it is not there."""
        index = self._rows.index(key)
        if index is not None:
            self._go(index)
        return index is not None

    def action_move(self, by: int) -> None:
        """Move the cursor by some rows."""
        self._go(self._cursor_index + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by screenfuls."""
        self._go(self._cursor_index + by * max(1, self._port.height - 1))

    def action_go(self, line: int) -> None:
        """Go to a row by its place, counted from the end when negative."""
        self._go(line if line >= 0 else len(self._rows.keys) + line)

    def action_activate(self) -> None:
        """Open the row under the cursor."""
        self.on_top = False
        self.post_message(self.Activated(self))

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor and go on to the next."""
        key = self._cursor
        if key is None:
            return
        self._marks.toggle(key)
        self._refresh_key(key)
        self._go(self._cursor_index + 1, tell=True)

    def mark_range(self) -> None:
        """Mark all rows from the one marked last to the one under the cursor."""
        if self._cursor is None:
            return
        self.on_top = False
        self._marks.reach(self._cursor, self._cursor_index)
        self.refresh()
        self.post_message(self.Moved(self))

    def clear_marks(self) -> bool:
        """Unmark all; False when nothing was marked."""
        had = self._marks.clear()
        if had:
            self.refresh()
            self.post_message(self.Moved(self))
        return had

    def _go(self, index: int, *, tell: bool = False) -> None:
        keys = self._rows.keys
        if not keys:
            return
        self.on_top = False
        before = self._cursor
        self._cursor_index = min(max(0, index), len(keys) - 1)
        self._cursor = keys[self._cursor_index]
        if self._cursor != before:
            if before is not None:
                self._refresh_key(before)
            self._refresh_key(self._cursor)
        if self._port.show(self._cursor_index):
            self._paint_scrolled()
        if tell or self._cursor != before:
            self.post_message(self.Moved(self))

    def _follow_cursor(self, keys: Sequence[K]) -> None:
        """Stay on the same row; where it went away, on the one that took its place."""
        index = None if self._cursor is None else self._rows.index(self._cursor)
        if self.on_top:
            index = 0
        self._cursor_index = min(self._cursor_index, max(0, len(keys) - 1)) if index is None else index
        self._cursor = keys[self._cursor_index] if keys else None

    # Drawing -------------------------------------------------------------------------------------------------------

    def _fit(self) -> None:
        self._port.fit(len(self._rows.keys), self.size.height - self._header)

    def _forget(self, key: K) -> None:
        if self._texts.pop(key, None) is not None:
            for cursor in (False, True):
                for marked in (False, True):
                    self._strips.pop((key, cursor, marked), None)

    def _reads_differently(self, key: K, columns: Sequence[int]) -> bool:
        """Whether a row that was drawn before reads otherwise now in those columns; if so it is forgotten."""
        texts = self._texts[key]
        if self._rows.index(key) is not None:
            now = self._rows.now()
            if all(self._rows.cell(key, index, now)[:2] == texts[index][:2] for index in columns):
                return False
        self._forget(key)
        return True

    def _repaint(self, changed: Collection[K]) -> None:
        """Refresh the lines that show other rows than before, or changed ones; all at once when they are many."""
        visible = list(self.visible_keys)
        painted, self._painted = self._painted, visible
        stale = set(changed)
        lines = {
            line
            for line in range(max(len(visible), len(painted)))
            if line >= len(visible) or line >= len(painted) or visible[line] != painted[line] or visible[line] in stale
        }
        old, self._thumb = self._thumb, self._port.thumb
        lines |= set(old) ^ set(self._thumb)
        if (bool(painted) != bool(visible)) or len(lines) > self._port.height // 2:
            self.refresh()
        else:
            for line in lines:
                self._refresh_line(line)

    def _paint_all(self) -> None:
        self._painted = list(self.visible_keys)
        self._thumb = self._port.thumb
        self.refresh()

    def _paint_scrolled(self) -> None:
        port = self._port
        if port.top not in self._measured or port.top + port.height - 1 not in self._measured:
            for texts in self._texts_around():
                self._measure(texts)
        self._paint_all()
        self.post_message(self.Moved(self))

    def _refresh_key(self, key: K) -> None:
        index = self._rows.index(key)
        if index is not None:
            self._refresh_line(index - self._port.top)

    def _refresh_line(self, line: int) -> None:
        if 0 <= line < self._port.height:
            self.refresh(Region(0, line + self._header, self.size.width, 1))

    def _lay_out(self) -> None:
        self._layout_due = False
        room = max(1, self.size.width - _GUTTER - 1)
        sort = self._sort[0] if self._sort else None
        slots = lay_out(self._columns, room, widest=self._widths.widest, wide=self._wide, sort=sort)
        if slots != self._slots:
            self._slots = slots
            # Columns that stand only now may have changed unseen.
            self._texts.clear()
            self._strips.clear()
            self._paint_all()

    def render_line(self, y: int) -> Strip:
        """One line of the widget: the header, a row, or nothing."""
        if self._header and y == 0:
            return self._render_header()
        line = y - self._header
        keys = self._rows.keys
        if not keys:
            return self._render_message(line)
        index = self._port.top + line
        if index >= len(keys):
            return Strip.blank(self.size.width, self._style("base"))
        strip = self._render_row(keys[index], index == self._cursor_index)
        if not self._thumb:
            return strip
        bar = Segment("▐" if line in self._thumb else " ", self._style("scrollbar"))
        return Strip([*strip.crop(0, self.size.width - 1), bar], self.size.width)

    def _render_row(self, key: K, cursor: bool) -> Strip:
        marked = key in self._marks
        found = self._strips.get((key, cursor, marked))
        if found is None:
            found = self._strips[key, cursor, marked] = self._make_row(key, cursor, marked)
        return found

    def _make_row(self, key: K, cursor: bool, marked: bool) -> Strip:
        texts = self._texts.get(key)
        if texts is None:
            now = self._rows.now()
            texts = self._texts[key] = [self._rows.cell(key, index, now) for index in range(len(self._columns))]
            self._measure(texts)
        base = self._row_style(cursor, marked)
        line = SegmentedLine(base)
        line.add((">" if cursor and self.has_focus else " ") + ("*" if marked else " "), base)
        for slot in self._slots:
            cell = texts[slot.index]
            line.pad_to(_GUTTER + slot.left)
            style = base + self._style(cell.tone.value) if cell.tone else base
            line.add(fit(cell.text, slot.width, right=self._columns[slot.index].right), style)
        return line.strip(self.size.width)

    def _measure(self, texts: Sequence[Cell]) -> None:
        """When a text is wider than all before, share out the room anew."""
        if self._widths.add(texts) and not self._layout_due:
            self._layout_due = True
            self.call_later(self._lay_out)

    def _judge_widths(self) -> None:
        if self._rows.keys and self._widths.is_due(self._rows.now()) and self._widths.judge(self._texts_around()):
            self._lay_out()

    def _texts_around(self) -> Iterator[Sequence[Cell]]:
        """The texts of the rows on the screen and a screenful over and under it: columns do not move at each step."""
        port, now = self._port, self._rows.now()
        self._measured = range(max(0, port.top - port.height), port.top + 2 * port.height)
        for key in self._rows.keys[self._measured.start : self._measured.stop]:
            yield self._texts.get(key) or [self._rows.cell(key, index, now) for index in range(len(self._columns))]

    def _row_style(self, cursor: bool, marked: bool) -> Style:
        style = self._style("base")
        if marked:
            style += self._style("marked")
        if cursor:
            style += self._style("cursor" if self.has_focus else "idle-cursor")
        return style

    def _render_header(self) -> Strip:
        plain = self._style("header")
        line = SegmentedLine(plain)
        line.add(" " * _GUTTER, plain)
        for slot in self._slots:
            column = self._columns[slot.index]
            line.pad_to(_GUTTER + slot.left)
            chosen = self._sort is not None and self._sort[0] == slot.index
            arrow = ("▼" if self._sort[1] else "▲") if self._sort and chosen and not column.order else ""
            line.add(head(column, slot.width, arrow), self._style("sorted") if chosen else plain)
        return line.strip(self.size.width)

    def _render_message(self, line: int) -> Strip:
        text = self._message[line] if line < len(self._message) else ""
        return Strip([Segment(fit(" " * _GUTTER + text, self.size.width), self._style("message"))], self.size.width)

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            whole = name in {"header", "sorted", "message", "scrollbar"}
            found = (
                self.rich_style
                if name == "base"
                else self.get_component_rich_style(f"table--{name}", partial=not whole)
            )
            self._styles[name] = found
        return self._styles[name]

    # What Textual says ---------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """Colours changed."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def on_resize(self, _event: events.Resize) -> None:
        """Share out the columns anew."""
        self._fit()
        self._port.show(self._cursor_index)
        self._strips.clear()
        self._lay_out()
        self._paint_all()

    @on(events.Focus)
    @on(events.Blur)
    def redraw_cursor(self) -> None:
        """The cursor looks different with the focus."""
        self._strips = {key: strip for key, strip in self._strips.items() if not key[1]}
        if self._cursor is not None:
            self._refresh_key(self._cursor)

    def on_click(self, event: events.Click) -> None:
        """Choose the row, or the column of the header, under the mouse."""
        event.stop()
        if self._header and event.y == 0:
            for slot in self._slots:
                if 0 <= event.x - _GUTTER - slot.left <= slot.width:
                    self.post_message(self.SortPicked(self, slot.index))
            return
        index = self._port.top + event.y - self._header
        keys = self._rows.keys
        if not 0 <= index < len(keys):
            return
        if event.chain > 1 and keys[index] == self._cursor:
            self.action_activate()
        else:
            self._go(index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll without moving the cursor off its row."""
        event.stop()
        self._wheel(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll without moving the cursor off its row."""
        event.stop()
        self._wheel(-_WHEEL)

    def _wheel(self, by: int) -> None:
        if self._port.scroll_to(self._port.top + by):
            self._paint_scrolled()
