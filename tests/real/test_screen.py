"""The real guest on the real screen: kvtui in a terminal, with the keyboard alone."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.real.conftest import Site
from tests.real.image import PASSWORD, Image
from tests.terminal import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]


async def test_machine_is_started_and_used_from_the_screen(site: Site, image: Image, tmp_path: Path) -> None:
    """The terminal is watched in a thread, for the cluster lives in this loop."""
    await asyncio.to_thread(start_and_use, site.cluster.kubeconfig, image.version, tmp_path)


def start_and_use(kubeconfig: Path, version: str, folder: Path) -> None:
    env = {"KUBECONFIG": str(kubeconfig), "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with Program([sys.executable, "-m", "kvtui"], columns=160, lines=45, env=env) as screen:
        screen.wait_for(r"VMs \d+", 40)
        screen.press("2", "/", "lab guest", "enter")
        screen.wait_for(r"VMs 1/\d+ /lab guest")

        screen.press("c")
        screen.wait_for("Waiting for the VM to run")
        screen.press("ctrl+]", "s")
        # The first lines of a guest that boots in a second may have scrolled off before a frame shows them.
        screen.wait_for(r"Connected[^\n]*ctrl\+\] into the console", 40)
        screen.press("c")
        screen.wait_for(r"Connected[^\n]*\n[^\n]*ctrl\+\] back to the list")
        screen.wait_for("guest login:", 40)
        screen.press("root\r")
        screen.wait_for("Password:")
        screen.press(f"{PASSWORD}\r")
        screen.wait_for("guest:~#")
        # Late words of the kernel would fall into what is typed.
        screen.press("dmesg -n 1; clear\r")
        screen.wait_for(r"console [^\n]*\nguest:~#")
        screen.press("uname -r; cat samples/boxes.txt\r")
        screen.wait_for(rf"uname -r; cat samples/boxes.txt\n(.*\n)*.*{version}\b")
        screen.wait_for(r"│ worker-1   │       12 │ ║ c ║ d ║ │ ░▒▓█ │")
        # vi would take an answer that the shell still waits for.
        screen.wait_for(r"‘single’ €\s*\nguest:~#")
        screen.press("vi letter\r")
        screen.wait_for("- letter 1/1")
        screen.press("iwritten on a real screen")
        screen.wait_for(r"real screen\n(.*\n)*.*I letter")
        screen.press("escape")
        screen.wait_for("- letter .Modified.")
        screen.press(":wq\r")
        screen.wait_for(r"guest:~# vi letter\n.*guest:~#")
        screen.press("wc -c letter\r")
        screen.wait_for("25 letter")

        screen.press("ctrl+]", "q")
        screen.wait_for("quit and close")
        screen.answer("y")
        screen.wait_exit()
        assert screen.process.returncode == 0
