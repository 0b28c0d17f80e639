"""metrics.k8s.io: what nodes and pods use, made up from their requests and moving slowly with time."""

from __future__ import annotations

import math
import zlib

from kvtui.demo import kinds
from kvtui.demo.metadata import not_found
from kvtui.demo.objects import amount
from kvtui.demo.paths import Target
from kvtui.demo.replies import not_allowed
from kvtui.demo.storage import Kind, Object
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


def _container_use(pod: str, container: Object, seconds: float) -> tuple[float, float]:
    """Cores and bytes of one container, from its requests; a little where it has none."""
    requests = container.get("resources", {}).get("requests", {})
    limits = container.get("resources", {}).get("limits", {})
    cpu = amount(requests.get("cpu") or limits.get("cpu")) or 0.02
    memory = amount(requests.get("memory") or limits.get("memory")) or 48e6
    name = f"{pod}/{container['name']}"
    return cpu * _wave(name, seconds, 0.1, 1.4), memory * _wave(name + "/memory", seconds, 0.62, 0.94)


def _is_running(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Running")


def _pod_use(pod: Object, seconds: float) -> list[tuple[str, float, float]]:
    meta = pod["metadata"]
    name = f"{meta['namespace']}/{meta['name']}"
    return [(item["name"], *_container_use(name, item, seconds)) for item in pod["spec"].get("containers", ())]


class _Sample:
    """One reading of the whole cluster."""

    def __init__(self, world: World) -> None:
        elapsed = world.clock.elapsed // _WINDOW * _WINDOW
        self._world = world
        self.seconds = elapsed
        self.timestamp = world.clock.stamp(world.clock.elapsed - elapsed)

    def pod(self, pod: Object) -> Object:
        """PodMetrics of one pod."""
        containers = [{"name": name, "usage": _usage(cpu, memory)} for name, cpu, memory in _pod_use(pod, self.seconds)]
        return {**self._head("PodMetrics", pod), "containers": containers}

    def node(self, node: Object, cpu: float, memory: float) -> Object:
        """NodeMetrics of a node whose pods use so much; never more than it has."""
        name = node["metadata"]["name"]
        capacity = node.get("status", {}).get("capacity", {})
        cpu += _wave(name, self.seconds, 0.5, 1.5) * _SYSTEM_CPU
        memory += _wave(name + "/memory", self.seconds, 0.8, 1.2) * _SYSTEM_MEMORY
        cpu = min(cpu, 0.98 * (amount(capacity.get("cpu")) or cpu))
        memory = min(memory, 0.97 * (amount(capacity.get("memory")) or memory))
        return {**self._head("NodeMetrics", node), "usage": _usage(cpu, memory)}

    def node_loads(self) -> dict[str, tuple[float, float]]:
        """What the running pods of each node use together."""
        loads: dict[str, tuple[float, float]] = {}
        for pod in self._world.storage.list(kinds.POD):
            node = pod["spec"].get("nodeName", "")
            if node and _is_running(pod):
                cpu, memory = loads.get(node, (0.0, 0.0))
                for _, more_cpu, more_memory in _pod_use(pod, self.seconds):
                    cpu, memory = cpu + more_cpu, memory + more_memory
                loads[node] = cpu, memory
        return loads

    def _head(self, kind: str, obj: Object) -> Object:
        meta = {key: obj["metadata"][key] for key in ("name", "namespace", "labels") if key in obj["metadata"]}
        meta["creationTimestamp"] = self.timestamp
        head: Object = {"kind": kind, "apiVersion": _API_VERSION, "metadata": meta}
        return head | {"timestamp": self.timestamp, "window": f"{_WINDOW}s"}


def respond(world: World, target: Target) -> Object:
    """The metrics of one object or a list. Raises StorageError 404, and 405 for anything but reading."""
    if target.verb not in ("get", "list") or target.resource not in ("nodes", "pods"):
        raise not_allowed()
    sample = _Sample(world)
    if target.resource == "nodes":
        return _nodes(world, target, sample)
    if target.name:
        pod = world.storage.find(kinds.POD, target.namespace, target.name)
        if pod is None or not _is_running(pod):
            raise not_found(_POD_METRICS, f"{target.namespace}/{target.name}")
        return sample.pod(pod)
    pods = world.storage.list(kinds.POD, target.namespace or None)
    return _listed("PodMetricsList", [sample.pod(pod) for pod in pods if _is_running(pod)])


def _nodes(world: World, target: Target, sample: _Sample) -> Object:
    nodes = [node for node in world.storage.list(kinds.NODE) if target.name in ("", node["metadata"]["name"])]
    if target.name and not nodes:
        raise not_found(_NODE_METRICS, target.name)
    loads = sample.node_loads()
    items = [sample.node(node, *loads.get(node["metadata"]["name"], (0.0, 0.0))) for node in nodes]
    return items[0] if target.name else _listed("NodeMetricsList", items)


def _listed(kind: str, items: list[Object]) -> Object:
    return {"kind": kind, "apiVersion": _API_VERSION, "metadata": {}, "items": items}
