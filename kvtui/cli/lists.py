"""Waiting until the lists of a fleet and its figures are there, and what is said of those that are not."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Final

from kvtui.backends.base import Source
from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.joins.kinds import by_weight
from kvtui.model import Feed, FeedState, Ref
from kvtui.records.bastion import Bastion
from kvtui.records.libvirt import Domain, Host
from kvtui.resources.base import AnyResource
from kvtui.resources.sources import name_kind
from kvtui.text import name_few
from kvtui.triage.bastions import name_behind

_TICK: Final = 0.05
_FIGURES_WAIT: Final = 10.0
"""Seconds that figures of hosts and their VMs may take: rates take two looks, a QEMU that hangs is known after six."""
_NAMED: Final = 5
"""Kinds that a sentence names before it counts the rest."""
_NOUNS: Final = {Domain.KIND: "VM", Host.KIND: "host"}

_STATES: Final = {
    FeedState.LOADING: "not answered in time",
    FeedState.STALE: "cut off, what is shown is old",
    FeedState.FORBIDDEN: "forbidden to this account",
    FeedState.ABSENT: "not installed there",
    FeedState.FAILED: "cannot be read",
}


async def wait_for_lists(
    options: Namespace, sources: Sequence[Source], fleet: Fleet, live: asyncio.Task[None]
) -> float:
    """Until every kind of every backend is known or known not to be had, `options.timeout` seconds at most; what the
    user is asked on the way takes no time. Returns when that time ends or would have, by the clock of the loop.
    """
    loop = asyncio.get_running_loop()
    deadline: float = loop.time() + options.timeout
    while any(feed.state is FeedState.LOADING for feed in fleet.feeds(sources)) and loop.time() < deadline:
        await pause(live)
        if fleet.asks:
            deadline = loop.time() + options.timeout
    return deadline


async def wait_for_figures(
    sources: Sequence[Source],
    fleet: Fleet,
    live: asyncio.Task[None],
    deadline: float,
    names: Container[str] | None = None,
) -> None:
    """Until the figures of all records are there, or of those with `names`: until `deadline` at most."""
    loop = asyncio.get_running_loop()
    deadline = min(deadline, loop.time() + _FIGURES_WAIT)
    while any(True for _ in find_awaited(sources, fleet, names)) and loop.time() < deadline:
        await pause(live)


def find_awaited(sources: Sequence[Source], fleet: Fleet, names: Container[str] | None = None) -> Iterator[Ref]:
    """Those whose figures are still to come; lists that are cut off bring none."""
    live = {(feed.backend, feed.kind) for feed in fleet.feeds(sources) if feed.state is FeedState.LIVE}
    for source in sources:
        for ref, record in fleet.view.items(source.type):
            named = names is None or any(name in names for name in ref.names)
            if record.awaited and named and (ref.backend, ref.kind) in live:
                yield ref


def say_awaited(awaited: Iterable[Ref]) -> list[str]:
    """One sentence for all of a kind of a backend: ``kvm1: figures of 2 VMs not answered in time``."""
    counts = Counter((ref.backend, ref.kind) for ref in awaited)
    return [
        f"{backend}: figures of {count} {_NOUNS.get(kind, kind)}{'s' if count > 1 else ''} not answered in time"
        for (backend, kind), count in counts.items()
    ]


def all_measured(resources: Iterable[AnyResource]) -> tuple[Source, ...]:
    """Every source whose records tell figures a moment after they are listed, each kind once."""
    return tuple({source.kind: source for resource in resources for source in resource.measured}.values())


async def pause(live: asyncio.Task[None]) -> None:
    """A moment, in which the backends go on. Raises KvtuiError when they ended."""
    await asyncio.wait({live}, timeout=_TICK)
    if live.done():
        live.result()
        raise KvtuiError("the backends ended by themselves")


def say_missing(feeds: Iterable[Feed], fleet: Fleet, first: Container[str] = (), *, most: int = _NAMED) -> list[str]:
    """One sentence for all kinds of a backend that suffer the same, and one for all backends behind a bastion that lets
    nobody through. Of many kinds it names `most`: those in `first`, then those that are missed most.
    """
    lacking: dict[tuple[str, FeedState], dict[str, str]] = {}
    told: dict[str, None] = {}
    bastions = [(ref.name, bastion) for ref, bastion in fleet.view.items(Bastion)]
    for feed in feeds:
        behind = next((one for one in bastions if feed.backend in (*one[1].contexts, *one[1].hosts)), None)
        if behind is not None:
            told[_tell_bastion(*behind)] = None
        else:
            lacking.setdefault((feed.backend, feed.state), {})[feed.kind] = feed.detail
    return [*told, *(_tell_lack(*lack, details, fleet, first, most) for lack, details in lacking.items())]


def _tell_lack(
    backend: str, state: FeedState, details: Mapping[str, str], fleet: Fleet, first: Container[str], most: int
) -> str:
    """What all kinds of a state lack, with the words that the server has for the first; that many are forbidden says
    enough of each.
    """
    kinds = by_weight(details, first)
    named = name_few([name_kind(kind) for kind in kinds], most)
    if len(kinds) > most and all(feed.state is state for feed in fleet.view.feeds() if feed.backend == backend):
        named = "all kinds"
    words = f"{backend}: {named} {_STATES[state]}"
    detail = details[kinds[0]]
    if not detail or (state is FeedState.FORBIDDEN and len(kinds) > 1):
        return words
    whose = f"{name_kind(kinds[0])}: " if len(set(details.values())) > 1 else ""
    return f"{words}: {whose}{detail}"


def _tell_bastion(name: str, bastion: Bastion) -> str:
    way = f", behind {' and '.join(bastion.hops)}," if bastion.hops else ""
    hint = f" ({bastion.step})" if bastion.step else ""
    return f"bastion {name}{way} {bastion.trouble}: {bastion.cause}{hint}; {name_behind(bastion)}"


def find_missing(sources: Sequence[Source], fleet: Fleet) -> list[Feed]:
    """What is not known of all there is to know; a kind that is not installed has nothing to add."""
    return [feed for feed in fleet.feeds(sources) if feed.state not in (FeedState.LIVE, FeedState.ABSENT)]
