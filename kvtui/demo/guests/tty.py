"""The guest's end of the serial line: output with its log, keys out of bytes, and the kernel's line editing."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from wcwidth import wcswidth, wcwidth

from kvtui.demo.seriallog import SerialLog

LINE_LIMIT = 4096  # longest line the kernel's line discipline takes (N_TTY_BUF_SIZE)

INTERRUPT = "\x03"
END_OF_FILE = "\x04"
ERASE = ("\x08", "\x7f")

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;:?<=>]*[ -/]*[@-~]|O[ -~]|[^\[O\x1b])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:?<=>]{0,32}[ -/]{0,4}|O)?\Z")


def width(text: str) -> int:
    """Columns that `text` takes on the screen; control characters count as none."""
    whole = wcswidth(text)
    return whole if whole >= 0 else sum(max(0, wcwidth(char)) for char in text)


def clip(text: str, columns: int) -> str:
    """`text` cut to at most `columns` columns, never through a wide character."""
    if len(text) <= columns and text.isascii():
        return text
    used = 0
    for index, char in enumerate(text):
        used += max(0, wcwidth(char))
        if used > columns:
            return text[:index]
    return text


def caret(char: str) -> str:
    """How a terminal echoes a control character: ^C for 3, ^? for DEL; others stand for themselves."""
    if char < " " or char == "\x7f":
        return "^" + chr(ord(char) ^ 0x40)
    return char


class Tty:
    """What programs write, to whoever is attached and to a log, and the size they believe the terminal to have.

    Where `is_terminal` is false it is a mere pipe: nothing is echoed, and newlines stay as they are.
    """

    def __init__(self, name: str, log: SerialLog | None = None, *, is_terminal: bool = True) -> None:
        self.name = name
        self.is_terminal = is_terminal
        self.rows = 24
        self.cols = 80
        self.sender: Callable[[bytes], None] | None = None
        self._log = log

    def write(self, text: str) -> None:
        """Send text, each newline as CR LF; it is lost, but for the log, while nobody is attached."""
        if not text:
            return
        if self.is_terminal:
            text = text.replace("\n", "\r\n")
        data = text.encode("utf-8", "replace")
        if self._log is not None:
            self._log.write(data)
        if self.sender is not None:
            self.sender(data)


class KeyReader:
    """Cuts the bytes a terminal sends into keys: one character each, or one whole escape sequence."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    def feed(self, data: bytes) -> list[str]:
        """Keys complete so far; the start of a sequence is kept until its end arrives or `flush` is called."""
        text = self._pending + self._decoder.decode(data)
        self._pending = ""
        keys: list[str] = []
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                keys.append(text[at])
                at += 1
            elif match := _SEQUENCE.match(text, at):
                keys.append(match.group())
                at = match.end()
            elif _UNFINISHED.match(text, at):
                self._pending = text[at:]
                break
            else:
                keys.append("\x1b")
                at += 1
        return keys

    def flush(self) -> list[str]:
        """The keys of a sequence that did not go on in time: that was someone pressing Escape."""
        keys = list(self._pending)
        self._pending = ""
        return keys


class LineInput:
    """Cooked mode: the kernel collects a line, echoes it, and lets it be corrected with erase, ^W and ^U.

    What is only a pipe echoes nothing.
    """

    def __init__(self, tty: Tty, *, echo: bool = True) -> None:
        self.text = ""
        self._tty = tty
        self._echo = echo

    def key(self, key: str) -> str | None:
        """Take one key. The line when Enter ends it, INTERRUPT, END_OF_FILE (on an empty line), or None."""
        if key in ("\r", "\n"):
            line, self.text = self.text, ""
            if self._tty.is_terminal:
                self._tty.write("\n")
            return line
        if key == INTERRUPT:
            self.text = ""
            self._tty.write("^C\n")
            return INTERRUPT
        if key == END_OF_FILE:
            return None if self.text else END_OF_FILE
        if key in ERASE:
            self._cut(self.text[:-1])
        elif key == "\x15":
            self._cut("")
        elif key == "\x17":
            self._cut(re.sub(r"\S*\s*\Z", "", self.text))
        elif len(self.text) + len(key) < LINE_LIMIT:
            self.text += key
            self._show("".join(caret(char) for char in key))
        return None

    def _cut(self, rest: str) -> None:
        gone = width("".join(caret(char) for char in self.text[len(rest) :]))
        self.text = rest
        self._show("\b \b" * gone)

    def _show(self, text: str) -> None:
        if self._echo and self._tty.is_terminal:
            self._tty.write(text)


class Painter:
    """Draws a full screen of styled lines by cursor addressing, sending only the lines that changed."""

    def __init__(self, tty: Tty) -> None:
        self._tty = tty
        self._shown: list[str] = []

    def forget(self) -> None:
        """Draw everything the next time."""
        self._shown = []

    def paint(self, lines: list[str], cursor: tuple[int, int] | None = None) -> None:
        """Show `lines` (each already cut to the width) and leave the cursor at (row, column), counted from 0."""
        out = []
        for row, line in enumerate(lines[: self._tty.rows]):
            if row >= len(self._shown) or self._shown[row] != line:
                # Cleared before it is written: after a full line the cursor still stands on the last column.
                out.append(f"\x1b[{row + 1};1H\x1b[m\x1b[K{line}\x1b[m")
        self._shown = lines[: self._tty.rows]
        if cursor is not None:
            out.append(f"\x1b[{cursor[0] + 1};{cursor[1] + 1}H")
        self._tty.write("".join(out))
