"""Looks are worked out when they are drawn with, and anew when their widget's style changed; CSS is parsed once."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.cache import LRUCache
from textual.css.parse import parse

from kvtui.ui.bar import Bar, Piece
from tests.ui.backend import Stage
from tests.ui.conftest import Show


class Painting(App[None]):
    CSS = """
    Bar > .bar--key { color: #ff0000; }
    Bar > .bar--ok { color: #00ff00; }
    Bar.-calm > .bar--key { color: #0000ff; }
    """
    ENABLE_COMMAND_PALETTE = False

    def compose(self) -> ComposeResult:
        yield Bar()

    @property
    def bar(self) -> Bar:
        return self.query_exactly_one(Bar)

    def colour(self) -> str:
        """Of the first piece, as it was drawn last."""
        style = next(iter(self.screen._compositor.render_strips()[0])).style
        assert style is not None
        assert style.color is not None
        return style.color.name


async def test_a_look_changes_with_the_classes_of_its_widget() -> None:
    app = Painting()
    async with app.run_test() as pilot:
        app.bar.set_pieces([Piece("now", "key")])
        await pilot.pause()
        assert app.colour() == "#ff0000"
        app.bar.add_class("-calm")
        await pilot.pause()
        assert app.colour() == "#0000ff"


async def test_looks_that_nothing_is_drawn_with_are_not_worked_out() -> None:
    app = Painting()
    async with app.run_test() as pilot:
        app.bar.set_pieces([Piece("now", "key")])
        await pilot.pause()
        assert set(app.bar._component_styles) == {"bar--key"}


async def test_a_look_that_no_widget_declares_is_a_fault_of_the_program() -> None:
    app = Painting()
    async with app.run_test():
        with pytest.raises(KeyError, match="bar--loud"):
            app.bar.get_component_rich_style("bar--loud")


async def test_css_is_parsed_once_for_each_theme(show: Show, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def parse_noted(scope: str, css: str, *rest: Any, **options: Any) -> Any:
        parsed.append(css)
        return parse(scope, css, *rest, **options)

    monkeypatch.setattr("kvtui.ui.hacks._PARSED", LRUCache(512))
    async with show(stage):
        pass
    monkeypatch.setattr("textual.css.stylesheet.parse", parse_noted)
    async with show(stage) as screen:
        assert parsed == []
        screen.app.theme = next(name for name in screen.app.theme_names if name != screen.app.theme)
        await screen.settle()
        assert parsed
        assert len(parsed) == len(set(parsed))
