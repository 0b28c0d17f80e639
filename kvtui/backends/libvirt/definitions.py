"""What is stored of domains: read to be edited, stored again if nobody else did, forgotten with what belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from kvtui.backends.domains import Removal
from kvtui.backends.libvirt.acts import VOLUMES_CHANGED, Acts, find_domain
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.volumes import explain_missing, find_volume, refuse_needed
from kvtui.errors import BackendError, ChangedError, ConflictError
from kvtui.model import Ref
from kvtui.text import clean, clean_line

if TYPE_CHECKING:
    import libvirt


class DefinitionVerbs(Acts):
    """Implements Definitions."""

    async def read_definition(self, ref: Ref) -> str:
        """What is stored of a domain, with its secrets."""
        self._guard.refuse_read_only(ref, f"{ref.path} is not edited")
        return await self.call(lambda connection: _read(find_domain(connection, ref)), f"the XML of {ref.path}")

    async def define(self, ref: Ref, text: str, before: str) -> None:
        """Store another text, checked against libvirt's schema."""
        await self._act("define", ref, lambda domain: _define(domain, text, before))

    async def undefine(self, ref: Ref, removal: Removal) -> None:
        """Forget a domain, and then delete the volumes that were chosen."""
        marked = (("saved memory", removal.save), ("NVRAM", removal.nvram), ("snapshots", removal.snapshots))
        parts = [*(part for part, wanted in marked if wanted), *removal.volumes]
        verb = f"undefine with {', '.join(parts)}" if parts else "undefine"
        await self._act(verb, ref, lambda domain: _undefine(domain, removal), lane=Lane.ERRANDS)
        if removal.volumes:
            self.announce(VOLUMES_CHANGED, "")


def _read(domain: libvirt.virDomain) -> str:
    module = load()
    xml: str = domain.XMLDesc(module.VIR_DOMAIN_XML_INACTIVE | module.VIR_DOMAIN_XML_SECURE)
    # What is edited is what is compared later, so both are without what no terminal may get.
    return clean(xml)


def _define(domain: libvirt.virDomain, text: str, before: str) -> None:
    now = _read(domain)
    if now != before:
        raise ChangedError(f"{clean_line(domain.name())} is not what was edited any more", now)
    check_identity(text, domain.UUIDString())
    domain.connect().defineXMLFlags(text, load().VIR_DOMAIN_DEFINE_VALIDATE)


def check_identity(text: str, uuid: str) -> None:
    """Raise ConflictError when the text is no XML, or would make a second domain of another UUID."""
    try:
        found = (ET.fromstring(text).findtext("uuid") or "").strip().lower()
    except ET.ParseError as error:
        raise ConflictError("that is no XML", clean_line(str(error))) from None
    if found != uuid:
        words = f"its UUID is {clean_line(found)}" if found else "it has no UUID"
        raise ConflictError("that would be another VM", f"{words}, and this one's is {uuid}", "to copy a VM, clone it")


def _undefine(domain: libvirt.virDomain, removal: Removal) -> None:
    module = load()
    if domain.isActive():
        raise ConflictError("it runs", "a running machine would go on without a definition", "stop it first")
    connection, name = domain.connect(), clean_line(domain.name())
    # Looked for while there is something to go back to.
    volumes = {path: find_volume(connection, path) for path in removal.volumes}
    missing = [path for path, volume in volumes.items() if volume is None]
    if missing:
        why, way_out = explain_missing(connection, missing[0])
        raise ConflictError(f"no pool has {', '.join(missing)}", f"nothing was done; {why}", f"{way_out}, or leave it")
    for volume in volumes.values():
        refuse_needed(connection, volume, name)
    has_nvram = ET.fromstring(domain.XMLDesc(0)).find("os/nvram") is not None
    flags = 0
    if removal.save:
        flags |= module.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    if removal.snapshots:
        flags |= module.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    if removal.nvram:
        flags |= module.VIR_DOMAIN_UNDEFINE_NVRAM
    elif has_nvram:
        flags |= module.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
    domain.undefineFlags(flags)
    failures = []
    for path, volume in volumes.items():
        assert volume is not None
        try:
            volume.delete(0)
        except module.libvirtError as error:
            failures.append(f"{path}: {clean_line(error.get_error_message() or str(error))}")
    if failures:
        raise BackendError(f"{name} is undefined, but not all of its volumes are deleted", "; ".join(failures))
