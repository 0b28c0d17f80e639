"""Exec plugins that are asked too often, that hang, or that give what is no time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvtui.backends.kubernetes import credentials
from kvtui.errors import ConfigError
from tests.wire.fake import serving
from tests.wire.support import PATIENCE, write_kubeconfig
from tests.wire.test_account import fetch, guarded, plugin, runs

ENDED = "give(token='abc', expirationTimestamp='2020-01-01T00:00:00Z')"


async def test_a_token_that_ended_already_is_used_for_a_moment(tmp_path: Path) -> None:
    async with serving(guarded("Bearer abc")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, plugin(tmp_path, ENDED)), times=20)
    assert runs(tmp_path) == 1


async def test_after_that_moment_the_plugin_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_BELIEVED", 0.0)
    async with serving(guarded("Bearer abc")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, plugin(tmp_path, ENDED)), times=2)
    assert runs(tmp_path) >= 2


@pytest.mark.parametrize("value", ["'soon'", "7", "['x']"])
async def test_an_end_that_is_no_time(tmp_path: Path, value: str) -> None:
    user = plugin(tmp_path, f"give(token='abc', expirationTimestamp={value})")
    with pytest.raises(ConfigError, match="expirationTimestamp that is no time"):
        await fetch(write_kubeconfig(tmp_path, "http://127.0.0.1:9", user))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that nobody waited for yet has ended as well.
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_plugin_that_hangs_ends_with_the_program(tmp_path: Path, number: signal.Signals) -> None:
    started = tmp_path / "started"
    body = (
        f"import pathlib\ntemporary = pathlib.Path({str(started)!r} + '.new')\ntemporary.write_text(str(os.getpid()))\n"
        f"temporary.rename({str(started)!r})\ntime.sleep(600)"
    )
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:9", plugin(tmp_path, body))
    command = [sys.executable, "-m", "kvtui", "get", "vm", "--kubeconfig", str(kubeconfig)]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while not started.exists():
        assert time.monotonic() < end, "the plugin was never run"
        time.sleep(0.01)
    process = int(started.read_text())
    program.send_signal(number)
    assert program.wait(PATIENCE) in (-number, 128 + number)
    while is_alive(process):
        assert time.monotonic() < end + PATIENCE, "the plugin goes on without us"
        time.sleep(0.01)
