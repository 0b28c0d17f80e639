"""The state of one guest's operating system: identity, clock, files, services, journal."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from kvtui.demo.guests.filesystem import FileSystem
from kvtui.demo.guests.tty import Tty
from kvtui.demo.seriallog import SerialLog

JOURNAL_ENTRIES = 1000


@dataclass(frozen=True)
class Facts:
    """What the virtual machine is, as its guest sees it. `memory_mib` in MiB."""

    hostname: str
    os_name: str
    os_version: str
    kernel: str
    memory_mib: int
    cpus: int
    ip: str
    seed: int

    @property
    def os_id(self) -> str:
        """The ID of os-release: fedora, ubuntu, debian, centos, rhel, windows, or the first word in lower case."""
        name = self.os_name.lower()
        if "red hat" in name:
            return "rhel"
        return next((known for known in ("windows", "fedora", "ubuntu", "debian", "centos") if known in name), "linux")

    @property
    def pretty_name(self) -> str:
        """The PRETTY_NAME of os-release."""
        return f"{self.os_name} {self.os_version}".strip()

    @property
    def user(self) -> str:
        """The account that the distribution's cloud image brings beside root."""
        return {"rhel": "cloud-user", "centos": "cloud-user", "linux": "cloud"}.get(self.os_id, self.os_id)

    @property
    def mac(self) -> str:
        """MAC address of the first interface."""
        draw = random.Random(self.seed)
        return "02:" + ":".join(f"{draw.randrange(256):02x}" for _ in range(5))

    @property
    def machine_id(self) -> str:
        """Content of /etc/machine-id."""
        return f"{random.Random(self.seed + 1).getrandbits(128):032x}"


@dataclass
class Unit:
    """A systemd service. `pid` is 0 unless it runs."""

    name: str
    description: str
    command: str
    user: str
    pid: int
    state: Literal["active", "inactive", "failed"] = "active"
    since: float = 0.0
    memory_mib: float = 4.0
    load: float = 0.1  # usual share of one CPU in percent


@dataclass(frozen=True)
class Entry:
    """One journal entry; `at` in seconds of the guest's clock."""

    at: float
    source: str
    text: str


_SERVICES = (
    ("systemd-journald", "Journal Service", "/usr/lib/systemd/systemd-journald", "root", 412, 14.2, 0.1),
    ("systemd-udevd", "Rule-based Manager for Device Events", "/usr/lib/systemd/systemd-udevd", "root", 431, 9.8, 0.0),
    ("dbus-broker", "D-Bus System Message Bus", "/usr/bin/dbus-broker --scope system", "dbus", 602, 5.1, 0.1),
    ("chronyd", "NTP client/server", "/usr/sbin/chronyd -F 2", "chrony", 618, 3.4, 0.0),
    ("qemu-guest-agent", "QEMU Guest Agent", "/usr/bin/qemu-ga --method=virtio-serial", "root", 633, 2.6, 0.1),
    ("systemd-logind", "User Login Management", "/usr/lib/systemd/systemd-logind", "root", 640, 6.9, 0.0),
    ("NetworkManager", "Network Manager", "/usr/sbin/NetworkManager --no-daemon", "root", 688, 18.7, 0.1),
    ("sshd", "OpenSSH server daemon", "sshd: /usr/sbin/sshd -D [listener]", "root", 791, 5.5, 0.0),
    ("rsyslog", "System Logging Service", "/usr/sbin/rsyslogd -n", "root", 803, 7.2, 0.1),
    ("crond", "Command Scheduler", "/usr/sbin/crond -n", "root", 844, 3.1, 0.0),
)

_NGINX = ("nginx", "The nginx HTTP and reverse proxy server", "nginx: worker process", "nginx", 6.5)
_WORKLOADS = {
    "db": ("postgresql", "PostgreSQL database server", "/usr/bin/postgres -D /var/lib/pgsql/data", "postgres", 34.0),
    "web": _NGINX,
    "frontend": _NGINX,
    "cache": ("valkey", "Valkey persistent key-value database", "/usr/bin/valkey-server 0.0.0.0:6379", "valkey", 9.0),
    "": ("app", "Application server", "/usr/bin/java -Xmx1g -jar /opt/app/app.jar", "app", 21.0),
}


def _services(facts: Facts) -> dict[str, Unit]:
    units = {}
    for name, description, command, user, pid, memory, load in _SERVICES:
        units[name] = Unit(name, description, command, user, pid, memory_mib=memory, load=load)
    key = next(key for key in _WORKLOADS if key in facts.hostname)
    name, description, command, user, load = _WORKLOADS[key]
    units[name] = Unit(name, description, command, user, 1042, memory_mib=facts.memory_mib * 0.31, load=load)
    draw = random.Random(facts.seed)
    if draw.random() < 0.15:
        # What the machine is for runs: others lead ports to it.
        broken = units[draw.choice(("chronyd", "rsyslog"))]
        broken.state, broken.pid = "failed", 0
    return units


@dataclass
class System:
    """Everything the programs of one guest share. Times are seconds; `epoch` is the Unix time at which `now` is 0."""

    facts: Facts
    epoch: float
    now: float = 0.0
    booted_at: float = 0.0
    power_request: Literal["reboot", "poweroff"] | None = None

    def __post_init__(self) -> None:
        self.log = SerialLog()
        self.tty = Tty("ttyS0", self.log)
        """The serial line."""
        self.random = random.Random(self.facts.seed)
        self.files = FileSystem(self)
        self.journal: deque[Entry] = deque(maxlen=JOURNAL_ENTRIES)
        self.kernel_log: list[str] = []
        self.units = _services(self.facts)

    @property
    def uptime(self) -> float:
        """Seconds since the machine was switched on or reset."""
        return self.now - self.booted_at

    def date(self, at: float | None = None) -> datetime:
        """The guest's clock (UTC) at a moment of its time, now unless told."""
        return datetime.fromtimestamp(self.epoch + (self.now if at is None else at), UTC)

    def note(self, source: str, text: str) -> None:
        """Write to the journal."""
        self.journal.append(Entry(self.now, source, text))

    def power_cycled(self) -> None:
        """Forget what does not outlive a reset: uptime, kernel log, the state of services."""
        self.booted_at = self.now
        self.kernel_log.clear()
        self.units = _services(self.facts)
        for unit in self.units.values():
            unit.since = self.now
        self.power_request = None
