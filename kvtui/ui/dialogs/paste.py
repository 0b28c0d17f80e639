"""The question before a paste that the guest would run line by line, or cut."""

from __future__ import annotations

from kvtui.actions.confirm import Question
from kvtui.console.paste import LINE_LIMIT, Paste
from kvtui.text import clean_line, fit, size

_WIDTH = 60
_LONG = 2.0
"""Seconds from which the time is told."""


def question_of(paste: Paste) -> Question | None:
    """What to ask before a paste; None for one line that is not too long, and for guests that take pastes as such."""
    lines = paste.lines
    if paste.bracketed or (len(lines) < 2 and not paste.too_long):
        return None
    warnings = []
    if len(lines) > 1:
        warnings.append("the guest takes each line as if it were typed")
    if paste.has_tabs:
        warnings.append("it contains tabs: a shell completes words with them")
    if paste.too_long:
        words = "a line is" if paste.too_long == 1 else f"{paste.too_long} lines are"
        warnings.append(f"{words} longer than {LINE_LIMIT} bytes: Linux drops the rest")
    count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    time = f", about {paste.seconds:.0f} s" if paste.seconds >= _LONG else ""
    shown = [fit(clean_line(line.expandtabs()), _WIDTH).rstrip() for line in lines]
    return Question(f"paste {count}, {size(paste.size)}B{time}?", shown, warnings)
