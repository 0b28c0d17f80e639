"""What the tests on the wire share: quick timings, sources, a backend that fills a store, and patience."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kvtui.audit import AuditLog
from kvtui.backends.base import Source
from kvtui.backends.kubernetes.client import KubernetesBackend, connect
from kvtui.backends.kubernetes.timings import Timings
from kvtui.model import Feed, FeedState, Ref
from kvtui.records.base import Record
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import Message, Store

PATIENCE = 15.0

QUICK = Timings(
    connect=2.0,
    answer=2.0,
    list_answer=2.0,
    watch_silence=1.0,
    settled=0.2,
    retry_first=0.02,
    retry_most=0.1,
    poll=0.1,
    forbidden=0.1,
    absent=0.1,
    pulse=0.2,
    pulse_answer=0.5,
    pulse_retry=0.05,
    kubeconfig=0.1,
    metrics=0.1,
    metrics_many=0.1,
    metrics_absent=0.1,
    metrics_kept=0.3,
    progress=0.1,
    permission=60.0,
    denial=60.0,
    plugin=5.0,
    plugin_retry=0.1,
    handshake=2.0,
    heartbeat=20.0,
    upload_silence=5.0,
    upload_ready=10.0,
    upload_look=0.02,
    upload_retry=0.02,
)

NODES = Source(Node, "", ("v1",), "nodes", namespaced=False)
PODS = Source(Pod, "", ("v1",), "pods")
MACHINES = Source(VirtualMachine, "kubevirt.io", ("v1", "v1alpha3"), "virtualmachines")
INSTANCES = Source(VirtualMachineInstance, "kubevirt.io", ("v1", "v1alpha3"), "virtualmachineinstances")
MIGRATIONS = Source(Migration, "kubevirt.io", ("v1", "v1alpha3"), "virtualmachineinstancemigrations")
VOLUMES = Source(DataVolume, "cdi.kubevirt.io", ("v1beta1",), "datavolumes")
KUBEVIRTS = Source(KubeVirt, "kubevirt.io", ("v1", "v1alpha3"), "kubevirts", polled=True)


@dataclass
class Kept:
    """A backend that runs, the store that it fills, and all that it said."""

    backend: KubernetesBackend
    store: Store
    audit: Path
    said: list[Message] = field(default_factory=list)

    def feed(self, type_: type[Record]) -> Feed:
        """The state of one stream, now."""
        self.store.drain()
        return self.store.feed(self.backend.name, type_.KIND)

    def names(self, type_: type[Record]) -> set[str]:
        """``namespace/name`` of all objects of a kind, now."""
        self.store.drain()
        return {ref.path for ref, _ in self.store.items(type_)}

    def ref(self, type_: type[Record], path: str = "") -> Ref:
        """One object: the first, or the one of that path."""
        self.store.drain()
        return next(ref for ref, _ in self.store.items(type_) if path in ("", ref.path))

    async def reaches(self, type_: type[Record], state: FeedState) -> Feed:
        """Wait until a stream is in a state."""
        await eventually(lambda: self.feed(type_).state is state, lambda: f"{type_.KIND} is {self.feed(type_)}")
        return self.feed(type_)

    def states(self, type_: type[Record]) -> list[FeedState]:
        """The states that a stream went through, repetitions left out."""
        states: list[FeedState] = []
        for message in self.said:
            if isinstance(message, Feed) and message.kind == type_.KIND and states[-1:] != [message.state]:
                states.append(message.state)
        return states


async def eventually(condition: Callable[[], object], told: Callable[[], str] = lambda: "it did not happen") -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, told()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def kept(
    kubeconfig: Path,
    *sources: Source,
    context: str | None = None,
    namespace: str = "",
    read_only: bool = False,
    timings: Timings = QUICK,
) -> AsyncIterator[Kept]:
    """A backend that keeps `sources` in a store; without sources it is only connected."""
    audit = kubeconfig.parent / "audit.jsonl"
    backend = connect(str(kubeconfig), context, namespace, read_only, AuditLog(audit), timings=timings)
    made = Kept(backend, Store(), audit)

    def post(message: Message) -> None:
        made.said.append(message)
        made.store.post(message)

    running = asyncio.create_task(backend.run(sources, post)) if sources else None
    try:
        yield made
    finally:
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await backend.close()


def write_kubeconfig(
    folder: Path, server: str, user: dict[str, Any] | None = None, namespace: str = "", **cluster: Any
) -> Path:
    """A kubeconfig with one context, `test`."""
    context: dict[str, Any] = {"cluster": "test", "user": "tester"}
    if namespace:
        context["namespace"] = namespace
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": context}],
        "clusters": [{"name": "test", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "tester", "user": {"token": "t"} if user is None else user}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


def moved_to_port(kubeconfig: Path, port: int) -> Path:
    """A copy of a kubeconfig whose servers are on another port of this machine."""
    document = yaml.safe_load(kubeconfig.read_text())
    for entry in document["clusters"]:
        entry["cluster"]["server"] = f"https://127.0.0.1:{port}"
    file = kubeconfig.with_name("moved")
    file.write_text(yaml.safe_dump(document))
    return file


def with_namespace(kubeconfig: Path, namespace: str) -> Path:
    """A copy of a kubeconfig whose contexts name a namespace."""
    document = yaml.safe_load(kubeconfig.read_text())
    for entry in document["contexts"]:
        entry["context"]["namespace"] = namespace
    file = kubeconfig.with_name("narrowed")
    file.write_text(yaml.safe_dump(document))
    return file
