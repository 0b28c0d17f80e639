"""Acting as another user: what is sent, what the audit log says, and how a refusal is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import KubernetesBackend, connect
from kvtui.backends.kubernetes.impersonation import NOBODY, Impersonation
from kvtui.errors import ForbiddenError
from kvtui.model import Ref
from tests.wire.fake import Fake, machine, serving, status
from tests.wire.support import QUICK, write_kubeconfig

PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"
REF = Ref("test", "VirtualMachine", "shop", "a", "uid-a")
REFUSED = (
    'users "jane" is forbidden: User "tester" cannot impersonate resource "users" in API group "" at the cluster scope'
)


async def serve(request: web.Request) -> web.StreamResponse:
    return web.json_response(machine("a")) if request.method == "GET" else web.Response(status=202)


async def refuse(_request: web.Request) -> web.StreamResponse:
    return status(403, REFUSED, "Forbidden")


@asynccontextmanager
async def acting(
    folder: Path, fake: Fake, acting_as: Impersonation = NOBODY, **user: Any
) -> AsyncIterator[KubernetesBackend]:
    kubeconfig = write_kubeconfig(folder, fake.url, {"token": "abc", **user})
    audit = AuditLog(folder / "audit.jsonl")
    backend = connect(str(kubeconfig), None, "", False, audit, timings=QUICK, acting_as=acting_as)
    try:
        yield backend
    finally:
        await backend.close()


def sent(fake: Fake) -> list[tuple[str, str]]:
    return [(name, value) for name, value in fake.asked[-1].headers.items() if name.startswith("Impersonate-")]


async def test_who_is_given_takes_the_place_of_all_that_the_kubeconfig_says(tmp_path: Path) -> None:
    wanted = Impersonation("jane", ("ops", "dev"))
    said: dict[str, Any] = {
        "as": "someone",
        "as-uid": "7",
        "as-groups": ["admins"],
        "as-user-extra": {"scopes": ["all"]},
    }
    async with serving(Fake(serve, serve, {PATH: serve})) as fake, acting(tmp_path, fake, wanted, **said) as backend:
        await backend.fetch(REF)
        assert sent(fake) == [("Impersonate-User", "jane"), ("Impersonate-Group", "ops"), ("Impersonate-Group", "dev")]
        assert backend.info.acting_as == "jane (ops, dev)"


async def test_all_that_the_kubeconfig_says_is_sent(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["ops"],
        "as-user-extra": {"Example.com/Scopes": ["a", "b"]},
    }
    async with serving(Fake(serve, serve, {PATH: serve})) as fake, acting(tmp_path, fake, **said) as backend:
        await backend.fetch(REF)
        assert sorted(sent(fake)) == [
            ("Impersonate-Extra-example.com%2Fscopes", "a"),
            ("Impersonate-Extra-example.com%2Fscopes", "b"),
            ("Impersonate-Group", "ops"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-User", "jane"),
        ]
        assert backend.info.acting_as == "jane (ops)"


async def test_the_audit_log_names_who_logs_in_and_as_whom_it_was_done(tmp_path: Path) -> None:
    async with (
        serving(Fake(serve, serve, {PATH: serve})) as fake,
        acting(tmp_path, fake, Impersonation("jane")) as backend,
    ):
        await backend.delete(REF)
        assert sent(fake) == [("Impersonate-User", "jane")]
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert {line["account"] for line in lines} == {"tester as jane"}


async def test_a_refused_impersonation_says_who_may_not_act_as_whom_and_the_way_out(tmp_path: Path) -> None:
    async with (
        serving(Fake(refuse, refuse, {PATH: refuse})) as fake,
        acting(tmp_path, fake, Impersonation("jane")) as backend,
    ):
        with pytest.raises(ForbiddenError, match="tester may not act as user jane") as caught:
            await backend.fetch(REF)
        assert "leave --as out" in caught.value.hint
