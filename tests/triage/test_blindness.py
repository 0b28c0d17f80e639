"""Lists that are forbidden or cannot be read: a rule then says less, never what is not so."""

from __future__ import annotations

import pytest

from kvtui.model import Feed, FeedState, Finding
from kvtui.store import Put
from kvtui.triage.engine import Engine
from tests.machines import RECORDED, read_machine, record_of, store_of
from tests.triage.judging import only

UNSEEN = "its instance, which says why, cannot be seen"


def judge_without_instances(name: str, state: FeedState) -> Finding:
    """What is found in a recorded machine when its instance is not in the list."""
    items = [item for item in read_machine(name) if item["kind"] != "VirtualMachineInstance"]
    for item in items:
        if item["kind"] == "VirtualMachine":
            item["spec"]["runStrategy"] = "Always"
    store = store_of(items)
    store.post(Feed("c", "VirtualMachineInstance", state))
    engine = Engine()
    engine.waits = False
    engine.update(store, store.drain(), RECORDED)
    return only(engine.findings, "vm")


@pytest.mark.parametrize("state", [FeedState.FORBIDDEN, FeedState.FAILED, FeedState.LOADING])
def test_an_instance_that_cannot_be_seen_is_not_said_to_be_missing(state: FeedState) -> None:
    assert judge_without_instances("stopped", state).cause == f"its status is Stopped; {UNSEEN}"
    assert judge_without_instances("no_cpu_model", state).cause == f"its status is ErrorUnschedulable; {UNSEEN}"


def test_where_all_instances_are_known_one_that_is_not_there_is_missing() -> None:
    assert judge_without_instances("stopped", FeedState.LIVE).cause.startswith("no instance is made for it")
    assert "its instance missing" in judge_without_instances("no_cpu_model", FeedState.LIVE).cause


def test_an_instance_that_its_node_lost_says_what_to_do_though_the_node_cannot_be_seen() -> None:
    items = read_machine("running")
    for item in items:
        if item["kind"] == "VirtualMachine":
            item["status"] |= {"printableStatus": "Stopped", "ready": False, "conditions": []}
        if item["kind"] == "VirtualMachineInstance":
            item["status"] |= {"phase": "Failed", "reason": "NodeUnresponsive", "nodeName": "worker-01"}
    store = store_of(item for item in items if item["kind"] != "Pod")
    store.post(Feed("c", "Node", FeedState.FORBIDDEN))
    engine = Engine()
    engine.waits = False
    engine.update(store, store.drain(), RECORDED + 600.0)
    found = only(engine.findings, "vm")
    assert found.cause == "its instance ended with NodeUnresponsive on worker-01"
    assert found.step == "see node worker-01; make sure that it is off before you force the VM away from it"


def judge_claim(state: FeedState) -> str:
    """What is found in a claim without a volume of which there is no event."""
    store = store_of(item for item in read_machine("unbound") if item["kind"] != "Event")
    binding = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "rig-rwx"}}
    store.post(Put("c", record_of({**binding, "provisioner": "rig", "volumeBindingMode": "Immediate"})))
    store.post(Feed("c", "Event", state))
    engine = Engine()
    engine.waits = False
    engine.update(store, store.drain(), RECORDED)
    return " ".join(finding.cause for finding in engine.findings)


def test_of_events_that_cannot_be_seen_nobody_says_that_none_tells_why() -> None:
    assert ", and no event says why" in judge_claim(FeedState.LIVE)
    assert ", and its events, which may say why, cannot be seen" in judge_claim(FeedState.FORBIDDEN)
