"""What changes something on the server, behind the guard that all backends share.

Subresources and their answers: kubevirt-api.md 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from kvtui.backends.acting import Guard, unsent
from kvtui.backends.kubernetes.discovery import Discovery
from kvtui.backends.kubernetes.places import find_path, find_subresource
from kvtui.backends.kubernetes.refusals import MAY_BE_DONE, leaves_open
from kvtui.backends.kubernetes.server import ANY, JSON, Server, decode
from kvtui.backends.objects import Body
from kvtui.errors import BackendError, ConflictError, UnansweredError, UntriableError
from kvtui.model import Ref
from kvtui.records.base import Meta
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance

VM: Final = VirtualMachine.KIND
VMI: Final = VirtualMachineInstance.KIND
MIGRATION: Final = Migration.KIND

_REHEARSED: Final = frozenset(
    {"start", "stop", "restart", "migrate", "pause", "unpause", "addvolume", "removevolume", "evacuate/cancel"}
)
"""Subresources that take ``dryRun`` in their options (kubevirt-api.md 3.1 and 3.2)."""


_PLAIN: Final[Mapping[str, str]] = {}
_STRICT: Final = {"fieldValidation": "Strict"}
_NO_REHEARSAL: Final = "does not support dry run"
"""``admission webhook "x" does not support dry run``: apiserver, admission/plugin/webhook/errors/statuserror.go."""


class _Object(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


async def check_same(server: Server, discovery: Discovery, ref: Ref) -> None:
    """Raise ConflictError when another object bears the name by now."""
    if not ref.uid:
        return
    _, path = await find_path(discovery, ref)
    found = decode(await server.request_patiently("GET", path), _Object)
    if found.metadata.uid != ref.uid:
        raise ConflictError("it is another one by now", f"{ref.path} was re-created since; nothing was done", code=409)


@dataclass(frozen=True, slots=True)
class Verbs:
    """The verbs of one backend."""

    server: Server
    discovery: Discovery
    guard: Guard
    dry_run: bool = False
    """Whether the server only tries what it is asked for, and changes nothing."""

    def rehearsing(self) -> Verbs:
        """The same verbs, which change nothing."""
        return replace(self, guard=replace(self.guard, dry_run=True), dry_run=True)

    # VMs and migrations --------------------------------------------------------------------------------------------

    async def start(self, ref: Ref) -> None:
        """Start a VM."""
        await self._on_machine("start", ref)

    async def stop(self, ref: Ref, *, grace: int | None = None) -> None:
        """Stop a VM; a VMI without VM is deleted, and then ends by its own grace period."""
        verb = "stop" if grace is None else f"stop within {grace} s"
        if ref.kind == VMI:
            if grace is not None:
                raise ConflictError(
                    f"{ref.path} cannot be stopped that way",
                    "a VMI without a VM has only the grace period of its own spec",
                )
            await self.delete(ref, verb=verb)
            return
        await self._on_machine("stop", ref, {} if grace is None else {"gracePeriod": grace}, verb)

    async def restart(self, ref: Ref) -> None:
        """Stop a VM and start it again."""
        await self._on_machine("restart", ref)

    async def pause(self, ref: Ref) -> None:
        """Freeze the vCPUs of a VM or VMI."""
        await self.call(ref, "pause", instance=True)

    async def unpause(self, ref: Ref) -> None:
        """Let the vCPUs of a VM or VMI run on."""
        await self.call(ref, "unpause", instance=True)

    async def migrate(self, ref: Ref) -> None:
        """Move a VM or VMI to another node."""
        if ref.kind == VMI:
            await self.guard.act("migrate", ref, lambda: self._create_migration(ref))
        else:
            await self._on_machine("migrate", ref)

    async def cancel_migration(self, ref: Ref) -> None:
        """Abort a migration by deleting it (kubevirt-api.md 3.4)."""
        await self.delete(ref, verb="cancel migration")

    # Any object ----------------------------------------------------------------------------------------------------

    async def create(self, ref: Ref, body: Body, *, verb: str = "create", about: Ref | None = None) -> Ref:
        """Create an object; it with its uid."""
        return await self.guard.create(verb, ref, lambda: self._create(ref, body), about=about)

    async def patch(
        self, ref: Ref, patch: Body | Sequence[Body], *, verb: str, version: str = "", about: Ref | None = None
    ) -> None:
        """Change an object, and no other one of that name."""
        conditional = _on_condition(patch, ref.uid, version)
        await self.guard.act(verb, ref, lambda: self._send("PATCH", ref, conditional), about=about)

    async def replace(self, ref: Ref, body: Body, *, verb: str = "edit") -> None:
        """Put a whole object in the place of the one whose resourceVersion it bears.

        A field that the server does not know is refused: it would drop it, and whatever it was meant to be.
        """
        await self.guard.act(verb, ref, lambda: self._send("PUT", ref, body, _STRICT))

    async def delete(self, ref: Ref, *, verb: str = "delete", grace: int | None = None, orphan: bool = False) -> None:
        """Delete an object, and what it owns unless that is to be orphaned."""
        options: dict[str, object] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if ref.uid:
            options["preconditions"] = {"uid": ref.uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if orphan:
            options["propagationPolicy"] = "Orphan"
        await self.guard.act(verb, ref, lambda: self._send("DELETE", ref, options))

    async def call(
        self, ref: Ref, subresource: str, options: Body | None = None, *, verb: str = "", instance: bool = False
    ) -> None:
        """PUT a subresource of a VM or VMI; with `instance`, of the VMI that bears the VM's name."""
        if self.dry_run and subresource not in _REHEARSED:
            raise UntriableError(
                f"{verb or subresource} of {ref.path} cannot be tried out", "the server has no dry run of it"
            )
        target = ref._replace(kind=VMI) if instance else ref
        await self.guard.act(verb or subresource, ref, lambda: self._call(target, subresource, options))

    async def _on_machine(
        self, subresource: str, ref: Ref, options: dict[str, object] | None = None, verb: str = ""
    ) -> None:
        if ref.kind != VM:
            raise ConflictError(f"cannot {subresource} {ref.path}", "it has no VirtualMachine that would do it")
        await self.call(ref, subresource, options, verb=verb)

    async def _call(self, ref: Ref, subresource: str, options: Body | None) -> None:
        with unsent(f"not sent, for nobody said where {subresource} is served"):
            path = await find_subresource(self.discovery, ref, subresource)
        body = {**(options or {}), **({"dryRun": ["All"]} if self.dry_run else {})}
        await self._request("PUT", ref, path, body, accept=ANY)

    async def _send(self, method: str, ref: Ref, body: object, query: Mapping[str, str] = _PLAIN) -> None:
        _, path = await self._find(ref)
        await self._request(method, ref, path, body, {**query, **self._query})

    async def _find(self, ref: Ref) -> tuple[str, str]:
        with unsent(f"not sent, for nobody said where {ref.kind} is served"):
            return await find_path(self.discovery, ref)

    async def _request(
        self,
        method: str,
        ref: Ref,
        path: str,
        body: object,
        query: Mapping[str, str] = _PLAIN,
        accept: str = JSON,
    ) -> bytes:
        try:
            return await self.server.request_patiently(method, path, query=query, body=body, accept=accept)
        except BackendError as error:
            # An admission webhook with side effects fails every dry run, whatever it is asked.
            if self.dry_run and _NO_REHEARSAL in error.detail:
                raise UntriableError(f"{ref.path} cannot be tried out", error.detail, code=error.code) from error
            if not self.dry_run and leaves_open(error):
                raise UnansweredError(error.title, error.detail, MAY_BE_DONE, error.code) from error
            raise

    async def _create(self, ref: Ref, body: Body) -> Ref:
        api_version, path = await self._find(ref._replace(name=""))
        given = body.get("metadata")
        metadata = dict(given) if isinstance(given, Mapping) else {}
        metadata["generateName" if ref.name.endswith("-") else "name"] = ref.name
        whole = {**body, "apiVersion": api_version, "kind": ref.kind, "metadata": metadata}
        raw = await self._request("POST", ref, path, whole, self._query)
        try:
            created = decode(raw, _Object).metadata
        except BackendError:
            # It was accepted, whatever the answer looks like.
            return ref
        return ref._replace(name=created.name or ref.name, uid=created.uid)

    async def _create_migration(self, ref: Ref) -> None:
        migration = Ref(ref.backend, MIGRATION, ref.namespace, f"{ref.name}-")
        await self._create(migration, {"spec": {"vmiName": ref.name}})

    @property
    def _query(self) -> Mapping[str, str]:
        return {"dryRun": "All"} if self.dry_run else _PLAIN


def _on_condition(patch: Body | Sequence[Body], uid: str, version: str) -> object:
    """The patch, refused by the server when the object is another one, or changed since that version."""
    wanted = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
    if not isinstance(patch, Mapping):
        tests = [{"op": "test", "path": f"/metadata/{key}", "value": value} for key, value in wanted.items()]
        return [*tests, *patch]
    if not wanted:
        return patch
    given = patch.get("metadata")
    return {**patch, "metadata": {**(given if isinstance(given, Mapping) else {}), **wanted}}
