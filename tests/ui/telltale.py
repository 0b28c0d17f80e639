"""kvtui with guests that show the bytes that they get, for tests in a terminal: ``python -m tests.ui.telltale``."""

from __future__ import annotations

from kvtui.backends.base import ByteStream
from kvtui.config import Settings
from kvtui.ending import Ending
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.ui.app import run
from tests.ui.backend import ConsoleLine, RecordedBackend, Stage


class TelltaleLine(ConsoleLine):
    """Each byte is shown as ``<1b>``; a ``|`` ends a line, with the number of such lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0

    async def write(self, data: bytes) -> None:
        for byte in data:
            if byte == 0x7C:
                self.lines += 1
                self.say(b"| %d.\r\n" % self.lines)
            else:
                self.say(b"<%02x>" % byte)


class TelltaleBackend(RecordedBackend):
    async def open_console(self, ref: Ref) -> ByteStream:
        return TelltaleLine()


def main() -> int:
    stage = Stage()
    stage.backend = TelltaleBackend()
    stage.fleet = Fleet([stage.backend], clock=stage.clock)
    stage.list_all()
    with Ending() as ending:
        return run(Settings(), stage.connect, ending, where="prod-fra1")


if __name__ == "__main__":
    raise SystemExit(main())
