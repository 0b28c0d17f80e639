"""One screen for each defect of pyte 0.8.2 that the emulator does not have, as text in tests/golden/console.

To renew the files after a deliberate change: KVTUI_GOLDEN=write pytest tests/console; then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kvtui.console.emulator import Emulator

from .screens import picture

GOLDEN = Path(__file__).parent.parent / "golden" / "console"

CSI = "\x1b["
LETTERS = "\r\n".join("abcdef")

# Name: columns, lines, what the guest sends.
CASES: dict[str, tuple[int, int, str | bytes]] = {
    "alternate-1049-left": (20, 4, f"shell$ vi\r\n{CSI}?1049h{CSI}H{CSI}2JFULL SCREEN{CSI}?1049l$"),
    "alternate-1049-inside": (20, 4, f"a\r\nb\r\nc\r\nd\r\ne{CSI}?1049h{CSI}H1\r\n2\r\n3\r\n4\r\n5"),
    "alternate-47": (20, 3, f"main{CSI}?47hother{CSI}?47l after"),
    "alternate-1048-cursor": (20, 3, f"{CSI}2;5H{CSI}?1048h{CSI}H{CSI}?1048lX"),
    "scrollback-full-screen": (20, 3, LETTERS),
    "scrollback-region-at-top": (20, 4, f"{CSI}1;3r{LETTERS}{CSI}4;1Hstatus"),
    "scrollback-not-from-inner-region": (20, 4, f"top{CSI}2;3r{CSI}2;1H{LETTERS}"),
    "scrollback-kept-when-cleared": (20, 3, f"panic: not syncing\r\nend{CSI}H{CSI}2JBIOS"),
    "scrollback-kept-by-reset": (20, 3, "panic: not syncing\x1bcBIOS"),
    "scrollback-erased": (20, 3, f"{LETTERS}{CSI}3J"),
    "delete-lines-sparse": (10, 4, f"1\r\n\r\n3{CSI}1;1H{CSI}M"),
    "delete-lines-in-region": (10, 5, f"1\r\n2\r\n3\r\n4\r\n5{CSI}2;4r{CSI}2;1H{CSI}2M"),
    "insert-lines": (10, 5, f"1\r\n2\r\n3\r\n4\r\n5{CSI}2;4r{CSI}3;3H{CSI}LX"),
    "erase-display-background": (10, 3, f"ab{CSI}41;4;7m{CSI}2J"),
    "erase-line-no-underline": (10, 2, f"{CSI}4;7;44mX{CSI}K"),
    "erase-characters": (10, 2, f"abcdef{CSI}1;2H{CSI}42m{CSI}3X"),
    "erase-below-and-above": (10, 3, f"aaa\r\nbbb\r\nccc{CSI}2;2H{CSI}1J"),
    "erase-at-wrap": (5, 2, f"abcde{CSI}K"),
    "scrolled-in-background": (10, 2, f"a\r\nb{CSI}45m\r\n"),
    "scroll-up-su": (10, 4, f"1\r\n2\r\n3\r\n4{CSI}2S"),
    "scroll-down-sd": (10, 4, f"1\r\n2\r\n3\r\n4{CSI}T"),
    "linefeed-below-region": (20, 6, f"{CSI}2;4r{CSI}5;1Hbelow\n\n\nX"),
    "linefeed-after-full-row": (5, 3, "abcde\nX"),
    "repeat-rep": (20, 2, f"ab{CSI}3b|─{CSI}2b"),
    "tabs-cht-cbt": (40, 2, f"a{CSI}2Ib{CSI}2Zc\td"),
    "save-restore-scosc": (20, 5, f"{CSI}4;10H{CSI}s{CSI}H{CSI}uX"),
    "save-restore-twice": (20, 4, f"{CSI}3;3H{CSI}31m\x1b7{CSI}0m{CSI}H\x1b8a\x1b8b"),
    "soft-reset-decstr": (20, 4, f"{CSI}?1h{CSI}?25l{CSI}2;3r{CSI}4h{CSI}1;31m\x1b(0{CSI}!pq text stays"),
    "cursor-style-decscusr": (20, 2, f"a{CSI}2 q{CSI} qb"),
    "private-csi": (30, 2, f"{CSI}?1;2ra{CSI}?uc{CSI}=1;1ud{CSI}<u5{CSI}=cf{CSI}?2026$pg{CSI}>qh{CSI}?1;2mi"),
    "modify-other-keys": (20, 2, f"{CSI}>4;2mX"),
    "sgr-colons": (
        30,
        3,
        f"{CSI}38:2::255:0:10mr{CSI}48:5:196mg{CSI}0;4:3mc{CSI}4:0mn\r\n{CSI}38:2:1:2:3md{CSI}58:2::9:9:9mu{CSI}0;58;5;1mz",
    ),
    "sgr-attributes": (
        30,
        2,
        f"{CSI}2md{CSI}22;8mh{CSI}28;3mi{CSI}23;9ms{CSI}29;5mb{CSI}25;53mo{CSI}21mu{CSI}24;1mB{CSI}22mx",
    ),
    "sgr-bright": (20, 2, f"{CSI}93;105mx{CSI}33;45my{CSI}39;49mz"),
    "sgr-256": (20, 2, f"{CSI}38;5;9ma{CSI}38;5;16mb{CSI}38;5;232mc{CSI}48;5;255md"),
    "sgr-out-of-range": (20, 2, f"{CSI}38;5;300ma{CSI}38;2;300;1;1mb{CSI}38mc{CSI}38;5md"),
    "strings-swallowed": (
        30,
        2,
        "a\x1bP+q544e\x1b\\b\x1b_Gi=1;AAAA\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e\x1b]52;c;aGVsbG8=\x07f"
        "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b]10;?\x07\x1b]133;A\x07\x1b]7;file://h/p\x1b\\z",
    ),
    "string-without-end": (30, 3, "a\x1b]0;" + "A" * 100_000 + "\r\nnext line"),
    "title-cleaned": (20, 2, "\x1b]2;a;b\u202egnp.\tc\x07x\x1b]0;never ended\nlost\x07"),
    "variation-selector-and-joiner": (40, 3, "A❤\ufe0f rest\r\nB👩\u200d💻 rest\r\nC\u00adD\u200bE\u202eF"),
    "flags": (20, 3, f"🇩🇪|{CSI}5C|\r\n🇫x"),
    "combining": (20, 2, "e\u0301x o\u0308\u0323 " + "z" + "\u0301" * 50 + "|"),
    "wide-at-margin": (5, 3, "abcd日X"),
    "wide-at-margin-without-wrap": (5, 2, f"{CSI}?7labcd日"),
    "wide-half-overwritten": (10, 4, f"日本{CSI}1;2Hx\r\n日本{CSI}2;1Hx\r\n日本{CSI}3;2H{CSI}X\r\n日本{CSI}4;4H{CSI}P"),
    "wide-insert-delete": (6, 3, f"日本語{CSI}1;2H{CSI}@|\r\n日本語{CSI}2;1H{CSI}P"),
    "line-drawing": (20, 3, "\x1b(0lqk+\x1b(B é✓\r\n\x1b)0\x0emqj\x0f q"),
    "shift-out-undesignated": (20, 2, "\x0elogin: qx\x0f"),
    "c1-controls": (20, 3, "\u009b31mred\u009dtitle\u009cx\u0085next"),
    "column-mode-ignored": (20, 2, f"abc{CSI}?3hd{CSI}?3l"),
    "huge-numbers": (20, 3, f"x{CSI}999999999999;1Hy{CSI}{'9' * 300}mz"),
    "controls-inside-csi": (20, 4, f"ab{CSI}3\r\n1mX"),
    "broken-csi": (20, 2, f"a{CSI}31\x18b{CSI}4\x1b[1mc{CSI}31éd"),
    "reverse-screen": (10, 2, f"a{CSI}7mb{CSI}0m{CSI}?5h"),
    "origin-mode": (10, 5, f"{CSI}2;4r{CSI}?6h{CSI}1;1Ha{CSI}9;1Hb{CSI}?6l{CSI}1;1Hc"),
    "insert-mode": (10, 2, f"abcdef{CSI}1;2H{CSI}4hXY日{CSI}4l"),
    "margins-reset-homes": (10, 3, f"{CSI}2;3rabc{CSI}rX"),
    "alignment": (5, 2, "\x1b#8"),
    "modes": (10, 1, f"{CSI}?1;1000;1002;1006;2004h{CSI}20h{CSI}?1002l"),
    "invalid-utf8": (20, 2, b"ab\xff\xfecd\xe2\x94\x80|\xe2\x94X"),
}


@pytest.mark.parametrize("name", CASES)
def test_screen(name: str) -> None:
    columns, lines, stream = CASES[name]
    emulator = Emulator(columns, lines)
    emulator.feed(stream if isinstance(stream, bytes) else stream.encode())
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("KVTUI_GOLDEN") == "write":
        file.write_text(picture(emulator), encoding="utf-8")
    assert picture(emulator) == file.read_text(encoding="utf-8")


def test_every_golden_file_has_its_case() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)
