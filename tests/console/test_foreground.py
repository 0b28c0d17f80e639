"""Who reads what is typed, as far as the screen shows it."""

from __future__ import annotations

import pytest

from kvtui.console.emulator import Emulator
from kvtui.console.foreground import Foreground, foreground_of, is_drawn


def shown(data: str) -> Emulator:
    emulator = Emulator(80, 24)
    emulator.feed(data.replace("\n", "\r\n").encode())
    return emulator


@pytest.mark.parametrize(
    "screen",
    [
        "~ # ",
        "Linux 6.1\nroot@web:~# ",
        "[root@web ~]# ",
        "\x1b[1;32muser@web\x1b[0m:\x1b[34m~\x1b[0m$ ",
        "\x1b[?2004h\x1b[?1hweb% ",
        "user@web ~> ",
        "~/src\n\x1b[35m❯\x1b[0m ",
        "\x1b[H\x1b[2J$ ",
        "#",
    ],
)
def test_a_shell_waits_behind_its_prompt(screen: str) -> None:
    assert foreground_of(shown(screen)) is Foreground.PROMPT
    assert not is_drawn(shown(screen))


@pytest.mark.parametrize(
    "screen",
    [
        "",
        "web login: ",
        "root@web:~# cat /dev/null",
        "root@web:~# sleep 60\n",
        "[    1.0] usb 1-1: new device",
        "line 1\n--More--",
        "~ # \x1b[?25l",
        "\x1b[?1h~ # ",
        "\x1b[24;1H-- INSERT --\x1b[1;1H# ",
        "total 50%\x1b[1;1H",
    ],
)
def test_where_it_does_not_look_like_a_prompt_nobody_knows(screen: str) -> None:
    assert foreground_of(shown(screen)) is Foreground.UNKNOWN


def test_the_alternate_screen_is_a_programs_whatever_stands_there() -> None:
    assert foreground_of(shown("\x1b[?1049h\x1b[H# ")) is Foreground.PROGRAM


def test_a_screen_is_drawn_until_it_scrolls() -> None:
    emulator = shown("\x1b[H\x1b[JMem: 80464K used\n  1 root init")
    assert is_drawn(emulator)
    emulator.feed(b"\r\n" * 24 + b"log")
    assert not is_drawn(emulator)


def test_a_log_is_not_drawn() -> None:
    assert not is_drawn(shown("\n".join(f"line {number}" for number in range(100))))
