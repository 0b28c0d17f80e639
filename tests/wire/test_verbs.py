"""What changes something: sent once, to the right object, logged, and never on a read-only backend."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from kvtui.backends.base import Consoles, Lifecycle, Logs, Permission, Reader
from kvtui.backends.kubernetes.client import KubernetesBackend
from kvtui.backends.warned import hearing
from kvtui.errors import (
    BackendError,
    ConflictError,
    ForbiddenError,
    ReadOnlyError,
    UnconnectedError,
    UnreachableError,
    UntriableError,
)
from kvtui.model import Ref
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from tests.cluster import running_cluster
from tests.wire.fake import Fake, machine, serving, status
from tests.wire.support import INSTANCES, MACHINES, MIGRATIONS, QUICK, Kept, eventually, kept, write_kubeconfig

VM = Ref("test", "VirtualMachine", "shop", "a", "uid-a")
VMI = VM._replace(kind="VirtualMachineInstance")
VMIM = Ref("test", "VirtualMachineInstanceMigration", "shop", "m", "uid-m")
KUBEVIRT = "/apis/kubevirt.io/v1/namespaces/shop"
SUBRESOURCES = "/apis/subresources.kubevirt.io/v1/namespaces/shop"

Verb = Callable[[KubernetesBackend], Awaitable[None]]
VERBS: dict[str, Verb] = {
    "start": lambda backend: backend.start(VM),
    "stop": lambda backend: backend.stop(VM),
    "pull the plug": lambda backend: backend.stop(VM, grace=0),
    "restart": lambda backend: backend.restart(VM),
    "pause": lambda backend: backend.pause(VM),
    "unpause": lambda backend: backend.unpause(VM),
    "migrate": lambda backend: backend.migrate(VM),
    "stop a bare VMI": lambda backend: backend.stop(VMI),
    "migrate a bare VMI": lambda backend: backend.migrate(VMI),
    "cancel": lambda backend: backend.cancel_migration(VMIM),
    "merge a patch": lambda backend: backend.patch(VM, {"spec": {"running": True}}, verb="edit", version="7"),
    "patch a list": lambda backend: backend.patch(VM, [{"op": "remove", "path": "/spec/x"}], verb="edit"),
    "replace": lambda backend: backend.replace(VM, {"metadata": {"name": "a", "resourceVersion": "7"}}),
    "delete": lambda backend: backend.delete(VM, grace=5, orphan=True),
    "freeze": lambda backend: backend.call(VM, "freeze", {"unfreezeTimeout": "5m0s"}, instance=True),
}
WIRE: dict[str, tuple[str, Any]] = {
    "start": (f"PUT {SUBRESOURCES}/virtualmachines/a/start", {}),
    "stop": (f"PUT {SUBRESOURCES}/virtualmachines/a/stop", {}),
    "pull the plug": (f"PUT {SUBRESOURCES}/virtualmachines/a/stop", {"gracePeriod": 0}),
    "restart": (f"PUT {SUBRESOURCES}/virtualmachines/a/restart", {}),
    "pause": (f"PUT {SUBRESOURCES}/virtualmachineinstances/a/pause", {}),
    "unpause": (f"PUT {SUBRESOURCES}/virtualmachineinstances/a/unpause", {}),
    "migrate": (f"PUT {SUBRESOURCES}/virtualmachines/a/migrate", {}),
    "merge a patch": (
        f"PATCH {KUBEVIRT}/virtualmachines/a",
        {"spec": {"running": True}, "metadata": {"uid": "uid-a", "resourceVersion": "7"}},
    ),
    "patch a list": (
        f"PATCH {KUBEVIRT}/virtualmachines/a",
        [{"op": "test", "path": "/metadata/uid", "value": "uid-a"}, {"op": "remove", "path": "/spec/x"}],
    ),
    "replace": (f"PUT {KUBEVIRT}/virtualmachines/a", {"metadata": {"name": "a", "resourceVersion": "7"}}),
    "delete": (
        f"DELETE {KUBEVIRT}/virtualmachines/a",
        {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": "uid-a"},
            "gracePeriodSeconds": 5,
            "propagationPolicy": "Orphan",
        },
    ),
    "freeze": (f"PUT {SUBRESOURCES}/virtualmachineinstances/a/freeze", {"unfreezeTimeout": "5m0s"}),
    "stop a bare VMI": (
        f"DELETE {KUBEVIRT}/virtualmachineinstances/a",
        {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "uid-a"}},
    ),
    "migrate a bare VMI": (
        f"POST {KUBEVIRT}/virtualmachineinstancemigrations",
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"generateName": "a-"},
            "spec": {"vmiName": "a"},
        },
    ),
    "cancel": (
        f"DELETE {KUBEVIRT}/virtualmachineinstancemigrations/m",
        {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "uid-m"}},
    ),
}


class Server(Fake):
    """Serves the objects, takes every verb, and remembers the bodies."""

    def __init__(self) -> None:
        super().__init__(self.take, self.take)
        self.sent: list[tuple[str, Any]] = []
        self.refusal: web.Response | None = None
        self.headers: list[tuple[str, str]] = []
        groups = ("kubevirt.io", "subresources.kubevirt.io")
        self.other = {f"/apis/{group}": self.versions for group in groups}

    async def versions(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"versions": [{"version": "v1"}]})

    async def beta(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"versions": [{"version": "v1beta1"}]})

    async def take(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in self.other:
            return await super().answer(request)
        self.asked.append(request)
        name = request.path.rsplit("/", 1)[-1]
        if request.method == "GET":
            return web.json_response(machine(name))
        assert request.headers["Accept"] == ("*/*" if "subresources" in request.path else "application/json")
        self.sent.append((f"{request.method} {request.path}", await request.json()))
        return self.refusal or web.Response(status=202, headers=CIMultiDict(self.headers))


def audited(state: Kept) -> list[dict[str, Any]]:
    return [json.loads(line) for line in state.audit.read_text().splitlines()]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_is_sent_once_and_logged(tmp_path: Path, verb: str) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        await VERBS[verb](state.backend)
        assert server.sent == [WIRE[verb]]
        lines = audited(state)
    assert [line["result"] for line in lines] == ["asked", "accepted"]
    assert {(line["backend"], line["account"], line["namespace"]) for line in lines} == {("test", "tester", "shop")}
    assert lines[0]["uid"].startswith("uid-")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_read_only_backend_sends_nothing(tmp_path: Path, verb: str) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url), read_only=True) as state:
        with pytest.raises(ReadOnlyError, match="read-only"):
            await VERBS[verb](state.backend)
        assert not server.asked
        assert state.backend.info.read_only
        assert not state.audit.exists()


@pytest.mark.parametrize("verb", VERBS)
async def test_another_object_of_that_name_is_left_alone(tmp_path: Path, verb: str) -> None:
    server = Server()

    async def another(request: web.Request) -> web.StreamResponse:
        return web.json_response(machine("a", uid="another"))

    for path in ("virtualmachines/a", "virtualmachineinstances/a", "virtualmachineinstancemigrations/m"):
        server.other[f"{KUBEVIRT}/{path}"] = another
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with pytest.raises(ConflictError, match="re-created since"):
            await VERBS[verb](state.backend)
        assert not server.sent
        asked, refused = audited(state)
        assert (asked["result"], refused["result"]) == ("asked", "refused")
        assert refused["words"].endswith("was re-created since; nothing was done")


@pytest.mark.parametrize("verb", VERBS)
async def test_what_cannot_be_logged_is_not_done(tmp_path: Path, verb: str) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        state.audit.mkdir()
        with pytest.raises(BackendError, match="audit log"):
            await VERBS[verb](state.backend)
        assert not server.asked


async def test_a_refusal_is_in_the_servers_words(tmp_path: Path) -> None:
    server = Server()
    words = 'Operation cannot be fulfilled on virtualmachine.kubevirt.io "a": VM is already running'
    server.refusal = status(409, words, "Conflict")
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with pytest.raises(ConflictError) as caught:
            await state.backend.start(VM)
        assert caught.value.detail == "VM is already running"
        assert audited(state)[-1]["result"] == "refused"
        assert audited(state)[-1]["words"] == "VM is already running"


async def test_a_verb_is_not_sent_again_when_the_connection_breaks(tmp_path: Path) -> None:
    server = Server()

    async def break_off(request: web.Request) -> web.StreamResponse:
        server.sent.append((request.path, None))
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.other[f"{SUBRESOURCES}/virtualmachines/a/restart"] = break_off
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with pytest.raises(UnreachableError):
            await state.backend.restart(VM)
        assert len(server.sent) == 1
        assert audited(state)[-1]["result"] == "unknown"


async def test_a_verb_whose_object_nobody_could_look_at_was_not_sent_and_nobody_refused_it(tmp_path: Path) -> None:
    server = Server()

    async def break_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.other[f"{KUBEVIRT}/virtualmachines/a"] = break_off
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with pytest.raises(UnconnectedError, match="not sent, for nobody said whether it still is the same shop/a"):
            await state.backend.restart(VM)
        assert not server.sent
        assert audited(state)[-1]["result"] == "unsent"
        assert "was cut" in audited(state)[-1]["words"]


@pytest.mark.parametrize(
    "verb", [lambda backend: backend.start(VMI), lambda backend: backend.restart(VMI), lambda b: b.stop(VMI, grace=0)]
)
async def test_what_a_bare_vmi_cannot_do(tmp_path: Path, verb: Verb) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with pytest.raises(ConflictError):
            await verb(state.backend)
        assert not server.sent


async def test_the_backend_can_all_that_it_should(tmp_path: Path) -> None:
    async with kept(write_kubeconfig(tmp_path, "http://127.0.0.1:9")) as state:
        for protocol in (Reader, Lifecycle, Consoles, Logs):
            assert isinstance(state.backend, protocol)


async def test_stop_start_and_migrate_on_a_cluster() -> None:
    async with (
        running_cluster(speed=100.0) as cluster,
        kept(cluster.kubeconfig, MACHINES, INSTANCES, MIGRATIONS) as state,
    ):

        def running() -> list[Ref]:
            state.store.drain()
            return [
                ref._replace(kind="VirtualMachine", uid="")
                for ref, vmi in state.store.items(VirtualMachineInstance)
                if vmi.is_running and vmi.controller and not vmi.metadata.deletion_timestamp
            ]

        await eventually(running)
        ref = state.ref(VirtualMachine, running()[0].path)

        def instance() -> VirtualMachineInstance | None:
            state.store.drain()
            return state.store.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)

        await state.backend.stop(ref)
        await eventually(lambda: instance() is None)
        await state.backend.start(ref)
        await eventually(lambda: (found := instance()) is not None and found.is_running)
        before = instance()
        assert before is not None
        await state.backend.migrate(ref)
        await eventually(lambda: (now := instance()) is not None and now.status.node_name != before.status.node_name)
        migration = next(found for found, one in state.store.items(Migration) if one.spec.vmi_name == ref.name)
        await state.backend.cancel_migration(migration)
        await eventually(lambda: migration.path not in state.names(Migration))


async def test_a_stranger_may_not(tmp_path: Path) -> None:
    async with running_cluster() as cluster:
        async with kept(cluster.kubeconfig, MACHINES, context="demo-view") as state:
            await eventually(lambda: state.names(VirtualMachine))
            ref = state.ref(VirtualMachine)
            with pytest.raises(ForbiddenError, match="cannot update resource"):
                await state.backend.stop(ref)
            stop = Permission("update", "subresources.kubevirt.io", "virtualmachines", "stop")
            verdict = await state.backend.may(stop, ref.namespace, ref.name)
            assert verdict.asked
            assert not verdict.allowed
        async with kept(cluster.kubeconfig) as state:
            assert (await state.backend.may(stop, ref.namespace, ref.name)).allowed


async def test_permissions_are_asked_once_a_while(tmp_path: Path) -> None:
    server = Server()
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answers = [status(500, "etcd is down"), *(web.json_response({"status": {"allowed": False}}) for _ in range(2))]

    async def review(request: web.Request) -> web.StreamResponse:
        return answers.pop(0)

    server.other[path] = review
    permission = Permission("update", "subresources.kubevirt.io", "virtualmachines", "start")
    async with serving(server):
        kubeconfig = write_kubeconfig(tmp_path, server.url)
        async with kept(kubeconfig) as state:
            verdict = await state.backend.may(permission, "shop")
            assert not verdict.allowed
            assert not verdict.asked
            assert "etcd is down" in verdict.reason
            for _ in range(3):
                verdict = await state.backend.may(permission, "shop")
                assert verdict.asked
                assert not verdict.allowed
                assert not verdict.reason
            assert len(answers) == 1
        async with kept(kubeconfig, timings=replace(QUICK, permission=0.0)) as state:
            await state.backend.may(permission, "shop")
            assert not answers


# Objects, and rehearsals ---------------------------------------------------------------------------------------------

SNAPSHOT = Ref("test", "VirtualMachineSnapshot", "shop", "before-")


async def test_what_is_created_bears_kind_and_name_and_comes_back_with_its_uid(tmp_path: Path) -> None:
    server = Server()
    server.other["/apis/snapshot.kubevirt.io"] = server.beta
    server.refusal = web.json_response({"metadata": {"name": "before-x1", "uid": "uid-s"}}, status=201)
    body = {"metadata": {"labels": {"a": "b"}}, "spec": {"source": {"name": "a"}}}
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        created = await state.backend.create(SNAPSHOT, body, verb="snapshot")
    assert created == SNAPSHOT._replace(name="before-x1", uid="uid-s")
    path = "/apis/snapshot.kubevirt.io/v1beta1/namespaces/shop/virtualmachinesnapshots"
    assert server.sent == [
        (
            f"POST {path}",
            {
                "apiVersion": "snapshot.kubevirt.io/v1beta1",
                "kind": "VirtualMachineSnapshot",
                "metadata": {"labels": {"a": "b"}, "generateName": "before-"},
                "spec": {"source": {"name": "a"}},
            },
        )
    ]


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"freeze"}))
async def test_a_rehearsal_asks_the_server_to_change_nothing_and_says_so_in_the_log(tmp_path: Path, verb: str) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        await VERBS[verb](state.backend.rehearse())
        call, body = server.sent[0]
        asked = server.asked[-1].query.get("dryRun") or (body.get("dryRun") if "subresources" in call else None)
        assert asked in ("All", ["All"])
        assert [line["dry_run"] for line in audited(state)] == [True, True]
        await VERBS[verb](state.backend)
        assert server.sent[1] == WIRE[verb], "the backend itself goes on meaning it"


async def test_what_the_server_does_not_know_of_an_edited_object_is_to_be_refused(tmp_path: Path) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        for backend in (state.backend.rehearse(), state.backend):
            await VERBS["replace"](backend)
            assert server.asked[-1].query["fieldValidation"] == "Strict"
        await VERBS["merge a patch"](state.backend)
        assert "fieldValidation" not in server.asked[-1].query


async def test_a_warning_is_heard_by_whoever_listens(tmp_path: Path) -> None:
    server, heard = Server(), list[str]()
    server.headers = [("Warning", '299 - "one"'), ("Warning", '299 - "two", 299 a "one"')]
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with hearing(heard):
            await VERBS["merge a patch"](state.backend)
    assert heard == ["one", "two"]


async def test_what_the_server_cannot_rehearse_is_not_sent(tmp_path: Path) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        with pytest.raises(BackendError, match="no dry run"):
            await VERBS["freeze"](state.backend.rehearse())
        assert not server.sent


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"freeze"}))
async def test_a_webhook_that_fails_every_dry_run_refuses_nothing(tmp_path: Path, verb: str) -> None:
    server = Server()
    words = 'admission webhook "v.example.org" does not support dry run'
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        server.refusal = status(400, words, "BadRequest")
        with pytest.raises(UntriableError, match="does not support dry run"):
            await VERBS[verb](state.backend.rehearse())
        server.refusal = status(400, words, "BadRequest")
        with pytest.raises(BackendError) as caught:
            await VERBS[verb](state.backend)
        assert not isinstance(caught.value, UntriableError)


@pytest.mark.parametrize(
    ("patch", "media"),
    [({"a": 1}, "application/merge-patch+json"), ([{"op": "remove", "path": "/a"}], "application/json-patch+json")],
)
async def test_a_patch_names_its_kind(tmp_path: Path, patch: Any, media: str) -> None:
    server = Server()
    async with serving(server), kept(write_kubeconfig(tmp_path, server.url)) as state:
        await state.backend.patch(VM, patch, verb="edit")
    assert server.asked[-1].headers["Content-Type"] == media
