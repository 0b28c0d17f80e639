"""The state of the demo cluster as etcd and the API machinery behind it would keep it.

Objects are held as JSON bytes beside a small index, so that ten thousand machines fit a laptop and a list is a join of
bytes. Every change has a revision; a bounded log of them feeds watches, and what fell out of it answers 410 Gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Object = dict[str, Any]
"""One API object as decoded JSON. The storage hands out private copies: change them freely."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource that is stored: ``kubevirt.io/v1 VirtualMachine`` under ``virtualmachines``."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = True
    """Whether ``/status`` is a subresource of its own: a plain update then leaves ``.status`` alone."""

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


class StorageError(Exception):
    """What the API server would answer: a code, a reason and its words."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log."""

    revision: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    kind: Kind
    namespace: str
    name: str
    raw: bytes
    """The object after the change; for DELETED its last state with the revision of the deletion."""
    labels: dict[str, str] = field(default_factory=dict)
    previous_labels: dict[str, str] | None = None
    """Labels before the change, for watches with a selector that the object enters or leaves."""


class Storage:
    """All objects of the cluster, by kind, namespace and name."""

    revision: int

    def __init__(self, now: Callable[[], str], *, log_size: int = 20_000, seed: int = 0) -> None:
        """`now` gives the virtual clock as RFC 3339; `seed` makes uids and generated names repeatable."""
        raise NotImplementedError

    def create(self, kind: Kind, obj: Object) -> Object:
        """Store a new object: uid, creationTimestamp, generation 1, resourceVersion and generateName are filled in.

        Raises StorageError 409 AlreadyExists, 422 Invalid for a bad name.
        """
        raise NotImplementedError

    def load(self, kind: Kind, objects: Iterable[Object]) -> None:
        """Store many objects quickly at the start of the world; listeners are not told. A given uid, creationTimestamp
        or resourceVersion is kept; missing ones are filled in.
        """
        raise NotImplementedError

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object. Raises StorageError 404 NotFound with the API server's words."""
        raise NotImplementedError

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        raise NotImplementedError

    def list(self, kind: Kind, namespace: str | None = None, labels: dict[str, str] | None = None) -> list[Object]:
        """The objects of a kind in the order of namespace and name; all namespaces for None; labels must be equal."""
        raise NotImplementedError

    def update(self, kind: Kind, obj: Object, *, status: bool = False) -> Object:
        """Replace an object; with `status` only its ``.status``, without it all but that where the kind has the subresource.

        metadata that the server owns (uid, creationTimestamp, deletionTimestamp, generation) is kept; generation grows
        when anything outside metadata and status changed; a write that changes nothing has no revision. An object that
        waits for deletion and has lost its last finalizer is removed. Raises 409 Conflict when the given
        resourceVersion is not the present one.
        """
        raise NotImplementedError

    def modify(self, kind: Kind, namespace: str, name: str, change: Callable[[Object], None]) -> Object | None:
        """Let `change` edit spec, metadata and status together, as controllers do; None when the object is gone.

        The same rules as `update`, without a conflict.
        """
        raise NotImplementedError

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> Object:
        """Delete, or with finalizers only mark by deletionTimestamp. Dependants by ownerReferences go too, unless
        `propagation` is Orphan. Raises 404, and 409 when the preconditions do not hold.
        """
        raise NotImplementedError

    def owned(self, uid: str) -> list[tuple[Kind, str, str]]:
        """Kind, namespace and name of everything that names this uid as an owner."""
        raise NotImplementedError

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after every change, in order and synchronously; what is returned ends it."""
        raise NotImplementedError

    def since(self, revision: int) -> Iterable[Change]:
        """The log after a revision. Raises StorageError 410 Expired when it is compacted."""
        raise NotImplementedError

    def compact(self, revision: int | None = None) -> None:
        """Forget the log up to a revision (all of it for None): older watches get 410 Gone."""
        raise NotImplementedError
