"""Consoles beside the list: tabs, chord, states in words, scrollback, keys."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from textual import events
from textual.widgets import Static

from kvtui.config import ConsoleSettings, Settings
from kvtui.errors import AbsentError, BackendError, ForbiddenError, UnreachableError
from kvtui.model import FeedState
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import Drop
from kvtui.ui.consoles.terminal import Terminal
from tests.ui.backend import NAME, ConsoleLine, Stage, changed
from tests.ui.conftest import Screen, Show

RUNNING = "dv-1"
SMALL = (80, 24)


async def until(screen: Screen, condition: Callable[[], object], *, patience: float = 8.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"it did not come:\n{screen.text}"
        await screen.look_again()


def sees(screen: Screen, words: str) -> Callable[[], bool]:
    return lambda: words in " ".join(screen.text.split())


async def open_console(screen: Screen, stage: Stage, name: str = RUNNING) -> ConsoleLine:
    """The console of a VM, connected, with the keyboard in it."""
    await screen.press("slash", *name, "enter", "c")
    await until(screen, sees(screen, "Connected"))
    assert isinstance(screen.app.focused, Terminal)
    return stage.backend.consoles[-1]


def instance(stage: Stage, name: str = RUNNING) -> VirtualMachineInstance:
    vmi = stage.fleet.view.get(VirtualMachineInstance, NAME, "shop", name)
    assert vmi is not None
    return vmi


def status(screen: Screen) -> str:
    """The status line of the consoles."""
    return str(screen.main.consoles.query_one(".console-status", Static).render())


# Opening and leaving -------------------------------------------------------------------------------------------------


async def test_what_the_guest_says_is_shown_and_what_is_typed_reaches_it(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        assert "silent" in screen.text
        line.say(b"web login: ")
        await until(screen, sees(screen, "web login:"))
        await screen.press(*"root", "enter", "q", "colon", "ctrl+c", "up")
        await until(screen, lambda: line.written == b"root\rq:\x03\x1b[A")
        assert stage.backend.calls == [f"console shop/{RUNNING}"]


async def test_the_chord_leads_out_and_in_again_and_the_console_goes_on(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        await screen.press("ctrl+right_square_bracket")
        assert screen.main.current.table.has_focus
        assert "ctrl+] into the console" in screen.text
        line.say(b"meanwhile")
        await until(screen, sees(screen, "meanwhile"))
        await screen.press("ctrl+right_square_bracket", "x")
        await until(screen, lambda: line.written == b"x")


async def test_the_chord_may_be_written_as_it_is_shown(stage: Stage, show: Show) -> None:
    async with show(stage, settings=Settings(console=ConsoleSettings(detach="ctrl+^"))) as screen:
        await open_console(screen, stage)
        assert "ctrl+^ back to the list" in screen.text
        await screen.press("ctrl+circumflex_accent")
        assert screen.main.current.table.has_focus


async def test_several_consoles_are_tabs_and_each_is_opened_once(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        first = await open_console(screen, stage)
        await screen.press("ctrl+right_square_bracket", "escape")
        second = await open_console(screen, stage, "db-2")
        assert "shop/dv-1" in screen.line_with("console ")
        assert "shop/db-2" in screen.line_with("console ")
        await screen.press("b")
        await screen.press("ctrl+right_square_bracket", "ctrl+pageup", "a")
        await until(screen, lambda: (first.written, second.written) == (b"a", b"b"))
        await screen.press("ctrl+right_square_bracket", "c")
        assert len(stage.backend.consoles) == 2


async def test_a_read_only_fleet_opens_no_console_and_says_why(show: Show) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, (120, 40)) as screen:
        await screen.press("c")
        for words in ("read-only here", "takes it from", "the boot log (L)"):
            assert words in screen.text
        assert stage.backend.calls == []
        assert not screen.main.consoles.display


async def test_quitting_asks_while_a_console_is_open_and_closes_its_line(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_console(screen, stage)
        await screen.press("ctrl+right_square_bracket", "q")
        assert "quit and close the open consoles?" in screen.text
        await screen.press("y")
        assert screen.app.return_value == 0


# States in words -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("soon_judged")
async def test_taken_over_is_said_and_only_enter_takes_it_back(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"$ ")
        line.cut()
        await until(
            screen, sees(screen, "Taken over by another user at 02:14. enter takes it back and ends their session")
        )
        stage.clock.now += 60
        await screen.press("l", "s", "enter")
        assert len(stage.backend.consoles) == 1, "the enter belongs to what was typed"
        await until(screen, sees(screen, "3 keys were not sent"))
        stage.clock.now += 2
        await screen.press("enter")
        await until(screen, lambda: len(stage.backend.consoles) == 2)
        await until(
            screen, sees(screen, "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c; 3 keys were")
        )
        assert "last byte" not in screen.text


@pytest.mark.usefixtures("soon_judged")
async def test_a_clean_end_is_the_guests(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        (await open_console(screen, stage)).end()
        await until(
            screen, sees(screen, "The guest's end closed the console at 02:14. Now the VM is Running. enter conn")
        )


async def test_a_restart_is_followed_by_itself(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"old boot")
        before = instance(stage)
        stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
        stage.fleet.step()
        line.cut()
        await until(screen, sees(screen, "The VM stopped at 02:14; waiting for it to run: it is Running."))
        again = changed(before)
        again.metadata.uid = "another"
        stage.put(again)
        # That is when the recorded instance began to run.
        await until(screen, sees(screen, "Connected; new boot at 01:46"))
        stage.backend.consoles[1].say(b"SeaBIOS")
        await until(screen, sees(screen, "SeaBIOS"))
        assert "old boot" not in screen.text


async def test_a_migration_is_followed_and_names_the_node(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"$ uptime")
        stage.backend.console_refusals = [BackendError("console", "connection refused", code=500)]
        stage.put(changed(instance(stage), nodeName="node77"))
        line.cut()
        await until(screen, sees(screen, "The VM moved to node77 at 02:14: following."))
        await until(screen, sees(screen, "Connected; the VM moved to node77 at 02:14; silent"))
        assert "$ uptime" in screen.text


async def test_a_paused_guest_is_told_apart_from_one_that_is_silent(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        stage.put(changed(instance(stage), conditions=[{"type": "Paused", "status": "True"}]))
        await until(screen, sees(screen, "Connected; the guest is paused."))
        stage.put(changed(instance(stage), conditions=[]))
        await until(screen, sees(screen, "silent"))


@pytest.mark.usefixtures("soon_judged")
async def test_a_server_that_does_not_answer_is_no_takeover(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        stage.feed(VirtualMachineInstance, FeedState.STALE, "timed out")
        stage.fleet.step()
        line.cut()
        await until(screen, sees(screen, f"Link lost at 02:14: {NAME} does not answer."))
        await until(screen, sees(screen, "somebody else may have the console by now. enter connects"))
        stage.feed(VirtualMachineInstance, FeedState.LIVE)
        stage.fleet.step()
        await until(screen, sees(screen, "Now the VM is Running. enter connects"))
        assert len(stage.backend.consoles) == 1
        stage.clock.now += 2
        await screen.press("enter")
        await until(screen, sees(screen, "Connected"))


async def test_a_dead_link_says_who_is_silent(stage: Stage, show: Show) -> None:
    class DeadLinkError(UnreachableError):
        silent = True

    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.cut(DeadLinkError("the console fell silent", "no answer to a ping for 6 s"))
        await until(screen, sees(screen, "Link lost at 02:14: no answer to a ping for 6 s."))


async def test_a_vm_that_crashed_is_told_from_one_that_was_stopped(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        stage.put(changed(instance(stage), phase="Failed"))
        line.cut()
        await until(screen, sees(screen, "The VM failed at 02:14; waiting for it to run: it is Failed."))


async def test_a_vm_that_was_switched_off_inside_is_called_as_the_list_calls_it(stage: Stage, show: Show) -> None:
    vm = stage.fleet.view.get(VirtualMachine, NAME, "shop", RUNNING)
    assert vm is not None
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        stage.put(changed(vm, printableStatus="Stopped"), changed(instance(stage), phase="Succeeded"))
        line.cut()
        await until(screen, sees(screen, "The VM stopped at 02:14; waiting for it to run: it is Stopped."))


async def test_a_stopped_vm_is_waited_for_without_asking_the_server(stage: Stage, show: Show) -> None:
    before = instance(stage)
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
    stage.fleet.step()
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(screen, sees(screen, "Waiting for the VM to run: it is Running."))
        assert stage.backend.calls == []
        starting = changed(before, phase="Scheduling")
        stage.put(starting)
        stage.backend.console_refusals = [BackendError("x", "VMI is not running", code=400)] * 2
        await until(screen, sees(screen, "Waiting for the VM to run: it is Scheduling."))
        placed = changed(starting, phase="Scheduled")
        stage.put(placed)
        await until(screen, sees(screen, "Connected; the guest has not begun yet."))
        stage.put(changed(placed, phase="Running"))
        await until(screen, sees(screen, "Connected; silent"))


async def test_what_a_console_says_while_the_program_ends_is_drawn_by_nobody(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(screen, sees(screen, "Connected; silent"))
        pane = screen.main.consoles
        await pane.remove()
        pane.on_descendant_focus()


@pytest.mark.usefixtures("soon_judged")
async def test_where_vms_may_not_be_watched_the_server_is_asked_and_quoted(stage: Stage, show: Show) -> None:
    stage.feed(VirtualMachineInstance, FeedState.FORBIDDEN, "no right")
    stage.fleet.step()
    stage.backend.console_refusals = [AbsentError("console", "not found", code=404)]
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(screen, sees(screen, "Waiting for the VM to run: console: not found."))
        await until(screen, sees(screen, "Connected"))
        stage.backend.consoles[0].cut()
        await until(screen, sees(screen, "Cut at 02:14: taken over by another user, or the VM stopped or moved, which"))


async def test_a_vm_without_a_serial_device_is_not_waited_for(stage: Stage, show: Show) -> None:
    stage.backend.console_refusals = [BackendError("console of shop/dv-1", "No serial consoles are present.", code=400)]
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(
            screen, sees(screen, "Refused: console of shop/dv-1: No serial consoles are present. enter connects")
        )


async def test_bytes_and_the_age_of_the_last_one_are_counted_in_the_border(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        assert "in 0B" in screen.line_with("console ")
        line.say(b"x" * 2048)
        await screen.press("a", "b", "c")
        await until(screen, lambda: line.written == b"abc")
        stage.clock.now += 90
        await until(screen, lambda: "in 2KiB  out 3B  last byte 90s ago" in screen.line_with("console "))


async def test_a_long_refusal_is_readable_to_its_end_at_80_columns(stage: Stage, show: Show) -> None:
    words = 'User "jane" cannot get resource "virtualmachineinstances/console" in API group "subresources.kubevirt.io"'
    stage.backend.console_refusals = [ForbiddenError("console of shop/dv-1", words, code=403)]
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(screen, sees(screen, "enter connects"))
        assert "subresources.kubevirt.io" in screen.text


@pytest.mark.parametrize("error", [None, BackendError("x", "VMI is not running", code=400)])
async def test_the_status_always_fits(stage: Stage, show: Show, error: BackendError | None) -> None:
    if error is not None:
        stage.backend.console_refusals = [error] * 100
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(screen, lambda: status(screen).strip())
        if error is None:
            stage.backend.consoles[-1].say(b"line\r\n" * 300)
            await until(screen, lambda: "last byte" in screen.text)
            await screen.press("shift+pageup")
        assert max(map(len, status(screen).splitlines())) <= SMALL[0]


async def test_a_toast_does_not_cover_the_status(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        screen.app.notify("some words of an action that was done a moment ago")
        await until(screen, sees(screen, "a moment ago"))
        assert "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c." in screen.text
        assert "ctrl+] back to the list" in screen.text


# The boot log ---------------------------------------------------------------------------------------------------------


async def open_boot_log(screen: Screen, stage: Stage) -> ConsoleLine:
    """The boot log of a VM, with the keyboard in it."""
    await screen.press("slash", *RUNNING, "enter", "L")
    await until(screen, lambda: stage.backend.boot_logs)
    return stage.backend.boot_logs[-1]


async def test_the_boot_log_is_read_beside_the_console_and_takes_no_keys(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        await screen.press("ctrl+right_square_bracket")
        log = await open_boot_log(screen, stage)
        await until(screen, sees(screen, "Reading the boot log; there is nothing in it yet."))
        log.say(b"[    0.000000] Linux version 6.12\r\n")
        await until(screen, sees(screen, "Linux version 6.12"))
        assert "shop/dv-1   shop/dv-1 boot log" in screen.line_with("console ")
        await screen.press("x")
        await until(screen, sees(screen, "Reading the boot log; read-only: no key reaches the guest."))
        assert log.written == b""
        assert len(stage.backend.consoles) == 1


async def test_a_log_without_its_server_is_not_taken_for_a_quiet_guest(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_boot_log(screen, stage)
        stage.feed(VirtualMachineInstance, FeedState.STALE, "timed out")
        stage.fleet.step()
        await until(screen, sees(screen, f"Reading the boot log; there is nothing in it yet; {NAME} does not answer."))


async def test_a_read_only_fleet_reads_boot_logs(show: Show) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, SMALL) as screen:
        await open_boot_log(screen, stage)
        await until(screen, sees(screen, "Reading the boot log"))


async def test_a_boot_log_that_is_not_kept_says_why_and_what_helps(stage: Stage, show: Show) -> None:
    cause = AbsentError("shop/dv-1 keeps no boot log", "logSerialConsole is false", "set it otherwise", 404)
    stage.backend.boot_log_refusals = [cause]
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "L")
        await until(screen, sees(screen, "logSerialConsole is false"))
        assert "the console (c) shows what comes from now on" in " ".join(screen.text.split())


async def test_a_boot_log_belongs_to_a_vm(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("1", "L")
        assert "a boot log belongs to a VM: choose one among the VMs" in screen.text


# Scrollback and size -------------------------------------------------------------------------------------------------


async def fill(screen: Screen, line: ConsoleLine, count: int = 200) -> None:
    line.say(b"".join(b"line %d\r\n" % number for number in range(count)))
    await until(screen, sees(screen, f"line {count - 1}"))


async def test_scrollback_keys_show_what_went_by_and_nothing_is_typed_until_the_way_back(
    stage: Stage, show: Show
) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        await fill(screen, line)
        await screen.press("shift+pageup", "shift+pageup")
        await until(screen, sees(screen, "lines back"))
        assert "line 199" not in screen.text
        await screen.press("x")
        await until(screen, sees(screen, "no key reaches the guest while paused: esc follows"))
        await screen.press("escape")
        await until(screen, sees(screen, "line 199"))
        assert "lines back" not in screen.text
        await screen.press("y")
        await until(screen, lambda: line.written == b"y")


async def test_a_paste_does_not_reach_the_guest_while_its_console_is_read(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        await fill(screen, line)
        await screen.press("shift+pageup")
        assert isinstance(screen.app.focused, Terminal)
        screen.app.focused.post_message(events.Paste("ls\n"))
        await until(screen, sees(screen, "nothing was pasted: the console is paused, esc follows"))
        await screen.press("escape")
        screen.app.focused.post_message(events.Paste("ls\n"))
        await until(screen, lambda: line.written == b"ls\r")


async def test_one_cannot_scroll_beyond_the_first_line_nor_below_the_last(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        await fill(screen, line)
        await screen.press(*["shift+pageup"] * 40)
        await until(screen, sees(screen, "line 0 "))
        await screen.press(*["shift+pagedown"] * 50)
        await until(screen, sees(screen, "line 199"))
        assert "lines back" not in screen.text


async def test_a_low_view_shows_where_the_cursor_is(stage: Stage, show: Show) -> None:
    """The guest's screen has 24 lines, of which 80x24 has room for some: the first text stands in the first lines."""
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"\r\nweb login: ")
        await until(screen, sees(screen, "web login:"))
        line.say(b"\x1b[2J\x1b[24;1Hlast line")
        await until(screen, sees(screen, "last line"))
        line.say(b"\x1b[1;1Hfirst line")
        await until(screen, sees(screen, "first line"))
        assert "last line" not in screen.text


async def test_the_view_follows_the_terminals_size_and_keeps_the_newest_lines(stage: Stage, show: Show) -> None:
    async with show(stage, (120, 40)) as screen:
        line = await open_console(screen, stage)
        await fill(screen, line)
        for size in (SMALL, (200, 50), (120, 24)):
            await screen.pilot.resize_terminal(*size)
            await until(screen, sees(screen, "line 199"))
            assert "Connected" in screen.text


async def test_colours_and_escapes_of_the_guest_stay_inside(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        line.say(b"\x1b[31mred\x1b[0m [b]no markup[/b] \x1b]0;title\x07end")
        await until(screen, sees(screen, "red [b]no markup[/b] end"))
        assert "\x1b" not in screen.text
