"""What a backend is to the rest of kvtui: kinds kept live, objects on demand, verbs, and byte streams."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kvtui.model import BackendInfo, Platform, Ref
from kvtui.records.base import Record
from kvtui.store import Message

Inbox = Callable[[Message], None]
"""Where a backend says what it learnt; never blocks."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a kind is listed and watched."""

    type: type[Record]
    group: str
    versions: tuple[str, ...]
    """Served versions that `type` can read, the preferred one first."""
    plural: str
    namespaced: bool = True
    polled: bool = False
    """Ask every now and then and do not watch: the kind is rare, or ordinary users may not watch it."""
    label_selector: str = ""
    platform: Platform = Platform.KUBERNETES
    """Which backends have the kind; for libvirt, group and versions say nothing."""

    @property
    def kind(self) -> str:
        """The kind, which is also the name of the feed."""
        return self.type.KIND


@dataclass(frozen=True, slots=True)
class Permission:
    """What an account must be allowed: the attributes of a SelfSubjectAccessReview."""

    verb: str
    group: str
    resource: str
    subresource: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} on {resource}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The server's answer to "may I?"."""

    allowed: bool
    reason: str = ""
    asked: bool = True
    """False when the server could not be asked: then nobody knows, and `reason` says what is in the way."""


class ByteStream(Protocol):
    """A two-way stream of raw bytes: a serial console, a tunnel."""

    async def read(self) -> bytes:
        """The next bytes; empty at a clean end. Raises BackendError when the stream is cut."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises BackendError when the stream is cut."""

    async def close(self) -> None:
        """End the stream; a second call does nothing."""


class Dialer(Protocol):
    """A way to remote places that are not reached directly. The names of hosts are looked up at its far end."""

    async def prepare(self) -> None:
        """Have the way ready, however long the user needs to answer what it asks. Raises KvtuiError."""

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connection, as a stream socket that does not block. Raises KvtuiError."""

    def retry(self) -> None:
        """Let those on the way be tried again that turned us away."""


class Backend(Protocol):
    """Where machines live."""

    @property
    def name(self) -> str:
        """The name of the context or host, as rows and the header show it."""

    @property
    def info(self) -> BackendInfo:
        """What is known of the backend now."""

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        """Keep every source live until cancelled. Trouble becomes the state of a feed and heals by itself."""

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        """Whether the account may do it; answers are cached for a while."""

    async def close(self) -> None:
        """Let go of everything, at once."""


@runtime_checkable
class Retrier(Protocol):
    """A backend that waits between its tries."""

    def retry(self) -> None:
        """Try again at once what is being waited for."""


@runtime_checkable
class Reader(Protocol):
    """A backend that shows whole objects."""

    async def fetch(self, ref: Ref) -> dict[str, object]:
        """The whole object as the API serves it, secrets masked, control characters replaced."""

    async def fetch_events(self, ref: Ref) -> Sequence[Record]:
        """The events about the object."""


@runtime_checkable
class Finder(Protocol):
    """A backend that can be asked for objects without knowing where they are."""

    async def find_namespaces(self, ref: Ref) -> Sequence[str]:
        """The namespaces that hold an object of the kind and name of `ref`. Raises BackendError."""


@runtime_checkable
class Lifecycle(Protocol):
    """A backend whose VMs can be started, stopped and moved. Every verb raises BackendError with the server's words,
    ReadOnlyError on a read-only backend, and returns when the server has accepted, not when it is done.
    """

    async def start(self, ref: Ref) -> None:
        """Start a VM."""

    async def stop(self, ref: Ref, *, grace: int | None = None) -> None:
        """Stop a VM: by its own grace period, or within `grace` seconds; 0 pulls the plug."""

    async def restart(self, ref: Ref) -> None:
        """Stop a VM and start it again."""

    async def pause(self, ref: Ref) -> None:
        """Freeze the vCPUs."""

    async def unpause(self, ref: Ref) -> None:
        """Let the vCPUs run on."""

    async def migrate(self, ref: Ref) -> None:
        """Move a running VM to another node of the scheduler's choice."""

    async def cancel_migration(self, ref: Ref) -> None:
        """Abort a migration; `ref` is the migration."""


@runtime_checkable
class Consoles(Protocol):
    """A backend with serial consoles."""

    async def open_console(self, ref: Ref) -> ByteStream:
        """The serial console of a VM or VMI. Whoever holds it now loses it.

        Raises BackendError: code 400 or 404 while the guest is not running, 403 without the right; ReadOnlyError on a
        read-only backend.
        """


@runtime_checkable
class BootLogs(Protocol):
    """A backend that keeps what guests said on their serial lines."""

    async def open_boot_log(self, ref: Ref, *, tail: int = 2000) -> ByteStream:
        """The last `tail` lines that a VM or VMI said on its serial line, and what it says from now on.

        It takes the console from nobody, and writing to it does nothing. Raises BackendError: AbsentError when the
        machine keeps no such log or does not run, ForbiddenError without the right.
        """


@runtime_checkable
class Ports(Protocol):
    """A backend through which the ports of machines are reached."""

    async def open_port(self, ref: Ref, port: int) -> ByteStream:
        """A TCP connection to `port` of a VM or VMI.

        Raises BackendError with the server's words when nobody listens there or the machine does not run;
        ReadOnlyError on a read-only backend.
        """


@runtime_checkable
class Screens(Protocol):
    """A backend that can look at the screens of machines."""

    async def take_screenshot(self, ref: Ref) -> bytes:
        """What a VM or VMI shows on its screen: a PNG or PPM file.

        Raises BackendError: code 400 when the machine has no screen or does not run, ForbiddenError without the right.
        """


@runtime_checkable
class Logs(Protocol):
    """A backend with logs of pods."""

    def follow_log(self, ref: Ref, *, container: str = "", tail: int = 500, follow: bool = True) -> AsyncIterator[str]:
        """Lines of a pod's log, cleaned, the last `tail` first and then as they come."""
