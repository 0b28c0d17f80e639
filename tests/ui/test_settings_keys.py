"""Keys of the configuration: what cannot be meant is said before the screen opens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kvtui.config import Settings
from kvtui.errors import ConfigError
from kvtui.fleet import Fleet
from kvtui.resources import RESOURCES
from kvtui.ui.app import KvtuiApp
from kvtui.ui.keys import check_keys, spell_keys


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"vm.start": "f5"},
        {"vm.start": "S", "vm.stop": "s"},
        {"main.zoom": "Z", "main.alone": "z"},
        {"main.quit": "f10", "vm.start": "q"},
        {"migration.cancel": "m"},
        {"list.first": "home"},
    ],
)
def test_keys_that_can_be_told_apart(keys: dict[str, str]) -> None:
    check_keys(keys, RESOURCES)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"vm.begin": "f5"}, r'^\[keys\] knows nothing of the name "vm.begin": the names are .*vm.start'),
        ({"vm.start": "S"}, r'^\[keys\] "vm.start": the key S is taken by vm.stop'),
        ({"vm.start": "f5", "vm.stop": "f5"}, r"the key f5 is taken by vm.start"),
        ({"vm.start": "q"}, r'^\[keys\] "vm.start": the key q is taken by main.quit'),
        ({"vm.start": "?"}, r'^\[keys\] "vm.start": the key \? is taken by main.help'),
        ({"vm.start": "slash"}, r"the key / is taken by main.filter"),
        ({"vm.start": ":"}, r"the key : is taken by main.goto"),
        ({"vm.start": "f5,escape"}, r'^\[keys\] "vm.start": the key esc is taken by '),
        ({"main.zoom": "enter"}, r'^\[keys\] "main.zoom": the key enter is taken by '),
        ({"main.zoom": "3"}, r'^\[keys\] "main.zoom": the key 3 is taken by '),
        ({"vm.start": "ctrl+nosuch"}, r'^\[keys\] "vm.start": there is no key .ctrl\+nosuch'),
        ({"vm.start": "A"}, r'^\[keys\] "vm.start": the key A is taken by problems.acknowledge'),
        ({"main.zoom": "s"}, r'^\[keys\] "main.zoom": the key s is taken by vm.start'),
    ],
)
def test_keys_that_cannot_be_told_apart(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_keys(keys, RESOURCES)


def test_keys_are_taken_as_people_write_them() -> None:
    assert spell_keys({"vm.start": "], F5, ctrl+\\"}) == {"vm.start": "right_square_bracket,f5,ctrl+backslash"}


def test_the_screen_does_not_open_with_keys_that_cannot_be_meant() -> None:
    async def connect(_contexts: Sequence[str]) -> Fleet:
        raise AssertionError

    with pytest.raises(ConfigError):
        KvtuiApp(connect, Settings(keys={"vm.start": "q"}))
