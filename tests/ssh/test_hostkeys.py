"""Whether a hop is the one that it was."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import asyncssh
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kvtui.backends.ssh.hostkeys import HostKeys
from kvtui.backends.ssh.stops import find_stops
from kvtui.errors import BackendError, ForbiddenError
from kvtui.hops import parse_route
from tests.ssh.support import Nobody, known, log_in, trusted
from tests.wire.sshserver import HOST_KEY, OTHER_KEY, User, ssh_server

PRINT = HOST_KEY.get_fingerprint()
AUTHORITY = asyncssh.generate_private_key("ssh-ed25519")


async def test_an_unknown_key_is_asked_about_once_and_remembered(home: Path) -> None:
    before = "# mine\nother ssh-ed25519 AAAA"
    file = trusted(home, before)
    async with ssh_server() as port:
        user = User("yes", "right")
        await log_in(user, port)
        assert user.asked == [
            (f"The host key of 127.0.0.1:{port} is not known yet: ssh-ed25519 {PRINT}. Trust it (yes/no)?", False),
            (f"password of root on 127.0.0.1:{port}", True),
        ]
        assert file.read_text() == f"{before}\n{known(port, HOST_KEY)}"
        user = User("right")
        await log_in(user, port)
        assert len(user.asked) == 1


@pytest.mark.parametrize("answers", [("no",), ("",), ("nn",), ()])
async def test_a_key_that_is_not_trusted_gets_no_password(home: Path, answers: tuple[str, ...]) -> None:
    async with ssh_server() as port:
        user = User(*answers)
        with pytest.raises(ForbiddenError, match="its host key was not trusted"):
            await log_in(user, port)
        assert len(user.asked) == 1
        assert not (home / ".ssh" / "known_hosts").exists()


@pytest.mark.parametrize("answer", ["y", "yy", " YES ", "fingerprint"])
async def test_yes_pressed_twice_and_the_fingerprint_mean_yes(home: Path, answer: str) -> None:
    async with ssh_server() as port:
        user = User(PRINT if answer == "fingerprint" else answer, "right")
        await log_in(user, port)
        assert [secret for _, secret in user.asked] == [False, True]


async def test_an_answer_that_says_neither_is_asked_for_again(home: Path) -> None:
    async with ssh_server() as port:
        user = User("maybe", "SHA256:another", "yes", "right")
        await log_in(user, port)
        first, second, third, _ = (prompt for prompt, _ in user.asked)
        assert second == third == f"Type yes, no or the fingerprint. {first}"


async def test_where_nobody_can_be_asked_the_fingerprint_is_said() -> None:
    async with ssh_server() as port:
        with pytest.raises(ForbiddenError, match=f"not known yet: ssh-ed25519 {re.escape(PRINT)}") as failure:
            await log_in(Nobody(), port)
        assert failure.value.hint == "log in once on a terminal, with ssh or kvtui, to trust it"


async def test_a_yes_counts_where_nothing_is_to_be_kept(home: Path) -> None:
    (home / ".ssh" / "config").write_text("UserKnownHostsFile /dev/null\n")
    async with ssh_server() as port:
        user = User("yes", "right")
        await log_in(user, port)
        assert len(user.asked) == 2


async def test_a_changed_key_is_refused_with_file_and_line(home: Path) -> None:
    async with ssh_server() as port:
        file = trusted(home, "# mine\n", known(port, OTHER_KEY))
        user = User("yes", "right")
        with pytest.raises(ForbiddenError, match=f"the host key of 127.0.0.1:{port} has changed") as failure:
            await log_in(user, port)
        assert user.asked == []
        assert PRINT in failure.value.detail
        assert OTHER_KEY.get_fingerprint() in failure.value.detail
        assert failure.value.hint == f"if it was set up anew, delete line 2 of {file}"


async def test_a_second_key_that_is_known_is_good(home: Path) -> None:
    async with ssh_server() as port:
        trusted(home, known(port, OTHER_KEY), known(port, HOST_KEY))
        await log_in(User("right"), port)


async def test_the_known_type_is_asked_for_among_several(home: Path) -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    async with ssh_server(server_host_keys=[HOST_KEY, rsa]) as port:
        trusted(home, known(port, rsa))
        await log_in(User("right"), port)


async def test_configured_algorithms_are_kept_to(home: Path) -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    (home / ".ssh" / "config").write_text("HostKeyAlgorithms rsa-sha2-512\n")
    async with ssh_server(server_host_keys=[HOST_KEY, rsa]) as port:
        user = User("yes", "right")
        await log_in(user, port)
        assert f"ssh-rsa {rsa.get_fingerprint()}" in user.asked[0][0]


async def test_a_revoked_key_is_refused_even_if_it_is_known(home: Path) -> None:
    async with ssh_server() as port:
        file = trusted(home, known(port, HOST_KEY), known(port, HOST_KEY, "@revoked", "*"))
        user = User("yes", "right")
        with pytest.raises(ForbiddenError, match=f"the host key of 127.0.0.1:{port} is revoked") as failure:
            await log_in(user, port)
        assert failure.value.detail == f"line 2 of {file} says so"
        assert user.asked == []


async def test_a_key_known_without_the_port_is_good_but_another_one_there_is_no_change(home: Path) -> None:
    async with ssh_server() as port:
        trusted(home, known(port, HOST_KEY, name="127.0.0.1"))
        await log_in(User("right"), port)
        trusted(home, known(port, OTHER_KEY, name="127.0.0.1"))
        user = User("yes", "right")
        await log_in(user, port)
        assert "is not known yet" in user.asked[0][0]


def certified(principal: str, days: str = "+1d") -> asyncssh.SSHCertificate:
    return AUTHORITY.generate_host_certificate(HOST_KEY, "host", principals=[principal], valid_before=days)


async def test_a_certificate_of_a_known_authority_is_enough(home: Path) -> None:
    async with ssh_server(server_host_keys=[(HOST_KEY, certified("127.0.0.1"))]) as port:
        trusted(home, known(port, AUTHORITY, "@cert-authority", "*"))
        user = User("right")
        await log_in(user, port)
        assert len(user.asked) == 1


async def test_a_certificate_for_another_host_is_refused(home: Path) -> None:
    async with ssh_server(server_host_keys=[(HOST_KEY, certified("elsewhere"))]) as port:
        trusted(home, known(port, AUTHORITY, "@cert-authority", "*"))
        user = User("yes", "right")
        with pytest.raises(ForbiddenError, match=r"the host certificate of 127.0.0.1:[0-9]+ is not trusted"):
            await log_in(user, port)
        assert user.asked == []


async def test_a_host_key_alias_is_the_name_in_the_file(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host *\n  HostKeyAlias Inner\n")
    async with ssh_server() as port:
        trusted(home, known(port, HOST_KEY, name="inner"))
        await log_in(User("right"), port)


async def test_a_file_that_cannot_be_written_is_said(home: Path) -> None:
    (home / ".ssh" / "config").write_text("UserKnownHostsFile /proc/known_hosts\n")
    async with ssh_server() as port:
        with pytest.raises(BackendError, match="cannot write /proc/known_hosts"):
            await log_in(User("yes", "right"), port)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
@pytest.mark.parametrize("name", ["[127.0.0.1]:2222", "127.0.0.*,!10.*", "[127.0.0.1]:2222,elsewhere", "*"])
@pytest.mark.parametrize("hashed", [False, True])
def test_lines_are_found_as_openssh_finds_them(home: Path, name: str, hashed: bool) -> None:
    file = trusted(home, "# mine\n\n", known(0, OTHER_KEY, name="10.0.0.1"), known(0, HOST_KEY, name=name))
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    (stop,) = find_stops(parse_route("127.0.0.1:2222"), 1.0)
    found = HostKeys(stop, set())
    judge = subprocess.run(
        ["ssh-keygen", "-F", "[127.0.0.1]:2222", "-f", file], check=False, capture_output=True, text=True
    )
    assert [f"found: line {line.number}" in judge.stdout for line in found.keys] == [True] * judge.stdout.count(
        "found:"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
@example("|1|x|y ssh-ed25519 AAAA\n@revoked\n@odd * ssh-ed25519 A\n*")
def test_lines_that_make_no_sense_are_passed_over(home: Path, text: str) -> None:
    file = home / ".ssh" / "known_hosts"
    line = f"127.0.0.1 {HOST_KEY.export_public_key().decode()}"
    file.write_text(f"{text}\n{line}", encoding="utf-8", errors="replace")
    (stop,) = find_stops(parse_route("127.0.0.1"), 1.0)
    assert HostKeys(stop, set()).keys[-1].key.public_data == HOST_KEY.public_data
