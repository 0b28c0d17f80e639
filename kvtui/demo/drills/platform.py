"""KubeVirt itself is not well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.catalog.workloads import REGISTRY
from kvtui.demo.controllers.daemons import HANDLER
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import create, edit, import_of, run_out_of_memory, small_machine, workers
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_NEXT = "v1.9.1"


def _pods(world: World, name: str) -> list[Object]:
    return world.storage.list(kinds.POD, "kubevirt", {"kubevirt.io": name})


@drill(
    "virt-handler-silent",
    "one node does nothing for its VMs any more",
    briefing="VMs on one worker answer, but nobody can pause, stop or open them, and nothing new is started there.",
    debrief="The virt-handler pod of worker-02 crashes again and again (OOMKilled): no heartbeat for more than five "
    "minutes, so virt-controller set kubevirt.io/schedulable=false. The guests run on. See what takes the memory of "
    "worker-02, or give virt-handler more by a patch in customizeComponents of the KubeVirt CR.",
)
def handler_silent(world: World) -> None:
    """The virt-handler of one node is killed whenever it starts."""
    node = workers(world)[1]
    world.clock.call_later(120.0, lambda: run_out_of_memory(world, "kubevirt", {"kubevirt.io": HANDLER}, node))


@drill(
    "virt-controller-down",
    "nothing that is asked for happens",
    briefing="Everything is green, but web/banner-1, made a quarter of an hour ago, does not even have a status.",
    debrief="Both virt-controller pods crash (OOMKilled): nobody makes instances, pods or migrations, and the VMs' "
    "status is as old as that. What runs goes on. Give virt-controller more memory (a patch in "
    "customizeComponents of the KubeVirt CR; what is changed in its Deployment is put back), then everything that was "
    "asked for is done.",
    develops=1200.0,
)
def controller_down(world: World) -> None:
    """The control loops of KubeVirt stand still."""

    def kill() -> None:
        run_out_of_memory(world, "kubevirt", {"kubevirt.io": "virt-controller"})

    def ask() -> None:
        create(world, kinds.VM, small_machine("web", "banner-1", system="debian"))

    world.clock.call_later(120.0, kill)
    world.clock.call_later(300.0, ask)


@drill(
    "virt-api-down",
    "no VM can be started, stopped or looked into",
    briefing="Consoles, starts and stops fail for everyone with 503. The VMs themselves run.",
    debrief="virt-api has no ready pod: its image quay.io/kubevirt/virt-api:v1.9.0 cannot be pulled since the pods "
    "were deleted. APIService v1.subresources.kubevirt.io is not Available (MissingEndpoints). Bring the "
    "image back or correct the registry; do not drain nodes meanwhile, for evictions are not intercepted.",
)
def api_down(world: World) -> None:
    """The pods of virt-api were deleted, and their image is no longer to be had."""

    def lose() -> None:
        for pod in _pods(world, "virt-api"):
            world.outside.missing_images.add(pod["spec"]["containers"][0]["image"])
            world.delete_pod("kubevirt", pod["metadata"]["name"])

    world.clock.call_later(180.0, lose)


@drill(
    "cdi-crash-loop",
    "new disks stay empty",
    briefing="No new disk is filled any more: imports are ordered, and nothing happens. The VMs that are there run.",
    debrief="The pod of Deployment cdi/cdi-deployment, CDI's controller, crashes again and again (OOMKilled): nobody "
    "works on DataVolumes, so lab/golden-next has not even a phase. Give it more memory (the CDI resource's "
    "customizeComponents), then the imports begin by themselves.",
    develops=1200.0,
)
def cdi_crash_loop(world: World) -> None:
    """CDI's controller is killed whenever it starts, and somebody orders an import meanwhile."""

    def kill() -> None:
        run_out_of_memory(world, "cdi", {"app": "containerized-data-importer"})

    def ask() -> None:
        url = "https://images.example.org/fedora-43.qcow2"
        create(world, kinds.DATA_VOLUME, import_of("lab", "golden-next", url))

    world.clock.call_later(120.0, kill)
    world.clock.call_later(300.0, ask)


@drill(
    "stuck-rollout",
    "an update of KubeVirt does not come to its end",
    briefing="The update of KubeVirt began a quarter of an hour ago and should have been through in ten minutes.",
    debrief="The first new virt-handler pod cannot pull quay.io/kubevirt/virt-handler:v1.9.1: the mirror lacks it. "
    "The rollout waits for that pod, and its node has no virt-handler meanwhile. Mirror the image, or set "
    "spec.imageTag of the KubeVirt CR back to v1.9.0.",
)
def stuck_rollout(world: World) -> None:
    """The CR asks for a version whose virt-handler was not mirrored."""
    world.outside.missing_images.add(f"{REGISTRY}/{HANDLER}:{_NEXT}")

    def update(kubevirt: Object) -> None:
        kubevirt["spec"]["imageTag"] = _NEXT

    def ask() -> None:
        edit(world, kinds.KUBEVIRT, "kubevirt", "kubevirt", update)

    world.clock.call_later(120.0, ask)


@drill(
    "broken-customization",
    "KubeVirt says that it is degraded",
    briefing="A colleague tuned KubeVirt before he went home. Since then the platform check is red.",
    debrief="spec.customizeComponents of the KubeVirt CR holds a patch for virt-controller that is no JSON: "
    "virt-operator applies nothing at all any more (DeploymentFailed). Correct the patch or take it out.",
)
def broken_customization(world: World) -> None:
    """A patch of a component cannot be read."""
    patch = {
        "resourceType": "Deployment",
        "resourceName": "virt-controller",
        "type": "strategic",
        "patch": '{"spec": {"template": {"spec": {"priorityClassName": "system-cluster-critical"}}}',
    }

    def tune(kubevirt: Object) -> None:
        kubevirt["spec"]["customizeComponents"] = {"patches": [patch]}

    def ask() -> None:
        edit(world, kinds.KUBEVIRT, "kubevirt", "kubevirt", tune)

    world.clock.call_later(300.0, ask)
