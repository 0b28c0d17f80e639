"""Quotas: what pods take of them, and the admission that refuses what would be too much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.objects import MI, amount, binary
from kvtui.demo.storage import Change, Object, Storage

if TYPE_CHECKING:
    from kvtui.demo.world import World

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_COUNTED = "requests.memory"


class QuotaUsage(Controller):
    """Writes into each quota how much of it is used."""

    kinds = (kinds.RESOURCE_QUOTA, kinds.POD)
    latency = 0.3

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        """Of the quotas, by namespace."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The quota itself, and those of the namespace of a pod."""
        if change.kind is kinds.RESOURCE_QUOTA:
            self._names[change.namespace].add(change.name)
            return ((change.namespace, change.name),)
        return [(change.namespace, name) for name in sorted(self._names.get(change.namespace, ()))]

    def reconcile(self, namespace: str, name: str) -> None:
        """Count anew."""
        quota = self.storage.peek(kinds.RESOURCE_QUOTA, namespace, name)
        if quota is None:
            self._names[namespace].discard(name)
            return
        hard = {key: value for key, value in quota["spec"].get("hard", {}).items() if key == _COUNTED}
        status = {"hard": hard, "used": {key: binary(_used(self.storage, namespace)) for key in hard}}
        if quota.get("status") != status:
            self.storage.modify(kinds.RESOURCE_QUOTA, namespace, name, lambda found: found.update(status=status))


def exceeded_quota(storage: Storage, pod: Object, random: Random) -> str:
    """Why the namespace's quota refuses the pod, in the API server's words; empty when it does not."""
    namespace = pod["metadata"]["namespace"]
    for quota in storage.list(kinds.RESOURCE_QUOTA, namespace):
        hard = quota["spec"].get("hard", {}).get("requests.memory")
        if hard is None:
            continue
        used = _used(storage, namespace)
        wanted = _memory(pod)
        if used + wanted > amount(hard):
            return (
                f'pods "{pod_name(pod, random)}" is forbidden: exceeded quota: '
                f"{quota['metadata']['name']}, requested: requests.memory={binary(wanted)}, "
                f"used: requests.memory={binary(used)}, limited: requests.memory={hard}"
            )
    return ""


def _used(storage: Storage, namespace: str) -> float:
    pods = storage.list(kinds.POD, namespace)
    return sum(_memory(pod) for pod in pods if pod["status"].get("phase") in ("Pending", "Running"))


def pod_name(pod: Object, random: Random) -> str:
    """The name that a pod which is refused would have had."""
    stem: str = pod["metadata"]["generateName"]
    return stem + "".join(random.choice(_LETTERS) for _ in range(5))


def _memory(pod: Object) -> float:
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    total = sum(amount(item.get("resources", {}).get("requests", {}).get("memory")) for item in containers)
    return float(int(total) // MI * MI)
