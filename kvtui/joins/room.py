"""How much room pods leave on nodes. Only pods that are watched count, so a node may have less than is said here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

from kvtui.records.kubernetes import Container, Pod
from kvtui.store import View
from kvtui.text import quantity

_Loads = dict[tuple[str, str], tuple[int, Mapping[str, float]]]
_known: WeakKeyDictionary[View, _Loads] = WeakKeyDictionary()
"""By backend and node, as of which edition of its pods: a VM that fits nowhere asks about all nodes."""


def requests_of(containers: Iterable[Container]) -> dict[str, float]:
    """Of each resource, what containers ask for together."""
    return _sum(container.resources.requests for container in containers)


def limits_of(containers: Iterable[Container]) -> dict[str, float]:
    """Of each resource that is limited, what containers may take together."""
    return _sum(container.resources.limits for container in containers)


def _sum(amounts: Iterable[Mapping[str, str]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in amounts:
        for name, amount in one.items():
            found[name] = found.get(name, 0.0) + (quantity(amount) or 0.0)
    return found


def used_on(view: View, backend: str, node: str) -> Mapping[str, float]:
    """Of each resource, what the pods on a node ask for together."""
    loads = _known.setdefault(view, {})
    edition = view.edition(Pod, backend, "node", node)
    known, used = loads.get((backend, node), (None, {}))
    if known != edition:
        pods = (pod for _, pod in view.linked(Pod, backend, "node", node))
        on_it = (pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed"))
        used = requests_of(container for pod in on_it for container in pod.spec.containers)
        loads[backend, node] = (edition, used)
    return used
