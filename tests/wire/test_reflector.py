"""Kinds kept live from a cluster, and healed after everything that happens to clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import time

import pytest

from kvtui.backends.kubernetes.timings import Timings
from kvtui.demo.kinds import CRD
from kvtui.demo.storage import StorageError
from kvtui.model import FeedState, Usage
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import Drop, Put
from tests.cluster import RunningCluster, running_cluster
from tests.wire.proxy import Proxy, running_proxy
from tests.wire.support import (
    INSTANCES,
    KUBEVIRTS,
    MACHINES,
    MIGRATIONS,
    NODES,
    PODS,
    QUICK,
    VOLUMES,
    Kept,
    eventually,
    kept,
    moved_to_port,
    with_namespace,
)

LONG_SILENCE = replace(QUICK, watch_silence=30.0)


async def delete_machine(cluster: RunningCluster, path: str) -> None:
    namespace, name = path.split("/")
    url = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachines/{name}"
    async with cluster.session() as session, session.delete(url) as answer:
        assert answer.status == 200
    cluster.advance(120)


async def create_machine(cluster: RunningCluster, name: str) -> str:
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    url = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"
    async with cluster.session() as session, session.post(url, json=body) as answer:
        assert answer.status == 201, await answer.text()
    return f"default/{name}"


async def change_rights(cluster: RunningCluster, call: str, user: str, resource: str, *verbs: str) -> None:
    body = {"user": user, "resource": resource, "verbs": verbs or ["*"]}
    async with cluster.session() as session, session.post(f"/demo/{call}", json=body) as answer:
        answer.raise_for_status()


@asynccontextmanager
async def behind_proxy(timings: Timings) -> AsyncIterator[tuple[RunningCluster, Proxy, Kept]]:
    """The machines of a cluster, kept in a store, with a bad network in between."""
    async with (
        running_cluster() as cluster,
        running_proxy(cluster.server.port) as proxy,
        kept(moved_to_port(cluster.kubeconfig, proxy.port), MACHINES, timings=timings) as state,
    ):
        yield cluster, proxy, state


async def test_every_kind_becomes_live() -> None:
    async with running_cluster() as cluster:
        sources = (NODES, PODS, MACHINES, INSTANCES, MIGRATIONS, VOLUMES, KUBEVIRTS)
        async with kept(cluster.kubeconfig, *sources) as state:
            for source in sources:
                await state.reaches(source.type, FeedState.LIVE)
            assert len(state.names(VirtualMachine)) == 20
            assert len(state.names(Node)) == 13
            assert state.feed(KubeVirt).polled
            assert not state.feed(Node).polled


async def test_changes_arrive_as_they_happen() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, MACHINES, timings=LONG_SILENCE) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        made = await create_machine(cluster, "fresh")
        await eventually(lambda: made in state.names(VirtualMachine))
        first = state.ref(VirtualMachine, made)
        await delete_machine(cluster, made)
        await eventually(lambda: made not in state.names(VirtualMachine))
        await create_machine(cluster, "fresh")
        await eventually(lambda: made in state.names(VirtualMachine))
        assert state.ref(VirtualMachine, made).uid != first.uid


async def test_usage_is_measured() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, NODES) as state:
        await state.reaches(Node, FeedState.LIVE)
        node = state.ref(Node)

        def usage() -> Usage | None:
            state.store.drain()
            return state.store.usage(state.backend.name, "Node", "", node.name)

        await eventually(usage)
        measured = usage()
        assert measured is not None
        assert measured.memory > 1e6


async def test_one_namespace_alone_is_asked_for() -> None:
    async with running_cluster() as cluster:
        async with kept(cluster.kubeconfig, MACHINES) as state:
            await state.reaches(VirtualMachine, FeedState.LIVE)
            everything = state.names(VirtualMachine)
        namespace = min(everything).split("/")[0]
        async with kept(cluster.kubeconfig, MACHINES, NODES, namespace=namespace) as state:
            await state.reaches(VirtualMachine, FeedState.LIVE)
            await state.reaches(Node, FeedState.LIVE)
            assert state.names(VirtualMachine) == {path for path in everything if path.startswith(f"{namespace}/")}
            assert state.names(Node)


async def test_a_server_that_is_killed_and_comes_back() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, MACHINES) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        before = state.names(VirtualMachine)
        port = cluster.server.port
        await cluster.server.stop()
        await eventually(lambda: "cannot connect" in state.feed(VirtualMachine).detail)
        assert state.feed(VirtualMachine).state is FeedState.STALE
        # The pulse may have noticed first; the reflector's own next try follows.
        await eventually(lambda: state.feed(VirtualMachine).retry_at is not None)
        assert state.names(VirtualMachine) == before
        await cluster.server.start(port)
        await state.reaches(VirtualMachine, FeedState.LIVE)
        made = await create_machine(cluster, "after-the-fall")
        await eventually(lambda: made in state.names(VirtualMachine))


async def test_a_server_that_was_never_there(tmp_path: Path) -> None:
    async with running_cluster() as cluster, running_proxy(cluster.server.port) as proxy:
        await proxy.refuse()
        async with kept(moved_to_port(cluster.kubeconfig, proxy.port), MACHINES) as state:
            feed = await state.reaches(VirtualMachine, FeedState.FAILED)
            assert "cannot connect" in feed.detail
            assert "cannot connect" in state.backend.info.trouble
            await proxy.start()
            await state.reaches(VirtualMachine, FeedState.LIVE)
            await eventually(lambda: not state.backend.info.trouble)


async def test_a_cut_watch_resumes_where_it_was() -> None:
    async with behind_proxy(LONG_SILENCE) as (cluster, proxy, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        said = len(state.said)
        await proxy.cut()
        made = await create_machine(cluster, "during-the-cut")
        await eventually(lambda: made in state.names(VirtualMachine))
        later = [message for message in state.said[said:] if isinstance(message, (Put, Drop))]
        assert len(later) <= 4, "the watch was resumed, not everything listed again"


async def test_a_connection_that_hangs_is_noticed() -> None:
    async with behind_proxy(QUICK) as (_cluster, proxy, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        proxy.hang()
        feed = await state.reaches(VirtualMachine, FeedState.STALE)
        assert "fell silent" in feed.detail
        assert state.names(VirtualMachine)
        proxy.go_on()
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_a_quiet_watch_with_bookmarks_is_not_a_hung_one() -> None:
    async with running_cluster(bookmark_interval=0.2) as cluster, kept(cluster.kubeconfig, MACHINES) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        start = state.feed(VirtualMachine).since
        await eventually(lambda: time() - start > 2 * QUICK.watch_silence)
        assert state.states(VirtualMachine) == [FeedState.LOADING, FeedState.LIVE]


async def test_a_compacted_log_means_a_new_list() -> None:
    async with behind_proxy(LONG_SILENCE) as (cluster, proxy, state):
        await state.reaches(VirtualMachine, FeedState.LIVE)
        gone = min(state.names(VirtualMachine))
        await proxy.refuse()
        await state.reaches(VirtualMachine, FeedState.STALE)
        await delete_machine(cluster, gone)
        made = await create_machine(cluster, "while-away")
        cluster.world.storage.compact()
        await proxy.start()
        await eventually(lambda: made in state.names(VirtualMachine))
        await eventually(lambda: gone not in state.names(VirtualMachine))
        await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_a_right_that_is_taken_and_given_back() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, MACHINES, context="demo-view") as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        await change_rights(cluster, "revoke", "view", "virtualmachines")
        feed = await state.reaches(VirtualMachine, FeedState.FORBIDDEN)
        assert 'cannot list resource "virtualmachines"' in feed.detail
        assert feed.retry_at is not None
        assert not state.names(VirtualMachine)
        await change_rights(cluster, "grant", "view", "virtualmachines")
        await state.reaches(VirtualMachine, FeedState.LIVE)
        assert state.names(VirtualMachine)


async def test_a_forbidden_kind_is_tried_at_once_when_asked() -> None:
    timings = replace(QUICK, forbidden=3600.0)
    async with running_cluster() as cluster:
        await change_rights(cluster, "revoke", "view", "virtualmachines")
        async with kept(cluster.kubeconfig, MACHINES, context="demo-view", timings=timings) as state:
            await state.reaches(VirtualMachine, FeedState.FORBIDDEN)
            await change_rights(cluster, "grant", "view", "virtualmachines")
            state.backend.retry(VirtualMachine.KIND)
            await state.reaches(VirtualMachine, FeedState.LIVE)


async def test_what_may_be_listed_and_not_watched_is_polled() -> None:
    async with running_cluster() as cluster:
        await change_rights(cluster, "revoke", "view", "virtualmachines", "watch")
        async with kept(cluster.kubeconfig, MACHINES, context="demo-view") as state:
            await eventually(lambda: state.feed(VirtualMachine).polled)
            assert state.feed(VirtualMachine).state is FeedState.LIVE
            made = await create_machine(cluster, "polled")
            await eventually(lambda: made in state.names(VirtualMachine))
            await delete_machine(cluster, made)
            await eventually(lambda: made not in state.names(VirtualMachine))
            await change_rights(cluster, "grant", "view", "virtualmachines", "watch")
            await eventually(lambda: not state.feed(VirtualMachine).polled)


async def test_an_account_of_one_namespace_makes_do_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_cluster() as cluster:
        async with kept(cluster.kubeconfig, MACHINES) as state:
            await state.reaches(VirtualMachine, FeedState.LIVE)
            everything = state.names(VirtualMachine)
        namespace = min(everything).split("/")[0]
        authorize = cluster.server.access.authorize

        def only_one(account: object, target: object, subresource: str | None = None) -> None:
            if getattr(target, "resource", "") == "virtualmachines" and not getattr(target, "namespace", ""):
                raise StorageError(403, "Forbidden", "not in all namespaces")
            authorize(account, target, subresource)  # type: ignore[arg-type]

        monkeypatch.setattr(cluster.server.access, "authorize", only_one)
        async with kept(with_namespace(cluster.kubeconfig, namespace), MACHINES) as state:
            feed = await state.reaches(VirtualMachine, FeedState.LIVE)
            assert namespace in feed.detail
            assert state.names(VirtualMachine) == {path for path in everything if path.startswith(f"{namespace}/")}
        async with kept(cluster.kubeconfig, MACHINES) as state:
            feed = await state.reaches(VirtualMachine, FeedState.FORBIDDEN)
            assert feed.detail == "not in all namespaces"


async def test_of_a_list_that_a_server_gave_up_on_nothing_may_have_been_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(*_: object) -> None:
        raise StorageError(500, "InternalError", "etcdserver: request timed out")

    async with running_cluster() as cluster:
        monkeypatch.setattr(cluster.server.faults, "check_list", give_up)
        async with kept(cluster.kubeconfig, MACHINES) as state:
            feed = await state.reaches(VirtualMachine, FeedState.FAILED)
            assert feed.detail == "the server gave up: etcdserver: request timed out"


async def test_a_kind_that_is_uninstalled_and_installed_again() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, MIGRATIONS, MACHINES) as state:
        await state.reaches(Migration, FeedState.LIVE)
        name = "virtualmachineinstancemigrations.kubevirt.io"
        definition = cluster.world.storage.get(CRD, "", name)
        cluster.world.storage.delete(CRD, "", name)
        feed = await state.reaches(Migration, FeedState.ABSENT)
        assert "not installed" in feed.detail
        assert not state.names(Migration)
        assert state.feed(VirtualMachine).state is FeedState.LIVE
        definition["metadata"] = {"name": name}
        cluster.world.storage.create(CRD, definition)
        await state.reaches(Migration, FeedState.LIVE)


async def test_pods_and_instances_of_a_living_cluster_agree() -> None:
    async with running_cluster(speed=50.0) as cluster, kept(cluster.kubeconfig, PODS, INSTANCES) as state:
        await state.reaches(Pod, FeedState.LIVE)
        await state.reaches(VirtualMachineInstance, FeedState.LIVE)
        made = await create_machine(cluster, "runner")
        url = f"/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines/{made.split('/')[1]}/start"
        async with cluster.session() as session, session.put(url, json={}) as answer:
            assert answer.status == 202, await answer.text()

        def running() -> bool:
            state.store.drain()
            vmi = state.store.get(VirtualMachineInstance, state.backend.name, "default", "runner")
            return vmi is not None and vmi.is_running

        await eventually(running)
        vmi = state.store.get(VirtualMachineInstance, state.backend.name, "default", "runner")
        assert vmi is not None
        assert state.store.linked(Pod, state.backend.name, "vmi", vmi.metadata.uid)
