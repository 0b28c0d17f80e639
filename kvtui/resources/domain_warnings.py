"""What must be said of a domain before something is done to it is confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.domain import Guest
from kvtui.joins.memory import tell_too_large
from kvtui.joins.storage import has_old_sizes, starving_pool
from kvtui.records.libvirt import POOL_FULL, BlockJob, DomainState, StoragePool
from kvtui.store import View
from kvtui.text import percent, size

STILL: Final = frozenset({DomainState.PAUSED, DomainState.SUSPENDED})
"""States of a guest that does nothing and keeps its memory."""


def warn_start(guest: Guest) -> tuple[str, ...]:
    """What keeps it from starting."""
    return tuple(filter(None, (tell_too_large(guest.backend, guest.domain, guest.host),)))


def warn_end(guest: Guest) -> tuple[str, ...]:
    """What ends with the process."""
    domain, said = guest.domain, []
    if not domain.persistent:
        said.append("it is transient: once it is off, it is gone for good")
    if guest.job is not None:
        said.append(f"its {guest.job.operation} ends too")
    if domain.differs and domain.persistent:
        said.append(f"its next start is as stored: {', '.join(domain.differs)}")
    return tuple(said)


def warn_stop(guest: Guest) -> tuple[str, ...]:
    """What keeps it from shutting down, and what ends with it."""
    said = []
    if guest.domain.state in STILL:
        said.append("it is paused and cannot shut down by itself")
    elif not guest.domain.agent:
        said.append("no guest agent is connected: a guest that ignores the power button runs on")
    return (*said, *warn_end(guest))


def warn_kill(guest: Guest) -> tuple[str, ...]:
    """What is lost by pulling its plug."""
    return ("the guest gets no chance to write its data", *warn_end(guest))


def warn_restart(guest: Guest) -> tuple[str, ...]:
    """What keeps it from rebooting, and what a reboot does not bring."""
    said = []
    if not guest.domain.agent:
        said.append("no guest agent is connected: a guest that ignores the power button runs on as it is")
    if guest.domain.differs:
        changes = ", ".join(guest.domain.differs)
        said.append(f"it reboots as the machine that it is; only stop and start brings what is stored: {changes}")
    return tuple(said)


def warn_reset(guest: Guest) -> tuple[str, ...]:
    """What is lost, and what boots."""
    said = ["the guest gets no chance to write its data"]
    if guest.domain.state in STILL:
        said.append(f"it is paused{_because(guest)}: after the reset it runs")
    if guest.domain.state is DomainState.CRASHED:
        said.append("what it had in memory when it crashed is gone after it, unless virsh dump keeps it before")
    if guest.domain.differs:
        said.append(f"it boots as the machine that it is, without what is stored: {', '.join(guest.domain.differs)}")
    return tuple(said)


def warn_save(guest: Guest) -> tuple[str, ...]:
    """What breaks by a pause of any length."""
    return ("connections of the guest break, and its clock is behind when it goes on", *warn_end(guest))


def warn_nmi(_guest: Guest) -> tuple[str, ...]:
    """What it is for."""
    return ("many guests crash on it: that is its use, for they write a dump then",)


def warn_lost_save(guest: Guest) -> tuple[str, ...]:
    """That saved memory is lost, where there is some."""
    return ("what the guest had in memory is lost, as by pulling its plug",) if guest.domain.saved else ()


def name_full_pool(view: View, guest: Guest) -> Iterator[str]:
    """The pool in which it found no space, where nobody saw since that there is some."""
    ref = starving_pool(view, guest.backend, guest.domain)
    pool = view.find(StoragePool, ref) if ref is not None else None
    if pool is None:
        return
    if has_old_sizes(pool, (guest.domain,)):
        yield (
            f"it was paused because pool {pool.metadata.name} had no space, and libvirt has not looked into the pool "
            "since: unless room was made, the next write pauses it again"
        )
    elif pool.strain >= POOL_FULL:
        yield f"pool {pool.metadata.name} is full ({size(pool.left)} left): the next write pauses it again"


def name_ending_jobs(view: View, guest: Guest) -> tuple[str, ...]:
    """What its end does to the jobs of its disks."""
    return tuple(
        f"the {job.operation} of {job.target}{_tell_done(job)} ends with it, and the disk stays the old one"
        for job in _jobs_of_disks(view, guest)
    )


def name_lasting_jobs(view: View, guest: Guest) -> tuple[str, ...]:
    """The jobs of its disks that go on when it reboots: the process is the same."""
    return tuple(
        f"the {job.operation} of {job.target}{_tell_done(job)} goes on: a reboot is no pivot"
        for job in _jobs_of_disks(view, guest)
    )


def _jobs_of_disks(view: View, guest: Guest) -> list[BlockJob]:
    linked = view.linked(BlockJob, guest.backend, "domain", guest.domain.metadata.uid)
    return [job for _, job in linked if not job.is_final]


def _tell_done(job: BlockJob) -> str:
    if job.phase == "Ready":
        return ", which is complete and waits for its pivot,"
    return f", {percent(job.done / job.total, 1.0)} done," if job.total else ""


def _because(guest: Guest) -> str:
    """Why it stands still, where somebody did not wish for it: `` (I/O error)``."""
    reason = guest.domain.reason
    return f" ({reason})" if reason and reason != "user" else ""
