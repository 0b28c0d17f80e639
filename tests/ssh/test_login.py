"""Who comes to a hop, with what, and how often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from kvtui.backends.base import Dialer
from kvtui.backends.ssh.pace import Pace
from kvtui.errors import BackendError, ForbiddenError, UnreachableError
from kvtui.hops import Hop
from tests.ssh.support import Nobody, known, log_in, opened, trusted
from tests.wire.sshserver import (
    HOST_KEY,
    Absent,
    Agent,
    Door,
    Questions,
    User,
    raw_server,
    ssh_server,
    write_key,
)
from tests.wire.support import eventually


class Counting(Door):
    """Counts who was let in."""

    logins = 0

    def auth_completed(self) -> None:
        Counting.logins += 1


@contextlib.asynccontextmanager
async def server(home: Path, *keys: asyncssh.SSHKey, passwords: bool = True) -> AsyncIterator[int]:
    """A server whose host key is known."""
    Counting.logins = 0
    async with ssh_server(lambda: Counting({key.public_data for key in keys}, passwords)) as port:
        trusted(home, known(port, HOST_KEY))
        yield port


async def test_the_usual_key_is_offered(home: Path, key: asyncssh.SSHKey) -> None:
    async with server(home, key, passwords=False) as port:
        user = User()
        await log_in(user, port)
        assert user.asked == []


async def test_a_passphrase_is_asked_for_once_and_serves_after_a_cut(home: Path) -> None:
    key = write_key(home / ".ssh" / "id_ed25519", "correct horse")
    connections: list[asyncssh.SSHServerConnection] = []

    class Noting(Counting):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)

    Counting.logins = 0
    async with ssh_server(lambda: Noting({key.public_data}, passwords=False)) as port:
        trusted(home, known(port, HOST_KEY))
        user = User("wrong horse", "correct horse")
        async with opened(user) as routes:
            dialer = routes.dialer((Hop("127.0.0.1", "root", port),))
            await dialer.prepare()
            connections[0].abort()
            await until_logged_in_again(dialer)
        file = home / ".ssh" / "id_ed25519"
        assert user.asked == [(f"passphrase of {file}", True), (f"not the one; passphrase of {file}", True)]


async def until_logged_in_again(dialer: Dialer) -> None:
    """The cut may not have come to us yet."""
    async with asyncio.timeout(10):
        while Counting.logins < 2:
            await dialer.prepare()


async def test_the_agent_is_asked_before_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    write_key(home / ".ssh" / "id_ed25519", "nobody knows")
    agent = Agent(key)
    listening = await asyncio.start_unix_server(agent.serve, home / "agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    async with listening, server(home, key, passwords=False) as port:
        user = User()
        await log_in(user, port)
        assert user.asked == []
        await asyncio.wait_for(agent.left.wait(), 10)


async def test_identities_only_keeps_other_keys_of_the_agent_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    listening = await asyncio.start_unix_server(Agent(key).serve, home / "agent")
    named = write_key(home / "named")
    (home / ".ssh" / "config").write_text(
        f"IdentityFile {home}/missing\nIdentityFile {home}/named\nIdentitiesOnly yes\n"
    )
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    async with listening, server(home, key, passwords=False) as port:
        with pytest.raises(ForbiddenError, match=f"it did not accept key {home}/named") as failure:
            await log_in(User(), port)
        assert "of the agent" not in failure.value.detail
        assert failure.value.hint.startswith("name another user or key (USER@HOST, or User and IdentityFile in ~/.ssh")
    async with listening, server(home, named, passwords=False) as port:
        await log_in(User(), port)


async def test_keyboard_interactive_is_answered_by_the_user(home: Path) -> None:
    async with ssh_server(Questions) as port:
        trusted(home, known(port, HOST_KEY))
        user = User("right", "123456")
        await log_in(user, port)
        assert [secret for _, secret in user.asked] == [True, False]
        assert "\x1b" not in user.asked[0][0]


async def test_who_is_turned_away_is_not_asked_again_until_somebody_wants_it(home: Path) -> None:
    async with server(home) as port:
        user = User("wrong", "wrong", "wrong", "right")
        async with opened(user) as routes:
            dialer = routes.dialer((Hop("127.0.0.1", "root", port),))
            for hint in ("", "ctrl+r tries again", "ctrl+r tries again"):
                with pytest.raises(ForbiddenError, match=r"root may not log in to 127.0.0.1") as failure:
                    await dialer.prepare()
                assert failure.value.hint.endswith(hint)
            assert len(user.asked) == 3
            dialer.retry()
            await dialer.prepare()
            assert len(user.asked) == 4


async def test_many_who_come_at_once_are_one_login_and_one_question(home: Path) -> None:
    async with server(home) as port:
        user = User("right")
        async with opened(user) as routes:
            dialer = routes.dialer((Hop("127.0.0.1", "root", port),))
            await asyncio.gather(*(dialer.prepare() for _ in range(20)))
        assert (len(user.asked), Counting.logins) == (1, 1)


async def test_all_ways_are_made_ready_at_once_and_what_fails_is_told_later(home: Path) -> None:
    async with server(home) as port, opened(User("right")) as routes:
        good, bad = (routes.dialer((Hop("127.0.0.1", "root", number),)) for number in (port, 1))
        await routes.prepare()
        assert Counting.logins == 1
        await good.prepare()
        with pytest.raises(UnreachableError, match=r"cannot connect to 127.0.0.1:1 over ssh: Connection refused"):
            await bad.prepare()


async def test_two_ways_of_writing_one_server_are_one_login(home: Path) -> None:
    async with server(home) as port:
        (home / ".ssh" / "config").write_text(f"Host gate\n HostName 127.0.0.1\n Port {port}\n User root\n")
        user = User("right")
        async with opened(user) as routes:
            for hop in (Hop("gate"), Hop("127.0.0.1", "root", port), Hop("gate", "root")):
                await routes.dialer((hop,)).prepare()
        assert (len(user.asked), Counting.logins) == (1, 1)


async def test_one_who_goes_away_does_not_end_the_question_of_the_others(home: Path) -> None:
    async with server(home) as port:
        asker = Absent()
        async with opened(asker) as routes:
            dialer = routes.dialer((Hop("127.0.0.1", "root", port),))
            waiting = [asyncio.create_task(dialer.prepare()) for _ in range(2)]
            await asyncio.wait_for(asker.asked.wait(), 10)
            assert routes.questions.open
            waiting[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting[0]
            assert routes.questions.open
            waiting[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting[1]
            await eventually(lambda: not routes.questions.open)


async def test_closing_while_a_question_is_open_says_so_to_whoever_waits(home: Path) -> None:
    async with server(home) as port:
        asker = Absent()
        async with opened(asker) as routes:
            waiting = asyncio.create_task(routes.dialer((Hop("127.0.0.1", "root", port),)).prepare())
            await asyncio.wait_for(asker.asked.wait(), 10)
            await routes.close()
            with pytest.raises(UnreachableError, match="the ssh connections were closed"):
                await waiting
        assert not routes.questions.open


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "no ssh server answers on 127.0.0.1:{port}: connected, but no greeting came in 0.3 s"),
        (b"SSH-2.0-x\r\n", "the ssh server of 127.0.0.1:{port} fell silent: greeted, but agreed on no keys in 0.3 s"),
    ],
)
async def test_a_hop_that_hangs_is_not_waited_for(said: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await asyncio.Event().wait()

    async with raw_server(serve) as port:
        with pytest.raises(UnreachableError) as failure:
            await log_in(User(), port, pace=Pace(handshake=0.3))
        assert f"{failure.value.title}: {failure.value.detail}" == words.format(port=port)


async def test_a_hop_that_speaks_another_protocol_is_said() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 200)
        await writer.drain()

    async with raw_server(serve) as port:
        with pytest.raises(BackendError, match=f"no ssh server answers on 127.0.0.1:{port}"):
            await log_in(User(), port)


async def test_a_proxy_command_is_used(home: Path) -> None:
    async with server(home) as port:
        code = (
            "import socket, sys, threading, shutil; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
            "f = s.makefile('rwb', 0); t = threading.Thread(target=lambda: [sys.stdout.buffer.write(d) and "
            "sys.stdout.flush() for d in iter(lambda: s.recv(65536), b'')], daemon=True); t.start();"
            "[f.write(d) for d in iter(lambda: sys.stdin.buffer.raw.read(65536), b'')]"
        )
        (home / "proxy.py").write_text(code)
        (home / ".ssh" / "config").write_text(
            f"Host gate\n HostName 127.0.0.1\n Port {port}\n ProxyCommand python3 {home}/proxy.py %p\n"
        )
        async with opened(User("right")) as routes:
            await routes.dialer((Hop("gate", "root"),)).prepare()
        assert Counting.logins == 1


async def test_where_nobody_can_be_asked_the_key_and_the_way_out_are_said(home: Path) -> None:
    key = write_key(home / ".ssh" / "id_ed25519", "correct horse")
    async with server(home, key, passwords=False) as port:
        with pytest.raises(ForbiddenError) as failure:
            await log_in(Nobody(), port)
        assert failure.value.detail == f"no passphrase of {home}/.ssh/id_ed25519 was given"
        assert failure.value.hint == "it is asked for on a terminal alone; keys of an ssh agent need none"
