"""Exit codes of all commands, as the end of ``--help`` and the README tell them."""

from __future__ import annotations

import signal
from typing import Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
PARTIAL: Final = 3
UNCONFIRMED: Final = 4
UNSEEN: Final = 5
INTERRUPTED: Final = 128 + signal.SIGINT
