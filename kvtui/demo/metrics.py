"""metrics.k8s.io: what nodes and pods use, made up from their requests and moving slowly with time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import msgspec

from kvtui.demo import kinds
from kvtui.demo.metadata import not_found
from kvtui.demo.objects import amount
from kvtui.demo.paths import Target
from kvtui.demo.replies import not_allowed
from kvtui.demo.rows import decode
from kvtui.demo.selection import Selection
from kvtui.demo.storage import Kind, Object, StorageError, Stored
from kvtui.demo.world import World

GROUP = "metrics.k8s.io"
_API_VERSION = f"{GROUP}/v1beta1"
_WINDOW = 15
"""Seconds between two samples."""
_SYSTEM_CPU, _SYSTEM_MEMORY = 0.35, 2.1e9
"""What a node uses beside its pods: cores and bytes."""

_NODE_METRICS = Kind(GROUP, "v1beta1", "NodeMetrics", "nodes", False)
_POD_METRICS = Kind(GROUP, "v1beta1", "PodMetrics", "pods")


def _wave(name: str, seconds: float, low: float, high: float) -> float:
    """A value between two bounds that moves with periods of minutes, its own for every name."""
    seed = zlib.crc32(name.encode())
    slow = math.sin(seconds / (300 + seed % 600) + seed)
    quick = math.sin(seconds / (40 + seed % 50) + seed / 7)
    return low + (high - low) * (0.5 + 0.35 * slow + 0.15 * quick)


def _usage(cpu: float, memory: float) -> Object:
    return {"cpu": f"{round(cpu * 1e9)}n", "memory": f"{round(memory / 1024)}Ki"}


class _Resources(msgspec.Struct):
    requests: dict[str, str | int] = {}
    limits: dict[str, str | int] = {}


class _Container(msgspec.Struct):
    name: str
    resources: _Resources = msgspec.field(default_factory=_Resources)


class _Spec(msgspec.Struct, rename="camel"):
    containers: list[_Container] = []
    node_name: str = ""


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    """The part of a pod that its use is made from: whole ones take ten times as long to decode."""

    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)


_pod_of = msgspec.json.Decoder(_Pod).decode


def _container_use(pod: str, container: _Container, seconds: float) -> tuple[str, float, float]:
    """Name, cores and bytes of one container, from its requests; a little where it has none."""
    requests, limits = container.resources.requests, container.resources.limits
    cpu = amount(requests.get("cpu") or limits.get("cpu")) or 0.02
    memory = amount(requests.get("memory") or limits.get("memory")) or 48e6
    name = f"{pod}/{container.name}"
    return (
        container.name,
        cpu * _wave(name, seconds, 0.1, 1.4),
        memory * _wave(name + "/memory", seconds, 0.62, 0.94),
    )


def _pod_use(row: Stored, pod: _Pod, seconds: float) -> list[tuple[str, float, float]]:
    name = f"{row.namespace}/{row.name}"
    return [_container_use(name, container, seconds) for container in pod.spec.containers]


class _Sample:
    """One reading of the whole cluster."""

    def __init__(self, world: World) -> None:
        elapsed = world.clock.elapsed // _WINDOW * _WINDOW
        self._world = world
        self.seconds = elapsed
        self.timestamp = world.clock.stamp(world.clock.elapsed - elapsed)

    def pods(self, rows: list[Stored]) -> list[Object]:
        """PodMetrics of those pods that run on nodes which answer."""
        found = []
        for row in rows:
            pod = _pod_of(row.raw)
            if pod.status.phase == "Running" and self._world.nodes.answers(pod.spec.node_name):
                uses = _pod_use(row, pod, self.seconds)
                containers = [{"name": name, "usage": _usage(cpu, memory)} for name, cpu, memory in uses]
                head = self._head("PodMetrics", row.name, row.namespace, row.labels)
                found.append(head | {"containers": containers})
        return found

    def node(self, node: Object, cpu: float, memory: float) -> Object:
        """NodeMetrics of a node whose pods use so much; never more than it has."""
        meta = node["metadata"]
        name = meta["name"]
        capacity = node.get("status", {}).get("capacity", {})
        cpu += _wave(name, self.seconds, 0.5, 1.5) * _SYSTEM_CPU
        memory += _wave(name + "/memory", self.seconds, 0.8, 1.2) * _SYSTEM_MEMORY
        cpu = min(cpu, 0.98 * (amount(capacity.get("cpu")) or cpu))
        memory = min(memory, 0.97 * (amount(capacity.get("memory")) or memory))
        return self._head("NodeMetrics", name, "", meta.get("labels", {})) | {"usage": _usage(cpu, memory)}

    def node_loads(self) -> dict[str, tuple[float, float]]:
        """What the running pods of each node use together."""
        loads: dict[str, tuple[float, float]] = {}
        for row in self._world.storage.raw_list(kinds.POD):
            pod = _pod_of(row.raw)
            if pod.spec.node_name and pod.status.phase == "Running":
                cpu, memory = loads.get(pod.spec.node_name, (0.0, 0.0))
                for _, more_cpu, more_memory in _pod_use(row, pod, self.seconds):
                    cpu, memory = cpu + more_cpu, memory + more_memory
                loads[pod.spec.node_name] = cpu, memory
        return loads

    def _head(self, kind: str, name: str, namespace: str, labels: dict[str, str]) -> Object:
        meta: Object = {"name": name, "creationTimestamp": self.timestamp, "labels": labels}
        if namespace:
            meta["namespace"] = namespace
        head: Object = {"kind": kind, "apiVersion": _API_VERSION, "metadata": meta}
        return head | {"timestamp": self.timestamp, "window": f"{_WINDOW}s"}


def respond(world: World, target: Target, query: Mapping[str, str]) -> Object:
    """The metrics of one object or a list; its selectors choose by the labels and names of pods and nodes. Raises
    StorageError 400 for a bad selector, 404, and 405 for anything but reading.
    """
    if target.verb not in ("get", "list") or target.resource not in ("nodes", "pods"):
        raise not_allowed()
    sample = _Sample(world)
    if target.verb == "get":
        return _node(world, target, sample) if target.resource == "nodes" else _pod(world, target, sample)
    kind = kinds.NODE if target.resource == "nodes" else kinds.POD
    selection = Selection.parse(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
    rows = [row for row in world.storage.raw_list(kind, target.namespace or None) if selection.matches(row)]
    if kind == kinds.POD:
        return _listed("PodMetricsList", sample.pods(rows))
    loads = sample.node_loads()
    answering = (row for row in rows if world.nodes.answers(row.name))
    items = [sample.node(decode(row.raw), *loads.get(row.name, (0.0, 0.0))) for row in answering]
    return _listed("NodeMetricsList", items)


def _pod(world: World, target: Target, sample: _Sample) -> Object:
    missing = not_found(_POD_METRICS, f"{target.namespace}/{target.name}")
    try:
        rows = [world.storage.raw(kinds.POD, target.namespace, target.name)]
    except StorageError:
        raise missing from None
    found = sample.pods(rows)
    if not found:
        raise missing
    return found[0]


def _node(world: World, target: Target, sample: _Sample) -> Object:
    node = world.storage.find(kinds.NODE, "", target.name)
    if node is None or not world.nodes.answers(target.name):
        raise not_found(_NODE_METRICS, target.name)
    return sample.node(node, *sample.node_loads().get(target.name, (0.0, 0.0)))


def _listed(kind: str, items: list[Object]) -> Object:
    return {"kind": kind, "apiVersion": _API_VERSION, "metadata": {}, "items": items}
