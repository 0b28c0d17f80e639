"""The login prompt on the serial line: agetty and login."""

from __future__ import annotations

from kvtui.demo.guests.process import Process
from kvtui.demo.guests.shell import Shell
from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import END_OF_FILE, INTERRUPT, LineInput, Tty

TIMEOUT = 60.0  # seconds to type a password, LOGIN_TIMEOUT of login.defs


class Login(Process):
    """Asks for a name and a password, runs the shell, and asks again. Any password that is not empty is right."""

    def __init__(self, system: System, tty: Tty) -> None:
        super().__init__(system, tty)
        self._name = ""
        self._input = LineInput(self.tty)
        self._waited = 0.0
        self._last_login: str | None = None

    def start(self) -> None:
        """Show /etc/issue and the first prompt."""
        facts = self.system.facts
        self.tty.write(
            f"\n{facts.pretty_name}\nKernel {facts.kernel} on an x86_64 ({self.tty.name})\n\n"
            f"Simulated guest: log in as root or {facts.user}, any password.\n\n"
        )
        self._ask_name()

    def on_key(self, key: str) -> None:
        """Collect the name, then the password."""
        line = self._input.key(key)
        if line is None:
            return
        if line in (INTERRUPT, END_OF_FILE):
            self.start()
        elif self._name:
            self._check(line)
        elif line.strip():
            self._name = line.strip()[:32]
            self._waited = 0.0
            self._input = LineInput(self.tty, echo=False)
            self.tty.write("Password: ")
        else:
            self._ask_name()

    def on_time(self, seconds: float) -> None:
        """Give up on a name whose password does not come."""
        if not self._name:
            return
        self._waited += seconds
        if self._waited >= TIMEOUT:
            self.tty.write(f"\nLogin timed out after {TIMEOUT:.0f} seconds.\n")
            self.start()

    def _ask_name(self) -> None:
        self._name = ""
        self._input = LineInput(self.tty)
        self.tty.write(f"{self.system.facts.hostname} login: ")

    def _check(self, password: str) -> None:
        if not password or self._name not in ("root", self.system.facts.user):
            self.system.note("login[1511]", f"FAILED LOGIN 1 FROM {self.tty.name}, Authentication failure")
            self.tty.write("\nLogin incorrect\n\n")
            self._ask_name()
            return
        user = self._name
        self._name = ""
        self.system.note("login[1511]", f"LOGIN ON {self.tty.name} BY {user}")
        if self._last_login:
            self.tty.write(f"Last login: {self._last_login} on {self.tty.name}\n")
        self._last_login = f"{self.system.date():%a %b %e %H:%M:%S}"
        self.tty.write(self.system.files.read("/etc/motd") if self.system.files.exists("/etc/motd") else "")
        failed = [unit.name for unit in self.system.units.values() if unit.state == "failed"]
        if failed:
            names = "\n".join(f"  {name}.service" for name in failed)
            self.tty.write(f"[systemd]\nFailed Units: \x1b[31m{len(failed)}\x1b[39m\n{names}\n")
        self.run(Shell(self.system, self.tty, user), lambda _status: self.start())
