"""Which ssh server on the way keeps whom from their contexts and hosts: told to the store, in the screen's thread."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Inbox
from kvtui.errors import DeniedError, ForbiddenError, HostKeyError, KvtuiError, UnreachableError
from kvtui.hops import Route
from kvtui.records.base import Meta
from kvtui.records.bastion import Bastion
from kvtui.store import Drop, Put

Path = tuple[tuple[str, str, int, str], ...]
"""The servers to one, it included: user, host, port, and the name of its key."""
_OF_NO_BACKEND: Final = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Why a route ends at one of its servers."""

    path: Path
    hops: tuple[str, ...]
    """The servers to it as sentences name them, it included."""
    is_last: bool
    """Whether the route leads no further anyhow."""
    error: KvtuiError


class Bastions:
    """Keeps a record of each server that lets nobody through, with those who are behind it."""

    def __init__(self) -> None:
        self.inbox: Inbox = lambda _: None
        """Takes what the store is told."""
        self.revive: Callable[[str], None] = lambda _: None
        """Called with a host whose way is free again."""
        self._contexts: dict[Route, list[str]] = {}
        self._hosts: dict[Route, list[str]] = {}
        self._blocks: dict[Route, Block] = {}
        self._since: dict[Path, float] = {}
        self._told: dict[str, Bastion] = {}

    def lead_to_context(self, name: str, route: Route) -> None:
        """The API server of a context is behind the last server of the route."""
        self._contexts.setdefault(route, []).append(name)

    def lead_to_host(self, name: str, route: Route) -> None:
        """A host is the last server of the route itself."""
        self._hosts.setdefault(route, []).append(name)

    def take(self, route: Route, block: Block | None) -> None:
        """A route is blocked, or is free again."""
        freed = self._blocks.pop(route, None) is not None and block is None
        if block is not None:
            self._blocks[route] = block
        self._tell()
        for name in self._hosts.get(route, ()) if freed else ():
            self.revive(name)

    def _tell(self) -> None:
        found = self._make_records()
        for name in self._told.keys() - found.keys():
            self.inbox(Drop(_OF_NO_BACKEND, Bastion, "", name))
        for name, record in found.items():
            if self._told.get(name) != record:
                self.inbox(Put(_OF_NO_BACKEND, record))
        self._told = found

    def _make_records(self) -> dict[str, Bastion]:
        groups: dict[Path, list[tuple[Route, Block]]] = {}
        for route, block in self._blocks.items():
            if self._find_hosts(route, block) or route in self._contexts:
                groups.setdefault(block.path, []).append((route, block))
        self._since = {path: self._since.get(path, time.time()) for path in groups}
        labels = Counter(blocked[0][1].hops[-1] for blocked in groups.values())
        found: dict[str, Bastion] = {}
        for path, blocked in groups.items():
            # Who came last knows best.
            block = blocked[-1][1]
            label, user = block.hops[-1], path[-1][0]
            name = label if labels[label] == 1 else f"{user}@{label}"
            if name in found:
                name = " > ".join((*block.hops[:-1], name))
            found[name] = Bastion(
                metadata=Meta(name=name),
                hops=block.hops[:-1],
                trouble=_name_trouble(block.error),
                cause=block.error.detail or block.error.title,
                step=block.error.hint,
                since=self._since[path],
                contexts=tuple(name for route, _ in blocked for name in self._contexts.get(route, ())),
                hosts=tuple(name for route, block in blocked for name in self._find_hosts(route, block)),
            )
        return found

    def _find_hosts(self, route: Route, block: Block) -> list[str]:
        """A host which is itself what does not answer is not behind anything."""
        return [] if block.is_last else self._hosts.get(route, [])


def _name_trouble(error: KvtuiError) -> str:
    match error:
        case HostKeyError():
            return "changed its host key"
        case DeniedError():
            return "lets nobody log in"
        case ForbiddenError():
            return "is not trusted"
        case UnreachableError():
            return "cannot be reached"
    return "cannot be used"
