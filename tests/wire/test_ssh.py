"""Shells of guests over SSH: who gets in, whom to trust, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from kvtui.backends.ssh import Shell, open_shell
from kvtui.errors import BackendError, ForbiddenError, UnreachableError
from kvtui.model import Ref
from tests.cluster import running_cluster
from tests.demo.wire import create, machine
from tests.wire.sshserver import (
    HOST_KEY,
    OTHER_KEY,
    Absent,
    Door,
    Questions,
    User,
    Wire,
    raw_server,
    ssh_server,
    wire_to,
)
from tests.wire.support import kept

VM = Ref("prod", "VirtualMachine", "shop", "web-1", "uid")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without keys and without an agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("ssh ")] == []


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """The file of known hosts, with the key of the tests' server."""
    file = tmp_path / "state" / "known_hosts"
    file.parent.mkdir()
    file.write_text(f"prod/shop/web-1 {HOST_KEY.export_public_key().decode()}")
    return file


async def shell_at(port: int, asker: User | Absent, file: Path, **options: Any) -> Shell:
    chosen: dict[str, Any] = {"user": "root", **options}
    return await open_shell(await wire_to(port), VM, asker=asker, known_hosts=file, **chosen)


async def read_until(shell: Shell, words: bytes) -> bytes:
    text = b""
    while words not in text:
        piece = await asyncio.wait_for(shell.read(), 10)
        assert piece, text
        text += piece
    return text


async def read_to_end(shell: Shell) -> bytes:
    text = b""
    while piece := await asyncio.wait_for(shell.read(), 10):
        text += piece
    return text


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


# Trust


async def test_first_use_asks_with_the_fingerprint_and_remembers(tmp_path: Path) -> None:
    file = tmp_path / "state" / "known_hosts"
    async with ssh_server() as port:
        user = User("yes", "right")
        await (await shell_at(port, user, file)).close()
        assert user.asked[0] == (
            f"The host key of shop/web-1 is not known yet: ssh-ed25519 {HOST_KEY.get_fingerprint()}. "
            "Trust it (yes/no)?",
            False,
        )
        assert file.read_text() == f"prod/shop/web-1 {HOST_KEY.export_public_key().decode().strip()}\n"
        assert file.stat().st_mode & 0o777 == 0o600
        again = User("right")
        await (await shell_at(port, again, file)).close()
        assert len(again.asked) == 1, "only the password"


@pytest.mark.parametrize("answers", [("no",), (), ("",)])
async def test_a_key_that_is_not_trusted_gets_no_password(tmp_path: Path, answers: tuple[str, ...]) -> None:
    file = tmp_path / "known_hosts"
    async with ssh_server() as port:
        user = User(*answers)
        with pytest.raises(ForbiddenError, match="its host key was not trusted"):
            await shell_at(port, user, file)
        assert len(user.asked) == 1
        assert not file.exists()


def lines_before(file: Path, *lines: str) -> None:
    file.write_text("".join(f"{line}\n" for line in lines) + file.read_text())


async def test_a_changed_key_is_refused_with_the_line_to_delete(known_hosts: Path) -> None:
    lines_before(known_hosts, "# mine", "prod/shop/web-2 ssh-ed25519 AAAA")
    async with ssh_server(server_host_keys=[OTHER_KEY]) as port:
        user = User("right")
        with pytest.raises(ForbiddenError, match="the host key of shop/web-1 has changed") as caught:
            await shell_at(port, user, known_hosts)
    assert user.asked == []
    assert OTHER_KEY.get_fingerprint() in caught.value.detail
    assert HOST_KEY.get_fingerprint() in caught.value.detail
    assert caught.value.hint == f"if it was re-created, delete line 3 of {known_hosts}"


async def test_a_key_of_another_type_is_a_changed_key(known_hosts: Path) -> None:
    async with ssh_server(server_host_keys=[asyncssh.generate_private_key("ecdsa-sha2-nistp256")]) as port:
        with pytest.raises(ForbiddenError, match="has changed"):
            await shell_at(port, User("right"), known_hosts)


async def test_the_known_key_is_asked_for_among_several(known_hosts: Path) -> None:
    """A host that has got one more key has not changed."""
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    lines_before(known_hosts, f"prod/shop/web-1 {other.export_public_key().decode().strip()}")
    async with ssh_server(server_host_keys=[HOST_KEY, other]) as port:
        await (await shell_at(port, User("right"), known_hosts)).close()


async def test_known_hosts_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with ssh_server() as port:
        with pytest.raises(BackendError, match=r"cannot (read|write)"):
            await shell_at(port, User("yes", "right"), tmp_path / "file" / "known_hosts")


# Who gets in


async def test_a_wrong_password_is_asked_for_again_three_times(known_hosts: Path) -> None:
    async with ssh_server() as port:
        user = User("wrong", "worse", "worst", "right")
        with pytest.raises(ForbiddenError, match="root may not log in to shop/web-1") as caught:
            await shell_at(port, user, known_hosts)
        assert "a password" in caught.value.detail
        assert user.asked[1][0].startswith("not accepted; password")
        assert len(user.asked) == 3


async def test_the_second_password_may_be_right(known_hosts: Path) -> None:
    async with ssh_server() as port:
        shell = await shell_at(port, User("wrong", "right"), known_hosts)
        await shell.close()


async def test_giving_up_is_no_wrong_password(known_hosts: Path) -> None:
    async with ssh_server() as port:
        with pytest.raises(ForbiddenError, match="not logged in to shop/web-1: no password was given"):
            await shell_at(port, User(), known_hosts)


async def test_the_guest_s_own_questions_are_cleaned_and_answered(known_hosts: Path) -> None:
    async with ssh_server(Questions) as port:
        user = User("right", "123456")
        shell = await shell_at(port, user, known_hosts)
        assert [secret for _, secret in user.asked] == [True, False]
        assert "\x1b" not in user.asked[0][0]
        assert "Password:" in user.asked[0][0]
        await shell.close()


async def test_without_a_user_s_name_it_is_asked_for(known_hosts: Path) -> None:
    async with ssh_server() as port:
        user = User("root", "right")
        await (await shell_at(port, user, known_hosts, user="")).close()
        assert user.asked[0] == ("user on shop/web-1", False)
        with pytest.raises(BackendError, match="no user was named"):
            await shell_at(port, User(), known_hosts, user="")


def write_key(file: Path, passphrase: str | None = None) -> asyncssh.SSHKey:
    key = asyncssh.generate_private_key("ssh-ed25519")
    file.parent.mkdir(exist_ok=True)
    key.write_private_key(str(file), passphrase=passphrase)
    return key


async def test_the_usual_key_files_are_offered(known_hosts: Path, home: Path) -> None:
    key = write_key(home / ".ssh" / "id_ed25519")
    async with ssh_server(lambda: Door({key.public_data})) as port:
        user = User()
        await (await shell_at(port, user, known_hosts)).close()
        assert user.asked == []


async def test_only_the_named_keys_are_offered(known_hosts: Path, home: Path) -> None:
    usual = write_key(home / ".ssh" / "id_ed25519")
    named = write_key(home / "named")
    async with ssh_server(lambda: Door({usual.public_data}, passwords=False)) as port:
        with pytest.raises(ForbiddenError, match="named"):
            await shell_at(port, User(), known_hosts, keys=[home / "named"])
    async with ssh_server(lambda: Door({named.public_data}, passwords=False)) as port:
        await (await shell_at(port, User(), known_hosts, keys=[home / "named"])).close()


async def test_a_passphrase_is_asked_for_until_it_is_the_one(known_hosts: Path, home: Path) -> None:
    key = write_key(home / "locked", "open sesame")
    async with ssh_server(lambda: Door({key.public_data})) as port:
        user = User("open barley", "open sesame")
        await (await shell_at(port, user, known_hosts, keys=[home / "locked"])).close()
        path = home / "locked"
        assert user.asked == [(f"passphrase of {path}", True), (f"not the one; passphrase of {path}", True)]


@pytest.mark.parametrize("content", [None, "no key at all"])
async def test_a_named_key_that_cannot_be_used_is_said(known_hosts: Path, home: Path, content: str | None) -> None:
    if content is not None:
        (home / "bad").write_text(content)
    async with ssh_server() as port:
        with pytest.raises(BackendError, match=r"cannot use the key .*bad"):
            await shell_at(port, User("right"), known_hosts, keys=[home / "bad"])


async def test_a_guest_that_takes_nothing_that_we_have(known_hosts: Path) -> None:
    async with ssh_server(lambda: Door(set(), passwords=False)) as port:
        with pytest.raises(ForbiddenError, match="no key, no password"):
            await shell_at(port, User("right"), known_hosts)


async def test_an_agent_that_is_gone_is_like_none(known_hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere/agent")
    async with ssh_server() as port:
        await (await shell_at(port, User("right"), known_hosts)).close()


async def test_secrets_are_not_logged(known_hosts: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with ssh_server() as port:
        await (await shell_at(port, User("wrong", "right"), known_hosts)).close()
    assert "right" not in caplog.text
    assert "wrong" not in caplog.text


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
        await writer.drain()
        if said.startswith(b"SSH"):
            await reader.read()

    async with raw_server(serve) as port:
        with pytest.raises(BackendError, match=words):
            await asyncio.wait_for(shell_at(port, User("right"), known_hosts, handshake=5.0), 10)


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
