"""What a demo leaves behind that was killed, and who sweeps it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kvtui.demo.folder import make_folder, sweep

HOLD = "from kvtui.demo.folder import make_folder\nwith make_folder() as folder: print(folder, flush=True); input()"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, here and for processes that are started."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def start_owner() -> tuple[subprocess.Popen[str], Path]:
    """Another process with a folder of its own, and something in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (folder / "deep").mkdir()
    (folder / "deep" / "host.xml").write_text("<node/>")
    return process, folder


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with process:
        process.send_signal(number)


def test_a_folder_goes_with_its_owner(place: Path) -> None:
    with make_folder() as folder:
        assert folder.parent == place
        (folder / "kubeconfig").write_text("")
    assert list(place.iterdir()) == []


def test_what_a_killed_demo_left_is_swept_by_the_next() -> None:
    process, left = start_owner()
    end(process, signal.SIGKILL)
    assert left.exists()
    with make_folder() as folder:
        assert not left.exists()
        assert folder.exists()


def test_the_folder_of_a_demo_that_lives_stays() -> None:
    process, folder = start_owner()
    try:
        with make_folder() as own:
            sweep()
            assert (folder / "deep" / "host.xml").exists()
            assert own.exists()
    finally:
        end(process, signal.SIGKILL)


def test_nothing_else_is_swept(place: Path) -> None:
    process, left = start_owner()
    end(process, signal.SIGKILL)
    (place / "kvtui-demo-without-an-owner").mkdir()
    (place / "kvtui-demo-file").write_text("")
    (place / "another").mkdir()
    os.link(left / ".owner", place / "another" / ".owner")
    (place / "kvtui-demo-link").symlink_to(place / "another")
    sweep()
    assert sorted(path.name for path in place.iterdir()) == [
        "another",
        "kvtui-demo-file",
        "kvtui-demo-link",
        "kvtui-demo-without-an-owner",
    ]
