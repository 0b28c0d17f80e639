"""Backends on libvirt's own test driver, which lives in libvirt's library: no daemon, no guest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.libvirt.client import LibvirtBackend, Place, connect
from kvtui.fleet import Fleet

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

PATIENCE = 10.0


def make_backend(uri: str, folder: Path, *, name: str = "kvm", read_only: bool = False) -> LibvirtBackend:
    """A backend, not connected yet, with an audit log of its own."""
    return connect(Place(name, uri, read_only), AuditLog(folder / "audit.jsonl"))


@asynccontextmanager
async def live(*backends: LibvirtBackend) -> AsyncIterator[Fleet]:
    """A fleet that is kept live."""
    fleet = Fleet(backends)
    running = asyncio.create_task(fleet.run())
    try:
        yield fleet
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await fleet.close()


async def until(fleet: Fleet, condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until the store says so."""
    if condition():
        return
    met = asyncio.Event()
    stop = fleet.listen(lambda _delta: met.set() if condition() else None)
    try:
        await asyncio.wait_for(met.wait(), patience)
    finally:
        stop()


def host_file(folder: Path, *domains: str, name: str = "host.xml") -> str:
    """The URI of a host of its own with these domains, by names; states by ``name:state``, 1, 3 or 5."""
    described = []
    for at, domain in enumerate(domains, 1):
        title, _, state = domain.partition(":")
        described.append(
            f"<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>{title}</name>"
            f"<uuid>00000000-0000-4000-8000-{at:012d}</uuid><memory unit='MiB'>512</memory><vcpu>2</vcpu>"
            f"<os><type>hvm</type></os><test:runstate>{state or 1}</test:runstate></domain>"
        )
    path = folder / name
    path.write_text(f"<node>{''.join(described)}</node>", encoding="utf-8")
    return f"test://{path}"
