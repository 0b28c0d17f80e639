"""Which objects a verb of the command line means: by their names, by labels, or where something is to be made."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kvtui.actions.commands import Deed, find_verbs, kind_of
from kvtui.backends.base import Finder
from kvtui.cli.naming import tell_choice
from kvtui.cli.spaces import check_namespace
from kvtui.config import NAMESPACE, Settings
from kvtui.errors import AbsentError, BackendError, ConfigError, ForbiddenError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.model import Feed, FeedState, Platform, Ref
from kvtui.resources import find_own
from kvtui.resources.base import AnyResource, Site
from kvtui.resources.filtering import FilterError
from kvtui.resources.listing import Listing
from kvtui.resources.sources import name_kind
from kvtui.text import clean_line


def confine(options: Namespace, settings: Settings, deed: Deed, names: Sequence[str]) -> Mapping[str, str]:
    """Let only the one namespace be listed that all names are in, where it is one; by context, its own namespace.

    Raises ConfigError when the options contradict each other.
    """
    homes = _find_homes(options, settings)
    if not any(source.namespaced for source in deed.resource.own if source.platform is Platform.KUBERNETES):
        options.namespace, options.all_namespaces = None, True
        return homes
    named = {name.split("/")[-2] for name in names if "/" in name}
    if options.namespace is not None and named - {options.namespace}:
        raise ConfigError(f"{', '.join(sorted(named))} is not the namespace {options.namespace}", hint="leave out -n")
    if any("/" not in name for name in names) or not names:
        named |= {options.namespace} if options.namespace else set(homes.values())
    if not options.all_namespaces:
        one = next(iter(named)) if len(named) == 1 else ""
        options.namespace = one if NAMESPACE.fullmatch(one) else None
        options.all_namespaces = options.namespace is None
    return homes


class Chooser:
    """Finds rows among those of a fleet whose lists are there."""

    def __init__(
        self,
        deed: Deed,
        fleet: Fleet,
        options: Namespace,
        homes: Mapping[str, str],
        *,
        everywhere: bool = False,
        within: bool = False,
    ) -> None:
        """`homes` is by context the namespace of names without one; with `everywhere` they may be in any. `within`
        tells that a namespace was asked for: of what has none only what is named with its host is meant then.
        """
        self._deed = deed
        self._fleet = fleet
        self._options = options
        self._homes = homes
        self._everywhere = everywhere
        self._within = within and any(source.namespaced for source in deed.resource.own)

    @property
    def resource(self) -> AnyResource:
        """What the rows are of."""
        return self._deed.resource

    @property
    def troubles(self) -> list[Feed]:
        """Where rows may be that are not known."""
        return [feed for feed in self._fleet.feeds(self.resource.own) if feed.state is not FeedState.LIVE]

    async def find_named(self, names: Sequence[str]) -> list[Any]:
        """The row of each name, each once. Raises AbsentError, ConfigError when a name is of several, and as
        `check_lists` does when it may be where nobody answers.
        """
        refs = sorted(self.resource.refs(self._fleet.view))
        found: dict[Ref, Any] = {}
        for name in names:
            meant = [ref for ref in refs if self._is_meant(ref, name)]
            meant = meant or self._find_of_kind(refs, name)
            if len(meant) > 1:
                # While it moves it stands on two hosts.
                meant = [ref for ref in meant if not self._stands_aside(ref)] or meant
            if len(meant) > 1:
                where = ", ".join(self._fleet.name(ref) for ref in meant[:4])
                raise ConfigError(f"{clean_line(name)} is the name of several", where, tell_choice(self._fleet, meant))
            if meant and name == meant[0].name:
                await self._check_alone(meant[0])
            row = self.resource.row(self._fleet.view, meant[0]) if meant else None
            if row is None:
                self.check_lists(f"no {self.resource.label} named {clean_line(name)} is known")
                self._check_home(name)
                raise await self._absent(name)
            found[meant[0]] = row
        return list(found.values())

    def find_labelled(self, selector: str) -> list[Any]:
        """All rows with those labels. Raises ConfigError, AbsentError, and as `check_lists` does."""
        listing = Listing(self.resource, self._fleet.view, self._fleet.clock())
        try:
            listing.set_filter(f"-l {shlex.quote(selector)}", self._fleet.clock())
        except FilterError as error:
            raise ConfigError(f"-l {clean_line(selector)} makes no sense", str(error)) from error
        rows = [listing.row(ref) for ref in listing.refs if self._is_in_scope(ref)]
        self.check_lists(f"no {self.resource.label} has {clean_line(selector)}", all_of_them=not rows)
        if not rows:
            raise AbsentError(f"no {self.resource.label} in {self._scope} has {clean_line(selector)}", code=404)
        return rows

    def find_site(self) -> Site:
        """Where something is to be made. Raises ConfigError when that is not clear, BackendError when nowhere, and
        AbsentError when there is no such namespace.
        """
        sites = [
            Site(
                backend.name,
                self._options.namespace or self._homes.get(backend.name, "") or "default",
                backend.info.platform,
            )
            for backend in self._fleet.backends.values()
        ]
        possible = [site for site in sites if not self._deed.action.when(site)]
        if not possible:
            raise BackendError("it can be made nowhere", self._deed.action.when(sites[0]))
        if len(possible) > 1:
            where = ", ".join(site.backend for site in possible)
            raise ConfigError("it is not clear where to make it", where, "give one --context or --host")
        if possible[0].platform is Platform.KUBERNETES:
            check_namespace(self._fleet, possible[0].namespace, [possible[0].backend])
        return possible[0]

    def check_lists(self, words: str, *, all_of_them: bool = True) -> None:
        """Raise UnreachableError or ForbiddenError where a list is missing, of that nothing can be said; all lists must
        be there, or one of them.
        """
        troubles = self.troubles
        feeds = self._fleet.feeds(self.resource.own)
        if not troubles or (not all_of_them and len(troubles) < len(feeds)):
            return
        feed = troubles[0]
        detail = f"{feed.backend}: {feed.detail}" if feed.detail else f"{feed.backend} did not answer in time"
        if feed.state is FeedState.FORBIDDEN:
            raise ForbiddenError(words, detail)
        if feed.state is FeedState.ABSENT:
            raise AbsentError(words, f"{feed.backend} has no {name_kind(feed.kind)}")
        # What is wrong comes first: the name may well be right.
        raise UnreachableError(detail, f"so {words}")

    def _check_home(self, name: str) -> None:
        """Raise AbsentError when the namespace that was given for a name is not there at all."""
        given = name.rpartition("/")[0] or ("" if self._everywhere else self._options.namespace or "")
        backends = list(self._fleet.backends.values())
        if given and len(backends) == 1 and backends[0].info.platform is Platform.KUBERNETES:
            check_namespace(self._fleet, given)

    def _stands_aside(self, ref: Ref) -> bool:
        """Whether it is only the other end of a move, which is shown in another row, or is yet to come."""
        row = self.resource.row(self._fleet.view, ref)
        return row is None or self.resource.arriving(row)

    def _find_of_kind(self, refs: Iterable[Ref], name: str) -> list[Ref]:
        """What is meant by a name that begins with a kind: ``vm/kvm-a/web``, and ``domain/web`` of a host only."""
        kind, _, rest = name.partition("/")
        resource = find_own(kind, [self.resource])
        kinds = {source.kind for source in resource.own} if resource is not None else set()
        return [ref for ref in refs if ref.kind in kinds and self._is_meant(ref, rest)]

    async def _check_alone(self, ref: Ref) -> None:
        """Raise ConfigError when the bare name of something on a host is also that of something in a namespace: that
        may be one that was not listed.
        """
        if ref.namespace:
            return
        others = [other for name in self._fleet.backends for other in await self._find_elsewhere(name, ref.name)]
        if others:
            found = [*others, ref]
            where = ", ".join(self._fleet.name(one) for one in found[:4])
            raise ConfigError(f"{clean_line(ref.name)} is the name of several", where, tell_choice(self._fleet, found))

    async def _find_elsewhere(self, context: str, name: str) -> list[Ref]:
        """What has that name in any namespace of a context; nothing where that may not be asked."""
        backend = self._fleet.backends[context]
        kind = next((one.kind for one in self.resource.own if one.namespaced), "")
        if not kind or not isinstance(backend, Finder):
            return []
        with suppress(BackendError):
            spaces = await backend.find_namespaces(Ref(context, kind, "", name))
            return [Ref(context, kind, space, name) for space in spaces]
        return []

    def _is_meant(self, ref: Ref, name: str) -> bool:
        if "/" in name and ref.namespace:
            return ref.path == name
        if name == ref.full_name:
            # A move needs both hosts known: there --host does not say which.
            return True
        # What has an owner is named VM/SNAPSHOT or POOL/VOLUME; without the owner where that is clear.
        alone = "" if ref.namespace or "/" in name else ref.name.rpartition("/")[2]
        return (name in (ref.name, alone) and self._is_in_scope(ref)) or (bool(ref.uid) and ref.uid == name)

    def _is_in_scope(self, ref: Ref) -> bool:
        if not ref.namespace:
            return not self._within
        home = self._options.namespace or self._homes.get(ref.backend, "")
        return self._everywhere or not home or ref.namespace == home

    @property
    def _scope(self) -> str:
        names = {self._options.namespace} if self._options.namespace else set(self._homes.values())
        placed = any(source.namespaced for source in self.resource.own)
        if self._everywhere or len(names) != 1 or not placed:
            return ", ".join(self._fleet.backends)
        return f"namespace {names.pop()} of {', '.join(self._fleet.backends)}"

    async def _absent(self, name: str) -> AbsentError:
        place = self._scope if "/" not in name else ", ".join(self._fleet.backends)
        on_hosts = [ref for ref in self.resource.refs(self._fleet.view) if not ref.namespace and ref.name == name]
        hint = f"there is {clean_line(on_hosts[0].full_name)}" if len(on_hosts) == 1 else ""
        for backend in self._fleet.backends.values():
            if isinstance(backend, Finder) and "/" not in name and not hint:
                with suppress(BackendError):
                    found = await backend.find_namespaces(Ref(backend.name, self.resource.own[0].kind, "", name))
                    hint = f"there is {clean_line(found[0])}/{clean_line(name)}" if len(found) == 1 else ""
        words = f"no {self.resource.label} named {clean_line(name)} in {place}"
        return AbsentError(words, hint=hint or self._tell_other_kinds(), code=404)

    def _tell_other_kinds(self) -> str:
        """For which kinds the verb is besides the usual one, where none was named."""
        verb, words = find_verbs(self._fleet.resources)[self._options.verb], self._options.words
        others = [kind_of(deed) for deed in verb.deeds if deed.resource.name != self.resource.name]
        if not others or (words and self._deed.is_called(words[0])):
            return ""
        return f"{verb.word} is for {', '.join(others)} too: kvtui {verb.word} {others[0]} NAME"


def _find_homes(options: Namespace, settings: Settings) -> Mapping[str, str]:
    """By context, the namespace of names without one; empty where only hosts are meant."""
    from kvtui.backends.kubernetes.kubeconfig import load_contexts, load_current_context

    if options.host and not options.context and options.kubeconfig is None:
        return {}
    try:
        contexts = {context.name: context.namespace for context in load_contexts(options.kubeconfig)}
        names = options.context or [load_current_context(options.kubeconfig).name]
    except ConfigError:
        # What is wrong with it is told when the fleet is made.
        return {}
    return {name: settings.for_context(name).namespace or contexts.get(name, "") or "default" for name in names}
