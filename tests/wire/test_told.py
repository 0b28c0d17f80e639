"""What a user reads of a refusal: the toast on the screen and the last line of the command line, for the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from kvtui.actions.confirm import Question, Sheet
from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.answers import error_from_answer
from kvtui.backends.kubernetes.client import connect
from kvtui.backends.transfer import Transfer
from kvtui.cli import codes, main
from kvtui.fleet import Fleet
from kvtui.model import Ref, Severity
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import RESOURCES
from kvtui.resources.form import Answers, Draft
from kvtui.ui.actions import ActionRunner
from tests.wire.exchanges import EXCHANGES, Replayer
from tests.wire.fake import serving
from tests.wire.support import QUICK, eventually, write_kubeconfig

VMS: Final = next(resource for resource in RESOURCES if resource.name == "vms")
ACTIONS: Final = {action.id: action for action in VMS.actions}
KUBEVIRT: Final = "/apis/kubevirt.io/v1"
MACHINES: Final = "PUT /apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/m-1"
INSTANCES: Final = "PUT /apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/m-1"
VM: Final = f"PATCH {KUBEVIRT}/namespaces/shop/virtualmachines/m-1"

_OFF = "it is off: all that can be done is to start it"
_GONE = "it was deleted, or never was in that namespace: look at the list again"
_LOOK = "nothing was done: look at it, then do it again"

TOLD: Final[dict[str, tuple[str, str, str]]] = {
    "start-running-409": (
        "vm.start", f"{MACHINES}/start", "not possible now: VM is already running (there is nothing to do)"),
    "start-absent-404": ("vm.start", f"{MACHINES}/start", "it is gone: virtualmachine.kubevirt.io \"nope\" not found "
                         f"({_GONE})"),
    "start-forbidden-403": ("vm.start", f"{MACHINES}/start", 'not allowed: virtualmachines.subresources.kubevirt.io '
                            '"batch-1" is forbidden: User "rig-view" cannot update resource "virtualmachines/start" in '
                            'API group "subresources.kubevirt.io" in the namespace "shop" (role kubevirt.io:edit has '
                            "it: let it be granted)"),
    "trap-put-accept-json-406": ("vm.start", f"{MACHINES}/start", "the server does not understand kvtui: 406: Not "
                                 "Acceptable Available representations: (is a proxy in between? else it is a fault of "
                                 "kvtui)"),
    "stop-halted-409": ("vm.stop", f"{MACHINES}/stop", f"it does not run: VM is not running ({_OFF})"),
    "restart-halted-409": ("vm.restart", f"{MACHINES}/restart", "its run strategy does not allow that: RunStategy "
                           "Halted does not support manual restart requests (start it instead, or change the "
                           "strategy)"),
    "migrate-stopped-409": ("vm.migrate", f"{MACHINES}/migrate", "it does not run: virtualmachineinstance.kubevirt.io "
                            f'"batch-1" not found ({_OFF})'),
    "migrate-inflight-sub": ("vm.migrate", f"{MACHINES}/migrate", "it is being migrated already: in-flight migration "
                             "detected. Active migration job (dc5cccc8-b240-4eed-978c-05475eb1876a) is currently "
                             "already in progress for VMI web-4. (wait for that migration, or cancel it)"),
    "pause-paused-409": ("vm.pause", f"{INSTANCES}/pause", "not possible now: VMI is already paused (it is frozen as "
                         "was asked: unpause lets it go on)"),
    "patch-json-422": ("vm.labels", VM, "somebody changed it meanwhile: it is not any more as it was shown "
                       f"({_LOOK})"),
    "create-invalid-type": ("vm.labels", VM, "the server refused: spec.runStrategy in body must be of type string: "
                            '"number" (correct it and send it again)'),
    "evict-move-1": ("vm.labels", VM, "it is being moved to another node: Eviction triggered evacuation of VMI "
                     '"lab/move-1" (try again when its migration has ended)'),
    "guestosinfo-stopped": ("vm.freeze", f"{INSTANCES}/freeze", "it does not run: virtualmachineinstance.kubevirt.io "
                            f'"batch-1" not found ({_OFF})'),
    "list-unauthorized": ("vm.labels", VM, "the server does not know this account: Unauthorized (log in again, or "
                          "check the user of this context in the kubeconfig)"),
}  # fmt: skip
"""Recorded answers, each given to what an action of VMs sends: the action, that call, and what is told of it."""
HALTED: Final = {"vm.start"}


def machine(action_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A VM on which the action is possible, and its instance."""
    meta = {"name": "m-1", "namespace": "shop", "uid": "uid-m-1", "resourceVersion": "7", "labels": {"app": "m"}}
    template: dict[str, Any] = {"spec": {"domain": {"devices": {}}}}
    vm = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": meta,
        "spec": {"runStrategy": "Halted" if action_id in HALTED else "Manual", "template": template},
        "status": {"printableStatus": "Stopped" if action_id in HALTED else "Running"},
    }
    if action_id in HALTED:
        return vm, None
    conditions = [{"type": kind, "status": "True"} for kind in ("LiveMigratable", "AgentConnected", "Ready")]
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "m-1", "uid": "uid-m-1",
             "controller": True}  # fmt: skip
    vmi = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": meta | {"uid": "uid-vmi", "ownerReferences": [owner]},
        "spec": template["spec"],
        "status": {"phase": "Running", "nodeName": "node-1", "conditions": conditions},
    }
    return vm, vmi


class Cluster(Replayer):
    """Has the VM, and grants every right; one call is answered as recorded."""

    def __init__(self, name: str, action_id: str, call: str) -> None:
        super().__init__(EXCHANGES[name], call)
        vm, vmi = machine(action_id)
        self._lists = {"virtualmachines": [vm], "virtualmachineinstances": [vmi] if vmi else []}
        for plural, items in self._lists.items():
            self.other[f"{KUBEVIRT}/{plural}"] = self._list
            self.other[f"{KUBEVIRT}/namespaces/shop/{plural}"] = self._list
            for item in items:
                self.other[f"{KUBEVIRT}/namespaces/shop/{plural}/{item['metadata']['name']}"] = self._get
        self.other["/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"] = self._grant
        self.other["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = self._allow

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            await asyncio.Event().wait()
            return response
        items = self._lists[request.path.rsplit("/", 1)[-1]]
        return web.json_response({"kind": "List", "items": items, "metadata": {"resourceVersion": "10"}})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rsplit("/", 2)[-2]
        return web.json_response(self._lists[plural][0])

    async def _grant(self, _request: web.Request) -> web.StreamResponse:
        rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return web.json_response({"status": {"resourceRules": [rule]}}, status=201)

    async def _allow(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": {"allowed": True}}, status=201)


class User:
    """Means everything, and reads what is told."""

    def __init__(self) -> None:
        self.read: list[tuple[str, Severity]] = []

    async def ask(self, _question: Question) -> bool:
        return True

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        draft = Draft(sheet.form)
        for field in draft.asked:
            if field.name == "labels":
                draft.put("labels", "tested=yes")
        assert draft.refusal == ""
        return draft.answers

    async def follow(self, _transfer: Transfer) -> None:
        """Does not look."""

    async def edit(self, _path: Path) -> None:
        """Changes nothing."""

    def tell(self, message: str, severity: Severity) -> None:
        self.read.append((message, severity))

    def name_sessions(self, _ref: Ref) -> Sequence[str]:
        return ()


@pytest.mark.parametrize("name", TOLD)
async def test_the_screen_tells_whom_it_concerns_what_is_wrong_and_the_way_out(tmp_path: Path, name: str) -> None:
    action_id, call, sentence = TOLD[name]
    cluster, user = Cluster(name, action_id, call), User()
    async with serving(cluster):
        kubeconfig = str(write_kubeconfig(tmp_path, cluster.url))
        fleet = Fleet([connect(kubeconfig, "test", "", False, AuditLog(tmp_path / "audit.jsonl"), timings=QUICK)])
        live = asyncio.create_task(fleet.run(VMS.sources))
        try:
            await eventually(lambda: fleet.view.count(VirtualMachine))
            await eventually(lambda: action_id in HALTED or fleet.view.count(VirtualMachineInstance))
            row = VMS.row(fleet.view, next(iter(VMS.refs(fleet.view))))
            await ActionRunner(fleet, RESOURCES, user).invoke(ACTIONS[action_id], [row])
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
            await fleet.close()
    assert user.read == [(f"{ACTIONS[action_id].of(row).label} shop/m-1: {sentence}", Severity.BAD)]
    assert len(cluster.taken) == 1


@pytest.mark.parametrize("name", TOLD)
async def test_the_last_line_of_the_command_line_tells_the_same(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    action_id, call, sentence = TOLD[name]
    cluster = Cluster(name, action_id, call)
    async with serving(cluster):
        kubeconfig = str(write_kubeconfig(tmp_path, cluster.url))
        command = ACTIONS[action_id].command
        more = ["--labels", "tested=yes"] if action_id == "vm.labels" else []
        words = ["--kubeconfig", kubeconfig, command, "vm", "shop/m-1", "--yes", *more]
        code = await asyncio.to_thread(main, words)
    out, err = capfd.readouterr()
    assert out, err
    assert out.splitlines()[-1] == f"shop/m-1: failed: {sentence}"
    assert code == codes.FAILED


# What is documented only ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words", "title", "hint"),
    [
        (409, "Always does not support manual start requests", "its run strategy does not allow that",
         "it starts by itself; else change the strategy"),
        (500, "unable to complete request: stop/start already underway", "not possible now",
         "wait until that has ended"),
        (409, "Halted only supports manual stop requests with a shorter graceperiod", "not possible now",
         "it is stopping already: a forced stop does not wait for the guest"),
        (409, "VM recovery required: Volume migration failed, leaving some volumes pointing to non-consistent targets",
         "not possible now", "correct the volumes in its definition first"),
        (400, 'admission webhook "migration-create-validator.kubevirt.io" denied the request: Cannot migrate VMI, '
         "Reason: DisksNotLiveMigratable, Message: cannot migrate VMI: PVC a is not shared",
         "it cannot be migrated", "mend that, or stop it and let it start elsewhere"),
        (400, 'admission webhook "no-latest.example.com" denied the request: images need a digest',
         "the webhook no-latest.example.com refused", "whoever runs that webhook can tell why"),
        (500, 'Internal error occurred: failed calling webhook "virtualmachine-validator.kubevirt.io": Post '
         '"https://virt-api.kubevirt.svc:443/": no endpoints available for service "virt-api"',
         "what judges such changes does not answer",
         "until its pods run, no change of this kind is taken: look at them, KubeVirt's are virt-api"),
        (500, 'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "a": VMI does not have guest agent '
         "connected", "not possible now", "start the guest agent in the guest, or do it another way"),
        (409, "Unable to add volume [a] because volume with that name already exists", "the name is taken",
         "choose another one, or take that volume off first"),
        (409, "Unable to remove volume [a] because it is not hotpluggable", "it cannot be taken off while the VM runs",
         "stop the VM, and edit its definition"),
        (400, "Enable DeclarativeHotplugVolumes or HotplugVolumes feature gate to use this API.",
         "that is not turned on in this cluster", "its administrators turn it on in the KubeVirt object"),
        (400, 'admission webhook "datavolume-validate.cdi.kubevirt.io" denied the request: Destination PVC a/b already '
         "exists", "the name is taken", "choose another one, or delete what bears it"),
        (403, 'virtualmachinesnapshots.snapshot.kubevirt.io "a" is forbidden: unable to create new content in '
         "namespace shop because it is being terminated", "the namespace is being deleted", "use another one"),
        (429, "VMI a is configured with an eviction strategy but is not live-migratable", "it cannot be moved",
         "mend why it cannot be migrated, or stop it"),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.", "too few of them would be left",
         "try again when more of them run"),
        (429, "storage is (re)initializing", "the server is busy", "try again in a moment"),
        (503, "the server is currently unable to handle the request", "the server is busy, or a part of it is down",
         "try again in a moment; for verbs of VMs look at the pods of virt-api"),
        (504, "Timeout: request did not complete within requested timeout", "the server gave up",
         "it may have been done all the same: look before you repeat it"),
        (500, "etcdserver: request timed out", "the server gave up",
         "it may have been done all the same: look before you repeat it"),
        (500, "something else", "the server failed", ""),
        (400, "something else", "the server refused", ""),
    ],
)  # fmt: skip
def test_documented_refusals_have_their_sentences_too(code: int, words: str, title: str, hint: str) -> None:
    error = error_from_answer(code, words.encode(), {})
    assert (error.title, error.hint) == (title, hint)
    assert words.endswith(error.detail)
