"""Lengths of time as Go writes and reads them: ``1h30m``, ``5m0s``."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")


def seconds_of(duration: str) -> float:
    """The seconds of a ``metav1.Duration``. Raises ValueError in Go's words for what is none."""
    if duration == "0":
        return 0.0
    if not duration or not re.fullmatch(rf"(?:{_PART.pattern})+", duration):
        raise ValueError(f'time: invalid duration "{duration}"')
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(duration))
