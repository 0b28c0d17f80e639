"""What may be typed after ``:``, how it is completed, and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kvtui.model import Platform
from kvtui.resources import resources_for
from kvtui.resources.base import AnyResource

ALL = "all"
"""Typed for a namespace or context: every one."""
_SHOWN = 12


@dataclass(frozen=True)
class Places:
    """Where one can go."""

    resources: Sequence[AnyResource]
    namespaces: Sequence[str] = ()
    contexts: Sequence[str] = ()
    themes: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """Where a text leads: what is None stays as it is."""

    resource: str | None = None
    namespace: str | None = None
    """Empty for all."""
    filter: str | None = None
    context: str | None = None
    """Empty for all."""
    theme: str | None = None
    word: str | None = None
    """``problems``, ``jobs`` (what was done), ``help`` or ``quit``."""


_WORDS = {"problems": "problems", "actions": "jobs", "help": "help", "quit": "quit", "q": "quit"}


def complete(text: str, places: Places) -> list[str]:
    """What the text may become: first what begins so, then what holds it elsewhere."""
    head, blank, tail = text.lstrip().partition(" ")
    if not blank:
        names = [resource.name for resource in places.resources]
        aliases = [alias for resource in places.resources for alias in resource.aliases if head and alias == head]
        verbs = [
            "ns ",
            *(["ctx "] if len(places.contexts) > 1 else []),
            "theme ",
            "problems",
            "actions",
            "help",
            "quit",
        ]
        return _ranked(head, [*names, *aliases, *verbs])
    return [f"{head} {value}" for value in _ranked(tail.strip(), _values(head, places))]


def _values(head: str, places: Places) -> Sequence[str]:
    if head == "ns" or find_resource(head, places.resources) is not None:
        return [ALL, *places.namespaces]
    if head == "ctx":
        return places.contexts
    return places.themes if head == "theme" else ()


def _ranked(typed: str, candidates: Sequence[str]) -> list[str]:
    begins = [candidate for candidate in candidates if candidate.startswith(typed)]
    holds = [candidate for candidate in candidates if typed in candidate and candidate not in begins]
    return (begins + holds)[:_SHOWN]


def find_resource(word: str, resources: Sequence[AnyResource]) -> AnyResource | None:
    """The resource of that name or alias."""
    word = word.lower()
    return next((resource for resource in resources if word in (resource.name, *resource.aliases)), None)


def understand(text: str, places: Places) -> Target:
    """What the text means. Raises ValueError with a sentence when it leads nowhere."""
    head, *rest = text.split()
    value = rest[0] if rest else ""
    names_namespace = head in ("ns", "namespace") and bool(rest)
    resource = find_resource(head, places.resources)
    if resource is not None and not names_namespace:
        return _rows(resource, rest, places)
    if len(rest) > 1:
        raise ValueError(f'"{" ".join(rest[1:])}" is one word too many')
    if head in _WORDS and not rest:
        return Target(word=_WORDS[head])
    if names_namespace:
        return Target(namespace=_pick(value, places.namespaces, "namespace"))
    if head in ("ctx", "context"):
        if value not in places.contexts:
            raise ValueError(f"no context {value!r}; there are {', '.join(places.contexts)}")
        return Target(context=value)
    if head == "theme":
        if value not in places.themes:
            raise ValueError(f"no theme {value!r}; there are {', '.join(places.themes)}")
        return Target(theme=value)
    for platform, keeper in _KEEPERS.items():
        if find_resource(head, resources_for([platform])) is not None:
            raise ValueError(f"for {head} {keeper}")
    names = ", ".join(resource.name for resource in places.resources)
    raise ValueError(f"nothing is called {head!r}; there are {names} and ns NAME")


_KEEPERS = {
    Platform.KUBERNETES: "a cluster must be open, and none is: kvtui --context NAME",
    Platform.LIBVIRT: "a libvirt host must be open, and none is: kvtui --host URI",
}
"""Who has what is not here, and how to come to that."""


def _rows(resource: AnyResource, words: Sequence[str], places: Places) -> Target:
    """A namespace may follow a resource, and then a filter, or the filter alone."""
    namespace = None
    if words and (words[0] == ALL or words[0] in places.namespaces):
        namespace, words = _pick(words[0], places.namespaces, "namespace"), words[1:]
    return Target(resource.name, namespace, " ".join(words) or None)


def _pick(value: str, known: Sequence[str], noun: str) -> str:
    if value in ("", ALL):
        return ""
    if value not in known:
        raise ValueError(f"no {noun} {value!r} is in sight")
    return value
