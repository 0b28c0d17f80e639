"""One layer of a stack, and how it is found: it is there, it is not, or nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kvtui.model import FeedState, Health, Ref, Tone
from kvtui.records.base import Record
from kvtui.store import View

SHOWN_ABOVE = "see above"
"""The note of a layer whose own layers were told already."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Something that stands on what is below it."""

    role: str
    """What it is to what is above it: ``PVC``, ``launcher``, ``disk``."""
    name: str
    ref: Ref | None = None
    """The object; None for what is no object of its own, and for what cannot be seen."""
    health: Health | None = None
    """What is known of its health here; None where its object tells more."""
    note: str = ""
    """What else there is to say."""
    below: tuple[Layer, ...] = ()
    sought: Ref | None = None
    """Of an object that the view does not have: which that would be."""
    quiet: bool = False
    """Whether it is worth a line only where something was found in it, as what is over is."""


@dataclass(frozen=True, slots=True)
class Stack:
    """An object between what stands on it and what it stands on."""

    above: tuple[Layer, ...]
    base: Layer


class Walk:
    """A way down: each object is gone into once, however many things stand on it, and a ring ends."""

    def __init__(self, view: View, node: str = "") -> None:
        """`node` is the one that a VM at the top runs on: drivers are told as they are there."""
        self.view = view
        self.node = node
        self._seen: set[tuple[str, ...]] = set()

    def enter(self, ref: Ref) -> bool:
        """Whether nobody was here before."""
        known = ref[:4] in self._seen
        self._seen.add(ref[:4])
        return not known

    def knows(self, ref: Ref) -> bool:
        """Whether somebody was here before."""
        return ref[:4] in self._seen


def missing(view: View, type_: type[Record], role: str, backend: str, namespace: str, name: str) -> Layer:
    """The layer of an object that the view does not have: it does not exist, or why nobody can tell."""
    ref = Ref(backend, type_.KIND, namespace, name)
    return Layer(role, ref.path, None, tell_absence(view, backend, type_), sought=ref)


def tell_absence(view: View, backend: str, type_: type[Record]) -> Health:
    """What it means that an object is not among those of its kind."""
    feed = view.feed(backend, type_.KIND)
    if feed.state is FeedState.LOADING:
        watched = any((one.backend, one.kind) == (backend, type_.KIND) for one in view.feeds())
        return Health(Tone.BUSY, "loading") if watched else Health(Tone.MUTED, "not watched")
    match feed.state:
        case FeedState.FORBIDDEN:
            return Health(Tone.MUTED, "forbidden", "this account may not list its kind")
        case FeedState.ABSENT:
            return Health(Tone.MUTED, "not installed", feed.detail)
        case FeedState.FAILED:
            return Health(Tone.WARN, "not known", feed.detail)
        case FeedState.STALE:
            return Health(Tone.WARN, "not known", "it did not exist when its kind was last heard of")
    if feed.detail:
        # Only one namespace is listed.
        return Health(Tone.MUTED, "not known", feed.detail)
    if feed.polled:
        return Health(Tone.WARN, "not found", "it did not exist at the last look")
    return Health(Tone.BAD, "does not exist")


def tell_blindness(view: View, backend: str, type_: type[Record]) -> Health | None:
    """Why nobody can tell whether there are objects of a kind; None where that is known."""
    absence = tell_absence(view, backend, type_)
    return absence if absence.word in {"forbidden", "loading", "not known"} else None


def counted(role: str, names: list[str], note: str = "") -> Layer:
    """Many of a kind in one line: how many, and which the first few are."""
    listed = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Layer(role, str(len(names)), None, None, note or f"{listed}{more}")


_NAMED = 4


def told_once(walk: Walk, layer: Layer, below: Iterator[Layer]) -> Layer:
    """A layer with what it stands on, unless that was told already."""
    assert layer.ref is not None
    if not walk.enter(layer.ref):
        return replace(layer, note=SHOWN_ABOVE)
    return replace(layer, below=tuple(below))


def lines_of(stack: Stack) -> Iterator[tuple[int, Layer]]:
    """All layers from the top down, each with how deep it is: what an object stands on is below it, one deeper."""
    for layer in stack.above:
        yield 0, layer
    yield from _below(stack.base, 1 if stack.above else 0)


def _below(layer: Layer, depth: int) -> Iterator[tuple[int, Layer]]:
    yield depth, layer
    for one in layer.below:
        yield from _below(one, depth + 1)
