"""What is reached of a host beside libvirt: a shell of its own, and the ports of its guests."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from kvtui.backends.base import ByteStream, SizedStream
from kvtui.backends.libvirt.ports import Ports, dial_directly
from kvtui.backends.libvirt.uri import explain_distance, is_simulated
from kvtui.backends.libvirt.way import Way
from kvtui.backends.libvirt.ways import Ways
from kvtui.errors import BackendError
from kvtui.model import Ref
from kvtui.text import clean_line

_NOT_HERE: Final = 405


class Doors(Ways):
    """Implements HostShells and Ports."""

    _way: Way | None
    """None for a host that ssh does not lead to."""

    def __init__(self) -> None:
        Ways.__init__(self)
        dial = self._way.reach.dial if self._way is not None else dial_directly
        self._ports = Ports(self._visits.find_addresses, dial)

    @property
    @abstractmethod
    def uri(self) -> str:
        """How libvirt is reached there."""

    def explain_no_shell(self) -> str:
        """Why there is no shell of the host; empty where ssh leads there."""
        if self._way is not None:
            return ""
        if is_simulated(self.uri):
            return f"{self._info.name} is libvirt's test driver: there is no machine to log in to"
        return explain_distance(self.uri) or f"{clean_line(self.uri)} is this machine, whose shell you came from"

    async def open_host_shell(self, ref: Ref, columns: int, lines: int) -> SizedStream:
        """A shell of the host, in a terminal of that size; what is typed changes the host."""
        self._guard.refuse_read_only(ref, f"the shell of {ref.path} was not opened")
        if self._way is None:
            raise BackendError(f"no shell of {ref.path}", self.explain_no_shell(), code=_NOT_HERE)
        return await self._guard.note_opened("shell", ref, await self._way.reach.open_shell(columns, lines))

    async def open_port(self, ref: Ref, port: int) -> ByteStream:
        """A TCP connection to a port of a domain, from its host; what goes through it may change the guest."""
        self._guard.refuse_read_only(ref, f"port {port} of {ref.path} was not opened")
        if reason := self.explain_no_ports():
            raise BackendError(f"no way to port {port} of {ref.path}", reason, code=_NOT_HERE)
        return await self._guard.note_opened(f"port {port}", ref, await self._ports.open(ref, port))

    def explain_no_ports(self) -> str:
        """Why no port of its VMs is reached; empty where they are."""
        if is_simulated(self.uri):
            return f"{self._info.name} is libvirt's test driver: nobody runs in its VMs"
        return explain_distance(self.uri)
