"""What a backend of libvirt can do with images of this machine: send them into a new volume."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from kvtui.backends.base import Backend
from kvtui.backends.transfer import Transfer
from kvtui.model import Ref
from kvtui.text import age, clean_line, percent, rate, size

_SPAN: Final = 1.0
"""Seconds over which a rate is reckoned, at least."""


class Sending:
    """How far a file is on its way; told by the thread that sends it, which heeds `stop`."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.sent = 0
        self.rate: float | None = None
        """Bytes a second of late."""
        self.stop = threading.Event()
        self._moment, self._before = time.monotonic(), 0

    def advance(self, sent: int) -> None:
        """So many bytes are over."""
        now = time.monotonic()
        if now - self._moment >= _SPAN:
            self.rate = (sent - self._before) / (now - self._moment)
            self._moment, self._before = now, sent
        self.sent = sent

    def skip(self, length: int) -> None:
        """So many bytes are a hole, which takes no time and counts for no rate."""
        self.sent += length
        self._before += length


@dataclass(frozen=True)
class VolumeUpload:
    """What is sent, and where to."""

    pool: Ref
    name: str
    """Of the volume, which is made for it."""
    file: Path
    size: int
    """Bytes of the file."""
    sending: Sending = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sending", Sending(self.size))


@runtime_checkable
class VolumeUploads(Backend, Protocol):
    """A backend whose pools take files."""

    async def upload_volume(self, wanted: VolumeUpload) -> None:
        """Send a file into a new volume, byte for byte. Raises BackendError; no volume is left then.

        One that is cancelled leaves none either, as soon as the host has heard of it.
        """


class VolumeTransfer(Transfer):
    """One file on its way into a volume."""

    def __init__(self, backend: VolumeUploads, wanted: VolumeUpload) -> None:
        super().__init__(wanted.pool)
        self._backend = backend
        self._wanted = wanted

    @property
    def title(self) -> str:
        """What is sent where."""
        return clean_line(f"upload {self._wanted.file.name} to {self._volume}")

    @property
    def words(self) -> str:
        """How far it is, in a few words."""
        sending = self._wanted.sending
        return percent(sending.sent, sending.total) if sending.sent else "begins"

    @property
    def lines(self) -> tuple[str, ...]:
        """How far it is, in full."""
        sending = self._wanted.sending
        told = f"{size(sending.sent)}B of {size(sending.total)}B"
        if self.over or not sending.rate:
            return (told,)
        return (f"{told}   {rate(sending.rate)}, {age((sending.total - sending.sent) / sending.rate)} left",)

    @property
    def done(self) -> float | None:
        """Part of the file that was sent."""
        sending = self._wanted.sending
        return sending.sent / sending.total if sending.total else None

    @property
    def result(self) -> str:
        """The volume."""
        return clean_line(f"volume {self._volume} holds {self._wanted.file.name}")

    def describe_end(self) -> str:
        """The half of an image is of no use."""
        return f"volume {clean_line(self._volume)} is deleted again"

    async def carry(self) -> None:
        """Send it. Raises KvtuiError."""
        await self._backend.upload_volume(self._wanted)

    @property
    def _volume(self) -> str:
        return f"{self._wanted.pool.name}/{self._wanted.name}"
