"""When an interface is there or gone, and what is told until then: by template, instance and who tells of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kvtui.joins.machine import Machine
from kvtui.resources import vm
from kvtui.resources.form import Choice, Draft
from kvtui.resources.vm_networks import Networks
from kvtui.store import Store
from tests.machines import Object, machine_store

ACTIONS = {action.id: action for action in vm.RESOURCE.actions}
ATTACH, DETACH = ACTIONS["vm.attach_nic"], ACTIONS["vm.detach_nic"]
Edit = Callable[[dict[str, Object]], None]
EMPTY = Store()
BOTH = "domain, guest-agent, multus-status"


def machine(name: str, edit: Edit | None = None) -> Machine:
    store = machine_store(name, edit)
    (ref,) = vm.RESOURCE.refs(store)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    return row


def networked(
    template: str | None = None,
    instance: str | None = None,
    told: str | None = None,
    *,
    vm_conditions: list[Any] | None = None,
    conditions: list[Any] | None = None,
) -> Edit:
    """Interface net2 by its states in template and instance, and who tells of it; None where it is not there."""

    def edit(items: dict[str, Object]) -> None:
        whole, live = items["VirtualMachine"], items.get("VirtualMachineInstance")
        for spec, state in ((whole["spec"]["template"]["spec"], template), (live and live["spec"], instance)):
            if spec is not None and state is not None:
                spec["domain"]["devices"].setdefault("interfaces", []).append({"name": "net2", "state": state})
        whole["status"].setdefault("conditions", []).extend(vm_conditions or [])
        if live is not None:
            live["status"]["conditions"].extend(conditions or [])
            if told is not None:
                live["status"]["interfaces"].append({"name": "net2", "infoSource": told})

    return edit


@pytest.mark.parametrize(
    ("state", "words"),
    [(None, "it has no interface but that on the pod's own network"), ("", ""), ("absent", "is being removed")],
)
def test_what_has_nothing_to_detach_says_so_at_once(state: str | None, words: str) -> None:
    def edit(items: dict[str, Object]) -> None:
        networked(state)(items)
        if state is not None:
            spec = items["VirtualMachine"]["spec"]["template"]["spec"]
            spec.setdefault("networks", []).append({"name": "net2", "multus": {"networkName": "lab"}})

    reason = DETACH.when(machine("running", edit))
    assert words in reason
    assert bool(reason) is bool(words)


def attaching(names: list[str] | None, *networks: str, leaving: bool = False) -> Draft:
    """The form for a VM on these networks, of which the first is net1."""
    row = machine("running")
    named = [(f"net{number}", network) for number, network in enumerate(networks, 1)]
    interfaces: list[Any] = [{"name": name} | ({"state": "absent"} if leaving else {}) for name, _ in named]
    template = {
        "networks": [{"name": name, "multus": {"networkName": network}} for name, network in named],
        "domain": {"devices": {"interfaces": interfaces}},
    }
    form = ATTACH.form
    assert form is not None
    return Draft(form(EMPTY, [row], Networks({"spec": {"template": {"spec": template}}}, names)))


@pytest.mark.parametrize("own", ["", "shop/"])
def test_a_network_that_the_vm_is_on_is_told_and_not_the_first_choice(own: str) -> None:
    draft = attaching(["vlan5", "vlan7", "default/lab"], f"{own}vlan5", "default/lab")
    assert draft.answers.text("network") == "vlan7"
    assert not [line for line in draft.warnings if "already" in line]
    field = draft.asked[0]
    assert isinstance(field, Choice)
    assert [one.note for one in field.offer(draft.answers)] == ["it is on it, by net1", "", "it is on it, by net2"]
    draft.put("network", "default/lab")
    assert "it is on default/lab already, by its interface net2: this is a second one" in draft.warnings


def test_a_network_that_is_typed_is_told_too_when_the_vm_is_on_it() -> None:
    draft = attaching(None, "vlan5")
    draft.put("network", "shop/vlan5")
    assert "it is on vlan5 already, by its interface net1: this is a second one" in draft.warnings


def test_a_network_that_the_vm_leaves_may_be_attached_anew_without_a_word() -> None:
    draft = attaching(["vlan5"], "vlan5", leaving=True)
    draft.put("network", "vlan5")
    assert not [line for line in draft.warnings if "already" in line]


@pytest.mark.parametrize(
    ("edit", "there"),
    [
        (networked(), False),
        (networked(""), False),
        (networked("", ""), False),
        (networked("", "", "multus-status"), False),
        (networked("", "", "domain, multus-status"), True),
        (networked("", "", BOTH), True),
    ],
)
def test_an_interface_is_there_when_the_guest_has_it(edit: Edit, there: bool) -> None:
    before, now = machine("running"), machine("running", edit)
    assert ATTACH.settled(before, now) is there
    assert not there or ATTACH.remark(before, now) == "the guest has net2"


@pytest.mark.parametrize(
    ("edit", "gone", "said"),
    [
        (networked("", "", BOTH), False, ""),
        (networked("absent", "", BOTH), False, ""),
        (networked("absent", "absent", BOTH), False, ""),
        (
            networked("absent", "absent", "multus-status"),
            True,
            "the guest has no net2 any more; its pod keeps it until a live migration",
        ),
        (networked(), True, "the guest has no net2 any more"),
    ],
)
def test_an_interface_is_gone_when_the_guest_has_it_no_more(edit: Edit, gone: bool, said: str) -> None:
    before, now = machine("running", networked("", "", BOTH)), machine("running", edit)
    assert DETACH.settled(before, now) is gone
    assert not gone or DETACH.remark(before, now) == said


def test_a_vm_that_is_off_has_or_loses_it_with_its_template() -> None:
    without, has = machine("stopped"), machine("stopped", networked(""))
    assert not ATTACH.settled(without, without)
    assert ATTACH.settled(without, has)
    assert ATTACH.remark(without, has) == "the VM has net2 at its next start"
    assert DETACH.settled(has, machine("stopped", networked("absent")))


CHANGED = "a non-live-updatable field was changed"
RESTART = [{"type": "RestartRequired", "status": "True", "message": CHANGED}]
PENDING = [{"type": "MigrationRequired", "status": "False", "reason": "AutoMigrationPending"}]
DUE = [{"type": "MigrationRequired", "status": "True", "reason": "AutoMigrationDueToLiveUpdate"}]
FIXED = [{"type": "LiveMigratable", "status": "False", "reason": "DisksNotLiveMigratable", "message": "root is local"}]


def _replace_migratable(edit: Edit, conditions: list[Any]) -> Edit:
    def apply(items: dict[str, Object]) -> None:
        status = items["VirtualMachineInstance"]["status"]
        status["conditions"] = [item for item in status["conditions"] if item["type"] != "LiveMigratable"]
        status["conditions"] += conditions
        edit(items)

    return apply


MOVES = [{"type": "LiveMigratable", "status": "True"}]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (networked(""), "virt-controller has not given it to the running instance yet"),
        (networked("", vm_conditions=RESTART), f"the VM must restart: {CHANGED}"),
        (_replace_migratable(networked("", ""), MOVES), "a live migration plugs it in: migrate it"),
        (
            _replace_migratable(networked("", "", conditions=PENDING), MOVES),
            "a live migration plugs it in: KubeVirt asks for one in a moment",
        ),
        (
            _replace_migratable(networked("", "", conditions=DUE), MOVES),
            "a live migration plugs it in: KubeVirt is to begin it, where it migrates what it updates; else migrate it",
        ),
        (
            _replace_migratable(networked("", "", conditions=DUE), FIXED),
            "a live migration plugs it in, and it cannot migrate (DisksNotLiveMigratable: root is local): "
            "the VM must restart",
        ),
        (networked("", "", "multus-status"), "its pod has it, the guest not yet"),
    ],
)
def test_what_holds_an_interface_up_is_told(edit: Edit, words: str) -> None:
    before, now = machine("running"), machine("running", edit)
    assert ATTACH.holds(Store(), before, now, 0.0) == words


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (networked("absent", "", BOTH), "virt-controller has not taken it from the running instance yet"),
        (networked("absent", "", BOTH, vm_conditions=RESTART), f"the VM must restart: {CHANGED}"),
        (networked("absent", "absent", BOTH), "the guest has it still"),
    ],
)
def test_what_holds_its_going_up_is_told(edit: Edit, words: str) -> None:
    before, now = machine("running", networked("", "", BOTH)), machine("running", edit)
    assert DETACH.holds(Store(), before, now, 0.0) == words
