"""The first line: where we are, what runs there, how many problems, and the time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Horizontal

from kvtui.actions.confirm import enumerate_names
from kvtui.fleet import Fleet
from kvtui.joins.installation import judge_installation
from kvtui.model import FeedState, Health, Platform, Severity, Tone
from kvtui.records.base import is_true
from kvtui.records.bastion import Bastion
from kvtui.records.cdi import Cdi
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import KubeVirt, VirtualMachine
from kvtui.records.libvirt import Domain, Host
from kvtui.store import View
from kvtui.triage.bastions import BASTION_CLOSED
from kvtui.triage.control_plane import UNANSWERED
from kvtui.ui.acknowledged import Acknowledged
from kvtui.ui.bar import Bar, Piece

_GAP = "   "
_MACHINES = frozenset({VirtualMachine.KIND, Domain.KIND})


class Header(Horizontal):
    """Context and namespace at the left; health and clock at the right. It gives way in narrow terminals."""

    def __init__(self, fleet: Fleet, acknowledged: Acknowledged, *, read_only: bool) -> None:
        super().__init__(classes="-production" if fleet.production else None)
        self._fleet = fleet
        self._acknowledged = acknowledged
        self._read_only = read_only
        self._namespace = ""
        self._work = ""
        self._bar = Bar(classes="header-bar")
        self._clock = Bar(classes="header-clock")

    def compose(self) -> ComposeResult:
        """The line, and the clock apart: it changes each second, the line seldom."""
        yield self._bar
        yield self._clock

    def show_namespace(self, namespace: str) -> None:
        """Say which namespace is shown; empty for all."""
        self._namespace = namespace
        self.redraw()

    def show_work(self, words: str) -> None:
        """Say how far an action over many rows is; nothing without one."""
        if words != self._work:
            self._work = words
            self.redraw()

    def redraw(self) -> None:
        """Show the present state."""
        problems = self._fleet.engine.problems
        left = [problem.severity for problem in problems if self._acknowledged.until(problem) is None]
        self._bar.set_pieces(
            [*self._place(), *(self._tell_work() or versions(self._fleet))],
            [Piece("  "), *counts(self._fleet.view, left, len(problems) - len(left)), *self._mode()],
        )

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed from here."""
        backends = self._fleet.backends.values()
        return self._read_only or (bool(backends) and all(backend.info.read_only for backend in backends))

    def tick(self) -> None:
        """Show the present time."""
        moment = datetime.fromtimestamp(self._fleet.clock()).astimezone()
        self._clock.set_pieces([Piece(f" {moment:%H:%M:%S} ", "muted")])

    def _place(self) -> list[Piece]:
        return [
            Piece(" kvtui", "title", rank=9),
            Piece("  "),
            Piece(name_backends(self._fleet), "accent"),
            *self._stage(),
            *self._scope(),
        ]

    def _scope(self) -> list[Piece]:
        """Hosts have no namespaces."""
        backends = self._fleet.backends.values()
        if backends and all(backend.info.platform is Platform.LIBVIRT for backend in backends):
            return []
        return [Piece(" > ", "muted"), Piece(self._namespace or self._fleet.namespace or "all namespaces")]

    def _tell_work(self) -> list[Piece]:
        return [Piece(_GAP), Piece(self._work, "busy"), Piece("  :actions", "muted")] if self._work else []

    def _mode(self) -> list[Piece]:
        return [*self._disguise(), *([Piece("  "), Piece(" READ-ONLY ", "alarm")] if self.read_only else [])]

    def _disguise(self) -> list[Piece]:
        """As whom we act, where that is another user than the one that logs in."""
        users = dict.fromkeys(backend.info.acting_as for backend in self._fleet.backends.values())
        return [piece for user in users if user for piece in (Piece("  "), Piece(f" AS {user} ", "alarm"))]

    def _stage(self) -> list[Piece]:
        """Whether all of it is production, or which."""
        production = self._fleet.production
        if not production:
            return []
        which = "" if len(production) == len(self._fleet.backends) else f": {enumerate_names(production)}"
        return [Piece("  "), Piece(f" PRODUCTION{which} ", "production")]


def name_backends(fleet: Fleet) -> str:
    """The one backend by its name, several as so many contexts and hosts."""
    if len(fleet.backends) < 2:
        return next(iter(fleet.backends), "no cluster")
    platforms = [backend.info.platform for backend in fleet.backends.values()]
    counted = ((platforms.count(Platform.KUBERNETES), "context"), (platforms.count(Platform.LIBVIRT), "host"))
    return ", ".join(f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counted if count)


def versions(fleet: Fleet) -> list[Piece]:
    """What runs the machines, with its version and how it fares."""
    silent = _absences(fleet)
    if silent:
        return silent
    contexts = [name for name, backend in fleet.backends.items() if backend.info.platform is Platform.KUBERNETES]
    if not contexts and len(fleet.backends) == 1:
        version = next(iter(fleet.backends.values())).info.version
        return [Piece(_GAP, rank=5), Piece(version, rank=5)] if version else []
    if len(contexts) != 1:
        return []
    name = contexts[0]
    return _kubevirt(fleet.view, name) + _cdi(fleet.view, name)


def _absences(fleet: Fleet) -> list[Piece]:
    """Who is not heard of. Names give way where there is no room: the strip of problems has them."""
    findings = fleet.engine.findings
    pieces: list[Piece] = []
    for finding in findings:
        if finding.rule == BASTION_CLOSED:
            name = Piece(f"{finding.subject.name} ", "bad", rank=2)
            pieces += [Piece(_GAP), Piece("bastion ", "bad"), name, Piece(finding.trouble, "bad")]
    silent = [finding.subject.name for finding in findings if finding.trouble == UNANSWERED]
    if len(silent) == 1:
        words = UNANSWERED if len(fleet.backends) == 1 else f"{silent[0]} {UNANSWERED}"
        pieces += [Piece(_GAP), Piece(words, "bad")]
    behind = {name for _, bastion in fleet.view.items(Bastion) for name in bastion.hosts}
    # "lost" is for those that were known.
    for state in ("lost", "unreachable"):
        names = [
            ref.name
            for ref, host in fleet.view.items(Host)
            if host.link == state and not host.hop and ref.backend not in behind
        ]
        if names and len(fleet.backends) > 1:
            pieces += _count_absent(names, state)
    return [*pieces, *(_count_absent(silent, "silent") if len(silent) > 1 else [])]


def _count_absent(names: Sequence[str], state: str) -> list[Piece]:
    return [Piece(_GAP), Piece(f"{len(names)} {state}", "bad"), Piece(f": {', '.join(sorted(names))}", "bad", rank=2)]


def _kubevirt(view: View, backend: str) -> list[Piece]:
    found = next((record for _, record in view.items(KubeVirt, backend)), None)
    if found is None:
        return _unknown(view, backend, "KubeVirt", KubeVirt.KIND, rank=5)
    status = found.status
    health = judge_installation(status.phase, status.conditions)
    return _installed("KubeVirt", status.observed_kube_virt_version, health, rank=5)


def _cdi(view: View, backend: str) -> list[Piece]:
    found = next((record for _, record in view.items(Cdi, backend)), None)
    if found is None:
        return _unknown(view, backend, "CDI", Cdi.KIND, rank=6)
    status = found.status
    return _installed("CDI", status.observed_version, judge_installation(status.phase, status.conditions), rank=6)


def _installed(title: str, version: str, health: Health, rank: int) -> list[Piece]:
    """An installation that is not well does not give way."""
    well = health.tone is Tone.OK
    rank = rank if well else 0
    name = f"{title} {version.removeprefix('v')} " if version else f"{title} "
    word = "ok" if well else health.word
    return [Piece(_GAP, rank=rank), Piece(name, rank=rank), Piece(word, health.tone, rank=rank)]


def _unknown(view: View, backend: str, title: str, kind: str, rank: int) -> list[Piece]:
    words = {
        FeedState.LOADING: ("...", "muted"),
        FeedState.ABSENT: ("not installed", "warn"),
        FeedState.FORBIDDEN: ("not visible to you", "muted"),
        FeedState.LIVE: ("not installed", "warn"),
    }
    word, tone = words.get(view.feed(backend, kind).state, ("unknown", "warn"))
    return [Piece(_GAP, rank=rank), Piece(f"{title} ", rank=rank), Piece(word, tone, rank=rank)]


def counts(view: View, problems: Iterable[Severity], acknowledged: int) -> list[Piece]:
    """Nodes that are ready of all there are, and how many problems there are that nobody acknowledged."""
    nodes = [is_true(node.status.conditions, "Ready") for _, node in view.items(Node)]
    hosts = [host.connected for _, host in view.items(Host)]
    pieces = [*_count("nodes", nodes), *_count("hosts", hosts)]
    severities = [severity for severity in problems if severity > Severity.INFO]
    if severities:
        noun = "problem" if len(severities) == 1 else "problems"
        pieces.append(Piece(f"{len(severities)} {noun}", max(severities).tone.value))
    elif acknowledged:
        pieces.append(Piece(f"{acknowledged} acknowledged", "muted", rank=3))
    elif any(feed.state is FeedState.LIVE and feed.kind in _MACHINES for feed in view.feeds()):
        pieces.append(Piece("no problems known", "muted", rank=3))
    return pieces


def _count(noun: str, ready: Sequence[bool]) -> list[Piece]:
    if not ready:
        return []
    tone = "" if all(ready) else "bad"
    return [Piece(f"{noun} ", rank=4), Piece(f"{sum(ready)}/{len(ready)}", tone, rank=4), Piece(_GAP, rank=4)]
