"""What KubeVirt, CDI and the API that they serve run in; a namespace with its quotas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from kvtui.joins.driver_stack import judge_daemons
from kvtui.joins.layers import Layer, Stack, Walk, counted, missing, tell_absence, told_once
from kvtui.joins.machine_stack import below_pod
from kvtui.joins.quota import Taken, refused_by, taken_of
from kvtui.model import FeedState, Health, Ref, Tone
from kvtui.records.base import Record, is_true
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.daemons import DaemonSet
from kvtui.records.kubernetes import ApiService, Deployment, Namespace, Pod, ResourceQuota
from kvtui.records.kubevirt import KubeVirt, VirtualMachine, VirtualMachineInstance
from kvtui.store import View

_HANDLER: Final = "virt-handler"
_DEPLOYMENTS: Final = {"cdi-api": "cdi-apiserver"}
"""Deployments behind services of another name."""
_ROLES: Final = {DataVolume.KIND: "DataVolume", VirtualMachineInstance.KIND: "VMI"}


def of_kubevirt(view: View, ref: Ref) -> Stack | None:
    """An installation of KubeVirt: its Deployments, and virt-handler on the nodes."""
    if view.find(KubeVirt, ref) is None:
        return None
    walk = Walk(view)
    seen = {at.name for at, _ in view.items(Deployment, ref.backend) if at.namespace == ref.namespace}
    pods = view.linked(Pod, ref.backend, "components", ref.namespace)
    names = {name for name in seen if name.startswith("virt-")} | {pod.component for _, pod in pods}
    parts = [_deployment_layer(walk, ref, name) for name in sorted(names - {_HANDLER})]
    return Stack((), Layer("KubeVirt", ref.path, ref, below=(*parts, _daemons_layer(walk, ref, _HANDLER))))


def of_cdi(view: View, ref: Ref) -> Stack | None:
    """An installation of CDI: its Deployments."""
    if view.find(Cdi, ref) is None:
        return None
    walk = Walk(view)
    found = sorted(at for at, _ in view.items(Deployment, ref.backend) if at.name.startswith("cdi-"))
    below = tuple(_deployment_layer(walk, at, at.name) for at in found)
    return Stack((), Layer("CDI", ref.name, ref, below=below or (_unseen(view, ref, Deployment, "deployments"),)))


def of_deployment(view: View, ref: Ref) -> Stack | None:
    """A part of KubeVirt or CDI: its pods, each on its node."""
    if view.find(Deployment, ref) is None:
        return None
    return Stack((), _deployment_layer(Walk(view), ref, ref.name))


def of_daemon_set(view: View, ref: Ref) -> Stack | None:
    """What runs on every node: its pods that are not ready, each on its node, and the number of the others."""
    if view.find(DaemonSet, ref) is None:
        return None
    layer = _daemons_layer(Walk(view), ref, ref.name)
    return Stack((), layer if layer.below else replace(layer, below=(_unwatched_pods(ref.path),)))


def of_api_service(view: View, ref: Ref) -> Stack | None:
    """A group of the API: the service behind it, and the pods of that where they are watched."""
    record = view.find(ApiService, ref)
    if record is None:
        return None
    service = record.spec.service
    if service is None:
        return Stack((), Layer("API service", ref.name, ref, None, "the API server itself answers for it"))
    name = _DEPLOYMENTS.get(service.name, service.name)
    place = Ref(ref.backend, Deployment.KIND, service.namespace, name)
    known = view.find(Deployment, place) is not None or _pods_of(view, place)
    path = f"{service.namespace}/{service.name}"
    below = _deployment_layer(Walk(view), place, name) if known else _unwatched_pods(path)
    return Stack((), Layer("API service", ref.name, ref, below=(Layer("service", path, below=(below,)),)))


def of_quota(view: View, ref: Ref) -> Stack | None:
    """A quota: whom it refuses, what of it is taken, and its namespace."""
    record = view.find(ResourceQuota, ref)
    if record is None:
        return None
    held = tuple(Layer(f"{_ROLES.get(at.kind, 'VM')} refused", at.path, at) for at in refused_by(view, ref))
    space = view.ref_of(Namespace, ref.backend, "", ref.namespace)
    below = (*map(_taken_layer, taken_of(record)), Layer("namespace", ref.namespace, space))
    return Stack(held, Layer("quota", ref.path, ref, below=below))


def of_namespace(view: View, ref: Ref) -> Stack | None:
    """A namespace: the VMs in it, and the quotas that limit them."""
    if view.find(Namespace, ref) is None:
        return None
    machines = {
        at.name
        for type_ in (VirtualMachine, VirtualMachineInstance)
        for at, _ in view.items(type_, ref.backend)
        if at.namespace == ref.name
    }
    quotas = sorted((at, record) for at, record in view.items(ResourceQuota, ref.backend) if at.namespace == ref.name)
    below = tuple(Layer("quota", at.path, at, below=tuple(map(_taken_layer, taken_of(one)))) for at, one in quotas)
    note = "" if below else "no quota limits it"
    if not below and view.feed(ref.backend, ResourceQuota.KIND).state is not FeedState.LIVE:
        below, note = (_unseen(view, ref, ResourceQuota, "quotas"),), ""
    above = (counted("VMs", sorted(machines)),) if machines else ()
    return Stack(above, Layer("namespace", ref.name, ref, None, note, below))


def _deployment_layer(walk: Walk, place: Ref, name: str) -> Layer:
    """A Deployment of the namespace of `place` with its pods, which may be all that is seen of it."""
    ref = walk.view.ref_of(Deployment, place.backend, place.namespace, name)
    at = Ref(place.backend, Deployment.KIND, place.namespace, name)
    if ref is not None:
        return told_once(walk, Layer("deployment", ref.path, ref), _pod_layers(walk, at))
    lost = missing(walk.view, Deployment, "deployment", at.backend, at.namespace, name)
    return replace(lost, below=tuple(_pod_layers(walk, at)))


def _pod_layers(walk: Walk, deployment: Ref) -> Iterator[Layer]:
    for at, pod in _pods_of(walk.view, deployment):
        yield told_once(walk, Layer("pod", at.path, at), below_pod(walk, at.backend, pod))


def _daemons_layer(walk: Walk, ref: Ref, name: str) -> Layer:
    """A DaemonSet: a line for each pod that is not ready, and the number of the others."""
    record = walk.view.get(DaemonSet, ref.backend, ref.namespace, name)
    place = Ref(ref.backend, DaemonSet.KIND, ref.namespace, name)
    pods = _pods_of(walk.view, place)
    ready = [at.name for at, pod in pods if is_true(pod.status.conditions, "Ready")]
    below = [
        told_once(walk, Layer("pod", at.path, at), below_pod(walk, at.backend, pod))
        for at, pod in pods
        if at.name not in ready
    ]
    if ready:
        below.append(counted("pods", ready, "ready, each on a node of its own"))
    if record is None:
        lost = missing(walk.view, DaemonSet, "daemonset", ref.backend, ref.namespace, name)
        return replace(lost, below=tuple(below))
    return Layer("daemonset", place.path, record.ref(ref.backend), judge_daemons(record), below=tuple(below))


def _pods_of(view: View, place: Ref) -> Sequence[tuple[Ref, Pod]]:
    """The pods of a part of KubeVirt or CDI in its namespace, by their names."""
    found = view.linked(Pod, place.backend, "component", place.name)
    return sorted(((at, pod) for at, pod in found if at.namespace == place.namespace), key=lambda one: one[0])


def _unwatched_pods(path: str) -> Layer:
    return Layer("pods of", path, None, Health(Tone.MUTED, "not watched", "only those of KubeVirt and CDI are"))


def _unseen(view: View, ref: Ref, type_: type[Record], role: str) -> Layer:
    """What would be below an object if any of a kind were seen."""
    if view.feed(ref.backend, type_.KIND).state is FeedState.LIVE:
        return Layer(role, "", None, Health(Tone.WARN, "none seen"))
    sought = Ref(ref.backend, type_.KIND, ref.namespace, "")
    return Layer(role, "", None, tell_absence(view, ref.backend, type_), sought=sought)


def _taken_layer(taken: Taken) -> Layer:
    health = Health(Tone.MUTED, "Full") if taken.share >= 1 else Health(Tone.OK, "Room")
    return Layer(taken.name, taken.amounts, None, health)
