"""VMs of libvirt hosts on the command line, on hosts of libvirt's test driver."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.libvirt.conftest import host_file
from tests.libvirt.test_definitions import HOST

Kvtui = Callable[..., "subprocess.CompletedProcess[bytes]"]
UUID = "00000000-0000-4000-8000-000000000001"
SNAPSHOT = """<test:domainsnapshot><name>clean</name><creationTime>1700000000</creationTime><state>shutoff</state>
<active>1</active></test:domainsnapshot>"""


@pytest.fixture
def kvtui(tmp_path: Path) -> Kvtui:
    """Runs a command to its end, without any configuration."""
    folders = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CONFIG", "STATE")}
    environment = {**os.environ, **folders, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")}

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "kvtui", *arguments]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=40, check=False
        )

    return run


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no file"),
        ("junk", "is no XML: syntax error: line 1, column 0"),
    ],
)
def test_a_file_that_is_no_host_is_told_in_one_sentence_and_by_nobody_else(
    kvtui: Kvtui, tmp_path: Path, text: str | None, words: str
) -> None:
    file = tmp_path / "host.xml"
    if text is not None:
        file.write_text(text)
    done = kvtui("get", "hosts", "--host", f"test://{file}")
    (line,) = done.stderr.decode().splitlines()
    assert words in line
    assert done.returncode == 3


def test_certificates_that_are_missing_are_told_with_a_way_out(kvtui: Kvtui) -> None:
    done = kvtui("get", "hosts", "--host", "qemu+tls://127.0.0.1/system?pkipath=/nowhere")
    (line,) = done.stderr.decode().splitlines()
    assert "certificate" in line
    assert "qemu+ssh:// needs none" in line


@pytest.fixture
def here(tmp_path: Path) -> str:
    """A host with the VMs web and db."""
    return host_file(tmp_path, "web", "db", name="here.xml")


@pytest.mark.parametrize("name", ["web", UUID])
def test_a_screenshot_needs_no_namespace_and_takes_names_and_uuids(
    kvtui: Kvtui, here: str, tmp_path: Path, name: str
) -> None:
    done = kvtui("screenshot", name, "--host", here, "-o", str(tmp_path / "a.png"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_vm_on_several_hosts_is_refused_with_their_names(kvtui: Kvtui, here: str, tmp_path: Path) -> None:
    there = host_file(tmp_path, "web", name="there.xml")
    done = kvtui("screenshot", "web", "--host", here, "--host", there, "-o", "-")
    assert done.returncode == 2
    assert b"web is on several hosts: here, there" in done.stderr
    assert b"say which: here/web or there/web" in done.stderr
    for name in ("there/web", "vm/there/web"):
        assert kvtui("screenshot", name, "--host", here, "--host", there, "-o", "-").returncode == 0
    assert kvtui("screenshot", "db", "--host", here, "--host", there, "-o", "-").returncode == 0


def test_a_host_that_is_not_configured_is_told_with_those_that_are(kvtui: Kvtui, here: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[[host]]\nname = "kvm-a"\nuri = "{here}"\n[[host]]\nuri = "qemu+ssh://root@kvm-b.fra/system"\n')
    done = kvtui("get", "vms", "--config", str(config), "--host", "kvm9")
    assert done.returncode == 2
    assert b"no host is called kvm9: configured: kvm-a, kvm-b" in done.stderr
    assert b"or give a URI" in done.stderr
    assert kvtui("get", "vms", "--config", str(config), "--host", "kvm-a").returncode == 0
    assert b"none is configured" in kvtui("get", "vms", "--host", "kvm9").stderr


@pytest.mark.parametrize("name", ["", 'name = "a"'])
def test_what_ssh_would_not_heed_is_refused_of_hosts_with_and_without_a_name(
    kvtui: Kvtui, tmp_path: Path, name: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[[host]]\n{name}\nuri = "qemu+ssh://root@kvm1/system?keyfile=/home/me/key"\n')
    done = kvtui("get", "vms", "--config", str(config))
    assert done.returncode == 2
    assert b"keyfile= is for libvirt's own ssh, which is not used" in done.stderr
    assert b"IdentityFile in ~/.ssh/config" in done.stderr


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu+tls://kvm1.fra/system", "host kvm1 has a jump host, but its URI does not lead through ssh"),
        ("qemu+tcp://kvm1/system", "host kvm1 has a jump host, but its URI does not lead through ssh"),
        ("test:///default", "--jump leads nowhere: on this machine: test"),
    ],
)
def test_a_jump_host_that_would_lead_nowhere_is_refused(kvtui: Kvtui, uri: str, words: str) -> None:
    done = kvtui("get", "vms", "--host", uri, "--jump", "ops@bastion")
    assert (done.returncode, words in done.stderr.decode()) == (2, True), done.stderr
    assert b"qemu+ssh://" in done.stderr


def test_a_vm_that_is_nowhere_is_told_with_the_hosts_that_were_asked(kvtui: Kvtui, here: str, tmp_path: Path) -> None:
    there = host_file(tmp_path, "web", name="there.xml")
    done = kvtui("console", "nix", "--host", here, "--host", there)
    assert done.returncode == 1
    assert b"no VM named nix on here, there" in done.stderr
    dead = kvtui("console", "nix", "--host", here, "--host", f"qemu+unix:///system?socket={tmp_path}/none")
    assert (dead.returncode, b"does the daemon run there?" in dead.stderr) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("console", "nix"), 1, "no VM named nix on "),
        (("console", "web"), 1, "the console of web"),
        (("ssh", "root@web", "--", "ls"), 1, "nobody runs in its VMs"),
        (("port-forward", "web", "0:22"), 1, "no way to port 22 of web"),
        (("screenshot", "web", "-n", "shop", "-o", "-"), 2, "have no namespaces"),
        (("screenshot", "web", "--context", "prod", "-o", "-"), 2, "a context and a host were given"),
    ],
)
def test_what_is_not_possible_is_a_sentence(
    kvtui: Kvtui, here: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    command, machine, *rest = arguments
    done = kvtui(command, "--host", here, machine, *rest)
    assert (done.returncode, words in done.stderr.decode()) == (code, True), done.stderr


def test_a_form_of_a_verb_offers_what_is_on_the_host(kvtui: Kvtui, tmp_path: Path) -> None:
    (tmp_path / "kept.xml").write_text(HOST.replace("</domain>", f"{SNAPSHOT}</domain>"))
    told = kvtui("revert", "web", "--host", f"test://{tmp_path}/kept.xml", "--fields")
    assert b"--snapshot VALUE   snapshot (needed)" in told.stdout, told.stderr
    medium = kvtui("change-medium", "web", "--host", f"test://{tmp_path}/kept.xml", "--medium", "volume", "--fields")
    assert b"--pool VALUE   pool (default: pool)" in medium.stdout
    assert b"not possible: web writes to it" in medium.stdout


def test_why_a_host_is_not_reached_is_told_by_the_bastion_in_front_of_it(kvtui: Kvtui) -> None:
    done = kvtui("why", "kvm1", "--host", "qemu+ssh://root@kvm1/system", "--jump", "127.0.0.1:1")
    assert done.returncode == 3
    said = done.stdout.decode()
    assert said.startswith("host kvm1 is not reachable (through 127.0.0.1:1: ")
    assert "what it depends on is in trouble:\n\nbastion 127.0.0.1:1 cannot be reached, for " in said
    assert "Connection refused; 1 host behind it: kvm1" in said
    assert "nothing is known to be wrong" not in said
