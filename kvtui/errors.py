"""The one tree of errors that a user may read: what failed, in whose words, and the way out."""

from __future__ import annotations


class KvtuiError(Exception):
    """Something a user can be told: `title` in one clause, `detail` in the server's words, `hint` as the way out."""

    def __init__(self, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.hint = hint
        self.hop = ""
        """The ssh server on the way to the place that was meant at which it failed; empty where it failed elsewhere."""

    def __str__(self) -> str:
        text = f"{self.title}: {self.detail}" if self.detail else self.title
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(KvtuiError):
    """The configuration, a kubeconfig or a theme cannot be used."""


class BackendError(KvtuiError):
    """A backend refused or failed; `code` is its status code, 0 where it has none."""

    def __init__(self, title: str, detail: str = "", hint: str = "", code: int = 0) -> None:
        super().__init__(title, detail, hint)
        self.code = code


class UnreachableError(BackendError):
    """No answer: refused, timed out, cut, or TLS could not be agreed."""

    silent = False
    """Whether nothing came for too long, where before there was an answer: the link is dead, or the far side hangs."""


class UnconnectedError(UnreachableError):
    """There was no connection by which anything could be asked: nothing was sent."""


class UnansweredError(UnreachableError):
    """Whoever took what was to change something gave up waiting for it (502, 504): it may have been done."""


class UnauthorizedError(BackendError):
    """The backend does not know who we are (401)."""


class ForbiddenError(BackendError):
    """The account may not do this (403)."""


class DeniedError(ForbiddenError):
    """An ssh server let nobody in with the name that was given, or the user gave up after naming it."""


class HostKeyError(ForbiddenError):
    """An ssh server shows another key than the one that is known: it was set up anew, or somebody stands in between."""


class AbsentError(BackendError):
    """The object or its whole kind is not there (404)."""


class UnservedError(AbsentError):
    """The whole kind is not there: its group is not installed, or served in no version that kvtui reads."""


class ConflictError(BackendError):
    """The object's state does not allow it, or it changed meanwhile (409)."""


class ChangedError(ConflictError):
    """It is another text than the one that was edited; `found` is what it is now."""

    def __init__(self, title: str, found: str) -> None:
        super().__init__(title, "somebody changed it meanwhile; nothing was stored")
        self.found = found


class PartlyError(BackendError):
    """The first of several steps was done, a later one was not."""


class UntriableError(BackendError):
    """It cannot be rehearsed, and was not: what the server would say is not known."""


class HeldError(ConflictError):
    """Somebody else has it, and would lose it: to be asked for again only after the user was."""


class GoneError(BackendError):
    """The resource version asked for is compacted (410): list anew."""


class BusyError(BackendError):
    """The server asks to come back later (429, 503); `retry_after` in seconds, 0 when it did not say."""

    def __init__(self, title: str, detail: str = "", hint: str = "", code: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(title, detail, hint, code)
        self.retry_after = retry_after


class PendingError(BusyError):
    """The object is not ready yet, though it is there; `since` when, in seconds since the epoch."""

    def __init__(self, title: str, detail: str = "", hint: str = "", *, since: float | None = None) -> None:
        super().__init__(title, detail, hint)
        self.since = since


class LateError(BackendError):
    """What was waited for did not come within the time that the user gave; nothing was done."""


class ReadOnlyError(BackendError):
    """A verb was called on a backend that kvtui was told only to read."""


class UnconfirmedError(KvtuiError):
    """It was asked whether it is meant, and nobody said so."""
