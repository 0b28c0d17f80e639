"""Commands about the terminal itself and about the session on it."""

from __future__ import annotations

import re

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.process import Process

LARGEST = 1000  # rows or columns
_CURSOR_REPORT = re.compile(r"\x1b\[(\d{1,5});(\d{1,5})R")


def clear(call: Call) -> int:
    """Clear the screen and the scrollback."""
    call.out.append("\x1b[H\x1b[2J\x1b[3J")
    return 0


def reset(call: Call) -> int:
    """Full reset of the terminal."""
    call.out.append("\x1bc\x1b[!p\x1b[?3;4l\x1b[4l\x1b>")
    return 0


def stty(call: Call) -> int:
    """Show or set the size of the line; `sane` and the like are taken without effect."""
    tty = call.tty
    args = list(call.args)
    if not args:
        call.print("speed 115200 baud; line = 0;\n-brkint -imaxbel iutf8")
    while args:
        word = args.pop(0)
        if word == "size":
            call.print(f"{tty.rows} {tty.cols}")
        elif word in ("-a", "--all"):
            call.print(_ALL.format(rows=tty.rows, cols=tty.cols))
        elif word in ("rows", "cols", "columns"):
            value = args.pop(0) if args else ""
            if not re.fullmatch(r"\d{1,4}", value) or not 1 <= int(value) <= LARGEST:
                return call.fail(f"invalid integer argument: '{value}'" if value else f"missing argument to '{word}'")
            if word == "rows":
                tty.rows = int(value)
            else:
                tty.cols = int(value)
        elif word not in ("sane", "echo", "icanon", "ixon", "-ixon", "onlcr", "iutf8"):
            return call.fail(f"invalid argument '{word}'")
    return 0


_ALL = """speed 115200 baud; rows {rows}; columns {cols}; line = 0;
intr = ^C; quit = ^\\; erase = ^?; kill = ^U; eof = ^D; eol = <undef>; eol2 = <undef>; swtch = <undef>;
start = ^Q; stop = ^S; susp = ^Z; rprnt = ^R; werase = ^W; lnext = ^V; discard = ^O; min = 1; time = 0;
-parenb -parodd -cmspar cs8 hupcl -cstopb cread clocal -crtscts
-ignbrk -brkint -ignpar -parmrk -inpck -istrip -inlcr -igncr icrnl -ixon -ixoff -iuclc -ixany -imaxbel iutf8
opost -olcuc -ocrnl onlcr -onocr -onlret -ofill -ofdel nl0 cr0 tab0 bs0 vt0 ff0
isig icanon iexten echo echoe echok -echonl -noflsh -xcase -tostop -echoprt echoctl echoke -flusho -extproc"""

_CAPABILITIES = {
    "clear": "\x1b[H\x1b[2J",
    "bold": "\x1b[1m",
    "rev": "\x1b[7m",
    "smul": "\x1b[4m",
    "rmul": "\x1b[24m",
    "sgr0": "\x1b(B\x1b[m",
    "civis": "\x1b[?25l",
    "cnorm": "\x1b[?12l\x1b[?25h",
    "smcup": "\x1b[?1049h",
    "rmcup": "\x1b[?1049l",
    "el": "\x1b[K",
    "ed": "\x1b[J",
    "home": "\x1b[H",
    "sc": "\x1b7",
    "rc": "\x1b8",
    "bel": "\a",
}


def tput(call: Call) -> int:
    """Capabilities of the terminal: size, colours, and the sequences people use in scripts."""
    name, *values = call.args or [""]
    tty = call.tty
    numbers = {"cols": tty.cols, "lines": tty.rows, "colors": 256}
    if name in numbers:
        call.print(str(numbers[name]))
    elif name in _CAPABILITIES:
        call.out.append(_CAPABILITIES[name])
    elif name in ("setaf", "setab") and values and re.fullmatch(r"\d{1,3}", values[0]):
        call.out.append(f"\x1b[{38 if name == 'setaf' else 48};5;{values[0]}m")
    elif name == "cup" and len(values) == 2 and all(re.fullmatch(r"\d{1,3}", value) for value in values):
        call.out.append(f"\x1b[{int(values[0]) + 1};{int(values[1]) + 1}H")
    else:
        return call.fail(f"unknown terminfo capability '{name}'", 4)
    return 0


class Resize(Process):
    """Asks the terminal for its size as xterm's resize does: cursor far away, then where it came to stand."""

    _left = 5.0  # seconds to answer

    def start(self) -> None:
        """Send the question."""
        self.tty.write("\x1b7\x1b[r\x1b[9999;9999H\x1b[6n")

    def on_key(self, key: str) -> None:
        """Take the answer; anything else is kept for the shell."""
        match = _CURSOR_REPORT.fullmatch(key)
        if match is None:
            if key == "\x03":
                self.tty.write("\x1b8")
                self.interrupt()
            else:
                self.unread.append(key)
            return
        self.tty.rows, self.tty.cols = (max(1, min(LARGEST, int(number))) for number in match.groups())
        self.tty.write(f"\x1b8COLUMNS={self.tty.cols};\nLINES={self.tty.rows};\nexport COLUMNS LINES;\n")
        self.finish()

    def on_time(self, seconds: float) -> None:
        """Give up on a terminal that does not answer."""
        self._left -= seconds
        if self._left <= 0:
            self.tty.write("\x1b8\nresize: Time out occurred\n")
            self.finish(1)


def resize(call: Call) -> int | Process:
    """Set the line's size to that of the terminal."""
    return Resize(call.system, call.tty)


def environment(call: Call) -> int:
    """The environment's variables."""
    for name, value in sorted(call.session.env.items()):
        call.print(f"{name}={value}")
    return 0


def export(call: Call) -> int:
    """Set variables of the environment."""
    for arg in call.args:
        name, equals, value = arg.partition("=")
        if equals:
            call.session.env[name] = value
    return 0


def history(call: Call) -> int:
    """The lines typed so far."""
    for number, line in enumerate(call.session.history, 1):
        call.print(f"{number:5d}  {line}")
    return 0


def leave(call: Call) -> int:
    """End the session."""
    call.session.exited = True
    return 0


def power(call: Call) -> int:
    """Reboot, power off or halt the machine."""
    call.system.power_request = "reboot" if call.name == "reboot" or "-r" in call.args else "poweroff"
    return 0


def succeed(_call: Call) -> int:
    """Do nothing, successfully."""
    return 0


def fail(_call: Call) -> int:
    """Do nothing, unsuccessfully."""
    return 1


COMMANDS: dict[str, Command] = {
    "clear": clear,
    "reset": reset,
    "stty": stty,
    "tput": tput,
    "resize": resize,
    "env": environment,
    "export": export,
    "history": history,
    "exit": leave,
    "logout": leave,
    "reboot": power,
    "poweroff": power,
    "halt": power,
    "shutdown": power,
    "true": succeed,
    "false": fail,
}
