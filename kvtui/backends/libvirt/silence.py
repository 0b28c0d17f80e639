"""Which QEMUs hang, told apart from those that another client keeps busy at the moment of a look.

A look that does not wait leaves out who is being asked by somebody else. What libvirt says of the domain's monitor
decides: a QEMU that hangs has been occupied by one question for long, a busy one by the latest of many (libvirt.md 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kvtui.backends.libvirt.link import load

if TYPE_CHECKING:
    import libvirt

HUNG: Final = 6.0
"""Seconds for which a QEMU owes the answer to one question until it counts as hung."""
_UNEXPLAINED: Final = 20.0
"""Seconds without figures after which it does where libvirt does not say what the domain is occupied with."""
_LOOKS: Final = 3
"""Looks in a row that find it silent."""
_SAME: Final = 1.0
"""Seconds by which two looks may differ about when a question began."""


def read_occupied(handle: libvirt.virDomain) -> float | None:
    """For how many seconds its monitor has been occupied by a question; None where libvirt does not say so.

    Source: virDomainGetControlInfo. It waits for no QEMU.
    """
    module = load()
    try:
        state, _details, milliseconds = handle.controlInfo()
    except module.libvirtError:
        return None
    return milliseconds / 1000 if state == module.VIR_DOMAIN_CONTROL_OCCUPIED else None


@dataclass(slots=True)
class _Silence:
    since: float
    looks: int = 0
    hung: bool = False


class Silences:
    """Since when domains lack the figures that only their QEMU can tell, by UUID; moments of the monotonic clock."""

    def __init__(self) -> None:
        self._silences: dict[str, _Silence] = {}

    def __bool__(self) -> bool:
        return bool(self._silences)

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._silences

    def is_hung(self, uuid: str) -> bool:
        """Whether its QEMU has owed an answer for so long that it hangs."""
        silence = self._silences.get(uuid)
        return silence is not None and silence.hung

    def note_silence(self, uuid: str, moment: float, occupied: float | None) -> None:
        """A look found no figures; `occupied` is for how long libvirt says that its monitor waits for an answer."""
        silence = self._silences.setdefault(uuid, _Silence(moment))
        if occupied is not None:
            began = moment - occupied
            if began > silence.since + _SAME:
                # What was asked before that was answered.
                silence.looks = 0
            silence.since = began
        silence.looks += 1
        enough = HUNG if occupied is not None else _UNEXPLAINED
        if silence.looks >= _LOOKS and moment - silence.since >= enough:
            silence.hung = True

    def note_answer(self, uuid: str) -> None:
        """It told figures."""
        self._silences.pop(uuid, None)

    def keep_hung(self, uuid: str, moment: float) -> None:
        """It hung on the connection before this one, and does until it answers."""
        self._silences.setdefault(uuid, _Silence(moment, hung=True))

    def keep_only(self, running: set[str]) -> None:
        """Nobody but those domains runs."""
        for uuid in set(self._silences) - running:
            self._silences.pop(uuid, None)
