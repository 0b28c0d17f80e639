"""The clocks of guests against ours, as far as their agents tell; nobody tells the clock of a host itself."""

from __future__ import annotations

from statistics import median

from kvtui.records.libvirt import Domain
from kvtui.store import View
from kvtui.text import age

OFF = 30.0
"""Seconds by which a clock may differ: single sign-on and certificates begin to fail within minutes."""
_FEW = 3
"""Guests from which on what all of them say counts."""
_ALIKE = 10.0
"""Seconds within which clocks say the same."""


def clocks_of(view: View, backend: str) -> list[tuple[str, float]]:
    """The guests of a host whose clock is known, with the seconds by which it is ahead of ours."""
    return [
        (ref.name, domain.clock)
        for ref, domain in view.items(Domain, backend)
        if domain.active and domain.clock is not None
    ]


def common_offset(view: View, backend: str) -> float:
    """By how many seconds most guests of a host are ahead of ours together; 0 when they are too few, or differ."""
    clocks = [clock for _, clock in clocks_of(view, backend)]
    if len(clocks) < _FEW:
        return 0.0
    middle = median(clocks)
    alike = sum(abs(clock - middle) <= _ALIKE for clock in clocks)
    return middle if alike > len(clocks) // 2 else 0.0


def tell_offset(ahead: float) -> str:
    """``5m ahead of ours``."""
    return f"{age(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} ours"
