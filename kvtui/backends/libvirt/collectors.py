"""All collectors, by what they look at."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import uniform
from typing import TYPE_CHECKING, Final

import msgspec

from kvtui.backends.libvirt.addresses import AddressCollector
from kvtui.backends.libvirt.blockjobs import BlockJobCollector
from kvtui.backends.libvirt.collector import Collector, Found
from kvtui.backends.libvirt.events import Events, Plain
from kvtui.backends.libvirt.jobs import JobCollector, JobNotes
from kvtui.backends.libvirt.link import Lane
from kvtui.backends.libvirt.networks import NetworkCollector
from kvtui.backends.libvirt.pools import Growth, PoolCollector, VolumeCollector
from kvtui.backends.libvirt.prober import Prober
from kvtui.backends.libvirt.snapshots import SnapshotCollector
from kvtui.backends.libvirt.survey import Survey
from kvtui.backends.libvirt.transfers import Transfers
from kvtui.records.base import Record
from kvtui.records.libvirt import Domain, Host

if TYPE_CHECKING:
    import libvirt

TICK: Final = 3.0
"""Seconds between two looks at states and figures. What happens in between, events tell at once."""
_RESHAPING: Final = ("LIFECYCLE", "BALLOON_CHANGE", "TRAY_CHANGE", "DISK_CHANGE", "DEVICE_ADDED", "DEVICE_REMOVED",
                     "TUNABLE", "AGENT_LIFECYCLE", "METADATA_CHANGE", "BLOCK_JOB_2", "IO_ERROR_REASON", "kvtui.DOMAIN",
                     "kvtui.SNAPSHOT")  # fmt: skip
"""Events after which a domain is described anew."""
_SPAN: Final = 0.7
"""Seconds between the first two looks at figures: until then there are no rates."""
_OUT_OF_STEP: Final = (0.4, 0.9)
"""Parts of a tick after which figures are looked at again that were left out."""
_WATCH: Final = 1.0
"""Seconds between two looks at whether somebody holds up the figures of others."""


class DomainCollector:
    """Domains: states at once, figures as `FigureCollector` got them last."""

    types: tuple[type[Record], ...] = (Domain,)
    serves = types
    period = TICK
    lane = Lane.STATES

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after whatever happens to a domain."""

        def hear(uuid: str, _name: str, _details: tuple[Plain, ...]) -> None:
            self._survey.spoil(uuid)
            wake()

        events.listen(_RESHAPING, hear)

        def hear_reboot(uuid: str, *_: object) -> None:
            self._survey.note_reboot(uuid)
            wake()

        events.listen(("REBOOT",), hear_reboot)
        events.listen(("WATCHDOG",), lambda *_: wake())
        self._survey.on_news(events.from_any_thread(wake))

    def collect(self, connection: libvirt.virConnect) -> Found:
        """All domains."""
        return Found({Domain: self._survey.look(connection, time.time())})


class FigureCollector:
    """Counters of domains: apart from their states, for one hung QEMU makes the question about all wait."""

    types: tuple[type[Record], ...] = ()
    serves: tuple[type[Record], ...] = (Domain,)
    lane = Lane.FIGURES

    def __init__(self, survey: Survey) -> None:
        self.period = _SPAN
        self._survey = survey

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Figures change all the time; no event tells of it."""

    def collect(self, connection: libvirt.virConnect) -> Found:
        """Nothing for the store: `DomainCollector` tells of it."""
        self._survey.measure(connection)
        if self._survey.has_rates:
            # Another client that looks as often would else be met again and again.
            self.period = TICK * uniform(*_OUT_OF_STEP) if self._survey.misses_figures else TICK
        return Found()


class HostCollector:
    """What the host itself uses."""

    types: tuple[type[Record], ...] = (Host,)
    serves = types
    lane = Lane.STATES

    def __init__(self, survey: Survey, host: Host) -> None:
        self.period = _SPAN
        self._looks = 0
        self._survey = survey
        self._host = host

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after devices come and go; of use no event tells."""
        events.listen(("nodeDevice.LIFECYCLE",), lambda *_: wake())

    def collect(self, connection: libvirt.virConnect) -> Found:
        """The host, and what it uses."""
        usage = self._survey.measure_host(connection, self._host)
        self._looks += 1
        if self._looks == 2:
            self.period = TICK
            self._host = msgspec.structs.replace(self._host, measured=True)
        name = self._host.metadata.name
        return Found({Host: [self._host]}, (name, usage) if usage is not None else None)


class StragglerCollector:
    """Figures of the other domains while one whose QEMU hangs holds `FigureCollector` up, and which one that is."""

    types: tuple[type[Record], ...] = ()
    serves: tuple[type[Record], ...] = (Domain,)
    lane = Lane.GUESTS

    def __init__(self, survey: Survey) -> None:
        self.period = _WATCH
        self._survey = survey

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """No event tells of it."""

    def collect(self, connection: libvirt.virConnect) -> Found:
        """Nothing for the store: `DomainCollector` tells of it."""
        if self._survey.is_held_up:
            self._survey.measure(connection)
        self._survey.tell_of_hung()
        self.period = TICK if self._survey.has_rates else _WATCH
        return Found()


def make_collectors(
    survey: Survey, host: Host, transfers: Transfers, notes: JobNotes, prober: Prober, agents: Prober
) -> list[Collector]:
    """All of them, for one connection; `transfers` and `notes` outlive it. `agents` asks the agents of guests."""
    growth = Growth()
    return [
        HostCollector(survey, host),
        DomainCollector(survey),
        FigureCollector(survey),
        StragglerCollector(survey),
        AddressCollector(survey, agents),
        JobCollector(survey, host.metadata.name, notes, prober),
        BlockJobCollector(survey, transfers, prober),
        SnapshotCollector(survey),
        NetworkCollector(),
        PoolCollector(growth),
        VolumeCollector(transfers, survey.used_storage, growth),
    ]
