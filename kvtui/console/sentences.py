"""What a session says of itself."""

from __future__ import annotations

from kvtui.console.sight import Sight, Stage
from kvtui.console.state import Stream
from kvtui.text import begin_sentence, clean_line


def describe_wait(cause: str, sight: Sight, words: str) -> str:
    """What is waited for after that `cause`, if any; `words` are the server's, and count where the machine says
    nothing of its own.
    """
    what = f"{begin_sentence(cause)}; waiting for it to run" if cause else "Waiting for the VM to run"
    if sight.is_seen and sight.stage is not Stage.RUNNING:
        words = f"it is {clean_line(sight.words)}"
    return f"{what}: {words}.".replace("..", ".")


def describe_line(stream: Stream, news: str, *, silent: bool, open_paste: bool = False) -> str:
    """That there is a line, and what is different over it; `open_paste` when the guest may wait for the end of one."""
    told = f"; {news}" if news else ""
    if stream is Stream.LOG:
        return f"Reading the boot log{told}{'; there is nothing in it yet' if silent else ''}."
    hint = ""
    if open_paste and stream is Stream.SERIAL:
        hint = "; a paste may stand open: ctrl+c ends it"
    elif silent and stream is Stream.SERIAL:
        # Enter alone would run what somebody left on the guest's line; a shell in an open paste takes all but ctrl+c.
        hint = "; silent: ctrl+u, then enter shows a prompt, else ctrl+c"
    return f"Connected{told}{hint}."


def describe_loss(stream: Stream, at: str, words: str) -> str:
    """That the link died."""
    sentence = f"Link lost at {at}: {words}."
    if stream is Stream.SERIAL:
        sentence += " It stays closed, for somebody else may have the console by now."
    return sentence
