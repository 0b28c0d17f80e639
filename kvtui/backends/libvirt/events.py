"""Events of one connection: handed from libvirt's thread to the event loop's, as plain values."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from kvtui.backends.libvirt.link import Lane, Link, load
from kvtui.backends.libvirt.workers import tell
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

Plain = int | float | str | bool | None | dict[str, int | float | str | bool]
Listener = Callable[[str, str, tuple[Plain, ...]], None]
"""Gets the UUID of the domain, network or pool, its name, and the details of the event."""

DOMAIN: Final = (
    "LIFECYCLE", "REBOOT", "BALLOON_CHANGE", "TRAY_CHANGE", "DISK_CHANGE", "IO_ERROR_REASON", "DEVICE_ADDED",
    "DEVICE_REMOVED", "TUNABLE", "AGENT_LIFECYCLE", "METADATA_CHANGE", "MIGRATION_ITERATION", "JOB_COMPLETED",
    "BLOCK_JOB_2", "BLOCK_THRESHOLD", "WATCHDOG",
)  # fmt: skip
"""The domain events that are listened to, as ``VIR_DOMAIN_EVENT_ID_...`` without its begin."""
OTHERS: Final = (("network", "NETWORK", "LIFECYCLE"), ("storagePool", "STORAGE_POOL", "LIFECYCLE"),
                 ("storagePool", "STORAGE_POOL", "REFRESH"), ("nodeDevice", "NODE_DEVICE", "LIFECYCLE"))  # fmt: skip


class Events:
    """Who wants to hear of which event of a connection. Listeners are called in the event loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, list[Listener]] = defaultdict(list)

    def listen(self, names: Iterable[str], listener: Listener) -> None:
        """Call `listener` for the events of those names: of `DOMAIN`, or ``network.LIFECYCLE`` and the like."""
        for name in names:
            self._listeners[name].append(listener)

    def announce(self, name: str, uuid: str, title: str) -> None:
        """Have listeners hear of something that was done here and of which libvirt has no event.

        ``kvtui.DOMAIN``, ``kvtui.SNAPSHOT``, ``kvtui.JOB`` and ``kvtui.BLOCK_JOB`` are those of a domain, and
        ``kvtui.POOL`` is that of a pool, ``kvtui.VOLUMES`` that of any volumes. In the event loop's thread.
        """
        self._publish(name, uuid, title, ())

    def from_any_thread(self, callback: Callable[[], None]) -> Callable[[], None]:
        """What calls `callback` in the event loop's thread, from whichever."""
        return lambda: tell(self._loop, callback)

    async def subscribe(self, link: Link) -> None:
        """Ask the server for all of them, as far as it has them."""

        def subscribe_all(_connection: libvirt.virConnect) -> None:
            module = load()
            for name in DOMAIN:
                number = getattr(module, f"VIR_DOMAIN_EVENT_ID_{name}", None)
                if number is not None:
                    link.subscribe("domain", number, self._hear(name))
            for kind, prefix, name in OTHERS:
                number = getattr(module, f"VIR_{prefix}_EVENT_ID_{name}")
                link.subscribe(kind, number, self._hear(f"{kind}.{name}"))

        await link.call(subscribe_all, "events cannot be had", Lane.STATES)

    def _hear(self, name: str) -> Callable[..., None]:
        def hear(_connection: object, subject: libvirt.virDomain, *details: object) -> None:
            # Devices of a host have a name only.
            uuid = subject.UUIDString() if hasattr(subject, "UUIDString") else ""
            title = clean_line(subject.name())
            plain = tuple(map(_plain, details[:-1]))
            tell(self._loop, lambda: self._publish(name, uuid, title, plain))

        return hear

    def _publish(self, name: str, uuid: str, title: str, details: tuple[Plain, ...]) -> None:
        for listener in self._listeners.get(name, ()):
            listener(uuid, title, details)


def _plain(value: object) -> Plain:
    if isinstance(value, dict):
        return {str(key): item for key, item in value.items() if isinstance(item, int | float | str | bool)}
    return value if isinstance(value, int | float | str | bool) else None
