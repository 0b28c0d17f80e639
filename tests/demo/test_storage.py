"""The storage: what the API machinery promises of create, update, delete, the log and garbage collection."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvtui.demo import kinds
from kvtui.demo.changes import Change
from kvtui.demo.storage import FOREGROUND, Kind, Object, Storage, StorageError

NOW = "2026-11-21T01:46:41Z"


@pytest.fixture
def storage() -> Storage:
    return Storage(lambda: NOW, seed=7)


def vm(name: str = "web-1", **metadata: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": {"runStrategy": "Always"},
        "status": {"printableStatus": "Running"},
    }


def pod(name: str = "p", *, node: str = "node01", **metadata: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "shop", **metadata}, "spec": {"nodeName": node}}


def owner(obj: Object, *, block: bool = True) -> Object:
    who = {name: obj["metadata"][name] for name in ("name", "uid")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **who, "blockOwnerDeletion": block}


def refused(code: int, reason: str) -> Any:
    class _Check:
        def __enter__(self) -> None:
            self._raises = pytest.raises(StorageError)
            self.error = self._raises.__enter__()

        def __exit__(self, *args: Any) -> bool:
            done = bool(self._raises.__exit__(*args))
            assert (self.error.value.code, self.error.value.reason) == (code, reason)
            return done

    return _Check()


def test_a_new_object_gets_what_the_server_owns(storage: Storage) -> None:
    created = storage.create(kinds.VM, vm(uid="mine", generation=9, deletionTimestamp=NOW))
    meta = created["metadata"]
    assert meta["creationTimestamp"] == NOW
    assert meta["generation"] == 1
    assert len(meta["uid"]) == 36
    assert "deletionTimestamp" not in meta
    assert meta["resourceVersion"] == str(storage.revision)
    assert (created["apiVersion"], created["kind"]) == ("kubevirt.io/v1", "VirtualMachine")


def test_names_and_uids_repeat_with_the_seed() -> None:
    def generated(seed: int) -> tuple[str, str]:
        meta = Storage(lambda: NOW, seed=seed).create(kinds.POD, pod("", generateName="web-"))["metadata"]
        return meta["name"], meta["uid"]

    assert generated(3) == generated(3) != generated(4)
    assert generated(3)[0].startswith("web-")


def test_a_second_object_of_a_name_is_refused_in_the_servers_words(storage: Storage) -> None:
    storage.create(kinds.VM, vm())
    with pytest.raises(StorageError) as refusal:
        storage.create(kinds.VM, vm())
    # create-exists-409 of the recordings of kube-apiserver 1.36.
    assert refusal.value.status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'virtualmachines.kubevirt.io "web-1" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "web-1", "group": "kubevirt.io", "kind": "virtualmachines"},
        "code": 409,
    }


def test_an_absent_object_is_told_in_the_servers_words(storage: Storage) -> None:
    with pytest.raises(StorageError) as refusal:
        storage.get(kinds.VM, "shop", "nope")
    assert refusal.value.message == 'virtualmachines.kubevirt.io "nope" not found'
    assert storage.find(kinds.VM, "shop", "nope") is None


def test_a_bad_name_is_told_in_the_servers_words(storage: Storage) -> None:
    with pytest.raises(StorageError) as refusal:
        storage.create(kinds.VM, vm("Bad_Name"))
    # create-invalid-vm of the recordings.
    assert refusal.value.message.startswith(
        'VirtualMachine.kubevirt.io "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC '
        "1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'example.com', regex used for validation is "
    )
    assert refusal.value.details is not None
    assert refusal.value.details["kind"] == "VirtualMachine"
    assert refusal.value.details["causes"][0]["field"] == "metadata.name"
    with refused(422, "Invalid"):
        storage.create(kinds.VM, vm(""))
    with refused(422, "Invalid"):
        storage.create(kinds.VM, vm("a" * 254))


def test_metadata_of_a_wrong_type_is_a_bad_request(storage: Storage) -> None:
    with refused(400, "BadRequest"):
        storage.create(kinds.VM, vm(labels={"app": 7}))
    with refused(400, "BadRequest"):
        storage.create(kinds.VM, {"metadata": {"name": "x"}})


def test_what_is_handed_out_is_a_copy(storage: Storage) -> None:
    storage.create(kinds.VM, vm())["spec"]["runStrategy"] = "Halted"
    storage.get(kinds.VM, "shop", "web-1")["spec"]["runStrategy"] = "Halted"
    storage.list(kinds.VM)[0]["spec"]["runStrategy"] = "Halted"
    assert storage.get(kinds.VM, "shop", "web-1")["spec"]["runStrategy"] == "Always"


def test_lists_are_in_order_and_filtered(storage: Storage) -> None:
    for namespace, name in (("shop", "b"), ("lab", "z"), ("shop", "a"), ("shop-2", "c")):
        labels = {"app": name, "team": "x"}
        storage.create(kinds.VM, {"metadata": {"name": name, "namespace": namespace, "labels": labels}})
    places = [(row.namespace, row.name) for row in storage.raw_list(kinds.VM)]
    assert places == [("lab", "z"), ("shop", "a"), ("shop", "b"), ("shop-2", "c")]
    assert [row.name for row in storage.raw_list(kinds.VM, "shop")] == ["a", "b"]
    assert [obj["metadata"]["name"] for obj in storage.list(kinds.VM, "shop", {"app": "b"})] == ["b"]
    assert storage.list(kinds.VM, labels={"app": "b", "team": "y"}) == []
    assert storage.count(kinds.VM) == 4


def test_an_update_of_an_old_version_conflicts(storage: Storage) -> None:
    stale = storage.create(kinds.VM, vm())
    storage.modify(kinds.VM, "shop", "web-1", lambda obj: obj["spec"].update(runStrategy="Halted"))
    with pytest.raises(StorageError) as refusal:
        storage.update(kinds.VM, stale)
    # update-conflict-409 of the recordings.
    assert refusal.value.message == (
        'Operation cannot be fulfilled on virtualmachines.kubevirt.io "web-1": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refusal.value.code == 409


def test_spec_and_status_are_written_apart(storage: Storage) -> None:
    obj = storage.create(kinds.VM, vm())
    obj["spec"]["runStrategy"], obj["status"]["printableStatus"] = "Halted", "Stopped"
    obj = storage.update(kinds.VM, obj)
    assert (obj["spec"]["runStrategy"], obj["status"]["printableStatus"]) == ("Halted", "Running")
    assert obj["metadata"]["generation"] == 2
    obj["spec"]["runStrategy"], obj["status"]["printableStatus"] = "Always", "Stopped"
    obj = storage.update(kinds.VM, obj, status=True)
    assert (obj["spec"]["runStrategy"], obj["status"]["printableStatus"]) == ("Halted", "Stopped")
    assert obj["metadata"]["generation"] == 2


def test_a_vmi_has_no_status_subresource_so_its_generation_counts_status(storage: Storage) -> None:
    vmi = storage.create(kinds.VMI, {"metadata": {"name": "a", "namespace": "shop"}})
    vmi["status"] = {"phase": "Running"}
    assert storage.update(kinds.VMI, vmi)["metadata"]["generation"] == 2


def test_labels_do_not_count_as_a_generation_and_nodes_have_none(storage: Storage) -> None:
    obj = storage.create(kinds.VM, vm())
    obj["metadata"]["labels"] = {"a": "b"}
    assert storage.update(kinds.VM, obj)["metadata"]["generation"] == 1
    assert "generation" not in storage.create(kinds.NODE, {"metadata": {"name": "n"}})["metadata"]


def test_a_write_that_changes_nothing_has_no_revision(storage: Storage) -> None:
    obj = storage.create(kinds.VM, vm())
    before = storage.revision
    assert storage.update(kinds.VM, obj) == obj
    assert storage.revision == before


def test_a_client_cannot_write_what_the_server_owns(storage: Storage) -> None:
    obj = storage.create(kinds.VM, vm())
    changed = msgspec.json.decode(msgspec.json.encode(obj))
    changed["metadata"] |= {"creationTimestamp": "1999-01-01T00:00:00Z", "generation": 99, "deletionTimestamp": NOW}
    assert storage.update(kinds.VM, changed) == obj
    changed["metadata"]["uid"] = "another"
    with refused(409, "Conflict"):
        storage.update(kinds.VM, changed)


def test_finalizers_hold_an_object_until_the_last_is_gone(storage: Storage) -> None:
    obj = storage.create(kinds.VM, vm(finalizers=["a", "b"]))
    marked = storage.delete(kinds.VM, "shop", "web-1")
    assert marked["metadata"]["deletionTimestamp"] == NOW
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert marked["metadata"]["generation"] == 2
    again = storage.delete(kinds.VM, "shop", "web-1")
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    storage.modify(kinds.VM, "shop", "web-1", lambda obj: obj["metadata"]["finalizers"].remove("a"))
    assert storage.find(kinds.VM, "shop", "web-1") is not None
    with refused(422, "Invalid"):
        storage.modify(kinds.VM, "shop", "web-1", lambda obj: obj["metadata"]["finalizers"].append("late"))
    storage.modify(kinds.VM, "shop", "web-1", lambda obj: obj["metadata"].pop("finalizers"))
    assert storage.find(kinds.VM, "shop", "web-1") is None
    assert storage.by_uid(obj["metadata"]["uid"]) is None


def test_deletion_preconditions(storage: Storage) -> None:
    obj = storage.create(kinds.VM, vm())
    with refused(409, "Conflict"):
        storage.delete(kinds.VM, "shop", "web-1", uid="another")
    with refused(409, "Conflict"):
        storage.delete(kinds.VM, "shop", "web-1", resource_version="1")
    storage.delete(kinds.VM, "shop", "web-1", uid=obj["metadata"]["uid"])
    with refused(404, "NotFound"):
        storage.delete(kinds.VM, "shop", "web-1")


def test_a_running_pod_stays_for_its_grace_period(storage: Storage) -> None:
    storage.create(kinds.POD, pod())
    meta = storage.delete(kinds.POD, "shop", "p")["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == ("2026-11-21T01:47:11Z", 30)
    meta = storage.delete(kinds.POD, "shop", "p", grace=60)["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 30
    meta = storage.delete(kinds.POD, "shop", "p", grace=5)["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == ("2026-11-21T01:46:46Z", 5)
    storage.delete(kinds.POD, "shop", "p", grace=0)
    assert storage.find(kinds.POD, "shop", "p") is None


@pytest.mark.parametrize("case", ["unscheduled", "ended"])
def test_a_pod_that_does_not_run_goes_at_once(storage: Storage, case: str) -> None:
    obj = pod(node="" if case == "unscheduled" else "node01")
    if case == "ended":
        obj["status"] = {"phase": "Succeeded"}
    storage.create(kinds.POD, obj)
    storage.delete(kinds.POD, "shop", "p")
    assert storage.find(kinds.POD, "shop", "p") is None


def family(storage: Storage, *, block: bool = True) -> tuple[Object, Object]:
    parent = storage.create(kinds.VM, vm())
    child = storage.create(
        kinds.VMI, {**vm(), "metadata": {**vm()["metadata"], "ownerReferences": [owner(parent, block=block)]}}
    )
    storage.create(kinds.POD, pod(ownerReferences=[owner(child, block=block)]))
    return parent, child


def test_background_deletion_takes_the_dependents(storage: Storage) -> None:
    parent, _ = family(storage)
    storage.delete(kinds.VM, "shop", "web-1")
    assert storage.find(kinds.VM, "shop", "web-1") is None
    assert storage.find(kinds.VMI, "shop", "web-1") is None
    assert "deletionTimestamp" in storage.get(kinds.POD, "shop", "p")["metadata"]
    assert storage.owned(parent["metadata"]["uid"]) == []


def test_foreground_deletion_waits_for_what_blocks_it(storage: Storage) -> None:
    family(storage)
    marked = storage.delete(kinds.VM, "shop", "web-1", propagation="Foreground")
    assert marked["metadata"]["finalizers"] == [FOREGROUND]
    assert storage.get(kinds.VMI, "shop", "web-1")["metadata"]["finalizers"] == [FOREGROUND]
    storage.delete(kinds.POD, "shop", "p", grace=0)
    assert storage.count(kinds.VM) == storage.count(kinds.VMI) == storage.count(kinds.POD) == 0


def test_foreground_deletion_does_not_wait_for_what_does_not_block(storage: Storage) -> None:
    family(storage, block=False)
    storage.delete(kinds.VM, "shop", "web-1", propagation="Foreground")
    assert storage.count(kinds.VM) == storage.count(kinds.VMI) == 0
    assert storage.count(kinds.POD) == 1


def test_orphaned_dependents_lose_their_owner_and_stay(storage: Storage) -> None:
    family(storage)
    storage.delete(kinds.VM, "shop", "web-1", propagation="Orphan")
    assert storage.find(kinds.VM, "shop", "web-1") is None
    assert "ownerReferences" not in storage.get(kinds.VMI, "shop", "web-1")["metadata"]


def test_an_owner_that_waits_for_its_dependents_goes_when_they_are_orphaned(storage: Storage) -> None:
    parent = storage.create(kinds.POD, pod())
    held = {"name": "x", "namespace": "shop", "finalizers": ["held"], "ownerReferences": [owner(parent)]}
    storage.create(kinds.VMI, {"metadata": held})
    storage.delete(kinds.POD, "shop", "p", propagation="Foreground")
    storage.delete(kinds.POD, "shop", "p", propagation="Orphan", grace=0)
    assert storage.find(kinds.POD, "shop", "p") is None


def test_a_dependent_of_two_owners_stays_while_one_lives(storage: Storage) -> None:
    owners = [owner(storage.create(kinds.VM, vm(name))) for name in ("a", "b")]
    storage.create(kinds.PVC, {"metadata": {"name": "data", "namespace": "shop", "ownerReferences": owners}})
    storage.delete(kinds.VM, "shop", "a")
    left = storage.get(kinds.PVC, "shop", "data")["metadata"]["ownerReferences"]
    assert [found["name"] for found in left] == ["b"]
    storage.delete(kinds.VM, "shop", "b")
    assert storage.find(kinds.PVC, "shop", "data") is None


def test_an_object_whose_owner_is_gone_already_is_collected(storage: Storage) -> None:
    parent = storage.create(kinds.VM, vm())
    storage.delete(kinds.VM, "shop", "web-1")
    storage.create(kinds.VMI, {"metadata": {"name": "x", "namespace": "shop", "ownerReferences": [owner(parent)]}})
    assert storage.find(kinds.VMI, "shop", "x") is None
    foreign = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u"}
    storage.create(kinds.POD, pod(ownerReferences=[foreign]))
    assert storage.find(kinds.POD, "shop", "p") is not None


def test_the_log_has_every_change_and_says_when_it_is_compacted(storage: Storage) -> None:
    storage.load(kinds.NODE, [{"metadata": {"name": "node01"}}])
    start = storage.revision
    storage.create(kinds.VM, vm(labels={"app": "a"}))
    storage.modify(kinds.VM, "shop", "web-1", lambda obj: obj["metadata"].update(labels={"app": "b"}))
    storage.delete(kinds.VM, "shop", "web-1")
    log = list(storage.since(start))
    assert [change.type for change in log] == ["ADDED", "MODIFIED", "DELETED"]
    assert [change.revision for change in log] == [start + 1, start + 2, start + 3]
    assert [change.previous_labels for change in log] == [None, {"app": "a"}, {"app": "b"}]
    assert [msgspec.json.decode(change.raw)["metadata"]["resourceVersion"] for change in log] == [
        str(change.revision) for change in log
    ]
    storage.compact(start + 2)
    assert [change.type for change in storage.since(start + 2)] == ["DELETED"]
    with pytest.raises(StorageError) as refusal:
        storage.since(start)
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    assert refusal.value.message == f"too old resource version: {start} ({start + 2})"


def test_the_log_is_bounded() -> None:
    storage = Storage(lambda: NOW, log_size=3)
    for number in range(5):
        storage.create(kinds.VM, vm(f"v{number}"))
    assert [change.name for change in storage.since(storage.revision - 3)] == ["v2", "v3", "v4"]
    with refused(410, "Expired"):
        storage.since(storage.revision - 4)


def test_a_list_can_be_read_as_it_was(storage: Storage) -> None:
    storage.create(kinds.VM, vm("a"))
    storage.create(kinds.VM, vm("b"))
    then, rows = storage.revision, storage.raw_list(kinds.VM)
    storage.modify(kinds.VM, "shop", "a", lambda obj: obj["spec"].update(runStrategy="Halted"))
    storage.delete(kinds.VM, "shop", "b")
    storage.create(kinds.VM, vm("c"))
    assert storage.raw_list(kinds.VM, None, then) == rows
    assert storage.raw_list(kinds.VM, "shop", then) == rows
    assert [row.name for row in storage.raw_list(kinds.VM)] == ["a", "c"]


def test_listeners_hear_everything_in_order_even_what_other_listeners_write(storage: Storage) -> None:
    heard: list[int] = []

    def writer(change: Change) -> None:
        if change.kind == kinds.VM and change.type == "ADDED":
            storage.create(kinds.VMI, {"metadata": {"name": change.name, "namespace": change.namespace}})

    storage.subscribe(writer)
    end = storage.subscribe(lambda change: heard.append(change.revision))
    storage.create(kinds.VM, vm("a"))
    assert heard == [storage.revision - 1, storage.revision]
    end()
    storage.create(kinds.VM, vm("b"))
    assert len(heard) == 2


def test_loading_keeps_what_is_given_and_tells_nobody(storage: Storage) -> None:
    heard: list[Change] = []
    storage.subscribe(heard.append)
    given = {"uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "500"}
    storage.load(kinds.VM, [vm("b", **given), vm("a")])
    assert heard == []
    assert storage.get(kinds.VM, "shop", "b")["metadata"] | given == storage.get(kinds.VM, "shop", "b")["metadata"]
    assert storage.get(kinds.VM, "shop", "a")["metadata"]["resourceVersion"] == "501"
    assert [row.name for row in storage.raw_list(kinds.VM)] == ["a", "b"]
    with refused(410, "Expired"):
        storage.since(1)


_NAMES = st.sampled_from(["a", "b", "c"])
_KINDS = st.sampled_from([kinds.VM, kinds.VMI, kinds.POD])


class StorageMachine(RuleBasedStateMachine):
    """Random writes; whoever only reads the log must know the same state, and no dependent outlives its owners."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = Storage(lambda: NOW)
        self.replayed: dict[tuple[Kind, str], bytes] = {}
        self.revisions: list[int] = []
        self.storage.subscribe(self.hear)

    def hear(self, change: Change) -> None:
        self.revisions.append(change.revision)
        key = (change.kind, change.name)
        assert (change.type == "ADDED") == (key not in self.replayed)
        assert change.previous == self.replayed.get(key)
        if change.type == "DELETED":
            del self.replayed[key]
        else:
            self.replayed[key] = change.raw

    @rule(
        kind=_KINDS,
        name=_NAMES,
        parents=st.lists(st.tuples(_KINDS, _NAMES, st.booleans()), max_size=2),
        hold=st.booleans(),
    )
    def create(self, kind: Kind, name: str, parents: list[tuple[Kind, str, bool]], hold: bool) -> None:
        if self.storage.find(kind, "shop", name) is not None:
            return
        found = [(self.storage.find(parent, "shop", title), block) for parent, title, block in parents]
        references = [owner(obj, block=block) for obj, block in found if obj is not None]
        finalizers = ["test/hold"] if hold else []
        self.storage.create(kind, pod(name, ownerReferences=references, finalizers=finalizers))

    @rule(kind=_KINDS, name=_NAMES, value=st.integers(0, 2))
    def modify(self, kind: Kind, name: str, value: int) -> None:
        self.storage.modify(kind, "shop", name, lambda obj: obj["spec"].update(value=value))

    @rule(kind=_KINDS, name=_NAMES)
    def release(self, kind: Kind, name: str) -> None:
        def drop(obj: Object) -> None:
            finalizers = obj["metadata"].get("finalizers", [])
            obj["metadata"]["finalizers"] = [held for held in finalizers if held != "test/hold"]

        self.storage.modify(kind, "shop", name, drop)

    @rule(
        kind=_KINDS,
        name=_NAMES,
        how=st.sampled_from(["Background", "Foreground", "Orphan"]),
        grace=st.sampled_from([None, 0, 5]),
    )
    def delete(self, kind: Kind, name: str, how: str, grace: int | None) -> None:
        if self.storage.find(kind, "shop", name) is not None:
            self.storage.delete(kind, "shop", name, propagation=how, grace=grace)

    @rule(back=st.integers(0, 10))
    def look_back(self, back: int) -> None:
        revision = max(1, self.storage.revision - back)
        rows = {
            kind: {row.name: row.raw for row in self.storage.raw_list(kind, None, revision)}
            for kind in (kinds.VM, kinds.POD)
        }
        for change in self.storage.since(revision):
            if change.kind in rows:
                rows[change.kind].pop(change.name, None)
                if change.type != "DELETED":
                    rows[change.kind][change.name] = change.raw
        for kind, found in rows.items():
            assert found == {row.name: row.raw for row in self.storage.raw_list(kind)}

    @invariant()
    def the_log_gives_the_state(self) -> None:
        stored = {
            (kind, row.name): row.raw
            for kind in (kinds.VM, kinds.VMI, kinds.POD)
            for row in self.storage.raw_list(kind)
        }
        assert stored == self.replayed

    @invariant()
    def revisions_grow(self) -> None:
        assert self.revisions == sorted(set(self.revisions))

    @invariant()
    def no_orphan_is_left(self) -> None:
        for kind in (kinds.VM, kinds.VMI, kinds.POD):
            for row in self.storage.raw_list(kind):
                if row.owners and not row.deleting:
                    assert any(self.storage.by_uid(found.uid) for found in row.owners), row.name

    @invariant()
    def nothing_waits_for_nothing(self) -> None:
        for kind in (kinds.VM, kinds.VMI, kinds.POD):
            for row in self.storage.raw_list(kind):
                if row.deleting and not row.grace and row.finalizers == (FOREGROUND,):
                    blockers = [self.storage.raw(*place).blocks(row.uid) for place in self.storage.owned(row.uid)]
                    assert any(blockers), row.name
                assert not (row.deleting and not row.grace and not row.finalizers), row.name


TestStorageMachine = StorageMachine.TestCase
TestStorageMachine.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
