"""top and htop."""

from __future__ import annotations

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.processes import Proc, load_averages, memory, table, up_text, uptime_line
from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import INTERRUPT, Painter, Tty, clip

PERIOD = 3.0  # seconds between two pictures, top's default


class Monitor(Process):
    """A full screen that draws itself again every few seconds until q."""

    opening = ""
    closing = ""
    quit_keys: tuple[str, ...] = ("q", INTERRUPT)

    def __init__(self, system: System, tty: Tty) -> None:
        super().__init__(system, tty)
        self._painter = Painter(self.tty)
        self._waited = 0.0

    def start(self) -> None:
        """Take the screen."""
        self.tty.write(self.opening)
        self._paint()

    def on_resize(self) -> None:
        """Draw everything in the new size."""
        self._painter.forget()
        self._paint()

    def on_key(self, key: str) -> None:
        """Quit on q; draw again on space, everything on ^L."""
        if key in self.quit_keys:
            self.tty.write(self.closing.format(rows=self.tty.rows))
            self.finish()
        elif key in (" ", "\r", "\x0c"):
            if key == "\x0c":
                self._painter.forget()
            self._paint()

    def on_time(self, seconds: float) -> None:
        """Draw a new picture when it is time."""
        self._waited += seconds
        if self._waited >= PERIOD:
            self._waited %= PERIOD
            self._paint()

    def lines(self) -> list[str]:
        """The picture, each line cut to the width."""
        raise NotImplementedError

    def _paint(self) -> None:
        self._painter.paint(self.lines()[: self.tty.rows])


class Top(Monitor):
    """procps' top. It draws over the normal screen and leaves its last picture there."""

    opening = "\x1b[?1h\x1b=\x1b[?25l\x1b[H\x1b[2J"
    closing = "\x1b[{rows};1H\n\x1b[?12l\x1b[?25h\x1b[K\x1b[?1l\x1b>"

    def lines(self) -> list[str]:
        """Summary, header in reverse, and the busiest processes."""
        system, cols = self.system, self.tty.cols
        procs = table(system, "top")
        busy = min(100.0, sum(proc.cpu for proc in procs) / system.facts.cpus)
        running = sum(proc.state == "R" for proc in procs)
        ram = memory(system)
        head = [
            f"top - {uptime_line(system)}",
            f"Tasks: \x1b[1m{len(procs):3d}\x1b[m total, \x1b[1m{running:3d}\x1b[m running, "
            f"\x1b[1m{len(procs) - running:3d}\x1b[m sleeping,   0 stopped,   0 zombie",
            f"%Cpu(s): \x1b[1m{busy * 0.8:4.1f}\x1b[m us, \x1b[1m{busy * 0.2:4.1f}\x1b[m sy,  0.0 ni, "
            f"\x1b[1m{100 - busy:4.1f}\x1b[m id,  0.0 wa,  0.0 hi,  0.1 si,  0.0 st",
            f"MiB Mem : {ram['total']:8.1f} total, {ram['free']:8.1f} free, {ram['used']:8.1f} used, "
            f"{ram['cache']:8.1f} buff/cache",
            f"MiB Swap: {0:8.1f} total, {0:8.1f} free, {0:8.1f} used. {ram['available']:8.1f} avail Mem",
            "",
        ]
        header = "    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND"
        rows = sorted(procs, key=lambda proc: (-proc.cpu, proc.pid))[: max(0, self.tty.rows - 7)]
        body = [self._row(proc) for proc in rows]
        return [
            *(line if "\x1b" in line and cols >= 80 else clip(_plain(line), cols) for line in head),
            f"\x1b[7m{clip(f'{header:<{cols}}', cols)}\x1b[m",
            *body,
        ] + [""] * (self.tty.rows - 7 - len(body))

    def _row(self, proc: Proc) -> str:
        share = proc.resident / (self.system.facts.memory_mib * 1024) * 100
        seconds = proc.cpu * self.system.uptime / 100
        name = proc.command.strip("[]") if proc.kernel else proc.command.split()[0].rpartition("/")[2].rstrip(":")
        text = (
            f"{proc.pid:7d} {proc.user:<8.8}  20   0 {proc.virtual:7d} {proc.resident:6d} {proc.shared:6d} "
            f"{proc.state} {proc.cpu:5.1f} {share:5.1f} {int(seconds) // 60:3d}:{seconds % 60:05.2f} {name}"
        )
        text = clip(text, self.tty.cols)
        return f"\x1b[1m{text}\x1b[m" if proc.state == "R" else text


def _plain(line: str) -> str:
    return line.replace("\x1b[1m", "").replace("\x1b[m", "")


class Htop(Monitor):
    """htop: meters in colours and the processes as a tree, on the alternate screen."""

    opening = "\x1b[?1049h\x1b[1;1H\x1b[?1h\x1b=\x1b[?25l\x1b[2J"
    closing = "\x1b[{rows};1H\x1b[?1049l\x1b[?25h\x1b[?1l\x1b>"
    quit_keys = ("q", INTERRUPT, "\x1b[21~")

    def lines(self) -> list[str]:
        """Meters, header, tree, and the row of function keys."""
        system, rows, cols = self.system, self.tty.rows, self.tty.cols
        procs = table(system, "htop")
        busy = sum(proc.cpu for proc in procs) / system.facts.cpus
        meters = [
            self._meter(f"{cpu:3d}", min(100.0, busy * system.random.uniform(0.7, 1.3)), None)
            for cpu in range(min(system.facts.cpus, 8))
        ]
        ram = memory(system)
        text = f"{ram['used'] / 1024:.2f}G/{ram['total'] / 1024:.2f}G"
        meters.append(self._meter("Mem", ram["used"] / ram["total"] * 100, text))
        one, five, fifteen = load_averages(system)
        info = f"  Tasks: {len(procs)}; load average: {one:.2f} {five:.2f} {fifteen:.2f}; {up_text(system)}"
        header = "    PID USER      PRI  NI  VIRT   RES S  CPU%  MEM%   TIME+  Command"
        top = [*meters, clip(info, cols), f"\x1b[30;42m{clip(f'{header:<{cols}}', cols)}\x1b[m"]
        top = top[: max(0, rows - 1)]
        room = max(0, rows - len(top) - 1)
        userland = [proc for proc in procs if not proc.kernel]
        body = [self._row(proc, number, len(userland)) for number, proc in enumerate(userland)][:room]
        return [*top, *body, *[""] * (room - len(body)), self._keys()]

    def _meter(self, label: str, percent: float, text: str | None) -> str:
        text = text or f"{percent:.1f}%"
        room = max(0, min(60, self.tty.cols - 8))
        filled = int(percent / 100 * room)
        bar = "|" * filled + " " * (room - filled)
        bar = bar[: max(0, room - len(text))] + text[:room]
        green, rest = bar[:filled], bar[filled:]
        return clip(f"  {label}[", self.tty.cols) + f"\x1b[32m{green}\x1b[90m{rest}\x1b[m" + "]"

    def _row(self, proc: Proc, number: int, count: int) -> str:
        tree = "" if proc.pid == 1 else "└─ " if number == count - 1 else "├─ "
        share = proc.resident / (self.system.facts.memory_mib * 1024) * 100
        text = (
            f"{proc.pid:7d} {proc.user:<9.9}  20   0 {proc.virtual // 1024:4d}M {proc.resident // 1024:4d}M "
            f"{proc.state} {proc.cpu:5.1f} {share:5.1f}  0:{proc.cpu:05.2f}  {tree}{proc.command}"
        )
        colour = "32" if proc.state == "R" else "36" if number == 1 else "39"
        return f"\x1b[{colour}m{clip(text, self.tty.cols)}\x1b[m"

    def _keys(self) -> str:
        names = ("Help", "Setup", "Search", "Filter", "Tree", "SortBy", "Nice -", "Nice +", "Kill", "Quit")
        shown = names[: self.tty.cols // 8]
        return "".join(
            f"F{number}\x1b[30;46m{name:<6}\x1b[m" for number, name in enumerate(shown, 1) if number < 10
        ) + ("F10\x1b[30;46mQuit \x1b[m" if len(shown) == 10 else "")


def top(call: Call) -> int | Process:
    """Show the processes until q."""
    return Top(call.system, call.tty)


def htop(call: Call) -> int | Process:
    """Show the processes as a tree until q."""
    return Htop(call.system, call.tty)


COMMANDS: dict[str, Command] = {"top": top, "htop": htop}
