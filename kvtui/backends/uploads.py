"""What a backend of Kubernetes can do with images of this machine: send them into a disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from kvtui.backends.base import Backend
from kvtui.backends.objects import Body
from kvtui.backends.transfer import Transfer
from kvtui.model import Ref
from kvtui.records.cdi import Upload
from kvtui.text import age, clean_line, percent, rate, size


def _tell_nobody(_upload: Upload) -> None:
    pass


@dataclass(frozen=True)
class ImageUpload:
    """What is sent, and where to."""

    ref: Ref
    """The DataVolume."""
    file: Path
    body: Body
    """What it is made of where there is none of that name yet."""
    reuse: bool = False
    """Whether one that is there already will do, if it waits for an upload."""
    proxy: str = ""
    """The URL of CDI's upload proxy; the one that CDI tells, when empty."""
    insecure: bool = False
    """Whether the certificate of the proxy is not checked."""
    retries: int = 5
    """How often it is sent again, from the beginning, after the connection broke or the proxy was busy."""
    tell: Callable[[Upload], None] = _tell_nobody
    """Called as it goes on, a few times a second."""


@runtime_checkable
class Uploads(Backend, Protocol):
    """A backend that takes images."""

    async def upload(self, wanted: ImageUpload) -> Ref:
        """Send an image, and wait until it can be used; the DataVolume. Raises BackendError, with what is left.

        One that is left off before all was sent takes a DataVolume that it made with it. Where it is rehearsed, the
        server tries to make the DataVolume, and the proxy is asked whether it answers; nothing is sent.
        """


def describe_upload(upload: Upload) -> str:
    """How far one is, in a line."""
    if upload.phase == "Waiting":
        if not upload.words:
            return "nothing is sent yet: the DataVolume is still to be made"
        return clean_line(f"waiting until CDI takes an image: {upload.words}")
    done = f"{size(upload.sent)}B of {size(upload.total)}B"
    if upload.phase != "Sending":
        return clean_line(f"{done} sent; {upload.words}")
    parts = [f"{percent(upload.sent, upload.total)}  {done}"]
    if upload.rate:
        parts.append(f"{rate(upload.rate)}, {age((upload.total - upload.sent) / upload.rate)} left")
    return clean_line("  ".join([*parts, upload.words]).rstrip())


class UploadTransfer(Transfer):
    """One image on its way into a DataVolume."""

    def __init__(self, backend: Uploads, wanted: ImageUpload) -> None:
        super().__init__(wanted.ref)
        self._backend = backend
        self._wanted = replace(wanted, tell=self._take)
        self._upload = Upload()

    @property
    def title(self) -> str:
        """What is sent where."""
        return clean_line(f"upload {self._wanted.file.name} to {self.ref.path}")

    @property
    def words(self) -> str:
        """How far it is, in a few words."""
        return percent(self._upload.sent, self._upload.total) if self._upload.sent else self._upload.phase.lower()

    @property
    def lines(self) -> tuple[str, ...]:
        """How far it is, in full."""
        return (describe_upload(self._upload),)

    @property
    def done(self) -> float | None:
        """Part of the file that was sent."""
        return self._upload.sent / self._upload.total if self._upload.total else None

    @property
    def result(self) -> str:
        """The disk."""
        return f"DataVolume {self.ref.path} has got {clean_line(self._wanted.file.name)}"

    def describe_end(self) -> str:
        """Whether a DataVolume is left."""
        return self._upload.words if self._upload.phase == "Left off" else "nothing was sent"

    async def carry(self) -> None:
        """Send it, and wait until the disk can be used. Raises KvtuiError."""
        await self._backend.upload(self._wanted)

    def _take(self, upload: Upload) -> None:
        self._upload = upload
