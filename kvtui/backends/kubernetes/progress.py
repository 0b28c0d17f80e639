"""How far migrations are: virt-handler's metrics, read through the API server's proxy while a memory copy runs.

No object tells it (kubevirt-api.md 5.1). It needs ``get`` on ``pods/proxy`` in KubeVirt's namespace; without that, and
where virt-handler is not watched, nothing is told. Nobody is asked while nothing moves.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from kvtui.backends.base import Inbox
from kvtui.backends.kubernetes.discovery import object_path
from kvtui.backends.kubernetes.server import Server
from kvtui.errors import AbsentError, ForbiddenError, KvtuiError
from kvtui.records.base import Meta, Record
from kvtui.records.kubernetes import Pod
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.progress import MigrationProgress
from kvtui.store import Drop, Message, Put, Replace

_PORT: Final = 8443
_FIELDS: Final = {
    "kubevirt_vmi_migration_data_processed_bytes": "processed",
    "kubevirt_vmi_migration_data_remaining_bytes": "remaining",
    "kubevirt_vmi_migration_dirty_memory_rate_bytes": "dirty_rate",
    "kubevirt_vmi_migration_memory_transfer_rate_bytes": "transfer_rate",
}
_SAMPLE: Final = re.compile(r"^(?P<metric>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')

_Name = tuple[str, str]
"""Namespace and name of an instance."""


class Progress:
    """Posts the figures of the copies that run. What reflectors tell goes through `note`, on its way to the inbox."""

    def __init__(self, backend: str, server: Server, inbox: Inbox) -> None:
        self._backend = backend
        self._server = server
        self._timings = server.timings
        self._inbox = inbox
        self._sources: dict[_Name, str] = {}
        """Of each instance that moves, the node that it leaves."""
        self._handlers: dict[str, _Name] = {}
        """Of each node, its virt-handler pod."""
        self._told: dict[_Name, float] = {}
        """What the store has, and when it was measured."""
        self._moving = asyncio.Event()

    def note(self, message: Message) -> None:
        """Pass it on, and see who moves."""
        self._inbox(message)
        match message:
            case Put(record=record):
                self._see((record,))
            case Replace(type=type_, records=records) if type_ in (VirtualMachineInstance, Pod):
                if type_ is VirtualMachineInstance:
                    self._sources.clear()
                self._see(records)
            case Drop(type=type_, namespace=namespace, name=name) if type_ is VirtualMachineInstance:
                self._sources.pop((namespace, name), None)

    def _see(self, records: Iterable[Record]) -> None:
        for record in records:
            if isinstance(record, VirtualMachineInstance):
                self._see_instance(record)
            elif isinstance(record, Pod) and record.component == "virt-handler" and record.spec.node_name:
                self._handlers[record.spec.node_name] = (record.metadata.namespace, record.metadata.name)
        if self._sources:
            self._moving.set()

    def _see_instance(self, vmi: VirtualMachineInstance) -> None:
        name, move = (vmi.metadata.namespace, vmi.metadata.name), vmi.status.migration_state
        if move is not None and move.in_progress and move.source_node:
            self._sources[name] = move.source_node
        elif name in self._sources:
            del self._sources[name]

    async def run(self) -> None:
        """Ask while something moves, until cancelled."""
        while True:
            await self._moving.wait()
            seconds = await self._round()
            if not self._sources:
                self._moving.clear()
            await asyncio.sleep(seconds)

    async def _round(self) -> float:
        """Ask each virt-handler that a copy leaves once; the seconds to wait before the next time."""
        found: dict[_Name, dict[str, float]] = {}
        refused = False
        for node in sorted(set(self._sources.values()) & self._handlers.keys()):
            try:
                found |= await self._ask(self._handlers[node])
            except (ForbiddenError, AbsentError):
                refused = True
            except KvtuiError:
                continue
        self._tell({name: figures for name, figures in found.items() if name in self._sources})
        return self._timings.metrics_absent if refused and not found else self._timings.progress

    async def _ask(self, handler: _Name) -> dict[_Name, dict[str, float]]:
        namespace, name = handler
        path = object_path("", "v1", "pods", namespace, f"https:{name}:{_PORT}", "proxy/metrics")
        raw = await self._server.request("GET", path, accept="text/plain")
        return read_figures(raw.decode(errors="replace"))

    def _tell(self, found: Mapping[_Name, dict[str, float]]) -> None:
        """Post what was found; what a virt-handler does not answer for a moment stays as it was."""
        now = time.monotonic()
        for (namespace, name), figures in found.items():
            record = MigrationProgress(metadata=Meta(name=name, namespace=namespace))
            for field, value in figures.items():
                setattr(record, field, value)
            self._inbox(Put(self._backend, record))
            self._told[namespace, name] = now
        for namespace, name in list(self._told):
            is_old = now - self._told[namespace, name] > self._timings.metrics_kept
            if is_old or (namespace, name) not in self._sources:
                del self._told[namespace, name]
                self._inbox(Drop(self._backend, MigrationProgress, namespace, name))


def read_figures(text: str) -> dict[_Name, dict[str, float]]:
    """Of Prometheus' text, the figures of each instance that moves. What cannot be read is left out."""
    found: dict[_Name, dict[str, float]] = {}
    for metric, labels, value in _samples(text):
        with suppress(ValueError):
            found.setdefault((labels.get("namespace", ""), labels.get("name", "")), {})[_FIELDS[metric]] = float(value)
    return found


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    for sample in _SAMPLE.finditer(text):
        if sample["metric"] in _FIELDS:
            yield sample["metric"], dict(_LABEL.findall(sample["labels"])), sample["value"]
