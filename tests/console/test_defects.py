"""What pyte 0.8.2 lacks or gets wrong, point by point, and what holds that the emulator does not."""

from __future__ import annotations

import pytest

from . import test_emulator, test_emulator_lines, test_noise
from .test_conformance import CASES as CONFORMANCE
from .test_emulator_golden import CASES as GOLDEN

# The defect: names of golden screens, of cases of conformance, or of tests of the emulator.
HELD = {
    "no alternate screen": "alternate-1049-left alternate-1049-inside alternate-47 alternate-1047-left",
    "no saved cursor with the alternate screen": "alternate-1048-cursor alternate-1049-restores-the-cursor",
    "output on the alternate screen is in the history": "alternate-scrolls-in-itself",
    "regions that scroll are in the history": "scrollback-not-from-inner-region scrollback-region-at-top",
    "the history has no bound": "test_the_scrollback_is_bounded_and_its_count_goes_on",
    "a smaller screen loses rows": "test_a_smaller_screen_keeps_every_line_and_the_prompt_in_sight",
    "a smaller screen leaves the cursor outside": "test_no_bytes_and_no_sizes_break_the_screen",
    "a smaller screen drops the wrong rows": "test_blank_rows_below_the_cursor_give_way_first",
    "a wider screen has no tab stops": "test_tab_stops_reach_over_new_columns",
    "a narrower screen cuts text off": "test_a_narrower_screen_hides_and_a_wider_one_shows_again",
    "DL leaves rows of a sparse buffer": "delete-lines-sparse delete-lines-in-region dl dl-count",
    "IL": "insert-lines il il-in-the-region",
    "ED colours no cells but those written": "erase-display-background erase-below-and-above",
    "EL and ECH underline and reverse blanks": "erase-line-no-underline erase-characters",
    "no SU and SD": "scroll-up-su scroll-down-sd su-the-region sd-the-region",
    "LF below the region jumps up to it": "linefeed-below-region lf-below-the-region",
    "no REP": "repeat-rep rep rep-default",
    "no CBT and CHT": "tabs-cht-cbt cbt cht-count",
    "no SCOSC and SCORC": "save-restore-scosc scosc-scorc",
    "no DECSTR": "soft-reset-decstr decstr-resets-irm decstr-resets-decstbm",
    "DECSCUSR prints a letter": "cursor-style-decscusr decscusr",
    "CSI ? r raises": "private-csi",
    "CSI ? 6 n raises": "test_questions_are_answered",
    "CSI > 4;2 m underlines": "modify-other-keys key-modifiers",
    "CSI = and CSI < print what follows": "private-csi kitty-keyboard",
    "sub-parameters are printed": "sgr-colons",
    "no dim, conceal and overline": "sgr-attributes",
    "bright magenta and yellow have wrong names": "sgr-bright",
    "the first 16 of 256 colours are no colours of the theme": "sgr-256",
    "wrong colours": "sgr-out-of-range",
    "DCS, APC, PM and SOS are printed": "strings-swallowed sixel",
    "strings have no bound": "string-without-end test_the_work_grows_with_the_bytes_alone",
    "the clipboard and titles": "strings-swallowed title-cleaned",
    "VS16, ZWJ and C1 lose the rest of the chunk": "variation-selector-and-joiner c1-controls",
    "wide characters in the last column": "wide-at-margin wide-at-margin-without-wrap",
    "halves of wide characters": "wide-half-overwritten wide-insert-delete",
    "combining marks": "combining",
    "no line drawing beside UTF-8": "line-drawing line-drawing-and-utf-8 shift-out-undesignated",
    "bytes that are no UTF-8": "invalid-utf8",
    "DECRC only once": "save-restore-twice decrc-again",
    "saved cursors pile up": "test_the_work_grows_with_the_bytes_alone",
    "a moved cursor changes no row": "test_typing_changes_one_row_and_moving_the_cursor_two",
    "modes have no effect": "modes reverse-screen origin-mode insert-mode",
    "DECCOLM changes the width": "column-mode-ignored",
    "no replies": "test_questions_are_answered test_replies_are_limited_in_time",
    "replies to secrets": "test_an_echoed_reply_and_questions_about_secrets_stay_without_reply",
    "control characters": "test_noise_does_no_harm test_noise_reaches_no_terminal_as_a_control_character",
}


@pytest.mark.parametrize("defect", HELD)
def test_each_defect_of_pyte_is_held_by_something(defect: str) -> None:
    tests = {*vars(test_emulator), *vars(test_emulator_lines), *vars(test_noise)}
    for name in HELD[defect].split():
        assert name in GOLDEN or name in CONFORMANCE or name in tests, name
