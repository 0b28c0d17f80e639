"""Questions that every collector asks alike. Called in the threads of the connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from kvtui.backends.libvirt.link import load
from kvtui.backends.libvirt.words import is_unsupported

T = TypeVar("T")


class _Named(Protocol):
    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        """The UUID."""


def flagged(list_all: Callable[[int], Iterable[_Named]], flag: int) -> frozenset[str]:
    """The UUIDs of those for which a flag of a ``listAll...`` call holds; none where the driver does not know it."""
    module = load()
    try:
        return frozenset(handle.UUIDString() for handle in list_all(flag))
    except module.libvirtError as error:
        if is_unsupported(error.get_error_code()):
            return frozenset()
        raise


class Asker:
    """Asks nothing twice that the driver cannot do."""

    def __init__(self) -> None:
        self._unsupported: set[str] = set()

    def can(self, what: str) -> bool:
        """Whether it is worth asking."""
        return what not in self._unsupported

    def ask(self, what: str, question: Callable[[], T]) -> T | None:
        """The answer; None where the driver cannot, or cannot now."""
        if what in self._unsupported:
            return None
        module: Any = load()
        try:
            return question()
        except module.libvirtError as error:
            if is_unsupported(error.get_error_code()):
                self._unsupported.add(what)
            return None
