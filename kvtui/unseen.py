"""The layers under an object of which nobody can tell, the nearest first, and what it takes to see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Source
from kvtui.fleet import all_sources
from kvtui.joins.kinds import by_weight
from kvtui.joins.layers import lines_of
from kvtui.joins.stack import stack_of
from kvtui.model import FeedState, Ref
from kvtui.store import View
from kvtui.text import name_few

_WORDS: Final = {"forbidden": "forbidden", "loading": "not answered yet", "not known": "not known"}
"""By the word that a stack has for it."""
_NAMED: Final = 4
"""Layers or kinds that a sentence names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A layer that is there for all anybody knows, and that cannot be seen."""

    role: str
    ref: Ref
    """What it is, without a uid; without a name where even that is not known."""
    state: str
    reason: str = ""
    """The server's words, where it has any."""

    @property
    def name(self) -> str:
        """Its role and name: ``node worker-3``."""
        return f"{self.role} {self.ref.path}".rstrip(" /") if self.ref.name else self.role


def unseen_layers(view: View, ref: Ref) -> list[Unseen]:
    """Those of one object, the nearest first."""
    stack = stack_of(view, ref)
    lines = list(lines_of(stack)) if stack is not None else []
    own = next((depth for depth, layer in lines if stack is not None and layer is stack.base), 0)
    found: dict[Ref, Unseen] = {}
    for _, layer in sorted(lines, key=lambda line: abs(line[0] - own)):
        state = _WORDS.get(layer.health.word, "") if layer.health is not None else ""
        if layer.sought is not None and layer.health is not None and state:
            # That a kind may not be listed is said by its state already.
            reason = "" if state == "forbidden" else layer.health.reason
            found.setdefault(layer.sought, Unseen(layer.role, layer.sought, state, reason))
    return list(found.values())


def name_unseen(unseen: Sequence[Unseen]) -> str:
    """All of them in one clause, those of one state together: ``node worker-3, PV pvc-1: forbidden``."""
    groups: dict[str, list[str]] = {}
    for one in unseen:
        groups.setdefault(f"{one.state} ({one.reason})" if one.reason else one.state, []).append(one.name)
    return "; ".join(f"{name_few(names, _NAMED)}: {state}" for state, names in groups.items())


def tell_way(unseen: Sequence[Unseen]) -> str:
    """What to do to see them: which rights are needed, the weightiest first, and what somebody who has them looks at.
    Empty where none helps.
    """
    sources = {source.kind: source for source in all_sources()}
    forbidden = [one for one in unseen if one.state == FeedState.FORBIDDEN.value and one.ref.kind in sources]
    if not forbidden:
        return ""
    kinds = by_weight(one.ref.kind for one in forbidden)
    rights = name_few([name_right(sources[kind]) for kind in kinds], _NAMED)
    looks = _commands(sorted((one.ref for one in forbidden), key=lambda ref: kinds.index(ref.kind)), sources)
    return f"ask for list and watch on {rights}, or have somebody who may look: {'; '.join(looks)}"


def name_right(source: Source) -> str:
    """A kind as rights name it: ``storageclasses.storage.k8s.io``."""
    return f"{source.plural}.{source.group}" if source.group else source.plural


def _commands(refs: Iterable[Ref], sources: Mapping[str, Source]) -> Iterator[str]:
    """What shows them: all of one namespace, or of none, at once; where no name is known, all of the kind."""
    named: dict[str, list[str]] = {}
    for ref in refs:
        right = name_right(sources[ref.kind])
        if ref.name:
            named.setdefault(ref.namespace, []).append(f"{right}/{ref.name}")
        else:
            where = f" -n {ref.namespace}" if ref.namespace else " -A" if sources[ref.kind].namespaced else ""
            yield f"kubectl describe {right}{where}"
    for namespace, names in named.items():
        yield f"kubectl describe {' '.join(names[:_NAMED])}{f' -n {namespace}' if namespace else ''}"
