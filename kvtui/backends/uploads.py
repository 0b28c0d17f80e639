"""What a backend of Kubernetes can do with images of this machine: send them into a disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from kvtui.backends.base import Backend
from kvtui.backends.objects import Body
from kvtui.model import Ref
from kvtui.records.cdi import Upload


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

        One that is left off before all was sent takes a DataVolume that it made with it.
        """
