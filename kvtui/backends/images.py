"""What a file with a disk image says of itself, as CDI will read it: qemu's docs/interop/qcow2.txt."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kvtui.errors import BackendError

_HEAD: Final = 4096
_QCOW2: Final = struct.Struct(">4sIQIIQ")
"""Magic, version, offset and length of the backing file's name, cluster bits, virtual size."""
_PACKED: Final = {b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"(\xb5/\xfd": "zst"}
_OTHERS: Final = {b"KDMV": "vmdk", b"vhdxfile": "vhdx", b"<<< ": "vdi", b"conectix": "vhd"}


@dataclass(frozen=True, slots=True)
class Image:
    """One file."""

    size: int
    """Bytes of the file."""
    format: str
    """``qcow2``, ``raw``, ``gz`` ..."""
    disk: int | None
    """Bytes of the disk as a guest sees it; None where only CDI will know."""
    backed: bool = False
    """Whether it is only what differs from another image, which CDI refuses."""


def read_image(path: Path) -> Image:
    """Look at a file. Raises BackendError with a sentence when it is none, empty, or cannot be read."""
    try:
        if not path.is_file():
            words = "it is no file" if path.exists() else "there is no such file"
            raise BackendError(f"{path} cannot be sent", words)
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise BackendError(f"{path} cannot be read", (getattr(error, "strerror", "") or str(error)).lower()) from error
    if not size:
        raise BackendError(f"{path} cannot be sent", "it is empty")
    return parse_image(head, size)


def parse_image(head: bytes, size: int) -> Image:
    """The image that begins with `head` and has `size` bytes."""
    if head.startswith(b"QFI\xfb") and len(head) >= _QCOW2.size:
        _, _, backing, _, _, disk = _QCOW2.unpack_from(head)
        return Image(size, "qcow2", disk, bool(backing))
    for magic, name in (_PACKED | _OTHERS).items():
        if head.startswith(magic):
            return Image(size, name, None)
    return Image(size, "raw", size)
