"""Byte streams: serial consoles and logs of pods (kubevirt-api.md 4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from kvtui.backends.kubernetes.answers import CutError
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.server import ANY, Server
from kvtui.backends.kubernetes.verbs import INSTANCES, SUBRESOURCE_VERSIONS, SUBRESOURCES
from kvtui.model import Ref
from kvtui.text import clean

if TYPE_CHECKING:
    import aiohttp

_PROTOCOL = "plain.kubevirt.io"
_LONGEST_LINE = 2**14
"""Bytes of a log line that are kept: a program that never ends its lines must not fill the memory."""
_FRAME = 2**13
"""Bytes sent in one frame; virt-api copies with buffers of 10 KiB."""
_CLEAN_END = 1000


class Console:
    """The serial console of a VMI: raw bytes in binary frames."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._closed = False

    async def read(self) -> bytes:
        """The next bytes; empty at a clean end. Raises CutError when the stream was cut."""
        from aiohttp import WSMsgType

        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                if self._closed or (message.type is WSMsgType.CLOSE and message.data == _CLEAN_END):
                    return b""
                raise self._cut()

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises CutError when the stream was cut."""
        try:
            for start in range(0, len(data), _FRAME):
                await self._socket.send_bytes(data[start : start + _FRAME])
        except ConnectionError as error:
            raise self._cut() from error

    async def close(self) -> None:
        """End the console; a second call does nothing."""
        if not self._closed:
            self._closed = True
            await self._socket.close()

    def _cut(self) -> CutError:
        # The server never says why (1006): another user, a power-off, a migration and a lost node look alike.
        code = self._socket.close_code
        return CutError(
            "the console was cut",
            "taken over by another user, or the machine stopped or moved"
            if code in (None, 1000, 1006)
            else f"code {code}",
        )


async def open_console(server: Server, discovery: Discovery, ref: Ref) -> Console:
    """The serial console of a VM or VMI. Raises BackendError with the server's words when there is none."""
    version = (await discovery.versions(SUBRESOURCES, SUBRESOURCE_VERSIONS))[0]
    path = object_path(SUBRESOURCES, version, INSTANCES, ref.namespace, ref.name, "console")
    return Console(await server.websocket(path, _PROTOCOL))


async def follow_log(server: Server, ref: Ref, *, container: str, tail: int, follow: bool) -> AsyncIterator[str]:
    """Lines of a pod's log, cleaned. Raises BackendError."""
    path = object_path("", "v1", "pods", ref.namespace, ref.name, "log")
    query = {"tailLines": str(tail)}
    if container:
        query["container"] = container
    if follow:
        query["follow"] = "true"
    timings = server.timings
    silence = None if follow else timings.answer
    async with server.stream(path, query=query, first=timings.answer, silence=silence, accept=ANY) as pieces:
        async for line in _bounded_lines(pieces):
            yield clean(line.decode(errors="replace").rstrip("\r"))


async def _bounded_lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends; one that is too long comes in parts, and the last need not be ended."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            for start in range(0, len(line) or 1, _LONGEST_LINE):
                yield line[start : start + _LONGEST_LINE]
        while len(rest) > _LONGEST_LINE:
            yield rest[:_LONGEST_LINE]
            rest = rest[_LONGEST_LINE:]
    if rest:
        yield rest
