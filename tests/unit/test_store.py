from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvtui.joins.room import used_on
from kvtui.model import Feed, FeedState, Ref, Usage
from kvtui.records.base import Meta, Owner, Record
from kvtui.records.kubernetes import Container, Node, Pod, PodSpec, Requests
from kvtui.store import Change, Delta, Drop, Message, Put, Replace, SetUsage, Store

BACKENDS = ("prod", "lab")
NAMES = ("a", "b", "c")
UIDS = ("1", "2", "3")
NODES = ("", "n1", "n2")

Key = tuple[str, type[Record], str, str]


ONE_CPU = Container(resources=Requests(requests={"cpu": "1"}))


def pod(name: str, *, uid: str = "1", version: str = "1", node: str = "", owners: Iterable[str] = ()) -> Pod:
    owned = tuple(Owner(kind="ReplicaSet", name=owner, uid=owner) for owner in owners)
    meta = Meta(name=name, namespace="shop", uid=uid, resource_version=version, owner_references=owned)
    return Pod(metadata=meta, spec=PodSpec(node_name=node, containers=(ONE_CPU,)))


# An object's version says which one it is: equal uid and version mean an equal object.
versions = st.integers(1, 4)


def make_pod(name: str, uid: str, version: int) -> Pod:
    owners = UIDS[: version % 3]
    return pod(name, uid=uid, version=f"{uid}.{version}", node=NODES[version % 3], owners=owners)


def make_node(name: str, uid: str, version: int) -> Node:
    return Node(metadata=Meta(name=name, uid=uid, resource_version=f"{uid}.{version}"))


pods = st.builds(make_pod, st.sampled_from(NAMES), st.sampled_from(UIDS), versions)
nodes = st.builds(make_node, st.sampled_from(NAMES), st.sampled_from(UIDS), versions)
backends = st.sampled_from(BACKENDS)
feeds = st.builds(
    Feed,
    backends,
    st.sampled_from(("Pod", "Node")),
    st.sampled_from(list(FeedState)),
    st.just(0.0),
    st.text(max_size=2),
)
drops = st.builds(
    lambda backend, name, uid, kind: Drop(backend, kind[0], kind[1], name, uid),
    backends,
    st.sampled_from(NAMES),
    st.sampled_from(("", *UIDS)),
    st.sampled_from(((Pod, "shop"), (Node, ""))),
)


def listing(records: st.SearchStrategy[Record]) -> st.SearchStrategy[list[Record]]:
    return st.lists(records, max_size=4, unique_by=lambda record: record.metadata.name)


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Put, backends, st.one_of(pods, nodes)),
    drops,
    st.builds(Replace, backends, st.just(Pod), listing(pods)),
    st.builds(Replace, backends, st.just(Node), listing(nodes)),
    feeds,
)


class Model:
    """What the store should hold, kept in the plainest way."""

    def __init__(self) -> None:
        self.objects: dict[Key, Record] = {}
        self.feeds: dict[tuple[str, str], Feed] = {}

    def apply(self, message: Message) -> None:
        match message:
            case Put(backend, record):
                self.objects[self.key(backend, record)] = record
            case Drop(backend, type_, namespace, name, uid):
                found = self.objects.get((backend, type_, namespace, name))
                if found is not None and uid in ("", found.metadata.uid):
                    del self.objects[backend, type_, namespace, name]
            case Replace(backend, type_, records):
                self.objects = {key: value for key, value in self.objects.items() if key[:2] != (backend, type_)}
                self.objects |= {self.key(backend, record): record for record in records}
            case Feed():
                self.feeds[message.backend, message.kind] = message

    @staticmethod
    def key(backend: str, record: Record) -> Key:
        return backend, type(record), record.metadata.namespace, record.metadata.name

    @property
    def by_ref(self) -> dict[Ref, Record]:
        return {record.ref(key[0]): record for key, record in self.objects.items()}


class StoreMachine(RuleBasedStateMachine):
    """The store and its model take the same batches."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.model = Model()

    @rule(batch=st.lists(messages, max_size=12))
    def take_a_batch(self, batch: list[Message]) -> None:
        before, version = self.model.by_ref, self.store.version
        for message in batch:
            self.store.post(message)
            self.model.apply(message)
        delta = self.store.drain()
        self.check_delta(delta, before)
        assert (self.store.version > version) is bool(delta)

    def check_delta(self, delta: Delta, before: dict[Ref, Record]) -> None:
        refs = [change.ref for change in delta.changes]
        assert len(refs) == len(set(refs)), "an object changes once in a delta"
        for change in delta.changes:
            assert change.old == before.get(change.ref)
            assert change.new == self.model.by_ref.get(change.ref)
            assert change.old is not None or change.new is not None
        changed = {
            ref for ref in before.keys() | self.model.by_ref.keys() if before.get(ref) != self.model.by_ref.get(ref)
        }
        assert changed <= set(refs), "no change is left out"
        for feed in delta.feeds:
            assert self.model.feeds[feed.backend, feed.kind] == feed

    @rule(backend=backends)
    def list_the_same_again(self, backend: str) -> None:
        for type_ in (Pod, Node):
            same = [record for key, record in self.model.objects.items() if key[:2] == (backend, type_)]
            assert not self.store.apply([Replace(backend, type_, same)])

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        found = {ref: record for type_ in (Pod, Node) for ref, record in self.store.items(type_)}
        assert found == self.model.by_ref
        for (backend, type_, namespace, name), record in self.model.objects.items():
            assert self.store.get(type_, backend, namespace, name) == record
            assert self.store.find(type_, record.ref(backend)) == record
        for backend in BACKENDS:
            for type_ in (Pod, Node):
                count = sum(key[:2] == (backend, type_) for key in self.model.objects)
                assert self.store.count(type_, backend) == count == len(list(self.store.items(type_, backend)))

    @invariant()
    def indexes_say_what_the_objects_say(self) -> None:
        pods = {ref: record for ref, record in self.model.by_ref.items() if isinstance(record, Pod)}
        for backend in BACKENDS:
            for node in NODES:
                linked = {
                    ref for ref, record in pods.items() if ref.backend == backend and record.spec.node_name == node
                }
                found = [ref for ref, _ in self.store.linked(Pod, backend, "node", node)]
                assert sorted(found) == sorted(linked if node else ())
                assert used_on(self.store, backend, node).get("cpu", 0) == (len(linked) if node else 0)
        for uid in UIDS:
            owned = [
                ref for ref, record in pods.items() if uid in {owner.uid for owner in record.metadata.owner_references}
            ]
            assert sorted(ref for ref, _ in self.store.owned(Pod, uid)) == sorted(owned)

    @invariant()
    def knows_the_feeds(self) -> None:
        assert {(feed.backend, feed.kind): feed for feed in self.store.feeds()} == self.model.feeds


TestStore = StoreMachine.TestCase


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_any_way_of_cutting_batches_ends_in_the_same_state(cuts: list[int]) -> None:
    steps: list[Message] = [Put("prod", make_pod(NAMES[i % 3], UIDS[i % 2], i + 1)) for i in range(sum(cuts))]
    whole, cut = Store(), Store()
    whole.apply(steps)
    for size in cuts:
        cut.apply(steps[:size])
        steps = steps[size:]
    assert dict(whole.items(Pod)) == dict(cut.items(Pod))


def test_the_same_version_again_is_no_change() -> None:
    store = Store()
    assert store.apply([Put("prod", pod("a", version="7"))])
    assert not store.apply([Put("prod", pod("a", version="7"))])
    assert store.version == 1


def test_objects_without_a_version_always_change() -> None:
    store = Store()
    store.apply([Put("prod", pod("a", version=""))])
    assert store.apply([Put("prod", pod("a", version="", node="n1"))])


def test_an_object_made_anew_is_another_one() -> None:
    store = Store()
    first, second = pod("a", uid="1"), pod("a", uid="2")
    store.apply([Put("prod", first)])
    delta = store.apply([Put("prod", second)])
    assert delta.changes == (Change(first.ref("prod"), first, None), Change(second.ref("prod"), None, second))
    assert store.find(Pod, first.ref("prod")) is None
    assert store.find(Pod, first.ref("prod")._replace(uid="")) is second
    assert not store.apply([Drop("prod", Pod, "shop", "a", "1")]), "the late news of the first one's end"
    assert store.get(Pod, "prod", "shop", "a") is second


def test_what_came_and_went_within_a_batch_is_no_change() -> None:
    store = Store()
    assert not store.apply([Put("prod", pod("a")), Drop("prod", Pod, "shop", "a", "1")])
    assert not list(store.items(Pod))


def test_many_changes_of_an_object_are_one() -> None:
    store = Store()
    states = [pod("a", version=str(version)) for version in range(5)]
    store.apply([Put("prod", states[0])])
    delta = store.apply([Put("prod", state) for state in states[1:]])
    assert delta.changes == (Change(states[0].ref("prod"), states[0], states[-1]),)
    assert delta.changes[0].record is states[-1]


def test_a_listing_ends_what_it_does_not_name_in_that_backend_alone() -> None:
    store = Store()
    store.apply([Put(backend, pod(name)) for backend in BACKENDS for name in "ab"])
    delta = store.apply([Replace("prod", Pod, [pod("b")])])
    assert [(change.ref.backend, change.ref.name, change.new) for change in delta.changes] == [("prod", "a", None)]
    assert delta.changes[0].record.metadata.name == "a"
    assert [(ref.backend, ref.name) for ref, _ in store.items(Pod)] == [("prod", "b"), ("lab", "a"), ("lab", "b")]


def test_an_unknown_feed_is_loading() -> None:
    store = Store()
    assert store.feed("prod", "Pod").state is FeedState.LOADING
    live = Feed("prod", "Pod", FeedState.LIVE, since=5.0)
    assert store.apply([live]).feeds == (live,)
    assert store.feed("prod", "Pod") is live
    assert not store.apply([Feed("prod", "Pod", FeedState.LIVE, since=5.0)])


def test_usage_is_replaced_as_a_whole() -> None:
    store = Store()
    assert not store.has_usage("prod", "Node")
    delta = store.apply([SetUsage("prod", "Node", {("", "n1"): Usage(1.5, 2.0)})])
    assert delta.usage == {("prod", "Node")}
    assert store.usage("prod", "Node", "", "n1") == Usage(1.5, 2.0)
    assert store.has_usage("prod", "Node")
    store.apply([SetUsage("prod", "Node", {("", "n2"): Usage(1.0, 1.0)})])
    assert store.usage("prod", "Node", "", "n1") is None
    assert store.usage("lab", "Node", "", "n2") is None


def test_nothing_in_the_inbox_is_no_delta() -> None:
    store = Store()
    assert not store.drain()
    assert store.version == 0
    assert not store.owned(Pod, "")
    assert not store.linked(Pod, "prod", "node", "n1")
