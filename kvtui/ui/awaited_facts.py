"""What a detail screen says of what was asked of an object and is not seen yet, as lines."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kvtui.actions.batch import Batches
from kvtui.actions.items import State
from kvtui.model import Ref, Tone
from kvtui.text import age
from kvtui.ui.lines import Line, Part, line, wrap


def awaited_lines(batches: Batches, ref: Ref, now: float, width: int) -> Iterator[Line]:
    """Of each verb that is open on the row: what was asked, when, how long that usually takes, and what keeps it."""
    for item in batches.open_on(ref):
        late = item.is_overdue(now)
        tone = Tone.WARN if late or item.state is State.UNKNOWN else Tone.BUSY
        since = "not asked yet"
        if item.asked is not None:
            since = f"asked {age(now - item.asked)} ago, at {time.strftime('%H:%M:%S', time.localtime(item.asked))}"
        yield (
            Part(f"{'AWAITED':<16}", "key"),
            Part(f"{item.action.label}: {item.state}", str(tone)),
            Part(f"  {since}"),
        )
        usual = f"usually within {age(item.patience)}"
        told = [] if item.state is not State.ACCEPTED else [f"overdue, {usual}" if late else usual]
        held = batches.tell_row(item) if item.state is State.ACCEPTED else item.words
        for words in filter(None, (*told, held)):
            for piece in wrap(words, width - 16):
                yield (Part(" " * 16), Part(piece, str(Tone.WARN) if late else ""))
        yield line()
