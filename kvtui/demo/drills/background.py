"""Everyday life: now and then a machine is moved, an image imported, a guest restarted, a runner comes or goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kvtui.demo import kinds
from kvtui.demo.behaviour import SYSTEMS
from kvtui.demo.drills.making import create, import_of
from kvtui.demo.drills.migrations import try_to_migrate
from kvtui.demo.objects import has_condition
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_MOVED = ("frontend", "checkout", "catalog", "kafka")
"""The applications whose machines are moved: few, so that not every machine has a history of migrations."""
_KEPT_IMPORTS = 4


def begin(world: World) -> None:
    """Let everyday life begin."""
    life = _Life(world)
    for first, every, act in (
        (20.0, 33.0, life.move),
        (40.0, 80.0, life.import_image),
        (70.0, 110.0, life.restart_guest),
        (95.0, 140.0, life.switch_runner),
    ):
        world.clock.call_later(first, life.repeating(every, act))


class _Life:
    """Things that happen by themselves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._imports: list[str] = []
        self._number = 0

    def repeating(self, every: float, act: Callable[[], None]) -> Callable[[], None]:
        """`act`, and again after `every` seconds or so."""

        def run() -> None:
            self._world.clock.call_later(every * self._world.random.uniform(0.8, 1.2), run)
            act()

        return run

    def move(self) -> None:
        """Migrate a machine."""
        vmi = self._any_instance(_MOVED)
        if vmi:
            try_to_migrate(self._world, vmi["metadata"]["namespace"], vmi["metadata"]["name"])

    def import_image(self) -> None:
        """Import a fresh golden image, and throw the oldest away."""
        world = self._world
        self._number += 1
        system = world.random.choice([item for item in SYSTEMS.values() if item.key != "windows"])
        name = f"golden-{system.key}-{world.clock.now:%m%d}-{self._number}"
        create(world, kinds.DATA_VOLUME, import_of("ci", name, system.url))
        self._imports.append(name)
        if len(self._imports) > _KEPT_IMPORTS:
            self._delete_volume(self._imports.pop(0))

    def _delete_volume(self, name: str) -> None:
        try:
            self._world.storage.delete(kinds.DATA_VOLUME, "ci", name)
        except StorageError as error:
            if error.code != 404:
                raise

    def restart_guest(self) -> None:
        """A guest reboots, after an update perhaps."""
        vmi = self._any_instance(("cache", "spark", "gateway", "winfile"))
        if vmi:
            self._world.handler.reboot_guest(vmi["metadata"]["namespace"], vmi["metadata"]["name"])

    def switch_runner(self) -> None:
        """A build runner is asked for, or has done its work and powers off."""
        world = self._world
        names = [row.name for row in world.storage.raw_list(kinds.VM, "ci") if row.name.startswith("runner-")]
        if not names:
            return
        name = world.random.choice(names)
        vmi = world.storage.find(kinds.VMI, "ci", name)
        if vmi and vmi["status"].get("phase") == "Running":
            world.handler.end_guest("ci", name, crashed=False)
        elif vmi is None or vmi["status"].get("phase") == "Succeeded":
            self._ask_start(name)

    def _ask_start(self, name: str) -> None:
        def ask(vm: Object) -> None:
            vm.setdefault("status", {}).setdefault("stateChangeRequests", [{"action": "Start"}])

        self._world.storage.modify(kinds.VM, "ci", name, ask)

    def _any_instance(self, applications: tuple[str, ...]) -> Object | None:
        """A running, well instance of one of the applications, by chance."""
        rows = [row for row in self._world.storage.raw_list(kinds.VMI) if row.name.rpartition("-")[0] in applications]
        if not rows:
            return None
        vmi: Object = msgspec.json.decode(self._world.random.choice(rows).raw)
        return vmi if has_condition(vmi, "Ready", "True") else None
