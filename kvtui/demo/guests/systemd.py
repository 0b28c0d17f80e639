"""systemctl and journalctl."""

from __future__ import annotations

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.pager import Less
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.system import Entry, System, Unit
from kvtui.demo.guests.tty import Tty, clip

_DOT = {"active": "\x1b[0;1;32m●\x1b[0m", "failed": "\x1b[0;1;31m×\x1b[0m", "inactive": "○"}
_STATE = {
    "active": "\x1b[0;1;32mactive (running)\x1b[0m",
    "failed": "\x1b[0;1;31mfailed\x1b[0m (Result: exit-code)",
    "inactive": "inactive (dead)",
}
_PLAIN_STATE = {"active": "active (running)", "failed": "failed (Result: exit-code)", "inactive": "inactive (dead)"}
_PLAIN_DOT = {"active": "●", "failed": "×", "inactive": "○"}


def systemctl(call: Call) -> int:
    """Systemctl: status, list-units, is-active, start, stop, restart, reboot, poweroff."""
    flags, operands = call.options()
    verb, *names = operands or ["list-units"]
    if "--failed" in flags:
        return _list_units(call, only_failed=True)
    if verb in ("reboot", "poweroff", "halt"):
        call.system.power_request = "reboot" if verb == "reboot" else "poweroff"
        return 0
    if verb == "list-units":
        return _list_units(call, only_failed=False)
    if verb == "status" and not names:
        return _system_status(call)
    if verb not in ("status", "is-active", "start", "stop", "restart"):
        return call.fail(f"Unknown command verb '{verb}'.")
    status = 0
    for name in names:
        unit = call.system.units.get(name.removesuffix(".service"))
        if unit is None:
            status = 4 if verb in ("status", "is-active") else 5
            words = "could not be found." if verb == "status" else "not found."
            call.errors.append(f"Unit {name.removesuffix('.service')}.service {words}\n")
        elif verb == "status":
            status = _unit_status(call, unit)
        elif verb == "is-active":
            call.print(unit.state)
            status = 0 if unit.state == "active" else 3
        else:
            status = _switch(call, unit, verb)
    return status


def _switch(call: Call, unit: Unit, verb: str) -> int:
    if call.session.user != "root":
        call.errors.append(f"Failed to {verb} {unit.name}.service: Access denied\n")
        return 4
    system = call.system
    if verb in ("stop", "restart") and unit.state == "active":
        unit.state, unit.pid = "inactive", 0
        system.note("systemd[1]", f"Stopped {unit.name}.service - {unit.description}.")
    if verb in ("start", "restart") and unit.state != "active":
        unit.state, unit.pid, unit.since = "active", 2000 + system.random.randrange(9000), system.now
        system.note("systemd[1]", f"Started {unit.name}.service - {unit.description}.")
    return 0


def _ago(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{int(seconds)}s ago"
    if minutes < 60:
        return f"{minutes}min ago"
    hours = minutes // 60
    return f"{hours}h {minutes % 60}min ago" if hours < 24 else f"{hours // 24} days ago"


def _unit_status(call: Call, unit: Unit) -> int:
    dot = (_DOT if call.to_terminal else _PLAIN_DOT)[unit.state]
    state = (_STATE if call.to_terminal else _PLAIN_STATE)[unit.state]
    system = call.system
    since = system.date(unit.since)
    call.print(f"{dot} {unit.name}.service - {unit.description}")
    call.print(f"     Loaded: loaded (/usr/lib/systemd/system/{unit.name}.service; enabled; preset: enabled)")
    call.print(f"     Active: {state} since {since:%a %Y-%m-%d %H:%M:%S UTC}; {_ago(system.now - unit.since)}")
    if unit.state == "active":
        call.print(f"   Main PID: {unit.pid} ({unit.name[:15]})\n      Tasks: 3 (limit: 4587)")
        call.print(f"     Memory: {unit.memory_mib:.1f}M (peak: {unit.memory_mib * 1.2:.1f}M)")
        grey, off = ("\x1b[0;38;5;245m", "\x1b[0m") if call.to_terminal else ("", "")
        call.print(f"     CGroup: /system.slice/{unit.name}.service")
        call.print(f"             └─{grey}{unit.pid} {unit.command}{off}")
    entries = [entry for entry in system.journal if f" {unit.name}.service" in entry.text][-5:]
    if entries:
        call.print("")
        call.out += [_entry_line(system, entry) for entry in entries]
    return 0 if unit.state == "active" else 3


def _system_status(call: Call) -> int:
    system = call.system
    failed = sum(unit.state == "failed" for unit in system.units.values())
    dot = (_DOT if call.to_terminal else _PLAIN_DOT)["failed" if failed else "active"]
    running = [unit for unit in system.units.values() if unit.state == "active"]
    call.print(f"{dot} {system.facts.hostname}")
    call.print(f"    State: {'degraded' if failed else 'running'}\n    Units: {len(system.units)} loaded")
    call.print(f"     Jobs: 0 queued\n   Failed: {failed} units")
    call.print(f"    Since: {system.date(system.booted_at):%a %Y-%m-%d %H:%M:%S UTC}; {_ago(system.uptime)}")
    call.print(
        "   CGroup: /\n           ├─init.scope\n           │ └─1 /usr/lib/systemd/systemd --system\n"
        "           └─system.slice"
    )
    for number, unit in enumerate(running):
        last = number == len(running) - 1
        call.print(f"             {'└─' if last else '├─'}{unit.name}.service")
        call.print(f"             {'  ' if last else '│ '}└─{unit.pid} {unit.command}")
    return 0


def _list_units(call: Call, *, only_failed: bool) -> int:
    units = [unit for unit in call.system.units.values() if not only_failed or unit.state == "failed"]
    wide = max((len(unit.name) for unit in units), default=4) + 8
    cols = call.tty.cols if call.to_terminal else 400
    call.print(f"  {'UNIT':<{wide}} LOAD   ACTIVE   SUB     DESCRIPTION")
    for unit in sorted(units, key=lambda unit: unit.name):
        sub = {"active": "running", "failed": "failed", "inactive": "dead"}[unit.state]
        text = f"{unit.name + '.service':<{wide}} loaded {unit.state:<8} {sub:<7} {unit.description}"
        if unit.state == "failed" and call.to_terminal:
            call.print(f"\x1b[0;1;31m●\x1b[0m \x1b[0;1;31m{clip(text, cols - 2)}\x1b[0m")
        else:
            call.print(clip(f"{'●' if unit.state == 'failed' else ' '} {text}", cols))
    call.print(f"\n{len(units)} loaded units listed.")
    return 0


def _entry_line(system: System, entry: Entry) -> str:
    return f"{system.date(entry.at):%b %d %H:%M:%S} {system.facts.hostname} {entry.source}: {entry.text}\n"


class Follow(Process):
    """journalctl -f: what is written to the journal from now on, until ^C."""

    def __init__(self, system: System, tty: Tty) -> None:
        super().__init__(system, tty)
        self._last = system.journal[-1] if system.journal else None

    def on_time(self, _seconds: float) -> None:
        """Print what is new."""
        new: list[Entry] = []
        for entry in reversed(self.system.journal):
            if entry is self._last:
                break
            new.append(entry)
        if new:
            self._last = new[0]
            self.tty.write("".join(_entry_line(self.system, entry) for entry in reversed(new)))


def journalctl(call: Call) -> int | Process:
    """Journalctl with -n N, -u UNIT, -k, -f; long answers on the terminal go through the pager."""
    system = call.system
    entries = list(system.journal)
    args = list(call.args)
    count: int | None = None
    follow = False
    paged = call.to_terminal
    while args:
        arg = args.pop(0)
        if arg.startswith("-n"):
            digits = arg[2:] or (args.pop(0) if args else "10")
            if not digits.isdecimal() or len(digits) > 6:
                return call.fail(f"Failed to parse lines '{digits}'")
            count = int(digits)
        elif arg == "-u":
            unit = (args.pop(0) if args else "").removesuffix(".service")
            entries = [entry for entry in entries if f" {unit}.service" in entry.text or entry.source.startswith(unit)]
        elif arg in ("-k", "--dmesg"):
            entries = [entry for entry in entries if entry.source == "kernel"]
        elif arg in ("-f", "--follow"):
            follow = True
            count = 10 if count is None else count
        elif arg == "--no-pager":
            paged = False
    if count is not None:
        entries = entries[len(entries) - min(count, len(entries)) :]
    text = "".join(_entry_line(system, entry) for entry in entries) or "-- No entries --\n"
    if follow and call.to_terminal:
        call.tty.write(text)
        return Follow(system, call.tty)
    if paged and text.count("\n") >= call.tty.rows:
        return Less(system, call.tty, text, "")
    call.out.append(text)
    return 0


COMMANDS: dict[str, Command] = {"systemctl": systemctl, "journalctl": journalctl}
