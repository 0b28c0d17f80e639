"""``kvtui upload --host``: a file of this machine into a new volume of a pool."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kvtui.actions.items import State
from kvtui.cli.confirming import confirm_where_careful
from kvtui.cli.connecting import make_fleet
from kvtui.cli.transfers import Outcome
from kvtui.errors import AbsentError, BackendError, ConfigError, ReadOnlyError, UnreachableError
from kvtui.model import FeedState, Ref
from kvtui.records.libvirt import StorageVolume
from kvtui.text import clean_line, fit

if TYPE_CHECKING:
    from kvtui.backends.volumes import VolumeTransfer
    from kvtui.config import Settings
    from kvtui.fleet import Fleet
    from kvtui.records.libvirt import StoragePool
    from kvtui.resources.form import Answers

_LISTS: Final = 15.0
"""Seconds that pools and volumes may take to be told."""
_TICK: Final = 0.05
_DRAW: Final = 0.5
_LINE_EVERY: Final = 10.0
_OF_CLUSTERS: Final = {
    "size": "--size", "storage_class": "--class", "access": "--access", "mode": "--mode", "reuse": "--reuse",
    "proxy_url": "--proxy-url", "insecure": "--insecure", "namespace": "-n", "all_namespaces": "-A",
}  # fmt: skip
"""Options that say something of a DataVolume."""


async def upload_to_host(options: Namespace, settings: Settings, outcome: Outcome) -> None:
    """Send ``options.file`` into the volume ``POOL/VOLUME`` that ``options.name`` says, or only check that it may be.
    Raises KvtuiError; no volume is left then, nor when it is cancelled.
    """
    idle = next((word for name, word in _OF_CLUSTERS.items() if getattr(options, name)), "")
    if idle:
        raise ConfigError(f"{idle} says nothing of a volume of a host", hint="leave it out")
    if len(options.host) > 1 or options.context:
        raise ConfigError("a file goes to one host", hint="give one --host")
    title, _, volume = options.name.partition("/")
    if not title or not volume:
        raise ConfigError(f"--name {clean_line(options.name)} names no volume of a pool", hint="as in images/web.qcow2")
    fleet = make_fleet(options, settings)
    live: asyncio.Task[None] | None = None
    try:
        await fleet.prepare()
        from kvtui.resources.sources import POOLS, STORAGE_VOLUMES

        live = asyncio.create_task(fleet.run((POOLS, STORAGE_VOLUMES)), name="fleet")
        pool, answers = await _choose(fleet, live, options, title, volume, outcome)
        (backend,) = fleet.backends.values()
        from kvtui.resources.pool_upload import begin_upload

        ref = pool.ref(backend.name)
        await confirm_where_careful(fleet, ref, options, f"upload {options.file.name} to {options.name}?", outcome.note)
        target = Ref(backend.name, StorageVolume.KIND, "", options.name)
        if options.dry_run:
            if backend.info.read_only:
                raise ReadOnlyError(f"{backend.name} is read-only", "upload was not sent")
            outcome.begin(target)
            words = "a host has no dry run: all that kvtui checks is well"
            outcome.end(State.ACCEPTED, words, line=f"{options.name}: would be sent: {words}", bytes=0)
            return
        outcome.begin(target)
        transfer = begin_upload(backend, ref, answers)
        showing = asyncio.create_task(_show(transfer), name="progress")
        try:
            await transfer.carry()
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
    finally:
        if live is not None:
            live.cancel()
            with suppress(asyncio.CancelledError):
                await live
        await fleet.close()
    sent = options.file.expanduser().stat().st_size
    outcome.end(State.DONE, transfer.result, line=transfer.result, made=True, bytes=sent)


async def _choose(
    fleet: Fleet, live: asyncio.Task[None], options: Namespace, title: str, volume: str, outcome: Outcome
) -> tuple[StoragePool, Answers]:
    """The pool, and what its form would be answered, with the same checks and warnings as on the screen."""
    from kvtui.records.libvirt import StoragePool
    from kvtui.resources.form import Draft
    from kvtui.resources.pool_upload import upload_form
    from kvtui.resources.sources import POOLS, STORAGE_VOLUMES

    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LISTS
    wanted = (POOLS, STORAGE_VOLUMES)
    while any(feed.state is FeedState.LOADING for feed in fleet.feeds(wanted)) and loop.time() < deadline:
        await asyncio.wait({live}, timeout=_TICK)
        if fleet.asks:
            deadline = loop.time() + _LISTS
    trouble = next((feed for feed in fleet.feeds(wanted) if feed.state is not FeedState.LIVE), None)
    if trouble is not None:
        raise UnreachableError(f"the {trouble.kind} of {trouble.backend} are not known", trouble.detail)
    (backend,) = fleet.backends.values()
    pool = fleet.view.get(StoragePool, backend.name, "", title)
    if pool is None:
        known = ", ".join(found.metadata.name for _, found in fleet.view.items(StoragePool))
        raise AbsentError(f"no pool named {clean_line(title)} in {backend.name}", known and f"there is {known}")
    if pool.state not in ("running", "degraded"):
        raise BackendError(f"pool {title} is {pool.state}", "nothing was sent", f"kvtui start pool {title}")
    draft = Draft(upload_form(fleet.view, backend.name, pool))
    draft.put("file", str(options.file))
    draft.put("name", volume)
    if draft.refusal:
        raise ConfigError(f"{options.file} cannot be sent to {options.name}", draft.refusal)
    for warning in draft.warnings:
        outcome.warn(warning)
    return pool, draft.answers


async def _show(transfer: VolumeTransfer) -> None:
    """How far it is: one line that is written over on a terminal, and now and then a line elsewhere."""
    on_terminal = sys.stderr.isatty()
    try:
        while True:
            await asyncio.sleep(_DRAW if on_terminal else _LINE_EVERY)
            text = fit(f"{transfer.words}   {transfer.lines[0]}", 78)
            sys.stderr.write(f"\r{text}" if on_terminal else f"kvtui: {text.rstrip()}\n")
            sys.stderr.flush()
    finally:
        if on_terminal:
            sys.stderr.write("\r\x1b[K")
