"""What a guest wants to know before it gives a shell: whether its key is trusted, and who comes with what."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncssh

from kvtui.backends.ssh.errand import Errand, NobodyError
from kvtui.backends.ssh.known_hosts import KnownKey
from kvtui.backends.ssh.pipe import Pipe
from kvtui.errors import BackendError, ForbiddenError, UnreachableError
from kvtui.text import clean_line

Ask = Callable[[str, bool], "concurrent.futures.Future[str | None]"]
"""Asks the user in the screen's thread."""

LONGEST: Final = 500
"""Characters of a guest's words that are kept."""
_TRIES: Final = 3
"""Passwords that are asked for, as ssh does."""
_USUAL_KEYS: Final = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_HOST_KEYS: Final = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Types of host keys, the preferred one first, with the algorithms by which they sign."""


class Login(asyncssh.SSHClient):
    """Answers what a guest wants to know before it gives a shell."""

    def __init__(self, errand: Errand, known: list[KnownKey], ask: Ask, pipe: Pipe) -> None:
        self.user = errand.user
        self.error: BackendError | None = None
        """Why it was ended from our side."""
        self.offered: list[str] = []
        """What was offered to the guest, in words."""
        self.locked: list[Path] = []
        """Keys whose passphrase the user did not know in as many tries as there are."""
        self.gave_up = False
        self.accepted = False
        self._errand = errand
        self._known = known
        self._ask = ask
        self._pipe = pipe
        self._connection: asyncssh.SSHClientConnection | None = None
        self._keys: AsyncIterator[asyncssh.SSHKeyPair] | None = None
        self._agent: asyncssh.SSHAgentClient | None = None
        self._tries = 0

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Remember the connection that is to be ended when it does not come on."""
        self._connection = conn

    def close(self) -> None:
        """Let the agent go: nothing more is to be signed."""
        if self._agent is not None:
            self._agent.close()

    def check_handshake(self) -> None:
        """End a connection whose other side has not agreed on keys by now."""
        if self._connection is not None and self._connection.get_extra_info("recv_cipher") is None:
            guest, seconds = self._errand.guest, self._errand.handshake
            if self.greeted:
                words = f"greeted, but agreed on no keys in {seconds:g} s"
                self.error = UnreachableError(f"the ssh server of {guest} fell silent", words)
            else:
                self.error = no_server(guest, f"connected, but no greeting came in {seconds:g} s")
            self._connection.abort()

    @property
    def greeted(self) -> bool:
        """Whether the other side said that it speaks SSH."""
        return self._connection is not None and self._connection.get_extra_info("server_version") is not None

    def auth_completed(self) -> None:
        """The guest let the user in."""
        self.accepted = True

    def auth_banner_received(self, msg: str, _lang: str) -> None:
        """Show what the guest says before the login."""
        self._pipe.put(msg[: 16 * LONGEST].replace("\r\n", "\n").replace("\n", "\r\n").encode(errors="replace"))

    # Trust

    def validate_host_public_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        """Whether the key is the one that the guest showed before, or the user says so."""
        # Called by asyncssh outside of any task: waiting here stops this thread alone, which has nothing else to do.
        try:
            if self._known:
                self._check_known(key)
            else:
                self._trust_first(key)
        except BackendError as error:
            self.error = error
            return False
        return True

    def _check_known(self, key: asyncssh.SSHKey) -> None:
        type_, data = _written(key)
        if any((known.type, known.key) == (type_, data) for known in self._known):
            return
        hosts = self._errand.known_hosts
        known = self._known[0]
        lines = " and ".join(str(known.line) for known in self._known)
        raise ForbiddenError(
            f"the host key of {self._errand.guest} has changed",
            f"it shows {_fingerprint(key)}, but {_known_fingerprint(known)} is known: "
            "the VM was re-created, or somebody stands in between",
            f"if it was re-created, delete line {lines} of {hosts.path}",
        )

    def _trust_first(self, key: asyncssh.SSHKey) -> None:
        guest = self._errand.guest
        question = f"The host key of {guest} is not known yet: {_fingerprint(key)}. Trust it (yes/no)?"
        try:
            answer = self._ask(question, False).result()
        except concurrent.futures.CancelledError:
            answer = None
        except NobodyError as error:
            raise ForbiddenError(
                f"not logged in to {guest}",
                f"its host key is not known yet: {_fingerprint(key)}",
                "log in once on a terminal to trust it",
            ) from error
        if (answer or "").strip().lower() not in ("y", "yes"):
            raise ForbiddenError(f"not logged in to {guest}", "its host key was not trusted")
        self._errand.known_hosts.add(self._errand.alias, *_written(key))

    # Keys

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        """The next key to offer."""
        if self._keys is None:
            self._keys = self._offer_keys()
        return await anext(self._keys, None)

    async def _offer_keys(self) -> AsyncIterator[asyncssh.SSHKeyPair]:
        """Keys of the agent, then of files; those that need a passphrase at last."""
        files = self._errand.keys or tuple(
            path for name in _USUAL_KEYS if (path := Path.home() / ".ssh" / name).is_file()
        )
        # It signs what is offered here, so it stays until the login is over, however few are taken.
        self._agent = await _agent()
        held = await _held(self._agent)
        if self._errand.keys:
            wanted = {data for path in files if (data := _public_data(path)) is not None}
            held = [pair for pair in held if pair.public_data in wanted]
        for pair in held:
            self.offered.append(f"key {clean_line(pair.get_comment() or 'without name')} of the agent")
            yield pair
        seen = {pair.public_data for pair in held}
        for path in files:
            if self.gave_up or _public_data(path) in seen:
                continue
            for pair in await self._read_key(path):
                self.offered.append(f"key {path}")
                yield pair

    async def _read_key(self, path: Path) -> list[asyncssh.SSHKeyPair]:
        """The key in a file, with a certificate where there is one; nothing when the user knows no passphrase.

        Raises BackendError when a file that was named cannot be used.
        """
        passphrase: str | None = None
        for tries in range(_TRIES + 1):
            try:
                return [*asyncssh.load_keypairs([str(path)], passphrase)]
            except asyncssh.KeyEncryptionError:
                again = "not the one; "
            except (asyncssh.KeyImportError, OSError, ValueError) as error:
                words = getattr(error, "strerror", None) or str(error)
                if passphrase is not None or "assphrase" not in words:
                    self._refuse_key(path, words)
                    return []
                again = ""
            if tries == _TRIES:
                self.locked.append(path)
                break
            passphrase = await self._ask_user(f"{again}passphrase of {path}", True)
            if not passphrase:
                break
        return []

    def _refuse_key(self, path: Path, words: str) -> None:
        """Raise BackendError for a key that cannot be used, if it was named."""
        if self._errand.keys:
            hint = "name another key (-i, or [ssh] key in the configuration)"
            self.error = BackendError(f"cannot use the key {path}", clean_line(words), hint)
            raise self.error

    # Passwords

    def kbdint_auth_requested(self) -> str | None:
        """Take part in it until the user has had enough."""
        return None if self.gave_up or self._tries >= _TRIES else ""

    async def kbdint_challenge_received(
        self, name: str, instructions: str, _lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Let the user answer the guest's questions."""
        if not prompts:
            return []
        self._tries += 1
        self.offered.append("answers to its questions")
        answers = []
        for prompt, echoed in prompts[:8]:
            words = clean_line(" ".join(part for part in (name, instructions, prompt) if part))[:LONGEST].strip()
            answer = await self._ask_user(f"{self._again}{self.user} on {self._errand.guest}: {words}", not echoed)
            if answer is None:
                return None
            answers.append(answer)
        return answers

    async def password_auth_requested(self) -> str | None:
        """The user's password."""
        if self.gave_up or self._tries >= _TRIES:
            return None
        self._tries += 1
        password = await self._ask_user(f"{self._again}password of {self.user} on {self._errand.guest}", True)
        if password is not None:
            self.offered.append("a password")
        return password

    @property
    def _again(self) -> str:
        return "not accepted; " if self._tries > 1 else ""

    async def _ask_user(self, prompt: str, secret: bool) -> str | None:
        try:
            answer = await asyncio.wrap_future(self._ask(prompt, secret))
        except (asyncio.CancelledError, NobodyError):
            answer = None
        self.gave_up = answer is None
        return answer


def no_server(guest: str, words: str, kind: type[BackendError] = UnreachableError) -> BackendError:
    """The error of a port where nothing speaks SSH."""
    return kind(f"no ssh server answers on {guest}", words, "is the port right?")


async def _agent() -> asyncssh.SSHAgentClient | None:
    path = os.environ.get("SSH_AUTH_SOCK", "")
    try:
        return await asyncssh.connect_agent(path) if path else None
    except (OSError, asyncssh.ChannelOpenError):
        # An agent that is gone is like none.
        return None


async def _held(agent: asyncssh.SSHAgentClient | None) -> list[asyncssh.SSHKeyPair]:
    if agent is None:
        return []
    try:
        return [*await agent.get_keys()]
    except (ValueError, OSError):
        return []


def _public_data(path: Path) -> bytes | None:
    """The public half of a key file, as far as it can be had without a passphrase."""
    for file in (path.with_name(path.name + ".pub"), path):
        with suppress(OSError, ValueError, asyncssh.KeyImportError):
            return asyncssh.read_public_key(str(file)).public_data
    return None


def algorithms(known: list[KnownKey]) -> list[str]:
    """How the host may prove itself: by the keys that are known of it first, lest another kind looks like a change."""
    types = dict.fromkeys([*(key.type for key in known if key.type in _HOST_KEYS), *_HOST_KEYS])
    return [algorithm for type_ in types for algorithm in _HOST_KEYS[type_]]


def _written(key: asyncssh.SSHKey) -> tuple[str, str]:
    """Type and base64 of a key, as a file of known hosts has them."""
    type_, data, *_ = key.export_public_key().decode().split()
    return type_, data


def _fingerprint(key: asyncssh.SSHKey) -> str:
    return f"{_written(key)[0]} {key.get_fingerprint()}"


def _known_fingerprint(known: KnownKey) -> str:
    with suppress(asyncssh.KeyImportError, ValueError):
        return _fingerprint(asyncssh.import_public_key(f"{known.type} {known.key}"))
    return f"another {clean_line(known.type)}"
