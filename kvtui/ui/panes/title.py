"""The line over a pane: what it shows, how much of it, and how well it is known."""

from __future__ import annotations

from kvtui.ui.bar import Bar, Piece


class PaneTitle(Bar):
    """A rule across the pane, drawn heavy while the pane has the focus, so that it is seen without colours too."""

    @property
    def filling(self) -> str:
        """The character of the rule."""
        return "━" if self.has_class("-focused") else "─"

    @property
    def rule(self) -> Piece:
        """A bit of the rule, for its ends."""
        return Piece(self.filling, "line")

    def show_focus(self, focused: bool) -> None:
        """Draw the rule heavy or light."""
        self.set_class(focused, "-focused")
