"""Consoles of domains: where a domain runs now, and what its console can expect there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.console.sight import Place, Sight, Stage
from kvtui.model import FeedState, Ref
from kvtui.records.libvirt import Domain, DomainJob, DomainState
from kvtui.store import View

_ARRIVING: Final = frozenset({"migrating", "starting up"})
"""Reasons of a pause in which the guest has not begun, or not arrived yet."""
_GOING: Final = frozenset({"outgoing migration", "save"})
_WORDS: Final = {
    DomainState.NONE: "Unknown",
    DomainState.RUNNING: "Running",
    DomainState.BLOCKED: "Running",
    DomainState.PAUSED: "Paused",
    DomainState.SHUTDOWN: "Stopping",
    DomainState.SHUTOFF: "Stopped",
    DomainState.CRASHED: "Crashed",
    DomainState.SUSPENDED: "Suspended",
}
"""As the pane of VMs has them."""
_ENDS: Final = {"crashed": "Crashed", "panicked": "Crashed (panicked)", "failed": "Failed"}
"""What a domain that is off is called after an end that nobody wished for."""


def find_running(view: View, ref: Ref) -> Ref:
    """The domain on the host where its guest runs now: it may have migrated to another one that is connected."""
    here = view.find(Domain, ref)
    if here is not None and here.active and _is_live(view, ref.backend):
        return ref
    uid = ref.uid or (here.metadata.uid if here is not None else "")
    return next((other for other, domain in _others(view, ref, uid) if _has_arrived(domain)), ref)


def look_at_domain(view: View, ref: Ref) -> Sight:
    """What the store knows of a domain, on whichever host it is."""
    there = find_running(view, ref)
    state = view.feed(there.backend, Domain.KIND).state
    if state is FeedState.STALE:
        return Sight(Stage.UNREACHABLE, words=f"{there.backend} does not answer")
    if state is not FeedState.LIVE:
        return Sight(Stage.UNKNOWN)
    domain = view.find(Domain, there)
    if domain is None:
        return Sight(Stage.OFF, words="not there")
    words = _describe(domain)
    if not domain.active:
        return Sight(Stage.OFF, words=words)
    place = Place(domain.metadata.uid, there.backend, domain.id or 0)
    if domain.state is DomainState.CRASHED:
        return Sight(Stage.ENDED, place, words)
    if domain.state is DomainState.PAUSED and domain.reason in _ARRIVING and not _is_leaving(view, there, domain):
        return Sight(Stage.PLACED, place, words)
    going = domain.state is DomainState.SHUTDOWN or _is_leaving(view, there, domain)
    return Sight(Stage.GOING if going else Stage.RUNNING, place, words, domain.started)


def is_domain_paused(view: View, ref: Ref) -> bool:
    """Whether its CPUs stand still."""
    domain = view.find(Domain, find_running(view, ref))
    return domain is not None and domain.state in (DomainState.PAUSED, DomainState.SUSPENDED)


def lines_of(view: View, ref: Ref) -> tuple[str, ...]:
    """The aliases of its serial lines, the first one first; none are known while it does not run."""
    domain = view.find(Domain, find_running(view, ref))
    return tuple(filter(None, domain.serials)) if domain is not None and domain.active else ()


def explain_log(view: View, ref: Ref) -> str:
    """Why there is no boot log to read, and where it is if anywhere."""
    domain = view.find(Domain, ref)
    if domain is not None and domain.serial_log:
        return (
            f"boot log: libvirt keeps it in {domain.serial_log} on {ref.backend} and gives it to nobody; "
            "read it there, or open the console (c)"
        )
    return "boot log: libvirt keeps none of this VM, whose serial device has no <log>; the console (c) shows what comes"


def _others(view: View, ref: Ref, uid: str) -> Iterator[tuple[Ref, Domain]]:
    """The same machine on other hosts whose state is known."""
    if uid:
        for other, domain in view.items(Domain):
            if domain.metadata.uid == uid and other.backend != ref.backend and _is_live(view, other.backend):
                yield other, domain


def _has_arrived(domain: Domain) -> bool:
    return domain.active and not (domain.state is DomainState.PAUSED and domain.reason in _ARRIVING)


def _is_live(view: View, backend: str) -> bool:
    return view.feed(backend, Domain.KIND).state is FeedState.LIVE


def _is_leaving(view: View, ref: Ref, domain: Domain) -> bool:
    jobs = view.linked(DomainJob, ref.backend, "domain", domain.metadata.uid)
    return any(job.operation in _GOING and not job.is_final for _, job in jobs)


def _describe(domain: Domain) -> str:
    word = _WORDS[domain.state]
    if domain.state is DomainState.SHUTOFF and domain.reason in _ENDS:
        return _ENDS[domain.reason]
    return f"{word} ({domain.reason})" if domain.reason and domain.state is not DomainState.RUNNING else word
