"""Real libvirt hosts: a libvirtd each, with everything of its own, and nothing of it left when the tests are over.

Root gets hosts in mount, UTS and PID namespaces of their own: each has its own host name and a system libvirtd. Who may
not make namespaces gets session daemons: the same but for the host name, bridges and taps. Neither needs systemd or
D-Bus; guests are QEMU's emulation always, for /dev/kvm may be there and hang them.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs

from kvtui.backends.libvirt.link import load
from tests.real.image import MissingError
from tests.real.keeper import FOLDERS

NAMES = ("kvm-a", "kvm-b", "kvm-c", "kvm-d", "kvm-e", "kvm-f", "kvm-g", "kvm-h")
"""Hosts with namespaces know each other by these names, all of them this machine: `migrate` needs no address."""
PATIENCE = 20.0
_KEEPER = Path(__file__).parent / "keeper.py"
_NOBODY = 65534
_PORTS = 16
"""Ports for migration that a host has."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class PrivilegeError(MissingError):
    """Something that whoever runs the tests may not do here."""


def wait_until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Ask again and again until it holds. Raises AssertionError."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"waited {patience:.0f} s for {what}"
        time.sleep(0.01)


@functools.cache
def missing() -> str:
    """Why there can be no hosts here; empty if there can."""
    try:
        import libvirt  # noqa: F401
    except ImportError as error:
        return f"no libvirt-python ({error}); make setup says how to get it"
    return _missing_program("libvirtd", "qemu-system-x86_64", "qemu-img")


def _missing_program(*programs: str) -> str:
    for program in programs:
        if shutil.which(program, path=_PATH) is None:
            return f"there is no {program} here; make test installs it on Debian"
    return ""


@functools.cache
def has_namespaces() -> bool:
    """Whether hosts can have namespaces of their own."""
    if os.geteuid():
        return False
    command = ["unshare", "-m", "-u", "-p", "--fork", "--mount-proc", "--propagation", "private", "true"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def _slot() -> Iterator[int]:
    """A number that no other host of this user has, in whatever process."""
    folder = platformdirs.user_cache_path("kvtui") / "tests" / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(512):
        with (folder / str(number)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise MissingError("512 hosts run already")


class Host:
    """A libvirtd that runs within a `with` block, as `start` and `stop` do.

    `name` is the host name where it has namespaces. `network` gives it a network of its own, too, in which bridges and
    taps do no harm; migration to and from it goes through unix sockets then. `namespaces=False` does without any.
    Raises MissingError.
    """

    def __init__(self, name: str = NAMES[0], *, namespaces: bool | None = None, network: bool = False) -> None:
        reason = missing() or (_missing_program("dnsmasq", "iptables") if network else "")
        if reason:
            raise MissingError(reason)
        self.name = name
        self.has_namespaces = has_namespaces() and namespaces is not False
        if not self.has_namespaces and (network or namespaces):
            raise PrivilegeError(f"{name} is to have namespaces of its own, and they need root")
        self._network = network
        self._ends = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._daemon = 0
        self._keeper: subprocess.Popen[str] | None = None
        self.folder = Path()

    def __enter__(self) -> Host:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def socket(self) -> Path:
        """Where it is reached."""
        return self.folder / "run" / ("" if self.has_namespaces else "libvirt") / "libvirt-sock"

    @property
    def uri(self) -> str:
        """What libvirt.open takes."""
        return f"qemu+unix:///{'system' if self.has_namespaces else 'session'}?socket={self.socket}"

    @property
    def network(self) -> str:
        """Its network namespace, as nsenter takes it."""
        assert self._keeper is not None
        return f"/proc/{self._keeper.pid}/ns/net"

    @property
    def log(self) -> str:
        """What libvirtd said."""
        return "".join(file.read_text(errors="replace") for file in sorted((self.folder / "log").glob("libvirtd.*")))

    def open(self) -> Any:
        """A connection to it, of libvirt-python. Its errors are raised and nothing else."""
        return load().open(self.uri)

    # Its life

    def start(self) -> None:
        """Make it, and wait until it can be reached."""
        with contextlib.ExitStack() as ends:
            slot = ends.enter_context(_slot())
            self.folder = Path(tempfile.mkdtemp(prefix="kvtui-host-", dir="/tmp"))
            self._furnish(slot)
            command = [sys.executable, "-I", "-S", str(_KEEPER), str(self.folder)]
            if self.has_namespaces:
                network = ["-n"] if self._network else []
                unshare = ["unshare", "-m", "-u", "-p", *network, "--fork", "--kill-child", "--mount-proc"]
                command = [*unshare, "--propagation", "private", *command, self.name]
            self._keeper = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            ends.callback(self._end_keeper, self._keeper)
            try:
                self._answer(self._keeper)
            except OSError as error:
                raise MissingError(f"no namespaces for {self.name}: {error}") from None
            self._ends = ends.pop_all()
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.stop)
            self.start_daemon()
            on_failure.pop_all()

    def stop(self) -> None:
        """End it, with all that ran on it. A second call does nothing."""
        self._keep_capabilities()
        self._ends.close()
        self._daemon = 0

    def start_daemon(self) -> None:
        """Start libvirtd, for the first time or again, on the same socket, and wait until it answers."""
        command = ["libvirtd", "-f", f"{self.folder}/{self._config}/libvirtd.conf", "-p", f"{self.folder}/libvirtd.pid"]
        self._daemon = self.run(*command)
        try:
            wait_until(self._is_reached, "libvirtd's socket")
        except AssertionError:
            raise MissingError(f"libvirtd does not start: {self.log}") from None

    def kill_daemon(self) -> None:
        """Kill libvirtd, and wait for its end; its guests run on."""
        self.signal(self._daemon, signal.SIGKILL)

    def restart_daemon(self) -> None:
        """Stop libvirtd as an update of it does, and start it again; its guests run on."""
        self.signal(self._daemon, signal.SIGTERM)
        self.start_daemon()

    def freeze(self) -> None:
        """Let libvirtd hang: its socket takes connections and nothing is answered."""
        self.signal(self._daemon, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let libvirtd go on."""
        self.signal(self._daemon, signal.SIGCONT)

    # What runs on it

    def qemu(self, domain: str) -> int:
        """The process id of a domain's QEMU, as `signal` takes it. Raises OSError if it does not run."""
        place = "run/qemu" if self.has_namespaces else "run/libvirt/qemu/run"
        return int((self.folder / place / f"{domain}.pid").read_text())

    def freeze_guest(self, domain: str) -> None:
        """Let a domain's QEMU hang: nothing that libvirt asks it is answered."""
        self.signal(self.qemu(domain), signal.SIGSTOP)

    def thaw_guest(self, domain: str) -> None:
        """Let a domain's QEMU go on."""
        self.signal(self.qemu(domain), signal.SIGCONT)

    def kill_guest(self, domain: str) -> None:
        """Kill a domain's QEMU, and wait for its end."""
        self.signal(self.qemu(domain), signal.SIGKILL)

    def run(self, *command: str) -> int:
        """Start a program on the host; its process id, as `signal` takes it.

        What it prints is in PROGRAM.log in the host's folder. It ends with the host at the latest.
        """
        prefix: list[str] = []
        if not self.has_namespaces and not os.geteuid():
            prefix = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        output = f"{self.folder}/{Path(command[0]).name}.log"
        answer = self._order({"run": [*prefix, *command], "env": self._environment, "output": output})
        pid: int = answer["pid"]
        return pid

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process of the host; SIGKILL and SIGTERM return when it has ended. Raises OSError."""
        self._order({"signal": int(number), "pid": pid})

    def is_alive(self, pid: int) -> bool:
        """Whether a process of the host runs."""
        return bool(self._order({"alive": pid})["alive"])

    # What lies on it

    def lend(self, path: Path) -> Path:
        """A file that its QEMU can read: this one, or a copy where it runs as somebody who may not see it."""
        if self.has_namespaces or os.geteuid():
            return path
        copy = self.folder / path.name
        if not copy.exists():
            shutil.copy(path, copy)
            copy.chmod(0o644)
        return copy

    def make_disk(self, name: str, mebibytes: int = 16) -> str:
        """An empty qcow2 image; its path, as the host sees it. Hosts with namespaces have each their own
        /var/lib/libvirt/images, others a folder with another name each.
        """
        path = self.folder / "lib" / "images" / name
        path.parent.mkdir(exist_ok=True)
        command = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), f"{mebibytes}M"]
        subprocess.run(command, check=True)
        self._give(path.parent)
        return f"{FOLDERS['lib']}/images/{name}" if self.has_namespaces else str(path)

    # How it is made

    @property
    def _config(self) -> str:
        return "etc" if self.has_namespaces else "etc/libvirt"

    @property
    def _environment(self) -> dict[str, str]:
        if self.has_namespaces:
            return {"PATH": _PATH}
        folders = {"HOME": "lib", "XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "etc"}
        folders |= {"XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "lib"}
        return {"PATH": _PATH, **{name: f"{self.folder}/{folder}" for name, folder in folders.items()}}

    @property
    def _capabilities(self) -> tuple[Path, Path]:
        """What its libvirtd found out about QEMU, which takes more than a second, and where that is kept."""
        kind = "system" if self.has_namespaces else "session"
        place = "qemu/capabilities" if self.has_namespaces else "libvirt/qemu/cache/capabilities"
        return self.folder / "cache" / place, platformdirs.user_cache_path("kvtui") / "tests" / f"capabilities-{kind}"

    def _furnish(self, slot: int) -> None:
        """Write what its libvirtd and its QEMU processes read."""
        for name in FOLDERS:
            (self.folder / name).mkdir()
        (self.folder / self._config).mkdir(exist_ok=True)
        first = 49_152 + _PORTS * slot
        qemu = [f"migration_port_min = {first}", f"migration_port_max = {first + _PORTS - 1}", 'stdio_handler = "file"']
        qemu += ['security_driver = "none"']
        daemon = [f'host_uuid = "{uuid.uuid4()}"', f'log_outputs = "3:file:{self.folder}/log/libvirtd.log"']
        daemon += ["max_clients = 200", 'auth_unix_rw = "none"', 'auth_unix_ro = "none"']
        if self.has_namespaces:
            qemu += ['user = "root"', 'group = "root"', "dynamic_ownership = 0", "remember_owner = 0"]
            qemu += ["namespaces = [ ]", "cgroup_controllers = [ ]"]
            # The QEMU driver wants the user it was built for, even if it is told to use another one.
            extra = {"passwd": "libvirt-qemu:x:64055:64055:::/usr/sbin/nologin\n", "group": "libvirt-qemu:x:64055:\n"}
            for name, line in extra.items():
                text = Path("/etc", name).read_text()
                (self.folder / name).write_text(text if "\nlibvirt-qemu:" in text else text + line)
            (self.folder / "hosts").write_text(f"127.0.0.1 localhost {self.name} {' '.join(NAMES)}\n")
        (self.folder / self._config / "qemu.conf").write_text("\n".join(qemu) + "\n")
        (self.folder / self._config / "libvirtd.conf").write_text("\n".join(daemon) + "\n")
        own, kept = self._capabilities
        if kept.exists():
            # libvirt looks whether they are true still.
            shutil.copytree(kept, own, ignore=shutil.ignore_patterns("*.xml.*"))
        self._give(self.folder)

    def _give(self, folder: Path) -> None:
        """Let a folder be that of the user who runs libvirtd."""
        if self.has_namespaces or os.geteuid():
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY)

    def _keep_capabilities(self) -> None:
        own, kept = self._capabilities
        for path in own.glob("*.xml"):
            with contextlib.suppress(OSError):
                content = path.read_bytes()
                if not (kept / path.name).exists() or (kept / path.name).read_bytes() != content:
                    kept.mkdir(exist_ok=True)
                    copy = kept / f"{path.name}.{self.folder.name}"
                    copy.write_bytes(content)
                    copy.replace(kept / path.name)

    def _is_reached(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    def _order(self, order: dict[str, object]) -> dict[str, Any]:
        assert self._keeper is not None
        assert self._keeper.stdin is not None
        with self._lock:
            self._keeper.stdin.write(f"{json.dumps(order)}\n")
            self._keeper.stdin.flush()
            return self._answer(self._keeper)

    def _answer(self, keeper: subprocess.Popen[str]) -> dict[str, Any]:
        """What the keeper says next. Raises OSError with its complaint."""
        assert keeper.stdout is not None
        line = keeper.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": f"the host {self.name} has ended"}
        if "error" in answer:
            raise OSError(answer["error"])
        return answer

    def _end_keeper(self, keeper: subprocess.Popen[str]) -> None:
        """Let it take all along."""
        try:
            keeper.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.communicate()
