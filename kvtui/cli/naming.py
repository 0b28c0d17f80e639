"""The object that a command is about: ``[KIND/][NAMESPACE/]NAME``, and on hosts ``[KIND/][HOST/]NAME``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from kvtui.backends.base import Source
from kvtui.cli.judging import Judged
from kvtui.cli.lists import say_missing
from kvtui.cli.spaces import check_namespace
from kvtui.errors import AbsentError, ConfigError, UnreachableError
from kvtui.fleet import Fleet, all_sources
from kvtui.model import Feed, FeedState, Platform, Ref
from kvtui.records.kubernetes import Namespace, Node
from kvtui.records.storage import PersistentVolume, StorageClass
from kvtui.resources import find, find_own, fold
from kvtui.resources.base import AnyResource
from kvtui.text import clean_line
from kvtui.triage.hearsay import OWNERS, WORKLOADS
from kvtui.triage.problems import Problem, label_of
from kvtui.unseen import name_right

_NAMED: Final = 5
"""Objects that a sentence names before it counts the rest."""
_KINDS: Final = ("vms", "nodes", "migrations", "imports")
"""Where a name without a kind is looked for first."""


class Named(NamedTuple):
    """An object that was found, with its row."""

    resource: AnyResource
    ref: Ref
    row: Any


_BARE: Final = frozenset(one.KIND for one in (Node, Namespace, PersistentVolume, StorageClass))
"""Kinds whose names have no slash in them, for they are in no namespace."""
_UNLISTED: Final = {
    "controlplane": "KubeadmControlPlane",
    "bastion": "Bastion",
    **{fold(word): kind for kind, label in {**WORKLOADS, **OWNERS}.items() for word in (label, kind)},
    "affinity": "NodeAffinity",
    "cordon": "Cordon",
    "cpu": "CPU",
    "cpufeature": "CPUFeature",
    "cpumodel": "CPUModel",
    "device": "Device",
    "drain": "Drain",
    "hostcpu": "HostCPU",
    "label": "Label",
    "machinetype": "MachineType",
    "memory": "Memory",
    "taint": "Taint",
}
"""Kinds that problems are told of, and that have no list of their own, by the words for them."""


class Subject(NamedTuple):
    """What is asked about: an object of a list with its row, or what only problems name."""

    label: str
    ref: Ref
    row: Any
    """None for what is only named."""
    resource: AnyResource | None = None


def find_subject(fleet: Fleet, text: str, namespace: str | None, judged: Judged) -> Subject:
    """What is named as a list or a problem prints it: ``vm/shop/db-2``, ``class/nfs-archive`` though there is no such
    class, ``quota/tight/small``. Raises AbsentError, UnreachableError, ConfigError.
    """
    word, slash, name = text.partition("/")
    kind = unlisted_kind(word, fleet) if slash else ""
    told = _find_told(fleet, text, namespace, judged.problems)
    if kind:
        found = told or _find_part(fleet, kind, name, namespace)
        if found is None:
            raise AbsentError(f"there is no {clean_line(word)} {clean_line(name)} that anything is told of", code=404)
        return found
    try:
        resource, ref, row = find_named(fleet, *read_name(text, fleet), namespace, judged.lacking)
    except (AbsentError, UnreachableError):
        if told is None:
            raise
        return told
    return Subject(resource.label, ref, row, resource)


def check_kind(text: str, fleet: Fleet) -> None:
    """Raise ConfigError where a name begins with what is no kind at all: before anybody is asked."""
    if not unlisted_kind(text.partition("/")[0], fleet):
        read_name(text, fleet)


def unlisted_kind(word: str, fleet: Fleet) -> str:
    """The kind that a word means and that has no list; empty where there is one, or no such kind."""
    if find(word, fleet.resources) is not None:
        return ""
    kinds = {fold(kind): kind for kind in (*_UNLISTED.values(), *(one.kind for one in all_sources(fleet.resources)))}
    return _UNLISTED.get(fold(word)) or kinds.get(fold(word), "")


def _find_told(fleet: Fleet, text: str, namespace: str | None, problems: Sequence[Problem]) -> Subject | None:
    """What a problem is of, or names as its cause, by its label, its kind, or neither."""
    word, slash, name = text.partition("/")
    listed = find(word, fleet.resources) if slash else None
    kinds = {source.kind for source in listed.own} if listed is not None else set()
    for finding in chain.from_iterable(problem.findings for problem in problems):
        spoken = [(one.label, one.subject) for one in (finding.at_root,) if one is not None]
        roots = spoken or [(label_of(finding.root), finding.root)] if finding.root is not None else []
        for label, ref in ((finding.label, finding.subject), *roots):
            meant = fold(word) in (fold(label), fold(ref.kind)) or ref.kind in kinds
            if _is_named(ref, name if meant else text, namespace):
                return Subject(label, ref, fleet.view.record(ref))
    return None


def _find_part(fleet: Fleet, kind: str, name: str, namespace: str | None) -> Subject | None:
    """An object of a kind that is looked at for the sake of others."""
    for source in all_sources(fleet.resources):
        for ref, record in fleet.view.items(source.type) if source.kind == kind else ():
            if _is_named(ref, name, namespace):
                return Subject(label_of(ref), ref, record)
    return None


def _is_named(ref: Ref, name: str, namespace: str | None) -> bool:
    return name in ref.names and (not namespace or ref.namespace in ("", namespace))


def read_name(text: str, fleet: Fleet) -> tuple[AnyResource | None, str]:
    """``NAME``, ``NAMESPACE/NAME`` or ``HOST/NAME``, with or without ``KIND/`` before it. Raises ConfigError."""
    kind, slash, rest = text.partition("/")
    resource = find_own(kind, fleet.resources) if slash else None
    if resource is None and rest.count("/") and kind not in fleet.backends:
        known = ", ".join(resource.name for resource in fleet.resources)
        raise ConfigError(f"there is no kind {clean_line(kind)}", f"known are {known}")
    return (resource, rest) if resource is not None else (None, text)


def find_named(
    fleet: Fleet, kind: AnyResource | None, name: str, namespace: str | None, lacking: Sequence[Feed]
) -> Named:
    """The object of that name; `lacking` are the lists that are not known. Raises AbsentError, UnreachableError where
    it may be in one of those, ConfigError when it is the name of several.
    """
    for resource in _candidates(fleet, kind):
        refs = sorted(ref for ref in resource.refs(fleet.view) if name in ref.names)
        if namespace:
            # What is in no namespace is meant where nothing in that one has the name.
            refs = [ref for ref in refs if ref.namespace == namespace] or [ref for ref in refs if not ref.namespace]
        # While a VM moves it stands on two hosts: what runs is meant.
        refs = [ref for ref in refs if not _stands_aside(fleet, resource, ref)] or refs
        if len(refs) > 1:
            where = ", ".join(fleet.name(ref) for ref in refs[:_NAMED])
            raise ConfigError(f"{clean_line(name)} is the name of several", where, tell_choice(fleet, refs))
        row = resource.row(fleet.view, refs[0]) if refs else None
        if row is not None:
            return Named(resource, refs[0], row)
    check_namespace(fleet, namespace or _namespace_in(fleet, name))
    label = kind.label if kind is not None else "object"
    dark = _may_hold(_candidates(fleet, kind), name, lacking)
    if dark:
        rights = ", ".join(name_right(source) for source, feed in dark if feed.state is FeedState.FORBIDDEN)
        told = say_missing((feed for _, feed in dark), fleet)
        hint = f"ask for list and watch on {rights}" if kind is not None and rights else ""
        raise UnreachableError(f"no {label} named {clean_line(name)} is known", "; ".join(told), hint)
    if kind is not None and (labels := _labels_of(kind)):
        raise _not_watched(kind, labels, namespace or _namespace_in(fleet, name), name)
    raise AbsentError(f"there is no {label} named {clean_line(name)}", code=404)


def _labels_of(kind: AnyResource) -> list[str]:
    """The labels of which an object must have one to be watched; empty where all of the kind are."""
    kinds = {source.kind for source in kind.own}
    labels = [source.label_selector for source in kind.sources if source.kind in kinds]
    return labels if all(labels) else []


def _not_watched(kind: AnyResource, labels: Sequence[str], namespace: str, name: str) -> AbsentError:
    """What there is to say of a name that none of those bears which are watched: whether it exists is not known."""
    where = f" -n {namespace}" if namespace else ""
    return AbsentError(
        f"no {kind.label} named {clean_line(name)} is watched",
        f"kvtui watches only {kind.name} with label {' or '.join(labels)}",
        clean_line(f"kubectl describe {kind.label}{where} {name.rpartition('/')[2]}"),
        code=404,
    )


def _may_hold(resources: Iterable[AnyResource], name: str, lacking: Sequence[Feed]) -> list[tuple[Source, Feed]]:
    """The lists that are not known and may have an object of that name."""
    sources = {source.feed: source for resource in resources for source in resource.own}
    without = _BARE if "/" in name else frozenset()
    return [(sources[one.kind], one) for one in lacking if one.kind in sources and one.kind not in without]


def _namespace_in(fleet: Fleet, name: str) -> str:
    """The namespace that a name begins with; on hosts that may be a pool or a VM."""
    platforms = {backend.info.platform for backend in fleet.backends.values()}
    return name.rpartition("/")[0] if platforms == {Platform.KUBERNETES} else ""


def tell_choice(fleet: Fleet, refs: Sequence[Ref]) -> str:
    """What to write so that one of several is meant: ``say which: kvm-a/web or kvm-b/web``; where they share also that,
    as one of a namespace and one of a host of that name do, with the option that tells them apart.
    """
    counts = Counter(ref.full_name for ref in refs)
    forms = [
        ref.full_name if counts[ref.full_name] == 1 else f"{ref.full_name} {_tell_backend(fleet, ref)}"
        for ref in refs[:_NAMED]
    ]
    return f"say which: {clean_line(' or '.join(forms))}"


def _tell_backend(fleet: Fleet, ref: Ref) -> str:
    is_host = fleet.backends[ref.backend].info.platform is Platform.LIBVIRT
    return f"{'--host' if is_host else '--context'} {ref.backend}"


def _stands_aside(fleet: Fleet, resource: AnyResource, ref: Ref) -> bool:
    """Whether it is only the other end of a move, which is shown in another row, or is yet to come."""
    row = resource.row(fleet.view, ref)
    return row is None or resource.arriving(row)


def _candidates(fleet: Fleet, kind: AnyResource | None) -> list[AnyResource]:
    if kind is not None:
        return [kind]
    return sorted(
        (resource for resource in fleet.resources if resource.name != "events"),
        key=lambda resource: _KINDS.index(resource.name) if resource.name in _KINDS else len(_KINDS),
    )
