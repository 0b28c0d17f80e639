"""Where a pod or a volume may be: taints and tolerations, and what labels of nodes have to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sys import intern

from kvtui.records.base import Struct
from kvtui.text import quantity


class Taint(Struct):
    """A taint of a node."""

    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None

    @property
    def words(self) -> str:
        """As kubectl writes it: ``firmware=pending:NoSchedule``."""
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


class Toleration(Struct):
    """A taint that a pod bears."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None

    def __post_init__(self) -> None:
        self.key = intern(self.key)
        self.operator = intern(self.operator)
        self.effect = intern(self.effect)

    def bears(self, taint: Taint) -> bool:
        """Whether it is about this taint; an empty key or effect is about any."""
        if self.effect not in ("", taint.effect) or self.key not in ("", taint.key):
            return False
        return self.operator == "Exists" or self.value == taint.value


_SHARED_MOST = 1024
_shared: dict[tuple[tuple[str, str, str, str], ...], tuple[Toleration, ...]] = {}


def share_tolerations(tolerations: tuple[Toleration, ...]) -> tuple[Toleration, ...]:
    """One tuple for all equal ones that came lately: most pods of a fleet bear the same few taints."""
    if len(_shared) >= _SHARED_MOST:
        _shared.clear()
    return _shared.setdefault(tuple((one.key, one.operator, one.value, one.effect) for one in tolerations), tolerations)


class Expression(Struct):
    """One of ``matchExpressions``."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """``zone in fra-a, fra-b``."""
        return f"{self.key} {self.operator.lower()} {', '.join(self.values)}".rstrip()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether it is true of a node with these labels."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        if self.operator in ("Gt", "Lt"):
            has, wants = quantity(value), quantity(next(iter(self.values), None))
            return has is not None and wants is not None and (has > wants if self.operator == "Gt" else has < wants)
        return (value is not None) == (self.operator == "Exists")


class Term(Struct):
    """One of ``nodeSelectorTerms``."""

    match_expressions: tuple[Expression, ...] = ()

    @property
    def words(self) -> str:
        """All of it in a line."""
        return " and ".join(one.words for one in self.match_expressions)


def fits(terms: Sequence[Term], labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels is meant: all expressions of one of the terms are true; no terms mean all."""
    return not terms or any(all(one.holds(labels) for one in term.match_expressions) for term in terms)


class Required(Struct):
    """``required`` of a volume's ``nodeAffinity``, and what is required of nodes while a pod is scheduled."""

    node_selector_terms: tuple[Term, ...] = ()
