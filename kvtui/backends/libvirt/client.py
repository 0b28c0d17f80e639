"""A host of libvirt as a backend: connects by itself, keeps what the host has live, connects anew after a cut."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from kvtui.audit import AuditLog
from kvtui.backends.acting import Guard
from kvtui.backends.base import Inbox, MoveCheck, MovePlan, Permission, Source, Verdict
from kvtui.backends.libvirt.clones import CloneVerbs
from kvtui.backends.libvirt.collector import Feeds, Told, follow
from kvtui.backends.libvirt.collectors import make_collectors
from kvtui.backends.libvirt.definitions import DefinitionVerbs
from kvtui.backends.libvirt.devices import DeviceVerbs
from kvtui.backends.libvirt.doors import Doors
from kvtui.backends.libvirt.events import Events
from kvtui.backends.libvirt.jobs import JobNotes
from kvtui.backends.libvirt.link import Lane, Link
from kvtui.backends.libvirt.moving import Failure, Mover
from kvtui.backends.libvirt.prober import LinkProber
from kvtui.backends.libvirt.snapshot_verbs import SnapshotVerbs
from kvtui.backends.libvirt.survey import Survey
from kvtui.backends.libvirt.transfers import Transfers
from kvtui.backends.libvirt.upkeep import UpkeepVerbs
from kvtui.backends.libvirt.uploads import UploadVerbs
from kvtui.backends.libvirt.verbs import DomainVerbs
from kvtui.backends.libvirt.way import Way
from kvtui.backends.libvirt.words import LOOKING_ONLY
from kvtui.errors import BackendError, KvtuiError, UnconnectedError, UnreachableError
from kvtui.model import BackendInfo, FeedState, Platform, Ref, Tone
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, Host
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

_RETRIES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds before each further attempt to connect."""
_WAITING: Final = "it is tried again and again, and at once on ctrl+r"
_FAILURES: Final = 50
_OPENING: Final = 20.0
"""Seconds that connecting may last."""


@dataclass(frozen=True, slots=True)
class Place:
    """One host as the user names it."""

    name: str
    uri: str
    read_only: bool = False


def connect(place: Place, audit: AuditLog, way: Way | None = None) -> LibvirtBackend:
    """A backend for a host; nobody is asked yet."""
    return LibvirtBackend(place, audit, way)


class LibvirtBackend(
    DomainVerbs, DeviceVerbs, DefinitionVerbs, CloneVerbs, SnapshotVerbs, UpkeepVerbs, UploadVerbs, Doors
):
    """One host. Implements Backend and Movers; its other verbs, and the ways into its guests, are inherited."""

    def __init__(self, place: Place, audit: AuditLog, way: Way | None) -> None:
        self.place = place
        self.audit = audit
        self._way = way
        self._info = BackendInfo(place.name, Platform.LIBVIRT, clean_line(place.uri), read_only=place.read_only)
        self._host = Host(metadata=Meta(name=self._info.name), uri=clean_line(place.uri))
        self._link: Link | None = None
        self._events: Events | None = None
        self.peers: Mapping[str, LibvirtBackend] = {}
        """All hosts of the fleet, by their names."""
        self.failures: deque[Failure] = deque(maxlen=_FAILURES)
        """Moves that came to nothing after they had begun, the latest last."""
        self._guard = Guard(audit, Platform.LIBVIRT, lambda: self._info.read_only, lambda: self._info.user)
        self._mover = Mover(self, self._guard, lambda name: self.peers.get(name), self._note_failure)
        self.transfers = Transfers()
        """What fills volumes; who begins that says so there."""
        self.job_notes = JobNotes()
        """What is known of jobs that were begun or ended here."""
        self._earlier: Mapping[str, Domain] = {}
        """Its domains as the last connection knew them, by their UUIDs."""
        self._retry = asyncio.Event()
        self._is_asked_to_look = place.read_only
        Doors.__init__(self)

    @property
    def name(self) -> str:
        """The name of the host."""
        return self._info.name

    @property
    def info(self) -> BackendInfo:
        """What is known of the host and of us there."""
        return self._info

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        """Keep every source live until cancelled. Trouble becomes the state of a feed and heals by itself."""
        feeds = Feeds(self.name, [source.kind for source in sources], inbox)
        told = Told(self.name, inbox)
        failures = 0
        while True:
            silent = False
            if failures == 0:
                told.tell(Host, [self._with_link("connecting", "")])
            try:
                # ssh may have questions, for which its user gets all the time.
                uri = await self._find_uri()
                async with asyncio.timeout(_OPENING):
                    link, lost, survey = await self._connect(uri)
            except TimeoutError:
                silent = True
                error: KvtuiError = UnreachableError(f"{self._info.address} does not answer")
            except KvtuiError as failure:
                error = failure
            else:
                failures = 0
                error = await self._keep(link, lost, survey, sources, feeds, told)
                silent = self._host.link == "silent"
            self._let_go()
            if self._way is not None:
                error = await self._way.find_trouble(silent=silent) or error
            words = str(error) if error.hop else error.detail or error.title
            wait = _RETRIES[min(failures, len(_RETRIES) - 1)]
            failures += 1
            self._info = replace(self._info, trouble=str(error))
            feeds.report_cut(_cut_words(error), time.time() + wait)
            known = self._host.libvirt_version != ""
            state = "lost" if known else "unreachable"
            told.tell(Host, [self._with_link(state, words, feeds.heard(Host.KIND), error.hop)])
            self._retry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._retry.wait()

    def retry(self, _kind: str = "") -> None:
        """Try again at once what is being waited for."""
        self._retry.set()

    async def may(self, permission: Permission, _namespace: str, _name: str = "") -> Verdict:
        """Whether the connection allows it: libvirt only tells whether it is for looking only."""
        if self._link is None:
            return Verdict(False, self._info.trouble or "not connected", asked=False)
        if self._link.read_only and permission.verb != "get":
            return Verdict(False, LOOKING_ONLY)
        return Verdict(True)

    async def call(self, ask: Callable[[libvirt.virConnect], T], title: str, lane: Lane = Lane.CALLS) -> T:
        """Ask libvirt something, in a thread; `ask` must return plain values. Raises BackendError with `title`."""
        if self._link is None:
            raise UnconnectedError(title, self._host.trouble or f"{self.name} is not connected", _WAITING)
        return await self._link.call(ask, title, lane)

    def announce(self, name: str, uuid: str, title: str = "") -> None:
        """Have what an action changed looked at, where libvirt has no event of it: see `Events.announce`."""
        if self._events is not None:
            self._events.announce(name, uuid, title)

    @property
    def uri(self) -> str:
        """By which other hosts reach it."""
        return self.place.uri

    async def open_link(self) -> Link:
        """A further connection, for what takes long or floods. Raises BackendError."""
        if self._link is None:
            raise UnconnectedError(f"{self.name} is not connected", self._host.trouble, _WAITING)
        link = Link(self._link.uri, lambda _reason: None)
        with ExitStack() as on_failure:
            on_failure.callback(link.close)
            await link.open(read_only=self._link.read_only)
            on_failure.pop_all()
        return link

    # Movers ---------------------------------------------------------------------------------------------------------

    async def check_move(self, ref: Ref, target: str) -> MoveCheck:
        """Ask both hosts whether a domain can move there."""
        return await self._mover.check(ref, target)

    async def move(self, ref: Ref, plan: MovePlan) -> None:
        """Begin to move a domain; returns once its memory travels."""
        self.job_notes.targets[ref.uid] = plan.target
        try:
            await self._mover.move(ref, plan)
        except BackendError:
            self.job_notes.targets.pop(ref.uid, None)
            raise

    def _note_failure(self, failure: Failure) -> None:
        """libvirt tells who asked for the move why it ended, and nobody else."""
        self.failures.append(failure)
        self.job_notes.targets.setdefault(failure.ref.uid, failure.target)
        self.job_notes.ends[failure.ref.uid] = ("Cancelled" if failure.aborted else "Failed", failure.words)
        self.announce("kvtui.JOB", failure.ref.uid, failure.ref.name)

    async def abort_job(self, ref: Ref) -> None:
        """End what goes on with a domain; it stays where it is."""
        await self._mover.abort(ref)

    async def switch_to_post_copy(self, ref: Ref) -> None:
        """Let the domain run on at its target now."""
        await self._mover.switch_to_post_copy(ref)

    async def set_bandwidth(self, ref: Ref, bandwidth: int) -> None:
        """Limit a migration that is under way to MiB a second."""
        await self._mover.set_bandwidth(ref, bandwidth)

    async def set_downtime(self, ref: Ref, downtime: int) -> None:
        """Allow a migration that is under way so many milliseconds of standstill."""
        await self._mover.set_downtime(ref, downtime)

    async def close(self) -> None:
        """Let go of the connections, at once; what we move ourselves is aborted first."""
        await self._mover.close()
        self._close_ways()
        self._let_go()

    async def _find_uri(self) -> str:
        if self._link is not None:
            return self._link.uri
        return await self._way.open() if self._way is not None else self.place.uri

    # Connecting -----------------------------------------------------------------------------------------------------

    async def _connect(self, uri: str) -> tuple[Link, asyncio.Future[str], Survey]:
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)

        link = Link(uri, on_lost)
        self._let_go()
        self._link = link
        survey = Survey(self.name, self._earlier)
        await link.open(read_only=self.place.read_only)
        self._host = await link.call(
            lambda connection: survey.describe_host(connection, self.place.uri, read_only=link.read_only),
            f"{self._info.address} cannot be read",
        )
        self._host.link, self._host.link_since = "connected", time.time()
        version = f"{self._host.driver} {self._host.hypervisor_version}".strip()
        self._info = replace(self._info, version=version, trouble="", read_only=self.place.read_only or link.read_only)
        return link, lost, survey

    async def _keep(
        self,
        link: Link,
        lost: asyncio.Future[str],
        survey: Survey,
        sources: Sequence[Source],
        feeds: Feeds,
        told: Told,
    ) -> KvtuiError:
        """Collect until the connection is gone; why it is."""
        wanted = {source.type for source in sources}
        events = self._events = Events()
        self._history.attach(events)
        self._history.note("", "connected", link.uri)
        probers = LinkProber(link), LinkProber(link, Lane.AGENTS)
        everything = make_collectors(survey, self._host, self.transfers, self.job_notes, *probers)
        collectors = [one for one in everything if wanted & set(one.serves)]
        tasks: set[asyncio.Task[None]] = set()

        def report(kind: str, state: FeedState, detail: str) -> None:
            feeds.report(kind, state, detail)
            if kind != Host.KIND:
                return
            if state is FeedState.STALE:
                told.tell(Host, [self._with_link("silent", detail, feeds.heard(kind))])
            elif state is FeedState.LIVE and self._host.link == "silent":
                # Its collector has told so.
                self._with_link("connected", "")

        try:
            await events.subscribe(link)
            shown = asyncio.Event()
            if Domain not in wanted:
                shown.set()
            for one in collectors:
                follower = follow(one, link, events, told, report, shown)
                tasks.add(asyncio.create_task(follower, name=f"{self.name} {type(one).__name__}"))
            waiting: set[asyncio.Future[Any]] = {*tasks, lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                self._history.note("", "lost", lost.result(), Tone.BAD)
                return UnreachableError(f"{self.name} is lost", lost.result())
            for task in tasks:
                if task.done():
                    task.result()
            raise AssertionError
        except BackendError as error:
            return error
        finally:
            if survey.has_looked:
                self._earlier = survey.domains()
            lost.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._let_go()

    def _let_go(self) -> None:
        link, self._link, self._events = self._link, None, None
        if link is not None:
            link.close()

    def _with_link(self, state: str, trouble: str, since: float | None = None, hop: str = "") -> Host:
        """`since`: when the state began, if it is another than before and not that of this moment."""
        same = self._host.link == state
        self._host = msgspec.structs.replace(
            self._host,
            link=state,
            link_since=self._host.link_since if same else since or time.time(),
            trouble=trouble,
            hop=hop,
        )
        return self._host


def _cut_words(error: KvtuiError) -> str:
    words = f"{error.title}: {error.detail}" if error.detail else error.title
    return f"{words} ({error.hint})" if error.hint else words
