"""A port of a real guest, which only its host reaches, by way of a real sshd in the host's own network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from kvtui.audit import AuditLog
from kvtui.backends.forwarding import forward_port
from kvtui.backends.libvirt.client import Place, connect
from kvtui.backends.ssh import Questions, Routes
from kvtui.cli.connecting import make_way
from kvtui.errors import BackendError
from kvtui.model import Ref
from kvtui.records.libvirt import Domain
from tests.real.conftest import import_libvirt
from tests.real.domains import network_xml, open_shell, running_guest
from tests.real.hosts import Host, wait_until
from tests.real.image import Image
from tests.ssh.sshd import SSHD, USER, write_server
from tests.ssh.support import trusted
from tests.wire.sshserver import User, write_key

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed"),
]

import_libvirt()


async def test_the_port_of_a_guest_is_forwarded_from_the_network_of_its_host(
    make_host: Callable[..., Host], image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host("kvm-e", network=True)
    network = await asyncio.to_thread(lambda: host.open().networkCreateXML(network_xml("lan")))
    uri = f"qemu+ssh://{USER}@inside/system?socket={host.socket}"
    _lead_inside(host, tmp_path, monkeypatch)
    routes = Routes(Questions(User()))
    backend = connect(Place("kvm", uri), AuditLog(tmp_path / "audit.jsonl"), make_way(uri, (), routes))
    ref = Ref("kvm", Domain.KIND, "", "lodger")
    try:
        with running_guest(host, "lodger", image, network="lan"):
            await asyncio.to_thread(wait_until, network.DHCPLeases, "a lease")
            with pytest.raises(BackendError, match="cannot connect to 192") as failure:
                await backend.open_port(ref, 7)
            assert failure.value.code == 502
            await asyncio.to_thread(_serve, host)
            forwarding = await forward_port(lambda: backend.open_port(ref, 7), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", forwarding.port)
            writer.write(b"hello\n")
            assert await asyncio.wait_for(reader.readline(), 20) == b"hello\n"
            writer.close()
            await forwarding.close()
        with pytest.raises(BackendError):
            await backend.open_port(ref, 7)
    finally:
        await backend.close()
        await routes.close()


def _lead_inside(host: Host, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An sshd in the host's network, for each connection its own, as ssh's configuration says."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (home / ".ssh").mkdir(mode=0o700)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    write_server(home / "sshd", host_key, [write_key(home / ".ssh" / "id_ed25519")])
    command = f"nsenter --net={host.network} {SSHD} -i -f {home}/sshd/config -E {home}/sshd/log"
    (home / ".ssh" / "config").write_text(f"Host inside\n  ProxyCommand {command}\n")
    trusted(home, f"inside {host_key.export_public_key().decode()}")


def _serve(host: Host) -> None:
    """Have the guest say again what it hears on port 7."""
    with open_shell(host.open(), "lodger") as line:
        line.run("nc -ll -p 7 -e cat & sleep 1")
