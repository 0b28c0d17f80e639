"""Fields that nobody knows or that are given twice: refused, or dropped with or without a warning."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from kvtui.demo import kinds
from kvtui.demo.known_fields import prune
from kvtui.demo.world import World
from tests.demo.wire import create, fetch, machine, vms
from tests.demo.worlds import START

_CPU = "spec.template.spec.domain.cpu"
_LEAD = 'VirtualMachine in version "v1" cannot be handled as a VirtualMachine: strict decoding error: '
_JSON = {"Content-Type": "application/json"}
_MERGE = {"Content-Type": "application/merge-patch+json"}


def mistyped(name: str = "one") -> dict[str, Any]:
    found = machine(name)
    found["spec"]["template"]["spec"]["domain"]["cpu"] = {"coers": 2, "cores": 1}
    found["spec"]["template"]["metadata"] = {"whatever": "it is kept"}
    return found


async def post(session: aiohttp.ClientSession, body: Any, **query: str) -> tuple[dict[str, Any], list[str]]:
    """What was made, and what the server warned of."""
    async with session.post(vms("shop"), json=body, params=query) as response:
        assert response.status == 201, await response.text()
        return await response.json(), response.headers.getall("Warning", [])


async def test_strictness_refuses_an_unknown_field_and_changes_nothing(admin: aiohttp.ClientSession) -> None:
    strict = {"fieldValidation": "Strict"}
    refused = await fetch(admin, vms("shop"), method="POST", status=400, json=mistyped(), params=strict)
    assert refused["message"] == f'{_LEAD}unknown field "{_CPU}.coers"'
    assert refused["reason"] == "BadRequest"
    await fetch(admin, vms("shop", "one"), status=404)
    created = await create(admin, machine("one"))
    created["spec"]["template"]["spec"]["volumes"] = [{"name": "a", "emptyDisk": {"capacity": "1Gi", "size": 1}}]
    created["metadata"]["labelz"] = {}
    refused = await fetch(admin, vms("shop", "one"), method="PUT", status=400, json=created, params=strict)
    unknown = ("metadata.labelz", "spec.template.spec.volumes[0].emptyDisk.size")
    assert refused["message"] == _LEAD + ", ".join(f'unknown field "{path}"' for path in unknown)


async def test_without_a_word_an_unknown_field_is_dropped_and_warned_of(admin: aiohttp.ClientSession) -> None:
    made, warnings = await post(admin, mistyped())
    assert warnings == [rf'299 - "unknown field \"{_CPU}.coers\""']
    assert made["spec"]["template"]["spec"]["domain"]["cpu"] == {"cores": 1}
    assert made["spec"]["template"]["metadata"]["whatever"] == "it is kept"
    assert (await post(admin, mistyped("two"), fieldValidation="Warn"))[1] == warnings


async def test_ignorance_drops_it_without_a_word(admin: aiohttp.ClientSession) -> None:
    made, warnings = await post(admin, mistyped(), fieldValidation="Ignore")
    assert warnings == []
    assert "coers" not in made["spec"]["template"]["spec"]["domain"]["cpu"]


async def test_a_patch_is_judged_by_what_it_makes_of_the_object(admin: aiohttp.ClientSession) -> None:
    await create(admin, machine("one"))
    change, place = {"spec": {"runStrateggy": "Always"}}, vms("shop", "one")
    strict = {"fieldValidation": "Strict"}
    refused = await fetch(admin, place, method="PATCH", status=422, json=change, headers=_MERGE, params=strict)
    assert refused["message"].startswith(' "" is invalid: patch: Invalid value: "{')
    assert refused["message"].endswith('strict decoding error: unknown field "spec.runStrateggy"')
    patched = await fetch(admin, place, method="PATCH", json=change, headers=_MERGE)
    assert "runStrateggy" not in patched["spec"]


async def test_a_field_that_is_given_twice_is_refused_or_warned_of(admin: aiohttp.ClientSession) -> None:
    body = json.dumps(machine("one")).replace(
        '"runStrategy": "Halted"', '"runStrategy": "Always", "runStrategy": "Halted"'
    )
    strict = {"fieldValidation": "Strict"}
    refused = await fetch(admin, vms("shop"), method="POST", status=400, data=body, params=strict, headers=_JSON)
    assert refused["message"] == f'{_LEAD}duplicate field "spec.runStrategy"'
    async with admin.post(vms("shop"), data=body, headers=_JSON) as response:
        assert response.headers["Warning"] == r'299 - "duplicate field \"spec.runStrategy\""'


async def test_a_directive_that_is_none_is_refused(admin: aiohttp.ClientSession) -> None:
    odd = {"fieldValidation": "strict"}
    refused = await fetch(admin, vms("shop"), method="POST", status=422, json=machine("one"), params=odd)
    assert (
        'fieldValidation: Unsupported value: "strict": supported values: "Ignore", "Strict", "Warn"'
        in refused["message"]
    )


async def test_kubevirt_warns_of_the_older_way_to_say_that_a_vm_runs(admin: aiohttp.ClientSession) -> None:
    old = machine("one")
    del old["spec"]["runStrategy"]
    old["spec"]["running"] = False
    told = '299 - "spec.running is deprecated, please use spec.runStrategy instead."'
    assert (await post(admin, old))[1] == [told]
    change = {"metadata": {"labels": {"a": "b"}}}
    async with admin.patch(vms("shop", "one"), json=change, headers=_MERGE) as response:
        assert response.headers.getall("Warning") == [told]


def test_what_is_in_the_cluster_has_known_fields_alone() -> None:
    """Else nobody could edit it."""
    world = World(30, start=START)
    for _ in range(20):
        world.advance(5)
    unknown = {
        (kind.kind, path) for kind in kinds.KINDS for obj in world.storage.list(kind) for path in prune(kind, obj)[1]
    }
    assert unknown == set()
