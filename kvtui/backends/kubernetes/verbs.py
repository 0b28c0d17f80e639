"""What changes something on the server: the one place that enforces read-only, and one audit line per action.

Subresources and their answers: kubevirt-api.md 3.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from kvtui.audit import AuditLog
from kvtui.backends.base import ByteStream, Permission, Verdict
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.server import ANY, Server
from kvtui.errors import BackendError, ConflictError, KvtuiError, ReadOnlyError, UnreachableError
from kvtui.model import Ref
from kvtui.records.base import Meta
from kvtui.text import clean_line

SUBRESOURCES = "subresources.kubevirt.io"
SUBRESOURCE_VERSIONS = ("v1", "v1alpha3")
KUBEVIRT = "kubevirt.io"
KUBEVIRT_VERSIONS = ("v1", "v1alpha3")

MACHINES = "virtualmachines"
INSTANCES = "virtualmachineinstances"
MIGRATIONS = "virtualmachineinstancemigrations"
PLURALS = {
    "VirtualMachine": MACHINES,
    "VirtualMachineInstance": INSTANCES,
    "VirtualMachineInstanceMigration": MIGRATIONS,
}


class _Object(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


class _Review(msgspec.Struct):
    allowed: bool = False
    reason: str = ""


class _AccessReview(msgspec.Struct):
    status: _Review = msgspec.field(default_factory=_Review)


OpenedStream = TypeVar("OpenedStream", bound=ByteStream)


@dataclass(slots=True)
class Verbs:
    """The verbs of one backend. `account` tells under which name the server knows us."""

    server: Server
    discovery: Discovery
    audit: AuditLog
    read_only: bool
    account: Callable[[], str]

    async def start(self, ref: Ref) -> None:
        """Start a VM."""
        await self._on_machine("start", ref)

    async def stop(self, ref: Ref, *, grace: int | None = None) -> None:
        """Stop a VM; a VMI without VM is deleted, and then ends by its own grace period."""
        verb = "stop" if grace is None else f"stop within {grace} s"
        if ref.kind == "VirtualMachineInstance":
            if grace is not None:
                raise ConflictError(
                    f"{ref.path} cannot be stopped that way",
                    "a VMI without a VM has only the grace period of its own spec",
                )
            await self._act(verb, ref, lambda: self._delete(ref))
            return
        await self._on_machine("stop", ref, {} if grace is None else {"gracePeriod": grace}, verb)

    async def restart(self, ref: Ref) -> None:
        """Stop a VM and start it again."""
        await self._on_machine("restart", ref)

    async def pause(self, ref: Ref) -> None:
        """Freeze the vCPUs of a VM or VMI."""
        await self._act("pause", ref, lambda: self._put(INSTANCES, ref, "pause"))

    async def unpause(self, ref: Ref) -> None:
        """Let the vCPUs of a VM or VMI run on."""
        await self._act("unpause", ref, lambda: self._put(INSTANCES, ref, "unpause"))

    async def migrate(self, ref: Ref) -> None:
        """Move a VM or VMI to another node."""
        if ref.kind == "VirtualMachineInstance":
            await self._act("migrate", ref, lambda: self._create_migration(ref))
        else:
            await self._act("migrate", ref, lambda: self._put(MACHINES, ref, "migrate"))

    async def cancel_migration(self, ref: Ref) -> None:
        """Abort a migration by deleting it (kubevirt-api.md 3.4)."""
        await self._act("cancel migration", ref, lambda: self._delete(ref))

    def refuse_read_only(self, ref: Ref, consequence: str) -> None:
        """Raise ReadOnlyError, with what was not done, when nothing may be changed here."""
        if self.read_only:
            raise ReadOnlyError(f"{ref.backend} is read-only", consequence, "start kvtui without --read-only")

    async def note_opened(self, what: str, ref: Ref, stream: OpenedStream) -> OpenedStream:
        """Keep in the audit log that a way into a machine was opened; the stream. Raises BackendError, and closes the
        stream, when it cannot be kept. Attempts are not, for a VM that starts is asked five times a second.
        """
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(stream.close)
            await self._note(what, ref, "accepted")
            on_failure.pop_all()
        return stream

    async def _on_machine(
        self, subresource: str, ref: Ref, options: dict[str, object] | None = None, verb: str = ""
    ) -> None:
        if ref.kind != "VirtualMachine":
            raise ConflictError(f"cannot {subresource} {ref.path}", "it has no VirtualMachine that would do it")
        await self._act(verb or subresource, ref, lambda: self._put(MACHINES, ref, subresource, options))

    async def _act(self, verb: str, ref: Ref, ask: Callable[[], Awaitable[None]]) -> None:
        """Do it between its two audit lines, on the very object that was meant."""
        self.refuse_read_only(ref, f"{verb} of {ref.path} was not sent")
        await self._note(verb, ref, "asked")
        failure = await self._send(verb, ref, ask)
        if failure is not None:
            lost = isinstance(failure, UnreachableError)
            await self._note(verb, ref, "unknown" if lost else "refused", failure.detail or str(failure))
            raise failure
        try:
            await self._note(verb, ref, "accepted")
        except BackendError as error:
            raise BackendError(f"{verb} of {ref.path} was accepted, but not logged", str(error)) from error

    async def _send(self, verb: str, ref: Ref, ask: Callable[[], Awaitable[None]]) -> KvtuiError | None:
        """Ask for it; what went wrong."""
        try:
            await self._check_same(ref)
            await ask()
        except KvtuiError as error:
            return error
        except asyncio.CancelledError:
            # Whoever ends now may not wait for a thread.
            with suppress(BackendError):
                self.audit.write(verb, ref, self.account(), "unknown", "not waited for")
            raise
        except Exception as error:  # noqa: BLE001 - boundary: a fault of ours does not undo what was sent
            words = f"a fault of kvtui: {clean_line(repr(error))}"
            return UnreachableError(f"nobody knows whether {verb} of {ref.path} was accepted", words)
        return None

    async def _note(self, verb: str, ref: Ref, result: str, words: str = "") -> None:
        await asyncio.to_thread(self.audit.write, verb, ref, self.account(), result, words)

    async def _check_same(self, ref: Ref) -> None:
        """Raise ConflictError when another object bears the name by now."""
        if not ref.uid:
            return
        version = (await self.discovery.versions(KUBEVIRT, KUBEVIRT_VERSIONS))[0]
        path = object_path(KUBEVIRT, version, PLURALS[ref.kind], ref.namespace, ref.name)
        found = await self.server.get(path, _Object)
        if found.metadata.uid != ref.uid:
            raise ConflictError(f"{ref.path} was re-created since", "nothing was done", code=409)

    async def _put(self, plural: str, ref: Ref, subresource: str, options: dict[str, object] | None = None) -> None:
        version = (await self.discovery.versions(SUBRESOURCES, SUBRESOURCE_VERSIONS))[0]
        path = object_path(SUBRESOURCES, version, plural, ref.namespace, ref.name, subresource)
        await self.server.request("PUT", path, body=options or {}, accept=ANY)

    async def _delete(self, ref: Ref) -> None:
        version = (await self.discovery.versions(KUBEVIRT, KUBEVIRT_VERSIONS))[0]
        path = object_path(KUBEVIRT, version, PLURALS[ref.kind], ref.namespace, ref.name)
        options: dict[str, object] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if ref.uid:
            options["preconditions"] = {"uid": ref.uid}
        await self.server.request("DELETE", path, body=options)

    async def _create_migration(self, ref: Ref) -> None:
        version = (await self.discovery.versions(KUBEVIRT, KUBEVIRT_VERSIONS))[0]
        path = object_path(KUBEVIRT, version, MIGRATIONS, ref.namespace)
        body = {
            "apiVersion": f"{KUBEVIRT}/{version}",
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"generateName": f"{ref.name}-"},
            "spec": {"vmiName": ref.name},
        }
        await self.server.request("POST", path, body=body)


class Permissions:
    """Answers of the server to "may I?", believed for a while."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._answers: dict[tuple[Permission, str, str], tuple[float, asyncio.Task[Verdict]]] = {}

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        """Whether the account may do it. A question that cannot be asked is answered with no, and asked again."""
        key = (permission, namespace, name)
        now = time.monotonic()
        until, asked = self._answers.get(key, (0.0, None))
        if asked is None or now >= until:
            self._answers = {kept: answer for kept, answer in self._answers.items() if answer[0] > now}
            asked = asyncio.create_task(self._ask(permission, namespace, name), name=f"may {permission}")
            self._answers[key] = (now + self._server.timings.permission, asked)
        try:
            return await asyncio.shield(asked)
        except KvtuiError as error:
            self._answers.pop(key, None)
            return Verdict(False, str(error), asked=False)

    def close(self) -> None:
        """Leave every question that is still open."""
        for _, asked in self._answers.values():
            asked.cancel()

    async def _ask(self, permission: Permission, namespace: str, name: str) -> Verdict:
        attributes = {
            "verb": permission.verb,
            "group": permission.group,
            "resource": permission.resource,
            "subresource": permission.subresource,
            "namespace": namespace,
            "name": name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        raw = await self._server.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
        try:
            status = msgspec.json.decode(raw, type=_AccessReview).status
        except msgspec.MsgspecError as error:
            raise BackendError("the server's answer cannot be read", clean_line(str(error))) from error
        if status.allowed:
            return Verdict(True)
        where = f" in {namespace}" if namespace else ""
        return Verdict(False, clean_line(status.reason) or f"the account may not {permission}{where}")
