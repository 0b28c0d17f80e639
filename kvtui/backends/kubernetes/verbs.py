"""What changes something on the server, behind the guard that all backends share.

Subresources and their answers: kubevirt-api.md 3.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import msgspec

from kvtui.backends.acting import Guard
from kvtui.backends.base import Permission, Verdict
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.server import ANY, Server
from kvtui.errors import BackendError, ConflictError, KvtuiError
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


async def check_same(server: Server, discovery: Discovery, ref: Ref) -> None:
    """Raise ConflictError when another object bears the name by now."""
    if not ref.uid:
        return
    version = (await discovery.versions(KUBEVIRT, KUBEVIRT_VERSIONS))[0]
    path = object_path(KUBEVIRT, version, PLURALS[ref.kind], ref.namespace, ref.name)
    found = await server.get(path, _Object)
    if found.metadata.uid != ref.uid:
        raise ConflictError(f"{ref.path} was re-created since", "nothing was done", code=409)


@dataclass(slots=True)
class Verbs:
    """The verbs of one backend."""

    server: Server
    discovery: Discovery
    guard: Guard

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
            await self.guard.act(verb, ref, lambda: self._delete(ref))
            return
        await self._on_machine("stop", ref, {} if grace is None else {"gracePeriod": grace}, verb)

    async def restart(self, ref: Ref) -> None:
        """Stop a VM and start it again."""
        await self._on_machine("restart", ref)

    async def pause(self, ref: Ref) -> None:
        """Freeze the vCPUs of a VM or VMI."""
        await self.guard.act("pause", ref, lambda: self._put(INSTANCES, ref, "pause"))

    async def unpause(self, ref: Ref) -> None:
        """Let the vCPUs of a VM or VMI run on."""
        await self.guard.act("unpause", ref, lambda: self._put(INSTANCES, ref, "unpause"))

    async def migrate(self, ref: Ref) -> None:
        """Move a VM or VMI to another node."""
        if ref.kind == "VirtualMachineInstance":
            await self.guard.act("migrate", ref, lambda: self._create_migration(ref))
        else:
            await self.guard.act("migrate", ref, lambda: self._put(MACHINES, ref, "migrate"))

    async def cancel_migration(self, ref: Ref) -> None:
        """Abort a migration by deleting it (kubevirt-api.md 3.4)."""
        await self.guard.act("cancel migration", ref, lambda: self._delete(ref))

    async def _on_machine(
        self, subresource: str, ref: Ref, options: dict[str, object] | None = None, verb: str = ""
    ) -> None:
        if ref.kind != "VirtualMachine":
            raise ConflictError(f"cannot {subresource} {ref.path}", "it has no VirtualMachine that would do it")
        await self.guard.act(verb or subresource, ref, lambda: self._put(MACHINES, ref, subresource, options))

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
