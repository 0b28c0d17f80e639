"""The kubelet of every node: pulls images, runs containers, tells the pod's state, ends pods that are deleted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.events import KUBELET
from kvtui.demo.objects import deleting, has_condition, remove_condition, set_condition
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

UNPAUSED = "kubevirt.io/virtual-machine-unpaused"
"""The readiness gate of launcher pods."""
_KILLED = 137
"""The exit code of what SIGKILL ended."""
_PULL_BACKOFF = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)


class Kubelet(Controller):
    """Pod lifecycle on all nodes whose kubelet answers."""

    kinds = (kinds.POD,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._pulls: dict[str, int] = {}

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the pod one step on."""
        pod = self.storage.peek(kinds.POD, namespace, name)
        if pod is None or not pod["spec"].get("nodeName"):
            return
        if not self.world.nodes.answers(pod["spec"]["nodeName"]):
            return
        if deleting(pod):
            self._end(pod)
        elif pod["status"].get("phase") == "Pending":
            self._begin(pod)
        elif pod["status"].get("phase") == "Running":
            self._judge(pod)

    def complete(self, namespace: str, name: str, *, failed: bool = False, message: str = "") -> None:
        """Let all containers of a pod end, with exit code 1 when `failed`."""
        now = self.clock.stamp()

        def over(pod: Object) -> None:
            status = pod["status"]
            status["phase"] = "Failed" if failed else "Succeeded"
            reason = "PodFailed" if failed else "PodCompleted"
            for gate in ("Ready", "ContainersReady"):
                _set_pod_condition(pod, gate, "False", now, reason)
            for container in _statuses(status):
                container["ready"] = False
                container["started"] = False
                container["state"] = {"terminated": _terminated(container, now, failed=failed, message=message)}

        self.storage.modify(kinds.POD, namespace, name, over)

    def restart(
        self, namespace: str, name: str, message: str, *, waiting: bool, reason: str = "Error", ready: bool = True
    ) -> None:
        """Let the only container of a pod fail: it waits in CrashLoopBackOff (`waiting`) or runs anew, and is `ready`
        or not so yet. `reason` is Error, or OOMKilled.
        """
        now, ready = self.clock.stamp(), ready and not waiting

        def again(pod: Object) -> None:
            container = pod["status"]["containerStatuses"][0]
            if waiting:
                ended = _terminated(container, now, failed=True, message=message)
                if reason != "Error":
                    ended |= {"reason": reason, "exitCode": _KILLED}
                container["lastState"] = {"terminated": ended}
                container["state"] = {
                    "waiting": {
                        "reason": "CrashLoopBackOff",
                        "message": f"back-off restarting failed container={container['name']} pod={name}_{namespace}",
                    }
                }
            else:
                container["restartCount"] += 1
                container["state"] = {"running": {"startedAt": now}}
            container["ready"] = ready
            container["started"] = not waiting
            for gate in ("Ready", "ContainersReady"):
                _set_pod_condition(pod, gate, str(ready), now, "" if ready else "ContainersNotReady")

        self.storage.modify(kinds.POD, namespace, name, again)

    def recover(self, pod: Object, *, rebooted: bool) -> None:
        """Tell of a pod again after its node was silent; when it has `rebooted`, its containers begin anew."""
        meta, now = pod["metadata"], self.clock.stamp()
        key = (meta["namespace"], meta["name"])
        self.enqueue(key)
        if pod["status"].get("phase") != "Running" or deleting(pod):
            return
        if rebooted and pod["spec"].get("restartPolicy") == "Never":
            self.complete(*key, failed=True)
            return

        def tell(found: Object) -> None:
            for container in found["status"].get("containerStatuses", ()):
                if rebooted and "running" in container["state"]:
                    ended = _terminated(container, now, failed=True, message="")
                    container["lastState"] = {"terminated": {**ended, "exitCode": 255, "reason": "Unknown"}}
                    container["restartCount"] += 1
                    container["state"] = {"running": {"startedAt": now}}
                    container["containerID"] = f"containerd://{self.random.getrandbits(64):064x}"
            if has_condition(found, "ContainersReady", "True"):
                ready = _ready(found, now)
                _set_pod_condition(
                    found, "Ready", ready["status"], now, ready.get("reason", ""), ready.get("message", "")
                )

        self.storage.modify(kinds.POD, *key, tell)

    def _begin(self, pod: Object) -> None:
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"])
        missing = [
            container for container in _containers(pod) if container["image"] in self.world.outside.missing_images
        ]
        missing_volumes = [
            volume
            for volume in pod["spec"].get("volumes", ())
            if volume.get("image", {}).get("reference") in self.world.outside.missing_images
        ]
        if missing or missing_volumes:
            image = missing[0]["image"] if missing else missing_volumes[0]["image"]["reference"]
            self._fail_pull(pod, key, image)
            return
        if not self.elapsed(key, meta["uid"], "start", self.random.uniform(2.5, 6.5)):
            return
        self._run_containers(pod)

    def _run_containers(self, pod: Object) -> None:
        meta = pod["metadata"]
        now = self.clock.stamp()
        host = self.world.nodes.address(pod["spec"]["nodeName"])
        address = self.world.next_address()

        def run(found: Object) -> None:
            status = found["status"]
            kept = [item for item in status.get("conditions", ()) if item["type"] not in _OWN_CONDITIONS]
            status["phase"] = "Running"
            status["conditions"] = [
                {"type": "Initialized", "status": "True", "lastProbeTime": None, "lastTransitionTime": now},
                {"type": "ContainersReady", "status": "True", "lastProbeTime": None, "lastTransitionTime": now},
                _ready(found, now),
                *kept,
            ]
            status["hostIP"] = host
            status["podIP"] = address
            status["podIPs"] = [{"ip": address}]
            status["startTime"] = now
            inits = found["spec"].get("initContainers", ())
            if inits:
                status["initContainerStatuses"] = [
                    container_running(item, now, self.random.getrandbits(64)) for item in inits
                ]
            status["containerStatuses"] = [
                container_running(item, now, self.random.getrandbits(64)) for item in found["spec"]["containers"]
            ]

        self.storage.modify(kinds.POD, meta["namespace"], meta["name"], run)
        main = pod["spec"]["containers"][0]
        node = pod["spec"]["nodeName"]
        for reason, message in (
            ("Pulled", f'Container image "{main["image"]}" already present on machine and can be accessed by the pod'),
            ("Created", f"Container created: {main['name']}"),
            ("Started", f"Container started: {main['name']}"),
        ):
            self.world.events.normal(kinds.POD, pod, KUBELET, reason, message, host=node)

    def _fail_pull(self, pod: Object, key: Key, image: str) -> None:
        """Alternate ErrImagePull and ImagePullBackOff, as the kubelet does while it backs off."""
        uid = pod["metadata"]["uid"]
        tries = self._pulls.get(uid, 0)
        if not self.elapsed(key, uid, f"pull {tries}", self.random.uniform(1.0, 3.0)):
            return
        node = pod["spec"]["nodeName"]
        text = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
        failing = tries % 2 == 0
        told = (
            {"reason": "ErrImagePull", "message": text}
            if failing
            else {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}": ErrImagePull: {text}'}
        )
        now = self.clock.stamp()

        def wait(found: Object) -> None:
            status = found["status"]
            status["startTime"] = status.get("startTime", now)
            status["hostIP"] = self.world.nodes.address(node)
            _set_pod_condition(found, "Initialized", "True", now, "")
            for gate in ("Ready", "ContainersReady"):
                _set_pod_condition(found, gate, "False", now, "ContainersNotReady")
            status["containerStatuses"] = [_container_waiting(item, told) for item in found["spec"]["containers"]]

        self.storage.modify(kinds.POD, *key, wait)
        events = self.world.events
        if failing:
            events.normal(kinds.POD, pod, KUBELET, "Pulling", f'Pulling image "{image}"', host=node)
            events.warning(kinds.POD, pod, KUBELET, "Failed", f'Failed to pull image "{image}": {text}', host=node)
            events.warning(kinds.POD, pod, KUBELET, "Failed", "Error: ErrImagePull", host=node)
        else:
            events.normal(kinds.POD, pod, KUBELET, "BackOff", f'Back-off pulling image "{image}"', host=node)
            events.warning(kinds.POD, pod, KUBELET, "Failed", "Error: ImagePullBackOff", host=node)
        self._pulls[uid] = tries + 1
        backoff = 3.0 if failing else _PULL_BACKOFF[min(tries // 2, len(_PULL_BACKOFF) - 1)]
        self.elapsed(key, uid, f"pull {tries + 1}", backoff)

    def _judge(self, pod: Object) -> None:
        """Follow the readiness gates."""
        now = self.clock.stamp()
        meta = pod["metadata"]
        if not pod["spec"].get("readinessGates") or not has_condition(pod, "ContainersReady", "True"):
            return

        def judge(found: Object) -> None:
            verdict = _ready(found, now)
            _set_pod_condition(
                found, "Ready", verdict["status"], now, verdict.get("reason", ""), verdict.get("message", "")
            )

        self.storage.modify(kinds.POD, meta["namespace"], meta["name"], judge)

    def _end(self, pod: Object) -> None:
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"])
        grace = float(meta.get("deletionGracePeriodSeconds", 0))
        over = pod["status"].get("phase") in ("Succeeded", "Failed")
        wanted = 0.5 if over else min(grace, self._time_to_stop(pod))
        # A later, shorter grace period overrides the one that runs.
        if not self.elapsed(key, meta["uid"], f"end {grace}", wanted):
            return
        if pod["status"].get("phase") == "Running":
            main = pod["spec"]["containers"][0]["name"]
            self.world.events.normal(
                kinds.POD, pod, KUBELET, "Killing", f"Stopping container {main}", host=pod["spec"]["nodeName"]
            )
        self.forget(meta["uid"])
        self._pulls.pop(meta["uid"], None)
        self.storage.delete(kinds.POD, *key, grace=0)

    def _time_to_stop(self, pod: Object) -> float:
        labels = pod["metadata"].get("labels", {})
        name = labels.get("vm.kubevirt.io/name")
        if labels.get("kubevirt.io") != "virt-launcher" or not name or not _runs_guest(pod):
            return self.random.uniform(0.5, 1.5)
        return self.world.guest(pod["metadata"]["namespace"], name).shutdown


_OWN_CONDITIONS = ("Initialized", "ContainersReady", "Ready")


def _runs_guest(pod: Object) -> bool:
    return has_condition(pod, UNPAUSED, "True") or has_condition(pod, UNPAUSED, "False")


def _containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def _statuses(status: Object) -> list[Object]:
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _ready(pod: Object, now: str) -> Object:
    """The condition Ready of a pod whose containers run: its readiness gates decide."""
    found: Object = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    for gate in pod["spec"].get("readinessGates", ()):
        if has_condition(pod, gate["conditionType"], "True"):
            continue
        told = (
            f'the status of pod readiness gate "{gate["conditionType"]}" is not "True", but False'
            if has_condition(pod, gate["conditionType"], "False")
            else f'corresponding condition of pod readiness gate "{gate["conditionType"]}" does not exist.'
        )
        found |= {"status": "False", "reason": "ReadinessGatesNotReady", "message": told}
    return found


def _set_pod_condition(pod: Object, kind: str, status: str, now: str, reason: str, message: str = "") -> None:
    """As `set_condition`; a pod's condition that turns good carries no reason."""
    if has_condition(pod, kind, status) and not has_condition(pod, kind, status, reason) and not reason:
        remove_condition(pod, kind)
    set_condition(pod, kind, status, now, reason, message, probe=None)


def container_running(container: Object, now: str, number: int) -> Object:
    """``containerStatuses[]`` of a container that runs since `now`; `number` makes its identifier."""
    image: str = container["image"]
    return {
        "name": container["name"],
        "state": {"running": {"startedAt": now}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": image,
        "imageID": f"{image.rpartition(':')[0]}@sha256:{hash_of(image)}",
        "containerID": f"containerd://{number:064x}",
        "started": True,
    }


def hash_of(value: str) -> str:
    """A sha256 digest that stands for the image of that name."""
    return hashlib.sha256(value.encode()).hexdigest()


def _container_waiting(container: Object, told: Object) -> Object:
    return {
        "name": container["name"],
        "state": {"waiting": told},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }


def _terminated(container: Object, now: str, *, failed: bool, message: str) -> Object:
    started = container["state"].get("running", {}).get("startedAt", now)
    found: Object = {
        "exitCode": 1 if failed else 0,
        "reason": "Error" if failed else "Completed",
        "startedAt": started,
        "finishedAt": now,
        "containerID": container.get("containerID", ""),
    }
    if message:
        found["message"] = message
    return found
