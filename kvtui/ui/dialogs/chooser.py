"""The answer of a choice or a toggle: on one line, or where there is much to choose from a list, with the reason of
what is not possible beside each.

The list of a form's only field is always open. Among others space or a letter opens it: up and down lead from field to
field there, and must change nothing on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Static

from kvtui.resources.form import Choice, Draft, Option, Toggle
from kvtui.text import cells, clean, clean_line, fit, shorten

_MANY: Final = 8
"""Options that can be turned over one by one."""
_REASONS: Final = 2
"""Impossible ones from which on they are better seen side by side."""
_SHARE: Final = 0.45
"""Of the window, what the fields may take."""
_LEAST: Final = 4
_LONGEST: Final = 28
"""Columns of a name in the list."""


class Chooser(Static, can_focus=True):
    """Left, right and space change it; in a list up and down do, and letters leave those that have them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "option before", show=False),
        Binding("right", "turn(1)", "next option", show=False),
        Binding("space", "open", "next option, or the list", show=False),
        Binding("pageup", "leap(-1)", "a page up", show=False),
        Binding("pagedown", "leap(1)", "a page down", show=False),
    ]

    def __init__(self, field: Choice | Toggle, draft: Draft, take: Callable[[str | bool], None]) -> None:
        super().__init__(classes="form-choice")
        self._field = field
        self._draft = draft
        self._take = take
        self._sought = ""
        self._opened = False
        self._top = 0
        """The first option of the list that is shown."""
        self.listed = False
        """Whether it is a list now."""
        self.cut = ""
        """What is known of the option and has no room beside it."""
        self.place = ""
        """Of a list, which part of it is shown."""

    @property
    def lists(self) -> bool:
        """Whether there is so much to choose from that it can be a list."""
        offered = self._offered
        return len(offered) > _MANY or sum(bool(option.reason) for option in offered) >= _REASONS

    @property
    def can_open(self) -> bool:
        """Whether it has a list that is open only when that is wanted."""
        return self.lists and not self._alone

    @property
    def _alone(self) -> bool:
        return len(self._draft.asked) == 1

    @property
    def _offered(self) -> Sequence[Option]:
        return self._field.offer(self._draft.answers) if isinstance(self._field, Choice) else ()

    @property
    def _found(self) -> Sequence[Option]:
        """Those that have what was typed, in their names or in what is said of them."""
        return [option for option in self._offered if self._sought in f"{_name(option)} {_why(option)}".lower()]

    @property
    def _chosen(self) -> Option | None:
        if isinstance(self._field, Toggle):
            return None
        return self._field.pick(str(self._draft.typed(self._field.name)), self._draft.answers)

    # What is shown ---------------------------------------------------------------------------------------------------

    def redraw(self, *, focused: bool) -> None:
        """Show what is chosen, or the list."""
        self.cut = self.place = ""
        if not focused:
            self._sought, self._opened = "", False
        self.listed = focused and self.lists and (self._opened or self._alone)
        self.set_class(self.listed, "-listed")
        option = self._chosen
        if isinstance(self._field, Toggle):
            self.update(Text("[x] yes" if self._draft.answers.flag(self._field.name) else "[ ] no"))
        elif option is None:
            self.update(Text("(nothing)"))
        elif self.listed:
            self.update(self._draw_list(option))
        else:
            self.update(Text(self._tell_line(option)))

    def _tell_line(self, option: Option) -> str:
        offered, why = self._offered, _why(option)
        many = len(offered) > 1
        shown = f"< {_name(option)} >  {offered.index(option) + 1}/{len(offered)}" if many else _name(option)
        words = clean("  ".join(part for part in (shown, why) if part))
        self.cut = why if cells(words) > self.size.width > 0 else ""
        return words

    def _draw_list(self, chosen: Option) -> Text:
        found, rows, width = self._found, self._rows, self.size.width
        here = found.index(chosen) if chosen in found else 0
        self._top = max(0, min(max(self._top, here - rows + 1), here, len(found) - rows))
        shown = found[self._top : self._top + rows]
        part = "" if len(shown) == len(found) else f"{self._top + 1}-{self._top + len(shown)} of "
        having = f" with {self._sought!r}" if self._sought else ""
        self.place = f"{part}{len(found)}{having}"
        longest = min(_LONGEST, max(cells(clean_line(_name(option))) for option in self._offered))
        text = Text(no_wrap=True)
        for option in shown:
            name = f"{'>' if option == chosen else ' '} {'x' if option.reason else ' '} {fit(_name(option), longest)}  "
            why = clean_line(option.reason or option.note)
            room = max(0, width - cells(name))
            if option == chosen and cells(why) > room > 0:
                self.cut = _why(option)
            style = "reverse" if option == chosen else "dim" if option.reason else ""
            text.append(fit(f"{name}{shorten(why, room)}", width) + "\n", style)
        text.right_crop(1)
        return text

    @property
    def _rows(self) -> int:
        room = int(self.screen.size.height * _SHARE) - len(self._draft.asked)
        return max(_LEAST, min(len(self._offered), room))

    # What changes it -------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Open the list, if it has one that is not open; else choose the next option."""
        if self.can_open and not self.listed:
            self._set_open(True)
        else:
            self.action_turn(1)

    def close(self) -> bool:
        """Close the list with what is chosen; whether it was opened."""
        was_open = self.can_open and self.listed
        if was_open:
            self._set_open(False)
        return was_open

    def _set_open(self, opened: bool) -> None:
        self._opened, self._sought = opened, ""
        # The form is drawn anew with the very answer that stands there.
        self._take(str(self._draft.typed(self._field.name)))

    def step(self, by: int) -> bool:
        """Choose another one of the list; whether there was one."""
        found, chosen = self._found, self._chosen
        if not self.listed or chosen is None or chosen not in found:
            return False
        there = found.index(chosen) + by
        if not 0 <= there < len(found):
            return False
        self._take(found[there].value)
        return True

    def action_leap(self, by: int) -> None:
        """Go on by a page of the list."""
        found, chosen = self._found, self._chosen
        if self.listed and chosen is not None and chosen in found:
            there = found.index(chosen) + by * self._rows
            self._take(found[max(0, min(there, len(found) - 1))].value)

    def action_turn(self, by: int) -> None:
        """Choose the next option or the one before."""
        if isinstance(self._field, Toggle):
            self._take(not self._draft.answers.flag(self._field.name))
            return
        found, option = self._found if self.listed else self._offered, self._chosen
        if not self.listed:
            self._sought = ""
        if option is not None and option in found:
            self._take(found[(found.index(option) + by) % len(found)].value)

    def on_key(self, event: events.Key) -> None:
        """Letters lead to an option that has them, and leave only those in a list; backspace takes one back."""
        if self.listed and event.key == "backspace":
            event.stop()
            self._narrow(self._sought[:-1])
            return
        if not event.is_printable or event.character is None or event.key == "space":
            return
        event.stop()
        # A letter is meant for a question or a line of text, and must tick nothing.
        if self.listed or self.can_open:
            self._opened = True
            self._narrow(self._sought + event.character.lower())
        elif isinstance(self._field, Choice):
            self._find(event.character.lower())

    def _narrow(self, sought: str) -> None:
        """Leave those of the list that have it, if there are any."""
        before, self._sought = self._sought, sought
        found, chosen = self._found, self._chosen
        if not found:
            self._sought = before
            return
        best = next((option for option in found if not option.reason), found[0])
        self._take((chosen if chosen in found and chosen is not None else best).value)

    def _find(self, letter: str) -> None:
        """Choose the first that has what was typed, or the letter alone."""
        self._sought += letter
        found = [option for option in self._offered if self._sought in _name(option).lower()]
        if found:
            self._take(found[0].value)
        else:
            self._sought = letter

    def on_click(self, event: events.Click) -> None:
        """A click is a space, or chooses a line of the list."""
        if not self.listed:
            self.action_turn(1)
        elif (there := self._top + event.y) < len(self._found):
            self._take(self._found[there].value)


def _name(option: Option) -> str:
    return option.label or option.value


def _why(option: Option) -> str:
    return f"not possible: {option.reason}" if option.reason else option.note
