"""How a case of conformance is written down: what the guest sends, and what a 10x6 screen shows then."""

from __future__ import annotations

from typing import NamedTuple

from kvtui.console.emulator import Emulator

COLUMNS, LINES = 10, 6
FIELD = "abcde\r\nfghij\r\nklmno\r\npqrst\r\nuvwxy"


class Case(NamedTuple):
    """`stream` with ^[ for ESC, the rows that show with / between them, and the cursor as CPR gives it: row;column."""

    stream: str
    rows: str
    cursor: str

    @property
    def data(self) -> bytes:
        """The bytes of `stream`."""
        return self.stream.replace("^[", "\x1b").encode()


def outcome(emulator: Emulator) -> tuple[str, str]:
    """Rows and cursor of an emulator in the notation of a case."""
    return "/".join(emulator.text()).rstrip("/"), f"{emulator.cursor.y + 1};{emulator.cursor.x + 1}"
