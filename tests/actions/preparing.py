"""What must be true of a VM of the simulated cluster before some actions are possible: done by plain requests."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from kvtui.demo.catalog.owners import owner_of

KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsd1lTvzK3wOQm3oXgbZ8u4rjk1rY9DwqQ0Zy2m3ZkQ ada@example.org"
_SECRET: Final = "credentials"
_KUBEVIRT: Final = "/apis/kubevirt.io/v1"
_SNAPSHOTS: Final = "/apis/snapshot.kubevirt.io/v1beta1"
SNAPSHOT: Final = "tested"


class Cluster:
    """The API of a cluster, as its administrator."""

    def __init__(self, kubeconfig: str) -> None:
        document = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
        cluster = document["clusters"][0]["cluster"]
        self.url: str = cluster["server"]
        self.token: str = document["users"][0]["user"]["token"]
        self.trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self.trust.check_hostname = False

    def ask(self, method: str, path: str, body: object = None, media: str = "application/json") -> Any:
        """The answer. Raises HTTPError."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, context=self.trust, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def running(self) -> Iterable[dict[str, Any]]:
        """Instances that run, belong to a VM and can be moved."""
        for vmi in self.ask("GET", f"{_KUBEVIRT}/virtualmachineinstances")["items"]:
            conditions = {one["type"]: one["status"] for one in vmi["status"].get("conditions", ())}
            if vmi["status"]["phase"] == "Running" and conditions.get("LiveMigratable") == "True":
                yield vmi


def credentials(kubeconfig: str) -> str:
    """The path of a VM that names a Secret for passwords and for keys."""
    cluster = Cluster(kubeconfig)
    meta = next(iter(cluster.running()))["metadata"]
    namespace, name = meta["namespace"], meta["name"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": _SECRET}, "data": {}}
    try:
        cluster.ask("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
    means = {"source": {"secret": {"secretName": _SECRET}}, "propagationMethod": {"qemuGuestAgent": {}}}
    credentials = [{"userPassword": means}, {"sshPublicKey": means}]
    patch = {"spec": {"template": {"spec": {"accessCredentials": credentials}}}}
    path = f"{_KUBEVIRT}/namespaces/{namespace}/virtualmachines/{name}"
    cluster.ask("PATCH", path, patch, "application/merge-patch+json")
    return f"{namespace}/{name}"


def marked_to_leave(kubeconfig: str) -> str:
    """The path of a VM whose launcher was evicted, and that has to leave its node."""
    cluster = Cluster(kubeconfig)
    for vmi in cluster.running():
        namespace, name, status = vmi["metadata"]["namespace"], vmi["metadata"]["name"], vmi["status"]
        if status.get("evacuationNodeName"):
            return f"{namespace}/{name}"
        selector = f"kubevirt.io%3Dvirt-launcher,vm.kubevirt.io/name%3D{name}"
        for pod in cluster.ask("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")["items"]:
            meta = {"name": pod["metadata"]["name"], "namespace": namespace}
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
            try:
                cluster.ask("POST", f"/api/v1/namespaces/{namespace}/pods/{meta['name']}/eviction", eviction)
            except urllib.error.HTTPError as error:
                if error.code == 429 and b"evacuation of VMI" in error.read():
                    return f"{namespace}/{name}"
    raise AssertionError("no VM can be made to leave its node")


def with_snapshot(kubeconfig: str) -> str:
    """The path of a VM that runs and has a snapshot called `SNAPSHOT` that is ready."""
    cluster = Cluster(kubeconfig)
    names = [(vmi["metadata"]["namespace"], vmi["metadata"]["name"]) for vmi in cluster.running()]
    # What has an owner is put back by it.
    namespace, name = next(path for path in names if owner_of(*path) is None)
    folder = f"{_SNAPSHOTS}/namespaces/{namespace}/virtualmachinesnapshots"
    for snapshot in cluster.ask("GET", folder)["items"]:
        if snapshot["metadata"]["name"] == SNAPSHOT and snapshot["spec"]["source"]["name"] != name:
            cluster.ask("DELETE", f"{folder}/{SNAPSHOT}")
    source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": name}
    try:
        body = {"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot",
                "metadata": {"name": SNAPSHOT}, "spec": {"source": source}}  # fmt: skip
        cluster.ask("POST", folder, body)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
    for _ in range(20):
        if cluster.ask("GET", f"{folder}/{SNAPSHOT}").get("status", {}).get("readyToUse"):
            return f"{namespace}/{name}"
        cluster.ask("POST", "/demo/advance", {"seconds": 10})
    raise AssertionError("no snapshot gets ready")
