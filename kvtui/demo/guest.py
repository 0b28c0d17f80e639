"""The simulated guest behind a serial console: boots, asks for a login, runs a shell, reboots."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Literal

from kvtui.demo.guests.bootlog import Line, boot_lines, shutdown_lines
from kvtui.demo.guests.login import Login
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.pseudo import PseudoTerminal
from kvtui.demo.guests.system import Facts, System
from kvtui.demo.guests.tty import KeyReader, Tty
from kvtui.demo.seriallog import SerialLog

State = Literal["booting", "running", "stopping", "off"]

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
_SERVICES = {22: "sshd", 80: "nginx"}
_SCREEN = 50  # lines kept of the text console, of which it shows half
_ESCAPE_WAIT = 0.05  # seconds after which a lone ESC is the Escape key


class Guest:
    """One machine. Nothing happens by itself: bytes come by `receive`, time by `advance` (seconds).

    `booted_ago` is for how long it has been on, None when it is switched on now. `epoch` is the Unix time of its
    creation, from which its clock goes on; the same arguments and calls always give the same bytes.
    """

    def __init__(
        self,
        *,
        hostname: str,
        os_name: str,
        os_version: str,
        kernel: str,
        memory_mib: int,
        cpus: int,
        ip: str,
        seed: int,
        booted_ago: float | None,
        epoch: float = 1_767_225_600.0,
    ) -> None:
        facts = Facts(hostname, os_name, os_version, kernel, memory_mib, cpus, ip, seed)
        self._system = System(facts, epoch, now=-(booted_ago or 0.0))
        self._keys = KeyReader()
        self._escape_age = 0.0
        self._process: Process | None = None
        self._terminals: list[PseudoTerminal] = []
        self._screen: deque[str] = deque(maxlen=_SCREEN)
        self._script: list[Line] = []
        self._script_age = 0.0
        self._after: Literal["boot", "reboot", "off"] = "boot"
        self.state: State = "off"
        self._boot()
        if booted_ago:
            self.advance(booted_ago)

    @property
    def rows(self) -> int:
        """Rows the guest believes its terminal to have."""
        return self._system.tty.rows

    @property
    def cols(self) -> int:
        """Columns the guest believes its terminal to have."""
        return self._system.tty.cols

    def attach(self, send: Callable[[bytes], None]) -> None:
        """Let output go to `send` from now on. As on a real line, nothing said before is repeated."""
        self._system.tty.sender = send

    def detach(self) -> None:
        """Let output go to the log alone."""
        self._system.tty.sender = None

    @property
    def log(self) -> SerialLog:
        """What was said on the serial line."""
        return self._system.log

    @property
    def is_windows(self) -> bool:
        """Whether it has a graphical screen, and nothing on its serial line after the firmware."""
        return self._system.facts.os_id == "windows"

    def screen_lines(self) -> list[str]:
        """What stands on its VGA text console: the boot, and a login prompt that nobody uses."""
        facts = self._system.facts
        if self.state != "running":
            return [*self._screen]
        return [
            *self._screen,
            "",
            facts.pretty_name,
            f"Kernel {facts.kernel} on an x86_64 (tty1)",
            "",
            f"{facts.hostname} login: ",
        ]

    @property
    def users(self) -> tuple[str, str]:
        """Who may log in: root, and the account of the image."""
        return "root", self._system.facts.user

    def is_listening(self, port: int) -> bool:
        """Whether a service that runs has the TCP port open."""
        unit = self._system.units.get(_SERVICES.get(port, ""))
        is_up = self.state == "running" and not self.is_windows
        return is_up and unit is not None and unit.state == "active"

    def answer_http(self, method: str, path: str) -> tuple[int, str]:
        """What its web server answers: status and text."""
        if method not in ("GET", "HEAD"):
            return 405, "405 Not Allowed\n"
        if path != "/":
            return 404, "404 Not Found\n"
        return 200, f"{self._system.facts.hostname}: it works\n"

    def open_terminal(
        self,
        user: str,
        send: Callable[[bytes], None],
        ended: Callable[[int | None], None],
        *,
        line: str | None = None,
        is_terminal: bool = True,
    ) -> PseudoTerminal:
        """A further terminal with the user's shell, or with one `line` of it; `start` it, and give it bytes.

        `ended` is told the exit status, or None when the guest goes down.
        """
        self._terminals = [terminal for terminal in self._terminals if terminal.is_open]
        taken = {terminal.name for terminal in self._terminals}
        tty = Tty(next(name for name in map("pts/{}".format, count()) if name not in taken), is_terminal=is_terminal)
        tty.sender = send
        terminal = PseudoTerminal(self._system, tty, user, line, ended)
        self._terminals.append(terminal)
        return terminal

    def receive(self, data: bytes) -> None:
        """Bytes typed by the user. What comes while no program reads the line is lost."""
        self._escape_age = 0.0
        self._type(self._keys.feed(data))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._escape_age += seconds
        if self._escape_age >= _ESCAPE_WAIT:
            self._type(self._keys.flush())
        while seconds > 0 and self.state in ("booting", "stopping"):
            seconds = self._play(seconds)
        self._system.now += seconds
        if self._process is not None:
            self._process.advance(seconds)
            self._obey()
        for terminal in [*self._terminals]:
            terminal.advance(seconds)
            self._obey()

    def reboot(self) -> None:
        """Reset the machine at once, or switch it on: it boots from now."""
        self._boot()

    def shut_down(self) -> None:
        """Press the power button: the guest goes down in order and is off when `state` says so."""
        if self.state == "running":
            self._go_down(reboot=False)
        else:
            self.power_off()

    def power_off(self) -> None:
        """Pull the plug: silent until `reboot`."""
        self.state = "off"
        self._process = None
        self._hang_up()
        self._script = []

    def _hang_up(self) -> None:
        terminals, self._terminals = self._terminals, []
        for terminal in terminals:
            terminal.hang_up()

    def _type(self, keys: list[str]) -> None:
        for key in keys:
            if self._process is None:
                return
            self._process.key(key)
            self._obey()

    def _obey(self) -> None:
        """Go down when a command asked for it."""
        request = self._system.power_request
        if request is not None:
            self._go_down(reboot=request == "reboot")

    def _boot(self) -> None:
        self._system.power_cycled()
        self._screen.clear()
        self._system.tty.rows, self._system.tty.cols = 24, 80
        self._play_script(boot_lines(self._system), "boot")
        self.state = "booting"

    def _go_down(self, *, reboot: bool) -> None:
        self._system.power_request = None
        self._play_script(shutdown_lines(self._system, reboot=reboot), "reboot" if reboot else "off")
        self.state = "stopping"

    def _play_script(self, lines: list[Line], after: Literal["boot", "reboot", "off"]) -> None:
        self._process = None
        self._hang_up()
        self._script = lines
        self._script_age = 0.0
        self._after = after

    def _play(self, seconds: float) -> float:
        """Print what is due in the next `seconds`; what is left of them once the script has ended."""
        started = self._system.now - self._script_age
        end = self._script_age + seconds
        while self._script and self._script[0].at <= end:
            line = self._script.pop(0)
            self._system.now = started + line.at
            self._script_age = line.at
            self._say(line)
        if self._script:
            self._system.now = started + end
            self._script_age = end
            return 0.0
        left = end - self._script_age
        self._script_ended()
        return left

    def _say(self, line: Line) -> None:
        system = self._system
        system.tty.write(line.text)
        self._screen += line.text.removesuffix("\n").split("\n")
        text = _STYLE.sub("", line.text).strip()
        if line.source == "kernel":
            system.kernel_log.append(line.text)
            text = _STAMP.sub("", text)
            source = "systemd[1]" if text.startswith("systemd[1]: ") else "kernel"
            system.note(source, text.removeprefix("systemd[1]: "))
        elif line.source == "systemd":
            for part in text.splitlines():
                system.note("systemd[1]", part.split("] ", 1)[-1])

    def _script_ended(self) -> None:
        if self._after == "reboot":
            self._boot()
        elif self._after == "off":
            self.power_off()
        else:
            self.state = "running"
            if not self.is_windows:
                self._process = Login(self._system, self._system.tty)
                self._process.start()
