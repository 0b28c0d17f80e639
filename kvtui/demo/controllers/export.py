"""virt-controller's loop for VirtualMachineExports: a service, a token, a pod that serves the volumes, and its end.

Source: KubeVirt ``pkg/storage/export/export``. While the source is in use the export is Pending; a snapshot is copied
into claims of the export's own first. At the end of its time to live the export is deleted.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta

from kvtui.demo import kinds
from kvtui.demo.clock import stamp
from kvtui.demo.controllers.base import Key
from kvtui.demo.controllers.copying import CONTENT_TYPE, CopyController, claim_from, content_of, is_ready, state
from kvtui.demo.controllers.launcher import claims_of
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.durations import seconds_of
from kvtui.demo.objects import deleting, has_condition, is_owned_by, owner_reference
from kvtui.demo.storage import Change, Object

SERVICE_LABEL = "kubevirt.io.virt-export-service"
_PREFIX = "virt-export"
_IMAGE = "quay.io/kubevirt/virt-exportserver:v1.9.0"
_TTL = 7200.0
_RETRY = 3.0
_DISK = (("raw", "disk.img"), ("gzip", "disk.img.gz"))
_FILES = (("dir", "dir/"), ("tar.gz", "disk.tar.gz"))
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CERT = "-----BEGIN CERTIFICATE-----\nMIIBdemo\n-----END CERTIFICATE-----"


class _Source:
    """What is to be exported, and why not yet."""

    def __init__(self, claims: list[Object], reason: str = "", message: str = "", *, skipped: bool = False) -> None:
        self.claims = claims
        self.reason = reason
        self.message = message
        self.skipped = skipped

    @property
    def available(self) -> bool:
        return not self.reason and bool(self.claims)


class Exports(CopyController):
    """Serves volumes for download."""

    component = "virt-controller"
    kind = kinds.EXPORT
    kinds = (kinds.EXPORT, kinds.POD, kinds.VMI, kinds.PVC, kinds.SNAPSHOT)
    source = "export-controller"
    latency = 0.2

    def keys_for(self, change: Change) -> Iterable[Key]:
        """An export waits for its own pod, and for machines and snapshots."""
        if change.kind is kinds.EXPORT:
            return ((change.namespace, change.name),)
        if change.kind is kinds.POD:
            name = change.labels.get(SERVICE_LABEL, "")
            return ((change.namespace, name),) if name else ()
        if change.kind is kinds.VMI and change.type == "MODIFIED":
            return ()
        return self.all_in(change.namespace)

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one export a step on."""
        export = self.storage.find(kinds.EXPORT, namespace, name)
        if export is None or deleting(export):
            return
        expires = _expiry(export)
        if expires is None:
            export = self._begin(export) or export
            expires = _expiry(export) or self.clock.now
        left = (expires - self.clock.now).total_seconds()
        if left <= 0:
            self.remove(kinds.EXPORT, namespace, name)
            return
        self.enqueue((namespace, name), left + 0.1)
        source = self._source(export)
        pod = self.storage.find(kinds.POD, namespace, service_name(export))
        if source.available:
            self._make_token(export)
            if pod is None:
                pod = self.storage.create(kinds.POD, _pod(export, source.claims))
                told = f"Created exporter pod {namespace}/{pod['metadata']['name']}"
                self.tell(export, "ExporterPodCreated", told)
        elif pod is not None and not deleting(pod):
            self.tell(export, "ExportPaused", source.message, warning=True)
            self.world.delete_pod(namespace, pod["metadata"]["name"])
            pod = None
        self._write(export, source, pod)
        if not source.available and not source.skipped:
            self.enqueue((namespace, name), _RETRY)

    def _begin(self, export: Object) -> Object | None:
        meta, spec = export["metadata"], export["spec"]
        if self.storage.find(kinds.SERVICE, meta["namespace"], service_name(export)) is None:
            self.storage.create(kinds.SERVICE, _service(export))
            told = f"Created service {meta['namespace']}/{service_name(export)}"
            self.tell(export, "ServiceCreated", told)
        lasts = seconds_of(spec["ttlDuration"]) if spec.get("ttlDuration") else _TTL
        expires = stamp(datetime.fromisoformat(meta["creationTimestamp"]) + timedelta(seconds=lasts))
        now = self.clock.stamp()

        def write(found: Object) -> None:
            found["status"] = {
                "phase": "Pending",
                "serviceName": service_name(export),
                "ttlExpirationTime": expires,
                **({"tokenSecretRef": spec["tokenSecretRef"]} if spec.get("tokenSecretRef") else {}),
            }
            state(found, "Ready", "False", now, "Initializing")

        return self.storage.modify(kinds.EXPORT, meta["namespace"], meta["name"], write)

    # The source

    def _source(self, export: Object) -> _Source:
        namespace, source = export["metadata"]["namespace"], export["spec"]["source"]
        name = source["name"]
        if source["kind"] == "PersistentVolumeClaim":
            return self._claim(export, namespace, name)
        if source["kind"] == "VirtualMachineSnapshot":
            return self._snapshot(export, namespace, name)
        vm = self.storage.find(kinds.VM, namespace, name)
        if vm is None:
            return _Source([], "VMNotFound", f"Virtual Machine {namespace}/{name} not found")
        found = (self.storage.find(kinds.PVC, namespace, claim) for _, claim in claims_of(vm["spec"]["template"]))
        claims = [claim for claim in found if claim is not None]
        if not claims:
            return _Source([], "VMNoVolumes", f"Virtual Machine {namespace}/{name} has no volumes", skipped=True)
        if any(claim.get("status", {}).get("phase") != "Bound" for claim in claims):
            words = f"Not all volumes in the Virtual Machine {namespace}/{name} are populated"
            return _Source(claims, "VolumesNotPopulated", words)
        vmi = self.storage.find(kinds.VMI, namespace, name)
        if vmi is not None and vmi.get("status", {}).get("phase") not in FINAL:
            return _Source(claims, "InUse", f"Virtual Machine {namespace}/{name} is running")
        return _Source(claims)

    def _claim(self, export: Object, namespace: str, name: str) -> _Source:
        claim = self.storage.find(kinds.PVC, namespace, name)
        if claim is None:
            return _Source([], "PVCNotFound", f"PersistentVolumeClaim {namespace}/{name} not found")
        if claim.get("status", {}).get("phase") != "Bound":
            return _Source([claim], "PVCPending", f"PersistentVolumeClaim {namespace}/{name} is not populated")
        for pod in self.storage.list(kinds.POD, namespace):
            uses = any(
                volume.get("persistentVolumeClaim", {}).get("claimName") == name
                for volume in pod["spec"].get("volumes", ())
            )
            if uses and pod["status"].get("phase") not in FINAL and not is_owned_by(pod, export):
                return _Source([claim], "InUse", f"PersistentVolumeClaim {namespace}/{name} is in use")
        return _Source([claim])

    def _snapshot(self, export: Object, namespace: str, name: str) -> _Source:
        snapshot = self.storage.find(kinds.SNAPSHOT, namespace, name)
        if snapshot is None:
            return _Source([], "VMSnapshotNotFound", f"VirtualMachineSnapshot {namespace}/{name} not found")
        content = content_of(self.world, snapshot)
        empty = f"VirtualMachineSnapshot {namespace}/{name} does not contain any volume snapshots"
        if not is_ready(snapshot) or content is None:
            return _Source([], "NotAllPVCsCreated", empty)
        backups = content["spec"]["volumeBackups"]
        if not backups:
            return _Source([], "VMSnapshotNoVolumes", empty, skipped=True)
        claims = []
        for backup in backups:
            own = f"{export['metadata']['name']}-{backup['persistentVolumeClaim']['metadata']['name']}"
            found = self.storage.find(kinds.PVC, namespace, own)
            claims.append(found or self.storage.create(kinds.PVC, claim_from(backup, own, namespace, export)))
        if any(claim.get("status", {}).get("phase") != "Bound" for claim in claims):
            return _Source(claims, "NotAllPVCsReady", "Not all PVCs are ready")
        return _Source(claims)

    # What it makes

    def _make_token(self, export: Object) -> None:
        """A secret of its own, unless the user has named one."""
        meta = export["metadata"]
        if export["spec"].get("tokenSecretRef"):
            return
        name = f"export-token-{meta['name']}"
        if self.storage.find(kinds.SECRET, meta["namespace"], name) is None:
            token = "".join(self.random.choice(_LETTERS) for _ in range(20))
            self.storage.create(
                kinds.SECRET,
                {
                    "metadata": {
                        "name": name,
                        "namespace": meta["namespace"],
                        "ownerReferences": [owner_reference(export)],
                    },
                    "type": "Opaque",
                    "data": {"token": base64.b64encode(token.encode()).decode()},
                },
            )
            self.tell(export, "SecretCreated", f"Created default secret {meta['namespace']}/{name}")

    def _write(self, export: Object, source: _Source, pod: Object | None) -> None:
        meta, now = export["metadata"], self.clock.stamp()
        ready = pod is not None and not deleting(pod) and has_condition(pod, "Ready", "True")

        def write(found: Object) -> None:
            status = found["status"]
            if source.available and not found["spec"].get("tokenSecretRef"):
                status["tokenSecretRef"] = f"export-token-{meta['name']}"
            _write_source(found, source, now)
            if ready:
                status["phase"] = "Ready"
                status["links"] = {"internal": _links(found, source.claims)}
                state(found, "Ready", "True", now, "PodReady")
                return
            status.pop("links", None)
            status["phase"] = "Skipped" if source.skipped else "Pending"
            if source.available:
                state(found, "Ready", "False", now, "PodPending" if pod is not None else "Initializing")
            else:
                state(found, "Ready", "False", now, source.reason, source.message)

        self.storage.modify(kinds.EXPORT, meta["namespace"], meta["name"], write)


def service_name(export: Object) -> str:
    """The name of the service, and of the pod, of an export."""
    return f"{_PREFIX}-{export['metadata']['name']}"


def volume_name(export: Object, claim: str) -> str:
    """What a claim is called among the links: those made of a snapshot bear the name of the original."""
    if export["spec"]["source"]["kind"] != "VirtualMachineSnapshot":
        return claim
    return claim.removeprefix(f"{export['metadata']['name']}-")


def _write_source(export: Object, source: _Source, now: str) -> None:
    """The condition of the source, and the machine that it is."""
    kind = export["spec"]["source"]["kind"]
    if kind == "VirtualMachine":
        export["status"]["virtualMachineName"] = export["spec"]["source"]["name"]
    elif kind == "VirtualMachineSnapshot":
        made = "True" if source.available else "False"
        state(export, "VolumesCreated", made, now, source.reason or "AllPVCsReady", source.message)
    elif source.claims:
        bound = source.claims[0].get("status", {}).get("phase") == "Bound"
        state(export, "PVCReady", "True" if bound else "False", now, "PVCBound" if bound else "PVCPending")
    else:
        state(export, "PVCReady", "False", now, source.reason, source.message)


def _links(export: Object, claims: list[Object]) -> Object:
    meta = export["metadata"]
    base = f"https://{service_name(export)}.{meta['namespace']}.svc"
    volumes = []
    for claim in claims:
        name = claim["metadata"]["name"]
        annotations = claim["metadata"].get("annotations", {})
        is_disk = CONTENT_TYPE in annotations or claim["spec"].get("volumeMode") == "Block"
        files = _DISK if is_disk else _FILES
        formats = [{"format": key, "url": f"{base}/volumes/{name}/{file}"} for key, file in files]
        volumes.append({"name": volume_name(export, name), "formats": formats})
    manifests = [
        {"type": "all", "url": f"{base}/internal/manifests/all"},
        {"type": "auth-header-secret", "url": f"{base}/internal/manifests/secret"},
    ]
    return {"cert": _CERT, "manifests": manifests, "volumes": volumes}


def _service(export: Object) -> Object:
    meta = export["metadata"]
    return {
        "metadata": {
            "name": service_name(export),
            "namespace": meta["namespace"],
            "labels": {"kubevirt.io": "virt-exporter"},
            "ownerReferences": [owner_reference(export)],
        },
        "spec": {
            "type": "ClusterIP",
            "ports": [{"protocol": "TCP", "port": 443, "targetPort": 8443}],
            "selector": {SERVICE_LABEL: meta["name"]},
        },
    }


def _pod(export: Object, claims: list[Object]) -> Object:
    meta = export["metadata"]
    names = [claim["metadata"]["name"] for claim in claims]
    return {
        "metadata": {
            "name": service_name(export),
            "namespace": meta["namespace"],
            "labels": {SERVICE_LABEL: meta["name"]},
            "ownerReferences": [owner_reference(export)],
        },
        "spec": {
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 5,
            "containers": [
                {
                    "name": "exporter",
                    "image": _IMAGE,
                    "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}},
                }
            ],
            "volumes": [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }


def _expiry(export: Object) -> datetime | None:
    """When it ends by itself; None while nobody has said so in a way that can be read."""
    try:
        moment = datetime.fromisoformat(export["status"]["ttlExpirationTime"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
