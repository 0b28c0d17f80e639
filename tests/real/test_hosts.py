"""What other tests stand on: hosts that live, hang, die and come back, and guests that boot, migrate and go."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import import_libvirt
from tests.real.domains import Guest, define_domain, network_xml, open_shell, running_guest
from tests.real.hosts import Host, wait_until
from tests.real.image import Image
from tests.real.line import Line
from tests.testdriver import CONNECTIONS, DOMAINS, make_uris

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()
BOOT_LIMIT = 40.0
"""Seconds; it is 4 on an idle machine."""


class Call(threading.Thread):
    """A call to libvirt that may block."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.error: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._function()
        except libvirt.libvirtError as error:
            self.error = error


# Guests


def test_guest_boots_to_a_login_on_its_serial_console(host: Host, image: Image) -> None:
    connection = host.open()
    disk = host.make_disk("web.qcow2")
    domain = define_domain(connection, host, "web", image, disks=[disk], network="user", agent=True)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    with Line(host.open(), "web") as line:
        begin = time.monotonic()
        domain.resume()
        line.wait_for("web login:", BOOT_LIMIT)
        assert time.monotonic() - begin < BOOT_LIMIT
        # getty asks once more.
        line.type("\r")
        line.log_in()
        assert line.run("uname -n") == "web"
        assert line.run("cat /sys/block/vda/size /sys/class/net/eth0/carrier") == f"{16 << 11}\n1"
        addresses = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
        assert "10.0.2.15" in [address["addr"] for address in addresses["eth0"]["addrs"]]
        assert domain.guestInfo()["hostname"] == "web"
        domain.shutdown()
        wait_until(lambda: line.has_ended, "the end of the line")
    wait_until(lambda: not domain.isActive(), "the power going off")
    domain.undefine()


def test_guest_says_what_it_uses(host: Host, guest: Guest) -> None:
    domain = host.open().lookupByName(guest.name)
    wait_until(lambda: "unused" in domain.memoryStats(), "the balloon's figures")
    assert 0 < domain.memoryStats()["unused"] < domain.memoryStats()["available"]


def test_guest_shows_its_screen(host: Host, guest: Guest) -> None:
    connection = host.open()
    stream = connection.newStream(0)
    assert connection.lookupByName(guest.name).screenshot(stream, 0, 0) == "image/png"
    assert stream.recv(65_536).startswith(b"\x89PNG")
    stream.abort()


def test_guest_has_a_lease_of_a_network_of_its_host(make_host: Callable[..., Host], image: Image) -> None:
    host = make_host("kvm-c", network=True)
    network = host.open().networkCreateXML(network_xml("lan"))
    with running_guest(host, "lodger", image, network="lan"):
        wait_until(network.DHCPLeases, "a lease")
        assert [lease["hostname"] for lease in network.DHCPLeases()] == ["lodger"]
        domain = host.open().lookupByName("lodger")
        assert "net.0.rx.bytes" in host.open().domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_INTERFACE)[0][1]


def test_crash_of_the_guest_is_the_state_of_its_domain(host: Host, image: Image) -> None:
    with running_guest(host, "crashing", image, on_crash="preserve") as guest, Line(host.open(), guest.name) as line:
        domain = host.open().lookupByName(guest.name)
        line.type("echo c > /proc/sysrq-trigger\r")
        wait_until(lambda: domain.state() == [libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_CRASHED_PANICKED], "it")


# Migration


def test_migration_of_a_busy_guest_goes_on_until_it_is_aborted(pair: tuple[Host, Host], guest: Guest) -> None:
    source, target = pair
    there = target.open()
    domain, observer = (source.open().lookupByName(guest.name) for _ in range(2))
    with open_shell(source.open(), guest.name) as line:
        line.run("dirty 32 & echo $!")
        where = {"migrate_uri": "tcp://127.0.0.1", "bandwidth": 8}
        migration = Call(lambda: domain.migrate3(there, where, libvirt.VIR_MIGRATE_LIVE))
        wait_until(lambda: _job(observer).get("memory_processed", 0) > 1 << 20, "a megabyte on its way")
        assert _job(observer)["operation"] == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
        observer.abortJob()
        migration.join(20)
        assert migration.error is not None
        assert migration.error.get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED
        assert domain.isActive()
        assert there.listAllDomains() == []
        line.run("kill %1; rm /tmp/dirt")


def test_guest_migrates_there_and_back_and_its_console_with_it(pair: tuple[Host, Host], guest: Guest) -> None:
    """The second time without TCP, through a socket in the file system."""
    here, there = pair[0].open(), pair[1].open()
    domain = here.lookupByName(guest.name)
    with Line(pair[0].open(), guest.name) as line:
        moved = domain.migrate3(there, {"migrate_uri": "tcp://127.0.0.1"}, libvirt.VIR_MIGRATE_LIVE)
        wait_until(lambda: line.has_ended, "the end of the line at the source")
    assert moved.isActive()
    assert not domain.isActive()
    with open_shell(pair[1].open(), guest.name) as line:
        assert line.run("uname -n") == guest.name
    moved.migrate3(here, {"migrate_uri": f"unix://{pair[0].folder}/lib/migration"}, libvirt.VIR_MIGRATE_LIVE)
    assert domain.isActive()
    assert there.listAllDomains() == []


def _job(domain: Any) -> dict[str, int]:
    stats: dict[str, int] = domain.jobStats()
    return stats


def test_hosts_with_namespaces_find_each_other_by_name(pair: tuple[Host, Host], image: Image) -> None:
    source, target = pair
    if not source.has_namespaces:
        pytest.skip("hosts with names of their own need root and namespaces")
    there = target.open()
    assert [source.open().getHostname(), there.getHostname()] == ["kvm-a", "kvm-b"]
    domain = define_domain(source.open(), source, "named", image)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    moved = domain.migrate3(there, {}, libvirt.VIR_MIGRATE_LIVE)
    assert moved.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    moved.destroy()
    domain.undefine()


# Hosts


@pytest.mark.parametrize("namespaces", [True, False])
def test_killed_libvirtd_comes_back_and_finds_its_guests(
    namespaces: bool, make_host: Callable[..., Host], image: Image
) -> None:
    host = make_host("kvm-c", namespaces=namespaces)
    connection = host.open()
    domain = define_domain(connection, host, "survivor", image)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    qemu = host.qemu("survivor")
    host.kill_daemon()
    with pytest.raises(libvirt.libvirtError):
        connection.getLibVersion()
    with pytest.raises(libvirt.libvirtError, match=r"(?i)connect"):
        host.open()
    host.start_daemon()
    domain = host.open().lookupByName("survivor")
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    assert host.qemu("survivor") == qemu
    # It asks QEMU, and so comes after libvirtd's finding it again, which a dying QEMU would be too early for.
    domain.memoryStats()
    host.kill_guest("survivor")
    wait_until(lambda: not domain.isActive(), "libvirt's seeing it")
    assert domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
    host.restart_daemon()
    assert host.open().lookupByName("survivor").state()[0] == libvirt.VIR_DOMAIN_SHUTOFF


def test_frozen_libvirtd_answers_when_it_is_thawed(make_host: Callable[..., Host]) -> None:
    host = make_host("kvm-c")
    connection = host.open()
    host.freeze()
    call = Call(connection.getLibVersion)
    call.join(0.5)
    assert call.is_alive()
    host.thaw()
    call.join(20)
    assert not call.is_alive()
    assert call.error is None


def test_frozen_guest_holds_up_what_asks_its_qemu_alone(host: Host, guest: Guest) -> None:
    domain = host.open().lookupByName(guest.name)
    host.freeze_guest(guest.name)
    call = Call(domain.memoryStats)
    call.join(0.5)
    assert call.is_alive()
    assert host.open().lookupByName(guest.name).state()[0] == libvirt.VIR_DOMAIN_RUNNING
    host.thaw_guest(guest.name)
    call.join(20)
    assert not call.is_alive()


def test_nothing_is_left_of_a_host_whose_tests_were_killed(image: Image) -> None:
    script = (
        "import sys, time; from tests.real.hosts import Host; from tests.real.domains import define_domain\n"
        "from tests.real.image import Image; from pathlib import Path\n"
        "with Host() as host:\n"
        "    define_domain(host.open(), host, host.folder.name, Image(*map(Path, sys.argv[1:]))).create()\n"
        "    print(host.folder.name, flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, *map(str, (image.kernel, image.initramfs, image.small))]
    tests = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert tests.stdout is not None
    folder = tests.stdout.readline().strip()
    assert folder
    assert Path("/tmp", folder).exists()
    programs = [Path(line.split()[0]).name for line in _commands(folder)]
    assert {"libvirtd", "qemu-system-x86_64"} <= set(programs)
    os.kill(tests.pid, signal.SIGKILL)
    tests.communicate()
    wait_until(lambda: not _commands(folder) and not Path("/tmp", folder).exists(), "the end of the host")


def _commands(word: str) -> list[str]:
    """Command lines of the processes that have a word in theirs."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if word in line]


# Size


@pytest.mark.parametrize("daemon", [True, False])
def test_thousand_domains_on_the_test_driver(daemon: bool, pair: tuple[Host, Host], tmp_path: Path) -> None:
    # The daemon may run as somebody who cannot see the folder of a test.
    folder, socket = (pair[0].folder, pair[0].socket) if daemon else (tmp_path, None)
    uris = make_uris(folder, socket=socket)
    connections = [libvirt.open(uri) for uri in uris]
    assert len(connections) == CONNECTIONS
    states = [domain.state()[0] for connection in connections for domain in connection.listAllDomains()]
    assert len(states) == CONNECTIONS * DOMAINS
    assert {state: states.count(state) for state in set(states)} == {
        libvirt.VIR_DOMAIN_RUNNING: 700,
        libvirt.VIR_DOMAIN_PAUSED: 100,
        libvirt.VIR_DOMAIN_SHUTOFF: 200,
    }
    assert len(connections[0].storagePoolLookupByName("default").listAllVolumes()) == DOMAINS
