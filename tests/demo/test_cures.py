"""The way out that a drill's debrief tells really leads out: the controllers do the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.catalog.disks import SHARED
from kvtui.demo.catalog.workloads import REGISTRY
from kvtui.demo.drills.making import claim, uncordon
from kvtui.demo.eviction import evict
from kvtui.demo.objects import has_condition
from kvtui.demo.storage import Kind, Object, StorageError
from kvtui.demo.world import World
from tests.demo.worlds import START, create


@dataclass(frozen=True)
class Cure:
    """What the user does, and what is well afterwards."""

    drill: str
    does: Callable[[World], object]
    heals: Callable[[World], bool]
    takes: float = 600.0


def edit(kind: Kind, namespace: str, name: str, change: Callable[[Object], Any]) -> Callable[[World], object]:
    def write(found: Object) -> None:
        change(found)

    return lambda world: world.storage.modify(kind, namespace, name, write)


def status_of(world: World, kind: Kind, namespace: str, name: str) -> Object:
    """Empty while there is no such object, or none that anybody has looked at."""
    status: Object = (world.storage.find(kind, namespace, name) or {}).get("status", {})
    return status


def runs(namespace: str, name: str) -> Callable[[World], bool]:
    return lambda world: status_of(world, kinds.VM, namespace, name).get("printableStatus") == "Running"


def says(kind: Kind, namespace: str, name: str, condition: str) -> Callable[[World], bool]:
    return lambda world: has_condition(world.storage.get(kind, namespace, name), condition, "True")


def remove(kind: Kind, namespace: str, beginning: str, image: str) -> Callable[[World], object]:
    """The image is there again, and the pods that wait for it are begun anew."""

    def do(world: World) -> None:
        world.outside.missing_images.discard(image)
        for row in world.storage.raw_list(kind, namespace):
            if row.name.startswith(beginning):
                world.delete_pod(namespace, row.name)

    return do


_OF_WORK = ("firmware", "storage-upgrade")


def untaint(world: World) -> None:
    def take_off(node: Object) -> None:
        node["spec"]["taints"] = [taint for taint in node["spec"].get("taints", ()) if taint["key"] not in _OF_WORK]

    for node in world.storage.list(kinds.NODE):
        world.storage.modify(kinds.NODE, "", node["metadata"]["name"], take_off)


def give_memory(cr: Kind, resource: str, name: str, container: str) -> Callable[[World], object]:
    """A patch of a component, as its operator takes it."""
    wanted = {"name": container, "resources": {"requests": {"memory": "1Gi"}}}
    patch = {"resourceType": resource, "resourceName": name, "type": "strategic"}
    patch["patch"] = json.dumps({"spec": {"template": {"spec": {"containers": [wanted]}}}})

    def do(world: World) -> None:
        meta = world.storage.list(cr)[0]["metadata"]
        components = {"patches": [patch]}
        edit(
            cr, meta.get("namespace", ""), meta["name"], lambda one: one["spec"].update(customizeComponents=components)
        )(world)

    return do


def uncordon_all(world: World) -> None:
    for node in world.storage.list(kinds.NODE):
        world.storage.modify(kinds.NODE, "", node["metadata"]["name"], uncordon)


def make_network(world: World) -> None:
    found = world.storage.get(kinds.NAD, "shop", "db-vlan120")
    meta = {"name": "db-vlan125", "namespace": "shop"}
    create(world, kinds.NAD, {**found, "metadata": meta})


def make_secret(world: World) -> None:
    meta = {"name": "registry-ca", "namespace": "tenants"}
    create(world, kinds.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {}})


def unpause(world: World) -> None:
    for number in range(1, 4):
        world.handler.unpause_guest("tenants", f"k8s-node-{number}")


def default_class(world: World) -> None:
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    edit(kinds.STORAGE_CLASS, "", SHARED, lambda found: found["metadata"]["annotations"].update(mark))(world)


def moved(namespace: str) -> Callable[[World], bool]:
    return lambda world: all(job["status"]["phase"] == "Succeeded" for job in world.storage.list(kinds.VMIM, namespace))


def filled(namespace: str, name: str) -> Callable[[World], bool]:
    return lambda world: status_of(world, kinds.DATA_VOLUME, namespace, name).get("phase") == "Succeeded"


def plugged(world: World) -> bool:
    volumes = world.storage.get(kinds.VMI, "data", "archive-1")["status"]["volumeStatus"]
    return any(volume["name"] == "cold" and volume["phase"] == "Ready" for volume in volumes)


def new_claim(world: World) -> None:
    world.storage.delete(kinds.PVC, "data", "archive-1-cold")
    world.advance(1)
    create(world, kinds.PVC, claim("data", "archive-1-cold", SHARED, "500Gi"))


def deployed(version: str) -> Callable[[World], bool]:
    def look(world: World) -> bool:
        status = world.storage.get(kinds.KUBEVIRT, "kubevirt", "kubevirt")["status"]
        well = has_condition({"status": status}, "Degraded", "False", "AllComponentsReady")
        return well and status["observedKubeVirtVersion"] == version

    return look


_ENFORCE = "pod-security.kubernetes.io/enforce"
_API = f"{REGISTRY}/virt-api:v1.9.0"
_HANDLER = f"{REGISTRY}/virt-handler:v1.9.1"


def respell_class(world: World) -> None:
    """In the template; the DataVolume of before goes, and the VM makes it anew."""

    def correct(found: Object) -> None:
        found["spec"]["dataVolumeTemplates"][0]["spec"]["storage"]["storageClassName"] = SHARED

    edit(kinds.VM, "lab", "mesh-1", correct)(world)
    world.storage.delete(kinds.DATA_VOLUME, "lab", "mesh-1-root")


CURES = (
    Cure("tainted-nodes", untaint, runs("web", "status-page-1")),
    Cure("importer-without-node", untaint, runs("erp", "ledger-2")),
    Cure("local-disk", uncordon_all, runs("lab", "build-cache-1")),
    Cure(
        "pod-security",
        edit(kinds.NAMESPACE, "", "lab", lambda found: found["metadata"]["labels"].update({_ENFORCE: "privileged"})),
        runs("lab", "sensor-1"),
    ),
    Cure("missing-network", make_network, runs("shop", "pos-gateway-1")),
    Cure("no-default-class", default_class, filled("ci", "alma-10-golden")),
    Cure("misspelt-class", respell_class, runs("lab", "mesh-1")),
    Cure("hotplug-stuck", new_claim, plugged),
    Cure(
        "clone-source-in-use",
        edit(kinds.VM, "lab", "reports-1", lambda found: found["spec"].update(runStrategy="Halted")),
        filled("lab", "reports-copy"),
    ),
    Cure(
        "migration-over-quota",
        edit(
            kinds.RESOURCE_QUOTA,
            "tight",
            "pair",
            lambda found: found["spec"]["hard"].update({"requests.memory": "9Gi"}),
        ),
        moved("tight"),
    ),
    Cure(
        "migration-queue",
        edit(
            kinds.KUBEVIRT,
            "kubevirt",
            "kubevirt",
            lambda found: found["spec"]["configuration"]["migrations"].update(parallelMigrationsPerCluster=5),
        ),
        moved("web"),
    ),
    Cure(
        "virt-handler-silent",
        give_memory(kinds.KUBEVIRT, "DaemonSet", "virt-handler", "virt-handler"),
        lambda world: (
            world.storage.get(kinds.NODE, "", "worker-02")["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
        ),
    ),
    Cure(
        "virt-controller-down",
        give_memory(kinds.KUBEVIRT, "Deployment", "virt-controller", "virt-controller"),
        runs("web", "banner-1"),
    ),
    Cure(
        "cdi-crash-loop",
        give_memory(kinds.CDI, "Deployment", "cdi-deployment", "cdi-controller"),
        filled("lab", "golden-next"),
    ),
    Cure(
        "virt-api-down",
        remove(kinds.POD, "kubevirt", "virt-api-", _API),
        says(kinds.API_SERVICE, "", "v1.subresources.kubevirt.io", "Available"),
    ),
    Cure("stuck-rollout", lambda world: world.outside.missing_images.discard(_HANDLER), deployed("v1.9.1"), 1200.0),
    Cure(
        "stuck-rollout",
        lambda world: edit(kinds.KUBEVIRT, "kubevirt", "kubevirt", lambda found: found["spec"].pop("imageTag"))(world),
        deployed("v1.9.0"),
    ),
    Cure(
        "broken-customization",
        edit(kinds.KUBEVIRT, "kubevirt", "kubevirt", lambda found: found["spec"].pop("customizeComponents")),
        deployed("v1.9.0"),
    ),
    Cure(
        "cluster-without-address",
        lambda world: world.outside.free_addresses.append("203.0.113.200"),
        runs("tenants", "tenant-b-cp-1"),
    ),
    Cure("cluster-without-bootstrap", make_secret, runs("tenants", "tenant-a-workers-1")),
    Cure("cluster-unreachable", unpause, says(kinds.CLUSTER, "tenants", "tenant-a", "RemoteConnectionProbe")),
)


@pytest.mark.parametrize("cure", CURES, ids=lambda cure: cure.drill)
def test_the_cure_of_a_drill_works(cure: Cure) -> None:
    world = World(start=START, drill=cure.drill)
    assert not cure.heals(world)
    cure.does(world)
    world.advance(cure.takes)
    assert cure.heals(world)
    assert not world.failures.told


def test_while_virt_api_is_down_nothing_is_admitted_and_an_eviction_kills() -> None:
    world = World(start=START, drill="virt-api-down")
    vm = world.storage.get(kinds.VM, "web", "frontend-1")
    with pytest.raises(StorageError) as refusal:
        admit(world, kinds.VM, vm, vm, "UPDATE")
    assert refusal.value.code == 500
    assert 'no endpoints available for service "virt-api"' in refusal.value.message
    vmi = world.storage.get(kinds.VMI, "web", "frontend-1")
    pod = next(
        pod
        for pod in world.storage.list(kinds.POD, "web", {"kubevirt.io/created-by": vmi["metadata"]["uid"]})
        if pod["status"]["phase"] == "Running"
    )
    evict(world, "web", pod["metadata"]["name"])
    world.advance(120)
    assert world.storage.get(kinds.VMI, "web", "frontend-1")["metadata"]["uid"] != vmi["metadata"]["uid"]


def test_pods_of_the_platform_that_are_deleted_are_made_anew() -> None:
    world = World(13, 0, START, troubles=False)
    label = {"kubevirt.io": "virt-controller"}
    before = {pod["metadata"]["uid"] for pod in world.storage.list(kinds.POD, "kubevirt", label)}
    for pod in world.storage.list(kinds.POD, "kubevirt", label):
        world.delete_pod("kubevirt", pod["metadata"]["name"])
    world.advance(60)
    after = world.storage.list(kinds.POD, "kubevirt", label)
    assert len(after) == len(before)
    assert not before & {pod["metadata"]["uid"] for pod in after}
    assert all(has_condition(pod, "Ready", "True") for pod in after)
    assert world.down == set()


@pytest.mark.parametrize(
    ("drill", "namespace", "name"),
    [("virt-controller-down", "kubevirt", "virt-controller"), ("cdi-crash-loop", "cdi", "cdi-deployment")],
)
def test_what_an_operator_puts_back_cures_nothing(drill: str, namespace: str, name: str) -> None:
    world = World(start=START, drill=drill)
    resources = {"limits": {"memory": "2Gi"}}

    def give(found: Object) -> None:
        found["spec"]["template"]["spec"]["containers"][0]["resources"] = resources

    edit(kinds.DEPLOYMENT, namespace, name, give)(world)
    world.advance(600.0)
    assert has_condition(world.storage.get(kinds.DEPLOYMENT, namespace, name), "Available", "False")
