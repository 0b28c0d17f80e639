"""Actions over many rows on a cluster over the wire: objects that change behind them, and a link that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kvtui.actions.batch import Batches
from kvtui.actions.items import State, Task
from kvtui.audit import AuditLog, Entry
from kvtui.backends.kubernetes.client import connect
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import RESOURCES
from kvtui.store import Delta
from tests.cluster import RunningCluster, running_cluster
from tests.wire.proxy import running_proxy
from tests.wire.support import QUICK, eventually, moved_to_port

VMS = next(resource for resource in RESOURCES if resource.name == "vms")
STOP = next(action for action in VMS.actions if action.id == "vm.stop")


@asynccontextmanager
async def live_fleet(kubeconfig: Path, folder: Path) -> AsyncIterator[Fleet]:
    """A fleet of the cluster, whose VMs are listed."""
    audit = AuditLog(folder / "audit.jsonl")
    fleet = Fleet([connect(str(kubeconfig), "demo", "", False, audit, timings=QUICK)])
    live = asyncio.create_task(fleet.run(VMS.sources))
    try:
        await eventually(lambda: fleet.view.count(VirtualMachine))
        yield fleet
    finally:
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
        await fleet.close()


def running(fleet: Fleet) -> list[Any]:
    rows = [VMS.row(fleet.view, ref) for ref in VMS.refs(fleet.view)]
    return [row for row in rows if row is not None and not STOP.of(row).when(row)]


async def recreate(cluster: RunningCluster, ref: Ref) -> str:
    """Delete a VM and make another of that name; its uid."""
    path = f"/apis/kubevirt.io/v1/namespaces/{ref.namespace}/virtualmachines"
    async with cluster.session() as session:
        async with session.get(f"{path}/{ref.name}") as answer:
            found = await answer.json()
        async with session.delete(f"{path}/{ref.name}") as answer:
            answer.raise_for_status()
        cluster.advance(600)
        body = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": ref.name},
            "spec": {**found["spec"], "dataVolumeTemplates": []},
        }
        async with session.post(path, json=body) as answer:
            assert answer.status == 201, await answer.text()
            made = await answer.json()
    return str(made["metadata"]["uid"])


async def test_an_object_that_was_made_anew_is_never_hit_even_before_the_watch_shows_it(tmp_path: Path) -> None:
    async with running_cluster() as cluster, live_fleet(cluster.kubeconfig, tmp_path) as fleet:
        batches = Batches(fleet)
        rows = running(fleet)[:3]
        # Nothing more is applied: the batch sees the world as it was when it was confirmed.
        stands = asyncio.Event()

        def stand_still(patience: float = 0.0) -> Delta:
            stands.set()
            return Delta()

        fleet.step = stand_still  # type: ignore[method-assign]
        await stands.wait()
        uid = await recreate(cluster, rows[1].ref)
        batch = batches.begin(STOP, VMS, [Task(row) for row in rows])
        await batches.carry_out(batch)
        assert [item.state for item in batch.items] == [State.ACCEPTED, State.FAILED, State.ACCEPTED]
        assert "was re-created since" in batch.items[1].words
        namespace, name = rows[1].ref.namespace, rows[1].ref.name
        async with (
            cluster.session() as session,
            session.get(f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachines/{name}") as answer,
        ):
            left = await answer.json()
        assert left["metadata"]["uid"] == uid
        assert left["spec"].get("runStrategy") != "Halted"


async def test_a_link_that_breaks_in_the_middle_leaves_some_unknown_and_the_rest_unsent(tmp_path: Path) -> None:
    async with running_cluster(60) as cluster, running_proxy(int(cluster.url.rpartition(":")[2])) as proxy:
        kubeconfig = moved_to_port(cluster.kubeconfig, proxy.port)
        async with live_fleet(kubeconfig, tmp_path) as fleet:
            batches = Batches(fleet)
            rows = running(fleet)
            assert len(rows) > 20
            batch = batches.begin(STOP, VMS, [Task(row) for row in rows])
            work = asyncio.create_task(batches.carry_out(batch))
            await eventually(lambda: batch.counts[State.ACCEPTED] + batch.counts[State.DONE])
            proxy.hang()
            await asyncio.sleep(0)
            await proxy.refuse()
            await work
            counts = batch.counts
            lost = counts[State.UNKNOWN] + counts[State.UNSENT]
            assert counts[State.FAILED] == counts[State.WAITING] == counts[State.ASKED] == 0
            assert counts[State.UNSENT]
            assert lost + counts[State.ACCEPTED] + counts[State.DONE] == len(rows)
            log = [entry for entry in AuditLog(tmp_path / "audit.jsonl").read() if isinstance(entry, Entry)]
            unknown = {entry.path for entry in log if entry.result == "unknown"}
            assert unknown == {item.ref.path for item in batch.items if item.state is State.UNKNOWN}


async def test_after_the_link_is_back_what_was_not_sent_is_sent(tmp_path: Path) -> None:
    async with running_cluster() as cluster, running_proxy(int(cluster.url.rpartition(":")[2])) as proxy:
        kubeconfig = moved_to_port(cluster.kubeconfig, proxy.port)
        async with live_fleet(kubeconfig, tmp_path) as fleet:
            batches = Batches(fleet)
            rows = running(fleet)[:4]
            await proxy.refuse()
            batch = batches.begin(STOP, VMS, [Task(row) for row in rows])
            await batches.carry_out(batch)
            assert batch.counts == {State.UNSENT: 4}
            await proxy.start()
            assert len(batches.revive(batch)) == 4
            await batches.carry_out(batch)
            assert batch.counts[State.ACCEPTED] + batch.counts[State.DONE] == 4
