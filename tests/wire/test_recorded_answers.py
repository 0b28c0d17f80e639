"""Each recorded refusal told as a sentence: what, why and the way out; each recorded call sent as it was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from kvtui.backends.kubernetes.client import KubernetesBackend
from kvtui.backends.kubernetes.kubeconfig import read_kubeconfig
from kvtui.backends.kubernetes.server import Server, Target
from kvtui.errors import (
    AbsentError,
    BackendError,
    ConflictError,
    ForbiddenError,
    UnauthorizedError,
)
from kvtui.model import Ref
from tests.wire.exchanges import EXCHANGES, Exchange, Replayer
from tests.wire.fake import serving
from tests.wire.support import QUICK, kept, write_kubeconfig

Verb = Callable[[KubernetesBackend], Awaitable[object]]


def vm(name: str) -> Ref:
    """Without a uid: who is another by now is asked for elsewhere."""
    return Ref("test", "VirtualMachine", "shop", name)


def vmi(name: str) -> Ref:
    return vm(name)._replace(kind="VirtualMachineInstance")


MIGRATION: Final = Ref("test", "VirtualMachineInstanceMigration", "shop", "kubevirt-migrate-vm-hqc5j")
NODE: Final = Ref("test", "Node", "", "node03")


async def read_log(backend: KubernetesBackend) -> None:
    pod = Ref("test", "Pod", "lab", "virt-launcher-move-1-tjqms")
    async for _ in backend.follow_log(pod, container="nope"):
        pass


def sent(name: str) -> Any:
    body = EXCHANGES[name].sent
    return {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}


VERBS: Final[dict[str, Verb]] = {
    "act-migrate-202": lambda backend: backend.migrate(vm("web-1")),
    "act-migrate-cancel-202": lambda backend: backend.cancel_migration(MIGRATION),
    "act-migrate-cancel-start": lambda backend: backend.migrate(vm("web-3")),
    "act-restart-202": lambda backend: backend.restart(vm("web-2")),
    "act-start-202": lambda backend: backend.start(vm("batch-1")),
    "act-stop-202": lambda backend: backend.stop(vm("batch-1")),
    "console-pending": lambda backend: backend.open_console(vm("db-2")),
    "console-stopped": lambda backend: backend.open_console(vm("batch-1")),
    "cordon": lambda backend: backend.patch(NODE, {"spec": {"unschedulable": True}}, verb="cordon"),
    "create-exists-409": lambda backend: backend.create(vm("web-1"), sent("create-exists-409")),
    "create-invalid-type": lambda backend: backend.create(vm("bad"), sent("create-invalid-type")),
    "create-invalid-vm": lambda backend: backend.create(vm("Bad_Name"), sent("create-invalid-vm")),
    "get-absent": lambda backend: backend.fetch(vm("nope")),
    "migrate-forbidden-403": lambda backend: backend.migrate(vm("web-1")),
    "migrate-inflight-sub": lambda backend: backend.migrate(vm("web-4")),
    "migrate-stopped-409": lambda backend: backend.migrate(vm("batch-1")),
    "patch-json-422": lambda backend: backend.patch(vm("web-5"), EXCHANGES["patch-json-422"].sent, verb="edit"),
    "patch-merge-200": lambda backend: backend.patch(vm("web-5"), {"metadata": {"labels": {"x": "z"}}}, verb="edit"),
    "patch-strategic-415": lambda backend: backend.patch(vm("web-5"), sent("patch-strategic-415"), verb="edit"),
    "pause-200": lambda backend: backend.pause(vm("web-2")),
    "pause-absent-404": lambda backend: backend.pause(vm("nope")),
    "pause-paused-409": lambda backend: backend.pause(vm("web-2")),
    "pod-log-absent-container": read_log,
    "restart-halted-409": lambda backend: backend.restart(vm("batch-1")),
    "screenshot-forbidden": lambda backend: backend.take_screenshot(vm("web-1")),
    "softreboot": lambda backend: backend.call(vm("web-3"), "softreboot", instance=True),
    "start-absent-404": lambda backend: backend.start(vm("nope")),
    "start-bad-body-400": lambda backend: backend.start(vm("batch-1")),
    "start-dryrun-202": lambda backend: backend.rehearse().start(vm("batch-1")),
    "start-forbidden-403": lambda backend: backend.start(vm("batch-1")),
    "start-running-409": lambda backend: backend.start(vm("web-1")),
    "stop-202": lambda backend: backend.stop(vm("batch-3"), grace=0),
    "stop-halted-409": lambda backend: backend.stop(vm("batch-1")),
    "trap-put-accept-json-406": lambda backend: backend.start(vm("web-1")),
    "uncordon": lambda backend: backend.patch(NODE, {"spec": {"unschedulable": None}}, verb="uncordon"),
    "unpause-200": lambda backend: backend.unpause(vm("web-2")),
    "update-conflict-409": lambda backend: backend.replace(vm("web-5"), {"metadata": {"name": "web-5"}}),
    "vmim-create-201": lambda backend: backend.migrate(vmi("web-4")),
    "vmim-create-absent-vmi": lambda backend: backend.migrate(vmi("nope")),
    "vmim-create-inflight": lambda backend: backend.migrate(vmi("web-4")),
    "vmim-create-pending-vmi": lambda backend: backend.migrate(vmi("db-2")),
}
"""What kvtui does to make each recorded call; the others are asked for as they were."""

UNDONE: Final = {
    "delete-vm": "kvtui lets the API server choose how what belongs to a VM goes with it",
    "evict-pinned-1": "kvtui evicts no pods",
    "patch-apply": "kvtui applies nothing",
}
"""Recorded calls that kvtui does not make, nor that are refused."""
OTHERWISE: Final = {
    "patch-strategic-415": "it was sent as a strategic merge patch, which kvtui never sends",
    "start-bad-body-400": "what was sent is no JSON",
}
"""Refused calls that kvtui cannot make as they were recorded."""

_OFF = "it is off: all that can be done is to start it"
_GONE = "it was deleted, or never was in that namespace: look at the list again"
_LOOK = "nothing was done: look at it, then do it again"
_INFLIGHT = (
    "in-flight migration detected. Active migration job (dc5cccc8-b240-4eed-978c-05475eb1876a) is currently "
    "already in progress for VMI web-4."
)
_MOVING = ("it is being moved to another node", "try again when its migration has ended")
_MISUNDERSTOOD = ("the server does not understand kvtui", "is a proxy in between? else it is a fault of kvtui")

SENTENCES: Final[dict[str, tuple[type[BackendError], str, str, str]]] = {
    "console-no-upgrade": (BackendError, "the server refused", "websocket: the client is not using the websocket "
                           "protocol: 'upgrade' token not found in 'Connection' header", ""),
    "console-pending": (BackendError, "it does not run", "VMI is not running", _OFF),
    "console-stopped": (
        AbsentError, "it does not run", 'virtualmachineinstance.kubevirt.io "batch-1" not found', _OFF),
    "create-exists-409": (ConflictError, "the name is taken", 'virtualmachines.kubevirt.io "web-1" already exists',
                          "choose another one, or delete what bears it"),
    "create-invalid-type": (BackendError, "the server refused", "spec.runStrategy in body must be of type string: "
                            '"number"', "correct it and send it again"),
    "create-invalid-vm": (BackendError, "it is not valid", 'VirtualMachine.kubevirt.io "Bad_Name" is invalid: '
                          'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of '
                          "lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
                          "character (e.g. 'example.com', regex used for validation is "
                          r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                          "correct it and send it again"),
    "evict-evict-1": (ConflictError, _MOVING[0], 'Eviction triggered evacuation of VMI "lab/evict-1"', _MOVING[1]),
    "evict-move-1": (ConflictError, _MOVING[0], 'Eviction triggered evacuation of VMI "lab/move-1"', _MOVING[1]),
    "evict-move-1-again": (ConflictError, _MOVING[0], "Evacuation in progress: Eviction triggered evacuation of VMI "
                           '"lab/move-1"', _MOVING[1]),
    "get-absent": (AbsentError, "it is gone", 'virtualmachines.kubevirt.io "nope" not found', _GONE),
    "guestosinfo-stopped": (
        AbsentError, "it does not run", 'virtualmachineinstance.kubevirt.io "batch-1" not found', _OFF),
    "list-absent-crd": (AbsentError, "the server does not have that", "404 page not found",
                        "an older version, or not installed there"),
    "list-field-unsupported": (BackendError, "the server refused", "field label not supported: status.phase", ""),
    "list-forbidden": (ForbiddenError, "not allowed", 'virtualmachines.kubevirt.io is forbidden: User "rig-none" '
                       'cannot list resource "virtualmachines" in API group "kubevirt.io" in the namespace "shop"',
                       "role kubevirt.io:view has it: let it be granted"),
    "list-unauthorized": (UnauthorizedError, "the server does not know this account", "Unauthorized",
                          "log in again, or check the user of this context in the kubeconfig"),
    "migrate-forbidden-403": (ForbiddenError, "not allowed", 'virtualmachines.subresources.kubevirt.io "web-1" is '
                              'forbidden: User "rig-edit" cannot update resource "virtualmachines/migrate" in API '
                              'group "subresources.kubevirt.io" in the namespace "shop"',
                              "role kubevirt.io:migrate has it: let it be granted"),
    "migrate-inflight-sub": (BackendError, "it is being migrated already", _INFLIGHT,
                             "wait for that migration, or cancel it"),
    "migrate-stopped-409": (
        AbsentError, "it does not run", 'virtualmachineinstance.kubevirt.io "batch-1" not found', _OFF),
    "objectgraph": (BackendError, "that is not turned on in this cluster", "ObjectGraph feature gate not enabled: "
                    "Unable to return object graph.", "its administrators turn it on in the KubeVirt object"),
    "patch-json-422": (
        ConflictError, "somebody changed it meanwhile", "it is not any more as it was shown", _LOOK),
    "patch-strategic-415": (BackendError, _MISUNDERSTOOD[0], "the body of the request was in an unknown format - "
                            "accepted media types include: application/json-patch+json, application/merge-patch+json, "
                            "application/apply-patch+yaml", _MISUNDERSTOOD[1]),
    "pause-absent-404": (AbsentError, "it does not run", 'virtualmachineinstance.kubevirt.io "nope" not found', _OFF),
    "pause-paused-409": (ConflictError, "not possible now", "VMI is already paused",
                         "it is frozen as was asked: unpause lets it go on"),
    "pod-log-absent-container": (BackendError, "the server refused", "container nope is not valid for pod "
                                 "virt-launcher-move-1-tjqms", ""),
    "restart-halted-409": (ConflictError, "its run strategy does not allow that", "RunStategy Halted does not support "
                           "manual restart requests", "start it instead, or change the strategy"),
    "screenshot-forbidden": (ForbiddenError, "not allowed", 'virtualmachineinstances.subresources.kubevirt.io "web-1" '
                             'is forbidden: User "rig-edit" cannot get resource "virtualmachineinstances/vnc" in API '
                             'group "subresources.kubevirt.io" in the namespace "shop"',
                             "role kubevirt.io:admin has it: let it be granted"),
    "start-absent-404": (AbsentError, "it is gone", 'virtualmachine.kubevirt.io "nope" not found', _GONE),
    "start-bad-body-400": (BackendError, _MISUNDERSTOOD[0], "Can not unmarshal Request body to struct, error: json: "
                           "offset 2: invalid character 'n' looking for beginning of object key string",
                           _MISUNDERSTOOD[1]),
    "start-forbidden-403": (ForbiddenError, "not allowed", 'virtualmachines.subresources.kubevirt.io "batch-1" is '
                            'forbidden: User "rig-view" cannot update resource "virtualmachines/start" in API group '
                            '"subresources.kubevirt.io" in the namespace "shop"',
                            "role kubevirt.io:edit has it: let it be granted"),
    "start-running-409": (ConflictError, "not possible now", "VM is already running", "there is nothing to do"),
    "stop-halted-409": (ConflictError, "it does not run", "VM is not running", _OFF),
    "trap-put-accept-json-406": (BackendError, _MISUNDERSTOOD[0], "406: Not Acceptable Available representations:",
                                 _MISUNDERSTOOD[1]),
    "update-conflict-409": (ConflictError, "somebody changed it meanwhile", "the object has been modified; please "
                            "apply your changes to the latest version and try again", _LOOK),
    "vmim-create-absent-vmi": (BackendError, "it does not run", 'the VMI "shop/nope" does not exist', _OFF),
    "vmim-create-inflight": (BackendError, "it is being migrated already", _INFLIGHT,
                             "wait for that migration, or cancel it"),
    "watch-forbidden-kubevirts": (ForbiddenError, "not allowed", 'kubevirts.kubevirt.io is forbidden: User "rig-view" '
                                  'cannot watch resource "kubevirts" in API group "kubevirt.io" at the cluster scope',
                                  "role kubevirt.io:view has it: let it be granted"),
}  # fmt: skip
"""What is told of each: the error, its title, the server's words, and the way out."""


def test_every_recorded_refusal_has_its_sentence_and_every_other_call_is_made_or_said_why_not() -> None:
    assert {name for name, one in EXCHANGES.items() if one.refused} == SENTENCES.keys()
    assert EXCHANGES.keys() - SENTENCES.keys() <= VERBS.keys() | UNDONE.keys()


async def ask(exchange: Exchange, kubeconfig: Path) -> None:
    """Do what makes the call, or make it as it was."""
    if exchange.name in VERBS:
        async with kept(kubeconfig) as state:
            await VERBS[exchange.name](state.backend)
        return
    server = Server(Target(read_kubeconfig(str(kubeconfig)), "test"), QUICK)
    try:
        await server.request(exchange.method, exchange.path, body=exchange.sent)
    finally:
        await server.close()


@pytest.mark.parametrize("name", SENTENCES)
async def test_a_recorded_refusal_is_a_sentence_with_its_cause_and_the_way_out(tmp_path: Path, name: str) -> None:
    replayer = Replayer(EXCHANGES[name])
    async with serving(replayer):
        with pytest.raises(BackendError) as caught:
            await ask(EXCHANGES[name], write_kubeconfig(tmp_path, replayer.url))
    error = caught.value
    assert (type(error), error.title, error.detail, error.hint) == SENTENCES[name]
    assert error.code == EXCHANGES[name].status


@pytest.mark.parametrize("name", VERBS)
async def test_what_is_sent_is_what_was_recorded(tmp_path: Path, name: str) -> None:
    exchange = EXCHANGES[name]
    replayer = Replayer(exchange)
    async with serving(replayer):
        try:
            await ask(exchange, write_kubeconfig(tmp_path, replayer.url))
        except BackendError:
            assert exchange.refused
    ((request, body),) = replayer.taken
    if exchange.method == "GET" or name in OTHERWISE:
        return
    if exchange.sent is None:
        return
    # What kubectl merged strategically has no lists: merged plainly it is the same.
    assert request.headers["Content-Type"] == exchange.sent_as.replace("strategic-merge", "merge")
    made = {"metadata": {"generateName": f"{exchange.sent['spec']['vmiName']}-"}} if name.startswith("vmim") else {}
    assert body == (exchange.sent | made if made else exchange.sent)
