"""Fields of wrong types: refused in the real server's words, and never the end of anything."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.bodies import check_object
from kvtui.demo.storage import Kind, Object, StorageError
from kvtui.demo.tables import row
from kvtui.demo.world import World
from tests.cluster import RunningCluster
from tests.demo.wire import fetch, machine, vms
from tests.demo.worlds import START

Path = tuple[str | int, ...]
_MIGRATIONS = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachineinstancemigrations"
_PODS = "/api/v1/namespaces/shop/pods"
_FUZZED = "fuzzed"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_WRONG: tuple[Any, ...] = (None, 7, -1, 1.5, True, "x", "", [], ["x"], [[]], [None], {}, {"x": []}, {"x": "y"})


def _paths(value: Any, at: Path = ()) -> Iterator[Path]:
    if at:
        yield at
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _paths(item, (*at, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _paths(item, (*at, position))


def _with(obj: Object, path: Path, value: Any) -> Object:
    changed = copy.deepcopy(obj)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return changed


@functools.cache
def _world() -> World:
    """One of every kind, in all the states that troubles bring."""
    return World(30, start=START)


@functools.cache
def _samples() -> list[tuple[Kind, Object]]:
    """Up to a dozen objects of every kind."""
    world = _world()
    found: list[tuple[Kind, Object]] = []
    for kind in kinds.KINDS:
        every = world.storage.list(kind)
        found += [(kind, obj) for obj in every[:: max(1, len(every) // 12)]]
    return found


_NUMBERS = st.integers(0, 10**6)


@settings(max_examples=400, deadline=None)
@given(which=_NUMBERS, where=_NUMBERS, value=st.sampled_from(_WRONG))
def test_a_wrong_field_of_any_object_never_stops_the_world(which: int, where: int, value: Any) -> None:
    samples = _samples()
    kind, obj = samples[which % len(samples)]
    paths = [path for path in _paths(obj) if path[0] not in ("apiVersion", "kind")]
    _write_all_ways(_world(), kind, obj, paths[where % len(paths)], value)


@pytest.mark.parametrize(
    ("kind", "above"),
    [(kinds.VM, ()), (kinds.POOL, ("virtualMachineTemplate",)), (kinds.KUBEVIRT_MACHINE, ("virtualMachineTemplate",))],
)
def test_a_template_without_its_spec_never_stops_the_world(kind: Kind, above: Path) -> None:
    owner = next(obj for other, obj in _samples() if other is kind)
    path = ("spec", "template") if not above else ("spec", *above, "spec", "template")
    _write_all_ways(_world(), kind, owner, path, {})


def test_a_disk_of_a_machine_has_a_name() -> None:
    kind, vm = next((kind, obj) for kind, obj in _samples() if obj.get("spec", {}).get("dataVolumeTemplates"))
    namespace, name = vm["metadata"]["namespace"], vm["metadata"]["name"]
    changed = _with(vm, ("spec", "dataVolumeTemplates", 0, "metadata"), {})
    error = _refused(_update, _world(), kind, namespace, name, changed)
    assert error is not None
    assert error.code == 422
    assert "spec.dataVolumeTemplate[0].name" in error.message


@pytest.mark.parametrize("spec", [None, {}, {"containers": []}])
def test_a_pod_without_containers_is_refused(spec: Any) -> None:
    kind, pod = next((kind, obj) for kind, obj in _samples() if kind is kinds.POD)
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    for write in (_update, _create):
        error = _refused(write, _world(), kind, namespace, name, _with(pod, ("spec",), spec))
        assert error is not None
        assert error.code == 422
        assert "spec.containers: Required value" in error.message
    _write_all_ways(_world(), kind, pod, ("spec",), spec)


@pytest.mark.parametrize("kind", [kinds.SNAPSHOT, kinds.RESTORE, kinds.CLONE, kinds.EXPORT, kinds.POOL])
def test_a_copy_or_pool_without_its_spec_is_refused(kind: Kind) -> None:
    obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "copy", "namespace": "lab"}}
    error = _refused(_create, _world(), kind, "lab", "copy", obj)
    assert error is not None
    assert error.code == 422
    assert "spec: Required value" in error.message


def _write_all_ways(world: World, kind: Kind, obj: Object, path: Path, value: Any) -> None:
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    changed = _with(obj, path, value)
    for write in (_update, _create):
        error = _refused(write, world, kind, namespace, name, copy.deepcopy(changed))
        assert error is None or error.code < 500
    world.advance(20)
    told = set(world.failures.told)
    world.failures.told.clear()
    assert not told, (kind.kind, path, value)
    if world.storage.find(kind, namespace, _FUZZED) is not None:
        world.storage.delete(kind, namespace, _FUZZED, grace=0)
        world.advance(20)


def _refused(write: Callable[..., None], *arguments: Any) -> StorageError | None:
    try:
        write(*arguments)
    except StorageError as error:
        return error
    return None


def _update(world: World, kind: Kind, namespace: str, name: str, changed: Object) -> None:
    checked = check_object(changed, kind, namespace, name)
    row(kind, checked, world.clock.now)
    checked["metadata"].pop("resourceVersion", None)
    old = world.storage.get(kind, namespace, name)
    world.storage.update(kind, admit(world, kind, copy.deepcopy(checked), old, "UPDATE"))
    if kind.status:
        world.storage.update(kind, checked, status=True)


def _create(world: World, kind: Kind, namespace: str, _name: str, changed: Object) -> None:
    fresh = check_object(changed, kind, namespace)
    fresh["metadata"] |= {"name": _FUZZED, "finalizers": []}
    for owned in ("uid", "resourceVersion", "deletionTimestamp", "ownerReferences"):
        fresh["metadata"].pop(owned, None)
    if kind.status:
        fresh.pop("status", None)
    world.storage.create(kind, admit(world, kind, fresh, None, "CREATE"))


def _pod(**spec: Any) -> Object:
    base = {"containers": [{"name": "main", "image": "registry.example/app:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd", "namespace": "shop"}, "spec": base | spec}


def _job(**spec: Any) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "odd", "namespace": "shop"},
        "spec": {"vmiName": "x", **spec},
    }


async def test_custom_kinds_name_field_and_type(admin: aiohttp.ClientSession) -> None:
    answer = await fetch(admin, _MIGRATIONS, method="POST", status=422, json=_job(addedNodeSelector="x"))
    told = 'spec.addedNodeSelector in body must be of type object: "string"'
    assert answer["details"]["causes"][0]["message"] == f'Invalid value: "string": {told}'
    assert answer["message"].endswith(f'is invalid: spec.addedNodeSelector: Invalid value: "string": {told}')


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec",), "x"),
        (("spec", "template", "spec"), 7),
        (("spec", "template", "spec", "domain", "devices", "disks"), [[]]),
        (("spec", "template", "spec", "domain", "devices", "interfaces"), [[]]),
        (("spec", "template", "spec", "domain", "memory", "guest"), ["1Gi"]),
        (("spec", "template", "spec", "nodeSelector"), ["x"]),
    ],
)
async def test_machines_of_wrong_types(admin: aiohttp.ClientSession, path: Path, value: Any) -> None:
    answer = await fetch(admin, vms("shop"), method="POST", status=422, json=_with(machine("odd"), path, value))
    assert "in body must be of type" in answer["message"]


async def test_a_patch_to_a_wrong_type(admin: aiohttp.ClientSession) -> None:
    await fetch(admin, vms("shop"), method="POST", status=201, json=machine("odd"))
    for change in (
        {"spec": {"template": {"spec": {"domain": None, "volumes": "x"}}}},
        {"metadata": {"labels": {"a": "not a value!"}}},
    ):
        headers = {"Content-Type": "application/merge-patch+json"}
        await fetch(admin, vms("shop", "odd"), method="PATCH", status=422, json=change, headers=headers)


async def test_kinds_of_the_server_itself_answer_as_go_does(admin: aiohttp.ClientSession) -> None:
    answer = await fetch(admin, _PODS, method="POST", status=400, json=_pod(nodeSelector="x"))
    assert answer["message"] == (
        'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field '
        "PodSpec.spec.nodeSelector of type map[string]string"
    )
    named = _pod() | {"metadata": {"name": 7}}
    answer = await fetch(admin, _PODS, method="POST", status=400, json=named)
    assert "ObjectMeta.metadata.name of type string" in answer["message"]


async def test_an_object_that_a_controller_cannot_read_stops_nothing_else(
    cluster: RunningCluster, admin: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    # Past all checks, as a defect of theirs would let it.
    cluster.world.storage.create(kinds.POD, _pod(nodeSelector=7, nodeName="worker-01", readinessGates=3))
    await fetch(admin, vms("shop"), method="POST", status=201, json=machine("well", strategy="Always"))
    cluster.advance(120)
    assert (await fetch(admin, vms("shop", "well")))["status"]["printableStatus"] == "Running"
    assert capsys.readouterr().err.count("Kubelet Pod shop/odd") == 1
    rows = (await fetch(admin, "/api/v1/pods", headers={"Accept": _TABLE}))["rows"]
    assert len(rows) == cluster.world.storage.count(kinds.POD)


async def test_an_unreadable_row_of_a_table_leaves_the_others(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    broken = _pod()
    broken["status"] = {"podIPs": 7}
    cluster.world.storage.create(kinds.POD, broken)
    found = await fetch(admin, _PODS, headers={"Accept": _TABLE})
    cells = {entry["cells"][0]: entry["cells"] for entry in found["rows"]}
    assert set(cells["odd"][1:]) == {"<unknown>"}
    assert len(cells) == cluster.world.storage.count(kinds.POD, "shop")


async def test_a_defect_of_the_server_is_a_status(
    cluster: RunningCluster,
    admin: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("here")

    monkeypatch.setattr(cluster.world.storage, "raw", fail)
    answer = await fetch(admin, vms("shop", "any"), status=500)
    assert (answer["kind"], answer["reason"]) == ("Status", "InternalError")
    assert answer["message"].startswith("Internal error occurred: ")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Traceback" not in told
