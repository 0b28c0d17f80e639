"""Themes: those that come with kvtui are whole, and a broken one of the user is told of by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from kvtui.errors import ConfigError
from kvtui.ui.themes import load_theme, load_themes, shipped_folder

SHIPPED = sorted(shipped_folder().glob("*.toml"))


def test_both_themes_are_shipped() -> None:
    themes, troubles = load_themes([shipped_folder()])
    assert troubles == []
    assert {"kvtui-dark", "kvtui-light"} <= set(themes)


def test_a_users_theme_prevails_over_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    own = (shipped_folder() / "kvtui-dark.toml").read_text().replace("#6cb6ff", "#ff00ff")
    (tmp_path / "mine.toml").write_text(own)
    themes, _ = load_themes([shipped_folder(), tmp_path])
    assert themes["kvtui-dark"].accent == "#ff00ff"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('ok = "#7cc38f"', 'ok = "greenish"', 'tones.ok = "greenish" is no colour'),
        ('ok = "#7cc38f"', "", "ok"),
        ('ok = "#7cc38f"', 'okay = "#7cc38f"', "okay"),
        ('name = "kvtui-dark"', 'name = "[b]x"', "name"),
        ("[tones]", "[tones", "line"),
    ],
)
def test_a_broken_theme_is_told_of_by_file_and_key(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = (shipped_folder() / "kvtui-dark.toml").read_text()
    assert before in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ConfigError) as raised:
        load_theme(path)
    assert "mine.toml" in str(raised.value)
    assert said in str(raised.value)


def test_one_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("nonsense")
    (tmp_path / "b.toml").write_bytes((shipped_folder() / "kvtui-light.toml").read_bytes())
    themes, troubles = load_themes([tmp_path])
    assert list(themes) == ["kvtui-light"]
    assert len(troubles) == 1


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_tone_can_be_read_on_every_surface(path: Path) -> None:
    """WCAG 2: 4.5 to 1 for text; 3 to 1 for what is only said softly."""
    variables = load_theme(path).variables
    for surface in (
        "kv-background",
        "kv-bar",
        "kv-cursor",
        "kv-cursor-idle",
        "kv-marked",
        "kv-dialog",
        "kv-production",
    ):
        for tone in ("kv-foreground", "kv-accent", "kv-ok", "kv-busy", "kv-warn", "kv-bad", "kv-muted"):
            least = 3.0 if tone == "kv-muted" or surface in ("kv-cursor", "kv-marked") else 4.5
            found = contrast(Color.parse(variables[tone]), Color.parse(variables[surface]))
            assert found >= least, f"{tone} on {surface}: {found:.1f}"


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: Color) -> float:
    parts = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
