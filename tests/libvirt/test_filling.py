"""Volumes that are filled: how far a copy is shows in how much its volume takes, an upload counts itself."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kvtui.backends.libvirt.link import load
from kvtui.backends.libvirt.pools import Growth, VolumeCollector
from kvtui.backends.libvirt.transfers import Transfers

pytest.importorskip("libvirt", reason="libvirt-python is not installed")


class Volume:
    """One that has `taken` bytes of a thousand; None while it is not yet there."""

    taken: int | None = None

    def name(self) -> str:
        return "web.qcow2"

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        if self.taken is None:
            raise load().libvirtError("no such file")
        return f"""<volume type='file'><name>web.qcow2</name><key>/fast/web.qcow2</key>
          <capacity unit='bytes'>1000</capacity><allocation unit='bytes'>{self.taken}</allocation>
          <target><path>/fast/web.qcow2</path></target></volume>"""


class Connection:
    """A host with one pool."""

    def __init__(self) -> None:
        self.volumes: list[Volume] = []

    def listAllStoragePools(self, _flags: int) -> list[Connection]:  # noqa: N802 - libvirt's name
        return [self]

    def name(self) -> str:
        return "fast"

    def listAllVolumes(self, _flags: int) -> list[Volume]:  # noqa: N802 - libvirt's name
        return self.volumes


def look(collector: VolumeCollector, connection: Connection) -> None:
    collector.collect(cast("Any", connection))


def test_a_copy_is_as_far_as_its_volume_has_grown_however_late_it_is_seen() -> None:
    transfers, connection = Transfers(), Connection()
    collector = VolumeCollector(transfers, frozenset, Growth())
    look(collector, connection)
    at_rest = collector.period
    transfer = transfers.begin("fast/web.qcow2", "copy", 800, "/fast/db.qcow2")
    connection.volumes = [volume] = [Volume()]
    look(collector, connection)
    assert collector.period < at_rest
    for taken in (200, 600):
        volume.taken = taken
        look(collector, connection)
        (job,) = transfers.jobs()
        assert (job.operation, job.phase, job.done, job.total) == ("copy", "Running", taken, 800)
    transfer.end("Completed")
    look(collector, connection)
    (job,) = transfers.jobs()
    assert (job.phase, job.done) == ("Completed", 800)
    assert collector.period == at_rest


def test_an_upload_is_as_far_as_it_says() -> None:
    transfers, connection = Transfers(), Connection()
    collector = VolumeCollector(transfers, frozenset, Growth())
    look(collector, connection)
    transfer = transfers.begin("fast/web.qcow2", "upload", 1000, "/tmp/web.qcow2")
    connection.volumes = [volume] = [Volume()]
    transfer.advance(100)
    for taken in (10, 50):
        volume.taken = taken
        look(collector, connection)
    (job,) = transfers.jobs()
    assert job.done == 100


def test_each_listener_hears_of_a_beginning_and_an_end() -> None:
    transfers = Transfers()
    heard: list[str] = []
    transfers.on_change("jobs", lambda: heard.append("of a connection that is gone"))
    for who in ("jobs", "volumes"):
        transfers.on_change(who, lambda who=who: heard.append(who))  # type: ignore[misc]
    transfers.begin("fast/web.qcow2", "copy", 800).end("Completed")
    assert heard == ["jobs", "volumes", "jobs", "volumes"]


def test_what_volumes_grew_by_counts_until_libvirt_looks_even_of_those_that_are_gone() -> None:
    growth = Growth()
    for name, taken in (("a", 10), ("b", 5), ("a", 30), ("b", 8)):
        growth.note("fast", name, taken)
    assert growth.of("fast") == 23
    growth.drop("fast", "a")
    growth.note("fast", "a", 100)
    assert (growth.of("fast"), growth.of("slow")) == (23, 0)
    growth.forget("fast")
    growth.note("fast", "b", 9)
    assert growth.of("fast") == 0
