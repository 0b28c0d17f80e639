"""How far migrations are: virt-handler is asked while something moves, and only then."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.kubernetes.progress import Progress, read_figures
from kvtui.errors import ForbiddenError, KvtuiError, UnreachableError
from kvtui.records.decode import decode_record
from kvtui.records.kubernetes import Pod
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.progress import MigrationProgress
from kvtui.store import Drop, Message, Put, Replace
from tests.wire.support import QUICK, eventually

LABELS = 'name="web-1",namespace="shop",node="node02"'
TEXT = f"""# HELP kubevirt_vmi_migration_data_processed_bytes The total Guest OS data processed.
# TYPE kubevirt_vmi_migration_data_processed_bytes gauge
kubevirt_vmi_migration_data_processed_bytes{{{LABELS}}} 3.221225e+09 1800000000000
kubevirt_vmi_migration_data_remaining_bytes{{{LABELS}}} 1.2e+08
kubevirt_vmi_migration_dirty_memory_rate_bytes{{{LABELS}}} 4.320133e+08 1800000000000
kubevirt_vmi_migration_memory_transfer_rate_bytes{{{LABELS}}} 3.984589e+08 1800000000000
kubevirt_vmi_memory_resident_bytes{{{LABELS}}} 1
"""
PATH = "/api/v1/namespaces/kubevirt/pods/https%3Avirt-handler-x%3A8443/proxy/metrics"


class Handler:
    """An API server behind which one virt-handler is."""

    def __init__(self, *, error: KvtuiError | None = None) -> None:
        self.timings = replace(QUICK, progress=0.01, metrics_absent=0.01)
        self.asked: list[str] = []
        self.error = error

    async def request(self, method: str, path: str, *, accept: str) -> bytes:
        assert (method, accept) == ("GET", "text/plain")
        self.asked.append(path)
        if self.error is not None:
            raise self.error
        return TEXT.encode()


def virt_handler() -> Replace:
    pod = {
        "metadata": {"name": "virt-handler-x", "namespace": "kubevirt", "labels": {"kubevirt.io": "virt-handler"}},
        "spec": {"nodeName": "node02"},
    }
    return Replace("c", Pod, [decode_record(json.dumps(pod).encode(), Pod)])


def instance(**state: Any) -> Put:
    vmi = {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
        "status": {"phase": "Running", "migrationState": {"sourceNode": "node02", **state}},
    }
    return Put("c", decode_record(json.dumps(vmi).encode(), VirtualMachineInstance))


BEGUN = "2026-11-21T01:50:14Z"


def test_the_figures_of_each_instance_are_read() -> None:
    assert read_figures(TEXT) == {
        ("shop", "web-1"): {
            "processed": 3.221225e9,
            "remaining": 1.2e8,
            "dirty_rate": 4.320133e8,
            "transfer_rate": 3.984589e8,
        }
    }


@given(st.text())
def test_whatever_comes_is_no_accident(text: str) -> None:
    read_figures(text)
    read_figures(f"kubevirt_vmi_migration_data_remaining_bytes{{{LABELS}}} {text}")


async def test_virt_handler_is_asked_while_something_moves_and_only_then() -> None:
    said: list[Message] = []
    handler = Handler()
    progress = Progress("c", handler, said.append)  # type: ignore[arg-type]
    running = asyncio.create_task(progress.run())
    try:
        progress.note(virt_handler())
        progress.note(instance())
        await asyncio.sleep(0)
        assert handler.asked == []
        progress.note(instance(startTimestamp=BEGUN))
        await eventually(lambda: told(said))
        assert told(said)[0].is_stuck
        assert handler.asked[0] == PATH
        progress.note(instance(startTimestamp=BEGUN, endTimestamp=BEGUN))
        await eventually(lambda: Drop("c", MigrationProgress, "shop", "web-1") in said)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_figures_outlive_a_moment_without_an_answer() -> None:
    said: list[Message] = []
    handler = Handler()
    progress = Progress("c", handler, said.append)  # type: ignore[arg-type]
    running = asyncio.create_task(progress.run())
    try:
        progress.note(virt_handler())
        progress.note(instance(startTimestamp=BEGUN))
        await eventually(lambda: told(said))
        handler.error = UnreachableError("for a moment")
        asked = len(handler.asked)
        await eventually(lambda: len(handler.asked) > asked + 2)
        assert not any(isinstance(one, Drop) for one in said)
        await eventually(lambda: Drop("c", MigrationProgress, "shop", "web-1") in said)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_who_may_not_ask_is_told_nothing_and_asks_again() -> None:
    said: list[Message] = []
    handler = Handler(error=ForbiddenError("no pods/proxy"))
    progress = Progress("c", handler, said.append)  # type: ignore[arg-type]
    running = asyncio.create_task(progress.run())
    try:
        progress.note(virt_handler())
        progress.note(instance(startTimestamp=BEGUN))
        await eventually(lambda: len(handler.asked) > 2)
        assert told(said) == []
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def told(said: list[Message]) -> list[MigrationProgress]:
    return [one.record for one in said if isinstance(one, Put) and isinstance(one.record, MigrationProgress)]
