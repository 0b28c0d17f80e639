"""Ports of guests: TCP to an address that libvirt knows, as their host reaches it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from typing import Final

from kvtui.errors import BackendError, KvtuiError, UnreachableError
from kvtui.model import Ref
from kvtui.text import clean_line

_CHUNK: Final = 2**16
_CONNECTING: Final = 15.0
"""Seconds that connecting to one address may last."""
_MOST: Final = 4
"""Addresses of a guest that are tried."""
_KNOWN: Final = 10.0
"""Seconds for which an address is not asked for again: a client may open many connections at once."""
_BAD_GATEWAY: Final = 502

Find = Callable[[Ref], Awaitable[Sequence[str]]]
"""Tells the addresses of a domain, the best first. Raises BackendError."""
Dial = Callable[[str, int], Awaitable[socket.socket]]
"""Connects to a port of an address. Raises KvtuiError."""


async def dial_directly(host: str, port: int) -> socket.socket:
    """A connection from this machine, as a socket that does not block. Raises UnreachableError."""
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    with ExitStack() as on_failure:
        made = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except OSError as error:
            words = error.strerror or str(error)
            raise UnreachableError(f"this machine cannot connect to {host}:{port}", words) from error
        on_failure.pop_all()
    return made


class Ports:
    """Opens ports of the guests of one host."""

    def __init__(self, find: Find, dial: Dial) -> None:
        self._find = find
        self._dial = dial
        self._asking: dict[Ref, asyncio.Task[Sequence[str]]] = {}
        self._known: dict[Ref, tuple[float, Sequence[str]]] = {}
        """When each was told, on the monotonic clock."""

    async def open(self, ref: Ref, port: int) -> Connection:
        """A connection to the first address that takes one. Raises BackendError: code 502 when none does."""
        failure: KvtuiError | None = None
        for address in (await self._tell_addresses(ref))[:_MOST]:
            try:
                async with asyncio.timeout(_CONNECTING):
                    made = await self._dial(address, port)
            except TimeoutError:
                words = f"no answer from {address} in {_CONNECTING:g} s"
                failure = failure or UnreachableError(f"port {port} of {ref.path} is not reached", words)
            except UnreachableError as error:
                failure = failure or error
            else:
                return Connection(*await asyncio.open_connection(sock=made), f"port {port} of {clean_line(ref.path)}")
        self._known.pop(ref, None)
        assert failure is not None
        raise UnreachableError(failure.title, failure.detail, failure.hint, _BAD_GATEWAY)

    async def _tell_addresses(self, ref: Ref) -> Sequence[str]:
        moment, addresses = self._known.get(ref, (0.0, ()))
        if addresses and time.monotonic() - moment < _KNOWN:
            return addresses
        asking = self._asking.get(ref)
        if asking is None:
            asking = self._asking[ref] = asyncio.create_task(self._ask(ref), name=f"addresses of {ref.path}")
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(asking)

    async def _ask(self, ref: Ref) -> Sequence[str]:
        try:
            addresses = await self._find(ref)
        finally:
            del self._asking[ref]
        if not addresses:
            raise BackendError(
                f"no address of {ref.path} is known",
                "no DHCP lease of libvirt's, no word of its guest agent, nothing in the ARP table of its host",
                "a guest agent (qemu-guest-agent) tells it",
            )
        self._known[ref] = (time.monotonic(), addresses)
        return addresses


class Connection:
    """A TCP connection. Implements ByteStream; `name` is for sentences."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises UnreachableError when it was cut."""
        try:
            return await self._reader.read(_CHUNK)
        except OSError as error:
            raise self._cut(error) from error

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises UnreachableError when it was cut."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise self._cut(error) from error

    async def close(self) -> None:
        """End it; a second call does nothing."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _cut(self, error: OSError) -> UnreachableError:
        return UnreachableError(f"{self._name} was cut", error.strerror or str(error))
