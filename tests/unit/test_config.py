from __future__ import annotations

from pathlib import Path

import pytest

from kvtui import config
from kvtui.config import ContextSettings, Settings, SshSettings, load_settings
from kvtui.errors import ConfigError
from kvtui.hops import Hop
from kvtui.model import Care

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_no_file_means_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "config_dir", lambda: tmp_path / "absent")
    assert load_settings() == Settings()


def test_the_file_in_the_configuration_folder_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "config_dir", lambda: file.parent)
    file.write_text('theme = "mine"')
    assert load_settings().theme == "mine"


def test_all_settings(file: Path) -> None:
    file.write_text(
        """
        theme = "kvtui-light"
        read_only = true
        slow_link = true
        mouse = false
        [console]
        detach = "ctrl+o"
        scrollback = 0
        backspace = "backspace"
        keys = "vt-utf8"
        paste_rate = 900
        [ssh]
        user = "fedora"
        key = ["~/.ssh/guests"]
        port = 2222
        [context."prod-*"]
        read_only = true
        namespace = "shop"
        [keys]
        "vm.start" = "f5"
        """
    )
    settings = load_settings(file)
    assert (settings.theme, settings.read_only, settings.slow_link, settings.mouse) == (
        "kvtui-light",
        True,
        True,
        False,
    )
    assert settings.console.scrollback == 0
    assert (settings.console.detach, settings.console.backspace) == ("ctrl+o", "backspace")
    assert (settings.console.keys, settings.console.paste_rate) == ("vt-utf8", 900)
    assert settings.ssh == SshSettings("fedora", ["~/.ssh/guests"], 2222)
    assert settings.ssh.keys == (Path.home() / ".ssh" / "guests",)
    assert settings.context == {"prod-*": ContextSettings(read_only=True, namespace="shop")}
    assert settings.keys == {"vm.start": "f5"}


def test_the_readme_shows_the_defaults(file: Path) -> None:
    section = README.read_text(encoding="utf-8").partition("## Configuration")[2]
    example = section.partition("```toml\n")[2].partition("```")[0]
    file.write_text(example, encoding="utf-8")
    settings = load_settings(file)
    assert settings == Settings(context=settings.context, keys=settings.keys, host=settings.host)
    assert settings.context
    assert settings.host


def test_a_context_of_its_own_name_comes_before_patterns_and_the_first_pattern_before_others(file: Path) -> None:
    file.write_text(
        """
        [context."prod-*"]
        namespace = "pattern"
        [context.prod-fra1]
        namespace = "exact"
        [context."*-fra2"]
        namespace = "second"
        """
    )
    settings = load_settings(file)
    assert settings.for_context("prod-fra1").namespace == "exact"
    assert settings.for_context("prod-fra2").namespace == "pattern"
    assert settings.for_context("lab-fra2").namespace == "second"
    assert settings.for_context("PROD-fra2").namespace == "second"
    assert settings.for_context("lab") == ContextSettings()


def test_what_one_section_says_is_not_taken_away_by_another_that_is_silent(file: Path) -> None:
    file.write_text(
        """
        [context.prod-fra1]
        namespace = "shop"
        protected = ["shop/db-*"]
        [context.prod-lab]
        production = false
        read_only = false
        [context."prod-*"]
        production = true
        read_only = true
        protected = ["kube-*"]
        """
    )
    settings = load_settings(file)
    assert settings.care_for("prod-fra1") == Care(production=True, protected=("shop/db-*", "kube-*"))
    assert settings.is_read_only("prod-fra1")
    assert settings.care_for("prod-lab") == Care(production=False, protected=("kube-*",))
    assert not settings.is_read_only("prod-lab")
    assert settings.care_for("lab") == Care()
    settings.read_only = True
    assert settings.is_read_only("prod-lab")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('themee = "a"', "themee"),
        ("[console]\nfont = 1", "$.console"),
        ("[context.prod]\nread_onl = true", "read_onl"),
        ("theme = 5", "$.theme"),
        ('read_only = "yes"', "$.read_only"),
        ("[console]\nscrollback = -1", "$.console.scrollback"),
        ('[console]\ndetach = ""', "$.console.detach"),
        ('[console]\nbackspace = "left"', "$.console.backspace"),
        ('[keys]\n"vm.stop" = "f6"\n"vm.start" = 5', '[keys] "vm.start"'),
        ('[context.lab]\n[context."prod-*"]\nread_onl = true', '[context."prod-*"]'),
        ('[context."prod-*"]\nread_only = 5', '[context."prod-*"].read_only'),
        ("[context]\nlab = 1", '[context."lab"]'),
        ("context = 1", "$.context"),
        ('[context.lab]\nnamespace = "a b"', '[context."lab"].namespace'),
        ('[console]\ndetach = "a"', "`detach` is 'a', which could not be typed"),
        ('[console]\ndetach = "ctrl+o, space"', "`detach` is 'space'"),
        ('[console]\ndetach = "full_stop"', "`detach` is 'full_stop'"),
        ('[console]\ndetach = "minus"', "`detach` is 'minus'"),
        ('[console]\ndetach = "ctrl+o,"', "`detach` names no key"),
        ('[console]\ndetach = "ctrl+nosuch"', "`detach`: there is no key 'ctrl+nosuch'"),
        ('[console]\ndetach = "ctrl+], crtl+o"', "`detach`: there is no key 'crtl+o'"),
        ('[console]\ndetach = "]"', "`detach` is ']', which could not be typed"),
    ],
)
def test_a_wrong_setting_is_told_with_file_and_key(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert str(file) in caught.value.title
    assert told in caught.value.detail


@pytest.mark.parametrize("raw", [b"theme =", b"theme = [", b"= 5", b'theme = "\xff"', b"\x00", b'theme = "\x1b"'])
def test_what_is_no_toml_is_told_with_the_file(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match="is not valid TOML") as caught:
        load_settings(file)
    assert str(file) in caught.value.title
    assert caught.value.detail


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("ctrl+o", "ctrl+o"),
        ("F12", "f12"),
        ("ctrl+right_square_bracket, ctrl+5", "ctrl+right_square_bracket,ctrl+5"),
        ("ctrl+], ctrl+5", "ctrl+right_square_bracket,ctrl+5"),
        ("ctrl+\\\\", "ctrl+backslash"),
        ("alt+x,ctrl+O", "alt+x,ctrl+o"),
    ],
)
def test_chords_that_give_the_keyboard_back(file: Path, written: str, kept: str) -> None:
    file.write_text(f'[console]\ndetach = "{written}"')
    assert load_settings(file).console.detach == kept


@pytest.mark.parametrize("chord", ["alt+x", "shift+f4", "ctrl+shift+o", "ctrl+m", "ctrl+[", "super+x"])
def test_where_no_chord_comes_from_every_terminal_there_is_another_way_out(file: Path, chord: str) -> None:
    file.write_text(f'[console]\ndetach = "{chord}"')
    assert load_settings(file).console.detach.startswith("ctrl+right_square_bracket,ctrl+5,")


@pytest.mark.parametrize("end", ["", "]" * 20_000])
def test_what_is_nested_without_end_is_a_sentence(file: Path, end: str) -> None:
    file.write_text("a = " + "[" * 20_000 + end)
    with pytest.raises(ConfigError, match="nested too deep") as caught:
        load_settings(file)
    assert str(file) in caught.value.title


def test_an_error_repeats_no_control_characters(file: Path) -> None:
    file.write_text(r'"\u001b[31m" = 1')
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert "\x1b" not in str(caught.value)


def test_a_named_file_must_exist(file: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file"):
        load_settings(file)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read") as caught:
        load_settings(tmp_path)
    assert caught.value.detail == "Is a directory"


def test_a_context_may_log_in_otherwise(file: Path) -> None:
    file.write_text(
        """
        [ssh]
        user = "fedora"
        key = ["/keys/all"]
        [context."lab-*".ssh]
        user = ""
        port = 2222
        """
    )
    settings = load_settings(file)
    assert settings.ssh_for("prod") == SshSettings("fedora", ["/keys/all"], 22)
    assert settings.ssh_for("lab-1") == SshSettings("", ["/keys/all"], 2222)


@pytest.mark.parametrize(
    "text", ["[ssh]\nport = 0", "[ssh]\nport = 65536", "[ssh]\nkey = '~/.ssh/one'", "[ssh]\nhost = ''"]
)
def test_a_login_that_cannot_be_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=str(file)):
        load_settings(file)


def test_a_context_may_be_behind_a_jump_host(file: Path) -> None:
    file.write_text('[context."prod-*"]\njump = "ops@bastion:2222,inner"')
    settings = load_settings(file)
    assert settings.for_context("prod-1").route == (Hop("bastion", "ops", 2222), Hop("inner"))
    assert settings.for_context("lab").route == ()


def test_a_jump_host_that_cannot_be_is_refused_with_its_context(file: Path) -> None:
    file.write_text('[context."prod-*"]\njump = "ops@fd00::1"')
    with pytest.raises(ConfigError, match=str(file)) as failure:
        load_settings(file)
    assert "write an IPv6 address in brackets" in failure.value.detail
    assert '[context."prod-*"]' in failure.value.detail
