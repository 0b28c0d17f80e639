"""Logging in to guests over SSH: whom to trust, and who gets in."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import asyncssh
import pytest

from kvtui.backends.ssh import NobodyError
from kvtui.errors import BackendError, ForbiddenError
from tests.wire.sshserver import (
    HOST_KEY,
    OTHER_KEY,
    Agent,
    Door,
    Questions,
    User,
    faults,
    shell_at,
    ssh_server,
    write_key,
)

pytestmark = pytest.mark.usefixtures("home", "no_thread_is_left", "nothing_is_left_of_others")


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


async def test_where_nobody_can_be_asked_the_fingerprint_and_the_way_out_are_said(tmp_path: Path) -> None:
    class Alone(User):
        async def ask(self, prompt: str, secret: bool) -> str | None:
            raise NobodyError

    file = tmp_path / "known_hosts"
    async with ssh_server() as port:
        with pytest.raises(ForbiddenError, match="not logged in to shop/web-1") as caught:
            await shell_at(port, Alone(), file)
        assert caught.value.detail == f"its host key is not known yet: ssh-ed25519 {HOST_KEY.get_fingerprint()}"
        assert caught.value.hint == "log in once on a terminal to trust it"
        with pytest.raises(BackendError, match="no user was named"):
            await shell_at(port, Alone(), file, user="")
        file.write_text(f"prod/shop/web-1 {HOST_KEY.export_public_key().decode()}")
        with pytest.raises(ForbiddenError, match="no password was given"):
            await shell_at(port, Alone(), file)


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
        assert caught.value.hint == "name another user or key (-l, -i, or [ssh] in the configuration)"
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


class Impatient(Door):
    """Has had enough after the first key."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        if self._seen:
            self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, "Too many authentication failures")
        self._seen = True
        return False

    _seen = False


async def test_a_guest_that_has_seen_too_many_keys_is_said_with_the_way_out(known_hosts: Path, home: Path) -> None:
    write_key(home / ".ssh" / "id_ed25519")
    write_key(home / ".ssh" / "id_rsa")
    async with ssh_server(lambda: Impatient(set())) as port:
        with pytest.raises(BackendError, match="Too many authentication failures") as caught:
            await shell_at(port, User("right"), known_hosts)
    assert caught.value.hint == "name the one key to offer (-i, or [ssh] key in the configuration)"


async def test_a_passphrase_is_asked_for_until_it_is_the_one(known_hosts: Path, home: Path) -> None:
    key = write_key(home / "locked", "open sesame")
    async with ssh_server(lambda: Door({key.public_data})) as port:
        user = User("open barley", "open sesame")
        await (await shell_at(port, user, known_hosts, keys=[home / "locked"])).close()
        path = home / "locked"
        assert user.asked == [(f"passphrase of {path}", True), (f"not the one; passphrase of {path}", True)]


async def test_a_passphrase_is_asked_for_three_times(known_hosts: Path, home: Path) -> None:
    write_key(home / "locked", "open sesame")
    async with ssh_server(lambda: Door(set(), passwords=False)) as port:
        user = User("open barley", "open wheat", "open rye", "open sesame")
        with pytest.raises(ForbiddenError, match=f"no passphrase opened {home / 'locked'}"):
            await shell_at(port, user, known_hosts, keys=[home / "locked"])
        assert len(user.asked) == 3


async def test_the_third_passphrase_may_be_the_one(known_hosts: Path, home: Path) -> None:
    key = write_key(home / "locked", "open sesame")
    async with ssh_server(lambda: Door({key.public_data}, passwords=False)) as port:
        user = User("open barley", "open wheat", "open sesame")
        await (await shell_at(port, user, known_hosts, keys=[home / "locked"])).close()


@pytest.mark.parametrize("content", [None, "no key at all"])
async def test_a_named_key_that_cannot_be_used_is_said(known_hosts: Path, home: Path, content: str | None) -> None:
    if content is not None:
        (home / "bad").write_text(content)
    async with ssh_server() as port:
        with pytest.raises(BackendError, match=r"cannot use the key .*bad") as caught:
            await shell_at(port, User("right"), known_hosts, keys=[home / "bad"])
    assert caught.value.hint == "name another key (-i, or [ssh] key in the configuration)"


async def test_a_guest_that_takes_nothing_that_we_have(known_hosts: Path) -> None:
    async with ssh_server(lambda: Door(set(), passwords=False)) as port:
        with pytest.raises(ForbiddenError, match="no key, no password"):
            await shell_at(port, User("right"), known_hosts)


@pytest.mark.parametrize("lets_in", [True, False])
async def test_the_agent_s_key_is_offered_and_the_agent_let_go(
    known_hosts: Path, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, lets_in: bool
) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    agent = Agent(key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    serving = await asyncio.start_unix_server(agent.serve, home / "agent")
    async with serving, ssh_server(lambda: Door({key.public_data} if lets_in else set(), passwords=False)) as port:
        if lets_in:
            shell = await shell_at(port, User(), known_hosts)
            await agent.left.wait()
            await shell.close()
        else:
            with pytest.raises(ForbiddenError, match="did not accept key of the test of the agent"):
                await shell_at(port, User(), known_hosts)
            await agent.left.wait()
    assert faults(caplog) == []


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
