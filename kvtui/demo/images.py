"""What CDI sees of an image while its bytes come in: its format, how large its disk is, and what is wrong with it."""

from __future__ import annotations

import hashlib
import struct
import zlib

from kvtui.demo.contents import Content

QCOW2 = b"QFI\xfb"
_GZIP = b"\x1f\x8b"
_CONVERTED = (QCOW2, b"KDMV", b"vhdxfile", b"<<< ", b"conectix", b"\xfd7zXZ")
"""How images begin that CDI would turn into the bytes of a disk."""
_HEADER = struct.Struct(">4sIQIIQ")
"""Magic, version, offset and length of the backing file's name, cluster bits, virtual size (qcow2.txt)."""


class Intake:
    """Takes an image in, piece by piece."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes that came."""
        self.digest = hashlib.sha256()
        self._head = b""
        self._unpacker: zlib._Decompress | None = None
        self._is_packed: bool | None = None
        self._unpacked = 0
        self.content = Content()

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises ValueError when they cannot be unpacked."""
        self.size += len(data)
        self.digest.update(data)
        if self._is_packed is None:
            self._is_packed = data[:2] == _GZIP
            self._unpacker = zlib.decompressobj(31) if self._is_packed else None
        if self._unpacker is not None:
            try:
                data = self._unpacker.decompress(data)
            except zlib.error as error:
                raise ValueError("could not create gzip reader: gzip: invalid header") from error
        self._unpacked += len(data)
        self.content.write(data)
        if len(self._head) < _HEADER.size:
            self._head += data[: _HEADER.size]

    @property
    def disk_size(self) -> int:
        """Of the disk, as far as it is known: what a qcow2 image says, else the bytes that came."""
        if self._head[:4] == QCOW2 and len(self._head) >= _HEADER.size:
            return int(_HEADER.unpack_from(self._head)[5])
        return self._unpacked

    @property
    def is_raw(self) -> bool:
        """Whether it holds the very bytes of the disk, once unpacked."""
        return not self._head.startswith(_CONVERTED)

    @property
    def has_backing_file(self) -> bool:
        """Whether it is only what differs from another image."""
        found = self._head[:4] == QCOW2 and len(self._head) >= _HEADER.size
        return found and _HEADER.unpack_from(self._head)[2] != 0
