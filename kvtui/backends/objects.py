"""What a backend of Kubernetes can do to objects of any kind it serves. Each returns when the server has accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from kvtui.backends.base import Backend
from kvtui.model import Ref

Body = Mapping[str, object]


@runtime_checkable
class Objects(Protocol):
    """A backend whose objects are created, changed and deleted one by one.

    `verb` is what the audit log and the sentences of failures call it: ``set run strategy Halted``. With the uid in
    `ref`, another object of the name is never hit. All raise BackendError with the server's words, ConflictError when
    the object is another one or changed meanwhile, ReadOnlyError on a read-only backend.
    """

    async def read(self, ref: Ref) -> dict[str, object]:
        """The whole object as the server has it, secrets and all: to be edited or reckoned with, never to be shown."""

    async def read_all(self, ref: Ref) -> list[dict[str, object]]:
        """All objects of the kind of `ref`, in its namespace where it has one, cleaned of control characters."""

    async def create(self, ref: Ref, body: Body, *, verb: str = "create", about: Ref | None = None) -> Ref:
        """Create the object `ref` names, of a body without kind, name and namespace; what was created, with its uid.

        A name that ends in a hyphen is completed by the server. What it is made of or for, `about`, must still be the
        object of that uid.
        """

    async def patch(
        self, ref: Ref, patch: Body | Sequence[Body], *, verb: str, version: str = "", about: Ref | None = None
    ) -> None:
        """Change an object by a merge patch or, as a list, a JSON patch; with `version` (its resourceVersion), only if
        nobody changed it since. `about` as in `create`.
        """

    async def replace(self, ref: Ref, body: Body, *, verb: str = "edit") -> None:
        """Put a whole object in the place of the one whose resourceVersion it bears."""

    async def delete(self, ref: Ref, *, verb: str = "delete", grace: int | None = None, orphan: bool = False) -> None:
        """Delete an object, and what it owns unless that is to be orphaned."""

    async def call(
        self, ref: Ref, subresource: str, options: Body | None = None, *, verb: str = "", instance: bool = False
    ) -> None:
        """PUT a subresource of a VM or VMI, ``freeze``, with its options; kubevirt-api.md 3. With `instance`, of the
        VMI that bears the VM's name.
        """


@runtime_checkable
class Rehearser(Protocol):
    """A backend that can have its server try everything and change nothing."""

    @property
    def rehearses(self) -> bool:
        """Whether nothing is changed: what comes after a step does not find what it would have left."""

    def rehearse(self) -> Backend:
        """The same backend, whose verbs change nothing: the server judges them as if they were meant."""
