"""A file system whose server can be stopped, as that of a network file system can be: whoever looks into it hangs.

It shows the files of a folder, without folders in it, under another folder. Run as a program of a host: SIGSTOP lets it
hang, SIGCONT go on. Protocol: the kernel's include/uapi/linux/fuse.h, version 7.31.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

_MOST = 128 * 1024
"""Bytes of one write."""
_HEADER = struct.Struct("<IIQQIIII")
_FORGET, _INIT, _INTERRUPT, _DESTROY, _BATCH_FORGET = 2, 26, 36, 38, 42
_ROOT = 1


class Folder:
    """The files of a folder, by the numbers that the kernel calls them by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = {_ROOT: path}
        self.answers: dict[int, Callable[[int, bytes], bytes]] = {
            1: self.look_up, 3: self.get_attributes, 4: self.set_attributes, 14: self.open, 15: self.read,
            16: self.write, 17: self.tell_space, 18: self.release, 20: self.flush, 25: self.flush, _INIT: self.begin,
            27: self.open, 28: self.list, 29: self.nothing, 34: self.nothing, 35: self.create, 10: self.unlink,
        }  # fmt: skip

    def begin(self, _node: int, _body: bytes) -> bytes:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, _MOST, 0, 16, 12, _MOST, 1, _MOST // 4096, 0, 0)

    def nothing(self, _node: int, _body: bytes) -> bytes:
        return b""

    def look_up(self, _node: int, body: bytes) -> bytes:
        path = self._path / os.fsdecode(body.rstrip(b"\0"))
        node = path.stat().st_ino + _ROOT
        self._paths[node] = path
        # Nothing is kept by the kernel: every look comes here.
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self._attributes(node)

    def get_attributes(self, node: int, _body: bytes) -> bytes:
        return bytes(16) + self._attributes(node)

    def set_attributes(self, node: int, body: bytes) -> bytes:
        valid, size = struct.unpack_from("<I12xQ", body)
        if valid & 8:
            os.truncate(self._paths[node], size)
        return self.get_attributes(node, body)

    def open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        file = 0 if node == _ROOT else os.open(self._paths[node], flags & (os.O_ACCMODE | os.O_TRUNC))
        return struct.pack("<QII", file, 0, 0)

    def create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", body)
        path = self._path / os.fsdecode(body[16:].rstrip(b"\0"))
        file = os.open(path, flags & (os.O_ACCMODE | os.O_EXCL) | os.O_CREAT, stat.S_IMODE(mode))
        return self.look_up(node, body[16:]) + struct.pack("<QII", file, 0, 0)

    def unlink(self, _node: int, body: bytes) -> bytes:
        (self._path / os.fsdecode(body.rstrip(b"\0"))).unlink()
        return b""

    def read(self, _node: int, body: bytes) -> bytes:
        file, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(file, size, offset)

    def write(self, _node: int, body: bytes) -> bytes:
        file, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(file, body[40 : 40 + size], offset), 0)

    def release(self, _node: int, body: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    def flush(self, _node: int, _body: bytes) -> bytes:
        return b""

    def list(self, _node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        told = b""
        for at, path in enumerate(sorted(self._path.iterdir())[offset:], offset + 1):
            raw = os.fsencode(path.name)
            entry = struct.pack("<QQII", at + _ROOT, at, len(raw), stat.S_IFREG >> 12) + raw
            entry += bytes(-len(entry) % 8)
            if len(told) + len(entry) > size:
                break
            told += entry
        return told

    def tell_space(self, _node: int, _body: bytes) -> bytes:
        found = os.statvfs(self._path)
        blocks = (found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree)
        return struct.pack("<5Q4I24x", *blocks, found.f_bsize, 255, found.f_frsize, 0)

    def _attributes(self, node: int) -> bytes:
        found = self._paths[node].stat()
        moments = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
        owner = (found.st_mode, found.st_nlink, found.st_uid, found.st_gid)
        return struct.pack("<6Q10I", node, found.st_size, found.st_blocks, *moments, 0, 0, 0, *owner, 0, 4096, 0)


def serve(folder: Path, shown: Path) -> None:
    """Show the files of `folder` under `shown` until that is unmounted."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"sticky", os.fsencode(shown), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), "no FUSE")
    files = Folder(folder)
    while True:
        request = os.read(device, _MOST + 65536)
        _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
        if opcode == _DESTROY:
            return
        if opcode in (_FORGET, _INTERRUPT, _BATCH_FORGET):
            continue
        body, fault = b"", 0
        try:
            body = files.answers[opcode](node, request[_HEADER.size :])
        except KeyError:
            fault = errno.ENOSYS
        except OSError as error:
            fault = error.errno or errno.EIO
        os.write(device, struct.pack("<IiQ", 16 + len(body), -fault, unique) + body)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
