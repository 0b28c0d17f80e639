"""Files of this machine that are sent into new volumes. Functions: libvirt-storage.html, libvirt-stream.html."""

from __future__ import annotations

import asyncio
import errno
import os
from abc import abstractmethod
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from kvtui.backends.libvirt.acts import Acts, tell_unreached
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.transfers import Transfer, Transfers
from kvtui.backends.libvirt.uri import is_simulated
from kvtui.backends.libvirt.volumes import describe_volume
from kvtui.backends.libvirt.words import is_unsupported
from kvtui.backends.volumes import VolumeUpload
from kvtui.errors import BackendError, ConflictError, UnreachableError
from kvtui.text import clean_line, size

if TYPE_CHECKING:
    import libvirt

_PIECE: Final = 256 * 1024
"""Bytes that are sent at once: what fits into a message of libvirt's protocol."""
_REFUSED: Final = "it was refused"


class _GivenUpError(Exception):
    """Nobody wants it any more."""


class UploadVerbs(Acts):
    """Implements VolumeUploads."""

    transfers: Transfers

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where the host is."""

    async def upload_volume(self, wanted: VolumeUpload) -> None:
        """Send a file into a new volume; of one that fails or is cancelled nothing is left."""
        if is_simulated(self.uri):
            raise BackendError("nothing was sent", f"{wanted.pool.backend} is libvirt's test driver: it takes no files")
        verb = f"upload {clean_line(str(wanted.file))} ({size(wanted.size)}B) as {wanted.name}"

        async def send() -> None:
            try:
                await self.call(lambda connection: _upload(connection, wanted, self.transfers), _REFUSED, Lane.ERRANDS)
            except UnreachableError as error:
                raise tell_unreached(error, verb, wanted.pool) from None
            except asyncio.CancelledError:
                wanted.sending.stop.set()
                raise

        try:
            await self._guard.act(verb, wanted.pool, send)
        finally:
            self.announce("storagePool.REFRESH", wanted.pool.uid, wanted.pool.name)


def _upload(connection: libvirt.virConnect, wanted: VolumeUpload, transfers: Transfers) -> None:
    module = load()
    if wanted.sending.stop.is_set():
        return
    pool = connection.storagePoolLookupByUUIDString(wanted.pool.uid)
    # The bytes say themselves of which format they are; libvirt looks at them once they are there.
    volume = pool.createXML(describe_volume(wanted.name, wanted.size, "raw"), 0)
    transfer = transfers.begin(f"{pool.name()}/{wanted.name}", "upload", wanted.size, str(wanted.file))
    try:
        _send(connection, volume, wanted, transfer)
    except _GivenUpError:
        _delete(volume)
        transfer.end("Cancelled", "it was given up; the volume is deleted")
    except (module.libvirtError, BackendError) as error:
        _delete(volume)
        transfer.end("Failed", clean_line(str(error)))
        raise
    else:
        transfer.end("Completed")


def _send(
    connection: libvirt.virConnect, volume: libvirt.virStorageVol, wanted: VolumeUpload, transfer: Transfer
) -> None:
    stream, sparse = _open(connection, volume, wanted.size)
    with ExitStack() as on_failure:
        on_failure.callback(_abort, stream)
        try:
            _pump(stream, wanted, transfer, sparse=sparse)
        except OSError as error:
            raise BackendError(f"{wanted.file} cannot be read", (error.strerror or str(error)).lower()) from error
        on_failure.pop_all()
    stream.finish()


def _open(connection: libvirt.virConnect, volume: libvirt.virStorageVol, size: int) -> tuple[libvirt.virStream, bool]:
    """The way into a volume, and whether it takes holes as such."""
    module = load()
    # A device has what was on it before wherever nothing is written.
    if volume.info()[0] == module.VIR_STORAGE_VOL_FILE:
        stream = connection.newStream(0)
        try:
            volume.upload(stream, 0, size, module.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        except module.libvirtError as error:
            # Daemons before 3.4, and drivers, that do not know the flag.
            if not is_unsupported(error.get_error_code()) and error.get_error_code() != module.VIR_ERR_INVALID_ARG:
                raise
        else:
            return stream, True
    stream = connection.newStream(0)
    volume.upload(stream, 0, size, 0)
    return stream, False


def _pump(stream: libvirt.virStream, wanted: VolumeUpload, transfer: Transfer, *, sparse: bool) -> None:
    sent = 0
    with wanted.file.open("rb") as file:
        while sent < wanted.size:
            _check(wanted)
            hole = find_hole(file.fileno(), sent, wanted.size) if sparse else 0
            if hole:
                stream.sendHole(hole)
                sent = file.seek(sent + hole)
                wanted.sending.skip(hole)
                transfer.skip(hole)
                continue
            piece = file.read(min(_PIECE, wanted.size - sent))
            if not piece:
                break
            _check(wanted)
            rest = memoryview(piece)
            while rest:
                rest = rest[stream.send(bytes(rest)) :]
            sent += len(piece)
            wanted.sending.advance(sent)
            transfer.advance(sent)
    _check(wanted)
    if sent < wanted.size:
        raise ConflictError(f"{wanted.file} has become shorter", "it is written to while it is sent")


def find_hole(file: int, at: int, end: int) -> int:
    """Bytes of the hole of an open file that begins at a place, up to `end`; 0 where there is data, or where the file
    or its file system knows of no holes. Whoever reads it goes on where they were.
    """
    try:
        before = os.lseek(file, 0, os.SEEK_CUR)
    except OSError:
        return 0  # A pipe.
    try:
        data = os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        # The rest is a hole, unless it is past the end.
        data = os.fstat(file).st_size if error.errno == errno.ENXIO else at
    os.lseek(file, before, os.SEEK_SET)
    return max(0, min(data, end) - at)


def _check(wanted: VolumeUpload) -> None:
    if wanted.sending.stop.is_set():
        raise _GivenUpError


def _abort(stream: libvirt.virStream) -> None:
    with suppress(load().libvirtError):
        stream.abort()


def _delete(volume: libvirt.virStorageVol) -> None:
    """Take away what is of no use; who cannot be reached keeps it."""
    with suppress(load().libvirtError):
        volume.delete(0)
