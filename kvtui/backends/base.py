"""What a backend is to the rest of kvtui: kinds kept live, objects on demand, verbs, and byte streams."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from kvtui.model import BackendInfo, Platform, Ref, Tone
from kvtui.records.base import Record
from kvtui.records.kubernetes import Pod
from kvtui.records.libvirt import Guest
from kvtui.records.past import Past
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
    part: str = ""
    """Which part of the kind it is, where several sources bring it: ``of CDI``."""
    platform: Platform = Platform.KUBERNETES
    """Which backends have the kind; for libvirt, group and versions say nothing."""

    @property
    def kind(self) -> str:
        """The kind."""
        return self.type.KIND

    @property
    def feed(self) -> str:
        """The name of its feed: the kind, or what of the kind it brings."""
        return f"{self.kind} {self.part}".rstrip()


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
    """Why not, in the server's words; most say nothing."""
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


class SizedStream(ByteStream, Protocol):
    """A stream whose far end is a terminal."""

    def resize(self, columns: int, lines: int) -> None:
        """The terminal has another size now."""


class Dialer(Protocol):
    """A way to remote places that are not reached directly. The names of hosts are looked up at its far end."""

    @property
    def way(self) -> str:
        """What is on the way, as sentences name it."""

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
class Archive(Protocol):
    """A backend whose objects tell more of their past than their records keep."""

    async def fetch_past(self, ref: Ref) -> Past:
        """Who wrote an object and when, and when its containers began and ended; never a value of it. Raises
        BackendError.
        """

    async def fetch_pods(self, namespace: str, selector: str) -> Sequence[Pod]:
        """The pods of a namespace with some labels, also those that are not kept live. Raises BackendError."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text that describes an object."""

    title: str
    """Which of its descriptions: ``as it runs``."""
    text: str


@runtime_checkable
class Documents(Protocol):
    """A backend that describes its objects in XML."""

    async def fetch_documents(self, ref: Ref) -> Sequence[Document]:
        """What describes the object, secrets masked, control characters replaced. Raises BackendError."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an object while we watched."""

    moment: float
    """In seconds since the epoch."""
    what: str
    detail: str = ""
    tone: Tone | None = None
    count: int = 1
    """How often in a row; `moment` is that of the last."""


@runtime_checkable
class Chronicle(Protocol):
    """A backend whose events nobody keeps but us."""

    def tell_happenings(self, ref: Ref) -> Sequence[Happening]:
        """What happened to an object since we watch it, the oldest first; asks nobody."""


@runtime_checkable
class Agents(Protocol):
    """A backend that asks the agents of guests."""

    async def ask_agent(self, ref: Ref) -> Guest:
        """What the agent in a guest tells of it. Raises BackendError: BusyError when it does not answer."""


@dataclass(frozen=True, slots=True)
class Located:
    """A machine that was asked for by its name."""

    ref: Ref
    arriving: bool = False
    """Whether it is being received, or was already let go of: while it moves it stands on two hosts."""


@runtime_checkable
class Locator(Protocol):
    """A backend that can be asked for a machine by its name or UUID alone."""

    async def locate(self, name: str) -> Located | None:
        """The machine; None when there is none. It need not be kept live for that. Raises BackendError."""


@runtime_checkable
class Finder(Protocol):
    """A backend that can be asked for objects without knowing where they are."""

    async def find_namespaces(self, ref: Ref) -> Sequence[str]:
        """The namespaces that hold an object of the kind and name of `ref`. Raises BackendError."""


@runtime_checkable
class Lifecycle(Protocol):
    """A backend whose VMs can be started and stopped. Every verb raises BackendError with the server's words,
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


@runtime_checkable
class Migrations(Protocol):
    """A backend that moves running VMs between its nodes. Errors as of `Lifecycle`."""

    async def migrate(self, ref: Ref) -> None:
        """Move a running VM to another node of the scheduler's choice."""

    async def cancel_migration(self, ref: Ref) -> None:
        """Abort a migration; `ref` is the migration."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that a move to another host must reckon with."""

    subject: str
    """``cpu``, ``storage``, ``network``, ``machine`` ..."""
    words: str
    blocks: bool = False
    """Whether libvirt would refuse."""


@dataclass(frozen=True, slots=True)
class MoveCheck:
    """What was found when both hosts were asked whether a domain can move."""

    obstacles: tuple[Obstacle, ...] = ()
    copied: tuple[str, ...] = ()
    """Targets of the disks that do not lie on shared storage, and so have to be copied."""
    copied_bytes: int = 0
    overwritten: tuple[str, ...] = ()
    """Those of them that would be copied onto files which are there, and which no VM there has."""

    @property
    def possible(self) -> bool:
        """Whether nothing is known that would make libvirt refuse."""
        return not any(obstacle.blocks for obstacle in self.obstacles)


class Transport(StrEnum):
    """How the memory of a domain travels."""

    DIRECT = "direct"
    """From QEMU to QEMU; kvtui holds both ends, and the guest stays where it is should kvtui end."""
    PEER_TO_PEER = "peer to peer"
    """From QEMU to QEMU; the source host alone carries it on."""
    TUNNELLED = "tunnelled"
    """Through the connection of the two daemons, encrypted and slower."""


@dataclass(frozen=True, slots=True)
class MovePlan:
    """How a domain moves to another host."""

    target: str
    """The backend that it goes to."""
    transport: Transport = Transport.DIRECT
    copied: tuple[str, ...] = ()
    """Targets of the disks that are copied."""
    post_copy: bool = False
    """Whether it may be switched to post-copy, once it runs."""
    auto_converge: bool = False
    """Whether its CPUs are slowed down as far as it needs."""
    bandwidth: int | None = None
    """MiB a second at most."""
    downtime: int | None = None
    """Milliseconds that it may stand still at the end."""
    uri: str = ""
    """Where the source sends its memory to, where that is not the target's own name: ``tcp://10.0.0.2``."""
    unsafe: bool = False
    """Whether to move it though its disks are neither known to be shared nor copied."""
    overwrite: bool = False
    """Whether disks may be copied onto files that are there; never onto one that another VM has."""


@runtime_checkable
class Movers(Protocol):
    """A backend that moves its machines to other backends."""

    async def check_move(self, ref: Ref, target: str) -> MoveCheck:
        """Ask both hosts whether a domain can move there. Raises BackendError when one of them does not answer."""

    async def move(self, ref: Ref, plan: MovePlan) -> None:
        """Begin to move a domain; returns once its memory travels.

        Raises BackendError when a host refuses. What happens later is told by its job.
        """

    async def abort_job(self, ref: Ref) -> None:
        """End what goes on with a domain; it stays where it is."""

    async def switch_to_post_copy(self, ref: Ref) -> None:
        """Let the domain run on at its target now, and send the rest of its memory as it needs it."""

    async def set_bandwidth(self, ref: Ref, bandwidth: int) -> None:
        """Limit a migration that is under way to MiB a second."""

    async def set_downtime(self, ref: Ref, downtime: int) -> None:
        """Allow a migration that is under way so many milliseconds of standstill."""


@runtime_checkable
class SharedConsoles(Protocol):
    """A backend whose machines may have several serial lines, and whose consoles are not taken without being asked."""

    async def open_line(self, ref: Ref, *, line: str = "", take: bool = False) -> ByteStream:
        """A serial line of a machine, by default the first one; with `take`, also from whoever has it.

        Raises BackendError: HeldError when somebody else has it, code 404 or 409 while the guest is not running,
        ForbiddenError without the right; ReadOnlyError on a read-only backend.
        """


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

    def explain_no_ports(self) -> str:
        """Why none is; empty where they are."""

    async def open_port(self, ref: Ref, port: int) -> ByteStream:
        """A TCP connection to `port` of a VM or VMI.

        Raises BackendError with the server's words when nobody listens there or the machine does not run;
        ReadOnlyError on a read-only backend.
        """


@runtime_checkable
class HostShells(Protocol):
    """A backend whose host can be logged in to, as far as there is a way."""

    def explain_no_shell(self) -> str:
        """Why there is no shell of the host; empty where there is one."""

    async def open_host_shell(self, ref: Ref, columns: int, lines: int) -> SizedStream:
        """A shell of the host, in a terminal of that size.

        Raises BackendError: code 405 where there is none; ReadOnlyError on a read-only backend.
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
