"""What of the layers under a VM cannot be seen: which, in what order, and what it takes to see them."""

from __future__ import annotations

import pytest

from kvtui.model import Feed, FeedState
from kvtui.store import Store
from kvtui.unseen import name_unseen, tell_way, unseen_layers
from tests.machines import Object
from tests.resources.test_provisioning import cluster
from tests.resources.test_stack import POSTGRES, find


def dark(*kinds: str, state: FeedState = FeedState.FORBIDDEN, detail: str = "") -> Store:
    """A cluster of which some kinds cannot be seen."""

    def hide(items: list[Object]) -> None:
        items[:] = [item for item in items if item["kind"] not in kinds]

    store = cluster(hide)
    for kind in kinds:
        store.post(Feed("c", kind, state, detail=detail))
    store.drain()
    return store


def told(store: Store) -> str:
    return name_unseen(unseen_layers(store, find(store, POSTGRES)))


def test_of_what_is_seen_nothing_is_told() -> None:
    store = dark()
    assert unseen_layers(store, find(store, POSTGRES)) == []
    assert tell_way([]) == ""


def test_what_does_not_exist_is_not_said_to_be_unseen() -> None:
    assert told(dark("PersistentVolume", state=FeedState.LIVE)) == ""


def test_the_nearest_layer_comes_first_and_those_of_one_state_together() -> None:
    store = dark("Node", "NetworkAttachmentDefinition", "PersistentVolumeClaim")
    layers = unseen_layers(store, find(store, POSTGRES))
    assert [one.role for one in layers] == ["NAD", "node", "PVC", "PVC"]
    claims = ", ".join(f"PVC {one.ref.path}" for one in layers[2:])
    assert told(store) == f"NAD shop/db-vlan120, node {layers[1].ref.name}, {claims}: forbidden"


def test_of_many_layers_the_rest_is_counted() -> None:
    store = dark("StorageClass", "Node", "NetworkAttachmentDefinition", "PersistentVolume")
    assert told(store).startswith("NAD shop/db-vlan120, node ")
    assert told(store).endswith(" and 1 more: forbidden")


def test_many_claims_on_one_class_name_it_once() -> None:
    store = dark("StorageClass")
    names = [one.ref.name for one in unseen_layers(store, find(store, POSTGRES))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("state", "detail", "words"),
    [
        (FeedState.FORBIDDEN, "nodes is forbidden: ...", "forbidden"),
        (FeedState.LOADING, "", "not answered yet"),
        (FeedState.FAILED, "etcdserver: request timed out", "not known (etcdserver: request timed out)"),
    ],
)
def test_it_is_said_why_a_layer_cannot_be_seen(state: FeedState, detail: str, words: str) -> None:
    assert told(dark("Node", state=state, detail=detail)).partition(": ")[2] == words


def test_the_right_that_is_needed_is_named_and_what_somebody_who_has_it_looks_at() -> None:
    store = dark("Node", "StorageClass")
    layers = unseen_layers(store, find(store, POSTGRES))
    assert tell_way(layers) == (
        "ask for list and watch on nodes, storageclasses.storage.k8s.io, "
        f"or have somebody who may look: kubectl describe nodes/{layers[0].ref.name} "
        "storageclasses.storage.k8s.io/ceph-rbd"
    )


def test_where_no_right_helps_none_is_asked_for() -> None:
    store = dark("Node", state=FeedState.FAILED)
    assert tell_way(unseen_layers(store, find(store, POSTGRES))) == ""


def test_a_claim_is_looked_at_in_its_namespace() -> None:
    store = dark("PersistentVolumeClaim")
    layers = unseen_layers(store, find(store, POSTGRES))
    claims = " ".join(f"persistentvolumeclaims/{one.ref.name}" for one in layers)
    assert tell_way(layers).endswith(f"kubectl describe {claims} -n shop")


def test_what_is_in_namespaces_and_what_is_in_none_are_looked_at_one_after_the_other() -> None:
    store = dark("PersistentVolumeClaim", "Node")
    layers = unseen_layers(store, find(store, POSTGRES))
    claims = " ".join(f"persistentvolumeclaims/{one.ref.name}" for one in layers if one.role == "PVC")
    node = next(one.ref.name for one in layers if one.role == "node")
    assert tell_way(layers).endswith(f"kubectl describe nodes/{node}; kubectl describe {claims} -n shop")
