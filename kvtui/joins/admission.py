"""Why the API server would refuse a VM's next launcher pod now: a quota, or the pod security of its namespace.

Evidence: kubevirt-api.md 9.1, rows 9 and 10. Only what is certain is told: of a VM that is off nobody knows how much
its pod asks for beside the memory of the guest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kvtui.joins.machine import Machine
from kvtui.joins.quota import Taken, taken_of
from kvtui.joins.room import limits_of, requests_of
from kvtui.model import Ref
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import Namespace, Pod, ResourceQuota
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.store import View
from kvtui.text import quantity

_REFUSED: Final = "violates PodSecurity"
ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_LIMITED: Final = ("cpu", "memory", "ephemeral-storage")
"""Resources of which a quota without a prefix means the requests."""


def tell_refusal(view: View, machine: Machine, *, second: bool) -> str:
    """Why no launcher pod would be made for a VM, in a sentence; empty where nothing is known against it. A `second`
    one is made beside the one that runs, at a migration; at a restart that one goes first.
    """
    return _of_quotas(view, machine, second=second) or _of_level(view, machine)


def _of_quotas(view: View, machine: Machine, *, second: bool) -> str:
    namespace = machine.record.metadata.namespace
    asked = _asked(machine)
    runs = machine.live is not None and machine.launcher is not None
    for ref, quota in view.items(ResourceQuota, machine.backend):
        if ref.namespace != namespace or quota.spec.is_scoped:
            continue
        for taken in taken_of(quota):
            wants = asked.get(taken.name, 0.0)
            freed = wants if runs and not second else 0.0
            if wants and taken.used - freed + wants > taken.hard:
                return _tell(ref.name, taken, wants)
    return ""


def _tell(name: str, taken: Taken, wants: float) -> str:
    asks = Taken(taken.name, wants, taken.hard).amounts.partition(" of ")[0]
    return f"quota {name} refuses its launcher pod: {taken.words} are taken, and it asks for {asks}"


def _asked(machine: Machine) -> Mapping[str, float]:
    """What its launcher pod counts for in quotas."""
    counted = {"pods": 1.0, "count/pods": 1.0}
    if machine.launcher is not None and machine.live is not None:
        return counted | _asked_by(machine.launcher)
    spec = machine.vm.spec.template.spec if machine.vm is not None else machine.spec
    memory = quantity(spec.domain.memory.guest) or 0.0
    return counted | {"requests.memory": memory, "memory": memory}


def _asked_by(pod: Pod) -> dict[str, float]:
    requests, limits = requests_of(pod.spec.containers), limits_of(pod.spec.containers)
    return {
        **{f"requests.{name}": amount for name, amount in requests.items()},
        **{f"limits.{name}": amount for name, amount in limits.items()},
        **{name: amount for name, amount in requests.items() if name in _LIMITED},
    }


def _of_level(view: View, machine: Machine) -> str:
    """That launcher pods are refused in its namespace now: what one of them lacks there all of them lack."""
    namespace = machine.record.metadata.namespace
    who = _refused_in(view, machine.backend).get(namespace)
    found = view.get(Namespace, machine.backend, "", namespace) if who is not None else None
    # Whoever was refused says so until it has tried again.
    if found is None or found.metadata.labels.get(ENFORCE) == "privileged":
        return ""
    return f"namespace {namespace} refuses launcher pods for its pod security, as it does that of {who}"


def _refused_in(view: View, backend: str) -> Mapping[str, str]:
    """By namespace, an instance whose launcher pod is refused for that; found once for all that are asked about."""
    key = Ref(backend, _REFUSED, "", "")
    known = view.memo.get(key)
    if isinstance(known, _Refused):
        return known
    found = _Refused()
    for ref, vmi in view.items(VirtualMachineInstance, backend):
        told = find_condition(vmi.status.conditions, "Synchronized") if not vmi.status.node_name else None
        if told is not None and told.status == "False" and _REFUSED in told.message:
            found[ref.namespace] = min(found.get(ref.namespace, ref.name), ref.name)
    view.memo[key] = found
    return found


class _Refused(dict[str, str]):
    """As the view keeps it."""
