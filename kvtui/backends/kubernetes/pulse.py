"""Whether the server answers at all, asked every few seconds: a server that hangs leaves all connections open, and
its watches look like those of a quiet cluster.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection

from kvtui.backends.kubernetes.reflector import Reflector
from kvtui.backends.kubernetes.server import Server
from kvtui.errors import BackendError, KvtuiError, UnreachableError

_PATH = "/version"
"""What every account may ask, and no server has to look up."""


class Pulse:
    """Asks the server, and doubts what claims to be live while no answer comes. `run` ends only by being cancelled.

    Any answer will do, a refusal too. One try may be slow or meet a broken connection; two in a row are silence.
    """

    def __init__(self, server: Server, reflectors: Collection[Reflector], revive: Callable[[], None]) -> None:
        self._server = server
        self._timings = server.timings
        self._reflectors = reflectors
        self._revive = revive
        """Called when the server answers again: what waits shall not wait on."""
        self._answered = 0.0
        """When it last answered; 0 before it ever did."""
        self._failing_since: float | None = None
        self._silent = False
        self._epoch = server.epoch

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            quiet = self._timings.pulse if self._failing_since is None else self._timings.pulse_retry
            await asyncio.sleep(quiet * random.uniform(0.9, 1.1))
            asked = time.time()
            try:
                await self._server.request("GET", _PATH, limit=self._timings.pulse_answer)
            except UnreachableError as error:
                self._miss(asked, str(error))
            except BackendError:
                self._hear()
            except KvtuiError:
                # The account cannot be read: that says nothing about the server.
                continue
            else:
                self._hear()

    def _miss(self, asked: float, detail: str) -> None:
        if time.time() - asked > 2 * self._timings.pulse_answer:
            # It was we who slept: suspended in the shell, or with the whole machine.
            return
        if self._failing_since is None:
            self._failing_since = asked
            return
        self._silent = True
        for reflector in self._reflectors:
            reflector.doubt(detail, asked=self._failing_since, answered=self._answered)

    def _hear(self) -> None:
        self._answered = time.time()
        self._failing_since = None
        if self._silent or self._epoch != self._server.epoch:
            self._silent = False
            self._epoch = self._server.epoch
            self._server.hurry()
            for reflector in self._reflectors:
                reflector.trust()
            self._revive()
