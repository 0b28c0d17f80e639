"""The four kinds of patch: the examples of their RFCs, the rules of Kubernetes, and properties that always hold.

What strategic merges give and say is what ``StrategicMergeMapPatch`` of apimachinery 0.36.0 gave for the same patch.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.demo import kinds
from kvtui.demo.apply import apply
from kvtui.demo.patches import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_patch,
    json_patch,
    merge_patch,
)
from kvtui.demo.storage import Kind, Object, StorageError
from kvtui.demo.strategic import strategic_patch

# RFC 7386, appendix A: original, patch, result.
RFC_7386: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7386)
def test_rfc_7386(original: Any, patch: Any, result: Any) -> None:
    assert merge_patch(original, patch) == result


_PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", ""])
_KEYS = st.sampled_from(["a", "b", "c"])
_JSON = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)
_OBJECTS = st.dictionaries(_KEYS, _JSON, max_size=3)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


def difference(old: Any, new: Any) -> Any:
    """The merge patch that leads from one to the other."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    gone = dict.fromkeys(old.keys() - new.keys())
    return gone | {name: difference(old.get(name), value) for name, value in new.items() if old.get(name) != value}


@given(_JSON, _JSON)
def test_a_merge_patch_applied_twice_is_applied_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(_JSON, _JSON)
def test_a_merge_patch_leaves_its_arguments_alone(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    merge_patch(target, patch)
    assert (target, patch) == before


@given(_OBJECTS, _OBJECTS)
def test_the_difference_of_two_objects_leads_from_one_to_the_other(old: Object, new: Object) -> None:
    old, new = without_nulls(old), without_nulls(new)
    assert merge_patch(old, difference(old, new)) == new


# RFC 6902, appendix A: document, operations, result (None where the operation must fail).
RFC_6902: list[tuple[str, Any, list[Object], Any]] = [
    ("A.1", {"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    (
        "A.2",
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    ("A.3", {"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ("A.4", {"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    (
        "A.5",
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    (
        "A.6",
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        "A.7",
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        "A.8",
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    ("A.9", {"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], None),
    (
        "A.10",
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    ("A.11", {"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
    ("A.12", {"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], None),
    ("A.14", {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ("A.15", {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}], None),
    (
        "A.16",
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
]


@pytest.mark.parametrize(("example", "document", "operations", "result"), RFC_6902, ids=[row[0] for row in RFC_6902])
def test_rfc_6902(example: str, document: Any, operations: list[Object], result: Any) -> None:
    if result is not None:
        assert json_patch(document, operations) == result
        return
    with pytest.raises(StorageError) as refusal:
        json_patch(document, operations)
    # patch-json-422 of the recordings of kube-apiserver 1.36: it says no more than this.
    assert refusal.value.status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "the server rejected our request due to an error in our request",
        "reason": "Invalid",
        "details": {},
        "code": 422,
    }


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/absent"},
        {"op": "replace", "path": "/absent", "value": 1},
        {"op": "add", "path": "/list/5", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "add", "path": "no-slash", "value": 1},
        {"op": "add", "path": "/text/x", "value": 1},
        {"op": "test", "path": "/one", "value": True},
        {"op": "move", "from": "/map", "path": "/map/inner"},
        {"op": "frobnicate", "path": "/one"},
        {"op": "add", "path": "/x"},
        {"path": "/x"},
    ],
)
def test_operations_that_cannot_be_carried_out(operation: Object) -> None:
    with pytest.raises(StorageError) as refusal:
        json_patch({"list": [1], "text": "t", "one": 1, "map": {}}, [operation])
    assert refusal.value.code == 422


@given(_OBJECTS, _KEYS, _JSON)
def test_what_was_added_can_be_tested_and_removed(document: Object, key: str, value: Any) -> None:
    added = json_patch(document, [{"op": "add", "path": f"/{key}", "value": value}])
    json_patch(added, [{"op": "test", "path": f"/{key}", "value": value}])
    removed = json_patch(added, [{"op": "remove", "path": f"/{key}"}])
    assert removed == {name: member for name, member in document.items() if name != key}


POD: Object = {
    "metadata": {"name": "p", "finalizers": ["a", "b"], "labels": {"app": "web"}},
    "spec": {
        "containers": [
            {"name": "main", "image": "one", "env": [{"name": "A", "value": "1"}], "args": ["x"]},
            {"name": "side", "image": "two", "ports": [{"containerPort": 80, "name": "http"}]},
        ],
        "tolerations": [{"key": "old"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


def containers(patch: list[Object]) -> Any:
    return strategic_patch(POD, {"spec": {"containers": patch}})["spec"]["containers"]


def test_strategic_lists_merge_by_their_key() -> None:
    assert containers([{"name": "main", "image": "new", "env": [{"name": "B", "value": "2"}]}, {"name": "third"}]) == [
        {
            "name": "main",
            "image": "new",
            "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
            "args": ["x"],
        },
        {"name": "third"},
        POD["spec"]["containers"][1],
    ]
    ports = containers([{"name": "side", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]}])
    assert ports[1]["ports"] == [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]


def test_strategic_lists_without_a_key_are_replaced() -> None:
    patched = strategic_patch(POD, {"spec": {"tolerations": [{"key": "new"}]}})
    assert patched["spec"]["tolerations"] == [{"key": "new"}]
    assert containers([{"name": "main", "args": ["y"]}])[0]["args"] == ["y"]


def test_strategic_directives() -> None:
    assert [one["name"] for one in containers([{"name": "main", "$patch": "delete"}])] == ["side"]
    assert containers([{"$patch": "replace"}, {"name": "only"}]) == [{"name": "only"}]
    assert strategic_patch(POD, {"metadata": {"labels": {"$patch": "replace", "a": "b"}}})["metadata"]["labels"] == {
        "a": "b"
    }
    assert strategic_patch(POD, {"metadata": {"labels": {"$patch": "delete"}}})["metadata"]["labels"] == {}
    kept = strategic_patch(
        POD, {"spec": {"volumes": [{"name": "data", "hostPath": {"path": "/x"}, "$retainKeys": ["name", "hostPath"]}]}}
    )
    assert kept["spec"]["volumes"] == [{"name": "data", "hostPath": {"path": "/x"}}]
    ordered = strategic_patch(POD, {"spec": {"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}]}})
    assert [one["name"] for one in ordered["spec"]["containers"]] == ["side", "main"]
    assert [one["name"] for one in containers([{"name": "side"}, {"name": "main"}])] == ["side", "main"]
    assert containers([{"$patch": "replace"}, {"name": "main", "$patch": "delete"}]) == []


def test_strategic_directives_for_what_is_not_there_do_nothing() -> None:
    patch: Object = {
        "metadata": {"annotations": {"$patch": "replace", "a": "b"}, "$deleteFromPrimitiveList/absent": ["a"]},
        "spec": {"initContainers": [{"name": "gone", "$patch": "delete"}, {"image": "kept", "command": None}]},
    }
    patched = strategic_patch(POD, patch)
    assert patched["metadata"] == POD["metadata"]
    assert patched["spec"]["initContainers"] == [{"image": "kept"}]


def test_strategic_sets_of_plain_values() -> None:
    def finalizers(patch: Object) -> Any:
        return strategic_patch(POD, {"metadata": patch})["metadata"]["finalizers"]

    assert finalizers({"finalizers": ["b", "c"]}) == ["a", "b", "c"]
    assert finalizers({"finalizers": ["c"]}) == ["c", "a", "b"]
    assert finalizers({"finalizers": ["c"], "$setElementOrder/finalizers": ["b", "a", "c"]}) == ["b", "a", "c"]
    assert finalizers({"$deleteFromPrimitiveList/finalizers": ["a"]}) == ["b"]
    assert finalizers({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}) == ["c", "b"]


NO_KEY = "map: map[image:x on:true ports:[80 <nil>]] does not contain declared merge key: name"


@pytest.mark.parametrize(
    ("patch", "code", "words"),
    [
        ({"spec": {"containers": [{"image": "x", "on": True, "ports": [80, None]}]}}, 500, NO_KEY),
        ({"spec": {"$patch": "odd", "a": "b"}}, 500, "unknown patch type: odd in map: map[$patch:odd a:b]"),
        ({"spec": {"$patch": "merge"}}, 500, "unknown patch type: merge in map: map[$patch:merge]"),
        (
            {"spec": {"containers": [{"name": "main", "$patch": "merge"}]}},
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        ({"spec": {"$setElementOrder/containers": "x"}}, 500, "expected a []interface {}, but received a string"),
        (
            {"metadata": {"finalizers": ["d", "c"], "$setElementOrder/finalizers": ["c", "d"]}},
            500,
            "The order in patch list:\n[d c]\n doesn't match $setElementOrder list:\n[c d]\n",
        ),
        ({"spec": {"$retainKeys": "x"}}, 400, "invalid patch format of retainKeys"),
        ({"spec": {"$retainKeys": [], "nodeName": "n"}}, 400, "invalid patch format of retainKeys"),
        (
            {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
            400,
            "invalid patch format of primitive list",
        ),
    ],
)
def test_malformed_strategic_patches(patch: Object, code: int, words: str) -> None:
    with pytest.raises(StorageError) as refusal:
        strategic_patch(POD, patch)
    assert (refusal.value.code, refusal.value.message) == (code, words)
    assert ("reason" in refusal.value.status()) is (code == 400)


def test_strategic_patches_leave_their_arguments_alone() -> None:
    before = copy.deepcopy(POD)
    strategic_patch(POD, {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "9"}]}]}})
    assert before == POD


def test_custom_resources_take_no_strategic_patch() -> None:
    with pytest.raises(StorageError) as refusal:
        apply_patch(kinds.VM, {}, {}, STRATEGIC_PATCH)
    # patch-strategic-415 of the recordings.
    assert refusal.value.code == 415
    assert refusal.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    assert apply_patch(kinds.POD, POD, {}, STRATEGIC_PATCH) == POD


@pytest.mark.parametrize(
    ("kind", "media_type", "document", "code", "words"),
    [
        (
            kinds.VM,
            JSON_PATCH,
            {"op": "add"},
            400,
            "cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (kinds.VM, JSON_PATCH, ["x"], 400, "cannot unmarshal string into Go value of type handlers.jsonPatchOp"),
        (kinds.VM, JSON_PATCH, [{"op": "add", "path": "", "value": 7}], 422, "the server rejected our request"),
        (
            kinds.VM,
            JSON_PATCH,
            [{"op": "test", "path": "/x", "value": 1}] * 10_001,
            413,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
        ),
        (kinds.VM, MERGE_PATCH, [1], 400, "cannot unmarshal array into Go value of type map[string]interface {}"),
        (kinds.POD, STRATEGIC_PATCH, "x", 400, "cannot unmarshal string into Go value of type map[string]interface {}"),
        (kinds.VM, MERGE_PATCH, None, 400, "cannot unmarshal null"),
        (kinds.VM, "text/plain", {}, 415, "the body of the request was in an unknown format"),
    ],
)
def test_bodies_that_are_no_patch(kind: Kind, media_type: str, document: Any, code: int, words: str) -> None:
    with pytest.raises(StorageError) as refusal:
        apply_patch(kind, {}, document, media_type)
    assert refusal.value.code == code
    assert words in refusal.value.message


def configuration(**parts: Any) -> Object:
    labels = parts.pop("labels", None)
    metadata = {"name": "web-5", "namespace": "shop"} | ({"labels": labels} if labels is not None else {})
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": metadata, **parts}


def applied(present: Object | None, wanted: Object, manager: str = "kvtui", *, force: bool = False) -> Object:
    moment = "2026-11-21T01:51:39Z"
    return apply_patch(kinds.VM, present, wanted, APPLY_PATCH, manager=manager, force=force, moment=moment)


def test_an_apply_merges_and_records_what_its_manager_owns() -> None:
    present = configuration(labels={"app": "web"}, spec={"runStrategy": "Always"})
    result = applied(present, configuration(labels={"applied": "yes"}))
    assert result["metadata"]["labels"] == {"app": "web", "applied": "yes"}
    assert result["spec"] == {"runStrategy": "Always"}
    # patch-apply of the recordings of kube-apiserver 1.36.
    assert result["metadata"]["managedFields"] == [
        {
            "apiVersion": "kubevirt.io/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {"f:applied": {}}}},
            "manager": "kvtui",
            "operation": "Apply",
            "time": "2026-11-21T01:51:39Z",
        }
    ]


def test_an_apply_creates_what_is_absent() -> None:
    result = applied(None, configuration(spec={"runStrategy": "Halted"}))
    assert result["spec"] == {"runStrategy": "Halted"}
    assert result["metadata"]["name"] == "web-5"
    assert result["apiVersion"] == "kubevirt.io/v1"


def test_the_same_apply_twice_changes_nothing() -> None:
    wanted = configuration(labels={"a": "b"}, spec={"runStrategy": "Halted"})
    once = applied(applied(None, configuration(spec={"runStrategy": "Halted"}), "other"), wanted)
    assert apply(kinds.VM, once, wanted, manager="kvtui", moment="2027-01-01T00:00:00Z") == once


def test_fields_that_an_applier_drops_go_unless_another_has_them() -> None:
    both = applied(None, configuration(labels={"mine": "1", "shared": "1"}, spec={"runStrategy": "Halted"}))
    both = applied(both, configuration(labels={"shared": "1"}), "other")
    left = applied(both, configuration(spec={"runStrategy": "Halted"}))
    assert left["metadata"]["labels"] == {"shared": "1"}
    gone = applied(left, configuration(spec={"runStrategy": "Halted"}), "other")
    assert "labels" not in gone["metadata"]


def test_appliers_conflict_unless_one_forces() -> None:
    present = applied(None, configuration(spec={"runStrategy": "Halted"}), "first")
    same = applied(present, configuration(spec={"runStrategy": "Halted"}))
    assert len(same["metadata"]["managedFields"]) == 2
    with pytest.raises(StorageError) as refusal:
        applied(present, configuration(spec={"runStrategy": "Always"}))
    assert refusal.value.code == 409
    assert refusal.value.message == ('Apply failed with 1 conflict: conflict with "first": .spec.runStrategy')
    forced = applied(present, configuration(spec={"runStrategy": "Always"}), force=True)
    assert forced["spec"]["runStrategy"] == "Always"
    assert [entry["manager"] for entry in forced["metadata"]["managedFields"]] == ["kvtui"]


def test_several_conflicts_are_listed() -> None:
    present = applied(None, configuration(labels={"a": "1"}, spec={"runStrategy": "Halted"}), "first")
    present = applied(present, configuration(spec={"runStrategy": "Halted"}), "second")
    with pytest.raises(StorageError) as refusal:
        applied(present, configuration(labels={"a": "2"}, spec={"runStrategy": "Always"}))
    assert refusal.value.message == (
        'Apply failed with 3 conflicts: conflicts with "first":\n'
        '- .metadata.labels.a\n- .spec.runStrategy\nconflicts with "second":\n- .spec.runStrategy'
    )


def test_lists_of_built_in_kinds_are_owned_by_element() -> None:
    def pod(*names: str) -> Object:
        found = [{"name": name, "image": name} for name in names]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": found}}

    def of(present: Object | None, manager: str, *names: str) -> Object:
        return apply(kinds.POD, present, pod(*names), manager=manager, moment="")

    both = of(of(None, "one", "a", "b"), "two", "c")
    assert [one["name"] for one in both["spec"]["containers"]] == ["a", "b", "c"]
    left = of(both, "one", "b")
    assert [one["name"] for one in left["spec"]["containers"]] == ["b", "c"]
    with pytest.raises(StorageError) as refusal:
        apply(kinds.POD, None, {**pod(), "spec": {"containers": [{"image": "x"}]}}, manager="m", moment="")
    assert refusal.value.message.endswith(
        '.spec.containers: element 0: associative list with keys has an element that omits all key fields ["name"] '
        "(and doesn't have default values for any key fields)"
    )


def test_ports_are_owned_by_number_and_protocol() -> None:
    def service(*ports: Object) -> Object:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": list(ports)}}

    dns: Object = {"port": 53, "protocol": "UDP"}
    both = apply(kinds.SERVICE, service(dns), service({"port": 53, "name": "dns"}), manager="m", moment="")
    assert both["spec"]["ports"] == [dns, {"port": 53, "name": "dns"}]
    (entry,) = both["metadata"]["managedFields"]
    owned: Object = {'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}}}
    assert entry["fieldsV1"] == {"f:spec": {"f:ports": owned}}
    with pytest.raises(StorageError) as refusal:
        apply(kinds.SERVICE, both, service({"port": 53, "name": "other"}), manager="second", moment="")
    assert refusal.value.message == (
        'Apply failed with 1 conflict: conflict with "m": .spec.ports[port=53,protocol="TCP"].name'
    )


@pytest.mark.parametrize(
    ("wanted", "manager", "code"),
    [
        (configuration(), "", 422),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {}}, "m", 400),
        ("text", "m", 400),
        ({**configuration(), "metadata": {"managedFields": [{}]}}, "m", 400),
    ],
)
def test_configurations_that_cannot_be_applied(wanted: Any, manager: str, code: int) -> None:
    with pytest.raises(StorageError) as refusal:
        applied(None, wanted, manager)
    assert refusal.value.code == code
