"""What the containers of the demo cluster write to their logs: lines with their moments, the same at every reading."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from kvtui.demo.replies import encode
from kvtui.demo.storage import Object

Line = tuple[datetime, str]
_LONGEST_HISTORY = timedelta(hours=2)
"""Older lines have been rotated away."""
_PERIOD = 30
"""Seconds between the periodic lines of a container."""

_LAUNCHER_START = (
    ("virt-launcher.go:540", "Collected all requested hook sidecar sockets"),
    ("virtqemud.go:97", "libvirt version: 11.9.0, package: 1.el10"),
    ("virtqemud.go:104", "connecting to libvirt daemon: qemu+unix:///session?socket=/var/run/libvirt/virtqemud-sock"),
    ("manager.go:1217", "Domain defined."),
    ("manager.go:1332", "Domain started."),
    ("client.go:137", 'DomainLifecycle event Domain event="started" detail="booted" with event id 2 reason 0 received'),
    ("monitor.go:188", "Found PID for default: 83"),
)
_LAUNCHER_LATER = (
    ("client.go:296", "Successfully synced domain status"),
    ("server.go:198", "Synced vmi"),
    ("agent_poller.go:223", "Polling command: guest-get-fsinfo"),
    ("client.go:137", "Domain name event"),
)
_HANDLER_LATER = (
    ("vm.go:1184", "Processing event"),
    ("vm.go:1402", "VMI is in phase: Running"),
    ("heartbeat.go:91", "Heartbeat sent"),
    ("vm.go:1611", "Domain is in state Running reason Unknown"),
)
_PLAIN_START = ("starting", "configuration loaded", "listening on :8080", "ready")
_PLAIN_LATER = (
    'GET /healthz 200 1ms "kube-probe/1.36"',
    "GET /api/v1/items 200 14ms",
    "POST /api/v1/orders 201 38ms",
    "cache: 412 hits, 9 misses",
    "GET /metrics 200 4ms",
)


def _json_line(component: str, moment: datetime, position: str, message: str, pod: Object) -> str:
    """A line as KubeVirt's logger writes it."""
    meta = pod["metadata"]
    fields = {
        "component": component,
        "level": "info",
        "msg": message,
        "pos": position,
        "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    machine = meta.get("annotations", {}).get("kubevirt.io/domain")
    if machine:
        fields |= {"kind": "", "name": machine, "namespace": meta["namespace"]}
    return encode(fields).decode()


def _klog_line(moment: datetime, position: str, message: str) -> str:
    return f"I{moment:%m%d %H:%M:%S.%f}       1 {position}] {message}"


def _launcher(pod: Object, container: str, moment: datetime, number: int) -> str:
    lines = _LAUNCHER_START if number < len(_LAUNCHER_START) else _LAUNCHER_LATER
    position, message = lines[number % len(lines)]
    return _json_line("virt-launcher" if container == "compute" else container, moment, position, message, pod)


def _kubevirt(pod: Object, container: str, moment: datetime, number: int) -> str:
    position, message = _HANDLER_LATER[number % len(_HANDLER_LATER)]
    return _json_line(container, moment, position, message, pod)


def _importer(_pod: Object, _container: str, moment: datetime, number: int) -> str:
    start = ("importer.go:103", "Starting importer"), ("importer.go:172", "begin import process")
    if number < len(start):
        return _klog_line(moment, *start[number])
    return _klog_line(moment, "prometheus.go:75", f"{min(0.9 * (number - 1) * 4, 99.9):.2f}")


def _plain(pod: Object, container: str, moment: datetime, number: int) -> str:
    if number < len(_PLAIN_START):
        words = _PLAIN_START[number]
    else:
        seed = zlib.crc32(f"{pod['metadata']['uid']}/{container}/{number}".encode())
        words = _PLAIN_LATER[seed % len(_PLAIN_LATER)]
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z INFO {container}: {words}"


def _writer(pod: Object, container: str) -> tuple[Callable[[Object, str, datetime, int], str], int]:
    """Who words the lines of a container, and how many of them come together at its start."""
    labels = pod["metadata"].get("labels", {})
    if labels.get("kubevirt.io") == "virt-launcher":
        return _launcher, len(_LAUNCHER_START)
    if labels.get("kubevirt.io", "").startswith("virt-"):
        return _kubevirt, 4
    if labels.get("cdi.kubevirt.io") == "importer" or container == "importer":
        return _importer, 2
    return _plain, len(_PLAIN_START)


def lines_between(
    pod: Object, container: str, started: datetime, after: datetime | None, until: datetime
) -> Iterator[Line]:
    """The lines that a container which started then wrote after one moment and up to another."""
    write, together = _writer(pod, container)
    jitter = random.Random(f"{pod['metadata']['uid']}/{container}")
    offset = jitter.uniform(0, _PERIOD)
    first = max(after or started, until - _LONGEST_HISTORY)
    for number in range(together):
        moment = started + timedelta(seconds=0.31 * (number + 1))
        if moment > until:
            return
        if moment > first or (after is None and moment > until - _LONGEST_HISTORY):
            yield moment, write(pod, container, moment, number)
    number = max(int(((first - started).total_seconds() - offset) // _PERIOD), 0)
    while True:
        moment = started + timedelta(seconds=offset + _PERIOD * (number + 1))
        if moment > until:
            return
        if moment > first:
            yield moment, write(pod, container, moment, together + number)
        number += 1
