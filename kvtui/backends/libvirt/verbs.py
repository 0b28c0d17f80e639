"""What domains can be told to do: power, saves, size. Functions and flags: libvirt's libvirt-domain.html."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from kvtui.backends.domains import Scope
from kvtui.backends.libvirt.acts import Acts, apply, find_domain, scope_words
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.words import is_unsupported
from kvtui.errors import ConflictError
from kvtui.model import Ref
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_LOOK: Final = 0.5
"""Seconds between two looks whether a guest has shut down."""
_GLANCE: Final = 0.1
"""The same whether it is paused again."""
_AGAIN: Final = 1.0
"""Seconds within which QEMU tries again what it could not write, and stops once more where it still cannot."""
_PAUSED: Final = 3  # VIR_DOMAIN_PAUSED
_CRASHED: Final = 6  # VIR_DOMAIN_CRASHED
_SUSPENDED: Final = 7  # VIR_DOMAIN_PMSUSPENDED
_IO_ERROR: Final = 5  # VIR_DOMAIN_PAUSED_IOERROR


class DomainVerbs(Acts):
    """Implements Lifecycle, Power, Saves and Tuning."""

    # Lifecycle ------------------------------------------------------------------------------------------------------

    async def start(self, ref: Ref) -> None:
        """Start a domain, from its saved memory where there is some."""
        await self._act("start", ref, lambda domain: domain.create() and None, lane=Lane.ERRANDS)

    async def stop(self, ref: Ref, *, grace: int | None = None) -> None:
        """Press the power button; after `grace` seconds, pull the plug."""
        if grace == 0:
            await self._act("stop within 0 s", ref, _destroy)
        elif grace is None:
            await self._act("stop", ref, lambda domain: domain.shutdown() and None)
        else:
            await self._act(f"stop within {grace} s", ref, lambda domain: domain.shutdown() and None)
            await self._stop_after(ref, grace)

    async def restart(self, ref: Ref) -> None:
        """Have the guest reboot; it is the same process after it."""
        await self._act("restart", ref, lambda domain: domain.reboot(0) and None)

    async def pause(self, ref: Ref) -> None:
        """Freeze the vCPUs."""
        await self._act("pause", ref, lambda domain: domain.suspend() and None)

    async def unpause(self, ref: Ref) -> None:
        """Let the vCPUs run on, or wake a guest that sleeps. Raises ConflictError when its disk still fails."""
        await self._act("unpause", ref, _unpause)

    # Power ----------------------------------------------------------------------------------------------------------

    async def start_afresh(self, ref: Ref) -> None:
        """Start a domain from its disks; memory that was saved is lost."""
        await self._act("start afresh", ref, _start_afresh, lane=Lane.ERRANDS)

    async def reset(self, ref: Ref) -> None:
        """Press the reset button. What stood still, by a pause or a crash, boots and runs."""
        await self._act("reset", ref, _reset)

    async def inject_nmi(self, ref: Ref) -> None:
        """Send a non-maskable interrupt."""
        await self._act("inject NMI", ref, lambda domain: domain.injectNMI(0) and None)

    # Saves ----------------------------------------------------------------------------------------------------------

    async def save(self, ref: Ref) -> None:
        """Write the memory to disk and end the process (managed save)."""
        await self._act("save", ref, lambda domain: domain.managedSave(0) and None, lane=Lane.ERRANDS)

    async def drop_save(self, ref: Ref) -> None:
        """Throw away the saved memory."""
        await self._act("drop save", ref, lambda domain: domain.managedSaveRemove(0) and None)

    # Tuning ---------------------------------------------------------------------------------------------------------

    async def set_autostart(self, ref: Ref, on: bool) -> None:
        """Whether a domain starts with its host."""
        verb = "autostart on" if on else "autostart off"
        await self._act(verb, ref, lambda domain: domain.setAutostart(int(on)) and None)

    async def set_vcpus(self, ref: Ref, count: int, scope: Scope) -> None:
        """How many CPUs it has."""
        verb = f"set CPUs to {count}{scope_words(scope)}"
        await self._act(verb, ref, lambda domain: apply(scope, lambda flag: _set_vcpus(domain, count, flag)))

    async def set_memory(self, ref: Ref, size: int, scope: Scope, *, most: int | None = None) -> None:
        """How many bytes the balloon leaves it, and from its next start on, with `most`, at most has."""
        at_most = f" of {most >> 20} MiB" if most is not None else ""
        verb = f"set memory to {size >> 20} MiB{at_most}{scope_words(scope)}"
        await self._act(verb, ref, lambda domain: apply(scope, lambda flag: _set_memory(domain, size, most, flag)))

    # ----------------------------------------------------------------------------------------------------------------

    async def _stop_after(self, ref: Ref, grace: int) -> None:
        """Pull the plug unless it has stopped by then. Whoever is cancelled meanwhile leaves it to the guest."""
        end = time.monotonic() + grace
        while time.monotonic() < end:
            await asyncio.sleep(_LOOK)
            if not await self._is_active(ref):
                return
        await self._act(f"stop after {grace} s", ref, _destroy)

    async def _is_active(self, ref: Ref) -> bool:
        return await self.call(
            lambda connection: bool(find_domain(connection, ref).isActive()), f"{ref.path} cannot be seen"
        )


def _destroy(domain: libvirt.virDomain) -> None:
    """End the process, letting QEMU write its caches first; if it will not, by force."""
    module = load()
    try:
        domain.destroyFlags(module.VIR_DOMAIN_DESTROY_GRACEFUL)
    except module.libvirtError:
        if domain.isActive():
            domain.destroy()


def _unpause(domain: libvirt.virDomain) -> None:
    state = domain.state()
    if state[0] == _SUSPENDED:
        domain.pMWakeup(0)
        return
    domain.resume()
    if state == [_PAUSED, _IO_ERROR]:
        _see_it_run(domain)


def _see_it_run(domain: libvirt.virDomain) -> None:
    """Raise ConflictError when an I/O error pauses it once more."""
    end = time.monotonic() + _AGAIN
    while time.monotonic() < end:
        time.sleep(_GLANCE)
        if domain.state() == [_PAUSED, _IO_ERROR]:
            disks = domain.diskErrors()
            of = f"on {', '.join(clean_line(one) for one in sorted(disks))}" if disks else "of a disk"
            raise ConflictError(f"the I/O error {of} has paused it again", hint="make room or mend the disk first")


def _reset(domain: libvirt.virDomain) -> None:
    still = domain.state()[0] in (_PAUSED, _CRASHED)
    domain.reset(0)
    if still:
        domain.resume()


def _start_afresh(domain: libvirt.virDomain) -> None:
    module = load()
    if not domain.hasManagedSaveImage(0):
        domain.create()
        return
    try:
        domain.createWithFlags(module.VIR_DOMAIN_START_FORCE_BOOT)
    except module.libvirtError as error:
        # VIR_ERR_INVALID_ARG: drivers that do not know the flag.
        if not is_unsupported(error.get_error_code()) and error.get_error_code() != 8:
            raise
        domain.managedSaveRemove(0)
        domain.create()


def _set_vcpus(domain: libvirt.virDomain, count: int, flag: int) -> None:
    module = load()
    if flag == module.VIR_DOMAIN_AFFECT_CONFIG:
        most = domain.vcpusFlags(module.VIR_DOMAIN_VCPU_MAXIMUM | flag)
        if count > most:
            domain.setVcpusFlags(count, module.VIR_DOMAIN_VCPU_MAXIMUM | flag)
    domain.setVcpusFlags(count, flag)


def _set_memory(domain: libvirt.virDomain, size: int, most: int | None, flag: int) -> None:
    module = load()
    kibibytes = size >> 10
    if flag == module.VIR_DOMAIN_AFFECT_CONFIG and most is not None:
        if most < size:
            raise ConflictError("that is no memory", f"{size >> 20} MiB are more than the most, {most >> 20} MiB")
        domain.setMemoryFlags(most >> 10, module.VIR_DOMAIN_MEM_MAXIMUM | flag)
    domain.setMemoryFlags(kibibytes, flag)
