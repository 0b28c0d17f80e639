"""What is asked of one domain because somebody looks at it: its screen, its agent, its XML, or whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from kvtui.backends.base import Document, Located
from kvtui.backends.libvirt.acts import find_domain
from kvtui.backends.libvirt.addresses import ask_addresses
from kvtui.backends.libvirt.agent import read_guest
from kvtui.backends.libvirt.describe import describe_domain, tell_differences
from kvtui.backends.libvirt.link import Lane, Link, load
from kvtui.backends.libvirt.masking import mask_xml
from kvtui.backends.libvirt.streams import read_screenshot
from kvtui.backends.libvirt.words import is_unsupported, reason_of, state_of
from kvtui.errors import AbsentError, BackendError, BusyError, UnreachableError
from kvtui.model import Ref
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import Domain, Guest, Host, StoragePool, StorageVolume
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

_ARRIVING: Final = frozenset({"migrating", "starting up"})
"""Reasons of a domain that is paused because it is being received, or has been sent."""

_PATIENCE: Final = 10.0
"""Seconds that a domain is given; one whose QEMU hangs answers when it goes on, or never."""


class Visits:
    """Asks of each domain one thing of a kind at a time, apart from all else: some of them hang."""

    def __init__(self, find_link: Callable[[], Awaitable[Link]]) -> None:
        """`find_link` tells by which way it is asked."""
        self._find_link = find_link
        self._asking: set[tuple[str, str]] = set()

    async def take_screenshot(self, ref: Ref) -> bytes:
        """What it shows on its screen. Raises BackendError."""
        title = f"the picture of {clean_line(ref.path)}"
        try:
            return await self._ask(title, ref, "screen", lambda connection: read_screenshot(connection, ref))
        except BackendError as error:
            if is_unsupported(error.code):
                raise BackendError(title, "this driver of libvirt shows no screens", code=error.code) from error
            raise

    async def ask_agent(self, ref: Ref) -> Guest:
        """What its agent tells. Raises BackendError."""
        title = "the guest agent"
        try:
            return await self._ask(title, ref, "agent", lambda connection: read_guest(connection, ref))
        except BackendError as error:
            if is_unsupported(error.code):
                raise BackendError(title, "this driver of libvirt asks no agents", code=error.code) from error
            raise

    async def find_addresses(self, ref: Ref) -> Sequence[str]:
        """Where its guest is reached, the best address first; none where nobody knows one. Raises BackendError."""
        title = f"the address of {clean_line(ref.path)}"
        return await self._ask(title, ref, "addresses", lambda connection: ask_addresses(connection, ref))

    async def locate(self, backend: str, name: str) -> Located | None:
        """The domain of that name or UUID; None when there is none. Raises BackendError."""

        def look(connection: libvirt.virConnect) -> Located | None:
            module = load()
            for find in (connection.lookupByName, connection.lookupByUUIDString):
                try:
                    domain = find(name)
                    number, why = domain.state()
                except module.libvirtError:
                    continue
                ref = Ref(backend, Domain.KIND, "", clean_line(domain.name()), domain.UUIDString())
                return Located(ref, reason_of(state_of(number), why) in _ARRIVING)
            # Whether the questions were understood at all.
            connection.getLibVersion()
            return None

        link = await self._find_link()
        return await link.call(look, f"{clean_line(name)} was looked for in vain", Lane.LOOKS)

    async def _ask(self, title: str, ref: Ref, what: str, look: Callable[[libvirt.virConnect], T]) -> T:
        key = (ref.uid or ref.name, what)
        if key in self._asking:
            raise BusyError(title, "the question before is not answered yet: the guest or its QEMU hangs")
        link = await self._find_link()
        self._asking.add(key)
        asking = asyncio.ensure_future(link.call(look, title, Lane.LOOKS))

        def forget(done: asyncio.Future[T]) -> None:
            self._asking.discard(key)
            # Perhaps nobody waits for it any more.
            if not done.cancelled():
                done.exception()

        asking.add_done_callback(forget)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.shield(asking)
        except TimeoutError:
            raise UnreachableError(
                title, f"no answer within {_PATIENCE:g} seconds: the guest or its QEMU hangs"
            ) from None


def read_domain(connection: libvirt.virConnect, ref: Ref) -> Sequence[Document]:
    """The XML of a domain, and what is stored for its next start where that is another. Raises libvirtError."""
    domain = find_domain(connection, ref)
    xml = domain.XMLDesc(0)
    if not domain.isActive():
        return (_document("as it is stored", xml),)
    found = [_document("as it runs", xml)]
    if domain.isPersistent():
        stored = domain.XMLDesc(load().VIR_DOMAIN_XML_INACTIVE)
        changes = tell_differences(describe_domain(xml), describe_domain(stored))
        if changes:
            found.append(_document(f"as it is stored for its next start, with other {', '.join(changes)}", stored))
    return found


def read_object(connection: libvirt.virConnect, ref: Ref) -> Sequence[Document]:
    """What describes anything else. Raises libvirtError."""
    first, _, second = ref.name.partition("/")
    if ref.kind == Host.KIND:
        return (_document("capabilities", connection.getCapabilities()),)
    if ref.kind == StoragePool.KIND:
        xml = connection.storagePoolLookupByName(ref.name).XMLDesc(0)
    elif ref.kind == StorageVolume.KIND:
        xml = connection.storagePoolLookupByName(first).storageVolLookupByName(second).XMLDesc(0)
    elif ref.kind == VirtualNetwork.KIND:
        xml = connection.networkLookupByName(ref.name).XMLDesc(0)
    elif ref.kind == DomainSnapshot.KIND:
        xml = connection.lookupByName(first).snapshotLookupByName(second).getXMLDesc(0)
    else:
        raise AbsentError(f"libvirt has no XML of {clean_line(ref.path)}")
    return (_document(ref.kind, xml),)


def _document(title: str, xml: str) -> Document:
    try:
        return Document(title, mask_xml(xml))
    except ValueError as error:
        raise BackendError(
            "the XML cannot be shown", f"it cannot be searched for secrets: {clean_line(str(error))}"
        ) from None
