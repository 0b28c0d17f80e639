"""What nodes and launcher pods use, as metrics-server measures it: asked every few seconds, where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from kvtui.backends.base import Inbox
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.reflector import Scope
from kvtui.backends.kubernetes.server import Server
from kvtui.errors import AbsentError, KvtuiError
from kvtui.model import Usage
from kvtui.records.base import Meta
from kvtui.store import SetUsage
from kvtui.text import quantity

_GROUP = "metrics.k8s.io"
_VERSIONS = ("v1", "v1beta1")


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
        self._backend = backend
        self._server = server
        self._discovery = discovery
        self._scope = scope
        self._inbox = inbox
        self._told: set[str] = set()
        """The kinds whose usage the store has."""

    async def run(self) -> None:
        """Ask, post, and wait; usage that can no longer be had is taken back."""
        while True:
            nodes = await self._measure("Node", "nodes", [""], {})
            namespaces = [self._scope.namespace] if self._scope.namespace else ["", self._scope.fallback]
            launchers = {"labelSelector": "kubevirt.io=virt-launcher"}
            pods = await self._measure("Pod", "pods", namespaces, launchers)
            timings = self._server.timings
            await asyncio.sleep(timings.metrics if nodes or pods else timings.metrics_absent)

    async def _measure(self, kind: str, plural: str, namespaces: Iterable[str], query: dict[str, str]) -> bool:
        """Post what a kind uses, from the first of the namespaces that may be asked; whether that worked."""
        for namespace in dict.fromkeys(namespaces):
            try:
                versions = await self._discovery.versions(_GROUP, _VERSIONS)
                path = object_path(_GROUP, versions[0], plural, namespace)
                found = await self._server.get(path, _MetricsList, query)
            except AbsentError:
                self._discovery.forget(_GROUP)
            except KvtuiError:
                continue
            else:
                self._told.add(kind)
                self._inbox(SetUsage(self._backend, kind, dict(map(_measured, found.items or ()))))
                return True
        if kind in self._told:
            self._told.discard(kind)
            self._inbox(SetUsage(self._backend, kind, {}))
        return False


def _measured(item: _Metrics) -> tuple[tuple[str, str], Usage]:
    parts = [item.usage, *(container.usage for container in item.containers)]
    cpu = sum(quantity(part.get("cpu")) or 0.0 for part in parts)
    memory = sum(quantity(part.get("memory")) or 0.0 for part in parts)
    return (item.metadata.namespace, item.metadata.name), Usage(cpu, memory)
