"""Splits what a guest sends into text, controls and escape sequences, and calls the screen's method for each.

The grammar is that of ECMA-48 and xterm. Any way of cutting the stream into pieces gives the same calls: what is
incomplete at the end of a piece waits for the next. What is unknown is swallowed whole, never printed, unless its
parameters run to more than 256 characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from kvtui.console.screen import Screen

_PARAMETERS_LIMIT: Final = 256
_STRING_LIMIT: Final = 4096
_NUMBER_LIMIT: Final = 9999

# Control characters inside a CSI sequence take effect, as on a VT100; ESC, CAN and SUB end it instead.
_PARAMETER: Final = rf"[\x00-\x17\x19\x1c-?\x7f]{{0,{_PARAMETERS_LIMIT}}}+"
_TOKEN: Final = re.compile(
    r"([^\x00-\x1f\x7f]++)"  # 1: text
    rf"|(\x1b\[{_PARAMETER}[@-~])"  # 2: CSI
    r"|([\x00-\x1a\x1c-\x1f\x7f])"  # 3: control
    r"|\x1b([\]P_^X])"  # 4: begin of a string
    r"|(\x1b(?!\[)[ -/]{0,4}+[0-~])"  # 5: other escape
    rf"|(\x1b(?:\[{_PARAMETER}|[ -/]{{0,4}}+)\Z)"  # 6: incomplete
    rf"|\x1b(?:\[{_PARAMETER}|[ -/]{{0,5}}+)"  # broken off or overlong: nothing
)
_TEXT, _CSI, _CONTROL, _STRING, _ESCAPE, _INCOMPLETE = range(1, 7)

# Whoever sends OSC, DCS, APC, PM or SOS breaks no lines in them, so the end of a line ends them: noise that happens to
# look like their begin costs no more than that line.
_STRING_BODY: Final = re.compile(r"[^\x07\x18\x1a\x1b\r\n]*+")
_STRING_ENDS: Final = "\x07\x1b"

_C1: Final = re.compile("[\x80-\x9f]")
_CONTROLS_IN_SEQUENCE: Final = re.compile(r"[\x00-\x1f\x7f]")
_SEQUENCE: Final = re.compile(r"\x1b\[([<=>?]?)([0-9:;]*)([ -/]*)([@-~])")

# Prefix, intermediates and final byte of a sequence: the screen's method, and how many numbers it takes.
_SEQUENCES: Final[dict[str, tuple[str, int]]] = {
    "@": ("insert_characters", 1),
    "A": ("cursor_up", 1),
    "B": ("cursor_down", 1),
    "C": ("cursor_forward", 1),
    "D": ("cursor_back", 1),
    "E": ("cursor_down1", 1),
    "F": ("cursor_up1", 1),
    "G": ("cursor_to_column", 1),
    "H": ("cursor_position", 2),
    "I": ("tab_forward", 1),
    "J": ("erase_in_display", 1),
    "K": ("erase_in_line", 1),
    "L": ("insert_lines", 1),
    "M": ("delete_lines", 1),
    "P": ("delete_characters", 1),
    "S": ("scroll_up", 1),
    "T": ("scroll_down", 1),
    "X": ("erase_characters", 1),
    "Z": ("tab_back", 1),
    "`": ("cursor_to_column", 1),
    "a": ("cursor_forward", 1),
    "b": ("repeat_character", 1),
    "c": ("report_device_attributes", 1),
    "d": ("cursor_to_line", 1),
    "e": ("cursor_down_to_edge", 1),
    "f": ("cursor_position", 2),
    "g": ("clear_tab_stop", 1),
    "h": ("set_mode", 16),
    "l": ("reset_mode", 16),
    "n": ("report_device_status", 1),
    "r": ("set_margins", 2),
    "s": ("save_cursor", 0),
    "t": ("report_window", 1),
    "u": ("restore_cursor", 0),
    "?J": ("erase_in_display", 1),
    "?K": ("erase_in_line", 1),
    "?h": ("set_private_mode", 16),
    "?l": ("reset_private_mode", 16),
    "?n": ("report_private_status", 1),
    ">c": ("report_secondary_attributes", 1),
    "!p": ("soft_reset", 0),
    "$p": ("report_mode", 1),
    "?$p": ("report_private_mode", 1),
}
_ESCAPES: Final = {
    "7": "save_cursor",
    "8": "restore_cursor",
    "D": "index",
    "E": "next_line",
    "H": "set_tab_stop",
    "M": "reverse_index",
    "Z": "report_device_attributes",
    "c": "reset",
    "#8": "alignment_display",
}
_CONTROLS: Final = {
    "\b": "backspace",
    "\t": "tab",
    "\n": "linefeed",
    "\v": "linefeed",
    "\f": "linefeed",
    "\r": "carriage_return",
    "\x0e": "shift_out",
    "\x0f": "shift_in",
}

_Call = tuple[Callable[..., None], tuple[Any, ...]]
_CALLS_LIMIT: Final = 8192


class Tokenizer:
    """Drives one screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._controls: dict[str, Callable[[], None]] = {c: getattr(screen, name) for c, name in _CONTROLS.items()}
        # Guests repeat themselves: each sequence is understood once.
        self._calls: dict[str, _Call] = {}
        self._tail = ""
        self._string = ""
        self._string_kind = ""

    def feed(self, text: str) -> None:
        """Take the next piece of the stream."""
        if not text.isascii():
            text = _C1.sub(lambda found: "\x1b" + chr(ord(found[0]) - 0x40), text)
        text, self._tail = self._tail + text, ""
        start = 0
        while start < len(text):
            start = self._feed_string(text, start) if self._string_kind else self._feed_tokens(text, start)

    @property
    def is_between(self) -> bool:
        """Whether the next character begins something: no sequence and no string is open."""
        return not self._tail and not self._string_kind

    def _feed_tokens(self, text: str, start: int) -> int:
        """Obey tokens up to the begin of a string or the end of `text`; where that is."""
        draw, calls, controls = self._screen.draw, self._calls, self._controls
        for token in _TOKEN.finditer(text, start):
            kind = token.lastindex
            if kind == _TEXT:
                draw(token[0])
            elif kind == _CSI:
                method, arguments = calls.get(token[0]) or self._understand(token[0])
                method(*arguments)
            elif kind == _CONTROL:
                if control := controls.get(token[0]):
                    control()
                if token[0] == "\n" and (lines := self._take_lines(text, token.end())):
                    return token.end() + lines
            elif kind == _ESCAPE:
                self._escape(token[0][1:])
            elif kind == _STRING:
                self._string_kind, self._string = token[_STRING], ""
                return token.end()
            elif kind == _INCOMPLETE:
                self._tail = token[0]
        return len(text)

    def _take_lines(self, text: str, start: int) -> int:
        """Draw whole lines of plain text, if there are several and the screen takes them so; how long they are."""
        if not self._screen.takes_lines:
            return 0
        lines = _whole_lines(self._screen.columns).match(text, start)
        if lines is None:
            return 0
        self._screen.draw_lines(lines[0].split("\r\n")[:-1])
        return len(lines[0])

    def _feed_string(self, text: str, start: int) -> int:
        """Gather a string; what ends it is obeyed afterwards like any other token (``ESC \\`` does nothing more)."""
        body = _STRING_BODY.match(text, start)
        end = body.end() if body else start
        self._string += text[start : min(end, start + _STRING_LIMIT - len(self._string))]
        if end < len(text):
            kind, self._string_kind = self._string_kind, ""
            if kind == "]" and text[end] in _STRING_ENDS:
                self._operating_system_command(self._string)
        return end

    def _operating_system_command(self, command: str) -> None:
        """OSC: titles alone. The clipboard (52), links, colours and working directories are nobody's business."""
        number, _, argument = command.partition(";")
        if number in ("0", "2"):
            self._screen.set_title(argument)

    def _escape(self, sequence: str) -> None:
        if sequence[0] in "()" and len(sequence) == 2:
            self._screen.define_charset(sequence[1], sequence[0])
        elif name := _ESCAPES.get(sequence):
            getattr(self._screen, name)()

    def _understand(self, sequence: str) -> _Call:
        """The call that a CSI sequence stands for; controls inside it are obeyed at once."""
        if inside := _CONTROLS_IN_SEQUENCE.findall(sequence, 1):
            for character in inside:
                self._controls.get(character, _nothing)()
            return self._understand(sequence[0] + _CONTROLS_IN_SEQUENCE.sub("", sequence[1:]))
        if len(self._calls) >= _CALLS_LIMIT:
            self._calls.clear()
        call = self._calls[sequence] = self._call_for(sequence)
        return call

    def _call_for(self, sequence: str) -> _Call:
        parts = _SEQUENCE.fullmatch(sequence)
        if parts is None:
            return _nothing, ()
        prefix, parameters, intermediates, final = parts.groups()
        if prefix + intermediates + final == "m":
            return self._screen.set_look, (parameters,)
        name, arity = _SEQUENCES.get(prefix + intermediates + final, ("", 0))
        if not name or ":" in parameters:
            return _nothing, ()
        numbers = tuple(min(int(number or 0), _NUMBER_LIMIT) for number in parameters.split(";")[:arity])
        return getattr(self._screen, name), numbers


@lru_cache(16)
def _whole_lines(columns: int) -> re.Pattern[str]:
    """Several lines of ASCII that are not wrapped. That none is longer keeps a look that is in vain short."""
    return re.compile(rf"(?:[ -~]{{0,{columns}}}+\r\n){{2,}}+")


def _nothing() -> None:
    """What a control without meaning does."""
