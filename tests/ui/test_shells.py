"""Shells of guests on the screen: questions in dialogs, the size of the pane, ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kvtui.backends.base import ByteStream
from kvtui.config import ContextSettings, ContextSshSettings, Settings
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.store import Drop
from kvtui.ui.consoles.terminal import Terminal
from kvtui.ui.dialogs.ask import AskDialog
from tests.ui.backend import NAME, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import RUNNING, SMALL, sees, until
from tests.wire.sshserver import ssh_server, wire_to

ROOT = Settings(context={NAME: ContextSettings(ssh=ContextSshSettings(user="root"))})


@pytest.fixture
async def guest(stage: Stage) -> AsyncIterator[Stage]:
    """Its VMs have an ssh server, where root's password is ``right``."""
    async with ssh_server() as port:
        stage.backend.open_wire = lambda: wire_to(port)
        yield stage


async def answer(screen: Screen, question: str, *keys: str) -> None:
    await until(screen, sees(screen, question))
    assert isinstance(screen.app.screen, AskDialog)
    await screen.press(*keys, "enter")


async def log_in(screen: Screen) -> Terminal:
    """As root, whose name is in the settings."""
    await screen.press("slash", *RUNNING, "enter", "C")
    await answer(screen, "(yes/no)?", *"yes")
    await answer(screen, "password of root on shop/dv-1", *"right")
    await until(screen, sees(screen, "xterm-256color"))
    terminal = screen.main.consoles.shown
    assert terminal is not None
    return terminal


async def test_name_key_and_password_are_asked_for_and_the_password_is_not_shown(guest: Stage, show: Show) -> None:
    async with show(guest, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await answer(screen, "user on shop/dv-1", *"root")
        await until(screen, sees(screen, "SHA256:"))
        await answer(screen, "The host key of shop/dv-1 is not known yet", *"yes")
        await until(screen, sees(screen, "password of root on shop/dv-1"))
        await screen.press(*"right")
        assert "right" not in screen.text
        assert "what is typed is not shown" in screen.text
        await screen.press("enter")
        await until(screen, sees(screen, "xterm-256color"))
        assert "shop/dv-1 shell" in screen.line_with("console ")
        assert guest.backend.calls == ["port 22 of shop/dv-1"]


async def test_a_shell_has_the_size_of_the_pane_and_learns_of_another(guest: Stage, show: Show) -> None:
    async with show(guest, SMALL, ROOT) as screen:
        terminal = await log_in(screen)
        await until(screen, sees(screen, f"{terminal.size.width}x{terminal.size.height}"))
        await screen.pilot.resize_terminal(120, 35)
        await until(screen, lambda: terminal.size.width == 120)
        await until(screen, sees(screen, f"now 120x{terminal.size.height}"))
        assert terminal.session.emulator.columns == 120


async def test_a_shell_that_ended_says_so_and_enter_logs_in_again(guest: Stage, show: Show) -> None:
    async with show(guest, SMALL, ROOT) as screen:
        await log_in(screen)
        await screen.press("q")
        await until(screen, sees(screen, "The shell ended at 02:14. Now the VM is Running. enter logs in again"))
        guest.clock.now += 2
        await screen.press("enter")
        await answer(screen, "password of root on shop/dv-1", *"right")
        await until(screen, sees(screen, "Connected."))


async def test_giving_up_is_no_shell_and_says_so(guest: Stage, show: Show) -> None:
    async with show(guest, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await until(screen, sees(screen, "user on shop/dv-1"))
        await screen.press("escape")
        await until(screen, sees(screen, "Refused: not logged in to shop/dv-1: no user was named"))
        assert guest.backend.calls == []


async def test_a_question_goes_away_with_its_shell(guest: Stage, show: Show) -> None:
    async with show(guest, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await until(screen, sees(screen, "user on shop/dv-1"))
        await screen.main.consoles.close_all()
        await until(screen, lambda: screen.app.screen is screen.main)


async def test_a_guest_without_an_ssh_server_says_why(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL, ROOT) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await until(screen, sees(screen, "connection refused"))
        await until(screen, sees(screen, "enter logs in again"))


async def test_shells_are_refused_on_a_read_only_fleet(show: Show) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, (120, 40)) as screen:
        await screen.press("C")
        for words in ("shell:", "read-only here"):
            assert words in screen.text
        assert stage.backend.calls == []


async def test_a_shell_that_broke_with_its_vm_says_what_the_vm_did(guest: Stage, show: Show) -> None:
    assert guest.backend.open_wire is not None
    wire = await guest.backend.open_wire()

    async def same_wire() -> ByteStream:
        return wire

    guest.backend.open_wire = same_wire
    async with show(guest, SMALL, ROOT) as screen:
        await log_in(screen)
        guest.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
        guest.fleet.step()
        await wire.close()
        await until(screen, sees(screen, "Connection lost: the VM stopped at 02:14."))


async def test_a_vm_that_does_not_run_is_told_before_anything_is_asked(guest: Stage, show: Show) -> None:
    guest.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
    async with show(guest, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await until(screen, sees(screen, "Refused: not logged in to shop/dv-1: the VM does not run: it is "))
        assert not isinstance(screen.app.screen, AskDialog)
        assert guest.backend.calls == []


async def test_where_no_ports_are_reached_it_is_told_before_anything_is_asked(
    guest: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest.backend, "explain_no_ports", lambda: "nobody runs in its VMs")
    async with show(guest, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await until(screen, sees(screen, "Refused: not logged in to shop/dv-1: nobody runs in its VMs"))
        assert not isinstance(screen.app.screen, AskDialog)


@pytest.mark.parametrize("key", ["yes", "no"], ids=["key accepted, password wrong", "key refused"])
async def test_the_name_is_asked_for_again_only_after_it_was_denied(guest: Stage, show: Show, key: str) -> None:
    async with show(guest, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "C")
        await answer(screen, "user on shop/dv-1", *"root")
        await answer(screen, "(yes/no)?", *key)
        if key == "yes":
            await until(screen, sees(screen, "password of root on shop/dv-1"))
            await screen.press("escape")
            await until(screen, sees(screen, "no password was given"))
        else:
            await until(screen, sees(screen, "its host key was not trusted"))
        guest.clock.now += 2
        await screen.press("enter")
        await until(screen, lambda: isinstance(screen.app.screen, AskDialog))
        await until(screen, sees(screen, "user on shop/dv-1" if key == "yes" else "(yes/no)?"))
