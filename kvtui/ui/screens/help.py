"""The help: every key there is, made from the declarations that the keys themselves are made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.keys import format_key
from textual.screen import ModalScreen
from textual.widgets import Static

from kvtui.model import Tone
from kvtui.resources.base import AnyResource
from kvtui.ui.consoles.reading import READING_KEYS
from kvtui.ui.lines import Line, LinesView, Part, line, wrap

_MARGIN = 6
"""Columns around the text: border, padding and scrollbar."""
_KEY_NAMES = {
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "exclamation_mark": "!",
    "space": "space",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "plus": "+",
    "minus": "-",
    "backslash": "\\",
    "circumflex_accent": "^",
    "underscore": "_",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "equals_sign": "=",
}

_DETACH = "give the keyboard back to the list; the console goes on"
_CONSOLE_KEYS = (
    ("shift+pgup, wheel", "read what has scrolled by, as [ does from the list; drag to select and copy"),
    ("enter", "in a console that has ended: connect again"),
    ("escape", "while a paste goes out: stop it"),
)
_FILTERS = (
    ("web fedora", "rows with both words in any column; of a reason from their beginning"),
    ("!running", "rows without the word"),
    ("node:n3", "rows whose column or field holds the value; node!:n3 those whose does not"),
    ("-l app=shop", "rows with the label"),
)


def name_key(key: str) -> str:
    """A key as people write it: ``ctrl+]``, ``/``, ``shift+tab``; of several chords the first two."""
    chords = []
    for chord in key.split(",")[:2]:
        *modifiers, last = chord.strip().split("+")
        chords.append("+".join([*modifiers, _KEY_NAMES.get(last, last if len(last) > 1 else format_key(last))]))
    return " ".join(chords)


class HelpScreen(ModalScreen[None]):
    """Lists keys: the whole help, or that of one screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "back")]

    def __init__(self, lines: Iterable[Line]) -> None:
        super().__init__()
        self._lines = tuple(lines)
        self._view = LinesView(id="help-view")

    def compose(self) -> ComposeResult:
        """The text and the way back."""
        yield self._view
        yield Static("esc back   j k pgup pgdn move", classes="detail-keys")

    def on_mount(self) -> None:
        """Give the text the keyboard."""
        self._view.focus()

    def on_resize(self) -> None:
        """Show the keys in the width there is."""
        self._view.show(piece for whole in self._lines for piece in fold(whole, self.size.width - _MARGIN))


def screen_lines(title: str, bindings: Iterable[BindingType]) -> Iterator[Line]:
    """The keys of one screen."""
    yield line(title, "title")
    for binding in bindings:
        if isinstance(binding, Binding):
            yield _entry(name_key(binding.key), binding.tooltip or binding.description)


def help_lines(
    resources: Sequence[AnyResource],
    bindings: Iterable[Binding],
    detach: str,
    menu: Iterable[tuple[str, str]] = (),
    *,
    reading: bool = False,
) -> Iterator[Line]:
    """The lines of the help. `menu` is that of a console: the key of each entry, and what it does. Who is `reading` a
    console is told of that first.
    """
    if reading:
        yield from _section("While a console is read", READING_KEYS)
        yield line()
    yield line("Everywhere", "title")
    for binding in bindings:
        yield _entry(name_key(binding.key_display or binding.key), binding.tooltip or binding.description)
    for resource in resources:
        if resource.verbs:
            yield line()
            yield line(f"On {resource.title}", "title")
            for action in resource.verbs:
                yield _entry(name_key(action.key) if action.key else f"a {action.label}", action.help)
    yield line()
    yield from _section("In a console", ((name_key(detach), _DETACH), *_CONSOLE_KEYS))
    yield line("  every other key is typed into the guest", Tone.MUTED)
    yield line()
    yield from _section("Menu of a console ( . in the list )", menu)
    if not reading:
        yield line()
        yield from _section("While a console is read", READING_KEYS)
    yield line()
    yield from _section("Filter ( / )", _FILTERS)


def _section(title: str, entries: Iterable[tuple[str, str]]) -> Iterator[Line]:
    yield line(title, "title")
    for key, meaning in entries:
        yield _entry(key, meaning)


def fold(whole: Line, width: int) -> Iterator[Line]:
    """The line of a key in lines of at most `width` columns, its meaning in a column of its own."""
    if len(whole) < 2:
        yield whole
        return
    key, meaning = whole
    indent = len(key.text)
    for number, text in enumerate(wrap(meaning.text, width - indent)):
        yield (key if number == 0 else Part(" " * indent), Part(text, meaning.look))


def _entry(key: str, meaning: str) -> Line:
    return (Part(f"  {key:<18} ", "key"), Part(meaning))
