"""What an object tells of its own past beyond its record: who wrote it when, and when its containers began and ended.

Read on demand: a fleet's records would be twice as large with it.
"""

from __future__ import annotations

import msgspec

from kvtui.records.base import Struct


class Write(Struct):
    """One entry of ``metadata.managedFields``: a writer, the fields that are its own, and when it wrote last."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str | None = None
    fields_v1: dict[str, object] | None = None


class PastMeta(Struct):
    """``metadata``, as far as it tells of the past."""

    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    managed_fields: tuple[Write, ...] | None = None


class Run(Struct):
    """One run of a container; `finished_at` of one that has ended."""

    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""


class RunState(Struct):
    """Whether a container runs, or how it ended; neither while it waits."""

    running: Run | None = None
    terminated: Run | None = None


class ContainerPast(Struct):
    """The present run of a container and the one before."""

    name: str = ""
    restart_count: int = 0
    state: RunState = msgspec.field(default_factory=RunState)
    last_state: RunState = msgspec.field(default_factory=RunState)


class PastStatus(Struct):
    """``status`` of a pod; of anything else nothing is read."""

    init_container_statuses: tuple[ContainerPast, ...] | None = None
    container_statuses: tuple[ContainerPast, ...] | None = None


class Past(Struct):
    """An object of any kind."""

    metadata: PastMeta = msgspec.field(default_factory=PastMeta)
    status: PastStatus = msgspec.field(default_factory=PastStatus)
