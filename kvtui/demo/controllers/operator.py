"""virt-operator: rolls out the version that the KubeVirt CR asks for, one virt-handler after the other.

Sources: KubeVirt ``pkg/virt-operator/util/client.go`` (conditions; kubevirt-api.md 2.7), ``resource/apply/patches.go``.
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.catalog.platform import KUBEVIRT_VERSION
from kvtui.demo.catalog.workloads import REGISTRY
from kvtui.demo.controllers.base import Controller
from kvtui.demo.controllers.customizing import broken_patch
from kvtui.demo.controllers.daemons import HANDLER
from kvtui.demo.objects import has_condition, remove_condition, set_condition
from kvtui.demo.storage import Object

_LOOK = 5.0
_DEPLOYED = ("AllComponentsReady", "All components are ready.")


class Operator(Controller):
    """Follows ``spec.imageTag`` and ``spec.customizeComponents`` of the KubeVirt CR."""

    kinds = (kinds.KUBEVIRT,)
    latency = 1.0

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the rollout a step on."""
        found = self.storage.find(kinds.KUBEVIRT, namespace, name)
        if found is None:
            return
        fault = broken_patch(found)
        wanted = found.get("spec", {}).get("imageTag") or KUBEVIRT_VERSION
        present = found.get("status", {}).get("observedKubeVirtVersion", "")
        if not present:
            # One that installs nothing here.
            return
        if fault:
            told = f"An error occurred during deployment: {fault}"
            self._tell(found, ("False", "False", "True"), "DeploymentFailed", told, failed=True)
        elif wanted != present:
            told = (
                f"Transitioning from previous version {present} with registry {REGISTRY} to target version {wanted} "
                f"using registry {REGISTRY}"
            )
            self._tell(found, ("True", "True", "True"), "UpdateInProgress", told, target=wanted)
            if self._is_rolled_out(wanted):
                self._tell(found, ("True", "False", "False"), *_DEPLOYED, target=wanted, done=True)
            else:
                self.enqueue((namespace, name), _LOOK)
        elif not has_condition(found, "Available", "True", _DEPLOYED[0]):
            self._tell(found, ("True", "False", "False"), *_DEPLOYED, target=wanted, done=True)

    def _is_rolled_out(self, version: str) -> bool:
        """Whether every virt-handler is of that version, and ready."""
        image = f"{REGISTRY}/{HANDLER}:{version}"
        pods = self.storage.list(kinds.POD, "kubevirt", {"kubevirt.io": HANDLER})
        return all(
            pod["spec"]["containers"][0]["image"] == image and has_condition(pod, "Ready", "True") for pod in pods
        )

    def _tell(
        self,
        found: Object,
        states: tuple[str, str, str],
        reason: str,
        message: str,
        *,
        target: str = "",
        done: bool = False,
        failed: bool = False,
    ) -> None:
        """Write the conditions Available, Progressing and Degraded in that order."""
        now, meta = self.clock.stamp(), found["metadata"]

        def write(kubevirt: Object) -> None:
            status = kubevirt["status"]
            for kind, state in zip(("Available", "Progressing", "Degraded"), states, strict=True):
                set_condition(kubevirt, kind, state, now, reason, message)
            if failed:
                set_condition(kubevirt, "Synchronized", "False", now, reason, message)
            else:
                remove_condition(kubevirt, "Synchronized")
            if target:
                status["targetKubeVirtVersion"] = target
                status["phase"] = "Deployed" if done else "Deploying"
            if done:
                status["observedKubeVirtVersion"] = target

        self.storage.modify(kinds.KUBEVIRT, meta["namespace"], meta["name"], write)
