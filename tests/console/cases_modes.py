"""Cases of conformance: resets, screens, charsets and what is swallowed. The notation is told in conformance.py."""

from __future__ import annotations

from .conformance import FIELD, Case

FULL = "1234567890"

MODES: dict[str, Case] = {
    # The alternate screen
    "alternate-47-keeps-the-cursor": Case("ab^[[?47hX", "  X", "1;4"),
    "alternate-47-left": Case("ab^[[?47hX^[[?47lY", "ab Y", "1;5"),
    "alternate-1047-left": Case("ab^[[?1047hX^[[?1047lY", "ab Y", "1;5"),
    "alternate-1049-restores-the-cursor": Case("ab^[[?1049h^[[5;5HX^[[?1049lY", "abY", "1;4"),
    "alternate-1049-is-blank-each-time": Case("^[[?1049h^[[HX^[[?1049l^[[?1049h", "", "1;1"),
    "alternate-entered-twice": Case("ab^[[?1049hX^[[?1049h^[[5;5H^[[?1049lY", "abY", "1;4"),
    "alternate-left-twice": Case("ab^[[?1049hX^[[?1049l^[[5;5H^[[?1049lY", "abY", "1;4"),
    "alternate-left-without-entering": Case("ab^[[?47lY^[[?1049lZ", "abYZ", "1;5"),
    "alternate-scrolls-in-itself": Case("ab^[[?1049h^[[6;1H\n\n\nX^[[?1049lY", "abY", "1;4"),
    "alternate-keeps-margins": Case(f"{FIELD}^[[2;4r^[[?47h^[[4;1Ha\nX", "//a/ X", "4;3"),
    "cursor-saved-by-1048": Case("^[[3;5H^[[?1048h^[[H^[[?1048lX", "//    X", "3;6"),
    # DECSTR
    "decstr-keeps-text-and-cursor": Case("abc^[[!pX", "abcX", "1;5"),
    "decstr-resets-irm": Case("abc^[[4h^[[!p\rX", "Xbc", "1;2"),
    "decstr-resets-decom": Case("^[[3;5r^[[?6h^[[!p^[[1;1HX", "X", "1;2"),
    "decstr-resets-decstbm": Case("^[[3;4r^[[!p^[[4;1H\nX", "////X", "5;2"),
    "decstr-sets-decawm": Case("^[[?7l^[[!p^[[1;9Habc", "        ab/c", "2;2"),
    "decstr-forgets-the-saved-cursor": Case("^[[3;5H^[7^[[!p^[8X", "X", "1;2"),
    "decstr-resets-charsets": Case("^[(0^[[!pq", "q", "1;2"),
    "decstr-resets-shifts": Case("^[)0\x0e^[[!pq", "q", "1;2"),
    "decstr-stays-on-the-alternate-screen": Case("ab^[[?47h^[[!pX", "  X", "1;4"),
    # RIS
    "ris-clears": Case(f"{FIELD}^[cX", "X", "1;2"),
    "ris-resets-margins": Case("^[[2;3r^[c^[[3;1H\nX", "///X", "4;2"),
    "ris-resets-decom": Case("^[[3;5r^[[?6h^[c^[[1;1HX", "X", "1;2"),
    "ris-resets-irm": Case("^[[4h^[cab\rX", "Xb", "1;2"),
    "ris-sets-decawm": Case("^[[?7l^[c^[[1;9Habc", "        ab/c", "2;2"),
    "ris-leaves-the-alternate-screen": Case("m^[[?1049h^[[Ha^[cX^[[?1049h", "", "1;2"),
    "ris-resets-charsets": Case("^[(0^[cq", "q", "1;2"),
    "ris-forgets-the-saved-cursor": Case("^[[3;5H^[7^[c^[8X", "X", "1;2"),
    # Charsets
    "g0-line-drawing": Case("^[(0lqk^[(Bq", "┌─┐q", "1;5"),
    "g1-line-drawing": Case("^[)0\x0elqk\x0fq", "┌─┐q", "1;5"),
    "g0-british": Case("^[(A#^[(B#", "£#", "1;3"),
    "line-drawing-leaves-capitals": Case("^[(0AZ09+", "AZ09+", "1;6"),
    "line-drawing-and-utf-8": Case("^[(0qé日q", "─é日─", "1;6"),
    "unknown-charsets-are-ascii": Case("^[(0^[(Kq", "q", "1;2"),
    "g2-and-g3-are-swallowed": Case("^[*0^[+0^[nq", "q", "1;2"),
    # Swallowed whole
    "bel-and-nul": Case("a\x07\x00\x05b", "ab", "1;3"),
    "decscusr": Case("a^[[4 qb", "ab", "1;3"),
    "keypad-modes": Case("a^[=^[>b", "ab", "1;3"),
    "s8c1t": Case("a^[ G^[ Fb", "ab", "1;3"),
    "utf-8-designation": Case("a^[%Gb^[%@c", "abc", "1;4"),
    "double-size-lines": Case("a^[#3^[#4^[#5^[#6b", "ab", "1;3"),
    "left-and-right-margins": Case("^[[?69h^[[2;4sabcdef", "abcdef", "1;7"),
    "protection": Case('a^[[1"qb^[[0"qc', "abc", "1;4"),
    "rectangles": Case("abc^[[1;1;2;2$z^[[88;1;1;2;2$x^[[1;1;2;2;1;3;3;1$v", "abc", "1;4"),
    "columns-inserted": Case("abc^[[1;1H^[[2'}^[[2'~", "abc", "1;1"),
    "shifted-left-and-right": Case("abc^[[2 @^[[2 A", "abc", "1;4"),
    "index-forward-and-back": Case("abc^[6^[9X", "abcX", "1;5"),
    "printing": Case("a^[[ib^[[5ic^[[4id^[[?5i", "abcd", "1;5"),
    "leds": Case("a^[[1qb", "ab", "1;3"),
    "vt52-mode": Case("ab^[[?2l^[[1;1HX", "Xb", "1;2"),
    "reverse-wrap": Case("^[[?45h\r\n\bX", "/X", "2;2"),
    "window-operations": Case("a^[[8;50;100t^[[22;0t^[[23;0tb", "ab", "1;3"),
    "key-modifiers": Case("a^[[>4;2m^[[>4m^[[?4mb", "ab", "1;3"),
    "kitty-keyboard": Case("a^[[>1u^[[<u^[[=1;1ub", "ab", "1;3"),
    "synchronized-output": Case("^[[?2026hab^[[?2026l", "ab", "1;3"),
    "unknown-modes": Case("^[[?12;1004;9999h^[[99h^[[?12l^[[99lab", "ab", "1;3"),
    "unknown-sequences": Case("a^[[5yb^[[?5zc^[[1;2|d^[[=5{e", "abcde", "1;6"),
    "sixel": Case('a^[P0;0;0q"1;1;8;8#0;2;0;0;0~~^[\\b', "ab", "1;3"),
    "sequence-cut-off-by-another": Case("a^[[3^[[1;1HX", "X", "1;2"),
    "sequence-cancelled": Case("a^[[3\x18b^[[3\x1ac", "abc", "1;4"),
    "control-within-a-sequence": Case("ab^[[\r1CX", "aX", "1;3"),
    "del-is-nothing": Case("a\x7fb^[[\x7f2CX", "ab  X", "1;6"),
    "parameters-left-out": Case("^[[;;HX", "X", "1;2"),
    "colons-where-none-belong": Case("^[[2:3HX", "X", "1;2"),
}
