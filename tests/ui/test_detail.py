"""One object in full: overview, events, YAML, log, search."""

from __future__ import annotations

import time

import pytest

from kvtui.errors import UnreachableError
from kvtui.model import FeedState
from kvtui.records.decode import decode_record
from kvtui.records.kubernetes import Event, Node, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import Replace
from kvtui.text import clean
from kvtui.ui.facts import log_containers
from kvtui.ui.lines import LinesView
from kvtui.ui.screens.detail import DetailScreen
from tests.ui.backend import NAME, LogTape, Stage, changed, recorded
from tests.ui.conftest import Screen, Show

RUNNING = "dv-1"
POD = "virt-launcher-dv-1-x"


async def until(screen: Screen, words: str, *, patience: float = 5.0) -> None:
    """Wait until the screen shows some words."""
    end = time.monotonic() + patience
    while words not in screen.text:
        assert time.monotonic() < end, f"{words!r} did not come:\n{screen.text}"
        await screen.look_again()


async def open_tab(screen: Screen, key: str, name: str = RUNNING) -> None:
    await screen.press("slash", *name, "enter", key)
    assert isinstance(screen.app.screen, DetailScreen)


def launcher(name: str = RUNNING) -> Pod:
    """The recorded launcher of another VM, as that of `name`."""
    pod = next(record for record in recorded(Pod) if isinstance(record, Pod) and record.is_launcher)
    stage = Stage()
    stage.list_all()
    vmi = stage.fleet.view.get(VirtualMachineInstance, NAME, "shop", name)
    assert vmi is not None
    pod.metadata.name, pod.metadata.uid = POD, "launcher"
    pod.metadata.labels = {**pod.metadata.labels, "kubevirt.io/created-by": vmi.metadata.uid}
    pod.spec.node_name = vmi.status.node_name
    return pod


@pytest.fixture
def with_launcher(stage: Stage) -> Stage:
    """The recorded cluster, in which dv-1 has its launcher."""
    stage.put(launcher())
    return stage


# Overview ------------------------------------------------------------------------------------------------------------


async def test_the_overview_tells_state_place_and_conditions(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "enter")
        assert f"vm shop/{RUNNING}   Running" in screen.lines[0]
        assert "[overview]" in screen.lines[1]
        assert "Conditions of VirtualMachineInstance dv-1" in screen.text
        assert "LiveMigratable" in screen.text


async def test_the_overview_of_a_vm_in_trouble_begins_with_cause_and_step(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "w", "db-2")
        cause = next(number for number, text in enumerate(screen.lines) if "does not exist" in text)
        conditions = next(number for number, text in enumerate(screen.lines) if "Conditions of" in text)
        assert cause < conditions
        assert "next: " in screen.text


async def test_the_overview_names_what_the_account_cannot_see_and_the_right_that_it_takes(
    stage: Stage, show: Show
) -> None:
    stage.fleet.store.post(Replace(NAME, Node, []))
    stage.feed(Node, FeedState.FORBIDDEN)
    async with show(stage) as screen:
        await open_tab(screen, "w")
        assert "not seen: node " in screen.text
        assert ": forbidden" in screen.text
        assert "next: ask for list and watch on nodes, or have somebody who may look: kubectl" in screen.text


async def test_the_overview_follows_the_object(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "d")
        vm = next(ref for ref in screen.main.current.listing.refs if ref.name == RUNNING)
        record = stage.fleet.view.get(VirtualMachine, NAME, vm.namespace, vm.name)
        assert record is not None
        stage.put(changed(record, printableStatus="Stopping"))
        await screen.settle()
        assert "Stopping" in screen.lines[0]


# Events --------------------------------------------------------------------------------------------------------------


def event(reason: str, message: str, moment: str) -> Event:
    raw = (
        f'{{"metadata":{{"name":"{reason}","uid":"{reason}"}},"type":"Warning","reason":"{reason}",'
        f'"message":"{message}","lastTimestamp":"{moment}","involvedObject":{{"kind":"VirtualMachine","name":"dv-1"}}}}'
    )
    found = decode_record(raw.encode(), Event)
    assert isinstance(found, Event)
    return found


async def test_events_of_all_parts_are_shown_once_the_newest_first(stage: Stage, show: Show) -> None:
    stage.backend.events[RUNNING] = [
        event("Older", "first this", "2026-11-21T02:00:00Z"),
        event("Newer", "then that", "2026-11-21T02:10:00Z"),
    ]
    async with show(stage) as screen:
        await open_tab(screen, "E")
        await until(screen, "then that")
        assert screen.text.index("Newer") < screen.text.index("Older")
        assert screen.text.count("Newer") == 1, "VM and instance have the same name, the event is one"


async def test_no_events_is_a_sentence(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "E")
        await until(screen, "no events")


# YAML and search -----------------------------------------------------------------------------------------------------


async def test_yaml_is_searched_and_the_search_is_left_with_escape(stage: Stage, show: Show) -> None:
    stage.backend.whole = {"spec": {f"key{number:02}": f"value{number:02}" for number in range(80)}}
    async with show(stage, (80, 24)) as screen:
        await open_tab(screen, "y")
        await until(screen, "key00: value00")
        assert "value70" not in screen.text
        await screen.press("slash", *"value7", "enter")
        assert "value70" in screen.text
        view = screen.app.screen.query_one(LinesView)

        def current() -> str:
            """The match that stands out."""
            lines = (view.render_line(y) for y in range(view.size.height))
            return next((strip.text.strip() for strip in lines if any(s.style and s.style.reverse for s in strip)), "")

        seen = [current()]
        for key in ("n", "n", "N"):
            await screen.press(key)
            seen.append(current())
        assert [text[-7:] for text in seen] == ["value70", "value71", "value72", "value71"]
        await screen.press("slash", *"nothing like it", "enter")
        assert '"nothing like it" is not in this' in screen.text
        await screen.press("slash", "escape")
        assert isinstance(screen.app.screen, DetailScreen)
        await screen.press("escape")
        assert not isinstance(screen.app.screen, DetailScreen)


async def test_a_server_that_fails_is_told_in_whole_words_on_a_narrow_screen(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "the server at https://10.0.0.1:6443 does not answer, and has not answered for the last ten minutes, END"

    async def fail(_ref: object) -> dict[str, object]:
        raise UnreachableError(words)

    monkeypatch.setattr(stage.backend, "fetch", fail)
    async with show(stage, (80, 24)) as screen:
        await open_tab(screen, "y")
        await until(screen, "END")
        assert "r reads again" in screen.text


# Logs ----------------------------------------------------------------------------------------------------------------


async def test_the_log_of_a_vm_is_that_of_compute_and_follows(with_launcher: Stage, show: Show) -> None:
    tape = with_launcher.backend.logs["compute"] = LogTape("starting qemu", "domain started")
    async with show(with_launcher) as screen:
        await open_tab(screen, "l")
        await until(screen, "domain started")
        assert f"log of pod shop/{POD}, container compute" in screen.text
        tape.say(*(f"line {number}" for number in range(100)))
        await until(screen, "line 99")
        assert "starting qemu" not in screen.text, "the end is followed"
        await screen.press("g")
        assert "starting qemu" in screen.text
        tape.say("one more")
        tape.end()
        await screen.press("G")
        await until(screen, "the log ends here")


async def test_c_goes_on_to_the_guests_serial_log_and_round(with_launcher: Stage, show: Show) -> None:
    logs = with_launcher.backend.logs
    logs["compute"], logs["guest-console-log"] = LogTape("starting qemu"), LogTape("Fedora Linux", "login:")
    async with show(with_launcher) as screen:
        await open_tab(screen, "l")
        await until(screen, "starting qemu")
        assert "c shows guest-console-log" in screen.lines[1]
        await screen.press("c")
        await until(screen, "login:")
        assert "container guest-console-log" in screen.text
        assert "starting qemu" not in screen.text
        for _ in range(len(log_containers(launcher())) - 1):
            await screen.press("c")
        await until(screen, "container compute")


async def test_the_colours_of_a_guests_log_are_left_out(with_launcher: Stage, show: Show) -> None:
    """The backend hands lines out cleaned: U+FFFD stands where the guest wrote an escape."""
    coloured = clean("[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39msshd\x1b[0m.\x1b(B done\ufffd [1m")
    with_launcher.backend.logs["compute"] = LogTape(coloured)
    async with show(with_launcher) as screen:
        await open_tab(screen, "l")
        await until(screen, "[  OK  ] Started sshd. done\ufffd [1m")


async def test_an_error_of_the_log_is_wrapped(with_launcher: Stage, show: Show) -> None:
    async with show(with_launcher, (80, 24)) as screen:
        await open_tab(screen, "l")
        await until(screen, "guest-console-log]")


async def test_without_a_pod_there_is_no_log(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "l", "batch-1")
        await until(screen, "there is no pod to read a log of")


def test_other_pods_show_their_default_container_first() -> None:
    raw = b"""{"metadata":{"name":"p","annotations":{"kubectl.kubernetes.io/default-container":"main"}},
        "spec":{"containers":[{"name":"proxy"},{"name":"main"}],"initContainers":[{"name":"setup"}]}}"""
    pod = decode_record(raw, Pod)
    assert isinstance(pod, Pod)
    assert log_containers(pod) == ["main", "proxy", "setup"]
    pod.metadata.annotations.default_container = ""
    assert log_containers(pod) == ["proxy", "main", "setup"]
