"""The insides of the running machines: one serial guest for each instance that someone looks at.

Guests are made when they are first asked for, with the past they would have had, and follow virtual time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from kvtui.demo import kinds
from kvtui.demo.behaviour import system_of
from kvtui.demo.guest import Guest, State
from kvtui.demo.objects import amount, has_condition
from kvtui.demo.seriallog import SerialLog
from kvtui.demo.storage import Change, Object
from kvtui.demo.world import World

_MIB = 1024**2


class SerialGuest(Protocol):
    """What a machine needs of its guest: a serial line, a power button, and time to live in."""

    @property
    def state(self) -> State:
        """Whether it runs; ``off`` ends the instance."""

    def attach(self, send: Callable[[bytes], None]) -> None:
        """Let output go to `send` from now on. As on a real line, nothing said before is repeated."""

    def detach(self) -> None:
        """Let output go to the log alone."""

    @property
    def log(self) -> SerialLog:
        """What it said on its serial line, attached or not."""

    def receive(self, data: bytes) -> None:
        """Bytes typed by the user."""

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""

    def reboot(self) -> None:
        """Reset the machine at once."""

    def shut_down(self) -> None:
        """Press the power button: the guest goes down in order and is off when `state` says so."""

    def power_off(self) -> None:
        """Pull the plug."""


MakeGuest = Callable[[Object, datetime], SerialGuest]
"""Makes the guest of an instance that runs at that moment."""


def running_since(vmi: Object) -> datetime | None:
    """When the instance began to run, or None."""
    for entry in vmi.get("status", {}).get("phaseTransitionTimestamps") or ():
        if entry["phase"] == "Running":
            return datetime.fromisoformat(entry["phaseTransitionTimestamp"])
    return None


def simulated_guest(vmi: Object, now: datetime) -> Guest:
    """A guest with the system, the size and the past that its instance tells of."""
    meta, spec, status = vmi["metadata"], vmi["spec"], vmi.get("status", {})
    system = system_of(vmi)
    domain = spec.get("domain", {})
    cpu = domain.get("cpu", {})
    memory = amount(
        domain.get("memory", {}).get("guest") or domain.get("resources", {}).get("requests", {}).get("memory")
    )
    since = running_since(vmi) or now
    interfaces = status.get("interfaces") or [{}]
    return Guest(
        hostname=spec.get("hostname") or meta["name"],
        os_name=system.name,
        os_version=system.version,
        kernel=system.kernel,
        memory_mib=round(memory / _MIB) or 1024,
        cpus=int(cpu.get("cores", 1)) * int(cpu.get("sockets", 1)) * int(cpu.get("threads", 1)),
        ip=interfaces[0].get("ipAddress") or "10.0.2.2",
        seed=zlib.crc32(meta["uid"].encode()),
        # The stamp has whole seconds: within the first one, the guest begins now.
        booted_ago=ago if (ago := (now - since).total_seconds()) >= 1 else None,
        epoch=since.timestamp(),
    )


class Machine:
    """One running instance with its guest."""

    def __init__(self, uid: str, node: str, guest: SerialGuest, now: datetime) -> None:
        self.uid = uid
        self.node = node
        self.guest = guest
        self.paused = False
        self.told_off = False
        """Whether the end of the guest is known outside of it."""
        self.listeners: set[Callable[[], None]] = set()
        """Called when the connections to the guest break: it was stopped, or it moved to another node."""
        self._seen = now

    def catch_up(self, now: datetime) -> None:
        """Let the guest live until `now`."""
        passed = (now - self._seen).total_seconds()
        self._seen = now
        if passed > 0 and not self.paused:
            self.guest.advance(passed)

    def lose(self) -> None:
        """Break all connections."""
        for listener in [*self.listeners]:
            listener()


class Machines:
    """The guests by the place of their instance."""

    def __init__(self, world: World, make_guest: MakeGuest = simulated_guest) -> None:
        self._world = world
        self._make_guest = make_guest
        self._machines: dict[tuple[str, str], Machine] = {}
        self._unsubscribe = world.storage.subscribe(self._on_change)

    def close(self) -> None:
        """Stop following the storage."""
        self._unsubscribe()

    def of(self, vmi: Object) -> Machine:
        """The machine of a running instance, up to date."""
        meta, now = vmi["metadata"], self._world.clock.now
        key = meta["namespace"], meta["name"]
        machine = self._machines.get(key)
        if machine is None or machine.uid != meta["uid"]:
            machine = Machine(meta["uid"], vmi["status"].get("nodeName", ""), self._make_guest(vmi, now), now)
            machine.paused = has_condition(vmi, "Paused", "True")
            self._machines[key] = machine
        machine.catch_up(now)
        return machine

    def catch_up(self) -> None:
        """Bring all guests that someone looked at up to now."""
        for (namespace, name), machine in [*self._machines.items()]:
            machine.catch_up(self._world.clock.now)
            if machine.guest.state == "off" and not machine.told_off:
                # Somebody typed poweroff: QEMU ends, and the instance with it.
                machine.told_off = True
                self._world.handler.end_guest(namespace, name, crashed=False)

    def _on_change(self, change: Change) -> None:
        if change.kind != kinds.VMI:
            return
        key = change.namespace, change.name
        machine = self._machines.get(key)
        if machine is None:
            return
        vmi = self._world.storage.find(kinds.VMI, *key)
        ended = vmi is None or vmi["metadata"]["uid"] != machine.uid
        if vmi is None or ended or vmi.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            del self._machines[key]
            machine.guest.power_off()
            machine.lose()
            return
        self._follow(machine, vmi)

    def _follow(self, machine: Machine, vmi: Object) -> None:
        """Take over what the change did to the guest."""
        now = self._world.clock.now
        machine.catch_up(now)
        machine.paused = has_condition(vmi, "Paused", "True")
        going = "deletionTimestamp" in vmi["metadata"] and machine.guest.state in ("booting", "running")
        if going and not machine.told_off:
            machine.told_off = True
            machine.guest.shut_down()
        node = vmi["status"].get("nodeName", "")
        if node and node != machine.node:
            moved, machine.node = bool(machine.node), node
            if moved:
                machine.lose()
