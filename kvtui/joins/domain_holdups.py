"""What a domain shows of what was asked of it while that is not done; empty where it shows nothing."""

from __future__ import annotations

from kvtui.joins.domain import Guest
from kvtui.records.libvirt import DomainState


def hold_stop(guest: Guest) -> str:
    """What keeps its process from having ended."""
    domain = guest.domain
    if held := _hold_all(guest):
        return held
    if domain.state is DomainState.SHUTDOWN:
        return "the guest is shutting down; libvirt waits without end"
    if guest.paused or domain.state is DomainState.SUSPENDED:
        return "it is paused and cannot shut down by itself; libvirt waits without end"
    agent = "" if domain.agent else ": no guest agent is connected, and a guest may ignore the power button"
    return f"the guest has not shut down{agent}; libvirt never cuts it off, force stop does"


def hold_reboot(guest: Guest) -> str:
    """What keeps it from having rebooted."""
    if held := _hold_all(guest):
        return held
    agent = "" if guest.domain.agent else ": no guest agent is connected, and a guest may ignore the power button"
    return f"the guest has not rebooted{agent}; libvirt never cuts it off, reset does"


def hold_end(guest: Guest) -> str:
    """The same of one that is cut off."""
    return _hold_all(guest) or "its QEMU has not ended yet"


def hold_start(guest: Guest) -> str:
    """What keeps it from running."""
    held = _hold_all(guest)
    return held or f"libvirt still has it off{f': {guest.domain.reason}' if guest.domain.reason else ''}"


def hold_job(guest: Guest) -> str:
    """What keeps a job on it from being over."""
    return _hold_all(guest)


def _hold_all(guest: Guest) -> str:
    """What keeps anything from being done to it: its host, its process, or what is done to it already."""
    if not guest.reachable:
        assert guest.host is not None
        trouble = f": {guest.host.trouble}" if guest.host.trouble else ""
        return f"{guest.backend} is {guest.host.link}{trouble}: what is known of it is old"
    if guest.domain.hung:
        return "its QEMU does not answer"
    job = guest.job
    if job is None:
        return ""
    part = "" if job.progress is None else f", {min(99, int(100 * job.progress))}%"
    stuck = "; the guest writes faster than is copied" if job.is_stuck else ""
    return f"its {job.operation} is under way: {job.phase}{part}{stuck}"
