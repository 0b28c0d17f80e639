"""The first process of a host of tests: it runs what it is told to, and takes all of it along when its input ends.

    python keeper.py FOLDER [NAME]

FOLDER is the host's, and goes with it. With a NAME it is the first process in namespaces of its own (see hosts.py): it
gives them that host name, and puts FOLDER's folders in the place of libvirt's. Without one it stays what its starter
is, and the orphans of what it starts become its children. Its input ends when the tests do, however they end, and then
nothing that was ever started here runs on.

Each line of its input is an order in JSON, and is answered with a line: what it asked for, or {"error": TEXT}. It needs
nothing but Python itself, for the user that runs it may see nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "run": "/run/libvirt",
    "lock": "/var/lock",
}
"""What a host has of its own, and where its libvirt looks for it. Locks of consoles name processes by numbers that mean
others elsewhere, and a daemon that is killed leaves them.
"""
FILES = ("passwd", "group", "hosts")
"""Files of /etc that a host has of its own."""
_SUBREAPER = 36
_SET_FLAGS = 0x8914
_UP = 1
_IGNORED = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""The kernel buries this process's dead; and a key pressed at the tests is no business of their hosts."""
_PATIENCE = 10.0


def settle(folder: Path, name: str) -> None:
    """Make the namespaces the host's own. Raises OSError or CalledProcessError."""
    socket.sethostname(name)
    for own, place in FOLDERS.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        _bind(folder / own, place)
    for own in FILES:
        _bind(folder / own, f"/etc/{own}")
    # Where the network is not the host's own it is up already, and may be somebody else's.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, contextlib.suppress(PermissionError):
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def _bind(source: Path, target: str) -> None:
    subprocess.run(["mount", "--bind", str(source), target], check=True, capture_output=True, text=True)


def run(command: list[str], env: dict[str, str], output: str) -> int:
    """Start a program whose output goes to a file; its process id."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(command[0], command, env, file_actions=actions, setsigdef=_IGNORED)


def send(pid: int, number: int) -> None:
    """Send a signal; one that kills is waited for. Raises OSError."""
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, number)
        if number in (signal.SIGKILL, signal.SIGTERM) and not select.select([process], [], [], _PATIENCE)[0]:
            raise TimeoutError(f"process {pid} did not end within {_PATIENCE:.0f} s")
    finally:
        os.close(process)


def obey(order: dict[str, object]) -> dict[str, object]:
    """Carry out an order."""
    match order:
        case {"run": list(command), "env": dict(env), "output": str(output)}:
            return {"pid": run(command, env, output)}
        case {"signal": int(number), "pid": int(pid)}:
            send(pid, number)
            return {}
        case {"alive": int(pid)}:
            return {"alive": Path(f"/proc/{pid}").exists()}
    raise ValueError(f"unknown order {order}")


def children() -> Iterator[int]:
    """Processes whose parent is this one."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            yield int(stat.parent.name)


def clear() -> None:
    """Kill all that was started: orphans come here one generation after the other."""
    while found := list(children()):
        for pid in found:
            try:
                send(pid, signal.SIGKILL)
            except OSError:
                continue


def main() -> None:
    """Serve until the input ends."""
    folder = Path(sys.argv[1])
    try:
        if len(sys.argv) > 2:
            settle(folder, sys.argv[2])
        else:
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    except subprocess.CalledProcessError as error:
        print(json.dumps({"error": error.stderr.strip()}), flush=True)
        return
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    print("{}", flush=True)
    for line in sys.stdin:
        try:
            answer = obey(json.loads(line))
        except (OSError, ValueError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    clear()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
