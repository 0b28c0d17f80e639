"""Commands that tell about the system."""

from __future__ import annotations

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.processes import memory, table, uptime_line


def list_processes(call: Call) -> int:
    """Ps: the session's own, or all with aux or -ef."""
    words = "".join(call.args)
    procs = table(call.system, "ps " + " ".join(call.args) if call.args else "ps")
    cols = call.tty.cols if call.to_terminal else 400
    if not words:
        call.print("    PID TTY          TIME CMD")
        for proc in procs:
            if proc.pid in (1511, 1604, 1733):
                call.print(f"{proc.pid:7d} {call.tty.name:<8} 00:00:00 {proc.command.split()[0].lstrip('-')}")
        return 0
    started = f"{call.system.date(call.system.booted_at):%H:%M}"
    full = "e" in words and "f" in words
    call.print(
        "UID          PID    PPID  C STIME TTY          TIME CMD"
        if full
        else "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND"
    )
    total = call.system.facts.memory_mib * 1024
    for proc in procs:
        terminal = call.tty.name if proc.pid in (1511, 1604, 1733) else "?"
        parent = 2 if proc.kernel and proc.pid != 2 else 1 if proc.pid > 2 else 0
        if full:
            head = f"{proc.user:<8} {proc.pid:7d} {parent:7d} {int(proc.cpu):2d} {started} {terminal:<8} 00:00:00"
        else:
            head = (
                f"{proc.user:<8} {proc.pid:7d} {proc.cpu:4.1f} {proc.resident / total * 100:4.1f} {proc.virtual:6d} "
                f"{proc.resident:5d} {terminal:<8} {proc.state + 's':<4} {started}   0:00"
            )
        call.print(f"{head} {proc.command}"[:cols])
    return 0


def uname(call: Call) -> int:
    """The kernel's name, or all about it with -a."""
    facts = call.system.facts
    flags, _operands = call.options()
    if "a" in flags:
        call.print(f"Linux {facts.hostname} {facts.kernel} #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux")
        return 0
    parts = {"s": "Linux", "n": facts.hostname, "r": facts.kernel, "m": "x86_64"}
    call.print(" ".join(text for key, text in parts.items() if key in (flags or {"s"})))
    return 0


def uptime(call: Call) -> int:
    """How long the machine has been up."""
    call.print(" " + uptime_line(call.system))
    return 0


def _human(mib: float) -> str:
    if mib >= 1024:
        return f"{mib / 1024:.1f}Gi" if mib < 10 * 1024 else f"{mib / 1024:.0f}Gi"
    return f"{mib:.0f}Mi"


def free(call: Call) -> int:
    """Memory, in KiB or for people with -h or in MiB with -m."""
    flags, _operands = call.options()
    ram = memory(call.system)

    def show(mib: float) -> str:
        return _human(mib) if "h" in flags else str(int(mib)) if "m" in flags else str(int(mib * 1024))

    call.print("               total        used        free      shared  buff/cache   available")
    cells = (ram["total"], ram["used"], ram["free"], 9.0, ram["cache"], ram["available"])
    call.print("Mem:    " + "".join(f"{show(cell):>12}" for cell in cells))
    call.print("Swap:   " + "".join(f"{'0B' if 'h' in flags else '0':>12}" for _ in range(3)))
    return 0


def disk_free(call: Call) -> int:
    """File systems and their room."""
    ram = call.system.facts.memory_mib
    call.print("Filesystem      Size  Used Avail Use% Mounted on")
    for name, size, used, where in (
        ("/dev/vda2", 19.0, 4.3, "/"),
        ("devtmpfs", 0.004, 0.0, "/dev"),
        ("tmpfs", ram / 2048, 0.0, "/dev/shm"),
        ("tmpfs", ram / 5120, 0.01, "/run"),
        ("/dev/vda1", 0.95, 0.26, "/boot"),
    ):
        cells = [_human(gib * 1024).rstrip("i") for gib in (size, used, size - used)]
        call.print(f"{name:<15}{cells[0]:>5} {cells[1]:>5} {cells[2]:>5} {used / size * 100:3.0f}% {where}")
    return 0


def ip(call: Call) -> int:
    """Addresses (ip a), links (ip l) and routes (ip r)."""
    facts = call.system.facts
    what = call.args[0] if call.args else "a"
    if "route".startswith(what):
        gateway = facts.ip.rpartition(".")[0] + ".1" if "." in facts.ip else "fe80::1"
        call.print(f"default via {gateway} dev enp1s0 proto dhcp src {facts.ip} metric 100")
        return 0
    if not ("address".startswith(what) or what == "addr" or "link".startswith(what)):
        return call.fail(f'Object "{what}" is unknown, try "ip help".')
    blue, cyan, magenta, off = ("\x1b[34m", "\x1b[36m", "\x1b[35m", "\x1b[0m") if call.to_terminal else ("",) * 4
    addresses = not "link".startswith(what)
    call.print(
        f"1: {cyan}lo{off}: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000"
    )
    call.print("    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00")
    if addresses:
        call.print(f"    inet {magenta}127.0.0.1{off}/8 scope host lo\n       valid_lft forever preferred_lft forever")
    call.print(f"2: {cyan}enp1s0{off}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc fq_codel state UP qlen 1000")
    call.print(f"    link/ether {facts.mac} brd ff:ff:ff:ff:ff:ff")
    if addresses and facts.ip:
        family, colour, length = ("inet6", blue, 64) if ":" in facts.ip else ("inet", magenta, 24)
        call.print(f"    {family} {colour}{facts.ip}{off}/{length} scope global dynamic noprefixroute enp1s0")
        call.print("       valid_lft 86313522sec preferred_lft 86313522sec")
    return 0


def dmesg(call: Call) -> int:
    """The kernel's log."""
    call.out.append("".join(call.system.kernel_log))
    return 0


def date(call: Call) -> int:
    """The guest's date, or +FORMAT."""
    form = call.args[0][1:] if call.args and call.args[0].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    call.print(call.system.date().strftime(form.encode("ascii", "replace").decode().replace("\x00", "")))
    return 0


def who(call: Call) -> int:
    """Who is logged in; with `w`, what they do."""
    user = call.session.user
    if call.name == "w":
        call.print(" " + uptime_line(call.system))
        call.print("USER     TTY        LOGIN@   IDLE   JCPU   PCPU WHAT")
        call.print(f"{user:<8} {call.tty.name:<9} {call.system.date():%H:%M}    0.00s  0.03s  0.00s w")
    else:
        call.print(f"{user:<8} {call.tty.name:<12} {call.system.date():%Y-%m-%d %H:%M}")
    return 0


def hostname(call: Call) -> int:
    """The machine's name."""
    call.print(call.system.facts.hostname)
    return 0


def whoami(call: Call) -> int:
    """The user's name."""
    call.print(call.session.user)
    return 0


def identity(call: Call) -> int:
    """The user's numbers."""
    user = call.session.user
    number = 0 if user == "root" else 1000
    call.print(f"uid={number}({user}) gid={number}({user}) groups={number}({user})")
    return 0


def processors(call: Call) -> int:
    """The number of CPUs."""
    call.print(str(call.system.facts.cpus))
    return 0


def list_disks(call: Call) -> int:
    """Disks and partitions, drawn as a tree."""
    call.out.append(
        "NAME   MAJ:MIN RM  SIZE RO TYPE MOUNTPOINTS\nvda    252:0    0   20G  0 disk \n"
        "├─vda1 252:1    0    1G  0 part /boot\n└─vda2 252:2    0   19G  0 part /\nvdb    252:16   0    1M  0 disk \n"
    )
    return 0


COMMANDS: dict[str, Command] = {
    "ps": list_processes,
    "uname": uname,
    "uptime": uptime,
    "free": free,
    "df": disk_free,
    "ip": ip,
    "dmesg": dmesg,
    "date": date,
    "who": who,
    "w": who,
    "hostname": hostname,
    "whoami": whoami,
    "id": identity,
    "nproc": processors,
    "lsblk": list_disks,
}
