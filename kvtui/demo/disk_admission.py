"""What CDI's webhook and the API server refuse of disks: sources of DataVolumes, changes of claims.

Words: CDI ``pkg/apiserver/webhooks/datavolume-validate.go``; Kubernetes ``pkg/apis/core/validation`` and
``plugin/pkg/admission/storage/persistentvolume/resize``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kvtui.demo import kinds
from kvtui.demo.metadata import invalid
from kvtui.demo.objects import amount, copy_of
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_FETCHED = {"http": ("http", "https"), "s3": ("http", "https", "s3"), "gcs": ("http", "https", "gs")}
_REGISTRY = ("docker", "oci-archive")
_CHECKSUM = re.compile(r"(md5:[0-9a-fA-F]{32}|sha1:[0-9a-fA-F]{40}|sha256:[0-9a-fA-F]{64}|sha512:[0-9a-fA-F]{128})\Z")


def source_fault(world: World, source: Object) -> tuple[str, str]:
    """The field of a DataVolume's source that CDI refuses, and its words; both empty when it takes it."""
    for kind, schemes in _FETCHED.items():
        if kind in source:
            fault = _url_fault(source[kind].get("url", ""), schemes)
            if fault:
                return f"spec.source.{kind.upper()}.url", f"spec.source {fault}"
    checksum = source.get("http", {}).get("checksum", "")
    if checksum and not _CHECKSUM.match(checksum):
        return "spec.source.HTTP.checksum", f"spec.source Invalid checksum format: {checksum}"
    registry = source.get("registry", {})
    if registry and "imageStream" not in registry and _scheme(registry.get("url", "")) not in _REGISTRY:
        return "spec.source.Registry.URL", f"Illegal registry source URL scheme {registry.get('url', '')}"
    if "pvc" in source:
        space, name = source["pvc"].get("namespace", ""), source["pvc"].get("name", "")
        if not space or not name:
            return "spec.source.PVC", "spec.source.PVC source PVC is not valid"
        if world.storage.find(kinds.PVC, space, name) is None:
            return "spec.source.PVC", f"Source PVC {space}/{name} not found"
    return "", ""


def _url_fault(url: str, schemes: tuple[str, ...]) -> str:
    if not url:
        return "source URL is empty"
    scheme = _scheme(url)
    if not scheme:
        return f"Invalid source URL: {url}"
    return "" if scheme in schemes else f"Invalid source URL scheme: {url}"


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def check_claim_change(world: World, claim: Object, old: Object) -> None:
    """Claims are made larger, and nothing else. Raises StorageError 403 or 422."""
    name = claim["metadata"].get("name", "")
    wanted, before = claim["spec"]["resources"]["requests"]["storage"], old["spec"]["resources"]["requests"]["storage"]
    capacity = old.get("status", {}).get("capacity", {}).get("storage", "0")
    if amount(wanted) == amount(before):
        return
    if amount(wanted) < amount(before) and amount(wanted) <= amount(capacity):
        words = "Forbidden: field can not be less than status.capacity"
        raise invalid(kinds.PVC, name, "spec.resources.requests.storage", "FieldValueForbidden", words)
    rest = copy_of(claim["spec"])
    rest["resources"] = old["spec"]["resources"]
    if rest != old["spec"] or old.get("status", {}).get("phase") != "Bound":
        words = (
            "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
            "bound claims"
        )
        raise invalid(kinds.PVC, name, "spec", "FieldValueForbidden", words)
    storage_class = world.storage.find(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
    if storage_class is None or not storage_class.get("allowVolumeExpansion"):
        raise StorageError(
            403,
            "Forbidden",
            f'persistentvolumeclaims "{name}" is forbidden: only dynamically provisioned pvc can be resized and the '
            "storageclass that provisions the pvc must support resize",
            {"name": name, "kind": "persistentvolumeclaims"},
        )
