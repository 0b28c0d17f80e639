"""What a session may be connected to, and how it may stand."""

from __future__ import annotations

import enum
from typing import Final


class Stream(enum.Enum):
    """What a session is connected to."""

    SERIAL = "serial"
    LOG = "boot log"
    SHELL = "shell"


class State(enum.Enum):
    """Where a session stands."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    """There is no guest to connect to; the session connects when there is."""
    FOLLOWING = "following"
    """The VM moved or was restarted; the session connects to where it is now."""
    SILENT = "silent"
    LIVE = "live"
    ENDED = "ended"
    CUT = "cut"
    """The line broke, and it is not known yet why."""
    LOST = "lost"
    TAKEN = "taken over"
    HELD = "held by another client"
    """Somebody else has the console, and only the user takes it from them."""
    REFUSED = "refused"


OPEN: Final = frozenset({State.CONNECTING, State.WAITING, State.FOLLOWING, State.SILENT, State.LIVE})
"""Those in which there is a line, or will be without the user's doing."""
