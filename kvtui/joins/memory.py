"""The memory of a host: what it has for ordinary VMs, what they were promised, and what is taken of it."""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.joins.domain import host_of
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, Host
from kvtui.store import View
from kvtui.text import size


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """In bytes. Huge pages and the VMs on them are left out: theirs is set aside already."""

    room: int
    """What the host has."""
    domains: int
    """How many VMs run on it."""
    promised: int
    """What these may use at any time, as their balloons stand."""
    held: int
    """What their processes hold now."""
    left: int | None
    """What nobody uses; None while it is not measured."""

    @property
    def overcommitted(self) -> bool:
        """Whether they may use more than there is."""
        return self.promised > self.room

    def is_left(self, share: float) -> bool:
        """Whether that share of the room is left; where that is not measured, what the VMs do not hold counts."""
        left = self.left if self.left is not None else self.room - self.held
        return left >= share * self.room


def tell_too_large(backend: str, domain: Domain, host: Host | None) -> str:
    """That a domain has more memory than its whole host, in words; empty when it has not, or that is not known. One on
    huge pages has to fit into those.
    """
    if host is None or not host.memory or domain.huge_pages:
        return ""
    room = host.memory - host.huge_pages
    return f"it wants {size(domain.memory)} of memory, and {backend} has {size(room)}" if domain.memory > room else ""


def use_memory(view: View, ref: Ref) -> MemoryUse | None:
    """That of the host which `ref` means; None for one of which it is not known."""
    host = host_of(view, ref.backend)
    if host is None or host.memory <= host.huge_pages:
        return None
    running = [domain for _, domain in view.items(Domain, ref.backend) if domain.active and not domain.huge_pages]
    usage = view.usage(ref.backend, Host.KIND, "", ref.name)
    return MemoryUse(
        room=host.memory - host.huge_pages,
        domains=len(running),
        promised=sum(domain.memory for domain in running),
        held=sum(domain.resident or 0 for domain in running),
        left=int(host.memory - usage.memory) if usage is not None else None,
    )
