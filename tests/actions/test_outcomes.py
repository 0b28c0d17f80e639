"""What scripts are told of what came of a verb: when a guest has a new size, what was made, what was only tried, and
what nobody answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from kvtui.actions.items import Item
from kvtui.actions.sending import perform
from kvtui.cli import act as act_module
from kvtui.cli import codes
from kvtui.cli.demo import DemoCluster
from kvtui.errors import UnansweredError
from kvtui.fleet import Fleet
from kvtui.model import Feed, FeedState
from tests.actions.conftest import SPEED, Run
from tests.actions.test_command_line import Machines


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[str]:
    """That of a cluster in which nothing happens by itself."""
    with DemoCluster(["--quiet", "--size", "60", "--seed", "1", "--speed", str(SPEED)]) as cluster:
        yield cluster.wait_for_kubeconfig()


@pytest.fixture(scope="module")
def machines() -> Machines:
    return Machines()


@pytest.fixture
def vm(run: Run, machines: Machines) -> Callable[[str], str]:
    """Finds a VM in a state that no other test has to do with, as NAMESPACE/NAME."""
    return partial(machines.find, run)


def node_of(run: Run, path: str) -> str:
    (row,) = json.loads(run("get", "vms", path, "-o", "json")[1])
    return str(row["columns"]["node"])


def test_a_larger_size_is_done_when_the_guest_has_it(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    before = node_of(run, path)
    code, out, _ = run("set-cpus", path, "--cpus", "8", "--yes", "--wait")
    assert (code, out.startswith(f"{path}: done in ")) == (codes.OK, True)
    # It came by a migration.
    assert "restart" not in out
    assert node_of(run, path) != before


def test_a_smaller_size_ends_with_the_restart_that_it_needs(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    code, out, _ = run("set-memory", path, "--memory", "1Gi", "--yes", "--wait", "-o", "json")
    (item,) = json.loads(out)["items"]
    assert (code, item["state"], item["words"]) == (codes.OK, "done", "accepted; it comes with a restart")


def test_what_was_made_is_told(run: Run, vm: Callable[[str], str]) -> None:
    path = vm("Running")
    namespace = path.partition("/")[0]
    code, out, _ = run("expose", path, "--port", "22", "--name", "way-in", "--yes", "-o", "json")
    (item,) = json.loads(out)["items"]
    assert (code, item["words"]) == (codes.OK, f"Service {namespace}/way-in is made")
    made = item["made"]
    assert (made["kind"], made["namespace"], made["name"]) == ("Service", namespace, "way-in")
    assert made["uid"]
    code, out, _ = run("expose", path, "--port", "22", "--name", "another", "--yes")
    assert out == f"{path}: accepted: Service {namespace}/another is made\n"


def test_of_what_was_only_tried_no_effect_is_missed(run: Run, vm: Callable[[str], str]) -> None:
    code, out, _ = run("stop", vm("Running"), "--dry-run", "-o", "json")
    (item,) = json.loads(out)["items"]
    assert (code, item["state"], item["words"], item["made"]) == (
        codes.OK, "accepted", "would be accepted", None,
    )  # fmt: skip


def test_by_labels_it_fails_only_where_it_was_possible_for_none(run: Run, machines: Machines) -> None:
    namespace = machines.find_namespace(run)
    rows = json.loads(run("get", "vms", "-n", namespace, "-o", "json")[1])
    app = rows[0]["labels"]["app"]
    several = [row for row in rows if row["labels"].get("app") == app]
    by_label = ("-l", f"app={app}", "-n", namespace, "--yes")
    first = f"{namespace}/{several[0]['name']}"
    assert run("stop", first, "--yes", "--wait")[0] == codes.OK
    assert run("pause", first, "--yes")[0] == codes.FAILED
    assert run("pause", *by_label, "--dry-run")[0] == (codes.OK if len(several) > 1 else codes.FAILED)
    assert run("stop", *by_label, "--wait")[0] == codes.OK
    code, out, _ = run("pause", *by_label)
    assert (code, out.count("left out")) == (codes.FAILED, len(several))


def test_disks_of_several_vms_are_chosen_one_by_one(run: Run) -> None:
    paths = ["web/frontend-2", "web/frontend-3"]
    _, told, _ = run("delete", "vm", *paths, "--fields")
    assert "--disk-frontend-3/frontend-3-root yes|no" in told
    code, _, err = run("delete", "vm", *paths, "--disk-frontend-2/frontend-2-root=yes", "--yes", "--wait")
    assert code == codes.OK
    assert "! all data on frontend-2/frontend-2-root is lost; their other disks stay\n" in err
    left = {row["name"] for row in json.loads(run("get", "dv", "-n", "web", "-o", "json")[1])}
    assert {"frontend-2-root", "frontend-3-root"} & left == {"frontend-3-root"}


@pytest.mark.parametrize("paths", [["web/frontend-4"], ["web/frontend-4", "web/frontend-5"]])
@pytest.mark.parametrize(
    "option",
    ["--disks", "--disk-frontend-4/frontend-4-root", "--disk-frontend-4/rootdisk", "--disk-web/frontend-4/rootdisk"],
)
def test_the_disks_of_one_vm_are_named_as_those_of_several(run: Run, paths: list[str], option: str) -> None:
    code, _, err = run("delete", "vm", *paths, option, "--yes", "--dry-run")
    assert code == codes.OK
    assert "! all data on " in err


def test_a_vm_without_a_disk_has_all_its_disks_deleted(run: Run) -> None:
    for paths in (["web/cache-2"], ["web/cache-2", "web/cache-3"]):
        code, out, _ = run("delete", "vm", *paths, "--disks", "--yes", "--dry-run")
        assert (code, out.count("would be accepted")) == (codes.OK, len(paths))


def test_an_upload_that_is_refused_says_of_nothing_that_it_was_made(run: Run, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(2**20))
    upload = ("upload", str(image), "--name", "refused", "-n", "shop", "--size", "1Gi")
    for options in (("--read-only",), ("--as", "demo-view")):
        code, _, err = run(*upload, *options)
        assert code != codes.OK
        assert "is made" not in err


def test_editing_is_sent_to_the_screen(run: Run) -> None:
    code, _, err = run("edit", "web/cache-1")
    assert code == codes.USAGE
    assert "edit is on the screen alone" in err


def test_a_cluster_that_is_not_reached_is_told_before_the_name(run: Run, kubeconfig: str, tmp_path: Path) -> None:
    lines = Path(kubeconfig).read_text().splitlines()
    away = ["    server: https://127.0.0.1:1" if "server:" in line else line for line in lines]
    dead = tmp_path / "kubeconfig"
    dead.write_text("\n".join(away))
    code, _, err = run("stop", "web/cache-1", "--yes", "--kubeconfig", str(dead))
    assert code == codes.PARTIAL
    told = next(line for line in err.splitlines() if "no vm named" in line)
    assert told.startswith("kvtui: demo: cannot connect to ")
    assert told.endswith(": so no vm named web/cache-1 is known")


def give_up() -> None:
    raise UnansweredError("the server gave up", "504 Gateway Time-out", "look before you repeat it", 504)


async def perform_and_give_up(fleet: Fleet, item: Item) -> None:
    await perform(fleet, item)
    give_up()


def test_what_nobody_knows_of_is_looked_at_where_its_effect_is_waited_for(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(act_module, "perform", perform_and_give_up)
    path = vm("Running")
    code, out, _ = run("stop", path, "--yes", "--wait")
    assert (code, out.startswith(f"{path}: done in ")) == (codes.OK, True)
    path = vm("Running")
    code, out, _ = run("stop", path, "--yes")
    words = "nobody knows whether it was accepted: the server gave up: 504 Gateway Time-out (look before you repeat it)"
    assert (code, out) == (codes.PARTIAL, f"{path}: nobody knows: {words}\n")


def test_what_nobody_knows_of_and_is_not_seen_in_time_stays_so_and_says_how_it_stands(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(_fleet: Fleet, _item: Item) -> None:
        give_up()

    monkeypatch.setattr(act_module, "perform", lose)
    path = vm("Running")
    code, out, _ = run("stop", path, "--yes", "--wait", "--timeout", "1s", "-o", "json")
    (item,) = json.loads(out)["items"]
    assert (code, item["state"]) == (codes.PARTIAL, "nobody knows")
    assert item["words"].endswith("nothing ends its instance yet: virt-controller has not taken it up")


def test_what_cannot_be_seen_of_what_nobody_knows_of_is_not_waited_for(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(_fleet: Fleet, _item: Item) -> None:
        give_up()

    monkeypatch.setattr(act_module, "perform", lose)
    code, out, err = run("snapshot", vm("Running"), "--yes", "--wait", "--timeout", "100")
    assert (code, ": nobody knows: " in out) == (codes.PARTIAL, True)
    assert "--timeout" not in err


def test_an_effect_that_cannot_be_seen_as_the_cluster_is_not_heard_is_no_effect_that_is_late(
    run: Run, vm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fall_silent(fleet: Fleet, item: Item) -> None:
        fleet.store.post(Feed(item.ref.backend, item.ref.kind, FeedState.STALE, fleet.clock()))

    monkeypatch.setattr(act_module, "perform", fall_silent)
    code, out, _ = run("stop", vm("Running"), "--yes", "--wait", "--timeout", "2s")
    assert code == codes.PARTIAL
    assert ": accepted: its effect is not seen after 2s; demo was last heard 2s ago; then: nothing ends" in out
