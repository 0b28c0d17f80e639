"""Ssh servers on the way to contexts and hosts."""

from __future__ import annotations

from typing import ClassVar

from kvtui.records.base import Record


class Bastion(Record):
    """An ssh server that lets nobody through. Those that do are no records."""

    KIND: ClassVar[str] = "Bastion"

    hops: tuple[str, ...] = ()
    """The ssh servers in front of it, the nearest first."""
    trouble: str = ""
    """What is wrong with it, in two or three words."""
    cause: str = ""
    """Why, in its own words or those of ssh."""
    step: str = ""
    """The way out."""
    since: float = 0.0
    contexts: tuple[str, ...] = ()
    """Backends that are reached through it alone."""
    hosts: tuple[str, ...] = ()
    """As `contexts`."""
