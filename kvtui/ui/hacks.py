"""All work-arounds of the framework, each with its reason, so that an upgrade has one file to look at."""

from __future__ import annotations

from typing import Any

from textual._compositor import CompositorUpdate
from textual.app import App
from textual.screen import Screen


def screen_text(app: App[Any]) -> str:
    """The screen as plain lines, for tests and goldens.

    Textual has no public way to the text of a frame; `_compositor.render_strips` has been stable for years.
    """
    screen: Screen[Any] = app.screen
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())


def record_frames(app: App[Any]) -> list[str]:
    """What goes to the terminal from now on, frame by frame, for tests: without a terminal Textual writes nothing."""
    frames: list[str] = []
    display = app._display

    def record(screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            frames.append(renderable.render_segments(app.console))
        display(screen, renderable)

    app._display = record  # type: ignore[method-assign]
    return frames
