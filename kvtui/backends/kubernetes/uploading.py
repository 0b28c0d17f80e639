"""An image of this machine into a DataVolume: kubevirt-api.md 6.2, as ``virtctl image-upload`` does it."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from kvtui.backends.base import Dialer
from kvtui.backends.forwarding import forward_port
from kvtui.backends.images import Image, read_image
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.places import find_path
from kvtui.backends.kubernetes.podports import open_pod_port
from kvtui.backends.kubernetes.server import Server, decode
from kvtui.backends.kubernetes.verbs import Verbs
from kvtui.backends.uploads import ImageUpload
from kvtui.errors import (
    AbsentError,
    BackendError,
    BusyError,
    ConflictError,
    ForbiddenError,
    KvtuiError,
    UnauthorizedError,
    UnreachableError,
)
from kvtui.model import Ref
from kvtui.records.base import Meta, Struct, find_condition
from kvtui.records.cdi import DataVolume, Upload
from kvtui.records.kubernetes import Claim
from kvtui.store import Drop, Message, Put
from kvtui.text import clean_line, quantity, size

if TYPE_CHECKING:
    from kvtui.backends.kubernetes.uploadproxy import UploadProxy

T = TypeVar("T")

_READY: Final = "UploadReady"
_DONE: Final = "Succeeded"
_WAITS_FOR_USER: Final = frozenset({"WaitForFirstConsumer", "PendingPopulation"})
_BENIGN: Final = frozenset({"", "Completed", "Pending", "ContainerCreating", "PodInitializing"})
"""Reasons of a Running condition that is False while all is well."""
_PORT: Final = 8443
"""Where the upload proxy listens in its pod."""
_TOLD_EVERY: Final = 0.25
_WINDOW: Final = 5.0
"""Seconds over which the rate is reckoned."""
_LONGEST_PAUSE: Final = 30.0
_CLEAN_UP: Final = 5.0
"""Seconds that taking back may take when the user leaves off."""


class _ConfigStatus(Struct):
    upload_proxy_url: str = msgspec.field(default="", name="uploadProxyURL")
    upload_proxy_ca: str = msgspec.field(default="", name="uploadProxyCA")


class _Config(Struct):
    status: _ConfigStatus = msgspec.field(default_factory=_ConfigStatus)


class _TokenStatus(Struct):
    token: str = ""


class _TokenAnswer(Struct):
    status: _TokenStatus = msgspec.field(default_factory=_TokenStatus)


class _Pod(Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


class _Pods(Struct):
    items: list[_Pod] | None = None


class _Bundle(Struct):
    data: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Way:
    """How the upload proxy is reached."""

    address: str
    """A URL, or one without its scheme."""
    authority: str
    """PEM certificates that vouch for it, besides those of this machine."""
    name: str = ""
    """What its certificate calls it, where that is not in the address: it is reached through the API server."""


@dataclass(frozen=True, slots=True)
class Means:
    """What uploads of one backend go by."""

    server: Server
    discovery: Discovery
    verbs: Verbs
    dialer: Dialer | None
    post: Callable[[Message], None]


class Uploading:
    """One upload, from the DataVolume to its end."""

    def __init__(self, means: Means, wanted: ImageUpload) -> None:
        self._means = means
        self._wanted = wanted
        self._ref = wanted.ref
        self._timings = means.server.timings
        self._made = False
        self._is_sent = False
        self._state = Upload(metadata=Meta(name=self._ref.name, namespace=self._ref.namespace))
        self._moments: deque[tuple[float, int]] = deque()
        self._told = 0.0
        self._refusal: KvtuiError | None = None

    async def run(self) -> Ref:
        """Do it all; the DataVolume. Raises BackendError that says what is left."""
        image = await asyncio.to_thread(read_image, self._wanted.file)
        if image.backed:
            words = "it only holds what differs from another image; qemu-img convert makes a whole one"
            raise BackendError(f"{self._wanted.file} cannot be sent", words)
        self._state.total = image.size
        try:
            await self._find_target()
            if self._means.verbs.dry_run:
                await self._try_proxy()
                return self._ref
            words = "the DataVolume is made" if self._made else "the DataVolume is there"
            self._say(words=words, volume=self._ref.uid)
            return await self._fill(image)
        except asyncio.CancelledError:
            await self._take_back()
            raise
        finally:
            ref = self._ref
            self._means.post(Drop(ref.backend, Upload, ref.namespace, ref.name))

    async def _fill(self, image: Image) -> Ref:
        try:
            await self._await_ready()
            await self._check_room(image)
            verb = f"upload {self._wanted.file.name} ({size(image.size)})"
            await self._means.verbs.guard.act(verb, self._ref, lambda: self._send(image))
            await self._await_end()
        except KvtuiError as error:
            left = f"DataVolume {self._ref.path} is left: {self._tell_ways()}"
            raise _with_hint(error, f"{error.hint}; {left}" if error.hint else left) from error
        return self._ref

    # The DataVolume ------------------------------------------------------------------------------------------------

    async def _find_target(self) -> None:
        """Make the DataVolume, or take the one that waits for an upload."""
        ref, verbs = self._ref, self._means.verbs
        if self._wanted.reuse:
            with suppress(AbsentError):
                found = await self._look()
                if found.spec.source is None or found.spec.source.upload is None:
                    raise ConflictError(f"DataVolume {ref.path} takes no upload", "its source is another one")
                if found.status.phase == _DONE:
                    raise ConflictError(f"DataVolume {ref.path} takes no upload", "it has got its image already")
                self._ref = found.ref(ref.backend)
                return
        self._ref = await verbs.create(ref, self._wanted.body, verb="create for an upload")
        self._made = not verbs.dry_run

    async def _await_ready(self) -> None:
        deadline = time.monotonic() + self._timings.upload_ready
        while True:
            found = await self._look()
            phase = found.status.phase
            if phase == _READY:
                return
            if phase in _WAITS_FOR_USER:
                words = "its storage class waits until a VM uses it, and it was not made to be bound at once"
                raise ConflictError(f"DataVolume {self._ref.path} takes no upload yet", words)
            if phase in (_DONE, "Failed"):
                raise ConflictError(f"DataVolume {self._ref.path} takes no upload", f"it is {phase}")
            self._say(words=phase or "Pending")
            if time.monotonic() > deadline:
                raise BackendError(
                    f"DataVolume {self._ref.path} did not become ready for an upload in time", _explain(found)
                )
            await asyncio.sleep(self._timings.upload_look)

    async def _check_room(self, image: Image) -> None:
        """Refuse what is known not to fit, before gigabytes are sent. Raises ConflictError."""
        if image.disk is None:
            return
        with suppress(AbsentError):
            claim = await self._get(self._ref._replace(kind=Claim.KIND, uid=""), Claim)
            room = quantity(claim.spec.resources.requests.get("storage"))
            if room is not None and image.disk > room:
                raise ConflictError(
                    f"{self._wanted.file.name} does not fit",
                    f"its disk has {size(image.disk)}, DataVolume {self._ref.path} only {size(room)}",
                )

    async def _await_end(self) -> None:
        """What was sent is converted. Raises BackendError with CDI's words when that fails."""
        restarts = None
        while True:
            found = await self._look()
            if found.status.phase == _DONE:
                return
            restarts = found.status.restart_count if restarts is None else restarts
            running = find_condition(found.status.conditions, "Running")
            failed = running is not None and running.status == "False" and running.reason not in _BENIGN
            if failed or found.status.restart_count > restarts or found.status.phase == "Failed":
                raise BackendError(f"CDI cannot use {self._wanted.file.name}", _explain(found))
            self._say(phase="Processing", words="CDI converts what was sent")
            await asyncio.sleep(self._timings.upload_look)

    async def _look(self) -> DataVolume:
        found = await self._get(self._ref, DataVolume)
        if self._ref.uid and found.metadata.uid != self._ref.uid:
            raise ConflictError(f"{self._ref.path} was re-created since", "nothing was sent to the other one")
        return found

    async def _get(self, ref: Ref, type_: type[T]) -> T:
        _, path = await find_path(self._means.discovery, ref)
        return await self._means.server.get(path, type_)

    # The image -----------------------------------------------------------------------------------------------------

    async def _send(self, image: Image) -> None:
        async with self._proxy() as proxy:
            await self._send_somehow(proxy, image)

    async def _try_proxy(self) -> None:
        """Whether the proxy answers; what it says of an image, only one that is sent can tell."""
        async with self._proxy() as proxy:
            try:
                await proxy.find_path()
            except UnreachableError as error:
                raise (self._refusal or error) from error

    @asynccontextmanager
    async def _proxy(self) -> AsyncIterator[UploadProxy]:
        module = await asyncio.to_thread(importlib.import_module, "kvtui.backends.kubernetes.uploadproxy")
        async with self._way() as way:
            proxy: UploadProxy = module.UploadProxy(
                way,
                insecure=self._wanted.insecure,
                timings=self._timings,
                dialer=None if way.name else self._means.dialer,
            )
            async with proxy:
                yield proxy

    async def _send_somehow(self, proxy: UploadProxy, image: Image) -> None:
        """Send it, again and again where that may help."""
        attempt = 0
        while True:
            try:
                await self._send_once(proxy, image, attempt)
                return
            except (UnreachableError, BusyError, UnauthorizedError) as error:
                if isinstance(self._refusal, ForbiddenError):
                    raise self._refusal from error
                if attempt >= self._wanted.retries or "certificate" in error.title:
                    raise
                attempt += 1
                self._say(sent=0, words=f"attempt {attempt + 1}, after: {clean_line(str(error))}")
                await asyncio.sleep(min(_LONGEST_PAUSE, self._timings.upload_retry * 2 ** (attempt - 1)))

    async def _send_once(self, proxy: UploadProxy, image: Image, attempt: int) -> None:
        path = await proxy.find_path()
        token = await self._ask_token()
        again = f"attempt {attempt + 1}" if attempt else ""
        self._moments.clear()
        self._say(phase="Sending", sent=0, words=again)
        await proxy.send(path, token, self._wanted.file, image.size, self._advance)
        self._is_sent = True
        self._say(phase="Processing", sent=image.size, words="CDI converts what was sent")

    @asynccontextmanager
    async def _way(self) -> AsyncIterator[Way]:
        """The upload proxy: at the address that was given, at what CDI tells, or its pod through the API server."""
        told = _ConfigStatus()
        try:
            told = (await self._get(Ref(self._ref.backend, "CDIConfig", "", "config"), _Config)).status
        except BackendError:
            if not self._wanted.proxy:
                raise
        address = self._wanted.proxy or told.upload_proxy_url
        if address:
            yield Way(address, told.upload_proxy_ca)
            return
        server = self._means.server
        pod = await self._find_pod()
        authority = told.upload_proxy_ca or await self._read_authority(pod.namespace)
        forwarding = await forward_port(
            partial(open_pod_port, server, pod, _PORT), "127.0.0.1", 0, tell=self._take_refusal
        )
        try:
            yield Way(f"127.0.0.1:{forwarding.port}", authority, f"cdi-uploadproxy.{pod.namespace}.svc")
        finally:
            await forwarding.close()

    def _take_refusal(self, error: KvtuiError) -> None:
        """A connection to the pod failed: what is cut for that on this machine cannot say why."""
        self._refusal = error

    async def _find_pod(self) -> Ref:
        """A pod of the upload proxy. Raises BackendError, with the ways that are left."""
        query = {"labelSelector": "cdi.kubevirt.io=cdi-uploadproxy"}
        words = "there is no pod of it"
        try:
            found = (await self._means.server.get(object_path("", "v1", "pods"), _Pods, query)).items or ()
            for pod in found:
                return Ref(self._ref.backend, "Pod", pod.metadata.namespace, pod.metadata.name)
        except ForbiddenError as error:
            words = f"and this account may not look for its pod: {error.detail}"
        raise BackendError(
            "CDI tells no address of its upload proxy",
            f"CDIConfig has no uploadProxyURL, {words}",
            "have somebody expose the service cdi-uploadproxy, and name it with --proxy-url",
        )

    async def _read_authority(self, namespace: str) -> str:
        """The certificates that CDI publishes for its proxy; none where they may not be read."""
        with suppress(ForbiddenError, AbsentError):
            path = object_path("", "v1", "configmaps", namespace, "cdi-uploadproxy-signer-bundle")
            return (await self._means.server.get(path, _Bundle)).data.get("ca-bundle.crt", "")
        return ""

    async def _ask_token(self) -> str:
        """A token for the claim; good for five minutes from its issue to the first byte."""
        ref = self._ref._replace(kind="UploadTokenRequest")
        api_version, path = await find_path(self._means.discovery, ref._replace(name=""))
        body = {
            "apiVersion": api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "spec": {"pvcName": ref.name},
        }
        raw = await self._means.server.request("POST", path, body=body)
        token = decode(raw, _TokenAnswer).status.token
        if not token:
            raise BackendError("CDI gave no token for the upload")
        return token

    async def _take_back(self) -> None:
        """The user leaves off: what was made for nothing goes again, and what is left is said."""
        if not self._made or self._is_sent:
            left = "and CDI goes on with it" if self._is_sent else f"and waits for an upload: {self._tell_ways()}"
            self._say(phase="Left off", words=f"DataVolume {self._ref.path} is left, {left}")
            return
        try:
            async with asyncio.timeout(_CLEAN_UP):
                await self._means.verbs.delete(self._ref, verb="delete after an upload that was left off")
        except (KvtuiError, TimeoutError) as error:
            why = clean_line(str(error))
            words = f"DataVolume {self._ref.path} is left, for it could not be deleted ({why}): {self._tell_ways()}"
        else:
            words = f"DataVolume {self._ref.path} was deleted again"
        self._say(phase="Left off", words=words)

    def _tell_ways(self) -> str:
        """What to do with a DataVolume that is left without its image."""
        return f"--reuse sends into it again, kvtui delete dv {self._ref.path} removes it"

    # What is told --------------------------------------------------------------------------------------------------

    def _advance(self, count: int) -> None:
        now, sent = time.monotonic(), self._state.sent + count
        self._moments.append((now, sent))
        while now - self._moments[0][0] > _WINDOW and len(self._moments) > 2:
            self._moments.popleft()
        first, before = self._moments[0]
        rate = (sent - before) / (now - first) if now - first > _TOLD_EVERY else self._state.rate
        self._state = msgspec.structs.replace(self._state, sent=sent, rate=rate)
        if now - self._told >= _TOLD_EVERY or sent == self._state.total:
            self._say()

    def _say(self, **changes: object) -> None:
        if changes.get("phase") not in (None, "Sending") or changes.get("sent") == 0:
            changes["rate"] = None
        self._state = msgspec.structs.replace(self._state, **changes)
        self._told = time.monotonic()
        self._means.post(Put(self._ref.backend, self._state))
        self._wanted.tell(self._state)


def _explain(volume: DataVolume) -> str:
    """The last words of CDI about it."""
    for type_ in ("Running", "Bound"):
        found = find_condition(volume.status.conditions, type_)
        if found is not None and found.status == "False" and (found.message or found.reason):
            return found.message or found.reason
    return f"it is {volume.status.phase or 'not begun'}"


def _with_hint(error: KvtuiError, hint: str) -> KvtuiError:
    error.hint = hint
    return error
