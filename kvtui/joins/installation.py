"""How the installation of KubeVirt or CDI fares, told by its conditions: kubevirt-api.md 2.7."""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.model import Health, Tone
from kvtui.records.base import Condition, find_condition, is_true

_ON_THE_WAY = frozenset({"", "Deploying", "Upgrading"})
"""Phases in which it may serve already."""


def judge_installation(phase: str, conditions: Iterable[Condition]) -> Health:
    """Its health. While it is being updated it calls itself degraded, which then means nothing."""
    known = tuple(conditions)
    available = find_condition(known, "Available")
    progressing = find_condition(known, "Progressing")
    degraded = find_condition(known, "Degraded")
    if phase in {"Deleting", "Deleted"}:
        return Health(Tone.BAD, phase)
    if progressing is not None and progressing.status == "True":
        updating = available is not None and available.status == "True"
        return Health(Tone.BUSY, "Updating" if updating else "Deploying", progressing.message)
    if degraded is not None and degraded.status == "True":
        return Health(Tone.BAD, "Degraded", degraded.message or degraded.reason)
    if available is not None and available.status != "True":
        return Health(Tone.BAD, "Unavailable", available.message or available.reason)
    if phase == "Deployed" or (phase in _ON_THE_WAY and is_true(known, "Available")):
        return Health(Tone.OK, "Available")
    return Health(Tone.WARN, phase or "Unknown")
