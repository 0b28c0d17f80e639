"""Whether a running guest gets more CPUs or memory at once: KubeVirt's LiveUpdate (kubevirt-api.md 2.1 and 2.2)."""

from __future__ import annotations

from kvtui.joins.machine import Machine, migratable
from kvtui.records.kubevirt import KubeVirt
from kvtui.store import View
from kvtui.text import quantity, size

_GUESS = (
    "the running guest gets it at once if the VM can migrate and the cluster rolls changes out live (LiveUpdate); "
    "else after a restart, and its row says so"
)
_MOVES = "the running guest gets it by a migration that KubeVirt begins by itself"


def tell_sockets(view: View, machine: Machine, sockets: int) -> str:
    """How a running guest comes to so many sockets, in a sentence; empty where it has them."""
    live = machine.live
    if live is None:
        return ""
    cpu = live.spec.domain.cpu
    if sockets == max(1, cpu.sockets):
        return ""
    if not live.is_running:
        return _after_restart(f"its instance, which has not started yet, keeps {max(1, cpu.sockets)} sockets")
    if sockets < max(1, cpu.sockets):
        return _after_restart("fewer sockets need one")
    if cpu.max_sockets and sockets > cpu.max_sockets:
        return _after_restart(f"it runs with at most {cpu.max_sockets} sockets")
    return _tell(view, machine)


def tell_memory(view: View, machine: Machine, wanted: float) -> str:
    """How a running guest comes to so many bytes of memory, in a sentence; empty where it has them."""
    live = machine.live
    if live is None:
        return ""
    booted = quantity(live.status.memory.guest_at_boot) if live.status.memory is not None else None
    has = quantity(live.spec.domain.memory.guest)
    if wanted == has:
        return ""
    if not live.is_running:
        return _after_restart(f"its instance, which has not started yet, keeps {size(has) if has else 'what it has'}")
    most = quantity(live.spec.domain.memory.max_guest)
    if booted is not None and wanted < booted:
        return _after_restart(f"it has been started with {size(booted)}, and cannot have less")
    if most is not None and wanted > most:
        return _after_restart(f"it runs with at most {size(most)}")
    return _tell(view, machine)


def _tell(view: View, machine: Machine) -> str:
    can, why = migratable(machine)
    if can is False:
        return _after_restart(f"it cannot migrate ({why})")
    strategy = next((kv.spec.configuration.vm_rollout_strategy for _, kv in view.items(KubeVirt, machine.backend)), "")
    if strategy == "Stage":
        return _after_restart("the cluster rolls changes out at restarts (Stage)")
    return _MOVES if strategy == "LiveUpdate" and can else _GUESS


def _after_restart(why: str) -> str:
    return f"the guest gets it after a restart: {why}"
