"""What an ssh server wants to know before it lets us in: who comes, and with what. Whether its key is trusted, the
caller knows.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncssh

from kvtui.backends.ssh.account import Account
from kvtui.backends.ssh.errand import NobodyError
from kvtui.errors import BackendError, UnreachableError
from kvtui.text import clean_line

# It would tell what is sent.
logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)

Ask = Callable[[str, bool], "concurrent.futures.Future[str | None]"]
"""Asks the user in the screen's thread."""

LONGEST: Final = 500
"""Characters of a server's words that are kept."""
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


Trust = Callable[[asyncssh.SSHKey], None]
"""Looks at the key that a server shows. Raises BackendError when it is not trusted."""
Unlocked = dict[Path, list[asyncssh.SSHKeyPair]]
"""Keys whose passphrase was asked for, to be asked for once."""


class Login(asyncssh.SSHClient):
    """Answers what an ssh server wants to know before it lets us in."""

    def __init__(
        self, account: Account, trust: Trust, ask: Ask, show: Callable[[str], None], unlocked: Unlocked | None = None
    ) -> None:
        self.account = account
        self.user = account.user
        self.error: BackendError | None = None
        """Why it was ended from our side."""
        self.offered: list[str] = []
        """What was offered to the server, in words."""
        self.locked: list[Path] = []
        """Keys whose passphrase the user did not know in as many tries as there are."""
        self.gave_up = False
        self.is_alone = False
        """Whether there was nobody to ask, as without a terminal."""
        self.withheld = "password"
        """What was not given when the user gave up."""
        self.accepted = False
        self.connected = False
        """Whether there was a way to it, whoever answers there."""
        self._trust = trust
        self._ask = ask
        self._show = show
        self._unlocked = {} if unlocked is None else unlocked
        self._connection: asyncssh.SSHClientConnection | None = None
        self._keys: AsyncIterator[asyncssh.SSHKeyPair] | None = None
        self._agent: asyncssh.SSHAgentClient | None = None
        self._tries = 0

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Remember the connection that is to be ended when it does not come on."""
        self._connection = conn
        self.connected = True

    def close(self) -> None:
        """Let the agent go: nothing more is to be signed."""
        if self._agent is not None:
            self._agent.close()

    def check_handshake(self) -> None:
        """End a connection whose other side has not agreed on keys by now."""
        if self._connection is not None and self._connection.get_extra_info("recv_cipher") is None:
            guest, seconds = self.account.host, self.account.handshake
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
        """The server let the user in."""
        self.accepted = True

    def auth_banner_received(self, msg: str, _lang: str) -> None:
        """Show what the server says before the login."""
        self._show(msg[: 16 * LONGEST])

    def validate_host_public_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        """Whether the key of the server is trusted."""
        try:
            self._trust(key)
        except BackendError as error:
            self.error = error
            return False
        return True

    # Keys

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        """The next key to offer."""
        if self._keys is None:
            self._keys = self._offer_keys()
        return await anext(self._keys, None)

    async def _offer_keys(self) -> AsyncIterator[asyncssh.SSHKeyPair]:
        """Keys of the agent, then of files; those that need a passphrase at last."""
        files = self.account.keys or tuple(
            path for name in _USUAL_KEYS if (path := Path.home() / ".ssh" / name).is_file()
        )
        # It signs what is offered here, so it stays until the login is over, however few are taken.
        self._agent = await _agent(self.account.agent)
        wanted = {data for path in files if (data := _public_data(path)) is not None}
        # What was named goes first: servers count how many are tried.
        held = sorted(await _held(self._agent), key=lambda pair: pair.public_data not in wanted)
        if self.account.only:
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
        if path in self._unlocked:
            return self._unlocked[path]
        passphrase: str | None = None
        certificates = [str(certificate) for certificate in self.account.certificates if certificate.is_file()]
        for tries in range(_TRIES + 1):
            try:
                pairs = [*asyncssh.load_keypairs([str(path)], passphrase, certificates)]
            except asyncssh.KeyEncryptionError:
                again = "not the one; "
            except (asyncssh.KeyImportError, OSError, ValueError) as error:
                words = getattr(error, "strerror", None) or str(error)
                if passphrase is not None or "assphrase" not in words:
                    self._refuse_key(path, words)
                    return []
                again = ""
            else:
                if passphrase is not None:
                    self._unlocked[path] = pairs
                return pairs
            if tries == _TRIES:
                self.locked.append(path)
                break
            passphrase = await self._ask_user(f"{again}passphrase of {path}", True)
            if not passphrase:
                self.withheld = f"passphrase of {path}"
                break
        return []

    def _refuse_key(self, path: Path, words: str) -> None:
        """Raise BackendError for a key that cannot be used, if it was named."""
        if self.account.must:
            hint = f"name another key ({self.account.key_option})"
            self.error = BackendError(f"cannot use the key {path}", clean_line(words), hint)
            raise self.error

    # Passwords

    def kbdint_auth_requested(self) -> str | None:
        """Take part in it until the user has had enough."""
        return None if self.gave_up or self._tries >= _TRIES else ""

    async def kbdint_challenge_received(
        self, name: str, instructions: str, _lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Let the user answer the server's questions."""
        if not prompts:
            return []
        self._tries += 1
        self.offered.append("answers to its questions")
        answers = []
        for prompt, echoed in prompts[:8]:
            words = clean_line(" ".join(part for part in (name, instructions, prompt) if part))[:LONGEST].strip()
            answer = await self._ask_user(f"{self._again}{self.user} on {self.account.host}: {words}", not echoed)
            if answer is None:
                return None
            answers.append(answer)
        return answers

    async def password_auth_requested(self) -> str | None:
        """The user's password."""
        if self.gave_up or self._tries >= _TRIES:
            return None
        self._tries += 1
        password = await self._ask_user(f"{self._again}password of {self.user} on {self.account.host}", True)
        if password is not None:
            self.offered.append("a password")
        return password

    @property
    def _again(self) -> str:
        return "not accepted; " if self._tries > 1 else ""

    async def _ask_user(self, prompt: str, secret: bool) -> str | None:
        try:
            answer = await asyncio.wrap_future(self._ask(prompt, secret))
        except (asyncio.CancelledError, NobodyError) as error:
            answer = None
            self.is_alone = isinstance(error, NobodyError)
        self.gave_up = answer is None
        return answer


def no_server(guest: str, words: str, kind: type[BackendError] = UnreachableError) -> BackendError:
    """The error of a port where nothing speaks SSH."""
    return kind(f"no ssh server answers on {guest}", words, "is the port right?")


async def _agent(path: str) -> asyncssh.SSHAgentClient | None:
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


def algorithms(known: Iterable[str]) -> list[str]:
    """How a server may prove itself: by the known types of its keys first, lest another one looks like a change."""
    types = dict.fromkeys([*(type_ for type_ in known if type_ in _HOST_KEYS), *_HOST_KEYS])
    return [algorithm for type_ in types for algorithm in _HOST_KEYS[type_]]


def written(key: asyncssh.SSHKey) -> tuple[str, str]:
    """Type and base64 of a key, as a file of known hosts has them."""
    type_, data, *_ = key.export_public_key().decode().split()
    return type_, data


def means_trust(answer: str | None, key: asyncssh.SSHKey) -> bool | None:
    """Whether an answer trusts a key: yes, or its fingerprint. None for what says neither, after which ssh asks again.

    A y that was pressed twice is one.
    """
    words = (answer or "").strip()
    if words == key.get_fingerprint() or words.lower() in ("y", "yy", "yes"):
        return True
    return False if words.lower() in ("", "n", "nn", "no") else None


def ask_for_trust(host: str, key: asyncssh.SSHKey, *, again: bool) -> str:
    """The question whether a key that is not known yet is trusted."""
    first = "Type yes, no or the fingerprint. " if again else ""
    return f"{first}The host key of {host} is not known yet: {fingerprint(key)}. Trust it (yes/no)?"


def fingerprint(key: asyncssh.SSHKey) -> str:
    """Type and fingerprint of a key, as users compare them."""
    return f"{written(key)[0]} {key.get_fingerprint()}"
