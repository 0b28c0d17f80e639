"""Every action that has a verb, from the command line on the simulated cluster: tried out, then done and seen.

An action that is new needs a `Case` here: the fields that its form cannot do without, and what must be done before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import pytest

from kvtui.actions.commands import Deed, find_verbs, kind_of
from kvtui.cli import codes
from kvtui.cli.arguments import parse_arguments
from kvtui.cli.connecting import make_fleet
from kvtui.config import Settings
from kvtui.demo.catalog.owners import owner_of
from kvtui.model import FeedState, Platform
from kvtui.resources import RESOURCES, resources_for
from tests.actions.conftest import Run

KUBERNETES: Final = [
    deed for verb in find_verbs(resources_for({Platform.KUBERNETES})).values() for deed in verb.deeds
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """How an action can be done in the simulated cluster."""

    fields: Sequence[str] = ()
    before: Sequence[str] = ()
    """Actions, by their ids, that must have been done to something, where nothing is possible yet."""
    waits: bool = True
    """Whether its effect comes within seconds."""
    namespace: str = ""
    """Where it is done; empty for anywhere."""
    fleeting: bool = False
    """Whether the state in which it can be done may be over before it is."""
    refusal: str = ""
    """Why it cannot be done to anything there, in the words that are told."""


WAIT: Final = ("--wait", "--timeout", "20")

CASES: Final[dict[str, Case]] = {
    "vm.start": Case(before=("vm.stop",)),
    "vm.start_paused": Case(before=("vm.stop",)),
    "vm.stop": Case(),
    "vm.kill": Case(),
    "vm.restart": Case(),
    "vm.force_restart": Case(),
    "vm.soft_reboot": Case(),
    "vm.reset": Case(),
    "vm.pause": Case(),
    "vm.unpause": Case(before=("vm.pause",)),
    "vm.freeze": Case(),
    "vm.thaw": Case(before=("vm.freeze",)),
    "vm.migrate": Case(),
    "vm.cancel_migration": Case(before=("vm.migrate",), fleeting=True),
    "migration.cancel": Case(before=("vm.migrate",), fleeting=True),
    "vm.cpus": Case(("--cpus", "3"), waits=False),
    "vm.memory": Case(("--memory", "5G"), waits=False),
    "vm.run_strategy": Case(("--strategy", "Manual")),
    "vm.labels": Case(("--labels", "tested=yes")),
    "vm.delete": Case(),
    "node.cordon": Case(),
    "node.uncordon": Case(before=("node.cordon",)),
    "node.labels": Case(("--labels", "tested=yes")),
    "datavolume.create": Case(("--source", "blank", "--size", "5")),
    "datavolume.retry": Case(waits=False, namespace="erp"),
    "datavolume.delete": Case(before=("datavolume.create",), fleeting=True),
    "pvc.create": Case(),
    "pvc.resize": Case(("--size", "900"), before=("pvc.create",), waits=False),
    "pvc.delete": Case(before=("pvc.create",), fleeting=True),
    "pvc.export": Case(before=("pvc.create",), waits=False),
    "vm.snapshot": Case(),
    "vm.clone": Case(),
    "vm.export": Case(waits=False),
    "vm.memory_dump": Case(fleeting=True),
    "vm.remove_memory_dump": Case(before=("vm.memory_dump",), fleeting=True),
    "vm.attach_disk": Case(("--volume", "datavolume/scratch-disk-1"), namespace="lab", waits=False),
    "vm.detach_disk": Case(before=("vm.attach_disk",)),
    "vm.attach_nic": Case(("--network", "shop/vlan-7"), namespace="shop"),
    "vm.detach_nic": Case(before=("vm.attach_nic",), namespace="shop"),
    "vm.expose": Case(),
    "vm.set_password": Case(refusal="has no access credentials for that"),
    "vm.add_key": Case(refusal="has no access credentials for that"),
    "vm.cancel_evacuation": Case(refusal="no node is being emptied of it"),
    "snapshot.restore": Case(before=("vm.snapshot",), fleeting=True),
    "snapshot.clone": Case(before=("vm.snapshot",), fleeting=True),
    "snapshot.export": Case(before=("vm.snapshot",), fleeting=True),
    "snapshot.delete": Case(before=("vm.snapshot",), fleeting=True),
    "restore.delete": Case(before=("snapshot.restore",)),
    "clone.delete": Case(before=("vm.clone",)),
    "export.delete": Case(before=("vm.export",)),
}


def test_every_action_with_a_verb_has_a_case() -> None:
    missing = {deed.action.id for deed in KUBERNETES} - CASES.keys()
    assert not missing, f"{sorted(missing)} are not tried from the command line"


def test_what_is_done_on_all_platforms_has_the_same_verb_on_all() -> None:
    for resource in RESOURCES:
        for action in resource.actions:
            words = {variant.command for _, variant in action.variants if variant.command}
            assert len(words) < 2, f"{action.id}: {words}"


def find_possible(kubeconfig: str, deed: Deed) -> list[str]:
    """The objects to which it can be done now, by their paths."""

    async def look() -> list[str]:
        fleet = make_fleet(parse_arguments(["--kubeconfig", kubeconfig, "-A", "get", "vms"]), Settings())
        live = asyncio.create_task(fleet.run(deed.resource.sources))
        try:
            async with asyncio.timeout(20):
                while any(feed.state is FeedState.LOADING for feed in fleet.feeds(deed.resource.sources)):
                    await asyncio.wait([live], timeout=0.02)
            rows = [deed.resource.row(fleet.view, ref) for ref in deed.resource.refs(fleet.view)]
            case = CASES[deed.action.id]
            return [
                ref.path
                for row in rows
                if row is not None and (case.refusal or not deed.action.of(row).when(row))
                for ref in (deed.resource.ref(row),)
                # What has an owner is put back before the next step, and runners come and go by themselves.
                if case.namespace in ("", ref.namespace) and owner_of(ref.namespace, ref.name) is None
            ]
        finally:
            live.cancel()
            with suppress(asyncio.CancelledError):
                await live
            await fleet.close()

    return asyncio.run(look())


@pytest.fixture(scope="module")
def done() -> dict[str, str]:
    """What the actions were done to last, by their ids."""
    return {}


def deed_of(action_id: str) -> Deed:
    return next(deed for deed in KUBERNETES if deed.action.id == action_id)


def words_of(done: dict[str, str], kubeconfig: str, run: Run, deed: Deed) -> list[str]:
    """The command line that does it to something."""
    verb, kind, case = deed.action.command, kind_of(deed), CASES[deed.action.id]
    if deed.makes:
        return [verb, kind, f"lab/made-by-{kind}", *case.fields]
    possible = find_possible(kubeconfig, deed)
    if not possible or (case.before and not done.keys() & set(case.before)):
        for action_id in case.before:
            # What is done to something that goes on would come too late, once that is waited for.
            waits = WAIT if CASES[action_id].waits and not case.fleeting else ()
            before = words_of(done, kubeconfig, run, deed_of(action_id))
            told = run(*before, "--yes", *waits)
            assert told[0] == codes.OK, told
            done[action_id] = before[2]
        possible = next(filter(None, (find_possible(kubeconfig, deed) for _ in range(5))), [])
    assert possible, f"there is nothing to {verb}"
    # What the action before was done to, for what `when` cannot see: that it made an interface, or that it lasts.
    best = next((done[action_id] for action_id in case.before if done.get(action_id) in possible), possible[0])
    return [verb, kind, best, *case.fields]


@pytest.mark.parametrize("deed", KUBERNETES, ids=lambda deed: deed.action.id)
def test_it_is_tried_out_then_done_and_seen(run: Run, kubeconfig: str, done: dict[str, str], deed: Deed) -> None:
    words = words_of(done, kubeconfig, run, deed)
    refusal = CASES[deed.action.id].refusal
    if refusal:
        code, out, err = run(*words, "--yes")
        assert code == codes.FAILED
        assert refusal in out + err
        return
    tries = 10 if CASES[deed.action.id].fleeting else 1
    for again in range(tries):
        words = words_of(done, kubeconfig, run, deed) if again else words
        code, out, err = run(*words, "--dry-run")
        if code == codes.OK or "cannot be tried out" in out:
            break
    assert code == codes.OK or "cannot be tried out" in out, (out, err)
    waits = WAIT if CASES[deed.action.id].waits else ()
    for again in range(tries):
        words = words_of(done, kubeconfig, run, deed) if again else words
        code, out, err = run(*words, "--yes", "-o", "json", *waits)
        if code == codes.OK:
            break
    assert code == codes.OK, (out, err)
    told = json.loads(out)
    done[deed.action.id] = words[2]
    assert told["action"] == deed.action.id
    assert [item["state"] for item in told["items"]] == ["done"] if waits else told["items"]
