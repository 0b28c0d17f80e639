"""What the tests of shells stand on."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.sshserver import HOST_KEY


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without keys and without an agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("ssh ")] == []


@pytest.fixture
def nothing_is_left_of_others() -> None:
    """What earlier tests left behind tells its faults before this one looks for those of its own."""
    gc.collect()


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """The file of known hosts, with the key of the tests' server."""
    file = tmp_path / "state" / "known_hosts"
    file.parent.mkdir()
    file.write_text(f"prod/shop/web-1 {HOST_KEY.export_public_key().decode()}")
    return file
