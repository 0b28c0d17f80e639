"""CDI's upload server: a pod that waits for an image, takes what the proxy sends it, and converts it into the claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.populator import PREFIX, Populator, worker_pod
from kvtui.demo.objects import MI, deleting
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

UPLOAD_TARGET = PREFIX + "upload.target"
_SOURCE = "upload-controller"
_FIRST, _BYTES_A_SECOND = 2.0, 400.0 * MI
"""How long what was sent is converted, in virtual seconds."""


class Uploader(Populator):
    """Keeps an upload server for each claim that is to be filled by an upload."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._sent: dict[str, tuple[int, str]] = {}
        """By the uid of a claim whose image is being converted: its bytes, and why that fails."""

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the upload into one claim a step on."""
        claim = self.storage.peek(kinds.PVC, namespace, name)
        if claim is None or deleting(claim):
            return
        notes = claim["metadata"].get("annotations", {})
        if UPLOAD_TARGET not in notes or notes.get(PREFIX + "pod.phase") == "Succeeded":
            return
        worker = self.worker_claim(claim)
        if worker is None or worker.get("status", {}).get("phase") != "Bound":
            return
        pod_name = f"cdi-upload-{worker['metadata']['name']}"
        pod = self.storage.peek(kinds.POD, namespace, pod_name)
        if pod is None:
            self.storage.create(kinds.POD, worker_pod(claim, worker, pod_name, "cdi-upload-server", {}))
            self.note(claim, {"pod.phase": "Pending", "pod.ready": "false", "uploadPodName": pod_name})
        elif pod.get("status", {}).get("phase") == "Running" and not deleting(pod):
            self._serve(claim, pod)

    def take(self, claim: Object, size: int, failure: str) -> None:
        """All of an image has come: convert it, or fail to in CDI's words."""
        self._sent[claim["metadata"]["uid"]] = (size, failure)
        self.note(claim, {"pod.ready": "false"})
        self.enqueue((claim["metadata"]["namespace"], claim["metadata"]["name"]))

    def is_converting(self, uid: str) -> bool:
        """Whether the claim has got its image already."""
        return uid in self._sent

    def _serve(self, claim: Object, pod: Object) -> None:
        meta = claim["metadata"]
        key, uid = (meta["namespace"], meta["name"]), meta["uid"]
        if "waiting" in pod["status"]["containerStatuses"][0]["state"]:
            restarts = pod["status"]["containerStatuses"][0]["restartCount"]
            if self.elapsed(key, uid, f"backoff {restarts}", 10.0):
                self.world.kubelet.restart(pod["metadata"]["namespace"], pod["metadata"]["name"], "", waiting=False)
            return
        if uid in self._sent:
            size, failure = self._sent[uid]
            if self.elapsed(key, uid, f"convert {size}", _FIRST + size / _BYTES_A_SECOND):
                self.restart_stage(uid, f"convert {size}")
                del self._sent[uid]
                if failure:
                    self._break_off(claim, pod, failure)
                else:
                    self._succeed(claim, pod)
            return
        if meta.get("annotations", {}).get(PREFIX + "pod.ready") != "true":
            running = {"running": "true", "running.message": "", "running.reason": "Pod is running"}
            told = {f"condition.{name}": value for name, value in running.items()}
            self.note(claim, {"pod.phase": "Running", "pod.ready": "true", **told})

    def _break_off(self, claim: Object, pod: Object, message: str) -> None:
        """The upload server exits, and waits for another image once the kubelet has started it again."""
        count = pod["status"]["containerStatuses"][0]["restartCount"] + 1
        told = {"running": "false", "running.reason": "Error", "running.message": message}
        self.note(claim, {"pod.restarts": str(count), **{f"condition.{name}": value for name, value in told.items()}})
        self.world.kubelet.restart(pod["metadata"]["namespace"], pod["metadata"]["name"], message, waiting=True)
        self.world.events.warning(kinds.PVC, claim, _SOURCE, "UploadFailed", message)

    def _succeed(self, claim: Object, pod: Object) -> None:
        meta = pod["metadata"]
        self.world.kubelet.complete(meta["namespace"], meta["name"])
        self.world.delete_pod(meta["namespace"], meta["name"], 0)
        worker = self.worker_claim(claim)
        done = {"running": "false", "running.reason": "Completed", "running.message": "Upload Complete"}
        self.note(claim, {"pod.phase": "Succeeded", **{f"condition.{name}": value for name, value in done.items()}})
        name = claim["metadata"]["name"]
        told = f"Upload Successful into PVC {name}"
        self.world.events.normal(kinds.PVC, claim, _SOURCE, "UploadSucceeded", told)
        if worker and worker["metadata"]["name"] != name:
            self.rebind(claim, worker)
