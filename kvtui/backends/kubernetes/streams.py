"""Byte streams and pictures of machines: consoles, ports, screenshots, logs of pods (kubevirt-api.md 3.2 and 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from kvtui.backends.base import Permission
from kvtui.backends.kubernetes.answers import CutError
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.places import find_subresource
from kvtui.backends.kubernetes.refusals import tell_role
from kvtui.backends.kubernetes.server import ANY, Server
from kvtui.errors import BackendError, ForbiddenError, UnauthorizedError
from kvtui.model import Ref
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.text import clean

if TYPE_CHECKING:
    import aiohttp

_SUBRESOURCES = "subresources.kubevirt.io"
_PROTOCOL = "plain.kubevirt.io"
_LONGEST_LINE = 2**14
"""Bytes of a log line that are kept: a program that never ends its lines must not fill the memory."""
_FRAME = 2**13
"""Bytes sent in one frame; virt-api copies with buffers of 10 KiB."""
_CLEAN_END = 1000
_LARGEST_PICTURE = 32 * 2**20
"""Bytes of a screenshot that are read: a PPM of 3840 by 2160 pixels has 25 MB."""
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"P6")


class SocketStream:
    """Raw bytes in binary frames. `name` is for sentences: ``the console``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, name: str) -> None:
        self._socket = socket
        self._name = name
        self._closed = False

    async def read(self) -> bytes:
        """The next bytes; empty at a clean end. Raises CutError when the stream was cut."""
        from aiohttp import WSMsgType

        while True:
            message = await self._receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                if self._closed or self._is_end(message):
                    return b""
                raise self._why()

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises CutError when the stream was cut."""
        await self.send_frames(data)

    async def send_frames(self, data: bytes, lead: bytes = b"") -> None:
        """Send bytes, each frame of them behind some that lead it. Raises CutError."""
        try:
            for start in range(0, len(data), _FRAME):
                await self._socket.send_bytes(lead + data[start : start + _FRAME])
        except ConnectionError as error:
            raise self._why() from error

    async def close(self) -> None:
        """End the stream; a second call does nothing."""
        if not self._closed:
            self._closed = True
            await self._socket.close()

    async def _receive(self) -> aiohttp.WSMessage:
        return await self._socket.receive()

    def _is_end(self, message: aiohttp.WSMessage) -> bool:
        from aiohttp import WSMsgType

        return message.type is WSMsgType.CLOSE and message.data == _CLEAN_END

    def _why(self) -> CutError:
        if isinstance(self._socket.exception(), TimeoutError):
            return self._silence()
        return self._cut()

    def _silence(self) -> CutError:
        return CutError(f"{self._name} fell silent", "no answer to pings, the link is dead", silent=True)

    def _cut(self) -> CutError:
        raise NotImplementedError


class Console(SocketStream):
    """The serial console of a VMI."""

    def _cut(self) -> CutError:
        # The server never says why (1006): another user, a power-off, a migration and a lost node look alike.
        code = self._socket.close_code
        return CutError(
            f"{self._name} was cut",
            "taken over by another user, or the machine stopped or moved"
            if code in (None, 1000, 1006)
            else f"code {code}",
        )


class Port(SocketStream):
    """A TCP connection to a port of a VMI.

    A websocket cannot say that one side has sent everything: whoever ends first ends both directions. A link counts as
    dead only while somebody reads: who pauses, because a client of ours does, leaves pings behind data that waits.
    virt-api then ends it after a minute.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, name: str, heartbeat: float) -> None:
        super().__init__(socket, name)
        self._heartbeat = heartbeat

    async def _receive(self) -> aiohttp.WSMessage:
        from aiohttp import WSMsgType

        asked = False
        while True:
            try:
                message = await self._socket.receive(self._heartbeat / 2 if asked else self._heartbeat)
            except TimeoutError as error:
                if asked:
                    raise self._silence() from error
                asked = True
                with suppress(ConnectionError):
                    await self._socket.ping()
                continue
            asked = False
            if message.type is WSMsgType.PING:
                with suppress(ConnectionError):
                    await self._socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return message

    def _is_end(self, message: aiohttp.WSMessage) -> bool:
        from aiohttp import WSMsgType

        # virt-api leaves without a closing frame when the guest ends the connection (streamer.go).
        return message.type is WSMsgType.CLOSED or super()._is_end(message)

    def _cut(self) -> CutError:
        code = self._socket.close_code
        words = "the machine or the server is gone" if code in (None, 1000, 1006) else f"code {code}"
        return CutError(f"{self._name} was cut", words)


async def open_console(server: Server, discovery: Discovery, ref: Ref) -> Console:
    """The serial console of a VM or VMI. Raises BackendError with the server's words when there is none."""
    path = await _subresource(discovery, ref, "console")
    async with _heeded(ref, "console"):
        return Console(await server.websocket(path, _PROTOCOL), "the console")


async def open_port(server: Server, discovery: Discovery, ref: Ref, port: int) -> Port:
    """A TCP connection to a port of a VM or VMI. Raises BackendError with the server's words when nobody listens."""
    path = await _subresource(discovery, ref, f"portforward/{port}/tcp")
    async with _heeded(ref, "portforward"):
        socket = await server.websocket(path, _PROTOCOL, pings=False)
    return Port(socket, f"the connection to port {port} of {ref.path}", server.timings.heartbeat)


async def take_screenshot(server: Server, discovery: Discovery, ref: Ref) -> bytes:
    """What a VM or VMI shows on its screen: PNG of newer machines, PPM of older ones. Raises BackendError."""
    path = await _subresource(discovery, ref, "vnc/screenshot")
    timings = server.timings
    picture = bytearray()
    try:
        async with (
            asyncio.timeout(timings.screenshot),
            _heeded(ref, "vnc/screenshot"),
            server.stream(path, query={}, first=timings.answer, silence=timings.answer, accept=ANY) as pieces,
        ):
            async for piece in pieces:
                picture += piece
                if len(picture) > _LARGEST_PICTURE:
                    raise BackendError(
                        f"the picture of {ref.path} is too large", f"more than {_LARGEST_PICTURE // 2**20} MiB"
                    )
    except TimeoutError as error:
        raise CutError(
            f"the picture of {ref.path} did not come",
            f"{len(picture)} bytes in {timings.screenshot:g} s",
            silent=True,
        ) from error
    # virt-api passes on what QEMU made and names no type (kubevirt-api.md 4).
    if not picture.startswith(_PICTURES):
        raise BackendError(f"no picture of {ref.path} came", "the answer is neither PNG nor PPM")
    return bytes(picture)


@asynccontextmanager
async def _heeded(ref: Ref, subresource: str) -> AsyncIterator[None]:
    """virt-api refuses with 401, and often without a reason, what kube-apiserver let pass (kubevirt-api.md 3), whose
    own 401 has but one word: that makes it a right that is missing, not an account that is unknown.
    """
    try:
        yield
    except UnauthorizedError as error:
        if error.detail == "Unauthorized":
            raise
        words = f'cannot get virtualmachineinstances/{subresource} of {ref.name} in the namespace "{ref.namespace}"'
        raise ForbiddenError("not allowed", error.detail or words, code=403) from error
    except ForbiddenError as error:
        if "cannot get resource" in error.detail:
            # The server's words leave out what follows a slash: `virtualmachineinstances/vnc`.
            error.hint = tell_role(Permission("get", _SUBRESOURCES, "virtualmachineinstances", subresource))
        raise


async def _subresource(discovery: Discovery, ref: Ref, subresource: str) -> str:
    return await find_subresource(discovery, ref._replace(kind=VirtualMachineInstance.KIND), subresource)


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
