"""A small vi: the modes, motions and commands that fingers know."""

from __future__ import annotations

import re
from collections.abc import Callable

from kvtui.demo.guests.call import Call, Command, Session
from kvtui.demo.guests.filesystem import FileError
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.tty import ERASE, INTERRUPT, Painter, caret, clip, width

UNDO_STEPS = 50
_ARROWS = {"\x1b[A": "k", "\x1b[B": "j", "\x1b[C": "l", "\x1b[D": "h"}
_ARROWS |= {f"\x1bO{key[-1]}": move for key, move in _ARROWS.items()}
_ARROWS |= {"\x1b[H": "0", "\x1bOH": "0", "\x1b[1~": "0", "\x1b[F": "$", "\x1bOF": "$", "\x1b[4~": "$"}


class Vi(Process):
    """Edits one file on the alternate screen with application cursor keys."""

    def __init__(self, session: Session, path: str) -> None:
        super().__init__(session.system, session.tty)
        self._session = session
        self._path = path
        self._painter = Painter(self.tty)
        self._lines = [""]
        self._row = self._column = self._top = self._left = 0
        self._inserting = False
        self._prompt: str | None = None  # a command or search being typed, with its : or /
        self._message = ""
        self._changed = False
        self._pending = ""  # the d, y or Z that waits for its second key, after a count
        self._count = ""
        self._yanked: list[str] = []
        self._pattern = ""
        self._undo: list[tuple[list[str], int, int]] = []
        self._commands: dict[str, Callable[[int], None]] = {
            "h": lambda n: self._go(self._row, self._column - n),
            "l": lambda n: self._go(self._row, self._column + n),
            "j": lambda n: self._go(self._row + n, self._column),
            "k": lambda n: self._go(self._row - n, self._column),
            "\r": lambda n: self._go(self._row + n, 0),
            " ": lambda n: self._go(self._row, self._column + n),
            "0": lambda _n: self._go(self._row, 0),
            "^": lambda _n: self._go(self._row, len(self._line) - len(self._line.lstrip())),
            "$": lambda _n: self._go(self._row, len(self._line)),
            "w": self._word_right,
            "b": self._word_left,
            "G": lambda n: self._go((n if self._count else len(self._lines)) - 1, 0),
            "\x06": lambda n: self._go(self._row + n * self._room, self._column),
            "\x02": lambda n: self._go(self._row - n * self._room, self._column),
            "x": self._cut_chars,
            "D": lambda _n: self._set_line(self._line[: self._column]),
            "J": self._join,
            "p": lambda _n: self._put(1),
            "P": lambda _n: self._put(0),
            "u": self._undo_step,
            "i": lambda _n: self._insert_at(self._column),
            "a": lambda _n: self._insert_at(self._column + 1),
            "I": lambda _n: self._insert_at(0),
            "A": lambda _n: self._insert_at(len(self._line)),
            "o": lambda _n: self._open_line(1),
            "O": lambda _n: self._open_line(0),
            "n": lambda _n: self._search(),
            "\x0c": lambda _n: self._painter.forget(),
        }
        self._pairs: dict[str, Callable[[int], None]] = {
            "dd": self._cut_lines,
            "yy": self._yank_lines,
            "gg": lambda _n: self._go(0, 0),
            "dw": self._cut_word,
            "ZZ": lambda _n: self._run_command("wq"),
        }

    def start(self) -> None:
        """Read the file and take the screen."""
        files = self.system.files
        absolute = self._session.resolve(self._path)
        if not self._path:
            self._message = ""
        elif files.exists(absolute):
            try:
                text = files.read(absolute)
                self._lines = text.removesuffix("\n").split("\n")
                self._message = f'"{self._path}" {len(self._lines)}L, {len(text.encode("utf-8", "replace"))}B'
            except FileError:
                self._message = f'"{self._path}" is a directory'
        else:
            self._message = f'"{self._path}" [New]'
        self.tty.write("\x1b[?1049h\x1b[?1h\x1b=\x1b[H\x1b[2J")
        self._paint()

    def on_key(self, key: str) -> None:
        """One key, in whichever mode the editor is."""
        if len(key) == 2 and key[0] == "\x1b":
            # Escape and a quick next key look like Alt on the line; vi means both.
            self._take("\x1b")
            key = key[1]
        if not self.finished:
            self._take(key)
        if not self.finished:
            self._paint()

    @property
    def _line(self) -> str:
        return self._lines[self._row]

    @property
    def _room(self) -> int:
        return max(1, self.tty.rows - 1)

    def _take(self, key: str) -> None:
        if self._prompt is not None:
            self._take_prompt(key)
        elif self._inserting:
            self._take_insert(key)
        else:
            self._take_command(key)

    def _take_insert(self, key: str) -> None:
        if key in ("\x1b", INTERRUPT):
            self._inserting = False
            self._go(self._row, self._column - 1)
        elif key in ("\r", "\n"):
            rest = self._line[self._column :]
            self._set_line(self._line[: self._column])
            self._lines.insert(self._row + 1, rest)
            self._go(self._row + 1, 0)
        elif key in ERASE:
            if self._column:
                self._set_line(self._line[: self._column - 1] + self._line[self._column :])
                self._go(self._row, self._column - 1)
            elif self._row:
                above = self._lines[self._row - 1]
                self._lines[self._row - 1 : self._row + 1] = [above + self._line]
                self._go(self._row - 1, len(above))
        elif key in _ARROWS:
            self._commands[_ARROWS[key]](1)
        elif len(key) == 1 and (key >= " " or key == "\t"):
            self._set_line(self._line[: self._column] + key + self._line[self._column :])
            self._go(self._row, self._column + 1)

    def _take_command(self, key: str) -> None:
        key = _ARROWS.get(key, key)
        self._message = ""
        if self._pending:
            pair, self._pending = self._pending + key, ""
            if pair in self._pairs:
                self._pairs[pair](int(self._count or 1))
        elif key.isdecimal() and key.isascii() and (key != "0" or self._count):
            self._count = (self._count + key)[-4:]
            return
        elif key in ("d", "y", "g", "Z"):
            self._pending = key
            return
        elif key in (":", "/"):
            self._prompt = key
        elif key in self._commands:
            self._commands[key](int(self._count or 1))
        elif key == INTERRUPT:
            self._message = "Type  :qa!  and press <Enter> to abandon all changes and exit Vim"
        self._count = ""

    def _take_prompt(self, key: str) -> None:
        typed = self._prompt or ""
        if key in ("\r", "\n"):
            self._prompt = None
            if typed.startswith("/"):
                self._pattern = typed[1:] or self._pattern
                self._search()
            else:
                self._run_command(typed[1:].strip())
        elif key in ("\x1b", INTERRUPT) or (key in ERASE and len(typed) == 1):
            self._prompt = None
        elif key in ERASE:
            self._prompt = typed[:-1]
        elif len(key) == 1 and key >= " ":
            self._prompt = typed + key

    def _run_command(self, text: str) -> None:
        match = re.fullmatch(r"(wqa?|w|x|qa?|\d{1,6}|)(!?)(?:\s+(\S+))?", text)
        if match is None:
            self._message = f"\x1b[37;41m{clip(f'E492: Not an editor command: {text}', self.tty.cols)}"
            return
        verb, force, target = match.groups()
        if verb.isdecimal():
            self._go(int(verb) - 1, 0)
            return
        if ("w" in verb or verb == "x") and not self._save(target or self._path):
            return
        if "q" in verb or verb == "x":
            if self._changed and not force:
                self._message = "\x1b[37;41mE37: No write since last change (add ! to override)"
                return
            self.tty.write(f"\x1b[{self.tty.rows};1H\x1b[K\x1b[?1l\x1b>\x1b[?1049l")
            self.finish()

    def _save(self, path: str) -> bool:
        if not path:
            self._message = "\x1b[37;41mE32: No file name"
            return False
        text = "\n".join(self._lines) + "\n"
        try:
            self.system.files.write(self._session.resolve(path), text, self._session.user)
        except FileError as error:
            self._message = f"\x1b[37;41mE212: Can't open file for writing: {error}"
            return False
        self._path = self._path or path
        self._changed = False
        self._message = f'"{path}" {len(self._lines)}L, {len(text.encode("utf-8", "replace"))}B written'
        return True

    def _go(self, row: int, column: int) -> None:
        self._row = max(0, min(len(self._lines) - 1, row))
        last = len(self._line) - (0 if self._inserting else 1)
        self._column = max(0, min(last, column))

    def _set_line(self, text: str) -> None:
        if not self._inserting:
            self._remember()
        self._lines[self._row] = text
        self._changed = True

    def _remember(self) -> None:
        self._undo.append((list(self._lines), self._row, self._column))
        del self._undo[:-UNDO_STEPS]
        self._changed = True

    def _undo_step(self, _count: int) -> None:
        if self._undo:
            self._lines, row, column = self._undo.pop()
            self._go(row, column)
        else:
            self._message = "Already at oldest change"

    def _insert_at(self, column: int) -> None:
        self._remember()
        self._inserting = True
        self._go(self._row, column)

    def _open_line(self, below: int) -> None:
        self._remember()
        self._inserting = True
        self._lines.insert(self._row + below, "")
        self._go(self._row + below, 0)

    def _cut_chars(self, count: int) -> None:
        self._set_line(self._line[: self._column] + self._line[self._column + count :])
        self._go(self._row, self._column)

    def _cut_word(self, _count: int) -> None:
        rest = re.sub(r"^(\w+|\W)\s*", "", self._line[self._column :])
        self._set_line(self._line[: self._column] + rest)
        self._go(self._row, self._column)

    def _cut_lines(self, count: int) -> None:
        self._remember()
        self._yank_lines(count)
        del self._lines[self._row : self._row + count]
        self._lines = self._lines or [""]
        self._go(self._row, 0)

    def _yank_lines(self, count: int) -> None:
        self._yanked = self._lines[self._row : self._row + count]

    def _put(self, below: int) -> None:
        if self._yanked and len(self._lines) < 50_000:
            self._remember()
            self._lines[self._row + below : self._row + below] = self._yanked
            self._go(self._row + below, 0)

    def _join(self, _count: int) -> None:
        if self._row + 1 < len(self._lines):
            self._remember()
            at = len(self._line)
            self._lines[self._row : self._row + 2] = [f"{self._line} {self._lines[self._row + 1].lstrip()}"]
            self._go(self._row, at)

    def _word_right(self, count: int) -> None:
        for _ in range(min(count, 100)):
            match = re.compile(r"(\w+|[^\w\s]+|)\s*").match(self._line, self._column)
            end = match.end() if match else 0
            if end >= len(self._line) and self._row + 1 < len(self._lines):
                self._go(self._row + 1, 0)
            else:
                self._go(self._row, end)

    def _word_left(self, count: int) -> None:
        for _ in range(min(count, 100)):
            if self._column == 0 and self._row:
                self._go(self._row - 1, len(self._lines[self._row - 1]))
            else:
                self._go(self._row, len(re.sub(r"(\w+|[^\w\s]+)\s*\Z", "", self._line[: self._column])))

    def _search(self) -> None:
        if not self._pattern:
            return
        count = len(self._lines)
        places = [(self._row, self._column + 1), *(((self._row + step) % count, 0) for step in range(1, count + 1))]
        for row, start in places:
            found = self._lines[row].find(self._pattern, start)
            if found >= 0:
                self._go(row, found)
                return
        self._message = f"\x1b[37;41m{clip(f'E486: Pattern not found: {self._pattern}', self.tty.cols)}"

    def on_resize(self) -> None:
        """Draw everything in the new size."""
        self._painter.forget()
        self._paint()

    def _paint(self) -> None:
        room, cols = self._room, self.tty.cols
        self._top = max(min(self._top, self._row), self._row - room + 1)
        before = width(_shown(self._line[: self._column]))
        self._left = max(min(self._left, before), before - cols + 2, 0)
        rows = [clip(_shown(line)[self._left :], cols) for line in self._lines[self._top : self._top + room]]
        rows += ["\x1b[94m~"] * (room - len(rows))
        rows = [*rows[: self.tty.rows - 1], self._status()]
        if self._prompt is not None:
            cursor = (self.tty.rows - 1, min(width(self._prompt), cols - 1))
        else:
            cursor = (self._row - self._top, min(before - self._left, cols - 1))
        self._painter.paint(rows, cursor)

    def _status(self) -> str:
        cols = self.tty.cols
        if self._prompt is not None:
            return clip(self._prompt, cols - 1)
        if self._message.startswith("\x1b"):
            return self._message
        text = self._message or ("-- INSERT --" if self._inserting else self._path or "[No Name]")
        place = f"{self._row + 1},{self._column + 1}"
        padding = max(1, cols - width(text) - len(place) - 1)
        return f"\x1b[7m{clip(text + ' ' * padding + place, cols - 1)}"


def _shown(line: str) -> str:
    return "".join(caret(char) for char in line.expandtabs(8))


def vi(call: Call) -> int | Process:
    """Edit a file."""
    operands = call.options()[1]
    return Vi(call.session, operands[0] if operands else "")


COMMANDS: dict[str, Command] = {"vi": vi, "vim": vi}
