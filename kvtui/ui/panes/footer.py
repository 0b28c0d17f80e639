"""The last line: the keys of the focused pane. A key that is impossible on the chosen rows stands in parentheses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kvtui.resources.base import AnyAction
from kvtui.ui.bar import Bar, Piece
from kvtui.ui.screens.help import name_key

ALWAYS = (("slash", "filter"), ("colon", "go to"), ("exclamation_mark", "faults"), ("question_mark", "help"))
"""Keys that every pane has, with their words."""


class Footer(Bar):
    """Keys and their words. It is drawn anew only when a word or a reason changed."""

    def show_actions(
        self, actions: Iterable[AnyAction], reasons: Mapping[str, str], keys: Mapping[str, str], more: Iterable[Piece]
    ) -> None:
        """Show actions (`reasons` says of each why it is impossible, or nothing; `keys` what the user bound it to)."""
        left: list[Piece] = [Piece(" ")]
        for rank, action in enumerate((action for action in actions if action.footer), start=2):
            key = keys.get(action.id, action.key).split(",")[0].strip()
            left += entry(key, action.label, rank=rank, possible=not reasons.get(action.id))
        left += more
        right = [piece for key, word in ALWAYS for piece in entry(key, word, rank=1)]
        self.set_pieces(left, right)


def entry(key: str, word: str, *, rank: int, possible: bool = True) -> list[Piece]:
    """Key and word give way together, for they are one piece of the line as far as room goes."""
    shown = name_key(key)
    return [
        Piece(shown if possible else f"({shown}", "key" if possible else "muted", rank=rank, key=key),
        Piece(f" {word}  " if possible else f" {word})  ", "" if possible else "muted", rank=rank, key=key),
    ]
