"""Which stored definitions somebody changed: libvirt has no event for ``virsh setmaxmem --config`` and its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kvtui.backends.libvirt.link import load

if TYPE_CHECKING:
    import libvirt

_LOOKS: Final = 25
"""Looks in which all domains get their turn: with one each three seconds a change is seen in about a minute."""


class StoredDefinitions:
    """Compares the stored XML of a few domains at each look with what it was: to read it anew costs far more."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        """Hashes, by UUID."""
        self._turn = 0

    def note(self, uuid: str, text: str) -> None:
        """The definition as it is stored now."""
        self._texts[uuid] = hash(text)

    def find_changed(self, handles: Sequence[libvirt.virDomain]) -> set[str]:
        """The UUIDs of those whose turn it is and whose definition is another than what was noted last."""
        module = load()
        share = -(-len(handles) // _LOOKS)
        if self._turn >= len(handles):
            self._turn = 0
        changed = set()
        for handle in handles[self._turn : self._turn + share]:
            uuid = handle.UUIDString()
            try:
                text = handle.XMLDesc(module.VIR_DOMAIN_XML_INACTIVE)
            except module.libvirtError:
                continue
            if self._texts.get(uuid) != hash(text):
                changed.add(uuid)
                self.note(uuid, text)
        self._turn += share
        return changed

    def keep_only(self, alive: set[str]) -> None:
        """There are no domains but those."""
        for uuid in self._texts.keys() - alive:
            del self._texts[uuid]
