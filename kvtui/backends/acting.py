"""The guard of all that changes something: enforces read-only, and keeps an audit line before and after each action."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from kvtui.audit import Act, AuditLog, is_untouched, mark_asked
from kvtui.backends.base import ByteStream
from kvtui.errors import BackendError, ForbiddenError, KvtuiError, ReadOnlyError, UnconnectedError, UnreachableError
from kvtui.model import Platform, Ref
from kvtui.text import clean_line

T = TypeVar("T")
OpenedStream = TypeVar("OpenedStream", bound=ByteStream)


async def _is_same(_ref: Ref) -> None:
    """For backends whose requests name the very object."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands before the verbs of one backend, whoever calls them."""

    audit: AuditLog
    platform: Platform
    read_only: Callable[[], bool]
    account: Callable[[], str]
    """Under which name the server knows us."""
    check_same: Callable[[Ref], Awaitable[None]] = _is_same
    """Raises ConflictError when another object bears the name by now."""
    refused: Callable[[], None] = lambda: None
    """Told when the server did not allow something."""
    dry_run: bool = False
    """Whether what is asked changes nothing; the log says so."""

    def refuse_read_only(self, ref: Ref, consequence: str) -> None:
        """Raise ReadOnlyError, with what was not done, when nothing may be changed here."""
        if self.read_only():
            raise ReadOnlyError(
                f"{ref.backend} is read-only", consequence, "by --read-only, or by read_only in the settings"
            )

    async def act(self, verb: str, ref: Ref, ask: Callable[[], Awaitable[T]], *, about: Ref | None = None) -> T:
        """What `ask` returns, done between its two audit lines, on the very object that was meant; `about` is another
        one that it must be, where that is not the one that is changed.

        Raises what `ask` raises, ReadOnlyError, ConflictError, and BackendError when it cannot be logged.
        """
        return await self._do(self._plan(verb, ref, about), ask, about, lambda _done: ref)

    async def create(self, verb: str, ref: Ref, ask: Callable[[], Awaitable[Ref]], *, about: Ref | None = None) -> Ref:
        """The same of what is not there yet: the second line bears the name and uid that the server gave it."""
        return await self._do(self._plan(verb, ref, about), ask, about, lambda made: made)

    async def _do(self, act: Act, ask: Callable[[], Awaitable[T]], about: Ref | None, name: Callable[[T], Ref]) -> T:
        verb, ref = act.verb, act.ref
        self.refuse_read_only(ref, f"{verb} of {ref.path} was not sent")
        await self._note(act, "asked")
        mark_asked()
        try:
            done = await self._send(act, ask, about)
        except KvtuiError as failure:
            if isinstance(failure, ForbiddenError):
                self.refused()
            await self._note(act, _judge(failure), failure.detail or str(failure))
            raise
        try:
            await self._note(replace(act, ref=name(done)), "accepted")
        except BackendError as error:
            raise BackendError(f"{verb} of {ref.path} was accepted, but not logged", str(error)) from error
        return done

    async def note(self, what: str, ref: Ref) -> None:
        """Keep in the audit log that something was taken from the server. Raises BackendError when that fails."""
        await self._note(self._plan(what, ref), "accepted")

    def note_end(self, verb: str, ref: Ref, result: str, words: str = "") -> None:
        """Keep in the audit log how something ended that was accepted long before, at once: whoever tells of it may be
        about to end. One that cannot be kept is lost, for nothing is left to be stopped.
        """
        with suppress(BackendError):
            self.audit.write(self._plan(verb, ref), result, words)

    async def note_opened(self, what: str, ref: Ref, stream: OpenedStream) -> OpenedStream:
        """Keep in the audit log that a way into a machine was opened; the stream. Raises BackendError, and closes the
        stream, when it cannot be kept. Attempts are not, for a VM that starts is asked five times a second.
        """
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(stream.close)
            await self._note(self._plan(what, ref), "accepted")
            on_failure.pop_all()
        return stream

    def _plan(self, verb: str, ref: Ref, about: Ref | None = None) -> Act:
        others = () if about is None else (about,)
        return Act(verb, ref, self.account(), self.platform, self.dry_run, others)

    async def _send(self, act: Act, ask: Callable[[], Awaitable[T]], about: Ref | None) -> T:
        """Ask for it; whatever goes wrong is one of our errors."""
        try:
            for ref in (act.ref, about):
                if ref is not None:
                    await self._check_same(ref)
            return await ask()
        except KvtuiError:
            raise
        except asyncio.CancelledError:
            # Whoever ends now may not wait for a thread.
            with suppress(BackendError):
                self.audit.write(act, "unknown", "not waited for")
            raise
        except Exception as error:  # noqa: BLE001 - boundary: a fault of ours does not undo what was sent
            words = f"a fault of kvtui: {clean_line(repr(error))}"
        raise UnreachableError(f"nobody knows whether {act.verb} of {act.ref.path} was accepted", words)

    async def _check_same(self, ref: Ref) -> None:
        """Raise ConflictError when it is another object by now; UnconnectedError when nobody says, for then nothing is
        sent.
        """
        with unsent(f"not sent, for nobody said whether it still is the same {ref.path}"):
            await self.check_same(ref)

    async def _note(self, act: Act, result: str, words: str = "") -> None:
        await asyncio.to_thread(self.audit.write, act, result, words)


@contextmanager
def unsent(words: str) -> Iterator[None]:
    """Around what is asked before a change is: where nobody answers that, nothing was sent. Raises UnconnectedError."""
    try:
        yield
    except UnreachableError as error:
        told = f"{error.title}: {error.detail}" if error.detail else error.title
        raise UnconnectedError(words, told, error.hint, error.code) from error


@contextmanager
def reading(ref: Ref) -> Iterator[None]:
    """Around what is read of the server, for an action perhaps: as long as that has changed nothing, nobody need wonder
    whether it has. Raises UnconnectedError then.
    """
    if not is_untouched():
        yield
        return
    what = f"{ref.kind} {ref.path}" if ref.name else f"the list of {ref.kind}"
    with unsent(f"nothing was changed, for {what} could not be read"):
        yield


def _judge(failure: KvtuiError) -> str:
    """What the log says came of it."""
    if isinstance(failure, UnconnectedError):
        return "unsent"
    return "unknown" if isinstance(failure, UnreachableError) else "refused"
