"""Shells of guests over SSH: what comes and goes, and how it ends."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import asyncssh
import pytest

from kvtui.backends.ssh import open_shell
from kvtui.errors import BackendError, ForbiddenError, UnreachableError
from kvtui.model import Ref
from tests.cluster import running_cluster
from tests.demo.wire import create, machine
from tests.wire.sshserver import (
    VM,
    Absent,
    User,
    Wire,
    faults,
    raw_server,
    read_to_end,
    read_until,
    shell_at,
    ssh_server,
    wire_to,
)
from tests.wire.support import kept

pytestmark = pytest.mark.usefixtures("home", "no_thread_is_left", "nothing_is_left_of_others")


async def test_a_shell_is_a_terminal_with_a_size_and_a_status(known_hosts: Path) -> None:
    async with ssh_server() as port:
        user = User("right")
        shell = await shell_at(port, user, known_hosts, columns=100, lines=40)
        assert user.asked == [("password of root on shop/web-1", True)]
        await read_until(shell, b"xterm-256color 100x40 shell\r\n")
        every = bytes(range(256)) * 100
        await shell.write(every)
        text = b""
        while len(text) < len(every):
            text += await shell.read()
        assert text == every
        shell.resize(90, 20)
        await read_until(shell, b"now 90x20\r\n")
        await shell.write(b"q")
        assert await read_to_end(shell) == b""
        assert shell.exit_status == 3
        assert await shell.read() == b"", "an end is an end"
        with pytest.raises(UnreachableError, match="has ended"):
            await shell.write(b"x")
        shell.resize(80, 24)
        await shell.close()
        await shell.close()


async def test_a_command_without_terminal_reads_to_the_end_of_its_input(known_hosts: Path) -> None:
    async with ssh_server() as port:
        shell = await shell_at(port, User("right"), known_hosts, command="wc", terminal="")
        await shell.write(b"one\n")
        await shell.end_input()
        assert await read_to_end(shell) == b"None 0x0 wc\r\none\n"
        assert shell.exit_status == 0
        await shell.close()


# How it ends


async def test_a_connection_that_is_cut_is_no_end(known_hosts: Path) -> None:
    cut = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with ssh_server() as port:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

            async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while data := await source.read(65_536):
                    sink.write(data)

            tasks = [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))]
            await cut.wait()
            for task in tasks:
                task.cancel()
            writer.transport.abort()
            far_writer.close()

    async with raw_server(serve) as port:
        shell = await shell_at(port, User("right"), known_hosts)
        await read_until(shell, b"shell\r\n")
        cut.set()
        with pytest.raises(UnreachableError, match="cut"):
            await read_to_end(shell)
        with pytest.raises(UnreachableError):
            await shell.write(b"x")
        await shell.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no ssh server answers on shop/web-1"),
        (b"SSH-1.5-old\r\n", "no ssh server answers on shop/web-1"),
        (b"SSH-2.0-x\r\n" + b"\xff" * 5000, "what answers on shop/web-1 does not speak SSH"),
        (b"x" * 200_000, "no ssh server answers on shop/web-1"),
        (b"", "no ssh server answers on shop/web-1"),
    ],
)
async def test_what_is_no_ssh_server_is_said(known_hosts: Path, said: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if not said.startswith(b"SSH"):
            writer.write_eof()
        # What is closed while something is unread is reset, and what was said may be lost.
        await reader.read()

    async with raw_server(serve) as port:
        with pytest.raises(BackendError, match=words):
            await asyncio.wait_for(shell_at(port, User("right"), known_hosts, handshake=5.0), 10)


async def test_what_is_no_ssh_server_is_said_even_when_it_cuts_the_wire(known_hosts: Path) -> None:
    class Breaking(Wire):
        async def read(self) -> bytes:
            if not said:
                raise UnreachableError("the wire was cut")
            return said.pop()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    said = [b"x" * 200_000]
    async with raw_server(serve) as port:
        stream = Breaking(*await asyncio.open_connection("127.0.0.1", port))
        with pytest.raises(BackendError, match="no ssh server answers on shop/web-1"):
            await open_shell(stream, VM, user="root", asker=User(), known_hosts=known_hosts)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "no ssh server answers on shop/web-1"),
        (b"SSH-2.0-half a banner", "no ssh server answers on shop/web-1"),
        (b"SSH-2.0-x\r\n", "the ssh server of shop/web-1 fell silent"),
    ],
)
async def test_a_server_that_falls_silent_is_not_waited_for(known_hosts: Path, said: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await asyncio.sleep(60)

    async with raw_server(serve) as port:
        with pytest.raises(UnreachableError, match=words):
            await asyncio.wait_for(shell_at(port, User("right"), known_hosts, handshake=0.3), 10)


async def test_random_bytes_are_an_error_and_nothing_else(known_hosts: Path) -> None:
    draw = random.Random(7)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(draw.choice((b"", b"SSH-2.0-x\r\n")) + draw.randbytes(draw.randrange(1, 4000)))
        await writer.drain()

    async with raw_server(serve) as port:
        for _ in range(50):
            with pytest.raises(BackendError):
                await asyncio.wait_for(shell_at(port, User("right"), known_hosts, handshake=5.0), 10)


async def test_a_guest_that_is_gone_without_a_word_is_noticed(known_hosts: Path) -> None:
    gone = asyncio.Event()

    class Stopping(Wire):
        async def read(self) -> bytes:
            data = await super().read()
            if gone.is_set():
                await asyncio.Event().wait()
            return data

    async with ssh_server() as port:
        stream = Stopping(*await asyncio.open_connection("127.0.0.1", port))
        shell = await open_shell(stream, VM, user="root", asker=User("right"), known_hosts=known_hosts, keepalive=0.1)
        await read_until(shell, b"shell\r\n")
        gone.set()
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(read_to_end(shell), 10)
        await shell.close()


async def test_closing_while_a_question_is_open(tmp_path: Path) -> None:
    """The question of trust blocks the thread of the shell, and closing lets it go."""
    async with ssh_server() as port:
        user = Absent()
        opening = asyncio.create_task(shell_at(port, user, tmp_path / "known_hosts"))
        await asyncio.wait_for(user.asked.wait(), 10)
        opening.cancel()
        started = time.monotonic()
        await asyncio.gather(opening, return_exceptions=True)
        assert time.monotonic() - started < 5


async def test_closing_while_a_password_is_asked_for(known_hosts: Path) -> None:
    async with ssh_server() as port:
        user = Absent()
        opening = asyncio.create_task(shell_at(port, user, known_hosts))
        await asyncio.wait_for(user.asked.wait(), 10)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)


async def test_closing_while_more_comes_than_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    user = Absent()
    received = 0

    class Endless(Wire):
        async def read(self) -> bytes:
            nonlocal received
            reading, asked = asyncio.ensure_future(super().read()), asyncio.ensure_future(user.asked.wait())
            await asyncio.wait({reading, asked}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if not user.asked.is_set():
                return reading.result()
            # The thread waits for the answer, and takes nothing.
            reading.cancel()
            received += 1
            return bytes(65_536)

    async with ssh_server() as port:
        stream = Endless(*await asyncio.open_connection("127.0.0.1", port))
        opening = asyncio.create_task(
            open_shell(stream, VM, user="root", asker=user, known_hosts=tmp_path / "known_hosts")
        )
        before = -1
        while not received or before != received:
            before = received
            await asyncio.sleep(0.05)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
    assert faults(caplog) == []


async def test_writing_that_was_given_up_may_fail_in_silence(
    known_hosts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given_up = asyncio.Event()

    async def deaf(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await given_up.wait()
        process.exit(0)

    async with ssh_server(shell=deaf) as port:
        shell = await shell_at(port, User("right"), known_hosts)
        await shell.write(bytes(2**23))
        writing = asyncio.create_task(shell.write(b"more than fits"))
        _, waiting = await asyncio.wait({writing}, timeout=0.2)
        assert waiting
        writing.cancel()
        given_up.set()
        await read_to_end(shell)
        await shell.close()
        del writing, waiting, _
        assert faults(caplog) == []


async def test_closing_ends_a_reader_that_waits(known_hosts: Path) -> None:
    async with ssh_server() as port:
        shell = await shell_at(port, User("right"), known_hosts)
        await read_until(shell, b"shell\r\n")
        reader = asyncio.create_task(read_to_end(shell))
        await asyncio.sleep(0)
        await shell.close()
        assert await asyncio.wait_for(reader, 5) == b""


async def test_the_stream_below_is_closed_even_when_nobody_gets_in(known_hosts: Path) -> None:
    async with ssh_server() as port:
        stream = await wire_to(port)
        with pytest.raises(ForbiddenError):
            await open_shell(stream, VM, user="root", asker=User(), known_hosts=known_hosts)
        assert stream.closed


async def flood(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Says numbered lines for ever, as fast as they are taken, until q is typed."""
    number = 0
    typed = asyncio.ensure_future(process.stdin.read(1))
    while not typed.done():
        lines = [b"%08d the quick brown fox\r\n" % (number + at) for at in range(500)]
        number += len(lines)
        process.stdout.write(b"".join(lines))
        await process.stdout.drain()
    process.exit(0)


async def test_a_flood_arrives_whole_and_stops_where_nobody_reads(known_hosts: Path) -> None:
    sent = 0

    class Counting(Wire):
        async def read(self) -> bytes:
            nonlocal sent
            data = await super().read()
            sent += len(data)
            return data

    async with ssh_server(shell=flood) as port:
        stream = Counting(*await asyncio.open_connection("127.0.0.1", port))
        shell = await open_shell(stream, VM, user="root", asker=User("right"), known_hosts=known_hosts)
        text = b""
        while len(text) < 2**21:
            text += await shell.read()
        numbers = [int(line[:8]) for line in text.split(b"\r\n")[:-1]]
        assert numbers == list(range(len(numbers)))
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent - len(text) < 4 * 2**20, "what nobody reads is not fetched"
        await shell.write(b"q")
        await read_to_end(shell)
        await shell.close()


async def test_the_last_words_before_a_disconnection_are_read_by_whoever_reads_late(known_hosts: Path) -> None:
    said = asyncio.Event()

    async def say_and_vanish(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(b"".join(b"%07d\n" % number for number in range(50_000)))
        await asyncio.sleep(0.3)
        process.channel.get_connection().disconnect(asyncssh.DISC_BY_APPLICATION, "the system goes down")
        said.set()

    async with ssh_server(shell=say_and_vanish) as port:
        shell = await shell_at(port, User("right"), known_hosts)
        await said.wait()
        text = await read_to_end(shell)
        assert shell.exit_status is None, "nobody said how it ended"
        numbers = [int(line) for line in text.split(b"\n")[:-1]]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 45_000, "more than waits in the pipe"
        await shell.close()


async def test_the_loop_has_its_turns_while_a_flood_is_read(known_hosts: Path) -> None:
    async with ssh_server(shell=flood) as port:
        shell = await shell_at(port, User("right"), known_hosts)
        turns = readings = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        text = 0
        while text < 2**21:
            text += len(await shell.read())
            readings += 1
        counting.cancel()
        assert turns >= readings
        await shell.close()


# The demo's guests


async def test_the_shell_of_a_guest_through_the_cluster(tmp_path: Path) -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig) as state:
        obj = machine("web-1", strategy="Always")
        spec = obj["spec"]["template"]["spec"]
        spec["networks"] = [{"name": "default", "pod": {}}]
        spec["domain"]["devices"] = {"interfaces": [{"name": "default", "masquerade": {}}]}
        async with cluster.session() as session:
            await create(session, obj)
        cluster.advance(300)
        ref = Ref(state.backend.name, "VirtualMachine", "shop", "web-1")
        user = User("yes", "anything")
        stream = await state.backend.open_port(ref, 22)
        shell = await open_shell(
            stream, ref, user="fedora", asker=user, known_hosts=tmp_path / "known_hosts", columns=90, lines=30
        )
        await read_until(shell, b"$ ")
        await shell.write(b"stty size; whoami\r")
        text = await read_until(shell, b"fedora\r\n")
        assert b"30 90\r\n" in text
        shell.resize(70, 20)
        await shell.write(b"stty size\r")
        await read_until(shell, b"20 70\r\n")
        await shell.write(b"exit\r")
        await read_to_end(shell)
        assert shell.exit_status == 0
        await shell.close()
