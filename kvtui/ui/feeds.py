"""The state of feeds in words, for titles, empty panes and the problems strip."""

from __future__ import annotations

from collections.abc import Sequence

from kvtui.fleet import Fleet
from kvtui.model import Feed, FeedState, Platform, Tone
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.resources import RESOURCES
from kvtui.resources.base import AnyResource
from kvtui.resources.sources import name_kind
from kvtui.text import age, cells, shorten

_WORST_FIRST = (
    FeedState.FAILED, FeedState.FORBIDDEN, FeedState.ABSENT, FeedState.STALE, FeedState.LOADING, FeedState.LIVE,
)  # fmt: skip


def worst_feed(fleet: Fleet, resource: AnyResource) -> Feed | None:
    """The feed that a resource's border should tell of: its own before those it joins, the worst first."""
    return next(iter(worst_feeds(fleet, resource)), None)


def worst_feeds(fleet: Fleet, resource: AnyResource) -> Sequence[Feed]:
    """That feed, and those of other backends that fare alike; the longest first."""
    for sources in (resource.own, resource.joined):
        feeds = fleet.feeds(source for source in sources if not source.polled)
        feeds = [feed for feed in feeds if feed.state is not FeedState.LIVE]
        if feeds:
            worst = min(feeds, key=lambda feed: _WORST_FIRST.index(feed.state))
            alike = [feed for feed in feeds if (feed.kind, feed.state) == (worst.kind, worst.state)]
            return sorted(alike, key=lambda feed: feed.since)
    return ()


def unread_feed(fleet: Fleet, resource: AnyResource) -> Feed | None:
    """Of a resource that is asked for every now and then only: why no backend tells of it; None where one does."""
    feeds = fleet.feeds(source for source in resource.own if source.polled)
    if not feeds or any(feed.usable for feed in feeds):
        return None
    return min(feeds, key=lambda feed: _WORST_FIRST.index(feed.state))


def name_backends(fleet: Fleet, names: Sequence[str], room: int) -> str:
    """Backends by their names where these have room, else counted: ``12 hosts``."""
    listed = ", ".join(names)
    if len(names) == 1 or cells(listed) <= room:
        return shorten(listed, room)
    platforms = {backend.info.platform for name, backend in fleet.backends.items() if name in names}
    nouns = {Platform.KUBERNETES: "contexts", Platform.LIBVIRT: "hosts"}
    return f"{len(names)} {nouns[platforms.pop()] if len(platforms) == 1 else 'backends'}"


def kind_words(kind: str) -> str:
    """A kind as its pane calls it."""
    titles = {source.kind: resource.title for resource in reversed(RESOURCES) for source in resource.own}
    return titles.get(kind) or {VirtualMachineInstance.KIND: "VM instances"}.get(kind) or name_kind(kind)


def state_words(feed: Feed, now: float) -> tuple[str, Tone]:
    """The state in a word or two: ``stale 40s``."""
    match feed.state:
        case FeedState.LIVE:
            return "live", Tone.OK
        case FeedState.LOADING:
            return "loading", Tone.BUSY
        case FeedState.STALE:
            return f"stale {age(now - feed.since)}" if feed.since else "stale", Tone.WARN
        case FeedState.FORBIDDEN:
            return "forbidden", Tone.WARN
        case FeedState.ABSENT:
            return "not installed", Tone.WARN
        case FeedState.FAILED:
            return "failed", Tone.BAD


def retry_words(feed: Feed, now: float) -> str:
    """When it is tried again: ``again in 12s``; empty when that is not known."""
    if feed.retry_at is None:
        return ""
    left = feed.retry_at - now
    return f"again in {age(left)}" if left >= 1 else "trying now"


def empty_lines(resource: AnyResource, feed: Feed | None, now: float, *, filtered: int, scope: str) -> tuple[str, ...]:
    """Why a pane has no rows. `filtered` is how many a filter hides, `scope` where was looked."""
    title = resource.title
    source = next((source for source in resource.own if feed is not None and feed.kind == source.kind), None)
    if filtered:
        return (f"none of {filtered} {title} matches the filter", "esc clears it")
    if feed is None or source is None:
        return (f"no {title} in {scope}",)
    plural = f"{source.plural}.{source.group}" if source.group else source.plural
    detail = (feed.detail,) if feed.detail else ()
    again = retry_words(feed, now)
    more = (*detail, again) if again else detail
    match feed.state:
        case FeedState.LOADING:
            return (f"loading {title} ...", *detail)
        case FeedState.FORBIDDEN:
            return (f"this account may not list {plural}", *more)
        case FeedState.ABSENT:
            return (f"{plural} is not installed on this cluster", "the pane fills by itself once it is")
        case FeedState.FAILED:
            return (f"{title} cannot be read", *more)
        case FeedState.STALE:
            return (f"no {title} when last heard of, {age(now - feed.since)} ago", *more)
    return (f"no {title} in {scope}",)
