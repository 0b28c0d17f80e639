"""``kvtui VERB``: what is meant, what is asked, what is told, and the exit code that scripts go by."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kvtui.actions import batch as batch_module
from kvtui.actions.commands import find_verbs
from kvtui.actions.items import Item
from kvtui.cli import act as act_module
from kvtui.cli import codes
from kvtui.cli.demo import DemoCluster
from kvtui.cli.fields import describe_fields, fill_form, option_name
from kvtui.demo.catalog.owners import owner_of
from kvtui.fleet import Fleet
from kvtui.resources import RESOURCES
from kvtui.resources.form import Form, Toggle
from tests.actions.conftest import SPEED, Run


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[str]:
    """That of a cluster in which nothing happens by itself, with a machine of its own for each test."""
    with DemoCluster(["--quiet", "--size", "120", "--seed", "1", "--speed", str(SPEED)]) as cluster:
        yield cluster.wait_for_kubeconfig()


class Machines:
    """VMs for tests, each given to one alone: what a test began may go on after it, unseen in the status at first."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def find(self, run: Run, status: str) -> str:
        """A VM in a state, as NAMESPACE/NAME."""
        path = next(path for path in self._in_state(run, status) if path not in self._given)
        self._given.add(path)
        return path

    def find_namespace(self, run: Run) -> str:
        """A namespace with several running VMs, none of which was given to a test."""
        running = self._in_state(run, "Running")
        places = Counter(path.partition("/")[0] for path in running)
        touched = {path.partition("/")[0] for path in self._given}
        namespace = next(place for place, count in places.items() if count > 2 and place not in touched)
        self._given.update(path for path in running if path.startswith(f"{namespace}/"))
        return namespace

    def all_running(self, run: Run) -> list[str]:
        """Those of which some may be given, for what changes nothing."""
        return self._in_state(run, "Running")

    def _in_state(self, run: Run, status: str) -> list[str]:
        rows = [row for row in json.loads(run("get", "vms", "-o", "json")[1]) if not has_owner(row)]
        # The largest namespaces come first: the others stay free for what is done to all VMs of one.
        sizes = Counter(row["namespace"] for row in rows)
        rows.sort(key=lambda row: (-sizes[row["namespace"]], row["namespace"]))
        return [f"{row['namespace']}/{row['name']}" for row in rows if row["columns"]["status"] == status]


def has_owner(row: dict[str, Any]) -> bool:
    """Whether something else manages it, and may put it back seconds after a test has changed it."""
    return owner_of(row["namespace"], row["name"]) is not None


@pytest.fixture(scope="module")
def machines() -> Machines:
    return Machines()


@pytest.fixture
def vm(run: Run, machines: Machines) -> Callable[[str], str]:
    """Finds a VM in a state that no other test has to do with, as NAMESPACE/NAME."""
    return partial(machines.find, run)


@pytest.fixture
def namespace(run: Run, machines: Machines) -> str:
    """A namespace with several running VMs that no other test has to do with."""
    return machines.find_namespace(run)


def status(run: Run, path: str) -> str:
    (row,) = json.loads(run("get", "vms", path, "-o", "json")[1])
    return str(row["columns"]["status"])


def test_what_is_done_is_waited_for_and_told(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    code, out, err = run("stop", path, "--yes", "--wait")
    assert (code, out.startswith(f"{path}: done in ")) == (codes.OK, True)
    assert "! a console or VNC session that is open on it ends\n" in err
    assert status(run, path) == "Stopped"
    code, out, _ = run("start", "vm", path, "--yes", "--wait")
    assert (code, out.startswith(f"{path}: done in ")) == (codes.OK, True)
    assert status(run, path) == "Running"


def test_without_waiting_it_is_enough_that_it_was_accepted(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    assert run("restart", path, "--yes")[:2] == (codes.OK, f"{path}: accepted\n")


def test_without_a_terminal_nothing_is_done_unless_it_was_confirmed(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    code, out, err = run("stop", path)
    assert (code, out) == (codes.UNCONFIRMED, "")
    assert f"stop vm {path}?" in err
    assert "! a console or VNC session that is open on it ends" in err
    assert "it must be confirmed, and there is no terminal (--yes does it without asking)" in err
    assert status(run, path) == "Running"


@pytest.mark.parametrize(("answer", "code"), [("y", codes.OK), ("n", codes.UNCONFIRMED), ("", codes.UNCONFIRMED)])
def test_on_a_terminal_it_is_asked(
    run: Run, vm: Callable[[str], str], type_answer: Callable[[str], None], answer: str, code: int
) -> None:
    path = vm("Running")
    type_answer(answer)
    told = run("pause", path)
    assert told[0] == code
    assert "\n  in demo\n" in told[2], "another context may be current than is thought"
    if code == codes.OK:
        assert run("unpause", path, "--yes", "--wait")[0] == codes.OK


def test_what_takes_a_typed_word_on_the_screen_takes_it_here(
    run: Run, vm: Callable[[str], str], type_answer: Callable[[str], None]
) -> None:
    path = vm("Running")
    type_answer("y")
    code, _, err = run("force-stop", path)
    assert code == codes.UNCONFIRMED
    assert "the guest gets no chance to write its data" in err
    type_answer(path.rpartition("/")[2])
    assert run("force-stop", path)[0] == codes.OK


def test_for_several_the_number_is_typed(run: Run, namespace: str, type_answer: Callable[[str], None]) -> None:
    selector = ["-l", "kubevirt.io/domain", "-n", namespace]
    type_answer("y")
    code, _, err = run("restart", *selector)
    assert code == codes.UNCONFIRMED
    assert "VMs?" in err
    number = err.split("restart ")[1].split()[0]
    type_answer(number)
    code, out, err = run("restart", *selector)
    assert code == codes.OK
    assert out.count(": accepted\n") == int(number)
    assert f"{number} accepted" in err


def test_a_dry_run_changes_nothing_and_has_the_server_judge_it(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    code, out, err = run("force-stop", path, "--dry-run")
    assert (code, out) == (codes.OK, f"{path}: would be accepted\n")
    assert "! the guest gets no chance to write its data" in err
    assert status(run, path) == "Running"


def test_json_tells_of_each_object_and_of_all(run: Run, vm: Callable[[str], str]) -> None:
    running, stopped = vm("Running"), vm("Stopped")
    code, out, err = run("stop", running, stopped, "--yes", "-o", "json", "--wait")
    told = json.loads(out)
    assert "a console or VNC session that is open on it ends" in told["warnings"]
    assert err.startswith("".join(f"! {warning}\n" for warning in told["warnings"]))
    assert code == codes.OK
    assert {key: told[key] for key in ("verb", "dry_run", "waited", "error", "counts")} == {
        "verb": "stop", "dry_run": False, "waited": True, "error": "", "counts": {"done": 1, "left out": 1},
    }  # fmt: skip
    items: dict[str, Any] = {f"{item['namespace']}/{item['name']}": item for item in told["items"]}
    assert (items[running]["state"], items[running]["words"]) == ("done", "it is Stopped")
    assert items[running]["uid"]
    assert items[running]["seconds"] > 0
    assert (items[stopped]["state"], items[stopped]["words"], items[stopped]["seconds"]) == (
        "left out", "not running", None,
    )  # fmt: skip


def test_the_vm_that_is_made_of_a_snapshot_is_named_though_nobody_named_it(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    namespace, _, name = path.partition("/")
    assert run("snapshot", path, "--yes", "--wait", "--name", "before")[0] == codes.OK
    words = ("restore", f"{namespace}/before", "--target", "new", "--yes")
    code, out, _ = run(*words, "--dry-run")
    assert (code, out) == (codes.OK, f"{namespace}/before: would be accepted: for VM {path}-restored\n")
    told = json.loads(run(*words, "--dry-run", "-o", "json")[1])
    (tried,) = told["items"]
    assert (tried["state"], tried["words"], told["counts"]) == (
        "accepted", f"would be accepted: for VM {path}-restored", {"accepted": 1},
    )  # fmt: skip
    code, out, _ = run(*words, "-o", "json", "--wait")
    (item,) = json.loads(out)["items"]
    assert (code, item["state"], item["made"]["kind"]) == (codes.OK, "done", "VirtualMachineRestore")
    assert item["words"].endswith(f"is complete: VM {name}-restored is as the snapshot has it")
    assert item["target"].pop("uid") == json.loads(run("get", "vms", f"{path}-restored", "-o", "json")[1])[0]["uid"]
    assert item["target"] == {"kind": "VirtualMachine", "namespace": namespace, "name": f"{name}-restored"}
    assert f"for VM {path}-restored-2\n" in run(*words)[1]


def test_what_is_so_already_ends_well_and_what_is_impossible_does_not(run: Run, vm: Callable[[str], str]) -> None:
    running, stopped = vm("Running"), vm("Stopped")
    assert run("stop", stopped, "--yes")[:2] == (codes.OK, f"{stopped}: left out: not running\n")
    assert run("start", running, "--yes")[:2] == (codes.OK, f"{running}: left out: already running\n")
    assert run("cancel-migration", running, "--yes")[:2] == (codes.OK, f"{running}: left out: not migrating\n")
    untouched = f"{running}: left out: no node is being emptied of it\n"
    assert run("cancel-evacuation", running, "--yes")[:2] == (codes.OK, untouched)
    assert run("restart", stopped, "--yes")[0] == codes.FAILED
    assert run("restart", running, stopped, "--yes", "--dry-run")[0] == codes.PARTIAL


def test_what_is_not_seen_in_time_is_told_with_what_the_row_says(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def have_no_effect(_fleet: Fleet, _item: Item) -> None:
        """Accepted, and nobody takes it up."""

    monkeypatch.setattr(act_module, "perform", have_no_effect)
    path = vm("Stopped")
    code, out, _ = run("start", path, "--yes", "--wait", "--timeout", "0.2")
    assert code == codes.UNSEEN
    assert out.startswith(f"{path}: accepted: its effect is not seen after 0s; ")
    assert "virt-controller has made no instance of it yet" in out


def test_what_is_read_only_is_not_sent(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    assert run("--read-only", "stop", path, "--yes") == (
        codes.FAILED, "", "kvtui: demo is read-only: stop was not sent\n",
    )  # fmt: skip
    assert status(run, path) == "Running"


def test_a_name_that_is_not_there_ends_it_before_anything_is_sent(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    code, out, err = run("stop", path, "shop/nobody", "--yes")
    assert (code, out) == (codes.FAILED, "")
    assert "no vm named shop/nobody in demo" in err
    assert status(run, path) == "Running"


def test_a_name_without_its_namespace_is_not_looked_for_elsewhere(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    name = path.rpartition("/")[2]
    code, _, err = run("stop", name, "--yes")
    assert code == codes.FAILED
    assert f"no vm named {name} in namespace default of demo\nhint: there is {path}" in err
    assert run("stop", name, "-A", "--dry-run")[0] == codes.OK


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stop"], "it is not said what to stop"),
        (["stop", "a", "-l", "b=c"], "names and -l were given"),
        (["stopit", "a"], "there is no command 'stopit', did you mean stop?"),
        (["delete", "a"], "delete needs a kind"),
        (["stop", "a/b", "-n", "c"], "a is not the namespace c"),
        (["create", "dv", "a", "b"], "create makes one import"),
        (["restore", "vm", "shop/web-1"], "restore is not for vm: it is for snapshot\nhint: NAMESPACE/vm means one"),
        (["revert", "snapshot", "shop/daily"], "revert snapshot cannot be done on demo: there is revert vm"),
        (["stop", "a", "--timeout", "soon"], "'soon' is not a number of seconds"),
        (["stop", "a", "--set", "grace"], "argument --set: it is not FIELD=VALUE"),
    ],
)
def test_what_makes_no_sense_is_told(run: Run, words: list[str], told: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (codes.USAGE, "")
    assert told in err


def test_fields_are_options_and_are_checked_as_on_the_screen(run: Run) -> None:
    new = ["create", "dv", "fields-1", "-n", "shop", "--yes"]
    code, _, err = run(*new, "--source", "blank", "--size", "many")
    assert code == codes.USAGE
    assert "'many' is no amount: as in 20 or 20Gi" in err
    code, _, err = run(*new, "--source", "blank")
    assert (code, "needs --size: " in err) == (codes.USAGE, True)
    code, _, err = run(*new, "--source", "nowhere")
    assert code == codes.USAGE
    code, out, _ = run(*new, "--source", "nowhere", "-o", "json")
    assert (code, "--source is not 'nowhere'" in json.loads(out)["error"]) == (codes.USAGE, True)
    assert "--source is not 'nowhere': there is http, registry, s3, pvc, blank, upload" in err
    code, _, err = run(*new, "--source", "blank", "--url", "https://example.org")
    assert code == codes.USAGE
    assert "--url makes no sense with the other answers" in err
    code, _, err = run(*new, "--colour", "red")
    assert code == codes.USAGE
    assert "has no --colour" in err
    assert run(*new, "--source", "blank", "--size", "5", "--class", "local-lvm", "--bind")[:2] == (
        codes.OK,
        "shop/fields-1: accepted: DataVolume fields-1\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set-memory", "--memory", "1"], "memory: not less than 32 MiB"),
        (["set-memory", "--memory", "-5"], "not less than 32 MiB"),
        (["set-memory"], "needs --memory: now "),
        (["set-cpus", "--cpus", "0"], "CPUs: not less than 1"),
        (["set-cpus"], "needs --cpus: now "),
        (["attach-interface", "--network", "nowhere"], "--network is not 'nowhere': there is db-vlan120"),
        (["attach-disk"], "needs --volume: there is "),
    ],
)
def test_a_value_that_cannot_be_right_names_its_field_and_what_would_do(
    run: Run, machines: Machines, words: list[str], told: str
) -> None:
    shop = next(path for path in machines.all_running(run) if path.startswith("shop/"))
    code, out, err = run(words[0], shop, *words[1:], "--yes")
    assert (code, out) == (codes.USAGE, "")
    assert told in err


def test_a_name_that_is_taken_is_refused_and_no_wrong_command_line(run: Run) -> None:
    code, out, err = run("create", "pvc", "shop/postgres-1-data", "--size", "5Gi", "--yes")
    assert (code, out) == (codes.FAILED, "")
    assert "name: there is a PVC of that name\nhint: choose another one, or delete what bears it" in err


def test_a_copy_that_is_smaller_than_its_source_is_refused_before_it_is_sent(run: Run) -> None:
    copy = ["create", "dv", "copy-1", "-n", "shop", "--source", "pvc", "--from", "shop/postgres-1-data", "--yes"]
    code, _, err = run(*copy, "--grow-to", "5")
    assert code == codes.USAGE
    assert "size: shop/postgres-1-data has 500Gi: a copy cannot be smaller" in err


def test_fields_are_listed_for_the_objects(run: Run) -> None:
    code, out, _ = run("create", "dv", "fields-2", "-n", "shop", "--fields")
    assert code == codes.OK
    assert "  --source VALUE   source (needed)\n" in out
    assert "      blank  an empty disk\n" in out
    assert "  --bind yes|no   bind at once (default: no)\n" in out
    assert "fields-2" not in run("get", "dv", "-n", "shop", "-o", "name")[1]


def test_whoever_interrupts_it_is_told_what_was_sent_and_what_was_not(
    run: Run, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def perform(_fleet: Fleet, item: Item) -> None:
        asked.append(item.ref.path)
        if len(asked) > 1:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    monkeypatch.setattr(act_module, "perform", perform)
    monkeypatch.setattr(batch_module, "AT_ONCE", 1)
    code, out, err = run("restart", "-l", "kubevirt.io/domain", "-n", namespace, "--yes")
    assert code == codes.INTERRUPTED
    assert out.splitlines()[:2] == [
        f"{asked[0]}: accepted",
        f"{asked[1]}: nobody knows: its answer was not waited for",
    ]
    unsent = [line for line in out.splitlines() if line.endswith(": not sent: the program ended before")]
    assert len(unsent) == len(out.splitlines()) - 2 > 0
    assert err.endswith(f"\ninterrupted: 1 accepted, 1 nobody knows, {len(unsent)} not sent\n")


def test_whoever_interrupts_it_reads_so_in_json(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def perform(_fleet: Fleet, _item: Item) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr(act_module, "perform", perform)
    code, out, _ = run("restart", vm("Running"), "--yes", "-o", "json")
    told = json.loads(out)
    assert (code, told["error"], told["items"][0]["state"]) == (codes.INTERRUPTED, "interrupted", "nobody knows")


def test_an_account_that_may_not_is_told_what_it_lacks(
    run: Run, vm: Callable[[str], str], kubeconfig: str, tmp_path: Any
) -> None:
    path = vm("Running")
    code, out, err = run("--context", "demo-view", "stop", path, "--yes")
    assert (code, out) == (codes.FAILED, "")
    assert "needs update on virtualmachines/stop in namespace " in err


def test_help_tells_of_a_verb_what_it_does_and_how_it_ends(run: Run) -> None:
    code, out, _ = run("start", "--help")
    assert code == codes.OK
    assert "usage: kvtui start [vm|pool|network] NAME... [options]" in out
    assert "vm: Start the VM." in out
    assert "5    accepted, but its effect or end was not seen in time (--wait)" in out
    assert "--theme" not in out


def test_help_lists_every_verb(run: Run) -> None:
    out = run("--help")[1]
    assert all(f"\n  {word} " in out for word in find_verbs(RESOURCES))


def test_in_production_a_yes_is_not_enough_for_what_interrupts(
    run: Run, vm: Callable[[str], str], type_answer: Callable[[str], None], tmp_path: Path
) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text('[context."dem*"]\nproduction = true\n', encoding="utf-8")
    path = vm("Running")
    type_answer("y")
    code, _, err = run("restart", path, "--config", str(settings))
    assert code == codes.UNCONFIRMED
    assert err.startswith("PRODUCTION demo\n")
    type_answer(path.rpartition("/")[2])
    assert run("restart", path, "--config", str(settings))[0] == codes.OK


def test_in_production_that_is_said_also_where_nobody_is_asked(
    run: Run, vm: Callable[[str], str], tmp_path: Path
) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text('[context."dem*"]\nproduction = true\n', encoding="utf-8")
    path = vm("Running")
    for given in ("--dry-run", "--yes"):
        code, _, err = run("pause", path, "--config", str(settings), given)
        assert (code, err.splitlines()[0]) == (codes.OK, "PRODUCTION demo")


def test_what_another_user_may_not_do_is_not_done_as_them(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    code, out, err = run("stop", path, "--yes", "--as", "demo-view")
    assert (code, out) == (codes.FAILED, "")
    needs = f"needs update on virtualmachines/stop in namespace {path.partition('/')[0]}"
    assert err == f"kvtui: {needs}\nhint: role kubevirt.io:edit has it\n"
    assert status(run, path) == "Running"


def test_reading_goes_by_the_rights_of_the_other_user_too(run: Run) -> None:
    assert "forbidden" in run("get", "vms", "--as", "nobody")[2]
    assert run("get", "vms", "--as", "nobody", "--as-group", "system:masters")[::2] == (codes.OK, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--as-group", "ops"], "--as-group was given without --as"),
        (["--as", "jane", "--host", "test:///default"], "--as means nothing to libvirt, and to test"),
    ],
)
def test_acting_as_somebody_that_makes_no_sense_is_told(run: Run, words: list[str], told: str) -> None:
    code, out, err = run("get", "vms", *words)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("field", ["disk_web-1-root", "volume vda"])
def test_a_field_is_an_option_whatever_its_name_is_made_of(field: str) -> None:
    form = Form("delete web-1", (Toggle(field, field),))
    option = option_name(field)
    assert describe_fields(form)[1].startswith(f"  --{option} yes|no ")
    assert " " not in option
    assert fill_form(form, {option: None}).answers.flag(field)
    assert not fill_form(form, {f"no-{option}": None}).answers.flag(field)


def test_the_time_limit_holds_for_a_server_that_does_not_answer(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_fleet: Fleet, _item: Item) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(act_module, "perform", hang)
    code, out, err = run("restart", vm("Running"), "--yes", "--wait", "--timeout", "1s")
    assert code == codes.PARTIAL
    assert ": nobody knows: its answer was not waited for" in out
    assert "--timeout is over after 1s: what was sent may still be done\n" in err
