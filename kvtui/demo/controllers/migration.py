"""virt-controller's loop for migrations: the queue, the target pod, the hand-over, the end and the clearing up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.events import VM_CONTROLLER
from kvtui.demo.controllers.instance import cluster_configuration, enter_phase
from kvtui.demo.controllers.launcher import OVERHEAD, launcher_pod
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.controllers.quota import exceeded_quota
from kvtui.demo.controllers.virtualmachineinstance import current_pod
from kvtui.demo.objects import binary, deleting, has_condition, remove_condition, remove_finalizer, set_condition
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

FINALIZER = "kubevirt.io/migrationJobFinalize"
KEPT_PER_INSTANCE = 5
_UNSCHEDULABLE_LIMIT = 300.0
_PENDING_LIMIT = 900.0
_QUEUE_CHECK = 2.0
_QUOTA_CHECK = 30.0
_REJECTED = "migrationRejectedByResourceQuota"
_ACTIVE = ("Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running")
_PRIORITIES = {"system-critical": 100, "user-triggered": 50, "system-maintenance": 20}
DEFAULTS: Object = {
    "allowAutoConverge": False,
    "allowPostCopy": False,
    "allowWorkloadDisruption": False,
    "bandwidthPerMigration": "0",
    "completionTimeoutPerGiB": 150,
    "maxDowntimeMs": 900,
    "nodeDrainTaintKey": "kubevirt.io/drain",
    "parallelMigrationsPerCluster": 5,
    "parallelOutboundMigrationsPerNode": 2,
    "progressTimeout": 150,
    "unsafeMigrationOverride": False,
    "utilityVolumesTimeout": 150,
}


def migration_configuration(world: World) -> Object:
    """``migrationConfiguration`` that applies to migrations now."""
    return {**DEFAULTS, **cluster_configuration(world).get("migrations", {})}


class Migrations(Controller):
    """Drives VirtualMachineInstanceMigrations."""

    component = "virt-controller"
    kinds = (kinds.VMIM, kinds.VMI, kinds.POD)
    latency = 0.04

    def keys_for(self, change: Change) -> Iterable[Key]:
        """A migration itself, and those of an instance or of a target pod that changed."""
        if change.kind is kinds.VMIM:
            return ((change.namespace, change.name),)
        if change.kind is kinds.POD:
            name = (
                change.labels.get("vm.kubevirt.io/name", "") if "kubevirt.io/migrationJobUID" in change.labels else ""
            )
        else:
            name = change.name
        return sorted(self._of_instance.get((change.namespace, name), ()))

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._of_instance: dict[Key, set[Key]] = {}

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one migration a step on."""
        job = self.storage.peek(kinds.VMIM, namespace, name)
        if job is None:
            for keys in self._of_instance.values():
                keys.discard((namespace, name))
            return
        vmi = self.storage.peek(kinds.VMI, namespace, job["spec"]["vmiName"])
        self._of_instance.setdefault((namespace, job["spec"]["vmiName"]), set()).add((namespace, name))
        phase = job.get("status", {}).get("phase", "")
        if phase in FINAL:
            self._finish(job, vmi)
        elif vmi is None:
            self._fail(job, "Migration failed because vmi does not exist.")
        elif vmi["status"].get("phase") in FINAL or deleting(vmi):
            self._fail(job, "Migration failed vmi shutdown during migration.")
        elif deleting(job):
            self._abort(job, vmi, phase)
        elif not phase:
            self._accept(job, vmi)
        else:
            self._advance(job, vmi, phase)

    # Forward

    def _accept(self, job: Object, vmi: Object) -> None:
        pod = current_pod(vmi, self._pods(vmi))

        def accept(found: Object) -> None:
            found["metadata"].setdefault("annotations", {}).update(
                {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}
            )
            enter_phase(found, "Pending", self.clock.stamp())
            if pod:
                found["status"]["migrationState"] = {"sourcePod": pod["metadata"]["name"]}

        self._edit(job, accept)

    def _advance(self, job: Object, vmi: Object, phase: str) -> None:
        move = vmi["status"].get("migrationState", {})
        ours = move.get("migrationUid") == job["metadata"]["uid"]
        if phase == "Pending":
            self._schedule(job, vmi)
            return
        target = self._target(job, vmi)
        lost = target is None or target["status"]["phase"] in FINAL
        if lost and not (ours and move.get("completed")):
            self._fail(job, "Migration failed because target pod shutdown during migration")
            return
        if phase == "Scheduling" and target:
            self._await_target(job, vmi, target)
        elif phase == "Scheduled" and target:
            self._hand_over(job, vmi, target)
        elif phase == "PreparingTarget" and ours and move.get("targetNodeAddress"):
            self._enter(job, "TargetReady")
        elif phase == "TargetReady" and ours and move.get("startTimestamp"):
            self._enter(job, "Running")
        elif phase == "Running" and ours and move.get("endTimestamp"):
            if move.get("failed"):
                self._fail(job, "source node reported migration failed")
            else:
                self._enter(job, "Succeeded")
                told = "Source node reported migration succeeded"
                self.world.events.normal(kinds.VMIM, job, VM_CONTROLLER, "SuccessfulMigration", told)

    def _schedule(self, job: Object, vmi: Object) -> None:
        """Make the target pod when the limits allow it and nobody more urgent waits."""
        meta = job["metadata"]
        if vmi["status"].get("phase") != "Running":
            return
        if not self._may_begin(job, vmi):
            self.enqueue((meta["namespace"], meta["name"]), _QUEUE_CHECK)
            return
        if self._target(job, vmi) is None:
            wanted = launcher_pod(vmi, migration=job)
            refusal = exceeded_quota(self.storage, wanted, self.random)
            if refusal:
                self._reject(job, refusal)
                return
            pod = self.storage.create(kinds.POD, wanted)
            told = f"Created migration target pod {pod['metadata']['name']}"
            self.world.events.normal(kinds.VMIM, job, VM_CONTROLLER, "SuccessfulCreate", told)
            self._edit(job, lambda found: remove_condition(found, _REJECTED))
        self._enter(job, "Scheduling")

    def _reject(self, job: Object, refusal: str) -> None:
        """The namespace has no room for a second pod: tell so, and try again."""
        meta, now = job["metadata"], self.clock.stamp()
        if not has_condition(job, _REJECTED, "True"):
            self._edit(job, lambda found: set_condition(found, _REJECTED, "True", now, "", refusal))
        self.enqueue((meta["namespace"], meta["name"]), _QUOTA_CHECK)

    def _may_begin(self, job: Object, vmi: Object) -> bool:
        limits = migration_configuration(self.world)
        outbound: Counter[str] = Counter()
        total = 0
        waiting = []
        for other in self.storage.list(kinds.VMIM):
            phase = other.get("status", {}).get("phase", "")
            if phase in _ACTIVE:
                total += 1
                instance = self.storage.peek(kinds.VMI, other["metadata"]["namespace"], other["spec"]["vmiName"])
                outbound[instance["status"].get("nodeName", "") if instance else ""] += 1
            elif phase == "Pending" and other["metadata"]["uid"] != job["metadata"]["uid"]:
                waiting.append(other)
        node = vmi["status"].get("nodeName", "")
        return (
            total < limits["parallelMigrationsPerCluster"]
            and outbound[node] < limits["parallelOutboundMigrationsPerNode"]
            and not (
                total + 1 >= limits["parallelMigrationsPerCluster"]
                and any(_priority(other) > _priority(job) for other in waiting)
            )
        )

    def _await_target(self, job: Object, vmi: Object, target: Object) -> None:
        meta = job["metadata"]
        key = (meta["namespace"], meta["name"])
        if target["status"]["phase"] == "Running":
            self._enter(job, "Scheduled")
            return
        if has_condition(target, "PodScheduled", "False", "Unschedulable"):
            who = f"{meta['namespace']}/{vmi['metadata']['name']}"
            told = f"Migration target pod for VMI [{who}] is currently unschedulable."
            self.world.events.warning(kinds.VMIM, job, VM_CONTROLLER, "migrationTargetPodUnschedulable", told)
            if self.elapsed(key, meta["uid"], "unschedulable", _UNSCHEDULABLE_LIMIT):
                self._drop_target(target)
        elif self.elapsed(key, meta["uid"], "pending", _PENDING_LIMIT):
            self._drop_target(target)

    def _hand_over(self, job: Object, vmi: Object, target: Object) -> None:
        source = current_pod(vmi, self._pods(vmi))
        node = target["spec"]["nodeName"]

        def hand_over(found: Object) -> None:
            found["metadata"].setdefault("labels", {})["kubevirt.io/migrationTargetNodeName"] = node
            found["status"]["migrationState"] = {
                "migrationUid": job["metadata"]["uid"],
                "sourceNode": found["status"].get("nodeName", ""),
                "sourcePod": source["metadata"]["name"] if source else "",
                "targetMemoryOverhead": binary(OVERHEAD),
                "targetNode": node,
                "targetPod": target["metadata"]["name"],
            }

        if vmi["status"].get("migrationState", {}).get("migrationUid") != job["metadata"]["uid"]:
            self.storage.modify(kinds.VMI, vmi["metadata"]["namespace"], vmi["metadata"]["name"], hand_over)
            told = "Migration target pod is ready for preparation by virt-handler."
            self.world.events.normal(kinds.VMIM, job, VM_CONTROLLER, "SuccessfulHandOver", told)
        self._enter(job, "PreparingTarget")

    # Backward

    def _abort(self, job: Object, vmi: Object, phase: str) -> None:
        """The migration object was deleted while it was under way."""
        now = self.clock.stamp()
        move = vmi["status"].get("migrationState", {})
        handed_over = move.get("migrationUid") == job["metadata"]["uid"]
        first = not has_condition(job, "migrationAbortRequested", "True")
        if first:
            self._edit(job, lambda found: set_condition(found, "migrationAbortRequested", "True", now))
        if not handed_over:
            target = self._target(job, vmi)
            if target:
                self._drop_target(target)
            self._fail(job, "Migration failed due to being canceled")
            return
        if not move.get("abortRequested") and not move.get("endTimestamp"):
            self.storage.modify(
                kinds.VMI,
                vmi["metadata"]["namespace"],
                vmi["metadata"]["name"],
                lambda found: found["status"]["migrationState"].__setitem__("abortRequested", True),
            )
            told = "Migration is ready to be canceled by virt-handler."
            self.world.events.normal(kinds.VMIM, job, VM_CONTROLLER, "SuccessfulAbortMigration", told)
        elif move.get("endTimestamp"):
            if move.get("failed"):
                self._fail(job, "source node reported migration failed")
            elif phase == "Running":
                self._enter(job, "Succeeded")

    def _fail(self, job: Object, message: str) -> None:
        self._enter(job, "Failed")
        self.world.events.warning(kinds.VMIM, job, VM_CONTROLLER, "FailedMigration", message)

    def _finish(self, job: Object, vmi: Object | None) -> None:
        """Copy the result, take the finalizer off, drop the target of a failed one and old migrations."""
        move = (vmi or {}).get("status", {}).get("migrationState", {})
        ours = move.get("migrationUid") == job["metadata"]["uid"]
        if ours and move.get("endTimestamp") and job["status"].get("migrationState") != move:
            self._edit(job, lambda found: found["status"].__setitem__("migrationState", move))
            return
        if ours and not move.get("endTimestamp") and vmi:
            self._close(vmi, "Target pod is down")
        if job["status"]["phase"] == "Failed" and vmi:
            target = self._target(job, vmi)
            if target and target["spec"].get("nodeName") != vmi["status"].get("nodeName"):
                self._drop_target(target)
        self._edit(job, lambda found: remove_finalizer(found, FINALIZER))
        self._collect(job)

    def _close(self, vmi: Object, reason: str) -> None:
        now = self.clock.stamp()
        meta = vmi["metadata"]

        def close(found: Object) -> None:
            found["status"]["migrationState"] |= {
                "completed": True,
                "endTimestamp": now,
                "failed": True,
                "failureReason": reason,
            }

        self.storage.modify(kinds.VMI, meta["namespace"], meta["name"], close)

    def _collect(self, job: Object) -> None:
        """Keep the newest finished migrations of an instance only."""
        meta = job["metadata"]
        labels = {"kubevirt.io/vmi-name": job["spec"]["vmiName"]}
        finished = [
            other
            for other in self.storage.list(kinds.VMIM, meta["namespace"], labels)
            if other.get("status", {}).get("phase") in FINAL and not deleting(other)
        ]
        finished.sort(
            key=lambda other: (other["metadata"]["creationTimestamp"], int(other["metadata"]["resourceVersion"]))
        )
        for other in finished[:-KEPT_PER_INSTANCE]:
            self.storage.delete(kinds.VMIM, meta["namespace"], other["metadata"]["name"])

    # Help

    def _pods(self, vmi: Object) -> list[Object]:
        owned = self.storage.owned(vmi["metadata"]["uid"])
        found = [self.storage.peek(kind, space, name) for kind, space, name in owned if kind is kinds.POD]
        return sorted((pod for pod in found if pod), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def _target(self, job: Object, vmi: Object) -> Object | None:
        uid = job["metadata"]["uid"]
        pods = [pod for pod in self._pods(vmi) if pod["metadata"]["labels"].get("kubevirt.io/migrationJobUID") == uid]
        return pods[-1] if pods else None

    def _drop_target(self, pod: Object) -> None:
        self.world.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"], 0)

    def _enter(self, job: Object, phase: str) -> None:
        now = self.clock.stamp()
        self._edit(job, lambda found: enter_phase(found, phase, now))

    def _edit(self, job: Object, change: Callable[[Object], None]) -> None:
        self.storage.modify(kinds.VMIM, job["metadata"]["namespace"], job["metadata"]["name"], change)


def _priority(job: Object) -> int:
    return _PRIORITIES.get(job["spec"].get("priority", ""), 0)
