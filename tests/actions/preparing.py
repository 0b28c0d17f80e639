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

KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsd1lTvzK3wOQm3oXgbZ8u4rjk1rY9DwqQ0Zy2m3ZkQ ada@example.org"
_SECRET: Final = "credentials"
_KUBEVIRT: Final = "/apis/kubevirt.io/v1"


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
