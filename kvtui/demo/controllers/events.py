"""Events as client-go's recorders write them: repeated ones are counted in place, old ones expire."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.objects import involved
from kvtui.demo.storage import Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

LIFETIME = 3600.0
"""Seconds after which the API server forgets an event (its --event-ttl)."""

SIMILAR = 10
"""Messages of one reason about one object before client-go combines them."""

VM_CONTROLLER = "virtualmachine-controller"
HANDLER = "virt-handler"
SCHEDULER = "default-scheduler"
KUBELET = "kubelet"


class Recorder:
    """Writes events about objects into their namespace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._messages: dict[tuple[str, ...], set[str]] = {}
        self._known: dict[tuple[str, ...], tuple[str, str]] = {}
        self._expiry: deque[tuple[float, tuple[str, ...], str, str]] = deque()

    def normal(self, kind: Kind, obj: Object, source: str, reason: str, message: str, *, host: str = "") -> None:
        """Record that something went as it should."""
        self.record(kind, obj, "Normal", source, reason, message, host=host)

    def warning(self, kind: Kind, obj: Object, source: str, reason: str, message: str, *, host: str = "") -> None:
        """Record that something went wrong."""
        self.record(kind, obj, "Warning", source, reason, message, host=host)

    def record(
        self, kind: Kind, obj: Object, severity: str, source: str, reason: str, message: str, *, host: str = ""
    ) -> None:
        """Create an event, or count one that says the same of the same object."""
        self._expire()
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        identity, message = self._aggregate((meta["uid"], source, severity, reason), message)
        now = self._world.clock.stamp()
        known = self._known.get(identity)
        if known and self._count(known, source, now, message):
            return
        name = f"{meta['name']}.{self._world.random.getrandbits(60) | 1 << 60:x}"
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved(kind, obj),
            "reason": reason,
            "message": message,
            "type": severity,
        }
        event |= _modern(source, now) if source == SCHEDULER else _classic(source, host, now)
        self._world.storage.create(kinds.EVENT, event)
        self._known[identity] = (namespace, name)
        self._expiry.append((self._world.clock.elapsed + LIFETIME, identity, namespace, name))

    def _aggregate(self, about: tuple[str, ...], message: str) -> tuple[tuple[str, ...], str]:
        """What the event is counted by, and its message: the eleventh different message and those after it are one."""
        messages = self._messages.setdefault(about, set())
        if message in messages or len(messages) < SIMILAR:
            messages.add(message)
            return (*about, message), message
        return about, f"(combined from similar events): {message}"

    def _count(self, known: tuple[str, str], source: str, now: str, message: str) -> bool:
        def again(event: Object) -> None:
            event["message"] = message
            if source == SCHEDULER:
                series = event.get("series") or {"count": 1}
                event["series"] = {"count": series["count"] + 1, "lastObservedTime": _micro(now)}
            else:
                event["count"] += 1
                event["lastTimestamp"] = now

        return self._world.storage.modify(kinds.EVENT, *known, again) is not None

    def _expire(self) -> None:
        now = self._world.clock.elapsed
        while self._expiry and self._expiry[0][0] <= now:
            _, identity, namespace, name = self._expiry.popleft()
            if self._known.get(identity) == (namespace, name):
                del self._known[identity]
                self._messages.pop(identity[:4], None)
            if self._world.storage.find(kinds.EVENT, namespace, name):
                self._world.storage.delete(kinds.EVENT, namespace, name)


def _micro(now: str) -> str:
    return now.removesuffix("Z") + ".000000Z"


def _classic(source: str, host: str, now: str) -> Object:
    """The fields of client-go's older recorder, which KubeVirt, CDI and the kubelet use."""
    origin = {"component": source, "host": host} if host else {"component": source}
    # virt-handler leaves the reporting component empty.
    reporter = "" if source == HANDLER else source
    return {
        "source": origin,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "eventTime": None,
        "reportingComponent": reporter,
        "reportingInstance": host,
    }


def _modern(source: str, now: str) -> Object:
    """The fields of events.k8s.io, which the scheduler uses: no count, no first and last timestamp."""
    return {
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": _micro(now),
        "action": "Scheduling",
        "reportingComponent": source,
        "reportingInstance": f"{source}-cp-1",
    }
