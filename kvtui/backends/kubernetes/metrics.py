"""What nodes and launcher pods use, as metrics-server measures it: asked every few seconds, where it is installed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from kvtui.backends.base import Inbox
from kvtui.backends.kubernetes.backoff import Backoff
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.reflector import Scope
from kvtui.backends.kubernetes.server import Server
from kvtui.errors import AbsentError, ForbiddenError, KvtuiError
from kvtui.model import Usage
from kvtui.records.base import Meta
from kvtui.store import SetUsage
from kvtui.text import quantity

_GROUP = "metrics.k8s.io"
_VERSIONS = ("v1", "v1beta1")
_MANY = 2000
"""Measured objects from which they are asked for less often."""
_SLICE = 500
"""Measured objects that are read before the loop may turn to other things: some milliseconds."""

_Measured = dict[tuple[str, str], Usage]


class _Container(msgspec.Struct):
    usage: dict[str, str | int | float] = {}


class _Metrics(msgspec.Struct):
    """One NodeMetrics or PodMetrics."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    usage: dict[str, str | int | float] = {}
    containers: list[_Container] = []


class _MetricsList(msgspec.Struct):
    items: list[_Metrics] | None = None


class Metrics:
    """Posts the usage of nodes and launcher pods. `run` ends only by being cancelled."""

    def __init__(self, backend: str, server: Server, discovery: Discovery, scope: Scope, inbox: Inbox) -> None:
        namespaces = (scope.namespace,) if scope.namespace else tuple(dict.fromkeys(("", scope.fallback)))
        launchers = {"labelSelector": "kubevirt.io=virt-launcher"}
        self._meters = (
            _Meter(backend, "Node", "nodes", ("",), {}, server, discovery, inbox),
            _Meter(backend, "Pod", "pods", namespaces, launchers, server, discovery, inbox),
        )

    async def run(self) -> None:
        """Measure until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for meter in self._meters:
                tasks.create_task(meter.run())

    def retry(self) -> None:
        """Measure again at once."""
        for meter in self._meters:
            meter.retry()


class _Meter:
    """The usage of one kind."""

    def __init__(
        self,
        backend: str,
        kind: str,
        plural: str,
        namespaces: Sequence[str],
        query: dict[str, str],
        server: Server,
        discovery: Discovery,
        inbox: Inbox,
    ) -> None:
        self._backend = backend
        self._kind = kind
        self._plural = plural
        self._namespaces = namespaces
        """Where it is asked for: in the first that may be asked."""
        self._query = query
        self._server = server
        self._timings = server.timings
        self._discovery = discovery
        self._inbox = inbox
        self._backoff = Backoff(self._timings.retry_first, self._timings.metrics)
        self._wake = asyncio.Event()
        self._told: _Measured = {}
        """What the store has."""
        self._measured_at = 0.0

    async def run(self) -> None:
        """Measure, post, and wait; what could not be measured for too long is taken back."""
        while True:
            seconds = await self._round()
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    def retry(self) -> None:
        """Measure again at once if the next time is being waited for."""
        self._backoff.reset()
        self._wake.set()

    async def _round(self) -> float:
        """Measure once; the seconds to wait before the next time."""
        try:
            measured = await self._measure()
        except KvtuiError as error:
            if self._told and time.monotonic() - self._measured_at > self._timings.metrics_kept:
                self._tell({})
            if isinstance(error, AbsentError):
                self._discovery.forget(_GROUP)
            lasting = isinstance(error, (AbsentError, ForbiddenError)) and not self._told
            return self._timings.metrics_absent if lasting else self._backoff.next()
        self._backoff.reset()
        self._measured_at = time.monotonic()
        if measured != self._told:
            self._tell(measured)
        return self._timings.metrics_many if len(measured) > _MANY else self._timings.metrics

    def _tell(self, measured: _Measured) -> None:
        self._told = measured
        self._inbox(SetUsage(self._backend, self._kind, measured))

    async def _measure(self) -> _Measured:
        """What each object uses. Raises KvtuiError."""
        *others, last = self._namespaces
        for namespace in others:
            with suppress(ForbiddenError):
                return await self._measure_in(namespace)
        return await self._measure_in(last)

    async def _measure_in(self, namespace: str) -> _Measured:
        versions = await self._discovery.versions(_GROUP, _VERSIONS)
        path = object_path(_GROUP, versions[0], self._plural, namespace)
        items = (await self._server.get(path, _MetricsList, self._query)).items or []
        measured: _Measured = {}
        for start in range(0, len(items), _SLICE):
            measured.update(map(_usage, items[start : start + _SLICE]))
            await asyncio.sleep(0)
        return measured


def _usage(item: _Metrics) -> tuple[tuple[str, str], Usage]:
    parts = [item.usage, *(container.usage for container in item.containers)]
    cpu = sum(quantity(part.get("cpu")) or 0.0 for part in parts)
    memory = sum(quantity(part.get("memory")) or 0.0 for part in parts)
    return (item.metadata.namespace, item.metadata.name), Usage(cpu, memory)
