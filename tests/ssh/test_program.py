"""The program itself by way of a hop: what is asked on the screen and on the terminal, and what is said without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from tests.cluster import cluster_process
from tests.ssh.sshd import SSHD, running_sshd
from tests.ssh.support import trusted
from tests.terminal import Program
from tests.wire.sshserver import write_key

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]
KVTUI = [sys.executable, "-m", "kvtui"]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """A command without a terminal, run to its end."""
    return subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True
    )


async def test_key_and_passphrase_are_asked_for_on_the_screen_and_a_cut_heals(home: Path) -> None:
    key = write_key(home / ".ssh" / "id_ed25519", "correct horse")
    async with cluster_process() as cluster, running_sshd(home / "gate", key) as gate:
        command = [*KVTUI, "--kubeconfig", str(cluster.kubeconfig), "--jump", gate.hop]
        # What runs elsewhere needs no turns of this loop.
        with Program(command, columns=120, lines=35, env={"XDG_STATE_HOME": str(home)}) as screen:
            screen.wait_for(r"The host key of 127.0.0.1:\d+ is not known yet", 30)
            screen.wait_for("escape gives up")
            screen.press("escape")
            screen.wait_for("its host key was not trusted", 30)
            assert (home / ".ssh" / "known_hosts").exists() is False
            screen.send(b"\x12")
            screen.wait_for(r"The host key of 127.0.0.1:\d+ is not known yet(.*\n)*.*escape gives up", 30)
            screen.press("yes", "enter")
            screen.wait_for(r"passphrase of(.*\n)*.*escape gives up", 30)
            screen.press("correct horse", "enter")
            screen.wait_for(r"VMs \d+(.*\n)*.*Running", 60)
            assert "correct" not in screen.screen
            await gate.go_down()
            screen.wait_for("stale", 60)
            async with running_sshd(gate.folder, key, key=gate.key, port=gate.port):
                screen.wait_for(lambda text: "stale" not in text and "does not answer" not in text, 60)
            screen.press("q")
            screen.wait_exit()


async def test_a_command_asks_on_its_terminal_and_prints_to_its_output(home: Path, key: asyncssh.SSHKey) -> None:
    async with cluster_process() as cluster, running_sshd(home / "gate", key) as gate:
        get = [*KVTUI, "get", "nodes", "-o", "name", "--kubeconfig", str(cluster.kubeconfig), "--jump", gate.hop]
        words = " ".join(get) + f" > {home}/rows"
        with Program(
            ["setsid", "-c", "-w", "sh", "-c", words], columns=200, env={"XDG_STATE_HOME": str(home)}
        ) as terminal:
            terminal.wait_for(r"Trust it \(yes/no\)\?", 30)
            terminal.press("yes", "enter")
            terminal.wait_exit(30)
        assert "worker-01" in (home / "rows").read_text().split()
        assert gate.known in (home / ".ssh" / "known_hosts").read_text()


async def test_without_a_terminal_a_sentence_says_what_would_be_asked(home: Path, key: asyncssh.SSHKey) -> None:
    async with cluster_process() as cluster, running_sshd(home / "gate", key) as gate:
        get = [*KVTUI, "get", "nodes", "-o", "name", "--kubeconfig", str(cluster.kubeconfig), "--jump", gate.hop]
        done = run(get)
        assert done.returncode == 3
        assert f"its host key is not known yet: ssh-ed25519 {gate.key.get_fingerprint()}" in done.stderr
        assert "log in once on a terminal" in done.stderr
        assert "Traceback" not in done.stderr
        trusted(home, gate.known)
        done = run(get)
        assert (done.returncode, done.stderr) == (0, "")
        assert "worker-01" in done.stdout.split()


async def test_the_command_line_goes_before_the_configuration(home: Path) -> None:
    config = home / "config.toml"
    config.write_text('[context."*"]\njump = "127.0.0.1:1"\n')
    async with cluster_process() as cluster:
        get = [*KVTUI, "get", "nodes", "--kubeconfig", str(cluster.kubeconfig), "--config", str(config)]
        done = run(get)
        assert done.returncode == 3
        assert "bastion 127.0.0.1:1 cannot be reached: Connection refused; 1 context behind it" in done.stderr
        done = run([*get, "--jump", "none"])
        assert (done.returncode, done.stderr) == (0, "")
