"""The processes of a guest, as ps, top and htop see them."""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.demo.guests.system import System


@dataclass(frozen=True)
class Proc:
    """One process. Memory in KiB, `cpu` in percent of one CPU."""

    pid: int
    user: str
    cpu: float
    virtual: int
    resident: int
    shared: int
    state: str
    command: str
    kernel: bool = False


def table(system: System, tty_program: str) -> list[Proc]:
    """All processes now, by pid; the load of each wavers around its usual one with every call."""
    draw = system.random
    procs = [Proc(1, "root", _waver(system, 0.1), 172_304, 16_512, 10_240, "S", "/usr/lib/systemd/systemd --system")]
    kernel = ["kthreadd", "rcu_preempt"]
    kernel += [f"{name}/{cpu}" for cpu in range(min(system.facts.cpus, 8)) for name in ("migration", "ksoftirqd")]
    kernel += ["kworker/u8:0-events_unbound", "kswapd0", "khugepaged", "jbd2/vda1-8", "xfsaild/vda2"]
    for number, name in enumerate(kernel):
        load = 0.3 if draw.random() < 0.04 else 0.0
        procs.append(
            Proc(2 + number, "root", load, 0, 0, 0, "I" if "kworker" in name else "S", f"[{name}]", kernel=True)
        )
    for unit in system.units.values():
        if unit.state == "active":
            resident = int(unit.memory_mib * 1024)
            state = "R" if unit.load > 20 else "S"
            load = _waver(system, unit.load)
            procs.append(
                Proc(unit.pid, unit.user, load, resident * 3 + 90_000, resident, resident // 3, state, unit.command)
            )
    procs.append(Proc(1511, "root", 0.0, 9_420, 4_608, 3_840, "S", "login -- root"))
    procs.append(Proc(1604, "root", 0.0, 8_016, 5_248, 3_712, "S", "-bash"))
    procs.append(Proc(1733, "root", _waver(system, 0.4), 10_936, 5_376, 3_200, "R", tty_program))
    return sorted(procs, key=lambda proc: proc.pid)


def _waver(system: System, usual: float) -> float:
    return round(max(0.0, usual * system.random.uniform(0.6, 1.4)), 1)


def load_averages(system: System) -> tuple[float, float, float]:
    """The load averages over 1, 5 and 15 minutes."""
    usual = sum(unit.load for unit in system.units.values() if unit.state == "active") / 100
    return usual * 1.1, usual * 0.9, usual * 0.7


def up_text(system: System) -> str:
    """How uptime and top say the uptime: `up 3 days, 4:05` or `up 12 min`."""
    minutes = int(system.uptime // 60)
    days, minutes = divmod(minutes, 1440)
    text = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    return f"up {text}" + (f"{minutes // 60:2d}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes} min")


def uptime_line(system: System) -> str:
    """The first line of uptime, w and top."""
    one, five, fifteen = load_averages(system)
    return f"{system.date():%H:%M:%S} {up_text(system)},  1 user,  load average: {one:.2f}, {five:.2f}, {fifteen:.2f}"


def memory(system: System) -> dict[str, float]:
    """Memory in MiB: total, free, used, cache, available."""
    total = system.facts.memory_mib * 0.965
    used = sum(unit.memory_mib for unit in system.units.values() if unit.state == "active") + 120
    used = min(used, total * 0.9)
    cache = (total - used) * 0.6
    return {"total": total, "used": used, "cache": cache, "free": total - used - cache, "available": total - used}
