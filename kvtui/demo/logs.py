"""Logs of pods: ``pods/log`` with its options, and following what is still written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from kvtui.demo import kinds
from kvtui.demo.faults import Faults
from kvtui.demo.lists import is_true, number
from kvtui.demo.logtext import Line, lines_between
from kvtui.demo.machines import Machines
from kvtui.demo.metadata import bad_request
from kvtui.demo.paths import Target
from kvtui.demo.seriallog import SerialLog
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World

CONSOLE_LOG = "guest-console-log"
_POLL = 0.2
"""Real seconds between two looks for new lines while a log is followed."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The query of ``pods/log``."""

    container: str
    follow: bool
    tail: int | None
    since: int | None
    since_time: datetime | None
    timestamps: bool
    previous: bool
    limit_bytes: int | None


def log_options(query: Mapping[str, str]) -> LogOptions:
    """Read the options. Raises StorageError 400 and 422."""
    tail, since = number(query, "tailLines"), number(query, "sinceSeconds")
    for name, value, least in (("tailLines", tail, 0), ("sinceSeconds", since, 1)):
        if value is not None and value < least:
            bound = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            message = f'PodLogOptions "" is invalid: {name}: Invalid value: {value}: {bound}'
            raise StorageError(422, "Invalid", message)
    moment = query.get("sinceTime", "")
    try:
        since_time = datetime.fromisoformat(moment) if moment else None
    except ValueError:
        raise bad_request(f'parsing time "{moment}" as "2006-01-02T15:04:05Z07:00": cannot parse') from None
    return LogOptions(
        query.get("container", ""),
        is_true(query.get("follow")),
        tail,
        since,
        since_time,
        is_true(query.get("timestamps")),
        is_true(query.get("previous")),
        number(query, "limitBytes"),
    )


def _names(pod: Object, group: str) -> list[str]:
    return [container["name"] for container in pod["spec"].get(group) or ()]


def _chosen(pod: Object, asked: str) -> str:
    """The container to read. Raises StorageError 400 when it does not exist or is not clear."""
    name = pod["metadata"]["name"]
    containers, first = _names(pod, "containers"), _names(pod, "initContainers")
    if asked:
        if asked not in (*containers, *first):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1 and not first:
        return containers[0]
    if len(containers) == 1 and all(entry.get("restartPolicy") != "Always" for entry in pod["spec"]["initContainers"]):
        return containers[0]
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    if first:
        message += f" or one of the init containers: [{' '.join(first)}]"
    raise bad_request(message)


def _state(pod: Object, container: str, *, previous: bool = False) -> Object:
    """The state of a container. One that waits to be restarted is taken as it last ended, as the kubelet does."""
    status = pod.get("status", {})
    for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        if entry["name"] == container:
            last: Object = entry.get("lastState") or {}
            state: Object = entry.get("state") or {}
            return last if previous or ("waiting" in state and "terminated" in last) else state
    return {}


def _started(pod: Object, container: str) -> datetime:
    """When the container started. Raises StorageError 400 while it has not."""
    state = _state(pod, container)
    run = state.get("running") or state.get("terminated")
    if run and run.get("startedAt"):
        return datetime.fromisoformat(run["startedAt"])
    reason = (state.get("waiting") or {}).get("reason")
    pod_name = pod["metadata"]["name"]
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        why = "trying and failing to pull image" if "Image" in reason else f"waiting to start: {reason}"
        raise bad_request(f'container "{container}" in pod "{pod_name}" is {why}')
    if pod["spec"].get("nodeName"):
        raise bad_request(
            f'container "{container}" in pod "{pod_name}" is waiting to start: {reason or "ContainerCreating"}'
        )
    raise bad_request(f"pod {pod_name} does not have a host assigned")


def _ended(pod: Object, container: str) -> datetime | None:
    finished = (_state(pod, container).get("terminated") or {}).get("finishedAt")
    return datetime.fromisoformat(finished) if finished else None


class Logs:
    """Serves logs."""

    def __init__(self, world: World, machines: Machines, faults: Faults) -> None:
        self._world = world
        self._machines = machines
        self._faults = faults
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all logs that are followed."""
        self._closing.set()

    async def respond(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """One log."""
        options = log_options(request.query)
        pod = self._world.storage.get(kinds.POD, target.namespace, target.name)
        container = _chosen(pod, options.container)
        if options.previous and "terminated" not in _state(pod, container, previous=True):
            message = f'previous terminated container "{container}" in pod "{target.name}" not found'
            raise bad_request(message)
        if options.previous:
            # What has ended grows no more.
            return await self._past(request, pod, container, options)
        started = _started(pod, container)
        reader = _ConsoleReader(self._world, self._machines, pod) if container == CONSOLE_LOG else None
        until = _ended(pod, container) or self._world.clock.now
        lines = reader.read() if reader else list(lines_between(pod, container, started, None, until))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            body = _body(_chosen_lines(lines, options, until), options)
            if reader and options.tail != 0 and not options.timestamps:
                body += reader.begin_line()
            await response.write(_cut(body, options))
            if options.follow:
                await self._follow(response, target, container, options, until, reader)
            await response.write_eof()
        except ConnectionError:
            # The client has read enough.
            return response
        return response

    async def _past(
        self, request: web.BaseRequest, pod: Object, container: str, options: LogOptions
    ) -> web.StreamResponse:
        """The log of the container's last run."""
        run = _state(pod, container, previous=True)["terminated"]
        started, ended = (datetime.fromisoformat(run[name]) for name in ("startedAt", "finishedAt"))
        lines = _chosen_lines(list(lines_between(pod, container, started, None, ended)), options, ended)
        body = _cut(_body(lines, options), options)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(body)
        await response.write_eof()
        return response

    async def _follow(
        self,
        response: web.StreamResponse,
        target: Target,
        container: str,
        options: LogOptions,
        until: datetime,
        reader: _ConsoleReader | None,
    ) -> None:
        """Send new lines until the container ends."""
        while not self._closing.is_set():
            pod = self._world.storage.find(kinds.POD, target.namespace, target.name)
            if pod is None:
                return
            ended = _ended(pod, container)
            now = ended or self._world.clock.now
            new = reader.read() if reader else list(lines_between(pod, container, _started(pod, container), until, now))
            until = now
            if new:
                await response.write(_body(new, options))
            if ended:
                return
            await self._pause()
            await self._faults.hold()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_POLL):
                await self._closing.wait()
        except TimeoutError:
            return


class _ConsoleReader:
    """Reads the guest's serial output as the log container of its pod does: line by line, as the guest wrote it."""

    def __init__(self, world: World, machines: Machines, pod: Object) -> None:
        self._world = world
        self._machines = machines
        self._place = pod["metadata"]["namespace"], pod["metadata"].get("annotations", {}).get("kubevirt.io/domain", "")
        self._log: SerialLog | None = None
        """Kept when the guest is gone: its last words are to be read."""
        self._position = 0
        self._rest = b""
        """The beginning of a line whose end has not come yet."""
        self._told = b""
        """What of an unfinished line was read already."""

    def read(self) -> list[Line]:
        """The lines that are new since the last reading."""
        vmi = self._world.storage.find(kinds.VMI, *self._place)
        if vmi is not None and vmi.get("status", {}).get("phase") == "Running":
            self._log = self._machines.of(vmi).guest.log
        if self._log is None:
            return []
        data, self._position = self._log.since(self._position)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._told:
            lines[0] = lines[0].removeprefix(self._told)
            self._told = b""
        return [(self._world.clock.now, line.decode(errors="surrogateescape")) for line in lines]

    def begin_line(self) -> bytes:
        """What stands in the line that the guest has not ended: a prompt, most often."""
        self._told = self._rest + self._log.unfinished if self._log is not None else b""
        return self._told


def _chosen_lines(lines: list[Line], options: LogOptions, now: datetime) -> list[Line]:
    if options.since is not None:
        lines = [line for line in lines if line[0] > now - timedelta(seconds=options.since)]
    if options.since_time is not None:
        lines = [line for line in lines if line[0] >= options.since_time]
    if options.tail is not None:
        lines = lines[-options.tail :] if options.tail else []
    return lines


def _body(lines: Iterable[Line], options: LogOptions) -> bytes:
    if options.timestamps:
        return "".join(f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z {line}\n" for moment, line in lines).encode(
            errors="surrogateescape"
        )
    return "".join(f"{line}\n" for _, line in lines).encode(errors="surrogateescape")


def _cut(body: bytes, options: LogOptions) -> bytes:
    return body if options.limit_bytes is None else body[: options.limit_bytes]
