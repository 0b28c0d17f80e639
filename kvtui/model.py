"""The vocabulary: identity, tones, cells, health, findings and the state of feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple


class Ref(NamedTuple):
    """Identity of an object. Two objects that bore the same name one after the other differ by uid."""

    backend: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def path(self) -> str:
        """``namespace/name``, or the bare name of a cluster-wide object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def full_name(self) -> str:
        """What tells it from others of its kind: ``namespace/name``, or ``backend/name`` where there are none."""
        return self.path if self.namespace else f"{self.backend}/{self.name}"

    @property
    def names(self) -> frozenset[str]:
        """What a user may call it by."""
        return frozenset((self.name, self.path, self.full_name))


class Platform(StrEnum):
    """What a backend is: where machines are virtual machines of Kubernetes, or domains of libvirt."""

    KUBERNETES = "kubernetes"
    LIBVIRT = "libvirt"


class Tone(StrEnum):
    """What a text means for the reader; themes turn it into colours, which never carry meaning alone."""

    OK = "ok"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    MUTED = "muted"


class Cell(NamedTuple):
    """The text of one column of one row."""

    text: str
    tone: Tone | None = None
    sort: str | float | tuple[tuple[str | float, str], ...] | None = None
    """What the column sorts by where the text does not; None sorts by the text.

    Of a row in a tree, the values from the root down to it, each with the name that tells equal ones apart.
    """


@dataclass(frozen=True, slots=True)
class Health:
    """How an object fares: a word for the STATUS column and, when it is not well, the reason in its own words."""

    tone: Tone
    word: str
    reason: str = ""
    wanted: bool = False
    """Whether somebody wants it so: its word tells no trouble, and what is found is told beside it."""


class Severity(IntEnum):
    """How much a finding matters; the greater the worse."""

    INFO = 1
    WARN = 2
    BAD = 3

    @property
    def glyph(self) -> str:
        """The sign that stands for it where colours do not."""
        return {"INFO": "i", "WARN": "!", "BAD": "x"}[self.name]

    @property
    def tone(self) -> Tone:
        """The tone of its text."""
        return {"INFO": Tone.MUTED, "WARN": Tone.WARN, "BAD": Tone.BAD}[self.name]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation behind a finding: where it stands and what it says."""

    subject: str
    field: str
    value: str
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found."""

    rule: str
    severity: Severity
    subject: Ref
    label: str
    """The short word for the subject's kind: ``vm``, ``migration``, ``import``, ``node``, ``feed``."""
    trouble: str
    """What is wrong, in two or three words: ``does not start``."""
    cause: str
    """Because of what, in one sentence that names the culprit and its value."""
    since: float | None = None
    """When it began, as an object tells or as was seen; None where nobody knows."""
    evidence: tuple[Evidence, ...] = ()
    step: str = ""
    """The next thing to do."""
    root: Ref | None = None
    """What is at fault where that is another than the subject; it need not exist, nor be an object at all."""
    at_root: Finding | None = None
    """What is said of the root where several rest on it and its rule finds nothing: it is of the root's own voice."""
    about: tuple[Ref, ...] = ()
    """Others that it tells of, as of itself: they have no finding of their own for it."""
    seen: float | None = field(default=None, compare=False)
    """When it was seen first, where nobody knows since when it is so: no part of what is found."""


class FeedState(StrEnum):
    """The state of one (backend, kind) stream."""

    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Feed:
    """How well one kind of one backend is known."""

    backend: str
    kind: str
    state: FeedState
    since: float = 0.0
    """When this state began, in seconds since the epoch; of what is stale, when it was last known to be true."""
    detail: str = ""
    """The server's words, or what is being waited for."""
    retry_at: float | None = None
    """When it is tried again, where that is known."""
    polled: bool = False
    """Live, but by asking every now and then: the account may list and not watch."""

    @property
    def usable(self) -> bool:
        """Whether what the store holds of it is worth showing, be it old."""
        return self.state in (FeedState.LIVE, FeedState.STALE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a node, a host or a pod uses, as metrics-server or libvirt measured it: cores and bytes."""

    cpu: float
    memory: float
    waiting: float | None = None
    """Share of the CPUs that wait for disks, 0 to 1; None where nobody measures it."""


@dataclass(frozen=True, slots=True)
class Care:
    """How careful the user wants to be with a backend, by their own settings."""

    production: bool = False
    """Whether every action is confirmed one step stricter."""
    protected: tuple[str, ...] = ()
    """Patterns of what is protected: a namespace, ``NAMESPACE/NAME``, or the name of what has no namespace."""

    def protects(self, ref: Ref) -> str:
        """The pattern that protects an object; empty when none does."""
        names = {ref.namespace or ref.name, ref.path}
        return next((word for word in self.protected if any(fnmatchcase(name, word) for name in names)), "")


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What the header says of a backend."""

    name: str
    platform: Platform = Platform.KUBERNETES
    address: str = ""
    user: str = ""
    acting_as: str = ""
    """As which other user it is asked, with its groups; empty where we act as ourselves."""
    version: str = ""
    """The version of the API server or of libvirt."""
    read_only: bool = False
    namespace: str = ""
    """The only namespace that is shown; empty for all."""
    trouble: str = ""
    put_off: float = 0.0
    """Seconds for which it asks not to be asked anything; what was asked for waits till then."""
    groups: frozenset[str] = field(default_factory=frozenset)
