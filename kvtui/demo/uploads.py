"""Images into the cluster: CDI's upload tokens, and its upload proxy on a port of its own.

Codes and words: CDI ``pkg/uploadproxy/uploadproxy.go``, ``pkg/uploadserver/uploadserver.go``, ``pkg/apiserver``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from aiohttp import ClientError, WSMsgType, web

from kvtui.demo import kinds
from kvtui.demo.bodies import media_type, parse
from kvtui.demo.certificate import Certificate
from kvtui.demo.contents import Contents
from kvtui.demo.controllers.populator import PREFIX, prime_name
from kvtui.demo.controllers.uploader import UPLOAD_TARGET
from kvtui.demo.images import Intake
from kvtui.demo.metadata import bad_request, not_found
from kvtui.demo.objects import amount
from kvtui.demo.paths import Target
from kvtui.demo.replies import answer, not_allowed, text
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World

GROUP = "upload.cdi.kubevirt.io"
_LIFETIME = 300.0
"""Seconds for which a token is good."""
_READY_WITHIN = 10.0
_LOOK_AGAIN = 0.1
_BEARER = re.compile(r"(?i)^Bearer\s+([A-Za-z0-9\-._~+/]+)$")
_CHUNK = 2**18
_POD_PORT = 8443
_ASYNC, _SYNC = "/v1beta1/upload-async", "/v1beta1/upload"


class _Token(msgspec.Struct):
    namespace: str
    name: str
    until: float


class _Review(msgspec.Struct, rename="camel"):
    pvc_name: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """An image that has come in whole."""

    size: int
    sha256: str


class Uploads:
    """Gives tokens out, and takes images of those who have one."""

    def __init__(self, world: World, certificate: Certificate, contents: Contents) -> None:
        self._world = world
        self._contents = contents
        self._certificate = certificate
        self._secret = secrets.token_bytes(32)
        self._busy: set[str] = set()
        self._runner: web.ServerRunner | None = None
        self.received: dict[tuple[str, str], Received] = {}
        """What came in, by namespace and name of the claim."""
        self.rate = 0.0
        """Bytes that are taken in a real second; 0 for as many as come."""
        self.cut_after: list[int] = []
        """After how many bytes each of the next uploads loses its connection."""
        self.port = 0

    async def start(self) -> None:
        """Listen on a free loopback port, and have CDI say so."""
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._certificate.server_context())
        await site.start()
        self.port = self._runner.addresses[0][1]
        told = {"uploadProxyURL": f"127.0.0.1:{self.port}", "uploadProxyCA": self._certificate.certificate}
        self._world.storage.modify(kinds.CDI_CONFIG, "", "config", lambda found: found["status"].update(told))
        bundle = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cdi-uploadproxy-signer-bundle", "namespace": "cdi"},
            "data": {"ca-bundle.crt": self._certificate.certificate},
        }
        if self._world.storage.find(kinds.CONFIG_MAP, "cdi", "cdi-uploadproxy-signer-bundle") is None:
            self._world.storage.create(kinds.CONFIG_MAP, bundle)

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def is_busy(self) -> bool:
        """Whether an image comes in now."""
        return bool(self._busy)

    async def forward(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """The port of the proxy's pod, as the kubelet forwards it: k8s.io/kubelet ``portforward/websocket.go``."""
        pod = self._world.storage.get(kinds.POD, target.namespace, target.name)
        if pod["metadata"].get("labels", {}).get("cdi.kubevirt.io") != "cdi-uploadproxy":
            raise bad_request("the demo cluster runs no real containers: only the upload proxy has a port here")
        if "websocket" not in request.headers.get("Upgrade", "").lower():
            raise bad_request("unable to upgrade: missing upgrade headers in request")
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), max_msg_size=0)
        await socket.prepare(request)
        port = int(request.query.get("ports", "0"))
        for channel in (0, 1):
            await socket.send_bytes(bytes((channel,)) + port.to_bytes(2, "little"))
        if port != _POD_PORT:
            words = f"an error occurred forwarding {port} -> {port}: connect: connection refused"
            await socket.send_bytes(b"\x01" + words.encode())
            await socket.close()
            return socket
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        back = asyncio.create_task(_copy_back(reader, socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY and message.data[:1] == b"\x00":
                    writer.write(message.data[1:])
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            back.cancel()
            writer.close()
        return socket

    # Tokens

    async def respond(self, request: web.BaseRequest, target: Target) -> web.Response:
        """A request for a token."""
        if target.verb != "create" or target.resource != "uploadtokenrequests":
            raise not_allowed()
        asked = parse(await request.read(), media_type(request))
        try:
            wanted = msgspec.convert((asked or {}).get("spec", {}), _Review).pvc_name
        except (msgspec.ValidationError, AttributeError) as error:
            raise bad_request(f"couldn't parse the request: {error}") from None
        claim = self._world.storage.find(kinds.PVC, target.namespace, wanted)
        if claim is None:
            raise not_found(kinds.PVC, wanted)
        if UPLOAD_TARGET not in claim["metadata"].get("annotations", {}):
            raise bad_request(f"PVC {wanted} is not an upload target")
        return answer({**asked, "status": {"token": self.token(target.namespace, wanted)}}, 201)

    def token(self, namespace: str, name: str, lifetime: float = _LIFETIME) -> str:
        """A token for an upload into a claim."""
        body = msgspec.json.encode(_Token(namespace, name, time.time() + lifetime))
        signed = b".".join(_plain(part) for part in (body, self._sign(body)))
        return f"eyJhbGciOiJQUzI1NiJ9.{signed.decode()}"

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, hashlib.sha256)

    def _read_token(self, given: str) -> _Token | None:
        try:
            _, body, signature = (_unplain(part) for part in given.split("."))
            if not hmac.compare_digest(signature, self._sign(body)):
                return None
            token = msgspec.json.decode(body, type=_Token)
        except (ValueError, msgspec.MsgspecError):
            return None
        return token if token.until > time.time() else None

    # The proxy

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/healthz":
            return text("OK")
        if request.path not in (_ASYNC, _SYNC):
            return text("404 page not found\n", 404)
        if request.method == "HEAD" and request.path == _ASYNC:
            return web.Response()
        found = _BEARER.match(request.headers.get("Authorization", ""))
        if found is None:
            return web.Response(status=400)
        token = self._read_token(found[1])
        if token is None:
            return web.Response(status=401)
        refusal, claim = await self._await_ready(token)
        if claim is None:
            return text(refusal, 503)
        return await self._take(request, claim)

    async def _await_ready(self, token: _Token) -> tuple[str, Object | None]:
        """The claim once its upload server is ready, or why it is not to be had."""
        end = time.monotonic() + _READY_WITHIN
        while True:
            claim = self._world.storage.find(kinds.PVC, token.namespace, token.name)
            if claim is None:
                return f"rejecting Upload Request for PVC {token.name} that doesn't exist", None
            notes = claim["metadata"].get("annotations", {})
            if notes.get(PREFIX + "pod.phase") == "Succeeded":
                return f"rejecting Upload Request for PVC {token.name} that already finished uploading", None
            if notes.get(PREFIX + "pod.ready") == "true":
                return "", claim
            if time.monotonic() > end:
                return "timed out waiting for the condition", None
            await asyncio.sleep(_LOOK_AGAIN)

    async def _take(self, request: web.BaseRequest, claim: Object) -> web.StreamResponse:
        """What the upload server of a claim answers."""
        uid = claim["metadata"]["uid"]
        if uid in self._busy or self._world.uploader.is_converting(uid):
            return web.Response(status=503)
        self._busy.add(uid)
        try:
            intake = await self._read(request, self._room(claim))
        except (ClientError, ConnectionError, asyncio.IncompleteReadError):
            return text("Saving stream failed: unexpected EOF", 500)
        except StorageError as error:
            return text(f"Saving stream failed: {error.message}", error.code)
        finally:
            self._busy.discard(uid)
        meta = claim["metadata"]
        self.received[meta["namespace"], meta["name"]] = Received(intake.size, intake.digest.hexdigest())
        if intake.is_raw and intake.content.is_whole:
            self._contents.keep(uid, intake.content)
        failure = ""
        if intake.has_backing_file:
            failure = "Unable to process data: image is invalid because it has invalid backing file"
        self._world.uploader.take(claim, intake.size, failure)
        await self._await_converted(uid, until_done=request.path == _SYNC)
        return web.Response()

    async def _await_converted(self, uid: str, *, until_done: bool) -> None:
        while True:
            if not until_done or not self._world.uploader.is_converting(uid):
                return
            await asyncio.sleep(_LOOK_AGAIN)

    def _room(self, claim: Object) -> int:
        """Bytes that the disk may have: of a file system, some are its own."""
        meta = claim["metadata"]
        worker = self._world.storage.find(kinds.PVC, meta["namespace"], prime_name(meta["uid"])) or claim
        size = amount(worker.get("status", {}).get("capacity", {}).get("storage", "0"))
        return int(size if claim["spec"].get("volumeMode") == "Block" else size * 0.94)

    async def _read(self, request: web.BaseRequest, room: int) -> Intake:
        """The image. Raises StorageError in the upload server's words when it does not fit or is none."""
        intake, cut = Intake(), self.cut_after.pop(0) if self.cut_after else None
        async for data in request.content.iter_chunked(_CHUNK):
            try:
                intake.feed(data)
            except ValueError as error:
                raise StorageError(500, "", str(error)) from None
            if cut is not None and intake.size >= cut and request.transport is not None:
                request.transport.abort()
                raise ConnectionError
            if intake.disk_size > room:
                raise StorageError(
                    400,
                    "",
                    f"virtual image size {intake.disk_size} is larger than the reported available storage {room}. "
                    "A larger PVC is required",
                )
            if self.rate:
                await asyncio.sleep(len(data) / self.rate)
        return intake


async def _copy_back(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            await socket.send_bytes(b"\x00" + data)
    await socket.close()


def _plain(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unplain(text_: str) -> bytes:
    return base64.urlsafe_b64decode(text_ + "=" * (-len(text_) % 4))
