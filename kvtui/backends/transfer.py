"""A download that goes on while the screen does: where it stands, how it ended, and its end when the user wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from kvtui.backends.downloads import Downloads, Figures, check_target, fetch
from kvtui.errors import KvtuiError
from kvtui.model import Ref
from kvtui.text import age, clean_line, rate, size


class Transfer:
    """One volume of an export on its way into a file."""

    def __init__(
        self, backend: Downloads, ref: Ref, volume: str, form: str, target: Path, *, overwrite: bool = False
    ) -> None:
        self.ref = ref
        self.target = target
        self.figures = Figures()
        self.over = False
        self.failure = ""
        """Why it came to nothing, once it is over."""
        self._backend = backend
        self._volume = volume
        self._form = form
        self._overwrite = overwrite
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def title(self) -> str:
        """What is brought where."""
        return clean_line(f"{self._volume or self.ref.path} to {self.target}")

    @property
    def words(self) -> str:
        """How far it is, in a few words: ``42%, 3m left``."""
        figures = self.figures
        if figures.done is None:
            return f"{size(figures.received)}B"
        left = f", {age(figures.eta)} left" if figures.eta is not None else ""
        return f"{int(100 * figures.done)}%{left}"

    @property
    def lines(self) -> tuple[str, ...]:
        """How far it is, in full."""
        figures = self.figures
        room = f" of {size(figures.size)}B" if figures.size else ""
        told = [f"{size(figures.written)}B{room} of the volume, {size(figures.received)}B came {figures.way}".rstrip()]
        if not self.over:
            told.append(f"{rate(figures.rate)}   {self.words}" if figures.rate is not None else "asking ...")
        return tuple(told)

    async def run(self) -> None:
        """Bring it here. Raises KvtuiError, CancelledError when it was cancelled; nothing is left of it then."""
        self._task = asyncio.create_task(self._fetch(), name=f"download {self.ref.path}")
        try:
            await self._task
        except KvtuiError as error:
            self.failure = str(error)
            raise
        except asyncio.CancelledError:
            self.failure = "cancelled: nothing of it was kept"
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            raise
        finally:
            self.over = True
            for listener in self._listeners:
                listener()

    def cancel(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()

    def on_end(self, listener: Callable[[], None]) -> None:
        """Call `listener` when it is over."""
        self._listeners.append(listener)

    async def _fetch(self) -> None:
        # Before a byte is asked for.
        check_target(self.target, overwrite=self._overwrite)
        async with self._backend.open_download(self.ref, self._volume, self._form) as download:
            await fetch(download, self.target, self._form, self.figures, overwrite=self._overwrite)
