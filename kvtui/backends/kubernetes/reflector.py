"""Keeps one kind of one backend in the store: list, watch, and every way in which those end.

What the feed says meanwhile:

- loading until the first list is there, also while the server asks to wait;
- live while a watch stands (or, `polled`, between two lists of what may not be watched);
- stale when the server cannot be reached or fell silent: the records stay;
- forbidden or absent (no such group or CRD): the records go, for nobody can tell what became of them;
- failed when the account is refused, or when there never was a list to become stale.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from kvtui.backends.base import Inbox, Source
from kvtui.backends.kubernetes.answers import CutError, error_from_status
from kvtui.backends.kubernetes.backoff import Backoff
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.refusals import MAY_BE_DONE
from kvtui.backends.kubernetes.server import Server
from kvtui.backends.kubernetes.slices import ListMeta, ListReader
from kvtui.errors import (
    AbsentError,
    BackendError,
    BusyError,
    ForbiddenError,
    GoneError,
    KvtuiError,
    UnauthorizedError,
)
from kvtui.model import Feed, FeedState
from kvtui.records.base import Record
from kvtui.records.decode import decode_record, decode_records
from kvtui.store import Drop, Put, Replace

_PAGE = 500
"""Objects a page, as kubectl asks."""
_VERSION_REFUSED = (400, 422)
"""What servers answer to a resource version that is none."""
_FAILED_WATCHES = 5
"""Watches in a row that the server refuses, or ends at once, before all is listed anew."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where namespaced kinds are looked for."""

    namespace: str = ""
    """The only namespace to list; empty for all."""
    fallback: str = ""
    """The namespace to make do with when all may not be listed; empty for none."""


class _Event(msgspec.Struct):
    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"{}")


class _Mark(msgspec.Struct):
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


class Reflector:
    """Keeps one kind of one backend in the store. `run` ends only by being cancelled."""

    def __init__(
        self, backend: str, source: Source, server: Server, discovery: Discovery, scope: Scope, inbox: Inbox
    ) -> None:
        self._backend = backend
        self._source = source
        self._server = server
        self._discovery = discovery
        self._scope = scope
        self._inbox = inbox
        self._timings = server.timings
        self._backoff = Backoff(self._timings.retry_first, self._timings.retry_most)
        self._wake = asyncio.Event()
        self._feed = Feed(backend, source.feed, FeedState.LOADING, time.time())
        self._heard = 0.0
        """When the server last said something of this kind; 0 before the first whole list."""
        self._keys: set[tuple[str, str]] = set()
        """Namespace and name of all that the store has from here."""
        self._path = ""
        self._version = ""
        """The resource version that the store is at."""
        self._narrowed = ""
        """Why only one namespace is shown."""
        self._stands = False
        """Whether the present watch was begun by the server."""
        self._doubted = False
        """Whether it is stale only because the server answers nobody."""
        self._epoch = server.epoch
        """Which server the version is of."""

    async def run(self) -> None:
        """Keep the kind live until cancelled."""
        self._say(FeedState.LOADING)
        while True:
            await self._rest(await self._round())

    def retry(self) -> None:
        """Try again at once if something is being waited for."""
        self._wake.set()

    def doubt(self, detail: str, *, asked: float, answered: float) -> None:
        """The server does not answer since it was `asked`: what claims to be live is stale, and may be live again.

        `answered` is when it last did; both in seconds since the epoch.
        """
        if self._feed.state is FeedState.LIVE and self._heard < asked:
            self._heard = max(self._heard, answered)
            self._say(FeedState.STALE, detail)
            self._doubted = True

    def trust(self) -> None:
        """The server answers again: a watch that still stands is live, everything else is tried at once."""
        if self._doubted and self._stands:
            self._say(FeedState.LIVE, self._narrowed)
        self._backoff.reset()
        self.retry()

    async def _round(self) -> float:
        """List, and follow what changes until that ends; the seconds to wait before the next round."""
        self._stands = False
        if self._epoch != self._server.epoch:
            self._epoch = self._server.epoch
            self._version = ""
        try:
            await self._list()
            if self._source.polled:
                self._say(FeedState.LIVE, self._narrowed, polled=True)
                return self._jittered(self._timings.poll)
            self._say(FeedState.LIVE, self._narrowed)
            return await self._follow()
        except Exception as error:  # noqa: BLE001 - boundary: what goes wrong with one kind must not end the others
            return self._explain(error)

    # What ended a round

    def _explain(self, error: Exception) -> float:
        """Say in the feed what ended a round; the seconds to wait."""
        detail = _tell(error) if isinstance(error, KvtuiError) else f"a fault of kvtui: {error!r}"
        match error:
            case ForbiddenError():
                self._clear()
                return self._wait(FeedState.FORBIDDEN, error.detail or detail, self._jittered(self._timings.forbidden))
            case AbsentError():
                self._discovery.forget(self._source.group)
                self._clear()
                return self._wait(FeedState.ABSENT, error.title, self._timings.absent)
            case UnauthorizedError():
                return self._wait(FeedState.FAILED, detail, self._backoff.next())
            case GoneError():
                return self._backoff.next()
            case BusyError():
                state = FeedState.STALE if self._heard else FeedState.LOADING
                return self._wait(state, error.detail or detail, max(error.retry_after, self._backoff.next()))
            case _:
                return self._wait(FeedState.STALE if self._heard else FeedState.FAILED, detail, self._backoff.next())

    def _wait(self, state: FeedState, detail: str, seconds: float) -> float:
        self._say(state, detail, retry_in=seconds)
        return seconds

    async def _rest(self, seconds: float) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _say(self, state: FeedState, detail: str = "", *, retry_in: float | None = None, polled: bool = False) -> None:
        now = time.time()
        self._doubted = False
        if state is not self._feed.state:
            # Stale since the last word, not since we noticed.
            since = self._heard if state is FeedState.STALE else now
        else:
            since = self._feed.since
        retry_at = None if retry_in is None else now + retry_in
        self._feed = Feed(self._backend, self._source.feed, state, since, detail, retry_at, polled)
        self._inbox(self._feed)

    def _clear(self) -> None:
        self._version = ""
        self._heard = 0.0
        if self._keys:
            self._keys.clear()
            self._inbox(Replace(self._backend, self._source.type, ()))

    @staticmethod
    def _jittered(seconds: float) -> float:
        return seconds * random.uniform(0.9, 1.1)

    # Lists

    async def _list(self) -> None:
        """Bring the store to the server's present state. Raises BackendError."""
        namespace = self._scope.namespace if self._source.namespaced else ""
        try:
            await self._list_in(namespace)
            self._narrowed = ""
        except ForbiddenError as error:
            if namespace or not self._source.namespaced or not self._scope.fallback:
                raise
            try:
                await self._list_in(self._scope.fallback)
            except ForbiddenError:
                raise error from None
            self._narrowed = f"only namespace {self._scope.fallback}: the account may not list all"

    async def _list_in(self, namespace: str) -> None:
        source = self._source
        versions = await self._discovery.versions(source.group, source.versions)
        for version in versions:
            self._path = object_path(source.group, version, source.plural, namespace)
            try:
                await self._list_here()
                return
            except AbsentError as error:
                absent = error
        raise self._absence(absent) from absent

    def _absence(self, error: AbsentError) -> AbsentError:
        name = ".".join(filter(None, (self._source.plural, self._source.group)))
        return AbsentError(f"{name} is not installed", error.detail, code=404)

    async def _list_here(self) -> None:
        try:
            seen, version = await self._list_whole()
        except BusyError:
            raise
        except BackendError as error:
            if isinstance(error, GoneError) or (self._version and error.code in _VERSION_REFUSED):
                # A server that knows nothing of our version: it was restored, or replaced, or gave a wrong one.
                self._version = ""
                seen, version = await self._list_whole()
            elif isinstance(error, CutError) or error.code >= 500:
                seen, version = await self._list_pages()
            else:
                raise
        for namespace, name in self._keys - seen:
            self._inbox(Drop(self._backend, self._source.type, namespace, name))
        self._keys = seen
        self._version = version
        self._heard = time.time()

    async def _list_whole(self) -> tuple[set[tuple[str, str]], str]:
        """List from the server's watch cache, in one answer; what was seen, and at which version."""
        seen: set[tuple[str, str]] = set()
        query = {"resourceVersion": self._version or "0", "resourceVersionMatch": "NotOlderThan"}
        meta = await self._read_page(query, seen)
        return seen, meta.resource_version

    async def _list_pages(self) -> tuple[set[tuple[str, str]], str]:
        """List in pages, which come from etcd: slower, but each answer is small."""
        seen: set[tuple[str, str]] = set()
        query = {"limit": str(_PAGE)}
        while True:
            meta = await self._read_page(query, seen)
            if not meta.continue_:
                return seen, meta.resource_version
            query["continue"] = meta.continue_

    async def _read_page(self, query: dict[str, str], seen: set[tuple[str, str]]) -> ListMeta:
        reader = ListReader(lambda array: decode_records(array, self._source.type))
        limit = self._timings.list_answer
        async with self._server.stream(
            self._path, query=query | self._selector, first=limit, silence=limit, packed=True
        ) as pieces:
            async for piece in pieces:
                self._take(reader.feed(piece), seen)
            rest, meta = reader.close()
        self._take(rest, seen)
        return meta

    def _take(self, records: list[Record], seen: set[tuple[str, str]]) -> None:
        for record in records:
            seen.add((record.metadata.namespace, record.metadata.name))
            self._keys.add((record.metadata.namespace, record.metadata.name))
            self._inbox(Put(self._backend, record))

    @property
    def _selector(self) -> dict[str, str]:
        return {"labelSelector": self._source.label_selector} if self._source.label_selector else {}

    # Watches

    async def _follow(self) -> float:
        """Watch until a new list is needed; the seconds to wait before it. Raises BackendError."""
        barren = 0
        refused = 0
        while True:
            began = time.monotonic()
            version = self._version
            self._stands = False
            try:
                await self._watch()
                if self._version != version or time.monotonic() - began >= self._timings.settled:
                    barren = refused = 0
                    continue
                barren += 1
                if barren > 1:
                    raise BackendError("the server ends watches at once")
                raise CutError("the server ended the watch")
            except AbsentError as error:
                raise self._absence(error) from error
            except (GoneError, UnauthorizedError):
                raise
            except ForbiddenError:
                self._say(FeedState.LIVE, self._narrowed or "watching is not allowed", polled=True)
                return self._jittered(self._timings.poll)
            except BackendError as error:
                if self._stands and time.monotonic() - began >= self._timings.settled:
                    self._backoff.reset()
                    refused = 0
                refused += bool(error.code) and not isinstance(error, BusyError)
                if error.code in _VERSION_REFUSED or max(refused, barren) >= _FAILED_WATCHES:
                    self._version = ""
                    raise
                await self._rest(self._interrupted(error))

    def _interrupted(self, error: BackendError) -> float:
        """Say what befell a watch that shall be resumed; the seconds to wait."""
        seconds = self._backoff.next()
        if isinstance(error, BusyError):
            seconds = max(seconds, error.retry_after)
        if isinstance(error, CutError) and not error.silent and self._stands:
            # A watch that is cut is nothing special; it is, when the next one cannot be had.
            return seconds
        return self._wait(FeedState.STALE, str(error), seconds)

    async def _watch(self) -> None:
        """Apply what happens after the present version. Returns when the server ends it in good order."""
        lasting = random.uniform(self._timings.watch_shortest, self._timings.watch_longest)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, round(lasting))),
        }
        async with self._server.stream(
            self._path,
            query=query | self._selector,
            first=self._timings.answer,
            silence=self._timings.watch_silence,
        ) as pieces:
            if self._epoch != self._server.epoch:
                raise GoneError("another server answers")
            self._stands = True
            self._heard = time.time()
            self._say(FeedState.LIVE, self._narrowed)
            async for line in split_lines(pieces):
                self._apply(line)

    def _apply(self, line: bytes) -> None:
        """Apply one event. Raises GoneError when the stream can no longer be trusted, so that all is listed anew."""
        try:
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "ERROR":
                raise error_from_status(event.object)
            if event.type == "BOOKMARK":
                mark = msgspec.json.decode(event.object, type=_Mark)
                self._version = mark.metadata.resource_version or self._version
            else:
                self._change(event)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise GoneError("the watch sent broken JSON", str(error)) from error
        self._heard = time.time()
        self._backoff.reset()
        if self._doubted:
            self._say(FeedState.LIVE, self._narrowed)

    def _change(self, event: _Event) -> None:
        record = decode_record(event.object, self._source.type)
        meta = record.metadata
        if not meta.name:
            raise GoneError("the watch sent an object without a name", record.fault)
        if event.type == "DELETED":
            self._keys.discard((meta.namespace, meta.name))
            self._inbox(Drop(self._backend, self._source.type, meta.namespace, meta.name, meta.uid))
        else:
            self._keys.add((meta.namespace, meta.name))
            self._inbox(Put(self._backend, record))
        self._version = meta.resource_version or self._version


async def split_lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The whole lines of a stream, of any length, without their ends; empty ones are left out, and so is what follows
    the last line end: the watch that resumes brings that event again.
    """
    rest: list[bytes] = []
    async for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            joined = b"".join((*rest, line)) if rest else line
            rest.clear()
            if joined.strip():
                yield joined
        if last:
            rest.append(last)


def _tell(error: KvtuiError) -> str:
    """Why a list failed. Of a list that a server gave up on, nothing may have been done."""
    if error.hint == MAY_BE_DONE:
        return f"{error.title}: {error.detail}"
    return str(error)
