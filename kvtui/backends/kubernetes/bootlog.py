"""The boot log of a machine: the log of the container that writes down what a guest says on its serial line.

It lies with the current launcher pod (kubevirt-api.md 2.10 and 4), and reading it takes the console from nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec

from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.places import find_path
from kvtui.backends.kubernetes.server import ANY, Server
from kvtui.errors import AbsentError
from kvtui.model import Ref
from kvtui.records.base import Meta, Struct
from kvtui.records.kubernetes import PodSpec
from kvtui.records.kubevirt import VirtualMachineInstance

CONTAINER = "guest-console-log"
_A_DAY = 86_400.0
"""Seconds that a guest may be silent before the answer begins."""


class _Devices(Struct):
    autoattach_serial_console: bool | None = None
    log_serial_console: bool | None = None


class _Domain(Struct):
    devices: _Devices = msgspec.field(default_factory=_Devices)


class _InstanceSpec(Struct):
    domain: _Domain = msgspec.field(default_factory=_Domain)


class _InstanceStatus(Struct):
    node_name: str = ""


class _Instance(Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: _InstanceSpec = msgspec.field(default_factory=_InstanceSpec)
    status: _InstanceStatus = msgspec.field(default_factory=_InstanceStatus)


class _Pod(Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)


class _Pods(Struct):
    items: tuple[_Pod, ...] | None = None


class BootLog:
    """What a guest said and says on its serial line.

    Lines end in CR LF as a terminal needs it. Where the first one does by itself, the log is the guest's to the byte;
    else somebody on the way took the returns, and each line gets one.
    """

    def __init__(self, server: Server, path: str, query: dict[str, str]) -> None:
        self._server = server
        self._path = path
        self._query = query
        self._stack = AsyncExitStack()
        self._opening = asyncio.create_task(self._begin(), name=f"boot log {path}")
        self._next: asyncio.Task[bytes] | None = None
        """The piece that somebody waits for, or waited for."""
        self._after_return = False
        """Whether the last byte was a carriage return."""
        self._is_exact: bool | None = None
        """Whether the first line ended in CR LF; None before it has ended."""
        self._closed = False

    async def wait(self, seconds: float) -> None:
        """Wait until the answer has begun, or for so long. Raises BackendError when the server refuses."""
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(self.close)
            await asyncio.wait({self._opening}, timeout=seconds)
            if self._opening.done():
                self._opening.result()
            on_failure.pop_all()

    async def read(self) -> bytes:
        """What the guest said; empty when the container has ended. Raises CutError when the log was cut."""
        if self._next is None:
            # A task of its own: whoever stops waiting for the next piece must not end the log.
            self._next = asyncio.create_task(self._read_piece(), name="boot log")
        reading = self._next
        await asyncio.wait({reading})
        self._next = None
        return b"" if self._closed else self._with_returns(reading.result())

    async def write(self, data: bytes) -> None:
        """Do nothing: a log has no ears."""

    async def close(self) -> None:
        """Stop following; a second call does nothing."""
        self._closed = True
        tasks = [task for task in (self._opening, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        # Nobody else may have looked at how they failed.
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _begin(self) -> AsyncIterator[bytes]:
        opened = self._server.stream(self._path, query=self._query, first=_A_DAY, silence=None, accept=ANY)
        return await self._stack.enter_async_context(opened)

    async def _read_piece(self) -> bytes:
        return b"" if self._closed else await anext(await asyncio.shield(self._opening), b"")

    def _with_returns(self, piece: bytes) -> bytes:
        # Wherever the pieces were cut, a CR LF is one.
        first = b"\r" if self._after_return else b""
        self._after_return = piece.endswith(b"\r")
        if self._is_exact is None and (end := (first + piece).find(b"\n")) >= 0:
            self._is_exact = (first + piece)[:end].endswith(b"\r")
        if self._is_exact:
            return piece
        return (first + piece).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")[len(first) :]


async def open_boot_log(server: Server, discovery: Discovery, ref: Ref, tail: int) -> BootLog:
    """The boot log of a VM or VMI, from its last `tail` lines on.

    Raises BackendError: AbsentError when the machine does not run or keeps no such log; code 400 while its launcher is
    about to start.
    """
    _, path = await find_path(discovery, ref._replace(kind=VirtualMachineInstance.KIND))
    try:
        instance = await server.get(path, _Instance)
    except AbsentError as error:
        raise AbsentError(f"{ref.path} does not run", "the boot log lies with its launcher pod", code=404) from error
    query = {"labelSelector": f"kubevirt.io/created-by={instance.metadata.uid}"}
    found = await server.get(object_path("", "v1", "pods", ref.namespace), _Pods, query)
    pod = _current(found.items or (), instance.status.node_name)
    if pod is None:
        raise AbsentError(
            f"{ref.path} does not run yet", "it has no launcher pod, where the boot log would lie", code=404
        )
    _check_kept(ref, instance.spec.domain.devices, pod)
    path = object_path("", "v1", "pods", ref.namespace, pod.metadata.name, "log")
    log = BootLog(server, path, {"container": CONTAINER, "follow": "true", "tailLines": str(tail)})
    await log.wait(server.timings.boot_log)
    return log


def _current(pods: tuple[_Pod, ...], node: str) -> _Pod | None:
    """The pod that the instance runs in: the newest on its node, as ``CurrentVMIPod`` of KubeVirt chooses."""
    launchers = [pod for pod in pods if not pod.metadata.annotations.provisioning]
    here = [pod for pod in launchers if pod.spec.node_name == node]
    return max(here or launchers, key=lambda pod: pod.metadata.creation_timestamp or "", default=None)


def _check_kept(ref: Ref, devices: _Devices, pod: _Pod) -> None:
    """Raise AbsentError with the setting that is the cause when the pod has no container that keeps the log."""
    if any(container.name == CONTAINER for container in (*pod.spec.init_containers, *pod.spec.containers)):
        return
    if devices.autoattach_serial_console is False:
        cause = "autoattachSerialConsole is false: it has no serial device"
    elif devices.log_serial_console is False:
        cause = "logSerialConsole is false"
    else:
        cause = "the cluster's virtualMachineOptions hold disableSerialConsoleLog"
    raise AbsentError(f"{ref.path} keeps no boot log", cause, "set it otherwise and restart the machine", 404)
