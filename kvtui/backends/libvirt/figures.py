"""From libvirt's counters to figures: pure. Names of the counters: libvirt's virConnectGetAllDomainStats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from kvtui.records.libvirt import Disk, Domain, Use

Counters = Mapping[str, int | float | str | bool]

_ROUGH: Final = 2**20
"""Memory is told in steps of a MiB: a guest that breathes is no news."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters of a domain at a moment of a monotonic clock."""

    moment: float
    cpu: float
    """Seconds."""
    read: float
    written: float
    received: float
    sent: float


def take_sample(counters: Counters, moment: float) -> Sample | None:
    """The sums over all its disks and interfaces; None where the driver counts nothing."""
    if "cpu.time" not in counters:
        return None
    return Sample(
        moment,
        _number(counters.get("cpu.time")) / 1e9,
        _sum(counters, "block", "rd.bytes"),
        _sum(counters, "block", "wr.bytes"),
        _sum(counters, "net", "rx.bytes"),
        _sum(counters, "net", "tx.bytes"),
    )


def compare(before: Sample | None, now: Sample | None) -> Use | None:
    """What was used between two samples; None without both. Counters that went back began anew."""
    if before is None or now is None or now.moment <= before.moment:
        return None
    span = now.moment - before.moment
    if now.cpu < before.cpu:
        return None

    def per_second(one: float, other: float) -> float:
        return round_rate(max(0.0, other - one) / span)

    return Use(
        cpu=round((now.cpu - before.cpu) / span, 2),
        read=per_second(before.read, now.read),
        written=per_second(before.written, now.written),
        received=per_second(before.received, now.received),
        sent=per_second(before.sent, now.sent),
    )


def round_rate(rate: float) -> float:
    """Two digits: nobody reads more, and a row is drawn anew for each change."""
    if rate < 100:
        return 0.0
    digits = len(str(int(rate)))
    return float(round(rate, 2 - digits))


def with_figures(domain: Domain, counters: Counters, use: Use | None) -> Domain:
    """The domain with what its counters tell: use, memory, and the size of its disks."""
    available, unused = (
        counters.get("balloon.available"),
        counters.get("balloon.usable", counters.get("balloon.unused")),
    )
    used = (_number(available) - _number(unused)) * 1024 if available is not None and unused is not None else None
    resident = counters.get("balloon.rss")
    current = counters.get("balloon.current")
    vcpus = counters.get("vcpu.current")
    return msgspec.structs.replace(
        domain,
        use=use,
        vcpus=int(_number(vcpus)) or domain.vcpus,
        memory=int(_number(current)) * 1024 or domain.memory,
        used=_rough(used),
        resident=_rough(_number(resident) * 1024) if resident is not None else None,
        disks=tuple(_with_sizes(domain.disks, counters)),
    )


def _with_sizes(disks: Iterable[Disk], counters: Counters) -> Iterable[Disk]:
    sizes = {str(counters.get(f"{prefix}.name")): prefix for prefix in _members(counters, "block")}
    for disk in disks:
        prefix = sizes.get(disk.target)
        if prefix is None:
            yield disk
            continue
        capacity, allocation = counters.get(f"{prefix}.capacity"), counters.get(f"{prefix}.allocation")
        yield msgspec.structs.replace(
            disk,
            capacity=int(_number(capacity)) if capacity is not None else None,
            allocation=_rough(_number(allocation)) if allocation is not None else None,
        )


def _rough(amount: float | None) -> int | None:
    return None if amount is None else int(amount // _ROUGH * _ROUGH)


def with_errors(disks: Iterable[Disk], errors: Mapping[str, str]) -> tuple[Disk, ...]:
    """The disks, each with what is wrong with it, by its target."""
    return tuple(msgspec.structs.replace(disk, error=errors.get(disk.target, "")) for disk in disks)


def _sum(counters: Counters, group: str, name: str) -> float:
    return sum(_number(counters.get(f"{prefix}.{name}")) for prefix in _members(counters, group))


def _members(counters: Counters, group: str) -> Iterator[str]:
    """Each disk or interface once: the layers that a disk stands on bear its name, behind it."""
    seen = set()
    for at in range(int(_number(counters.get(f"{group}.count")))):
        name = counters.get(f"{group}.{at}.name", at)
        if name not in seen:
            seen.add(name)
            yield f"{group}.{at}"


def _number(value: int | float | str | bool | None) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
