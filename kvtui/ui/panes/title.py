"""The line over a pane: what it shows, how much of it, and how well it is known."""

from __future__ import annotations

from kvtui.ui.bar import Bar


class PaneTitle(Bar):
    """A rule across the pane, drawn heavy while the pane has the focus, so that it is seen without colours too."""

    @property
    def filling(self) -> str:
        """The rule."""
        return "━" if self.has_class("-focused") else "─"

    def show_focus(self, focused: bool) -> None:
        """Draw the rule heavy or light."""
        self.set_class(focused, "-focused")
        self.refresh()
