"""``make readme``: the table of keys in README.md, from the declarations that the keys themselves are made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from textual.binding import Binding

from kvtui.resources import RESOURCES
from kvtui.ui.app import KvtuiApp
from kvtui.ui.keys import list_bindings
from kvtui.ui.screens.help import name_key

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- keys: made by `make readme` from the program's own declarations -->"
END = "<!-- end of keys -->"


def key_lines() -> Iterator[str]:
    """The table."""
    yield "| key | what it does | name |"
    yield "|---|---|---|"
    for binding in [*list_bindings(), *KvtuiApp.BINDINGS]:
        if isinstance(binding, Binding) and binding.tooltip:
            yield _row(binding.key, binding.tooltip, binding.id or "")
    for resource in RESOURCES:
        for action in resource.actions:
            yield _row(action.key, f"{resource.title}: {action.help}", action.id)


def _row(key: str, meaning: str, name: str) -> str:
    return f"| `{name_key(key)}` | {meaning} | {f'`{name}`' if name else ''} |"


def render(text: str) -> str:
    """The README with its table renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(key_lines()) + "\n" + END + after


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")
