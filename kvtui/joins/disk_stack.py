"""What a disk of Kubernetes stands on: DataVolume, claim, volume, class, and the driver that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from kvtui.joins.driver_stack import driver_layer
from kvtui.joins.layers import Layer, Walk, missing, told_once
from kvtui.model import Health, Ref, Tone
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Deployment, Pod
from kvtui.records.kubevirt import Volume, VolumeStatus
from kvtui.records.storage import PersistentVolume, StorageClass


def disk_layer(walk: Walk, backend: str, namespace: str, volume: Volume, status: VolumeStatus | None) -> Layer:
    """A disk of a VM, with its state in the instance and what it stands on."""
    target = f" ({status.target})" if status is not None and status.target else ""
    name = f"{volume.name}{target}"
    health = _of_status(status)
    if volume.container_disk is not None:
        return Layer("disk", name, None, health, f"out of image {volume.container_disk.image}; what is written is lost")
    if not volume.claim:
        return Layer("disk", name, None, health, "no claim behind it")
    view = walk.view
    made = view.get(DataVolume, backend, namespace, volume.claim)
    claim = view.get(Claim, backend, namespace, volume.claim)
    if made is not None:
        return Layer("disk", name, None, health, "", (data_volume_layer(walk, backend, made),))
    if volume.data_volume is not None and claim is None:
        lost = missing(view, DataVolume, "DataVolume", backend, namespace, volume.claim)
        return Layer("disk", name, None, health, "", (lost,))
    return Layer("disk", name, None, health, "", (claim_layer(walk, backend, namespace, volume.claim),))


def _of_status(status: VolumeStatus | None) -> Health | None:
    """What the instance says of a volume; benign states are words without alarm."""
    if status is None or not (status.phase or status.reason):
        return None
    words = status.message or status.reason
    if status.phase in {"Ready", "VolumeReady", "MountedToPod", "AttachedToNode"}:
        return Health(Tone.OK, status.phase)
    return Health(Tone.BUSY, status.phase or status.reason, words)


def data_volume_layer(walk: Walk, backend: str, record: DataVolume) -> Layer:
    """A DataVolume, its claim, and who fills it while it is not full."""
    ref = record.ref(backend)
    return told_once(walk, Layer("DataVolume", ref.path, ref), _below_data_volume(walk, ref, record))


def _below_data_volume(walk: Walk, ref: Ref, record: DataVolume) -> Iterator[Layer]:
    name = record.status.claim_name or ref.name
    asks = record.spec.storage or record.spec.pvc
    yield claim_layer(walk, ref.backend, ref.namespace, name, (asks.storage_class_name if asks else "") or "")
    if record.status.phase != "Succeeded":
        yield from _filler_layers(walk, ref.backend, walk.view.get(Claim, ref.backend, ref.namespace, name))


def _filler_layers(walk: Walk, backend: str, claim: Claim | None) -> Iterator[Layer]:
    """The pods that fill a claim or one on the way to it, and CDI's controller, which may be seen by its pods alone."""
    view = walk.view
    uid = claim.metadata.uid if claim is not None else ""
    for owner in (uid, *(prime.uid for prime, _ in view.owned(Claim, uid))) if uid else ():
        for at, pod in view.owned(Pod, owner):
            yield Layer("pod", at.path, at, note=f"on node {pod.spec.node_name}" if pod.spec.node_name else "")
    found = [at for at, _ in view.items(Deployment, backend) if at.name == _FILLER]
    for at in found:
        yield told_once(walk, Layer("deployment", at.path, at), iter(()))
    if not found:
        for namespace in dict.fromkeys(at.namespace for at, _ in view.linked(Pod, backend, "component", _FILLER)):
            yield missing(view, Deployment, "deployment", backend, namespace, _FILLER)


_FILLER: Final = "cdi-deployment"


def claim_layer(walk: Walk, backend: str, namespace: str, name: str, class_: str = "") -> Layer:
    """A claim and its volume; the class where it has none yet. `class_` is that of its DataVolume, for a claim that is
    not made yet.
    """
    record = walk.view.get(Claim, backend, namespace, name)
    if record is None:
        lost = missing(walk.view, Claim, "PVC", backend, namespace, name)
        return replace(lost, below=(class_layer(walk, backend, class_),)) if class_ else lost
    ref = record.ref(backend)
    return told_once(walk, Layer("PVC", ref.path, ref), _below_claim(walk, backend, record))


def _below_claim(walk: Walk, backend: str, claim: Claim) -> Iterator[Layer]:
    if claim.spec.volume_name:
        yield volume_layer(walk, backend, claim.spec.volume_name, claim.spec.storage_class_name or "")
        return
    yield Layer("PV", "", None, Health(Tone.BUSY, "none yet"))
    class_ = claim.spec.storage_class_name
    if class_:
        yield class_layer(walk, backend, class_)
    elif class_ is None:
        yield Layer("class", "", None, Health(Tone.WARN, "none named", "and no class was the default when it was made"))
    else:
        yield Layer("class", "", None, None, "it wants none: only a volume without class can be bound")


def volume_layer(walk: Walk, backend: str, name: str, class_: str = "") -> Layer:
    """A volume with its class and who serves it; `class_` is that of the claim, for a volume that cannot be seen."""
    record = walk.view.get(PersistentVolume, backend, "", name)
    if record is None:
        lost = missing(walk.view, PersistentVolume, "PV", backend, "", name)
        below = (class_layer(walk, backend, class_),) if class_ else ()
        return replace(lost, below=below)
    return told_once(walk, Layer("PV", name, record.ref(backend)), _below_volume(walk, backend, record))


def _below_volume(walk: Walk, backend: str, volume: PersistentVolume) -> Iterator[Layer]:
    driver = volume.spec.csi.driver if volume.spec.csi is not None else ""
    if volume.spec.storage_class_name:
        yield class_layer(walk, backend, volume.spec.storage_class_name, driver)
    elif driver:
        yield driver_layer(walk, backend, driver)
    elif volume.origin:
        yield Layer("storage", volume.origin)
    if volume.homes:
        yield Layer("usable on", ", ".join(volume.homes), None, None, "only there, by its node affinity")


def class_layer(walk: Walk, backend: str, name: str, driver: str = "") -> Layer:
    """A class and who provisions for it; `driver` is that of a volume of it, where the class cannot be seen."""
    record = walk.view.get(StorageClass, backend, "", name)
    if record is None:
        lost = missing(walk.view, StorageClass, "class", backend, "", name)
        below = (driver_layer(walk, backend, driver),) if driver else ()
        return replace(lost, below=below)
    return told_once(walk, Layer("class", name, record.ref(backend)), _below_class(walk, backend, record, driver))


def _below_class(walk: Walk, backend: str, record: StorageClass, driver: str) -> Iterator[Layer]:
    provisioner = driver or record.provisioner
    if provisioner:
        yield driver_layer(walk, backend, provisioner)
