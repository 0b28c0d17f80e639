"""When a changed size is there, and what is said where it is not: by the spec, the instance and its conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from kvtui.errors import BackendError
from kvtui.joins.machine import Machine
from kvtui.resources import vm
from kvtui.resources.base import Action
from tests.machines import Object, machine_store

ACTIONS = {action.id: action for action in vm.RESOURCE.actions}
MEMORY, CPUS, KILL, LABELS, EDIT = (ACTIONS[f"vm.{name}"] for name in ("memory", "cpus", "kill", "labels", "edit"))
Edit = Callable[[dict[str, Object]], None]


def machine(name: str, edit: Edit | None = None) -> Machine:
    store = machine_store(name, edit)
    (ref,) = vm.RESOURCE.refs(store)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    return row


def sized(
    *,
    wants: str = "1Gi",
    has: str | None = "1Gi",
    sockets: int = 1,
    given: int = 1,
    generation: int = 100,
    **vm_status: Any,
) -> Edit:
    """A spec of its size, a guest with another, and what else the VM says."""

    def edit(items: dict[str, Object]) -> None:
        spec = items["VirtualMachine"]["spec"]["template"]["spec"]["domain"]
        spec["memory"] = {"guest": wants}
        spec["cpu"] = {"cores": 1, "sockets": sockets, "threads": 1}
        items["VirtualMachine"]["metadata"]["generation"] = generation
        items["VirtualMachine"]["status"] |= vm_status
        status = items["VirtualMachineInstance"]["status"]
        status["memory"] = {"guestAtBoot": "1Gi", "guestCurrent": has} if has is not None else None
        status["currentCPUTopology"] = {"cores": 1, "sockets": given, "threads": 1}

    return edit


RESTART = [{"type": "RestartRequired", "status": "True"}]


@pytest.mark.parametrize(
    ("action", "edit", "remark"),
    [
        (MEMORY, sized(wants="2Gi", has="1Gi"), None),
        (MEMORY, sized(wants="2Gi", has="2Gi"), "the guest has 2Gi of memory"),
        (MEMORY, sized(wants="2Gi", has="2049Mi"), "the guest has 2Gi of memory"),
        (MEMORY, sized(wants="2Gi", has=None), "the guest has 2Gi of memory"),
        (MEMORY, sized(wants="2Gi", conditions=RESTART), "accepted; it comes with a restart"),
        (MEMORY, sized(wants="2Gi", has="2Gi", generation=1), None),
        (CPUS, sized(sockets=4, given=1), None),
        (CPUS, sized(sockets=4, given=4), "the guest has 4 CPUs"),
        (CPUS, sized(sockets=4, conditions=RESTART), "accepted; it comes with a restart"),
    ],
)
def test_a_size_is_there_when_the_guest_has_it_or_waits_for_a_restart(
    action: Action[Machine], edit: Edit, remark: str | None
) -> None:
    before, now = machine("running", sized(generation=1)), machine("running", edit)
    assert action.settled(before, now) is (remark is not None)
    assert remark is None or action.remark(before, now) == remark


def test_a_vm_that_is_off_has_its_size_at_once() -> None:
    def changed(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["metadata"]["generation"] = 1000

    before, now = machine("stopped"), machine("stopped", changed)
    assert MEMORY.settled(before, now)
    assert MEMORY.remark(before, now).endswith(" of memory at its next start")


def labelled(**labels: str) -> Edit:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["metadata"]["labels"] = labels

    return edit


def test_labels_are_changed_when_they_are_others_and_not_when_only_the_vm_is() -> None:
    before = machine("running", labelled(app="web", tier="db"))
    now = machine("running", labelled(app="shop"))
    assert LABELS.settled(before, now)
    assert LABELS.remark(before, now) == "it has app=shop, and no tier any more"

    def newer(items: dict[str, Object]) -> None:
        labelled(app="web", tier="db")(items)
        items["VirtualMachine"]["metadata"]["resourceVersion"] = "999999"

    assert not LABELS.settled(before, machine("running", newer))


def test_a_forced_stop_of_what_starts_again_by_itself_names_the_stop() -> None:
    def always(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["spec"] |= {"runStrategy": "Always"}
        items["VirtualMachine"]["spec"].pop("running", None)

    assert KILL.when(machine("stopped", always)) == "not running; stop keeps run strategy Always from starting it again"


@pytest.mark.parametrize("end", ["runStrategy: Halted", "running: false"])
async def test_an_edit_that_would_shut_a_guest_down_is_refused(end: str) -> None:
    row = machine("running")
    backend, meta = AsyncMock(), "metadata:\n  name: web\n"
    assert EDIT.run is not None
    with pytest.raises(BackendError, match="stop it first"):
        await EDIT.run(backend, row, f"{meta}spec:\n  {end}\n", f"{meta}spec:\n  runStrategy: Always\n")
    backend.replace.assert_not_awaited()
