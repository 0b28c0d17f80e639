"""The serial console over a websocket, as virt-api and virt-handler serve it.

Sources: reference section 4 (``streamer.go``, ``console.go``): binary frames of at most 32 KiB without any framing,
text frames are dropped, a second client cuts the first one off without a word. An instance has a line from Scheduled
on, for QEMU opens it before the guest begins.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from kvtui.demo import kinds
from kvtui.demo.machines import Machine, Machines, MakeGuest, simulated_guest
from kvtui.demo.metadata import bad_request
from kvtui.demo.replies import encode, status, text
from kvtui.demo.sending import send_frame
from kvtui.demo.storage import Change, Object, StorageError
from kvtui.demo.world import World

PROTOCOL = "plain.kubevirt.io"
_FRAME = 32 * 1024
_LARGEST_BACKLOG = 8 * 1024 * 1024
"""Bytes that wait for a slow client; what comes beyond is lost, as on a line without flow control."""


class Session:
    """One client on one serial line."""

    def __init__(self, request: web.BaseRequest, vmi: Object) -> None:
        meta = vmi["metadata"]
        self.uid: str = meta["uid"]
        """Of the instance: there is one session with each."""
        self.key = meta["namespace"], meta["name"]
        self.machine: Machine | None = None
        """None until the guest begins."""
        self._request = request
        self._waiting = bytearray()
        self._wake = asyncio.Event()

    def send(self, data: bytes) -> None:
        """Queue output of the guest."""
        if len(self._waiting) + len(data) <= _LARGEST_BACKLOG:
            self._waiting += data
            self._wake.set()

    def cut(self) -> None:
        """End the connection without a closing frame: the client sees 1006."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> web.StreamResponse:
        """Copy bytes both ways until the client leaves or the line is cut."""
        socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=0)
        await socket.prepare(self._request)
        pump = asyncio.create_task(self._pump(socket), name="console output")
        try:
            async for message in socket:
                machine = self.machine
                if message.type is WSMsgType.BINARY and machine is not None and not machine.paused:
                    machine.guest.receive(message.data)
        finally:
            pump.cancel()
        return socket

    async def _pump(self, socket: web.WebSocketResponse) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                frame = bytes(self._waiting[:_FRAME])
                del self._waiting[: len(frame)]
                try:
                    await send_frame(socket, frame)
                except ConnectionError:
                    return


class Consoles:
    """The open serial lines; one client each."""

    def __init__(self, world: World, make_guest: MakeGuest = simulated_guest) -> None:
        self.machines = Machines(world, make_guest)
        self._world = world
        self._sessions: dict[str, Session] = {}
        """By the uid of the instance."""
        self._unsubscribe = world.storage.subscribe(self._on_change)

    async def close(self) -> None:
        """Cut all lines."""
        self._unsubscribe()
        self.machines.close()
        for session in [*self._sessions.values()]:
            session.cut()

    async def respond(self, request: web.BaseRequest, vmi: Object) -> web.StreamResponse:
        """Serve one client. Raises StorageError 400 or 409 when the machine has no line to connect to."""
        check_console(vmi)
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return not_a_websocket()
        session = Session(request, vmi)
        before = self._sessions.get(session.uid)
        if before is not None:
            self._leave(before)
            before.cut()
        self._sessions[session.uid] = session
        if vmi["status"]["phase"] == "Running":
            self._join(session, vmi)
        try:
            return await session.run()
        finally:
            self._leave(session)

    def _join(self, session: Session, vmi: Object) -> None:
        """Connect a session with its guest."""
        session.machine = machine = self.machines.of(vmi)
        machine.listeners.add(session.cut)
        machine.guest.attach(session.send)

    def _leave(self, session: Session) -> None:
        if session.machine is not None:
            session.machine.listeners.discard(session.cut)
        if self._sessions.get(session.uid) is session:
            del self._sessions[session.uid]
            if session.machine is not None:
                session.machine.guest.detach()

    def _on_change(self, change: Change) -> None:
        """Join those who are there before the guest, with its first byte."""
        if change.kind != kinds.VMI:
            return
        key = change.namespace, change.name
        for session in [each for each in self._sessions.values() if each.machine is None and each.key == key]:
            vmi = self._world.storage.find(kinds.VMI, *key)
            phase = vmi["status"].get("phase") if vmi is not None and vmi["metadata"]["uid"] == session.uid else None
            if vmi is not None and phase == "Running":
                self._join(session, vmi)
            elif phase != "Scheduled":
                session.cut()


def check_console(vmi: Object) -> None:
    """Raise StorageError unless the instance has a serial line now."""
    name = vmi["metadata"]["name"]
    if vmi["spec"].get("domain", {}).get("devices", {}).get("autoattachSerialConsole") is False:
        raise bad_request("No serial consoles are present.")
    phase = vmi.get("status", {}).get("phase", "")
    if phase == "Failed":
        message = (
            f'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "{name}": VMI is in failed status'
        )
        raise StorageError(409, "Conflict", message)
    if phase not in ("Scheduled", "Running"):
        raise bad_request("VMI is not running")


def not_a_websocket() -> web.Response:
    """What virt-api answers to a plain GET (recording ``console-no-upgrade``)."""
    why = "websocket: the client is not using the websocket protocol: 'upgrade' token not found in 'Connection' header"
    return text("Bad Request\n" + encode(status(400, "BadRequest", why)).decode(), 400)
