"""All work-arounds of the framework, each with its reason, so that an upgrade has one file to look at."""

from __future__ import annotations

from textual.app import App
from textual.screen import Screen


def screen_text(app: App[object]) -> str:
    """The screen as plain lines, for tests and goldens.

    Textual has no public way to the text of a frame; `_compositor.render_strips` has been stable for years.
    """
    screen: Screen[object] = app.screen
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())
