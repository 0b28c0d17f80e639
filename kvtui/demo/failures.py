"""Errors of the demo cluster itself, told on standard error: a line each, and each only once."""

from __future__ import annotations

import sys

from kvtui import text


class Failures:
    """What could not be handled. The world goes on; whoever runs it reads of it once."""

    def __init__(self) -> None:
        self.told: set[str] = set()
        """What has been told and is not over yet: ``Kubelet Pod shop/web-1``."""

    def tell(self, what: str, error: Exception) -> None:
        """Tell of an error, unless `what` has been told already."""
        if what not in self.told:
            self.told.add(what)
            line = f"kvtui demo: {what}: {type(error).__name__}: {error}"
            sys.stderr.write(text.clean_line(line) + "\n")
            sys.stderr.flush()

    def over(self, what: str) -> None:
        """It works again: the next error is told again."""
        self.told.discard(what)
