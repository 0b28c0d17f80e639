"""A small file system in memory, with the files people look at first."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvtui.demo.guests.system import System

CAPACITY = 1 << 20  # characters that all files together may hold
NODES = 2000


class FileError(Exception):
    """What the kernel answers to a refused operation, in strerror's words."""


@dataclass
class Node:
    """A directory (`content` None), a file, or a file whose text the kernel makes up when it is read."""

    content: str | Callable[[], str] | None
    owner: str
    mode: str
    modified: float

    @property
    def is_dir(self) -> bool:
        """Whether it holds other nodes."""
        return self.content is None


class FileSystem:
    """Nodes by absolute path. Errors are raised as FileError."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._nodes: dict[str, Node] = {"/": Node(None, "root", "drwxr-xr-x", 0)}
        self._fill()

    def node(self, path: str) -> Node:
        """The node at an absolute path, or FileError when there is none."""
        try:
            return self._nodes[path]
        except KeyError:
            raise FileError("No such file or directory") from None

    def exists(self, path: str) -> bool:
        """Whether there is anything at the path."""
        return path in self._nodes

    def is_dir(self, path: str) -> bool:
        """Whether there is a directory at the path."""
        return path in self._nodes and self._nodes[path].is_dir

    def children(self, path: str) -> list[str]:
        """Names in a directory, sorted as in the C locale without case."""
        if not self.node(path).is_dir:
            raise FileError("Not a directory")
        prefix = path.rstrip("/") + "/"
        names = [other[len(prefix) :] for other in self._nodes if other.startswith(prefix) and other != "/"]
        return sorted((name for name in names if "/" not in name), key=lambda name: name.lstrip(".").lower())

    def read(self, path: str) -> str:
        """Text of a file."""
        content = self.node(path).content
        if content is None:
            raise FileError("Is a directory")
        return content if isinstance(content, str) else content()

    def size(self, path: str) -> int:
        """Bytes of a file; 4096 for a directory and 0 for the kernel's own files, as ls shows them."""
        content = self.node(path).content
        if content is None:
            return 4096
        return len(content.encode("utf-8", "replace")) if isinstance(content, str) else 0

    def write(self, path: str, text: str, user: str) -> None:
        """Create or replace a file."""
        old = self._nodes.get(path)
        if old is not None and old.is_dir:
            raise FileError("Is a directory")
        self._may_change(path, user)
        if old is not None and not isinstance(old.content, str):
            raise FileError("Operation not permitted")
        used = sum(len(node.content) for node in self._nodes.values() if isinstance(node.content, str))
        if used - (self.size(path) if old else 0) + len(text) > CAPACITY or len(self._nodes) >= NODES:
            raise FileError("No space left on device")
        self._nodes[path] = Node(text, old.owner if old else user, old.mode if old else "-rw-r--r--", self._system.now)

    def make_dir(self, path: str, user: str) -> None:
        """Create a directory."""
        if path in self._nodes:
            raise FileError("File exists")
        self._may_change(path, user)
        if len(self._nodes) >= NODES:
            raise FileError("No space left on device")
        self._nodes[path] = Node(None, user, "drwxr-xr-x", self._system.now)

    def remove(self, path: str, user: str, *, recursive: bool = False) -> None:
        """Delete a file, or with `recursive` a directory and all in it."""
        if self.node(path).is_dir and not recursive:
            raise FileError("Is a directory")
        self._may_change(path, user)
        if path == "/" or path.startswith("/proc"):
            raise FileError("Operation not permitted")
        for other in [other for other in self._nodes if other == path or other.startswith(path + "/")]:
            del self._nodes[other]

    def _may_change(self, path: str, user: str) -> None:
        parent = posixpath.dirname(path)
        if not self.node(parent).is_dir:
            raise FileError("Not a directory")
        if parent.startswith("/proc") and path not in self._nodes:
            raise FileError("No such file or directory")
        writable = (f"/home/{user}", "/tmp", "/var/tmp")
        if user != "root" and not any(path == place or path.startswith(place + "/") for place in writable):
            raise FileError("Permission denied")

    def _add(self, path: str, content: str | Callable[[], str], owner: str = "root", mode: str = "-rw-r--r--") -> None:
        self._add_dir(posixpath.dirname(path), owner if path.startswith("/home") else "root")
        self._nodes[path] = Node(content, owner, mode, 0)

    def _add_dir(self, path: str, owner: str = "root") -> None:
        if path not in self._nodes:
            self._add_dir(posixpath.dirname(path))
            self._nodes[path] = Node(None, owner, "drwxr-xr-x", 0)

    def _fill(self) -> None:
        facts = self._system.facts
        user = facts.user
        for path in ("/boot", "/dev", "/mnt", "/opt", "/run", "/srv", "/tmp", "/usr/bin", "/usr/lib", "/var/tmp"):
            self._add_dir(path)
        self._add("/etc/hostname", facts.hostname + "\n")
        self._add("/etc/machine-id", facts.machine_id + "\n", mode="-r--r--r--")
        self._add("/etc/hosts", f"127.0.0.1   localhost\n::1         localhost\n{facts.ip} {facts.hostname}\n")
        self._add("/etc/resolv.conf", "search svc.cluster.local cluster.local\nnameserver 10.96.0.10\n")
        self._add("/etc/os-release", _os_release(self._system))
        self._add("/etc/fstab", "/dev/vda2  /      xfs   defaults  0 0\n/dev/vda1  /boot  ext4  defaults  1 2\n")
        self._add("/etc/passwd", _passwd(user))
        self._add("/etc/motd", "")
        self._add("/proc/cpuinfo", lambda: _cpuinfo(facts.cpus))
        self._add("/proc/meminfo", lambda: _meminfo(facts.memory_mib))
        self._add("/proc/uptime", lambda: f"{self._system.uptime:.2f} {self._system.uptime * facts.cpus * 0.93:.2f}\n")
        self._add("/proc/loadavg", lambda: "0.21 0.17 0.12 1/187 1733\n")
        self._add("/proc/version", f"Linux version {facts.kernel} (mockbuild@builder) (gcc 14.2.1) #1 SMP\n")
        self._add("/proc/cmdline", command_line(facts.kernel) + "\n")
        self._add("/var/log/messages", lambda: _messages(self._system), mode="-rw-------")
        self._add("/root/.bashrc", "# .bashrc\nalias ls='ls --color=auto'\n", mode="-rw-r--r--")
        self._add(
            "/root/anaconda-ks.cfg", "# Kickstart file\nlang en_US.UTF-8\nkeyboard us\nreboot\n", mode="-rw-------"
        )
        self._add(f"/home/{user}/.bashrc", "# .bashrc\n", owner=user)
        self._add(f"/home/{user}/notes.txt", _NOTES, owner=user)
        self._add(f"/home/{user}/bin/deploy.sh", "#!/bin/bash\necho deploying\n", owner=user, mode="-rwxr-xr-x")


_NOTES = """Things to remember about this machine:
 - backups run at 02:30, do not reboot before 03:00
 - grüße an das Team, 日本語も読めます
 - the data disk is /dev/vdb, see /etc/fstab
"""


def command_line(kernel: str) -> str:
    """The kernel's command line as GRUB passes it."""
    return f"BOOT_IMAGE=(hd0,gpt1)/vmlinuz-{kernel} root=/dev/vda2 ro console=tty0 console=ttyS0,115200n8"


def _os_release(system: System) -> str:
    facts = system.facts
    number = facts.os_version.split()[0] if facts.os_version else ""
    return (
        f'NAME="{facts.os_name}"\nVERSION="{facts.os_version}"\nID={facts.os_id}\nVERSION_ID="{number}"\n'
        f'PRETTY_NAME="{facts.pretty_name}"\n'
    )


def _passwd(user: str) -> str:
    return (
        "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/usr/sbin/nologin\n"
        "sshd:x:74:74:Privilege-separated SSH:/usr/share/empty.sshd:/usr/sbin/nologin\n"
        f"{user}:x:1000:1000::/home/{user}:/bin/bash\n"
    )


def _cpuinfo(cpus: int) -> str:
    return "\n".join(
        f"processor\t: {cpu}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel Xeon Processor (SapphireRapids)\n"
        f"cpu MHz\t\t: 2099.998\ncache size\t: 16384 KB\ncpu cores\t: {cpus}\nhypervisor vendor: KVM\n"
        for cpu in range(cpus)
    )


def _meminfo(mib: int) -> str:
    kib = mib * 1024
    rows = {"MemTotal": 0.965, "MemFree": 0.31, "MemAvailable": 0.55, "Buffers": 0.01, "Cached": 0.27, "SwapTotal": 0}
    return "".join(f"{name + ':':<15}{int(kib * part):>9} kB\n" for name, part in rows.items())


def _messages(system: System) -> str:
    host = system.facts.hostname
    return "".join(
        f"{system.date(entry.at):%b %e %H:%M:%S} {host} {entry.source}: {entry.text}\n" for entry in system.journal
    )
