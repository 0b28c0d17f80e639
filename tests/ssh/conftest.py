"""What the tests of routes stand on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.wire.sshserver import write_key


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without an agent, whose ssh knows nobody yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def key(home: Path) -> asyncssh.SSHKey:
    """The user's key, in its usual file."""
    return write_key(home / ".ssh" / "id_ed25519")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("ssh ")] == []
