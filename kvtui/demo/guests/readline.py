"""Line editing as bash's readline does it: cursor keys, history, completion, words, paste."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from kvtui.demo.guests.tty import END_OF_FILE, Tty, width

_LIMIT = 65_536  # bash has none; a simulated guest shall not grow without end
_STYLE = re.compile(r"\x1b\[[0-9;]*m")

Complete = Callable[[str], tuple[str, list[str]]]
"""Given the text left of the cursor: the word to complete, and what it may become."""


class Readline:
    """One line at a time at a prompt, with a history that its owner keeps."""

    def __init__(self, tty: Tty, history: list[str], complete: Complete) -> None:
        self._tty = tty
        self._history = history
        self._complete = complete
        self._prompt = ""
        self._text = ""
        self._at = 0
        self._row = 0  # the cursor's row below the one where the prompt began
        self._recall = 0
        self._draft = ""
        self._killed = ""
        self._pasting = False
        self._pasted: list[str] = []  # shown when the paste has ended, as by readline
        self._tabbed = False
        self._actions: dict[str, Callable[[], None]] = {
            "\x01": self._home, "\x1b[H": self._home, "\x1bOH": self._home, "\x1b[1~": self._home,
            "\x05": self._end, "\x1b[F": self._end, "\x1bOF": self._end, "\x1b[4~": self._end,
            "\x02": self._left, "\x1b[D": self._left, "\x1bOD": self._left,
            "\x06": self._right, "\x1b[C": self._right, "\x1bOC": self._right,
            "\x10": self._older, "\x1b[A": self._older, "\x1bOA": self._older,
            "\x0e": self._newer, "\x1b[B": self._newer, "\x1bOB": self._newer,
            "\x1bb": self._word_left, "\x1b[1;5D": self._word_left,
            "\x1bf": self._word_right, "\x1b[1;5C": self._word_right,
            "\x08": self._erase, "\x7f": self._erase, "\x1b[3~": self._delete,
            "\x15": self._kill_before, "\x0b": self._kill_after, "\x17": self._kill_word, "\x19": self._yank,
            "\x0c": self._clear, "\t": self._tab,
        }  # fmt: skip

    def begin(self, prompt: str) -> None:
        """Show the prompt and start an empty line."""
        self._prompt = prompt
        self._text, self._at, self._row = "", 0, 0
        self._recall, self._draft = len(self._history), ""
        self._pasting = self._tabbed = False
        self._pasted.clear()
        self._tty.write("\x1b[?2004h" + prompt)

    def key(self, key: str) -> str | None:
        """Take one key. The line when Enter ends it, END_OF_FILE for ^D on an empty line, or None."""
        if key in ("\x1b[200~", "\x1b[201~"):
            self._pasting = key == "\x1b[200~"
            self._insert("".join(self._pasted))
            self._pasted.clear()
            return None
        if self._pasting:
            if len(self._pasted) < _LIMIT and (key >= " " or key in "\r\n\t"):
                self._pasted.append("\n" if key == "\r" else key)
            return None
        if key in ("\r", "\n"):
            self.leave()
            return self._text
        if key == END_OF_FILE:
            if not self._text:
                return self._leave_with("exit", END_OF_FILE)
            self._delete()
            return None
        again, self._tabbed = self._tabbed, key == "\t"
        action = self._actions.get(key)
        if key == "\t" and again:
            self._list_candidates()
        elif action is not None:
            action()
        elif len(key) == 1 and key >= " ":
            self._insert(key)
        return None

    def leave(self, mark: str = "") -> None:
        """Put the cursor below the line, as before running a command; `mark` (^C) is shown at the cursor's end."""
        self._move(len(self._text))
        self._tty.write(f"{mark}\n\x1b[?2004l\r")

    def _leave_with(self, text: str, result: str) -> str:
        self._tty.write(f"\n\x1b[?2004l\r{text}\n")
        return result

    def _place(self, text: str) -> tuple[int, int]:
        """Row and column of the cursor after the prompt and `text`, from where the prompt began."""
        row = column = 0
        for char in _STYLE.sub("", self._prompt) + text:
            if char == "\n":
                row, column = row + 1, 0
                continue
            columns = width(char)
            if column + columns > self._tty.cols:
                row, column = row + 1, 0
            column += columns
        return (row + 1, 0) if column >= self._tty.cols else (row, column)

    def _draw(self) -> None:
        up = f"\x1b[{self._row}A" if self._row else ""
        row, column = self._place(self._text)
        # A full last line leaves the cursor hanging at its end: a space and CR push it to the next one.
        wrap = " \r" if column == 0 and not self._text.endswith("\n") else ""
        self._tty.write(f"\r{up}\x1b[J{self._prompt}{self._text}{wrap}")
        self._row = row
        self._show_cursor(row)

    def _show_cursor(self, from_row: int) -> None:
        row, column = self._place(self._text[: self._at])
        rows = row - from_row
        vertical = f"\x1b[{-rows}A" if rows < 0 else f"\x1b[{rows}B" if rows > 0 else ""
        self._tty.write(f"{vertical}\r" + (f"\x1b[{column}C" if column else ""))
        self._row = row

    def _move(self, at: int) -> None:
        at = max(0, min(len(self._text), at))
        if at != self._at:
            self._at = at
            self._show_cursor(self._row)

    def _insert(self, text: str) -> None:
        if not text or len(self._text) + len(text) >= _LIMIT:
            return
        at_end = self._at == len(self._text)
        self._text = self._text[: self._at] + text + self._text[self._at :]
        self._at += len(text)
        row, column = self._place(self._text)
        if at_end and row == self._row and column and "\n" not in text:
            self._tty.write(text)
        else:
            self._draw()

    def _replace(self, text: str, at: int | None = None) -> None:
        self._text = text
        self._at = len(text) if at is None else at
        self._draw()

    def _home(self) -> None:
        self._move(0)

    def _end(self) -> None:
        self._move(len(self._text))

    def _left(self) -> None:
        self._move(self._at - 1)

    def _right(self) -> None:
        self._move(self._at + 1)

    def _word_start(self) -> int:
        return len(re.sub(r"\w+\W*\Z|\W+\Z", "", self._text[: self._at]))

    def _word_left(self) -> None:
        self._move(self._word_start())

    def _word_right(self) -> None:
        match = re.compile(r"\W*\w*").match(self._text, self._at)
        self._move(match.end() if match else self._at)

    def _erase(self) -> None:
        if self._at:
            self._replace(self._text[: self._at - 1] + self._text[self._at :], self._at - 1)

    def _delete(self) -> None:
        if self._at < len(self._text):
            self._replace(self._text[: self._at] + self._text[self._at + 1 :], self._at)

    def _kill_before(self) -> None:
        self._killed = self._text[: self._at]
        self._replace(self._text[self._at :], 0)

    def _kill_after(self) -> None:
        self._killed = self._text[self._at :]
        self._replace(self._text[: self._at])

    def _kill_word(self) -> None:
        start = len(re.sub(r"\S*\s*\Z", "", self._text[: self._at]))
        self._killed = self._text[start : self._at]
        self._replace(self._text[:start] + self._text[self._at :], start)

    def _yank(self) -> None:
        self._insert(self._killed)

    def _clear(self) -> None:
        self._tty.write("\x1b[H\x1b[2J")
        self._row = 0
        self._draw()

    def _older(self) -> None:
        self._recall_line(self._recall - 1)

    def _newer(self) -> None:
        self._recall_line(self._recall + 1)

    def _recall_line(self, index: int) -> None:
        if not 0 <= index <= len(self._history):
            self._tty.write("\a")
            return
        if self._recall == len(self._history):
            self._draft = self._text
        self._recall = index
        self._replace(self._history[index] if index < len(self._history) else self._draft)

    def _tab(self) -> None:
        word, candidates = self._complete(self._text[: self._at])
        common = posixpath.commonprefix(candidates)
        if len(candidates) == 1 and not common.endswith("/"):
            common += " "
        if len(common) > len(word):
            self._insert(common[len(word) :])
            self._tabbed = False
        else:
            self._tty.write("\a")

    def _list_candidates(self) -> None:
        _word, candidates = self._complete(self._text[: self._at])
        if not candidates:
            return
        names = [posixpath.basename(name.rstrip("/")) + ("/" if name.endswith("/") else "") for name in candidates]
        self._move(len(self._text))
        self._tty.write("\n" + columns(names, self._tty.cols))
        self._row = 0
        self._draw()


def columns(names: list[str], cols: int, style: Callable[[str], str] = str) -> str:
    """Names in columns, down then across, as ls and readline list them, each dressed by `style`."""
    if not names:
        return ""
    each = max(width(name) for name in names) + 2
    across = max(1, cols // each)
    down = -(-len(names) // across)
    rows = [names[row::down] for row in range(down)]
    return "".join("".join(style(name) + " " * (each - width(name)) for name in row).rstrip() + "\n" for row in rows)
