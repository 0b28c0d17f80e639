"""Options of the whole suite."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A machine that is busy with other tests is slow, not wrong. In CI the examples are the same for every run of the same
# tests, so that a change is judged by what it changed; at home they are new each time.
settings.register_profile("kvtui", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kvtui")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew instead of comparing with them")
