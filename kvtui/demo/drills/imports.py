"""Imports that do not get on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Download
from kvtui.demo.catalog.disks import LOCAL
from kvtui.demo.drills.making import create, import_of
from kvtui.demo.objects import GI, MI

if TYPE_CHECKING:
    from kvtui.demo.world import World


def not_found(world: World) -> None:
    """The address answers 404: the importer fails and is started again and again."""
    url = "https://images.example.org/releases/rocky-10.0-GenericCloud.qcow2"
    world.outside.downloads[url] = Download(status=404)
    create(world, kinds.DATA_VOLUME, import_of("ci", "rocky-10-golden", url))


def waits_for_consumer(world: World) -> None:
    """A disk of a node-local class waits until a machine uses it: nothing is wrong."""
    url = "https://images.example.org/debian-13.qcow2"
    create(world, kinds.DATA_VOLUME, import_of("lab", "scratch-disk-1", url, storage_class=LOCAL))


def wrong_checksum(world: World) -> None:
    """The image is not the one that was meant."""
    url = "https://mirror.example.org/appliance-7.2.img"
    world.outside.downloads[url] = Download(size=1.5 * GI, rate=64.0 * MI, checksum_matches=False)
    wanted = "sha256:3f1a9c0e7d5b2846af01c9e2b8d47f6a5e0c3b1d9f8274a6c5e1d0b3f7a29c84"
    create(world, kinds.DATA_VOLUME, import_of("erp", "appliance-7-2", url, checksum=wanted))
