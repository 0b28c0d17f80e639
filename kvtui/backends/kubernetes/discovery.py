"""Where a kind is served: which of the versions that we can read a group has now, and the paths made of that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from kvtui.backends.kubernetes.server import Server
from kvtui.errors import AbsentError, BackendError, ForbiddenError, UnservedError


class _Version(msgspec.Struct):
    version: str = ""


class _Group(msgspec.Struct):
    kind: str = ""
    versions: list[_Version] | None = None


class Discovery:
    """The versions that each API group serves: asked once, and again after `forget`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._groups: dict[str, asyncio.Task[frozenset[str]]] = {}

    async def versions(self, group: str, readable: Sequence[str]) -> tuple[str, ...]:
        """Those of the `readable` versions that are served, the best first.

        Raises UnservedError when the group is not there or serves none of them, BackendError when it cannot be asked.
        """
        if not group:
            return tuple(readable)
        served = await self._served(group)
        if served is None:
            return tuple(readable)
        found = tuple(version for version in readable if version in served)
        if not found:
            raise UnservedError(
                f"{group} is served, but not in a version that kvtui reads",
                f"served: {', '.join(sorted(served))}; readable: {', '.join(readable)}",
            )
        return found

    def forget(self, group: str) -> None:
        """Ask again next time: the group answered that it is not there."""
        asked = self._groups.get(group)
        if asked is not None and asked.done():
            del self._groups[group]

    def close(self) -> None:
        """Leave every question that is still open."""
        for asked in self._groups.values():
            asked.cancel()

    async def _served(self, group: str) -> frozenset[str] | None:
        asked = self._groups.get(group)
        if asked is None:
            asked = self._groups[group] = asyncio.create_task(self._ask(group), name=f"discovery {group}")
            asked.add_done_callback(_heed)
        try:
            return await asyncio.shield(asked)
        except ForbiddenError:
            # Some accounts may not look around, yet list what they were granted.
            return None
        finally:
            if asked.done() and (asked.cancelled() or asked.exception() is not None):
                self.forget(group)

    async def _ask(self, group: str) -> frozenset[str]:
        try:
            found = await self._server.get(f"/apis/{quote(group)}", _Group)
        except AbsentError as error:
            raise UnservedError(f"{group} is not installed", error.detail, code=error.code) from error
        if found.versions is None and found.kind != "APIGroup":
            # Not to be taken for a group without versions: its records would go.
            raise BackendError(
                f"the server did not say which versions of {group} it serves", "its answer is no APIGroup"
            )
        return frozenset(version.version for version in found.versions or ())


def _heed(asked: asyncio.Task[frozenset[str]]) -> None:
    # Whoever waited may be gone by now; then nobody else looks at the error.
    if not asked.cancelled():
        asked.exception()


def object_path(
    group: str, version: str, plural: str, namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    """The path of a list, an object or a subresource, every part of it quoted."""
    parts = ["apis", group, version] if group else ["api", version]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (plural, name) if part]
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return f"{path}/{subresource}" if subresource else path
