"""An instance that waits for a node keeps the spec that it was made with, whatever its VM asks for by now."""

from __future__ import annotations

from dataclasses import replace

from kvtui.joins.causes import Cause
from kvtui.joins.machine import Machine
from kvtui.model import Evidence
from kvtui.records.kubevirt import InstanceSpec
from kvtui.text import quantity, size


def tell_outdated(machine: Machine, told: Cause) -> Cause:
    """Why no node takes it, with what has been changed in its VM since: that comes to it by a restart only."""
    vm, vmi = machine.vm, machine.live
    if vm is None or vmi is None:
        return told
    wants, has = _wants(vm.spec.template.spec), _wants(vmi.spec)
    # What an instancetype gives, or KubeVirt by default, stands in the instance alone.
    changed = [name for name in wants if name in has and wants[name] != has[name]]
    if not changed:
        return told
    asks = " and ".join(wants[name] for name in changed)
    keeps = " and ".join(has[name] for name in changed)
    return replace(
        told,
        sentence=f"its VM asks for {asks} by now, the instance that waits still for {keeps}: {told.sentence}",
        step="restart it: the new instance is made as the VM is now",
        more=(*told.more, Evidence(f"VM {vm.metadata.name}", "spec.template.spec", asks)),
        obstacle=None,
    )


def _wants(spec: InstanceSpec) -> dict[str, str]:
    """What of its spec decides which node takes it, in words, by name."""
    memory, cpus = quantity(spec.domain.memory.guest), spec.domain.cpu.count
    labels = " ".join(f"{key}={value}" for key, value in sorted(spec.node_selector.items()))
    found = {"node": f"nodes with {labels}" if labels else "any node"}
    if memory:
        found["memory"] = f"{size(memory)} of memory"
    if cpus:
        found["cpu"] = f"{cpus} CPU{'s' if cpus > 1 else ''}"
    return found
