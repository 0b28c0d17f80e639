"""The platform's own Deployments: pods that are gone or outdated are made anew, and who needs them is told how many are
ready.

A Deployment, its ReplicaSet and its pods are one here; so are a service, its endpoints and the availability controller
of kube-aggregator (``pkg/controllers/status/remote/remote_available_controller.go``).
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.catalog.workloads import WORKLOADS, Workload, selector_of, template_of
from kvtui.demo.controllers.workloads import WorkloadController
from kvtui.demo.deployments import DEADLINE, Count, hash_of_template, least, most, name_of_set, status_of
from kvtui.demo.objects import copy_of, deleting, has_condition, set_plain_condition
from kvtui.demo.storage import Object

_SERVED = {"virt-api": "virt-api", "cdi-apiserver": "cdi-api", "metrics-server": "metrics-server"}
"""Workloads behind aggregated APIs, and their services."""
_HASH = "pod-template-hash"
"""The label that tells of which template a pod is; those that were there from the start are of the first."""


class Components(WorkloadController, replicated=True):
    """Deployments and APIServices of the platform."""

    kind = kinds.DEPLOYMENT
    kinds = (kinds.POD, kinds.DEPLOYMENT)

    def reconcile(self, namespace: str, name: str) -> None:
        """Count the pods of one workload, and make those that lack."""
        workload = self.workloads[namespace, name]
        pods = [pod for pod in self.storage.list(kinds.POD, namespace, selector_of(workload)) if not deleting(pod)]
        ready = [pod for pod in pods if has_condition(pod, "Ready", "True")]
        self._count_replicas(workload, pods, len(ready))
        self.world.tell_component(name, runs=bool(ready))
        if name in _SERVED:
            self._judge_services(namespace, _SERVED[name], available=bool(ready))

    def _count_replicas(self, workload: Workload, pods: list[Object], ready: int) -> None:
        owner = self.storage.find(kinds.DEPLOYMENT, workload.namespace, workload.name)
        if owner is None or not _has_template(owner):
            return
        hash_ = hash_of_template(owner["spec"]["template"])
        first = hash_of_template(template_of(workload))
        updated = [pod for pod in pods if pod["metadata"]["labels"].get(_HASH, first) == hash_]
        self._replace(owner, [pod for pod in pods if pod not in updated], updated, ready)
        count = Count(len(pods), len(updated), ready)
        key, uid = (workload.namespace, workload.name), owner["metadata"]["uid"]
        late = self.elapsed(key, uid, f"rollout {name_of_set(owner)} {count}", DEADLINE)
        status = status_of(owner, count, self.clock.stamp(), late=late)
        if owner.get("status") != status:
            self.storage.modify(kinds.DEPLOYMENT, *key, lambda found: found.update(status=status))

    def _replace(self, owner: Object, old: list[Object], new: list[Object], ready: int) -> None:
        """Make what lacks, and take away what is outdated or too much, as far as enough stays available."""
        wanted = owner["spec"].get("replicas", 1)
        for _ in range(min(wanted - len(new), most(wanted) - len(old) - len(new))):
            self._make_pod(owner)
        surplus = new[wanted:]
        for pod in (*old, *surplus):
            if has_condition(pod, "Ready", "True"):
                if ready <= least(wanted):
                    continue
                ready -= 1
            self.world.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _make_pod(self, owner: Object) -> None:
        meta, template = owner["metadata"], owner["spec"]["template"]
        hash_ = hash_of_template(template)
        self.storage.create(
            kinds.POD,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "generateName": f"{meta['name']}-{hash_}-",
                    "namespace": meta["namespace"],
                    "labels": {**template["metadata"]["labels"], _HASH: hash_},
                },
                "spec": {
                    **copy_of(template["spec"]),
                    "restartPolicy": "Always",
                    "terminationGracePeriodSeconds": 30,
                    **_placement(meta["name"]),
                },
                "status": {"phase": "Pending", "qosClass": "Burstable"},
            },
        )

    def _judge_services(self, namespace: str, service: str, *, available: bool) -> None:
        now = self.clock.stamp()
        told = ("True", "Passed", "all checks passed")
        if not available:
            words = f'endpoints for service/{service} in "{namespace}" have no addresses with port name ""'
            told = ("False", "MissingEndpoints", words)

        def judge(found: Object) -> None:
            set_plain_condition(found, "Available", told[0], now, told[1], told[2])

        for found in self.storage.list(kinds.API_SERVICE):
            behind = found.get("spec", {}).get("service") or {}
            if (behind.get("namespace"), behind.get("name")) != (namespace, service):
                continue
            if not has_condition(found, "Available", told[0]):
                self.storage.modify(kinds.API_SERVICE, "", found["metadata"]["name"], judge)


def _has_template(owner: Object) -> bool:
    """Whether pods can be made of it, with the labels by which they are found."""
    template = owner.get("spec", {}).get("template", {})
    return bool(template.get("spec", {}).get("containers") and template.get("metadata", {}).get("labels"))


def _placement(name: str) -> Object:
    """Where the pods of a Deployment may run: where they were from the start."""
    where = next(item.where for item in WORKLOADS if item.name == name)
    if where != "control-plane":
        return {"tolerations": []}
    role = "node-role.kubernetes.io/control-plane"
    return {"nodeSelector": {role: ""}, "tolerations": [{"key": role, "operator": "Exists", "effect": "NoSchedule"}]}
