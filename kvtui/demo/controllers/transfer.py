"""virt-handler's part in a migration: the target listens, memory is copied while the guest changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller
from kvtui.demo.controllers.events import HANDLER
from kvtui.demo.controllers.handler import report_interfaces
from kvtui.demo.controllers.kubelet import UNPAUSED
from kvtui.demo.controllers.migration import migration_configuration
from kvtui.demo.objects import GI, amount, set_condition
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_TICK = 1.0
"""Virtual seconds between two looks at a running copy."""
_PORTS = {"35131": 49153, "35425": 0, "41641": 49152}


@dataclass(slots=True)
class Transfer:
    """The memory copy of one running migration, in bytes and bytes a second: what virt-handler's metrics tell."""

    total: float
    remaining: float
    dirty_rate: float
    transfer_rate: float
    started: float
    """On the world's clock."""
    processed: float = 0.0
    updated: float = 0.0


class Transfers(Controller):
    """Follows ``status.migrationState`` of instances."""

    kinds = (kinds.VMI,)
    latency = 0.02

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.running: dict[tuple[str, str], Transfer] = {}
        """The copies that run now, by namespace and name of the instance."""

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one migration's copy a step on."""
        vmi = self.storage.peek(kinds.VMI, namespace, name)
        move = vmi["status"].get("migrationState", {}) if vmi else {}
        if vmi is None or not move.get("targetNode") or move.get("endTimestamp"):
            self.running.pop((namespace, name), None)
            return
        if move.get("abortRequested"):
            self._fail(vmi, "Live migration aborted ", abort="Succeeded")
        elif not move.get("targetNodeAddress"):
            self._listen(vmi, move)
        elif not move.get("startTimestamp"):
            self._begin(vmi, move)
        else:
            self._copy(vmi, move)

    def _listen(self, vmi: Object, move: Object) -> None:
        key, uid = _identity(vmi)
        if not self.elapsed(key, uid, f"listen {move['migrationUid']}", self.random.uniform(0.8, 2.5)):
            return
        address = self.world.nodes.address(move["targetNode"])
        self._edit(vmi, targetNodeAddress=address, targetDirectMigrationNodePorts=dict(_PORTS))
        ports = ",".join(("35425", "41641", "35131"))
        told = f"Migration Target is listening at {address}, on ports: {ports}"
        self.world.events.normal(kinds.VMI, vmi, HANDLER, "PreparingTarget", told, host=move["targetNode"])

    def _begin(self, vmi: Object, move: Object) -> None:
        key, uid = _identity(vmi)
        if not self.elapsed(key, uid, f"begin {move['migrationUid']}", self.random.uniform(0.5, 1.5)):
            return
        guest = self.world.guest(*key)
        used = amount(vmi["spec"]["domain"]["memory"]["guest"]) * self.random.uniform(0.45, 0.8)
        # A small guest would be over before anyone looks: connections take their time too.
        rate = min(guest.transfer_rate, used / self.random.uniform(9.0, 16.0) + guest.dirty_rate)
        if guest.dirty_rate >= guest.transfer_rate:
            rate = guest.transfer_rate
        now = self.clock.elapsed
        self.running[key] = Transfer(used, used, guest.dirty_rate, rate, started=now, updated=now)
        config = migration_configuration(self.world)
        self._edit(vmi, startTimestamp=self.clock.stamp(), mode="PreCopy", migrationConfiguration=config)
        self._event(vmi, move["sourceNode"], "Migrating", "VirtualMachineInstance is migrating.")
        self.enqueue(key, _TICK)

    def _copy(self, vmi: Object, move: Object) -> None:
        key, _ = _identity(vmi)
        copy = self.running.get(key)
        if copy is None:
            self._fail(vmi, "Live migration failed: lost the connection to the target")
            return
        now = self.clock.elapsed
        passed, copy.updated = now - copy.updated, now
        sent = min(copy.remaining, copy.transfer_rate * passed)
        copy.processed += sent
        dirtied = min(copy.dirty_rate * passed, copy.total)
        copy.remaining = min(copy.total, copy.remaining - sent + dirtied)
        config = move["migrationConfiguration"]
        budget = config["completionTimeoutPerGiB"] * amount(vmi["spec"]["domain"]["memory"]["guest"]) / GI
        if copy.remaining <= copy.transfer_rate * config["maxDowntimeMs"] / 1000:
            self._arrive(vmi, move)
        elif now - copy.started > budget:
            self._event(vmi, move["sourceNode"], "Migrating", "VirtualMachineInstance is aborting migration.")
            self._fail(vmi, "Live migration has been aborted")
        else:
            self.enqueue(key, _TICK)

    def _arrive(self, vmi: Object, move: Object) -> None:
        """The guest runs on the target now."""
        key, _ = _identity(vmi)
        now = self.clock.stamp()
        node = move["targetNode"]
        self.running.pop(key, None)
        target = self.storage.find(kinds.POD, key[0], move["targetPod"])

        def arrive(found: Object) -> None:
            status = found["status"]
            status["migrationState"] |= {
                "completed": True,
                "endTimestamp": now,
                "targetNodeDomainDetected": True,
                "targetNodeDomainReadyTimestamp": now,
            }
            status["nodeName"] = node
            found["metadata"]["labels"]["kubevirt.io/nodeName"] = node
            status.pop("evacuationNodeName", None)
            report_interfaces(found, target, lease=self.world.guest(*key).lease)

        self.storage.modify(kinds.VMI, *key, arrive)
        self._open_gate(key[0], move["targetPod"], node, now)
        self.world.kubelet.complete(key[0], move["sourcePod"])
        self._drop_older_sources(vmi, move)
        self._event(vmi, node, "Migrated", f"The VirtualMachineInstance migrated to node {node}.")

    def _open_gate(self, namespace: str, pod: str, node: str, now: str) -> None:
        def open_gate(found: Object) -> None:
            meta = found["metadata"]
            ready = now.replace("T", " ").replace("Z", " +0000 UTC")
            meta.setdefault("annotations", {})["kubevirt.io/migration-target-ready-timestamp"] = ready
            meta["labels"]["kubevirt.io/nodeName"] = node
            set_condition(found, UNPAUSED, "True", now, "NotPaused", "the virtual machine is not paused")

        self.storage.modify(kinds.POD, namespace, pod, open_gate)

    def _drop_older_sources(self, vmi: Object, move: Object) -> None:
        """Only the last source pod stays behind as Completed."""
        for kind, namespace, name in self.storage.owned(vmi["metadata"]["uid"]):
            pod = self.storage.find(kind, namespace, name) if kind is kinds.POD else None
            if pod and pod["status"]["phase"] in ("Succeeded", "Failed") and name != move["sourcePod"]:
                self.world.delete_pod(namespace, name, 0)

    def _fail(self, vmi: Object, reason: str, abort: str = "") -> None:
        key, _ = _identity(vmi)
        move = vmi["status"]["migrationState"]
        self.running.pop(key, None)
        ended = {"completed": True, "endTimestamp": self.clock.stamp(), "failed": True, "failureReason": reason}
        if abort:
            ended["abortStatus"] = abort
        if not move.get("startTimestamp"):
            ended["startTimestamp"] = ended["endTimestamp"]
        self._edit(vmi, **ended)
        told = f"VirtualMachineInstance migration uid {move['migrationUid']} failed. reason:{reason}"
        self.world.events.warning(kinds.VMI, vmi, HANDLER, "Migrated", told, host=move["sourceNode"])

    def _edit(self, vmi: Object, **fields: object) -> None:
        self.storage.modify(
            kinds.VMI,
            vmi["metadata"]["namespace"],
            vmi["metadata"]["name"],
            lambda found: found["status"]["migrationState"].update(fields),
        )

    def _event(self, vmi: Object, node: str, reason: str, message: str) -> None:
        self.world.events.normal(kinds.VMI, vmi, HANDLER, reason, message, host=node)


def _identity(vmi: Object) -> tuple[tuple[str, str], str]:
    meta = vmi["metadata"]
    return (meta["namespace"], meta["name"]), meta["uid"]
