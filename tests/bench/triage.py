"""Triage alone, without a screen: a fleet with trouble in it is judged whole, and then one changed object at a time."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle
from typing import Any, Final

import msgspec

from kvtui.cli import YOUNG
from kvtui.demo.kinds import KINDS
from kvtui.demo.world import World
from kvtui.fleet import SLICE
from kvtui.model import Feed, FeedState
from kvtui.records.decode import decode_record
from kvtui.store import Delta, Put, Store
from kvtui.triage.engine import Engine
from tests.machines import TYPES

CROWD: Final = 200
"""VMs on the fullest node."""
_BACKEND: Final = "c"
_EACH: Final = 40
"""Objects of each kind that are changed."""

_Object = dict[str, Any]
_Objects = dict[str, list[_Object]]


@dataclass(frozen=True)
class Times:
    """How long triage kept the CPU, in seconds, and what it did for that."""

    whole: float
    """All objects judged for the first time."""
    slices: list[float]
    """The same in parts, between which the keyboard has its turn."""
    findings: int
    changes: dict[str, list[float]]
    """By what was changed: each change, with all that it brings about."""


def time_triage(size: int) -> Times:
    """Judge a fleet of that many VMs whole, once in one go and once in slices, and then change it here and there."""
    now, objects = make_fleet(size)
    store = Store()
    for kind, type_ in TYPES.items():
        store.post(Feed(_BACKEND, kind, FeedState.LIVE))
        for item in objects.get(kind, ()):
            store.post(Put(_BACKEND, decode_record(json.dumps(item).encode(), type_)))
    listed = store.drain()
    # As the program has it; and what the measure itself holds is nothing to the collector.
    gc.set_threshold(YOUNG)
    gc.collect()
    gc.freeze()
    first, engine = Engine(), Engine()
    whole = _time(lambda: first.update(store, listed, now))
    store.memo.clear()
    slices = list(_in_slices(engine, store, listed, now))
    findings = len(engine.findings)
    changes = {
        what: [sum(_in_slices(engine, store, store.apply([put]), now)) for put in puts]
        for what, puts in _changes(objects)
    }
    return Times(whole, slices, findings, changes)


def _in_slices(engine: Engine, store: Store, delta: Delta, now: float) -> Iterator[float]:
    """Let the engine judge a delta as the fleet does; how long each slice took."""
    yield _time(lambda: engine.update(store, delta, now, SLICE))
    while engine.behind:
        yield _time(lambda: engine.update(store, Delta(), now, SLICE))


def _time(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _changes(objects: _Objects) -> Iterator[tuple[str, list[Put]]]:
    """Some objects of each kind, unchanged but for their version; and the fullest node lost and found again."""
    versions = map(str, count(10**9))

    def put(item: _Object) -> Put:
        record = decode_record(json.dumps(item).encode(), TYPES[item["kind"]])
        meta = msgspec.structs.replace(record.metadata, resource_version=next(versions))
        return Put(_BACKEND, msgspec.structs.replace(record, metadata=meta))

    for kind, items in objects.items():
        yield kind, [put(item) for item in items[:_EACH]]
    node = objects["Node"][0]
    ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
    lost = json.loads(json.dumps(node).replace(json.dumps(ready), json.dumps(ready | {"status": "Unknown"})))
    yield f"a node of {CROWD} VMs", [put(item) for item in [lost, node] * 4]


# The fleet ---------------------------------------------------------------------------------------------------------


def make_fleet(size: int) -> tuple[float, _Objects]:
    """The time, and by kind the objects of a fleet: one node carries many VMs, one VM of a hundred is in trouble."""
    world = World(size, 1, troubles=False)
    objects = {kind.kind: world.storage.list(kind) for kind in KINDS if kind.kind in TYPES}
    since = datetime.fromtimestamp(world.clock.now.timestamp() - 3600, UTC).isoformat()
    running = [vmi for vmi in objects["VirtualMachineInstance"] if vmi["status"]["phase"] == "Running"]
    vms = {_name(vm): vm for vm in objects["VirtualMachine"]}
    for vmi, hurt in zip(running[::100], cycle(_TROUBLES), strict=False):
        hurt(vms[_name(vmi)], vmi, since)
    node = objects["Node"][0]["metadata"]["name"]
    crowd = running[50 : 50 + CROWD]
    names = {vmi["metadata"]["uid"] for vmi in crowd}
    for vmi in crowd:
        vmi["status"]["nodeName"] = node
    for pod in objects["Pod"]:
        if pod["metadata"].get("labels", {}).get("kubevirt.io/created-by") in names:
            pod["spec"]["nodeName"] = node
    return world.clock.now.timestamp(), objects


def _name(item: _Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _say(item: _Object, type_: str, status: str, reason: str, since: str) -> None:
    conditions = [one for one in item["status"].get("conditions", []) if one["type"] != type_]
    said = {"type": type_, "status": status, "reason": reason, "message": reason, "lastTransitionTime": since}
    item["status"]["conditions"] = [*conditions, said]


_TROUBLES: Final[tuple[Callable[[_Object, _Object, str], None], ...]] = (
    lambda _vm, vmi, since: _say(vmi, "Paused", "True", "PausedIOError", since),
    lambda _vm, vmi, since: _say(vmi, "AgentConnected", "False", "", since),
    lambda _vm, vmi, since: _say(vmi, "LiveMigratable", "False", "DisksNotLiveMigratable", since),
    lambda _vm, vmi, since: _say(vmi, "Ready", "False", "GuestNotReady", since),
    lambda _vm, vmi, since: _say(vmi, "Synchronized", "False", "Error", since),
    lambda vm, _vmi, since: _say(vm, "RestartRequired", "True", "", since),
    lambda vm, _vmi, since: _say(vm, "ManualRecoveryRequired", "True", "", since),
    lambda vm, _vmi, since: _say(vm, "SomethingFailed", "True", "NobodyKnows", since),
)
"""What is done to a VM, its instance, and since when."""
