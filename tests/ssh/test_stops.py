"""What the user's ssh configuration makes of hops; OpenSSH is the judge where it is there."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from kvtui.backends.ssh.stops import Stop, find_stops
from kvtui.errors import ConfigError
from kvtui.hops import parse_route

CONFIG = """\
Host bastion
    HostName 203.0.113.7
    User ops
    Port 2222
    IdentityFile ~/.ssh/id_bastion
    IdentitiesOnly yes
    HostKeyAlias gate
    UserKnownHostsFile ~/.ssh/known_gates
Host inner
    HostName %h.example.com
    ProxyJump bastion
    IdentityAgent none
Host deep
    ProxyJump you@inner:23
Match user admin
    Port 2022
Host *
    User everybody
"""


@pytest.fixture
def config(home: Path) -> Path:
    file = home / ".ssh" / "config"
    file.write_text(CONFIG)
    return file


def find(text: str) -> list[Stop]:
    return find_stops(parse_route(text), 15.0)


def told(stop: Stop) -> str:
    return f"{stop.user}@{stop.host}:{stop.port}"


def test_without_a_configuration_it_is_the_local_user_and_the_usual_port() -> None:
    (stop,) = find("10.0.0.7")
    assert told(stop) == f"{getpass.getuser()}@10.0.0.7:22"
    assert (stop.known_as, stop.known_anyhow, stop.label) == ("10.0.0.7", "", "10.0.0.7")


def test_a_host_is_what_the_configuration_says(config: Path, home: Path) -> None:
    (stop,) = find("bastion")
    assert told(stop) == "ops@203.0.113.7:2222"
    assert stop.account.keys == (home / ".ssh" / "id_bastion",)
    assert stop.account.only
    assert stop.known_as == "gate"
    assert stop.known_hosts[0] == home / ".ssh" / "known_gates"


def test_what_is_typed_goes_before_the_configuration(config: Path) -> None:
    assert told(find("me@bastion:22")[0]) == "me@203.0.113.7:22"


def test_the_agent_may_be_ruled_out(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert [stop.account.agent for stop in find("inner")] == ["/run/agent", ""]


def test_a_port_is_part_of_the_name_under_which_a_host_is_known() -> None:
    (stop,) = find("me@Gate.example.com:2222")
    assert (stop.known_as, stop.known_anyhow) == ("[gate.example.com]:2222", "gate.example.com")


def test_jumps_of_the_first_hop_are_hops_before_it(config: Path) -> None:
    assert [told(stop) for stop in find("deep")] == [
        "ops@203.0.113.7:2222",
        "you@inner.example.com:23",
        "everybody@deep:22",
    ]
    # The others are reached through the one before them.
    assert [told(stop) for stop in find("other,inner")] == ["everybody@other:22", "everybody@inner.example.com:22"]


def test_a_jump_that_holds_for_all_holds_not_for_itself(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host *\n  ProxyJump gate\n")
    assert [stop.alias for stop in find("inner")] == ["gate", "inner"]


@pytest.mark.parametrize(
    ("text", "title", "detail"),
    [
        ("Host a\n ProxyJump b\nHost b\n ProxyJump a", "the ProxyJump of b leads in a circle", "a > b > a"),
        ("Port many", "the ssh configuration cannot be used for a", "line 1: Invalid Port integer value: many"),
        ("Host a\n ProxyJump b:c", "the ProxyJump of a in the ssh configuration makes no sense", "'b:c' has no port"),
        ("\0\udcff", "the ssh configuration cannot be used for a", "decode"),
    ],
)
def test_a_broken_configuration_is_said(home: Path, text: str, title: str, detail: str) -> None:
    (home / ".ssh" / "config").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as failure:
        find("a")
    assert failure.value.title == title
    assert detail in failure.value.detail


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is not installed")
@pytest.mark.parametrize(
    "hop", ["bastion", "inner", "deep", "elsewhere", "admin@inner", "me@bastion:22", "admin@other"]
)
def test_openssh_reads_the_same(config: Path, hop: str) -> None:
    stop = find(hop)[-1]
    (written,) = parse_route(hop)
    port = ["-p", str(written.port)] if written.port else []
    user = ["-l", written.user] if written.user else []
    command = ["ssh", "-F", str(config), "-G", *port, *user, written.host]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    judged = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    assert (stop.user, stop.host, str(stop.port)) == (judged["user"], judged["hostname"], judged["port"])


def test_a_user_without_a_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(ConfigError, match="this user has no name on this machine"):
        find("gate")
