"""What goes wrong with an ssh server, in errors of our own tree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncssh

from kvtui.backends.ssh.login import LONGEST, Login, no_server
from kvtui.errors import BackendError, DeniedError, ForbiddenError, KvtuiError, UnreachableError
from kvtui.text import clean_line

_CODE: Final = re.compile(r"\[Errno (\d+)\]")
FAILURES: Final = (asyncssh.Error, OSError, ValueError, EOFError)
"""What asyncssh raises."""


@contextmanager
def told(host: str, login: Login | None = None) -> Iterator[None]:
    """Say in our own errors what goes wrong on the way to a server, and with the shell there."""
    try:
        yield
    except KvtuiError:
        raise
    except FAILURES as error:
        if login is not None and login.error is not None:
            raise login.error from error
        raise explain(host, error, login) from error


def explain(host: str, error: BaseException, login: Login | None = None) -> BackendError:
    """The error to tell, given during a `login` where there is one."""
    words = words_of(error)
    if login is not None and not login.greeted:
        # What said something else is no broken way to it, whatever becomes of the way afterwards.
        lost = isinstance(error, asyncssh.ConnectionLost | OSError | EOFError)
        return no_server(host, words, UnreachableError if lost else BackendError)
    match error:
        case asyncssh.PermissionDenied() if login is not None:
            return _refused(host, login)
        case asyncssh.ConnectionLost() | OSError() | EOFError():
            return UnreachableError(f"the ssh connection to {host} was cut", words)
        case asyncssh.KeyExchangeFailed():
            return BackendError(f"the ssh server of {host} and kvtui have no cipher in common", words)
        case asyncssh.ProtocolError() | asyncssh.ProtocolNotSupported():
            return BackendError(f"what answers on {host} does not speak SSH", words, "is the port right?")
        case asyncssh.ChannelOpenError():
            return BackendError(f"{host} opened no shell", words)
        case asyncssh.DisconnectError():
            many = login is not None and not login.accepted and len(login.offered) > 1
            hint = f"name the one key to offer ({login.account.key_option})" if login is not None and many else ""
            kind = ForbiddenError if many else BackendError
            return kind(f"the ssh server of {host} ended the connection", words, hint)
    return BackendError(f"no shell of {host}", words)


def words_of(error: BaseException) -> str:
    """The words of an error, cleaned and cut."""
    # asyncio writes its own words over those of the system, and several where a name has several addresses.
    if isinstance(error, OSError) and (codes := dict.fromkeys(_CODE.findall(str(error)))):
        return " and ".join(os.strerror(int(code)) for code in codes)
    return clean_line(getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error))[:LONGEST]


def _refused(host: str, login: Login) -> BackendError:
    if login.gave_up:
        alone = "it is asked for on a terminal alone; keys of an ssh agent need none"
        return DeniedError(
            f"not logged in to {host}", f"no {login.withheld} was given", alone if login.is_alone else ""
        )
    offered = ", ".join(dict.fromkeys(login.offered))
    detail = (
        f"it did not accept {offered}" if offered else "it takes nothing that kvtui could offer: no key, no password"
    )
    if login.locked:
        detail += f"; no passphrase opened {', '.join(map(str, login.locked))}"
    hint = f"name another user or key ({login.account.user_option})"
    return DeniedError(f"{login.user} may not log in to {host}", detail, hint)
