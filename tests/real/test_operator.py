"""The person at the console, at a shell of the test's own."""

from __future__ import annotations

import asyncio

from kvtui.console.session import Session
from kvtui.console.sight import Sight, Stage
from tests.console.test_session import FakeLine, settle
from tests.real.operator import Operator, Tap


async def test_command_is_typed_behind_the_answer_that_the_shell_asked_for() -> None:
    heard = bytearray()
    line = FakeLine()

    async def dial() -> Tap:
        return Tap(line, heard)

    session = Session(dial, look=lambda: Sight(Stage.UNKNOWN))
    session.start()
    operator = Operator(session, heard)
    running = asyncio.create_task(operator.run("less log"))
    line.send(b"guest:~# ")
    await settle()
    assert line.written == []

    # The question is heard, and the operator looks up, before the emulator has read it.
    line.send(b"\x1b[6n")
    session.touch()
    await settle()
    assert line.written == [b"\x1b[1;10R", b"less log\r"]

    line.send(b"less log\r\nall of it\r\nguest:~# \x1b[6n")
    assert await running == "all of it\n"
    await session.stop()
