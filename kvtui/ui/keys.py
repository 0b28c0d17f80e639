"""The user's keys: every binding that has a name may have another key, but none may take one that is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textual.binding import Binding

from kvtui.chords import spell_all
from kvtui.errors import ConfigError
from kvtui.resources.base import AnyResource
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.screens.help import name_key
from kvtui.ui.screens.main import MainScreen
from kvtui.ui.screens.problems import ACKNOWLEDGE
from kvtui.ui.table import LiveTable

_KEPT = frozenset({"escape", "enter", "ctrl+c", "ctrl+p", *"0123456789"})
"""Keys that nothing else may have."""
_HINT = "see README, Keys"


def list_bindings() -> list[Binding]:
    """The bindings of the list and its panes, each with its tooltip, as help and README show them; and what is done
    among all problems, for no habit of the list may do that.
    """
    owners: Iterable[Any] = (MainScreen, ResourcePane, LiveTable)
    listed = [binding for owner in owners for binding in owner.BINDINGS if isinstance(binding, Binding)]
    return [*listed, ACKNOWLEDGE]


def check_keys(keys: Mapping[str, str], resources: Sequence[AnyResource]) -> None:
    """Raises ConfigError when a name is unknown, or a key is taken by two that can be meant at once."""
    everywhere = {binding.id or binding.action: binding.key for binding in list_bindings()}
    named = {binding.id for binding in list_bindings() if binding.id}
    actions = {action.id: action.key for resource in resources for action in resource.verbs}
    for name, text in keys.items():
        if name not in named and name not in actions:
            known = ", ".join(sorted([*named, *actions]))
            raise ConfigError(f'[keys] knows nothing of the name "{name}"', f"the names are {known}", _HINT)
        try:
            spell_all(text)
        except ValueError as error:
            raise ConfigError(f'[keys] "{name}": {error}', "", _HINT) from None
    taken = _claim({}, everywhere, keys)
    for resource in resources:
        _claim(taken, {action.id: action.key for action in resource.verbs}, keys)


def spell_keys(keys: Mapping[str, str]) -> dict[str, str]:
    """The same keys in Textual's spelling."""
    return {name: spell_all(text) for name, text in keys.items()}


def _claim(taken: Mapping[str, str], defaults: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, str]:
    """By key, whose it is, after these have theirs too."""
    claimed = dict(taken)
    for name, default in defaults.items():
        # What is only in a menu has none.
        for chord in filter(None, (spell_all(keys[name]) if name in keys else default).split(",")):
            other = claimed.setdefault(chord, name)
            kept = name in keys and chord in _KEPT
            if other != name or kept:
                setting = name if name in keys else other
                owner = (name if setting == other else other) if other != name else "kvtui itself"
                raise ConfigError(f'[keys] "{setting}": the key {name_key(chord)} is taken by {owner}', "", _HINT)
    return claimed
