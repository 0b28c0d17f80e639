"""Objects of which a part cannot be read: that part is named and left out, and the rest is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kvtui.records.base import Condition
from kvtui.records.decode import decode_record
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import VirtualMachine

READY = {"type": "Ready", "status": "True"}


def read(status: dict[str, Any], **metadata: Any) -> VirtualMachine:
    whole = {"metadata": {"name": "a", "uid": "u", **metadata}, "spec": {"runStrategy": "Always"}, "status": status}
    return decode_record(json.dumps(whole).encode(), VirtualMachine)


@pytest.mark.parametrize("bad", ["text", 7, ["x"], True])
def test_a_condition_that_is_none_costs_itself_alone(bad: object) -> None:
    record = read({"printableStatus": "Running", "conditions": [READY, bad, {"type": "Paused"}]})
    assert record.status.conditions == (Condition(type="Ready", status="True"), Condition(type="Paused"))
    assert record.status.printable_status == "Running"
    assert record.spec.run_strategy == "Always"
    assert "$.status.conditions[1]" in record.fault


def test_a_null_among_the_conditions_costs_nothing() -> None:
    record = read({"conditions": [None, READY]})
    assert record.status.conditions == (Condition(type="Ready", status="True"),)
    assert record.fault == ""


def test_a_field_of_a_condition_costs_that_field() -> None:
    record = read({"conditions": [{**READY, "message": 5}, READY]})
    assert record.status.conditions == (Condition(type="Ready", status="True"),) * 2
    assert record.fault == "Expected `str`, got `int` - at `$.status.conditions[0].message`"


def test_several_faults_are_all_named() -> None:
    record = read({"printableStatus": 7, "conditions": [READY, "x"]}, generation="two")
    assert record.status.conditions == (Condition(type="Ready", status="True"),)
    assert all(place in record.fault for place in ("status.printableStatus", "conditions[1]", "metadata.generation"))


def test_names_with_dots_and_values_of_mappings() -> None:
    raw = {"metadata": {"name": "n", "annotations": {"kubevirt.io/heartbeat": 5}, "labels": {"a": 7}}}
    node = decode_record(json.dumps(raw | {"spec": {"unschedulable": True}}).encode(), Node)
    assert node.metadata.name == "n"
    assert node.metadata.annotations.heartbeat == ""
    assert node.metadata.labels == {}
    assert node.spec.unschedulable
    assert "heartbeat" in node.fault
    assert "labels" in node.fault


def test_an_object_without_end_of_faults_keeps_its_name() -> None:
    raw = {"metadata": {"name": "p", "labels": {"a": "b"}}, "status": {"conditions": [5] * 1000}}
    pod = decode_record(json.dumps(raw).encode(), Pod)
    assert pod.metadata.name == "p"
    assert "$.status.conditions[0]" in pod.fault
    assert pod.status.conditions == ()
