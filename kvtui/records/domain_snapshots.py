"""Snapshots of domains, as libvirt tells of them. Facts: libvirt.md; libvirt's formatsnapshot.html."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kvtui.records.base import Record


class DomainSnapshot(Record):
    """A snapshot; its name is ``DOMAIN/SNAPSHOT``, its uid the domain's with its own name."""

    KIND: ClassVar[str] = "DomainSnapshot"

    domain: str = ""
    domain_uid: str = ""
    snapshot: str = ""
    parent: str = ""
    state: str = ""
    """Of the domain when it was taken: ``running``, ``shutoff``; ``disk-snapshot`` is one of disks alone."""
    current: bool = False
    """Whether the domain stands on this one now."""
    memory: bool = False
    """Whether it holds the memory of the running machine."""
    external: bool = False
    """Whether its disks are files of their own, not a part of the image."""
    description: str = ""

    def links(self) -> Iterable[tuple[str, str]]:
        """Its domain."""
        yield "domain", self.domain_uid
