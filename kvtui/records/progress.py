"""How far the live migration of an instance is; the meaning of each figure: kubevirt-api.md 5.1."""

from __future__ import annotations

from typing import ClassVar

from kvtui.records.base import Record


class MigrationProgress(Record):
    """The memory copy of an instance, whose name it bears: told by virt-handler's metrics, and by no object."""

    KIND: ClassVar[str] = "MigrationProgress"

    processed: float = 0.0
    """Bytes that were sent."""
    remaining: float = 0.0
    dirty_rate: float = 0.0
    """Bytes a second that the guest changes."""
    transfer_rate: float = 0.0
    """Bytes a second that are sent."""

    @property
    def is_stuck(self) -> bool:
        """Whether the guest changes its memory at least as fast as that is sent."""
        return 0 < self.transfer_rate <= self.dirty_rate
