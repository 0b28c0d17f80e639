"""The platform's DaemonSets: a pod on each of their nodes, and of a new template one after the other.

Source: Kubernetes ``pkg/controller/daemon``; one pod may be unavailable (the default strategy).
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.catalog.workloads import Workload, selector_of, template_of
from kvtui.demo.controllers.workloads import WorkloadController
from kvtui.demo.deployments import hash_of_template
from kvtui.demo.objects import copy_of, deleting, has_condition, owner_reference
from kvtui.demo.storage import Object

HANDLER = "virt-handler"
_HASH = "controller-revision-hash"
"""The label that tells of which template a pod is; those that were there from the start are of the first."""


class Daemons(WorkloadController, replicated=False):
    """Keeps the pods of DaemonSets, and counts them."""

    kind = kinds.DAEMON_SET
    kinds = (kinds.POD, kinds.DAEMON_SET)

    def reconcile(self, namespace: str, name: str) -> None:
        """Make the pods that lack, replace the next of an old template, and count."""
        workload, owner = self.workloads[namespace, name], self.storage.find(kinds.DAEMON_SET, namespace, name)
        if owner is None:
            return
        pods = self.storage.list(kinds.POD, namespace, selector_of(workload))
        present = {_node_of(pod) for pod in pods}
        wanted = _nodes_for(self.storage.list(kinds.NODE), workload)
        for node in wanted:
            if node not in present:
                self._make_pod(owner, node)
        living = [pod for pod in pods if not deleting(pod)]
        first, present_hash = hash_of_template(template_of(workload)), hash_of_template(owner["spec"]["template"])
        old = [pod for pod in living if pod["metadata"]["labels"].get(_HASH, first) != present_hash]
        ready = [pod for pod in living if has_condition(pod, "Ready", "True")]
        self._replace(old, whole=len(ready) == len(wanted))
        self._count(owner, len(wanted), living, len(living) - len(old), len(ready))
        if name == HANDLER:
            self._tell_nodes(living, ready)

    def _replace(self, old: list[Object], *, whole: bool) -> None:
        """Take away what is outdated: whatever is not ready, and one that is where none else lacks."""
        ready = [pod for pod in old if has_condition(pod, "Ready", "True")]
        for pod in (*(pod for pod in old if pod not in ready), *(ready[:1] if whole else ())):
            self.world.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _make_pod(self, owner: Object, node: str) -> None:
        meta, template = owner["metadata"], owner["spec"]["template"]
        labels = {**template["metadata"]["labels"], _HASH: hash_of_template(template)}
        spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "nodeName": node}
        self.storage.create(
            kinds.POD,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "generateName": f"{meta['name']}-",
                    "namespace": meta["namespace"],
                    "labels": labels,
                    "ownerReferences": [owner_reference(owner)],
                },
                "spec": {**copy_of(template["spec"]), **spec, "tolerations": [{"operator": "Exists"}]},
                "status": {"phase": "Pending", "qosClass": "Burstable"},
            },
        )

    def _count(self, owner: Object, wanted: int, living: list[Object], updated: int, ready: int) -> None:
        status: Object = {
            "currentNumberScheduled": len(living),
            "desiredNumberScheduled": wanted,
            "numberMisscheduled": 0,
            "numberReady": ready,
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        numbers = {"numberAvailable": ready, "numberUnavailable": wanted - ready, "updatedNumberScheduled": updated}
        status |= {field: number for field, number in numbers.items() if number}
        if owner.get("status") != status:
            meta = owner["metadata"]
            self.storage.modify(
                kinds.DAEMON_SET, meta["namespace"], meta["name"], lambda found: found.update(status=status)
            )

    def _tell_nodes(self, living: list[Object], ready: list[Object]) -> None:
        """On which nodes KubeVirt does something."""
        served = {_node_of(pod) for pod in ready}
        for node in {_node_of(pod) for pod in living}:
            self.world.nodes.tell_handler(node, runs=node in served)


def _node_of(pod: Object) -> str:
    name: str = pod["spec"].get("nodeName", "")
    return name


def _nodes_for(nodes: list[Object], workload: Workload) -> list[str]:
    role = f"node-role.kubernetes.io/{workload.where}"
    return [
        node["metadata"]["name"]
        for node in nodes
        if workload.where == "all" or role in node["metadata"].get("labels", {})
    ]
