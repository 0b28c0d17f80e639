"""What pools and networks can be told to do. Functions: libvirt-storage.html, libvirt-network.html."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kvtui.backends.libvirt.acts import VOLUMES_CHANGED, Acts, tell_unreached
from kvtui.backends.libvirt.link import Lane
from kvtui.backends.libvirt.volumes import refuse_needed
from kvtui.errors import ConflictError, UnreachableError
from kvtui.model import Ref
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_REFUSED = "it was refused"


class UpkeepVerbs(Acts):
    """Implements Upkeep."""

    async def start_pool(self, ref: Ref) -> None:
        """Make the volumes of a pool usable."""
        await self._on_pool("start pool", ref, lambda pool: pool.create(0))

    async def refresh_pool(self, ref: Ref) -> None:
        """Have libvirt look at the storage itself."""
        await self._on_pool("refresh pool", ref, lambda pool: pool.refresh(0))

    async def set_pool_autostart(self, ref: Ref, on: bool) -> None:
        """Whether a pool starts with its host."""
        await self._on_pool(f"autostart {'on' if on else 'off'}", ref, lambda pool: pool.setAutostart(on), "kvtui.POOL")

    async def delete_volume(self, ref: Ref) -> None:
        """Delete a volume that nobody needs, with what is in it."""
        await self._keep_up("delete volume", ref, lambda connection: _delete_volume(connection, ref), VOLUMES_CHANGED)

    async def start_network(self, ref: Ref) -> None:
        """Bring a network up."""
        await self._on_network("start network", ref, lambda network: network.create())

    async def set_network_autostart(self, ref: Ref, on: bool) -> None:
        """Whether a network starts with its host."""
        await self._on_network(f"autostart {'on' if on else 'off'}", ref, lambda network: network.setAutostart(on))

    async def _on_pool(
        self, verb: str, ref: Ref, do: Callable[[Any], object], changed: str = "storagePool.REFRESH"
    ) -> None:
        def ask(connection: libvirt.virConnect) -> None:
            do(connection.storagePoolLookupByUUIDString(ref.uid))

        await self._keep_up(verb, ref, ask, changed)

    async def _on_network(self, verb: str, ref: Ref, do: Callable[[Any], object]) -> None:
        def ask(connection: libvirt.virConnect) -> None:
            do(connection.networkLookupByUUIDString(ref.uid))

        await self._keep_up(verb, ref, ask, "network.LIFECYCLE")

    async def _keep_up(self, verb: str, ref: Ref, ask: Callable[[libvirt.virConnect], None], changed: str) -> None:
        async def send() -> None:
            try:
                # Storage may hang, and takes nothing else along.
                await self.call(ask, _REFUSED, Lane.ERRANDS)
            except UnreachableError as error:
                raise tell_unreached(error, verb, ref) from None

        await self._guard.act(verb, ref, send)
        # Not all of it has an event.
        self.announce(changed, ref.uid, ref.name)


def _delete_volume(connection: libvirt.virConnect, ref: Ref) -> None:
    pool, _, name = ref.name.partition("/")
    volume = connection.storagePoolLookupByName(pool).storageVolLookupByName(name)
    if ref.uid and clean_line(volume.key()) != ref.uid:
        raise ConflictError(f"{clean_line(ref.name)} is another one since", "nothing was done")
    refuse_needed(connection, volume)
    volume.delete(0)
