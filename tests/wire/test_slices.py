"""Lists cut into slices while they arrive, whatever they look like and however they are chunked."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.kubernetes import slices
from kvtui.backends.kubernetes.slices import ListMeta, ListReader
from kvtui.errors import BackendError

Item = dict[str, Any]


def decode(array: bytes) -> list[Item]:
    try:
        found = msgspec.json.decode(array, type=list[dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise BackendError("broken") from error
    return found


def read(body: bytes, *sizes: int) -> tuple[list[list[Item]], ListMeta]:
    """The slices of a body that arrives in chunks of these sizes, the last of which repeats."""
    reader = ListReader(decode)
    found = []
    at = turn = 0
    while at < len(body):
        size = sizes[min(turn, len(sizes) - 1)]
        found.append(reader.feed(body[at : at + size]))
        at += size
        turn += 1
    rest, meta = reader.close()
    return [part for part in (*found, rest) if part], meta


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_SLICE", 64)


texts = st.text(max_size=12) | st.sampled_from(
    ['"items":[', "},{", '}],"', "\\", '{"a":', '"', ",", '{"metadata":{"name":']
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
metadata = st.fixed_dictionaries({"name": texts, "labels": st.dictionaries(texts, texts, max_size=3)})
core_items = st.fixed_dictionaries({"metadata": metadata, "spec": values, "status": values})
custom_items = st.fixed_dictionaries(
    {
        "apiVersion": st.just("kubevirt.io/v1"),
        "kind": st.just("VirtualMachine"),
        "metadata": metadata,
        "spec": st.lists(st.fixed_dictionaries({"apiVersion": st.just("kubevirt.io/v1"), "kind": texts}), max_size=3),
    }
)
items = (
    st.lists(core_items, max_size=12) | st.lists(custom_items, max_size=12) | st.lists(values.map(lambda v: {"v": v}))
)
layouts = st.sampled_from([(None, (",", ":")), (None, (", ", ": ")), (1, (",", ": ")), (4, (" ,", " : "))])


@given(
    items=items,
    layout=layouts,
    order=st.permutations(["kind", "apiVersion", "metadata", "items"]),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    ascii_only=st.booleans(),
)
def test_no_item_is_lost_doubled_or_changed(
    items: list[Item], layout: Any, order: list[str], sizes: list[int], ascii_only: bool
) -> None:
    parts: dict[str, Any] = {
        "kind": "VirtualMachineList",
        "apiVersion": "kubevirt.io/v1",
        "metadata": {"resourceVersion": "12", "continue": "abc"},
        "items": items,
    }
    indent, separators = layout
    body = json.dumps(
        {key: parts[key] for key in order}, indent=indent, separators=separators, ensure_ascii=ascii_only
    ).encode()
    found, meta = read(body + b"\n", *sizes)
    assert [item for part in found for item in part] == items
    assert (meta.resource_version, meta.continue_) == ("12", "abc")


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"PodList","items":null,"metadata":{"resourceVersion":"12"}}',
        b'{"items":[],"metadata":{"resourceVersion":"12"}}',
        b' {\n "metadata" : { "resourceVersion" : "12" } ,\n "items" : [ \n ] } \n',
        b'{"kind":"PodList","metadata":{"resourceVersion":"12"}}',
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lists_without_items(body: bytes, size: int) -> None:
    found, meta = read(body, size)
    assert found == []
    assert meta.resource_version == "12"


def test_items_are_given_before_the_list_ends() -> None:
    items = [{"metadata": {"name": f"n{number}"}, "spec": {"x": "y" * 50}} for number in range(100)]
    body = json.dumps({"kind": "NodeList", "metadata": {}, "items": items}, separators=(",", ":")).encode()
    found, _ = read(body, 512)
    assert len(found) > 10
    assert sum(map(len, found)) == 100


def test_beginnings_that_occur_inside_items_do_not_cut_them() -> None:
    entry = {"apiVersion": "kubevirt.io/v1", "fieldsType": "FieldsV1"}
    same = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "nested": True}
    item = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "managedFields": [entry] * 9, "spec": [same] * 9}
    body = json.dumps({"items": [item] * 40, "metadata": {}}, separators=(",", ":")).encode()
    found, _ = read(body, 300)
    assert [given for part in found for given in part] == [item] * 40
    assert len(found) > 1


@pytest.mark.parametrize("end", [1, 20, 60, 200, 299])
def test_a_list_that_ends_early_is_an_error(end: int) -> None:
    items = [{"metadata": {"name": f"n{number}"}} for number in range(9)]
    body = json.dumps({"items": items, "metadata": {"resourceVersion": "1"}}).encode()
    assert end < len(body)
    with pytest.raises(BackendError, match="broken"):
        read(body[:end], 16)


@pytest.mark.parametrize("body", [b"<html>no</html>", b"[]", b'{"items":{}}', b'{"items":[1,]}', b"\xff\xfe"])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(BackendError):
        read(body, 3)
