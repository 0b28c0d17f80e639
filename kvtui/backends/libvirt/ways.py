"""The ways into the guests of a host, and what is told of one that somebody looks at."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from kvtui.backends.base import ByteStream, Document, Happening, Located
from kvtui.backends.libvirt.acts import Acts
from kvtui.backends.libvirt.history import History
from kvtui.backends.libvirt.link import Lane, Link
from kvtui.backends.libvirt.streams import Consoles
from kvtui.backends.libvirt.visits import Visits, read_domain, read_object
from kvtui.backends.libvirt.words import LOOKING_ONLY
from kvtui.errors import ForbiddenError
from kvtui.model import BackendInfo, Ref
from kvtui.records.libvirt import Domain, Guest, Host
from kvtui.text import clean_line


class Ways(Acts):
    """Implements SharedConsoles, Screens, Agents, Documents, Chronicle and Locator."""

    _info: BackendInfo
    _link: Link | None
    _is_asked_to_look: bool
    """Whether it is the user who wants nothing changed, and not the host that grants no more."""

    def __init__(self) -> None:
        self._history = History()
        self._consoles = Consoles(self._find_uri)
        self._visits = Visits(self._find_link)
        self._errand: Link | None = None
        """For what is asked while the host is not kept live."""

    @abstractmethod
    async def _find_uri(self) -> str:
        """Where further connections lead to. Raises KvtuiError."""

    async def open_line(self, ref: Ref, *, line: str = "", take: bool = False) -> ByteStream:
        """A serial line of a domain; with `take`, also from whoever has it. What is typed changes the guest."""
        if self._info.read_only and not self._is_asked_to_look:
            raise ForbiddenError(f"the console of {ref.path}", LOOKING_ONLY, "join the group libvirt, or be root")
        self._guard.refuse_read_only(ref, f"the console of {ref.path} was not opened")
        stream = await self._consoles.open(ref, line, take=take)
        return await self._guard.note_opened("console, taken from whoever had it" if take else "console", ref, stream)

    async def take_screenshot(self, ref: Ref) -> bytes:
        """What a domain shows on its first screen: a PNG or PPM file."""
        return await self._visits.take_screenshot(ref)

    async def ask_agent(self, ref: Ref) -> Guest:
        """What the agent in a guest tells of it."""
        return await self._visits.ask_agent(ref)

    async def fetch_documents(self, ref: Ref) -> Sequence[Document]:
        """The XML of a domain, live and stored, or of anything else; of the host, what it is capable of."""
        read = read_domain if ref.kind == Domain.KIND else read_object
        return await self.call(
            lambda connection: read(connection, ref), f"the XML of {clean_line(ref.path)}", Lane.LOOKS
        )

    def tell_happenings(self, ref: Ref) -> Sequence[Happening]:
        """What happened to a domain, or to our connection with the host, since we watch it."""
        return self._history.of("" if ref.kind == Host.KIND else ref.uid)

    async def locate(self, name: str) -> Located | None:
        """The domain of that name or UUID."""
        return await self._visits.locate(self._info.name, name)

    async def _find_link(self) -> Link:
        if self._link is not None:
            return self._link
        if self._errand is None:
            self._errand = Link(await self._find_uri(), lambda _reason: None)
        return self._errand

    def _close_ways(self) -> None:
        self._consoles.close()
        if self._errand is not None:
            self._errand.close()
