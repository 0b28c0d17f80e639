"""TCP ports of the simulated guests, through the port-forward websocket of virt-api.

Sources: reference section 4 (``portforward.go``, ``streamer.go``): raw bytes in binary frames, a ping each second, and
no closing frame when the guest ends the connection.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import importlib
import re
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from kvtui.demo import kinds
from kvtui.demo.console import PROTOCOL, not_a_websocket
from kvtui.demo.guest import Guest
from kvtui.demo.machines import Machine, Machines
from kvtui.demo.metadata import bad_request
from kvtui.demo.objects import has_condition
from kvtui.demo.sending import send_frame
from kvtui.demo.storage import Object, Storage, StorageError

if TYPE_CHECKING:
    from types import ModuleType

_FRAME = 10 * 1024
_PING = 1.0
"""Seconds between two pings of the server."""
_DEADLINE = 60.0
"""Seconds after which a client is left that answers no pings."""
_PAUSE = 0.1
"""Real seconds between two looks at a guest that is paused."""
_AUTHORIZED = re.compile(r"^\s*-\s+[\"']?((?:ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+)", re.MULTILINE)


class Ports:
    """Serves them."""

    def __init__(self, storage: Storage, machines: Machines) -> None:
        self._storage = storage
        self._machines = machines
        self._tunnels: set[Tunnel] = set()

    def close(self) -> None:
        """Cut all connections."""
        for tunnel in [*self._tunnels]:
            tunnel.cut()

    async def respond(self, request: web.BaseRequest, vmi: Object, port: str, protocol: str) -> web.StreamResponse:
        """One connection. Raises StorageError 400, 409 and 500 in virt-api's words when there is none."""
        name = vmi["metadata"]["name"]
        if has_condition(vmi, "Paused", "True"):
            message = f'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "{name}": VMI is paused'
            raise StorageError(409, "Conflict", message)
        interfaces = vmi.get("status", {}).get("interfaces") or ()
        if not interfaces:
            raise bad_request("no network interfaces are present")
        machine = self._machine(vmi)
        serve = await self._service(machine, vmi, port) if machine is not None and protocol == "tcp" else None
        if serve is None or machine is None:
            address = f"{interfaces[0].get('ipAddress', '')}:{port}"
            message = f"Internal error occurred: dialing VM: dial {protocol} {address}: connect: connection refused"
            raise StorageError(500, "InternalError", message)
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return not_a_websocket()
        tunnel = Tunnel(request, machine)
        self._tunnels.add(tunnel)
        machine.listeners.add(tunnel.cut)
        try:
            return await tunnel.run(serve)
        finally:
            machine.listeners.discard(tunnel.cut)
            self._tunnels.discard(tunnel)

    def _machine(self, vmi: Object) -> Machine | None:
        return self._machines.of(vmi) if vmi.get("status", {}).get("phase") == "Running" else None

    async def _service(self, machine: Machine, vmi: Object, port: str) -> _Serve | None:
        """Who answers at a port, or None."""
        guest = machine.guest
        if not isinstance(guest, Guest) or not port.isdecimal() or not guest.is_listening(int(port)):
            return None
        if int(port) == 80:
            return lambda end: _serve_http(end, guest)
        # A sixth of a second of imports: in a thread, so that the cluster goes on.
        sshd: ModuleType = await asyncio.to_thread(importlib.import_module, "kvtui.demo.sshd")
        owners = vmi["metadata"].get("ownerReferences") or ()
        uid = next((owner["uid"] for owner in owners if owner.get("controller")), vmi["metadata"]["uid"])
        return lambda end: sshd.serve_ssh(end, guest, uid, self._authorized_keys(vmi))

    def _authorized_keys(self, vmi: Object) -> list[str]:
        """Public keys that cloud-init or accessCredentials put into the guest."""
        keys: list[str] = []
        for volume in vmi["spec"].get("volumes") or ():
            source = volume.get("cloudInitNoCloud") or volume.get("cloudInitConfigDrive") or {}
            keys += _AUTHORIZED.findall(source.get("userData") or _decoded(source.get("userDataBase64") or ""))
        for credential in vmi["spec"].get("accessCredentials") or ():
            name = credential.get("sshPublicKey", {}).get("source", {}).get("secret", {}).get("secretName", "")
            secret = self._storage.find(kinds.SECRET, vmi["metadata"]["namespace"], name) or {}
            for value in (secret.get("data") or {}).values():
                keys += _decoded(value).splitlines()
        return keys


_Serve = Callable[[socket.socket], Coroutine[None, None, None]]
"""Serves one connection on that end of a pair of sockets, until it ends."""


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, ValueError):
        return ""


class Tunnel:
    """One connection between a client's websocket and a service of a guest."""

    def __init__(self, request: web.BaseRequest, machine: Machine) -> None:
        self._request = request
        self._machine = machine
        self._heard = 0.0

    def cut(self) -> None:
        """Break it: the client sees no closing frame."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self, serve: _Serve) -> web.StreamResponse:
        """Copy bytes both ways until one side ends."""
        websocket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=0, autoping=False)
        await websocket.prepare(self._request)
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        tasks = [
            asyncio.create_task(serve(there), name="port service"),
            asyncio.create_task(self._to_client(websocket, reader), name="port to client"),
            asyncio.create_task(self._to_guest(websocket, writer), name="port to guest"),
            asyncio.create_task(self._ping(websocket), name="port pings"),
        ]
        try:
            # What the service said last is to be read when it has ended.
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.transport.abort()
            # As Go does it: the connection is closed, and no frame says so.
            if self._request.transport is not None:
                self._request.transport.close()
        return websocket

    async def _to_client(self, websocket: web.WebSocketResponse, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_FRAME):
                await send_frame(websocket, data)

    async def _to_guest(self, websocket: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
        self._heard = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            async for message in websocket:
                if message.type is WSMsgType.BINARY:
                    while self._machine.paused:  # noqa: ASYNC110 - whoever pauses it knows of no loop
                        await asyncio.sleep(_PAUSE)
                    writer.write(message.data)
                    await writer.drain()
                elif message.type is WSMsgType.PONG:
                    self._heard = asyncio.get_running_loop().time()
                elif message.type is WSMsgType.PING:
                    await websocket.pong(message.data)

    async def _ping(self, websocket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while asyncio.get_running_loop().time() - self._heard < _DEADLINE or not self._heard:
                await asyncio.sleep(_PING)
                await websocket.ping(b"keep alive")


async def _serve_http(end: socket.socket, guest: Guest) -> None:
    """A web server that answers one request in plain text."""
    reader, writer = await asyncio.open_connection(sock=end)
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.decode(errors="replace").partition(" ")
        status, text = guest.answer_http(method, rest.split(" ")[0])
        body = text.encode()
        reason = {200: "OK", 404: "Not Found", 405: "Not Allowed"}[status]
        writer.write(
            f"HTTP/1.1 {status} {reason}\r\nServer: nginx/1.28.0\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        )
        writer.write(b"" if method == "HEAD" else body)
        await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
