"""libvirt's numbers in words: states and their reasons as virsh says them, jobs, pools, and what an error means.

Source: libvirt's include/libvirt/*.h and tools/virsh-domain-monitor.c.
"""

from __future__ import annotations

from typing import Final

from kvtui.errors import (
    AbsentError,
    BackendError,
    BusyError,
    ConflictError,
    ForbiddenError,
    HeldError,
    UnauthorizedError,
    UnconnectedError,
    UnreachableError,
)
from kvtui.records.libvirt import DomainState
from kvtui.text import clean_line

STATES: Final = tuple(DomainState)
"""By ``virDomainState``."""

_REASONS: Final[dict[DomainState, tuple[str, ...]]] = {
    DomainState.RUNNING: (
        "", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration canceled", "save canceled",
        "event wakeup", "crashed", "post-copy", "post-copy failed",
    ),
    DomainState.PAUSED: (
        "", "user", "migrating", "saving", "dumping", "I/O error", "watchdog", "from snapshot", "shutting down",
        "creating snapshot", "crashed", "starting up", "post-copy", "post-copy failed", "api error",
    ),
    DomainState.SHUTDOWN: ("", "user"),
    DomainState.SHUTOFF: (
        "", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "daemon",
    ),
    DomainState.CRASHED: ("", "panicked"),
}  # fmt: skip

OPERATIONS: Final = (
    "job", "start", "save", "restore", "incoming migration", "outgoing migration", "snapshot", "snapshot revert",
    "dump", "backup", "snapshot delete",
)  # fmt: skip
"""By ``virDomainJobOperation``."""

PASSING: Final = frozenset(
    {"migrating", "starting up", "saving", "dumping", "creating snapshot", "post-copy", "post-copy failed"}
)
"""Reasons of a state that a job of the domain brings about."""

BLOCK_OPERATIONS: Final = ("block job", "pull", "copy", "commit", "active commit", "backup")
"""By ``virDomainBlockJobType``."""

POOL_STATES: Final = ("inactive", "building", "running", "degraded", "inaccessible")
"""By ``virStoragePoolState``."""


LOOKING_ONLY: Final = "libvirt grants this account a connection for looking only"


def state_of(number: int) -> DomainState:
    """The state of a number; one that is newer than kvtui is no state."""
    return STATES[number] if 0 <= number < len(STATES) else DomainState.NONE


def reason_of(state: DomainState, number: int) -> str:
    """Why a domain is in that state; empty when libvirt does not know."""
    reasons = _REASONS.get(state, ())
    return reasons[number] if 0 <= number < len(reasons) else ""


# virErrorNumber, include/libvirt/virterror.h.
_NO_SUPPORT: Final = 3
_BY_CODE: Final[dict[int, type[BackendError]]] = {
    8: ConflictError,  # VIR_ERR_INVALID_ARG
    29: ForbiddenError,  # VIR_ERR_OPERATION_DENIED: a read-only connection
    42: AbsentError,  # VIR_ERR_NO_DOMAIN
    43: AbsentError,  # VIR_ERR_NO_NETWORK
    45: UnauthorizedError,  # VIR_ERR_AUTH_FAILED
    49: AbsentError,  # VIR_ERR_NO_STORAGE_POOL
    50: AbsentError,  # VIR_ERR_NO_STORAGE_VOL
    55: ConflictError,  # VIR_ERR_OPERATION_INVALID
    68: BusyError,  # VIR_ERR_OPERATION_TIMEOUT
    72: AbsentError,  # VIR_ERR_NO_DOMAIN_SNAPSHOT
    79: UnauthorizedError,  # VIR_ERR_AUTH_CANCELLED
    80: UnauthorizedError,  # VIR_ERR_AUTH_UNAVAILABLE
    86: BusyError,  # VIR_ERR_AGENT_UNRESPONSIVE
    88: ForbiddenError,  # VIR_ERR_ACCESS_DENIED
}
_CUT: Final = ("client socket is closed", "connection closed", "end of file while reading", "cannot recv data",
               "cannot send data", "keepalive", "broken pipe", "no connection to the server")  # fmt: skip
_HELD: Final = "active console session exists"
_UNTRUSTED: Final = (
    "the host's certificate is not for the name in the URI, has expired, or is not of the authority in cacert.pem here"
)
_OPENING: Final = (38, 39, 5)  # VIR_ERR_SYSTEM_ERROR, VIR_ERR_RPC, VIR_ERR_NO_CONNECT


def translate(code: int, message: str, title: str) -> BackendError:
    """An error of libvirt as one of ours; `title` says what failed.

    A connection that is cut has no code of its own, so that is told by the words (libvirt.md 3c).
    """
    words = clean_line(message)
    folded = words.lower()
    if any(cut in folded for cut in _CUT):
        return UnreachableError(title, words)
    if _HELD in folded:
        return HeldError(title, words, code=code)
    return _BY_CODE.get(code, BackendError)(title, words, code=code)


def translate_opening(code: int, message: str, uri: str) -> BackendError:
    """Why a connection could not be opened."""
    error = translate(code, message, f"{clean_line(uri)} cannot be opened")
    if type(error) is BackendError and code in _OPENING:
        return UnconnectedError(error.title, error.detail, _way_out(error.detail.lower()), code=code)
    if "verify peer's certificate" in error.detail:
        error.hint = _UNTRUSTED
    return UnconnectedError(error.title, error.detail, code=code) if isinstance(error, UnreachableError) else error


def _way_out(words: str) -> str:
    if "permission denied" in words:
        return "join the group libvirt, or be root"
    if "certificate" in words:
        return "certificates of both sides are needed, see libvirt's tlscerts.html; qemu+ssh:// needs none"
    if "no such file or directory" in words or "connection refused" in words:
        return "does the daemon run there?"
    if "no connection driver available" in words:
        return "this libvirt has no driver for that URI"
    return ""


def disk_error(number: int) -> str:
    """A ``virDomainDiskErrorCode`` in words; empty for none."""
    return ("", "unspecified", "no space")[number] if 0 <= number <= 2 else "unspecified"


def is_unsupported(code: int) -> bool:
    """Whether an error says that the driver cannot do it at all."""
    return code == _NO_SUPPORT
