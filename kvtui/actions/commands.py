"""The verbs of the command line, made from the actions of all resources: which word does what to which kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.errors import ConfigError
from kvtui.resources.base import AnyAction, AnyResource

KIND_NEEDED: Final = frozenset({"delete"})
"""Verbs that never guess what kind of thing is meant."""
_USUAL: Final = "vms"
_OWNED: Final = "snapshots"
"""The resource that is meant where no kind is named."""


@dataclass(frozen=True)
class Deed:
    """An action of a resource."""

    resource: AnyResource
    action: AnyAction

    @property
    def makes(self) -> bool:
        """Whether it makes something that is not there yet."""
        return self.action in self.resource.makers

    def is_called(self, kind: str) -> bool:
        """Whether that word names the resource."""
        return kind.lower() in (self.resource.name, self.resource.label, *self.resource.aliases)


@dataclass(frozen=True)
class Verb:
    """A word of the command line, and all that it does."""

    word: str
    deeds: tuple[Deed, ...]

    @property
    def kinds(self) -> str:
        """The kinds that it is for, as they may be typed."""
        return ", ".join(kind_of(deed) for deed in self.deeds)

    @property
    def usual(self) -> Deed | None:
        """What is meant without a kind; None where one must be named."""
        if self.word in KIND_NEEDED:
            return None
        if len(self.deeds) == 1:
            return self.deeds[0]
        return next((deed for deed in self.deeds if deed.resource.name == _USUAL), None)

    def choose(self, words: Sequence[str], *, alone: bool) -> tuple[Deed, list[str]]:
        """What is meant by the words behind the verb, and the names among them; with `alone` a kind may stand without
        a name. Raises ConfigError.

        A first word that names a kind is one, if something follows it or may be left out.
        """
        deed = next((deed for deed in self.deeds if words and deed.is_called(words[0])), None)
        if deed is not None and (len(words) > 1 or alone or self.usual is None):
            return deed, list(words[1:])
        if self.usual is None:
            raise ConfigError(f"{self.word} needs a kind", f"it is for {self.kinds}",
                              f"kvtui {self.word} {kind_of(self.deeds[0])} NAME")  # fmt: skip
        return self.usual, list(words)

    def choose_owned(self, words: Sequence[str]) -> Deed | None:
        """What is meant by names as only things with an owner have them on a host: ``kvtui revert VM/SNAPSHOT``."""
        if not words or not all("/" in word for word in words):
            return None
        return next((deed for deed in self.deeds if deed.resource.name == _OWNED), None)


def kind_of(deed: Deed) -> str:
    """The word for a kind that the command line shows: the shortest of those that say what it is."""
    return deed.resource.aliases[0] if deed.resource.aliases else deed.resource.name


def find_verbs(resources: Iterable[AnyResource]) -> Mapping[str, Verb]:
    """All verbs, by their words, in the order of the alphabet."""
    deeds: dict[str, list[Deed]] = {}
    for resource in resources:
        for action in resource.verbs:
            for word in dict.fromkeys((action.command, *(variant.command for _, variant in action.variants))):
                if word:
                    deeds.setdefault(word, []).append(Deed(resource, action))
    return {word: Verb(word, tuple(deeds[word])) for word in sorted(deeds)}
