"""``make readme``: the tables of keys and of rules in README.md, from the program's own declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from textual.binding import Binding

from kvtui.resources import RESOURCES
from kvtui.triage.rules import RULES
from kvtui.triage.runbooks import RUNBOOKS
from kvtui.ui.app import KvtuiApp
from kvtui.ui.consoles.menu import MENU
from kvtui.ui.keys import list_bindings
from kvtui.ui.screens.help import name_key

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- keys: made by `make readme` from the program's own declarations -->"
END = "<!-- end of keys -->"
RULES_BEGIN = "<!-- rules: made by `make readme` from the program's own declarations -->"
RULES_END = "<!-- end of rules -->"
MENU_BEGIN = "<!-- console menu: made by `make readme` from the program's own declarations -->"
MENU_END = "<!-- end of console menu -->"


def key_lines() -> Iterator[str]:
    """The table."""
    yield "| key | what it does | name |"
    yield "|---|---|---|"
    for binding in [*list_bindings(), *KvtuiApp.BINDINGS]:
        if isinstance(binding, Binding) and binding.tooltip:
            yield _row(binding.key, binding.tooltip, binding.id or "")
    for resource in RESOURCES:
        for action in resource.verbs:
            yield _row(action.key, f"{resource.title}: {action.help}", action.id, action.label)


def _row(key: str, meaning: str, name: str, label: str = "") -> str:
    """What has no key is in the menu of actions by its label."""
    keys = f"`{name_key(key)}`" if key else f"`a` {label}"
    return f"| {keys} | {meaning} | {f'`{name}`' if name else ''} |"


def menu_lines() -> Iterator[str]:
    """The table of a console's menu."""
    yield "| key | entry | what it does |"
    yield "|---|---|---|"
    for item in MENU:
        yield f"| `{item.key}` | {item.label} | {item.help} |"


def rule_lines() -> Iterator[str]:
    """The table of rules."""
    yield "| rule | what it detects | severity | runbooks |"
    yield "|---|---|---|---|"
    for rule in RULES:
        runbooks = ", ".join(dict.fromkeys(one.name for one in RUNBOOKS if one.rule == rule.id))
        yield f"| `{rule.id}` | {rule.detects} | {rule.severities} | {runbooks} |"


def render(text: str) -> str:
    """The README with its tables renewed."""
    text = _replace(text, BEGIN, END, key_lines())
    text = _replace(text, MENU_BEGIN, MENU_END, menu_lines())
    return _replace(text, RULES_BEGIN, RULES_END, rule_lines())


def _replace(text: str, begin: str, end: str, lines: Iterable[str]) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + "\n" + "\n".join(lines) + "\n" + end + after


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")
