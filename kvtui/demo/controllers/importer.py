"""CDI's import: the importer pod, its progress and its failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Download
from kvtui.demo.controllers.populator import PREFIX, Populator, worker_pod
from kvtui.demo.objects import amount, deleting, has_condition
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_TICK = 2.0
"""CDI scrapes an importer's progress every two seconds."""
_LONGEST_BACKOFF = 300.0
_SOURCE = "import-controller"
_UNSCHEDULABLE = "Importer pod cannot be scheduled"


@dataclass(slots=True)
class _Import:
    """A running transfer, in bytes."""

    download: Download
    done: float
    started: float
    updated: float


class Importer(Populator):
    """Populates claims that have an import source."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._running: dict[str, _Import] = {}

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the import into one claim a step on."""
        claim = self.storage.peek(kinds.PVC, namespace, name)
        if claim is None or deleting(claim):
            return
        notes = claim["metadata"].get("annotations", {})
        source = notes.get(PREFIX + "import.source")
        if not source:
            self._prepare_blank(claim)
            return
        if notes.get(PREFIX + "pod.phase") == "Succeeded" or notes.get(PREFIX + "import.fatalError"):
            return
        worker = self.worker_claim(claim)
        if worker is None or worker.get("status", {}).get("phase") != "Bound":
            return
        pod_name = f"importer-{worker['metadata']['name']}"
        pod = self.storage.peek(kinds.POD, namespace, pod_name)
        if pod is None:
            env = {"IMPORTER_SOURCE": source, "IMPORTER_ENDPOINT": notes.get(PREFIX + "import.endpoint", "")}
            self.storage.create(kinds.POD, worker_pod(claim, worker, pod_name, "importer", env))
            begun = {"condition.running": "false", "condition.running.reason": "", "condition.running.message": ""}
            self.note(claim, {"pod.phase": "Pending", "pod.restarts": "0", "import.importPodName": pod_name, **begun})
        elif pod["status"]["phase"] == "Running":
            self._transfer(claim, pod)
        elif has_condition(pod, "PodScheduled", "False", "Unschedulable"):
            refused = {"condition.running.reason": "Unschedulable", "condition.running.message": _UNSCHEDULABLE}
            self.note(claim, refused)

    def _prepare_blank(self, claim: Object) -> None:
        """A blank disk needs no worker that anyone would see: the volume is there at once."""
        if claim.get("status", {}).get("phase") == "Bound" or PREFIX + "contentType" not in claim["metadata"].get(
            "annotations", {}
        ):
            return
        source = claim["spec"].get("dataSourceRef", {}).get("kind")
        if source in (None, "VolumeImportSource"):
            worker = self.worker_claim(claim)
            if source and worker and worker.get("status", {}).get("phase") == "Bound":
                self.rebind(claim, worker)

    # Transfer

    def _transfer(self, claim: Object, pod: Object) -> None:
        meta = claim["metadata"]
        key = (meta["namespace"], meta["name"])
        uid = meta["uid"]
        container = pod["status"]["containerStatuses"][0]
        if "waiting" in container["state"]:
            self._retry(claim, pod, container["restartCount"])
            return
        notes = meta.get("annotations", {})
        download = self.world.outside.download(notes.get(PREFIX + "import.endpoint", ""))
        if notes.get(PREFIX + "condition.running") != "true":
            running = {
                "condition.running": "true",
                "condition.running.message": "",
                "condition.running.reason": "Pod is running",
            }
            self.note(claim, {"pod.phase": "Running", **running})
            return
        refusal = _refusal(download, claim)
        if refusal:
            if self.elapsed(key, uid, f"refused {container['restartCount']}", self.random.uniform(1.5, 4.0)):
                self._break_off(claim, pod, refusal)
            return
        state = self._running.setdefault(uid, _Import(download, 0.0, self.clock.elapsed, self.clock.elapsed))
        passed = self.clock.elapsed - state.updated
        if passed < _TICK - 0.01:
            # Woken by a change, such as the importer's own note of its progress.
            self.enqueue(key, _TICK - passed)
            return
        state.updated = self.clock.elapsed
        if self.clock.elapsed - state.started > download.killed_after:
            self._break_off(claim, pod, "", reason="OOMKilled")
            return
        state.done = min(download.size, state.done + passed * download.rate * self.random.uniform(0.6, 1.3))
        if state.done < download.size:
            self.note(claim, {"populator.progress": f"{100 * state.done / download.size:.2f}%"})
            self.enqueue(key, _TICK)
        elif download.checksum_matches:
            self._succeed(claim, pod)
        else:
            self._refuse_checksum(claim, pod)

    def _break_off(self, claim: Object, pod: Object, message: str, reason: str = "Error") -> None:
        """The importer exits, or is killed; the kubelet will start it again after its back-off."""
        meta = pod["metadata"]
        count = pod["status"]["containerStatuses"][0]["restartCount"]
        self.world.kubelet.restart(meta["namespace"], meta["name"], message, waiting=True, reason=reason)
        notes = {
            "condition.running": "false",
            "condition.running.reason": reason,
            "condition.running.message": message,
        }
        self.note(claim, {"pod.restarts": str(count + 1), **notes})
        if message:
            self.world.events.warning(kinds.PVC, claim, _SOURCE, "ErrImportFailed", message)
        self._running.pop(claim["metadata"]["uid"], None)

    def _retry(self, claim: Object, pod: Object, restarts: int) -> None:
        meta = claim["metadata"]
        backoff = min(_LONGEST_BACKOFF, 10.0 * 2**restarts)
        if self.elapsed((meta["namespace"], meta["name"]), meta["uid"], f"backoff {restarts}", backoff):
            self.world.kubelet.restart(pod["metadata"]["namespace"], pod["metadata"]["name"], "", waiting=False)
            # CDI keeps the error visible until the new attempt runs for a while; here until it fails again.
            self.elapsed((meta["namespace"], meta["name"]), meta["uid"], f"again {restarts}", 3.0)

    def _refuse_checksum(self, claim: Object, pod: Object) -> None:
        wanted = claim["metadata"]["annotations"].get(PREFIX + "import.checksum", "sha256:")
        message = (
            f"checksum mismatch: expected {wanted.partition(':')[2]}, calculated {self.random.getrandbits(256):064x}"
        )
        self.world.kubelet.complete(pod["metadata"]["namespace"], pod["metadata"]["name"], failed=True, message=message)
        notes = {
            "condition.running": "false",
            "condition.running.reason": "ChecksumError",
            "condition.running.message": message,
        }
        self.note(claim, {"pod.phase": "Failed", "import.fatalError": "true", **notes})
        self.world.events.warning(kinds.PVC, claim, _SOURCE, "ChecksumError", message)
        self._running.pop(claim["metadata"]["uid"], None)

    def _succeed(self, claim: Object, pod: Object) -> None:
        meta = pod["metadata"]
        self._running.pop(claim["metadata"]["uid"], None)
        self.world.kubelet.complete(meta["namespace"], meta["name"])
        self.world.delete_pod(meta["namespace"], meta["name"], 0)
        worker = self.worker_claim(claim)
        done = {
            "condition.running": "false",
            "condition.running.reason": "Completed",
            "condition.running.message": "Import Complete",
        }
        self.note(claim, {"populator.progress": "100.0%", "pod.phase": "Succeeded", **done})
        self.world.events.normal(
            kinds.PVC, claim, _SOURCE, "ImportSucceeded", f"Import Successful into PVC {claim['metadata']['name']}"
        )
        if worker and worker["metadata"]["name"] != claim["metadata"]["name"]:
            self.rebind(claim, worker)


def _refusal(download: Download, claim: Object) -> str:
    """Why the importer gives up before it has read anything; empty when it does not."""
    if download.refusal:
        return download.refusal
    if download.status != 200:
        status = download.status
        words = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}.get(status, "")
        told = f"expected status code 200, got {status}. Status: {status} {words}"
        return f"Unable to connect to http data source: {told}"
    room = int(amount(claim["spec"]["resources"]["requests"]["storage"]))
    if download.virtual_size > room:
        told = f"virtual image size {download.virtual_size} is larger than the reported available storage {room}"
        return f"Unable to process data: {told}. A larger PVC is required"
    return ""
