"""What a command sees when the shell calls it: the user's session, arguments, input and output."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field

from kvtui.demo.guests.filesystem import FileError
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import Tty


@dataclass
class Session:
    """One login: who, where, and what the shell remembers."""

    system: System
    tty: Tty
    user: str
    cwd: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    status: int = 0
    exited: bool = False

    @property
    def home(self) -> str:
        """The user's home directory."""
        return "/root" if self.user == "root" else f"/home/{self.user}"

    def resolve(self, path: str) -> str:
        """Absolute path of what the user wrote, with ~ and .. taken out."""
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        return "/" + posixpath.normpath(posixpath.join(self.cwd, path)).lstrip("/")


@dataclass
class Call:
    """One command of a pipeline. `stdin` is None when it would read the terminal."""

    session: Session
    name: str
    args: list[str]
    stdin: str | None
    to_terminal: bool
    out: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def system(self) -> System:
        """The guest's operating system."""
        return self.session.system

    @property
    def tty(self) -> Tty:
        """The terminal that the user sits at."""
        return self.session.tty

    def print(self, text: str) -> None:
        """Write a line to standard output."""
        self.out.append(text + "\n")

    def fail(self, message: str, status: int = 1) -> int:
        """Write `name: message` to standard error and give back the exit status."""
        self.errors.append(f"{self.name}: {message}\n")
        return status

    def options(self) -> tuple[set[str], list[str]]:
        """The arguments as single-letter options (long ones whole) and operands."""
        flags: set[str] = set()
        operands = []
        for number, arg in enumerate(self.args):
            if arg == "--":
                operands += self.args[number + 1 :]
                break
            if arg.startswith("--"):
                flags.add(arg)
            elif arg.startswith("-") and len(arg) > 1:
                flags.update(arg[1:])
            else:
                operands.append(arg)
        return flags, operands

    def read(self, path: str) -> str | None:
        """Text of a file the user named; on failure says why and gives None."""
        try:
            absolute = self.session.resolve(path)
            node = self.system.files.node(absolute)
            if node.mode[7] != "r" and self.session.user not in ("root", node.owner):
                raise FileError("Permission denied")
            return self.system.files.read(absolute)
        except FileError as error:
            self.fail(f"{path}: {error}")
            return None


Command = Callable[[Call], "int | Process"]
"""Runs at once and gives the exit status, or gives the process that shall own the terminal."""
