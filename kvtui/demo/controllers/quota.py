"""The quota admission of pods."""

from __future__ import annotations

from random import Random

from kvtui.demo import kinds
from kvtui.demo.objects import MI, amount, binary
from kvtui.demo.storage import Object, Storage

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def exceeded_quota(storage: Storage, pod: Object, random: Random) -> str:
    """Why the namespace's quota refuses the pod, in the API server's words; empty when it does not."""
    namespace = pod["metadata"]["namespace"]
    for quota in storage.list(kinds.RESOURCE_QUOTA, namespace):
        hard = quota["spec"].get("hard", {}).get("requests.memory")
        if hard is None:
            continue
        used = sum(
            _memory(other)
            for other in storage.list(kinds.POD, namespace)
            if other["status"].get("phase") in ("Pending", "Running")
        )
        wanted = _memory(pod)
        if used + wanted > amount(hard):
            return (
                f'pods "{pod_name(pod, random)}" is forbidden: exceeded quota: '
                f"{quota['metadata']['name']}, requested: requests.memory={binary(wanted)}, "
                f"used: requests.memory={binary(used)}, limited: requests.memory={hard}"
            )
    return ""


def pod_name(pod: Object, random: Random) -> str:
    """The name that a pod which is refused would have had."""
    stem: str = pod["metadata"]["generateName"]
    return stem + "".join(random.choice(_LETTERS) for _ in range(5))


def _memory(pod: Object) -> float:
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    total = sum(amount(item.get("resources", {}).get("requests", {}).get("memory")) for item in containers)
    return float(int(total) // MI * MI)
