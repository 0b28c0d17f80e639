"""Shells of libvirt hosts on the screen, by way of a real ssh server; and what has none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.libvirt.client import Place, connect
from kvtui.backends.ssh import Questions, Routes
from kvtui.cli.connecting import make_way
from kvtui.fleet import Fleet
from tests.ssh.sshd import SSHD, Sshd, running_sshd
from tests.ssh.support import trusted
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import SMALL, sees, until
from tests.wire.sshserver import User, write_key

needs_sshd = pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")


class Site:
    """A fleet of one host."""

    def __init__(self, uri: str, folder: Path, *, read_only: bool = False) -> None:
        routes = Routes(Questions(User()))
        audit = AuditLog(folder / "audit.jsonl")
        host = connect(Place("kvm1", uri, read_only), audit, make_way(uri, (), routes))
        self.fleet = Fleet([host], routes=routes)

    async def connect(self, _names: Sequence[str]) -> Fleet:
        return self.fleet


@contextlib.asynccontextmanager
async def sshd_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sshd]:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (folder / ".ssh").mkdir(mode=0o700)
    key = write_key(folder / ".ssh" / "id_ed25519")
    async with running_sshd(folder / "sshd", key) as server:
        trusted(folder, server.known)
        yield server


def asleep(server: Sshd) -> str:
    """The URI of a host whose libvirt is not there, but its ssh is."""
    return f"qemu+ssh://{server.hop}/system?socket={server.folder}/none"


async def press_on_host(screen: Screen, *keys: str) -> None:
    await until(screen, sees(screen, "cannot be reached"))
    await screen.press("1", *keys)


def told(screen: Screen, words: str) -> bool:
    """Whether a toast says so."""
    return any(words in " ".join(toast.message.split()) for toast in screen.app._notifications)


@needs_sshd
async def test_a_host_whose_libvirt_is_gone_has_a_shell_that_ends_as_others_do(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sshd_of(tmp_path, monkeypatch) as server, show(Site(asleep(server), tmp_path), SMALL) as screen:
        await press_on_host(screen)
        await until(screen, lambda: "C shell" in screen.lines[-1])
        await screen.press("C")
        await until(screen, sees(screen, "Connected."))
        assert "kvm1 shell" in screen.line_with("console ")
        terminal = screen.main.consoles.shown
        assert terminal is not None
        await screen.press(*"stty", "space", *"size", "enter")
        await until(screen, sees(screen, f"{terminal.size.height} {terminal.size.width}"))
        await screen.press("ctrl+d")
        await until(screen, sees(screen, "The shell ended at"))
        assert "enter logs in again" in screen.text
        assert "Now the VM" not in screen.text


@needs_sshd
async def test_the_menu_of_a_host_says_that_the_kernel_is_that_of_the_host(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sshd_of(tmp_path, monkeypatch) as server, show(Site(asleep(server), tmp_path), SMALL) as screen:
        await press_on_host(screen, "C")
        await until(screen, sees(screen, "Connected"))
        await screen.press("ctrl+right_square_bracket", "full_stop")
        await until(screen, sees(screen, "a shell over ssh has none"))
        await screen.press("q", "b")
        await until(screen, sees(screen, "this is the host itself: all its VMs suffer with it"))
        await screen.press("escape")


@needs_sshd
async def test_a_shell_that_was_cut_is_told_and_not_taken_for_a_vm(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sshd_of(tmp_path, monkeypatch) as server, show(Site(asleep(server), tmp_path), SMALL) as screen:
        await press_on_host(screen, "C")
        await until(screen, sees(screen, "Connected"))
        server.cut()
        await until(screen, sees(screen, "Connection lost at"))
        assert "the ssh connection to" in screen.text
        assert "VM" not in " ".join(screen.lines[-4:-1])


async def test_the_test_driver_has_no_shell_and_says_so(show: Show, tmp_path: Path) -> None:
    pytest.importorskip("libvirt", reason="libvirt-python is not installed")
    async with show(Site("test:///default", tmp_path), (120, 40)) as screen:
        await until(screen, sees(screen, "Ready"))
        await screen.press("1", "C")
        await until(screen, lambda: told(screen, "there is no machine to log in to"))
        assert not screen.main.consoles.has_open
        assert "C shell" not in screen.lines[-1]
        await screen.press("c")
        await until(screen, lambda: told(screen, "a console belongs to a VM"))


@needs_sshd
async def test_a_read_only_host_has_no_shell(show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        sshd_of(tmp_path, monkeypatch) as server,
        show(Site(asleep(server), tmp_path, read_only=True), (120, 40)) as screen,
    ):
        await press_on_host(screen, "C")
        await until(screen, lambda: told(screen, "a shell can change the host"))
        assert not screen.main.consoles.has_open
        assert "C shell" not in screen.lines[-1]
