"""The pod security admission, as far as it concerns launcher pods."""

from __future__ import annotations

from random import Random

from kvtui.demo import kinds
from kvtui.demo.controllers.quota import pod_name
from kvtui.demo.storage import Object, Storage

_ENFORCE = "pod-security.kubernetes.io/enforce"


def violated_standard(storage: Storage, pod: Object, random: Random) -> str:
    """Why the namespace refuses a launcher pod, in the API server's words; empty when it does not.

    A launcher passes ``baseline``; of ``restricted`` it lacks what a pod has to ask for itself.
    """
    namespace = storage.find(kinds.NAMESPACE, "", pod["metadata"]["namespace"]) or {"metadata": {}}
    if namespace["metadata"].get("labels", {}).get(_ENFORCE) != "restricted":
        return ""
    container = pod["spec"]["containers"][0]["name"]
    return (
        f'pods "{pod_name(pod, random)}" is forbidden: violates PodSecurity "restricted:latest": unrestricted '
        f'capabilities (container "{container}" must set securityContext.capabilities.drop=["ALL"]), seccompProfile '
        f'(pod or container "{container}" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )
