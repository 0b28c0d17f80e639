"""Every action that has a verb, from the command line on the simulated cluster: tried out, then done and seen."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Final

import pytest

from kvtui.actions.commands import Deed, kind_of
from kvtui.cli import codes
from kvtui.cli.arguments import parse_arguments
from kvtui.cli.connecting import make_fleet
from kvtui.config import Settings
from kvtui.model import FeedState, Platform
from kvtui.resources import RESOURCES, resources_for
from tests.actions.cases import CASES, KUBERNETES, VERBLESS, deed_of, find_rows
from tests.actions.conftest import Run
from tests.actions.test_audited import accepted

WAIT: Final = ("--wait", "--timeout", "20")

TRIES: Final = {True: 10, False: 3}
"""How often it is tried, by whether it is fleeting: machines and claims come and go in the cluster by themselves."""


def test_every_action_with_a_verb_has_a_case() -> None:
    missing = {deed.action.id for deed in KUBERNETES} - CASES.keys()
    assert not missing, f"{sorted(missing)} are not tried from the command line"


def test_what_has_no_verb_is_named() -> None:
    all_ids = {action.id for resource in resources_for({Platform.KUBERNETES}) for action in resource.verbs}
    assert all_ids - {deed.action.id for deed in KUBERNETES} == VERBLESS.keys()


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
            return [deed.resource.ref(row).path for row in find_rows(fleet.view, deed)]
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


def words_of(done: dict[str, str], kubeconfig: str, run: Run, deed: Deed) -> list[str]:
    """The command line that does it to something."""
    verb, kind, case = deed.action.command, kind_of(deed), CASES[deed.action.id]
    if deed.makes:
        return [verb, kind, f"lab/made-by-{kind}", *case.fields]
    possible = [case.prepare(kubeconfig)] if case.prepare is not None else find_possible(kubeconfig, deed)
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
def test_it_is_tried_out_then_done_seen_and_logged(run: Run, kubeconfig: str, done: dict[str, str], deed: Deed) -> None:
    words = words_of(done, kubeconfig, run, deed)
    tries = TRIES[CASES[deed.action.id].fleeting]
    for again in range(tries):
        words = words_of(done, kubeconfig, run, deed) if again else words
        code, out, err = run(*words, "--dry-run")
        if code == codes.OK or "cannot be tried out" in out:
            break
    assert code == codes.OK or "cannot be tried out" in out, (out, err)
    code, out, err = run(*words, "-o", "json")
    # What is fleeting may be over by now.
    assert code == codes.UNCONFIRMED or (code == codes.FAILED and CASES[deed.action.id].fleeting), (out, err)
    assert json.loads(out)["action"] == deed.action.id
    waits = WAIT if CASES[deed.action.id].waits else ()
    for again in range(tries):
        words = words_of(done, kubeconfig, run, deed) if again else words
        code, out, err = run(*words, "--yes", "-o", "json", *waits)
        # What has come about by itself is left out, and ends well.
        if code == codes.OK and json.loads(out)["items"]:
            break
    assert code == codes.OK, (out, err)
    told = json.loads(out)
    done[deed.action.id] = words[2]
    assert told["action"] == deed.action.id
    assert [item["state"] for item in told["items"]] == ["done"] if waits else told["items"]
    assert accepted(run, words[2], deed.action.id), "whoever looks for the object does not find it"


@pytest.mark.parametrize("deed", KUBERNETES, ids=lambda deed: deed.action.id)
def test_what_is_not_there_is_said_in_a_sentence_and_in_json(run: Run, deed: Deed) -> None:
    verb, kind = deed.action.command, kind_of(deed)
    namespaced = any(source.namespaced for source in deed.resource.own)
    wanted, told = "no-such-one", f"no {deed.resource.label} named no-such-one in demo"
    if deed.makes:
        wanted, told = "no-such-place/new", "there is no namespace no-such-place in demo: there is "
    elif namespaced:
        wanted, told = "lab/no-such-one", f"no {deed.resource.label} named lab/no-such-one in demo"
    code, out, err = run(verb, kind, wanted, *CASES[deed.action.id].fields, "--yes", "-o", "json")
    assert code == codes.FAILED, err
    assert told in err
    found = json.loads(out)
    assert told in found["error"]
    assert (found["action"], found["items"]) == (deed.action.id, [])


def test_in_a_namespace_that_is_not_there_nothing_is_looked_for(run: Run) -> None:
    code, out, err = run("stop", "db-1", "-n", "labb", "--yes")
    assert (code, out) == (codes.FAILED, "")
    assert "there is no namespace labb in demo: there is lab" in err


@pytest.mark.parametrize(
    ("action_id", "words"),
    [
        ("vm.add_key", "has no access credentials for that"),
        ("vm.set_password", "has no access credentials for that"),
    ],
)
def test_what_a_vm_is_not_made_for_is_refused_with_the_reason(
    run: Run, kubeconfig: str, action_id: str, words: str
) -> None:
    path = find_possible(kubeconfig, deed_of("vm.labels"))[-1]
    code, out, err = run(deed_of(action_id).action.command, "vm", path, *CASES[action_id].fields, "--yes")
    assert code == codes.FAILED
    assert words in out + err
