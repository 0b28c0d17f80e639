"""Watches: the log and the live changes as streams of events, encoded once for everybody who asked in the same form."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

from aiohttp import web

from kvtui.demo.access import Account
from kvtui.demo.clock import Clock
from kvtui.demo.faults import Faults
from kvtui.demo.forms import Form, bookmark_body, form_of, object_body
from kvtui.demo.lists import ListOptions, list_options
from kvtui.demo.replies import JSON, encode, status_of
from kvtui.demo.sending import write_piece
from kvtui.demo.storage import Change, Kind, Storage, StorageError, Stored

_BACKLOG_BYTES = 64 * 1024 * 1024
"""A client that leaves more than this unread is cut off, as the API server does with slow watchers."""
_BURST = 512 * 1024
_SERVER_TIMEOUT = (1800.0, 3600.0)
"""How long a watch without timeoutSeconds lives, in seconds (kube-apiserver's --min-request-timeout and its double)."""


def event_line(event: str, body: bytes) -> bytes:
    """One line of a watch stream."""
    return b'{"type":"%b","object":%b}\n' % (event.encode(), body)


class Watcher:
    """One open watch: what is still to be sent, and whether it shall end."""

    def __init__(self, hub: Watches, account: Account, kind: Kind, namespace: str, options: ListOptions, form: Form):
        self.account = account
        self.kind = kind
        self.ended = False
        self.options = options
        self.form = form
        self._hub = hub
        self._namespace = namespace
        self._lines: list[bytes] = []
        self._size = 0
        self._wake = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Queue the event that `change` is for this watcher, if it is one."""
        if self._namespace and change.namespace != self._namespace:
            return
        event = self.options.selection.event_of(change) if self.options.selection else change.type
        if event is None:
            return
        if self._size > _BACKLOG_BYTES:
            self.end()
            return
        self.push(self._hub.line(change, event, self.form))

    def push(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.append(line)
        self._size += len(line)
        self._wake.set()

    def end(self) -> None:
        """Close the stream after what is queued."""
        self.ended = True
        self._wake.set()

    def take(self) -> bytes:
        """All that is queued, up to a burst."""
        if self._size <= _BURST:
            burst, self._lines, self._size = self._lines, [], 0
        else:
            burst, self._lines = self._lines[:64], self._lines[64:]
            self._size -= sum(map(len, burst))
        return b"".join(burst)

    async def wait(self, until: float) -> None:
        """Until there is something to send, the end has come, or the loop's clock shows `until`."""
        if self._lines or self.ended:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        except TimeoutError:
            return


class Watches:
    """All open watches of the cluster."""

    def __init__(self, storage: Storage, clock: Clock, faults: Faults, bookmark_interval: float = 60.0) -> None:
        """`bookmark_interval`: seconds between bookmarks, for clients that allow them."""
        self._storage = storage
        self._clock = clock
        self._faults = faults
        self._interval = bookmark_interval
        self._watchers: dict[Kind, set[Watcher]] = {}
        self._encoded: dict[tuple[str, Form], bytes] = {}
        self._encoded_for: Change | None = None
        self._unsubscribe = storage.subscribe(self._on_change)

    def close(self) -> None:
        """End all watches."""
        self._unsubscribe()
        self.cut()

    def cut(self, kind: Kind | None = None, account: Account | None = None, resource: str = "") -> int:
        """End the watches of a kind, a user or a resource (all of them without any); how many there were."""
        ended = 0
        for watcher in [watcher for watchers in self._watchers.values() for watcher in watchers]:
            if kind not in (None, watcher.kind) or account not in (None, watcher.account):
                continue
            if resource not in ("", "*", watcher.kind.plural):
                continue
            watcher.end()
            ended += 1
        return ended

    def line(self, change: Change, event: str, form: Form) -> bytes:
        """The line of a change; made once for all watchers of the same form."""
        if change is not self._encoded_for:
            self._encoded.clear()
            self._encoded_for = change
        line = self._encoded.get((event, form))
        if line is None:
            raw = change.raw
            line = event_line(event, object_body(change.kind, raw, form, self._clock.now))
            self._encoded[event, form] = line
        return line

    def _on_change(self, change: Change) -> None:
        for watcher in self._watchers.get(change.kind, ()):
            watcher.offer(change)

    async def respond(
        self, request: web.BaseRequest, account: Account, kind: Kind, namespace: str
    ) -> web.StreamResponse:
        """Serve one watch until its time is up, the client leaves or the server ends it."""
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        options = list_options(kind, request.query, watch=True)
        response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
        watcher = Watcher(self, account, kind, namespace, options, form)
        try:
            initial = self._begin(watcher, kind, namespace)
        except StorageError as error:
            await response.prepare(request)
            await response.write(event_line("ERROR", encode(status_of(error))))
            await response.write_eof()
            return response
        watchers = self._watchers.setdefault(kind, set())
        watchers.add(watcher)
        try:
            await response.prepare(request)
            for burst in initial:
                await write_piece(response, burst)
            await self._pump(watcher, response)
            await response.write_eof()
        except ConnectionError:
            # The client has left: the usual end of a watch.
            return response
        finally:
            watchers.discard(watcher)
        return response

    def _begin(self, watcher: Watcher, kind: Kind, namespace: str) -> Iterable[bytes]:
        """Queue the past, or answer the present state to be sent first. Raises StorageError 410."""
        options = watcher.options
        if options.initial_events or (not options.resource_version and options.initial_events is None):
            return self._present(watcher, self._storage.raw_list(kind, namespace or None), self._storage.revision)
        for change in self._storage.since(options.resource_version or self._storage.revision):
            if change.kind == kind:
                watcher.offer(change)
        return []

    def _present(self, watcher: Watcher, rows: list[Stored], revision: int) -> Iterable[bytes]:
        """The state at `revision` in bursts; rendered while it is sent, but from rows of one moment."""
        options, now = watcher.options, self._clock.now
        burst: list[bytes] = []
        size = 0
        for row in rows:
            if options.selection and not options.selection.matches(row):
                continue
            burst.append(event_line("ADDED", object_body(row.kind, row.raw, watcher.form, now)))
            size += len(burst[-1])
            if size > _BURST:
                yield b"".join(burst)
                burst, size = [], 0
        if options.initial_events and options.bookmarks:
            burst.append(event_line("BOOKMARK", bookmark_body(watcher.kind, revision, watcher.form, initial_end=True)))
        if burst:
            yield b"".join(burst)

    async def _pump(self, watcher: Watcher, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (watcher.options.timeout or random.uniform(*_SERVER_TIMEOUT))
        bookmark = loop.time() + self._interval if watcher.options.bookmarks else deadline
        while not watcher.ended:
            await watcher.wait(min(deadline, bookmark))
            await self._faults.hold()
            while burst := watcher.take():
                await write_piece(response, burst)
            if loop.time() >= deadline:
                return
            if loop.time() >= bookmark:
                body = bookmark_body(watcher.kind, self._storage.revision, watcher.form, initial_end=False)
                await write_piece(response, event_line("BOOKMARK", body))
                bookmark = loop.time() + self._interval
