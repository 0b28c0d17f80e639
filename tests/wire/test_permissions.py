"""What the account may do: asked in bulk, believed for a while, and renewed when it changes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.backends.base import Permission, Verdict
from kvtui.errors import ForbiddenError
from kvtui.model import Ref
from tests.wire.fake import Fake, Handler, listed, machine, serving, status
from tests.wire.support import QUICK, kept, write_kubeconfig

GROUP = "subresources.kubevirt.io"
START = Permission("update", GROUP, "virtualmachines", "start")
STOP = Permission("update", GROUP, "virtualmachines", "stop")
DELETE = Permission("delete", "kubevirt.io", "virtualmachines")
PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"
REF = Ref("test", "VirtualMachine", "shop", "a", "uid-a")


def rule(*resources: str, verbs: tuple[str, ...] = ("update",), group: str = GROUP, **more: Any) -> dict[str, Any]:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources), **more}


@dataclass
class Authority:
    """A server that knows rules, and whom it refuses beside them."""

    rules: list[dict[str, Any]] = field(default_factory=list)
    granted: bool = False
    """What a SelfSubjectAccessReview answers."""
    reason: str = ""
    """And why."""
    refuses: bool = False
    """Whether a deletion is refused, whatever was said before."""
    asked: list[str] = field(default_factory=list)

    async def list_rules(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"rules in {(await request.json())['spec']['namespace']}")
        return web.json_response({"status": {"resourceRules": self.rules, "incomplete": True}}, status=201)

    async def review(self, request: web.Request) -> web.StreamResponse:
        attributes = (await request.json())["spec"]["resourceAttributes"]
        self.asked.append(f"{attributes['verb']} {attributes['resource']}/{attributes.get('subresource', '')}")
        return web.json_response({"status": {"allowed": self.granted, "reason": self.reason}}, status=201)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE" and self.refuses:
            return status(403, "the account may not", "Forbidden")
        return web.json_response(machine("a"))

    @property
    def fake(self) -> Fake:
        async def nothing(_request: web.Request) -> web.StreamResponse:
            return listed()

        reviews = "/apis/authorization.k8s.io/v1/selfsubject"
        paths: dict[str, Handler] = {
            f"{reviews}rulesreviews": self.list_rules,
            f"{reviews}accessreviews": self.review,
            PATH: self.serve,
        }
        return Fake(nothing, nothing, paths)


@pytest.fixture
def authority() -> Authority:
    return Authority()


async def test_one_question_tells_all_that_is_granted_in_a_namespace(tmp_path: Path, authority: Authority) -> None:
    authority.rules = [rule("virtualmachines/start", "virtualmachines/stop")]
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        for permission in (START, STOP, START):
            assert (await state.backend.may(permission, "shop")).allowed
        assert authority.asked == ["rules in shop"]
        await state.backend.may(START, "lab")
        assert authority.asked == ["rules in shop", "rules in lab"]


async def test_what_the_rules_do_not_grant_is_asked_by_itself(tmp_path: Path, authority: Authority) -> None:
    authority.granted = True
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert (await state.backend.may(START, "shop")).allowed
        assert authority.asked == ["rules in shop", "update virtualmachines/start"]


@pytest.mark.parametrize(
    ("given", "grants"),
    [
        (rule("*", verbs=("*",), group="*"), True),
        (rule("*/start"), True),
        (rule("virtualmachines/start", verbs=("get",)), False),
        (rule("virtualmachines"), False),
        (rule("virtualmachines/*"), False),
        (rule("virtualmachines/start", group="kubevirt.io"), False),
        (rule("virtualmachines/start", resourceNames=["other"]), False),
    ],
    ids=json.dumps,
)
async def test_a_rule_grants_what_rbac_says(
    tmp_path: Path, authority: Authority, given: dict[str, Any], grants: bool
) -> None:
    authority.rules = [given]
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert (await state.backend.may(START, "shop")).allowed is grants


@pytest.mark.parametrize("reason", ["", "no quota for you"])
async def test_why_something_is_not_allowed_is_said_by_the_server_alone(
    tmp_path: Path, authority: Authority, reason: str
) -> None:
    authority.reason = reason
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert await state.backend.may(START, "shop") == Verdict(False, reason)


async def test_what_has_no_namespace_is_not_judged_by_the_rules_of_one(tmp_path: Path, authority: Authority) -> None:
    authority.rules = [rule("*", verbs=("*",), group="*")]
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert not (await state.backend.may(Permission("patch", "", "nodes"), "")).allowed
        assert authority.asked == ["patch nodes/"]


async def test_a_right_that_is_granted_later_works_without_a_restart(tmp_path: Path, authority: Authority) -> None:
    timings = replace(QUICK, denial=0.0)
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url), timings=timings) as state:
        assert not (await state.backend.may(START, "shop")).allowed
        authority.granted = True
        assert (await state.backend.may(START, "shop")).allowed


async def test_a_right_that_was_taken_away_is_noticed_when_the_server_refuses(
    tmp_path: Path, authority: Authority
) -> None:
    authority.rules = [rule("virtualmachines", verbs=("delete",), group="kubevirt.io")]
    async with serving(authority.fake) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert (await state.backend.may(DELETE, "shop")).allowed
        authority.rules, authority.refuses = [], True
        assert (await state.backend.may(DELETE, "shop")).allowed
        with pytest.raises(ForbiddenError):
            await state.backend.delete(REF)
        assert not (await state.backend.may(DELETE, "shop")).allowed
