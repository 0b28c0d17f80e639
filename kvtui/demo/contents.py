"""What was uploaded into claims, for whoever exports them again: bytes as the guest would read them.

Images of other formats than raw are not converted here, and large ones not kept: of those an export has what all disks
of the demo have.
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

_IN_MEMORY = 2**22
_LARGEST = 2**30
_PIECE = 2**22


class Content:
    """The bytes of one disk while they come."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it lives as long as its claim
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes; those beyond what is kept are only counted."""
        self.size += len(data)
        if self.size <= _LARGEST:
            self._file.write(data)

    @property
    def is_whole(self) -> bool:
        """Whether all of it was kept."""
        return self.size <= _LARGEST

    def pieces(self, size: int) -> Iterator[bytes]:
        """A disk of `size` bytes that begins with them; zeros follow."""
        for at in range(0, size, _PIECE):
            self._file.seek(at)
            length = min(_PIECE, size - at)
            yield self._file.read(length).ljust(length, b"\0")

    def close(self) -> None:
        """Forget it."""
        self._file.close()


class Contents:
    """By the uid of its claim, what each disk holds that somebody sent."""

    def __init__(self) -> None:
        self._kept: dict[str, Content] = {}

    def keep(self, uid: str, content: Content) -> None:
        """It has come in whole."""
        self._kept[uid] = content

    def find(self, uid: str) -> Content | None:
        """What the disk of a claim holds; None where nobody sent it, or it was not kept."""
        return self._kept.get(uid)

    def close(self) -> None:
        """Forget all."""
        for content in self._kept.values():
            content.close()
        self._kept.clear()
