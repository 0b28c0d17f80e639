"""A backend without a network: it serves the recorded lists and notes what is asked of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from kvtui.backends.base import ByteStream, Inbox, Permission, Source, Verdict
from kvtui.backends.warned import hear
from kvtui.errors import BackendError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.model import BackendInfo, Feed, FeedState, Ref
from kvtui.records.base import Record
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.decode import decode_records
from kvtui.records.kubernetes import Claim, Event, Namespace, Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.past import Past
from kvtui.store import Put, Replace
from kvtui.text import parse_time
from tests.pictures import SEABIOS

LISTS = Path(__file__).parent.parent / "data" / "recordings" / "lists"
NAME = "prod-fra1"
KINDS: dict[type[Record], str] = {
    Node: "nodes",
    Pod: "pods",
    Claim: "persistentvolumeclaims",
    Namespace: "namespaces",
    Event: "events",
    VirtualMachine: "virtualmachines",
    VirtualMachineInstance: "virtualmachineinstances",
    Migration: "virtualmachineinstancemigrations",
    DataVolume: "datavolumes",
    KubeVirt: "kubevirts",
}


class Clock:
    """Stands still until it is moved."""

    def __init__(self, moment: str) -> None:
        found = parse_time(moment)
        assert found is not None
        self.now = found

    def __call__(self) -> float:
        return self.now


def recorded(type_: type[Record]) -> list[Record]:
    """The objects of a kind, of the recording of a real server that is in tests/data."""
    whole = json.loads((LISTS / f"{KINDS[type_]}.json").read_text())
    return list(decode_records(json.dumps(whole["items"]).encode(), type_))


class ConsoleLine:
    """A serial line whose guest is the test."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | BackendError] = asyncio.Queue()
        self.written = b""
        self.closed = False

    def say(self, data: bytes) -> None:
        """The guest sends something."""
        self.incoming.put_nowait(data)

    def end(self) -> None:
        """The guest's end closes the line, cleanly."""
        self.incoming.put_nowait(b"")

    def cut(self, error: BackendError | None = None) -> None:
        """The line breaks."""
        self.incoming.put_nowait(error or UnreachableError("the console was cut"))

    async def read(self) -> bytes:
        data = await self.incoming.get()
        if isinstance(data, BackendError):
            raise data
        return data

    async def write(self, data: bytes) -> None:
        self.written += data

    async def close(self) -> None:
        self.closed = True


class LogTape:
    """A container's log that the test writes."""

    def __init__(self, *lines: str) -> None:
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.say(*lines)

    def say(self, *lines: str) -> None:
        """The container writes lines."""
        for item in lines:
            self.lines.put_nowait(item)

    def end(self) -> None:
        """The container ends."""
        self.lines.put_nowait(None)


class RecordedBackend:
    """The recorded cluster. Nothing happens in it unless a test posts it."""

    def __init__(self, name: str = NAME, *, read_only: bool = False) -> None:
        self.name = name
        self.info = BackendInfo(name, read_only=read_only)
        self.calls: list[str] = []
        self.refusal: BackendError | None = None
        self.refusals: dict[str, BackendError] = {}
        """By the name of the object."""
        self.warnings: list[str] = []
        """The headers of what is accepted."""
        self.answering = asyncio.Event()
        """Verbs are answered while it is set."""
        self.answering.set()
        self.waiting: list[str] = []
        """What was asked and is not answered yet."""
        self.denied = ""
        self.unreachable = ""
        self.events: dict[str, list[Record]] = {}
        """By the name of the object."""
        self.whole: dict[str, object] = {}
        self.pasts: dict[str, Past | BackendError] = {}
        """By kind and name: ``VirtualMachine/web-1``."""
        self.logs: dict[str, LogTape] = {}
        """By container."""
        self.consoles: list[ConsoleLine] = []
        self.console_refusals: list[BackendError] = []
        self.boot_logs: list[ConsoleLine] = []
        self.boot_log_refusals: list[BackendError] = []
        self.open_wire: Callable[[], Awaitable[ByteStream]] | None = None
        """Leads to whoever listens on the ports of machines."""
        self.pictures: dict[str, bytes | BackendError] = {}
        """By the name of the machine; without one, its picture is that of a machine that found no disk."""
        self.shutter = asyncio.Event()
        """Pictures come while it is set."""
        self.shutter.set()
        self.asked_at_once = 0
        self.most_asked_at_once = 0

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        await asyncio.Event().wait()

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        if self.unreachable:
            return Verdict(False, self.unreachable, asked=False)
        return Verdict(not self.denied, self.denied)

    async def close(self) -> None:
        self.calls.append("close")

    async def fetch(self, ref: Ref) -> dict[str, object]:
        return {"kind": ref.kind, "metadata": {"name": ref.name}, **self.whole}

    async def fetch_events(self, ref: Ref) -> Sequence[Record]:
        return tuple(self.events.get(ref.name, ()))

    async def fetch_past(self, ref: Ref) -> Past:
        past = self.pasts.get(f"{ref.kind}/{ref.name}", Past())
        if isinstance(past, BackendError):
            raise past
        return past

    async def fetch_pods(self, namespace: str, selector: str) -> Sequence[Pod]:
        return ()

    async def start(self, ref: Ref) -> None:
        await self._do("start", ref)

    async def stop(self, ref: Ref, *, grace: int | None = None) -> None:
        await self._do("stop" if grace is None else f"stop within {grace}s", ref)

    async def restart(self, ref: Ref) -> None:
        await self._do("restart", ref)

    async def pause(self, ref: Ref) -> None:
        await self._do("pause", ref)

    async def unpause(self, ref: Ref) -> None:
        await self._do("unpause", ref)

    async def migrate(self, ref: Ref) -> None:
        await self._do("migrate", ref)

    async def cancel_migration(self, ref: Ref) -> None:
        await self._do("cancel", ref)

    async def open_console(self, ref: Ref) -> ByteStream:
        self.calls.append(f"console {ref.path}")
        if self.console_refusals:
            raise self.console_refusals.pop(0)
        self.consoles.append(ConsoleLine())
        return self.consoles[-1]

    async def open_boot_log(self, ref: Ref, *, tail: int = 2000) -> ByteStream:
        self.calls.append(f"boot log {ref.path}")
        if self.boot_log_refusals:
            raise self.boot_log_refusals.pop(0)
        self.boot_logs.append(ConsoleLine())
        return self.boot_logs[-1]

    async def take_screenshot(self, ref: Ref) -> bytes:
        self.calls.append(f"screenshot {ref.path}")
        self.asked_at_once += 1
        self.most_asked_at_once = max(self.most_asked_at_once, self.asked_at_once)
        try:
            await self.shutter.wait()
        finally:
            self.asked_at_once -= 1
        picture = self.pictures.get(ref.name, SEABIOS)
        if isinstance(picture, BackendError):
            raise picture
        return picture

    def explain_no_ports(self) -> str:
        return ""

    async def open_port(self, ref: Ref, port: int) -> ByteStream:
        self.calls.append(f"port {port} of {ref.path}")
        if self.open_wire is None:
            raise BackendError(f"port {port} of {ref.path}", "dialing VM: connection refused", code=500)
        return await self.open_wire()

    async def follow_log(
        self, ref: Ref, *, container: str = "", tail: int = 500, follow: bool = True
    ) -> AsyncIterator[str]:
        self.calls.append(f"log {ref.path} {container}".rstrip())
        if container not in self.logs:
            words = f"a container name must be specified for pod {ref.name}, choose one of: [compute guest-console-log]"
            raise BackendError(f"log of {ref.path}", words, code=400)
        while (item := await self.logs[container].lines.get()) is not None:
            yield item

    async def _do(self, verb: str, ref: Ref) -> None:
        self.waiting.append(ref.name)
        await self.answering.wait()
        self.waiting.remove(ref.name)
        refusal = self.refusals.get(ref.name, self.refusal)
        if refusal is not None:
            raise refusal
        hear(self.warnings)
        self.calls.append(f"{verb} {ref.path}")


class Stage:
    """A fleet of the recorded cluster, and the means to let things happen in it."""

    def __init__(self, *, read_only: bool = False) -> None:
        self.backend = RecordedBackend(read_only=read_only)
        self.clock = Clock("2026-11-21T02:14:07Z")
        self.fleet = Fleet([self.backend], clock=self.clock)

    def list_all(self) -> None:
        """Everything recorded is listed, and every feed is live."""
        for type_ in KINDS:
            self.fleet.store.post(Replace(NAME, type_, recorded(type_)))
            self.feed(type_, FeedState.LIVE)
        self.feed(Cdi, FeedState.ABSENT)
        self.fleet.step()

    def feed(self, type_: type[Record], state: FeedState, detail: str = "", *, ago: float = 0.0) -> None:
        """A feed comes into a state."""
        self.fleet.store.post(Feed(NAME, type_.KIND, state, self.clock.now - ago, detail))

    def put(self, *records: Record) -> None:
        """Objects come or change."""
        for record in records:
            self.fleet.store.post(Put(NAME, record))
        self.fleet.step()

    async def connect(self, _contexts: Sequence[str] = ()) -> Fleet:
        """For the app: the fleet is there at once."""
        return self.fleet


def changed(record: Record, **status: Any) -> Record:
    """The record in its next version, with other values in its status."""
    import msgspec

    builtins: Any = msgspec.to_builtins(record)
    builtins["metadata"]["resourceVersion"] += "1"
    builtins["status"].update(status)
    return msgspec.convert(builtins, type(record))
