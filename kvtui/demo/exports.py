"""The export server behind the API server's service proxy: what was uploaded, and of other disks a few real bytes.

Source: KubeVirt ``pkg/storage/export/virt-exportserver``. The header ``x-kubevirt-export-token``, or a query of that
name, must bear the token of the export's secret.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Iterator

from aiohttp import web

from kvtui.demo import kinds
from kvtui.demo.contents import Contents
from kvtui.demo.metadata import not_found
from kvtui.demo.objects import MI, amount, has_condition
from kvtui.demo.paths import Target
from kvtui.demo.replies import text
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World

TOKEN = "x-kubevirt-export-token"
_PIECE = 4 * MI
_RATE = 512 * MI
"""Bytes of a disk that are read in a real second."""
_SECTOR = 512


class ExportServer:
    """Answers what comes through ``services/https:virt-export-NAME:443/proxy``."""

    def __init__(self, world: World, contents: Contents) -> None:
        self._world = world
        self._contents = contents

    async def respond(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """One request. Raises StorageError 404 and 503 as the API server's proxy does."""
        service = target.name.removeprefix("https:").partition(":")[0]
        namespace = target.namespace
        if self._world.storage.find(kinds.SERVICE, namespace, service) is None:
            raise not_found(kinds.SERVICE, service)
        export = self._world.storage.find(kinds.EXPORT, namespace, service.removeprefix("virt-export-"))
        pod = self._world.storage.find(kinds.POD, namespace, service)
        if export is None or pod is None or not has_condition(pod, "Ready", "True"):
            raise StorageError(503, "ServiceUnavailable", f'no endpoints available for service "{target.name}"')
        given = request.headers.get(TOKEN) or request.query.get(TOKEN, "")
        if not hmac.compare_digest(given.encode(), self._token(export).encode()):
            return text("", 401)
        return await self._serve(request, export, target.rest.removeprefix("proxy"))

    def _token(self, export: Object) -> str:
        name = export.get("status", {}).get("tokenSecretRef", "")
        secret = self._world.storage.find(kinds.SECRET, export["metadata"]["namespace"], name) or {}
        try:
            token = base64.b64decode(secret.get("data", {}).get("token", "")).decode()
        except (binascii.Error, ValueError):
            token = ""
        # Nothing opens an export whose secret is not there.
        return token or "\0"

    async def _serve(self, request: web.BaseRequest, export: Object, path: str) -> web.StreamResponse:
        parts = path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "volumes":
            return text("404 page not found\n", 404)
        claim = self._world.storage.find(kinds.PVC, export["metadata"]["namespace"], parts[1])
        offered = {
            item["url"].rpartition("/volumes/")[2]
            for volume in export["status"].get("links", {}).get("internal", {}).get("volumes", ())
            for item in volume["formats"]
        }
        if claim is None or f"{parts[1]}/{parts[2]}" not in offered or parts[2] not in ("disk.img", "disk.img.gz"):
            return text("404 page not found\n", 404)
        packed = parts[2].endswith(".gz")
        size = int(amount(claim["status"].get("capacity", {}).get("storage")))
        answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        if not packed:
            answer.content_length = size
        await answer.prepare(request)
        content = self._contents.find(claim["metadata"]["uid"])
        raw = pieces(claim, size) if content is None else content.pieces(size)
        for piece in pack(raw) if packed else raw:
            try:
                await answer.write(piece)
            except ConnectionError:
                # The client has seen enough.
                return answer
            await asyncio.sleep(_PIECE / _RATE)
        await answer.write_eof()
        return answer


def pieces(claim: Object, size: int) -> Iterator[bytes]:
    """The bytes of a disk: a boot sector that names its claim, some noise, and zeros."""
    meta = claim["metadata"]
    name = f"{meta['namespace']}/{meta['name']}".encode()
    sector = (b"\xfaKVTUI DEMO DISK " + name).ljust(_SECTOR - 2, b"\0") + b"\x55\xaa"
    noise = b"".join(hashlib.sha256(name + bytes([number])).digest() for number in range(_SECTOR // 2))
    first = (sector + noise).ljust(_PIECE, b"\0")[: min(size, _PIECE)]
    yield first
    zeros = bytes(_PIECE)
    left = size - len(first)
    while left > 0:
        yield zeros[: min(left, _PIECE)]
        left -= _PIECE


def pack(raw: Iterator[bytes]) -> Iterator[bytes]:
    """The same as a gzip file: pieces without anything in them are packed once, for a disk has thousands of them."""
    kept: dict[bytes, bytes] = {}
    for piece in raw:
        packed = kept.get(piece)
        if packed is None:
            packer = zlib.compressobj(6, wbits=31)
            packed = packer.compress(piece) + packer.flush()
            if not piece.strip(b"\0"):
                kept[piece] = packed
        yield packed
