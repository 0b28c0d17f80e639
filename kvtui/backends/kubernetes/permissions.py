"""What the account may do: the server's answers, believed for a while and forgotten once one proves wrong."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from kvtui.backends.base import Permission, Verdict
from kvtui.backends.kubernetes.server import Server, decode
from kvtui.errors import BackendError, KvtuiError
from kvtui.text import clean_line

_REVIEWS: Final = "/apis/authorization.k8s.io/v1"


class _Review(msgspec.Struct):
    allowed: bool = False
    reason: str = ""


class _AccessReview(msgspec.Struct):
    status: _Review = msgspec.field(default_factory=_Review)


class _Rule(msgspec.Struct, rename="camel"):
    """A rule of RBAC: any of its verbs on any of its resources; ``*`` stands for all, ``*/scale`` for that of all."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] | None = None

    def allows(self, permission: Permission) -> bool:
        """Whether it grants the permission on every object of the kind."""
        names = {"*", permission.resource}
        if permission.subresource:
            names = {"*", f"*/{permission.subresource}", f"{permission.resource}/{permission.subresource}"}
        return (
            not self.resource_names
            and not names.isdisjoint(self.resources)
            and not {"*", permission.verb}.isdisjoint(self.verbs)
            and not {"*", permission.group}.isdisjoint(self.api_groups)
        )


class _Rules(msgspec.Struct, rename="camel"):
    resource_rules: tuple[_Rule, ...] | None = None


class _RulesReview(msgspec.Struct):
    status: _Rules = msgspec.field(default_factory=_Rules)


class Permissions:
    """Answers of the server to "may I?".

    All rules of a namespace come in one answer, and what they grant is granted. What they do not is asked by itself,
    for the list may lack rules (kubernetes.io, SelfSubjectRulesReview), and a no is believed for a shorter time:
    somebody may be about to grant it.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._answers: dict[tuple[Permission, str, str], tuple[float, asyncio.Task[Verdict]]] = {}
        self._rules: dict[str, tuple[float, asyncio.Task[tuple[_Rule, ...]]]] = {}

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        """Whether the account may do it. A question that cannot be asked is answered with no, and asked again."""
        key = (permission, namespace, name)
        now = time.monotonic()
        begun, asked = self._answers.get(key, (0.0, None))
        if asked is None or now - begun >= self._patience(asked):
            asked = asyncio.create_task(self._ask(permission, namespace, name), name=f"may {permission}")
            self._answers[key] = (now, asked)
        try:
            return await asyncio.shield(asked)
        except KvtuiError as error:
            self._answers.pop(key, None)
            return Verdict(False, str(error), asked=False)

    def _patience(self, asked: asyncio.Task[Verdict]) -> float:
        """Seconds for which an answer is believed."""
        denied = asked.done() and not asked.cancelled() and asked.exception() is None and not asked.result().allowed
        return self._server.timings.denial if denied else self._server.timings.permission

    def forget(self) -> None:
        """Ask everything anew: the server refused what it had allowed. Who waits for an answer still gets it."""
        self._answers, self._rules = {}, {}

    def close(self) -> None:
        """Leave every question that is still open."""
        for _, answer in self._answers.values():
            answer.cancel()
        for _, rules in self._rules.values():
            rules.cancel()

    async def _ask(self, permission: Permission, namespace: str, name: str) -> Verdict:
        if namespace and any(rule.allows(permission) for rule in await self._list_rules(namespace)):
            return Verdict(True)
        return await self._review(permission, namespace, name)

    async def _list_rules(self, namespace: str) -> tuple[_Rule, ...]:
        """What is granted in a namespace, as far as the server tells."""
        now = time.monotonic()
        begun, asked = self._rules.get(namespace, (0.0, None))
        if asked is None or now - begun >= self._server.timings.permission:
            asked = asyncio.create_task(self._ask_rules(namespace), name=f"rules in {namespace}")
            self._rules[namespace] = (now, asked)
        return await asyncio.shield(asked)

    async def _ask_rules(self, namespace: str) -> tuple[_Rule, ...]:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        try:
            raw = await self._server.request("POST", f"{_REVIEWS}/selfsubjectrulesreviews", body=body)
            return decode(raw, _RulesReview).status.resource_rules or ()
        except KvtuiError:
            # Each right is asked for by itself then, which tells what is wrong.
            return ()

    async def _review(self, permission: Permission, namespace: str, name: str) -> Verdict:
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
        raw = await self._server.request("POST", f"{_REVIEWS}/selfsubjectaccessreviews", body=body)
        try:
            status = msgspec.json.decode(raw, type=_AccessReview).status
        except msgspec.MsgspecError as error:
            raise BackendError("the server's answer cannot be read", clean_line(str(error))) from error
        return Verdict(True) if status.allowed else Verdict(False, clean_line(status.reason))
