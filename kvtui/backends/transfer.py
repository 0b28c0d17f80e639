"""What goes on while the screen does: a download or an upload, how far it is, how it ended, and its end by the user."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from kvtui.backends.downloads import Downloads, Figures, fetch
from kvtui.backends.sinks import Sink
from kvtui.errors import KvtuiError
from kvtui.model import Ref
from kvtui.text import age, clean_line, rate, size


class Transfer(ABC):
    """Bytes on their way."""

    def __init__(self, ref: Ref) -> None:
        self.ref = ref
        self.over = False
        self.failure = ""
        """Why it came to nothing, once it is over."""
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    @abstractmethod
    def title(self) -> str:
        """What is brought where: ``download disk to disk.img``."""

    @property
    @abstractmethod
    def words(self) -> str:
        """How far it is, in a few words: ``42%, 3m left``."""

    @property
    @abstractmethod
    def lines(self) -> tuple[str, ...]:
        """How far it is, in full."""

    @property
    @abstractmethod
    def done(self) -> float | None:
        """Part that is over, from 0 to 1; None where nobody knows."""

    @property
    @abstractmethod
    def result(self) -> str:
        """What there is once it went well, in one clause."""

    @abstractmethod
    def describe_end(self) -> str:
        """What is left of it once it was given up, in one clause."""

    @abstractmethod
    async def carry(self) -> None:
        """Bring it there. Raises KvtuiError."""

    async def run(self) -> None:
        """Carry it to its end. Raises KvtuiError, CancelledError when it was cancelled."""
        self._task = asyncio.create_task(self.carry(), name=self.title)
        try:
            await self._task
        except KvtuiError as error:
            self.failure = str(error)
            raise
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self.failure = f"cancelled: {self.describe_end()}"
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


class DownloadTransfer(Transfer):
    """One volume of an export on its way into a file, or to who reads it."""

    def __init__(self, backend: Downloads, ref: Ref, volume: str, form: str, sink: Sink) -> None:
        super().__init__(ref)
        self._sink = sink
        self.figures = Figures()
        self._backend = backend
        self._volume = volume
        self._form = form

    @property
    def title(self) -> str:
        """What is brought where."""
        return clean_line(f"download {self._volume or self.ref.path} to {self._sink.name}")

    @property
    def words(self) -> str:
        """How far it is, in a few words."""
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

    @property
    def done(self) -> float | None:
        """Part of the volume that came."""
        return self.figures.done

    @property
    def result(self) -> str:
        """What there is."""
        return self._sink.result

    def describe_end(self) -> str:
        """What is left of it."""
        return self._sink.left

    async def carry(self) -> None:
        """Bring it there. Raises KvtuiError; no file is left of it then."""
        # Before a byte is asked for.
        self._sink.check()
        async with self._backend.open_download(self.ref, self._volume, self._form) as download:
            await fetch(download, self._sink, self._form, self.figures)
