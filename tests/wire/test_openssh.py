"""OpenSSH as the judge: its client on the demo's guests, its agent, and its reading of our known hosts."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kvtui.backends.forwarding import forward_port
from kvtui.backends.ssh.known_hosts import KnownHosts, alias_of
from kvtui.model import Ref
from tests.cluster import running_cluster
from tests.demo.test_server_ports import networked
from tests.demo.wire import create
from tests.wire.sshserver import HOST_KEY, VM, Door, User, shell_at, ssh_server, write_key
from tests.wire.support import eventually, kept

pytestmark = [
    pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is not installed"),
    pytest.mark.usefixtures("home", "no_thread_is_left"),
]


async def run(*command: str | Path, **environment: str) -> tuple[int | None, str]:
    """Exit code and output of a command, which is left when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode, out.decode(errors="replace")


@contextlib.asynccontextmanager
async def guest_with(key: str) -> AsyncIterator[int]:
    """A port of this machine that leads to the ssh server of a demo guest, which knows a public key."""
    async with running_cluster(speed=1.0) as cluster, kept(cluster.kubeconfig) as state:
        data = f"#cloud-config\nssh_authorized_keys:\n  - {key}"
        async with cluster.session() as session:
            await create(session, networked("web-1", cloudinit={"cloudInitNoCloud": {"userData": data}}))
        cluster.advance(300)
        ref = Ref(state.backend.name, "VirtualMachine", "shop", "web-1")
        forwarding = await forward_port(lambda: state.backend.open_port(ref, 22), "127.0.0.1", 0)
        yield forwarding.port
        await forwarding.close()


async def test_the_client_of_openssh_logs_in_to_a_guest(home: Path) -> None:
    key = write_key(home / "key")
    async with guest_with(key.export_public_key().decode()) as port:
        ssh = ["ssh", "-F", "none", "-p", str(port), "-i", str(home / "key"), "-o", "IdentityAgent=none"]
        ssh += ["-o", f"UserKnownHostsFile={home / 'hosts'}", "-o", "StrictHostKeyChecking=accept-new"]
        ssh += ["-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        assert await run(*ssh, "fedora@127.0.0.1", "uname -n; whoami; false") == (1, "web-1\nfedora\n")
        assert await run(*ssh, "-tt", "fedora@127.0.0.1", "tty 2> /dev/null; who") == (
            0,
            (await run(*ssh, "fedora@127.0.0.1", "who"))[1].replace("\n", "\r\n"),
        )
        code, text = await run(*ssh, "mallory@127.0.0.1", "true")
        assert code == 255
        assert "Permission denied (publickey,keyboard-interactive,password)" in text


async def test_a_key_of_the_agent_is_offered(home: Path, known_hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, other = write_key(home / "held"), write_key(home / "other")
    agent = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", home / "agent", stdout=subprocess.DEVNULL)
    try:
        await eventually((home / "agent").exists)
        code, text = await run("ssh-add", home / "other", home / "held", SSH_AUTH_SOCK=str(home / "agent"))
        assert code == 0, text
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
        async with ssh_server(lambda: Door({key.public_data}, passwords=False)) as port:
            await (await shell_at(port, User(), known_hosts)).close()
        # Only the key that is named, though the agent holds both; its file is not needed for more than its name.
        (home / "other.pub").write_bytes(other.export_public_key())
        (home / "other").unlink()
        async with ssh_server(lambda: Door({other.public_data}, passwords=False)) as port:
            await (await shell_at(port, User(), known_hosts, keys=[home / "other"])).close()
    finally:
        agent.terminate()
        await agent.wait()


async def test_known_hosts_are_read_by_openssh(tmp_path: Path) -> None:
    hosts = KnownHosts(tmp_path / "known_hosts")
    odd = Ref("arn:aws:eks:eu-1:1:cluster/prod *,!#|", "VirtualMachine", "shop", "web-1")
    for ref in (VM, odd):
        type_, key, *_ = HOST_KEY.export_public_key().decode().split()
        hosts.add(alias_of(ref), type_, key)
    for ref in (VM, odd):
        code, text = await run("ssh-keygen", "-F", alias_of(ref), "-f", hosts.path)
        assert (code, text.split("\n")[1].split()[0]) == (0, alias_of(ref))
        assert [known.key for known in hosts.find(alias_of(ref))] == [HOST_KEY.export_public_key().decode().split()[1]]
