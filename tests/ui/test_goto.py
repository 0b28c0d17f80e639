"""What may be typed after a colon."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kvtui.ui.goto import Places, Target, complete, understand


class Named:
    """As much of a resource as going there needs."""

    def __init__(self, name: str, *aliases: str) -> None:
        self.name = name
        self.aliases = aliases


RESOURCES: list[Any] = [Named("nodes", "node", "no"), Named("vms", "vm"), Named("imports", "dv")]
PLACES = Places(RESOURCES, ["data", "shop"], ["prod"], ["kvtui-dark", "kvtui-light"])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("vms", Target(resource="vms")),
        ("VM", Target(resource="vms")),
        ("dv shop", Target(resource="imports", namespace="shop")),
        ("vms cat", Target(resource="vms", filter="cat")),
        ("vms shop !web status:running", Target(resource="vms", namespace="shop", filter="!web status:running")),
        ("vms all", Target(resource="vms", namespace="")),
        ("ns shop", Target(namespace="shop")),
        ("ns all", Target(namespace="")),
        ("theme kvtui-light", Target(theme="kvtui-light")),
        ("problems", Target(word="problems")),
        ("q", Target(word="quit")),
    ],
)
def test_a_text_leads_somewhere(text: str, target: Target) -> None:
    assert understand(text, PLACES) == target


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frobs", "nothing is called 'frobs'; there are nodes, vms, imports and ns NAME"),
        ("pools", "for pools a libvirt host must be open, and none is: kvtui --host URI"),
        ("jobs", "for jobs a libvirt host must be open, and none is: kvtui --host URI"),
        ("pvcs", "for pvcs a cluster must be open, and none is: kvtui --context NAME"),
        ("ns nowhere", "no namespace 'nowhere' is in sight"),
        ("ns shop x", '"x" is one word too many'),
        ("theme pink", "no theme 'pink'; there are kvtui-dark, kvtui-light"),
    ],
)
def test_a_text_that_leads_nowhere_is_answered_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        understand(text, PLACES)


def test_completion_offers_what_begins_so_before_what_only_holds_it() -> None:
    assert complete("", PLACES)[:3] == ["nodes", "vms", "imports"]
    assert complete("n", PLACES)[:2] == ["nodes", "ns "]
    assert complete("ns ", PLACES) == ["ns all", "ns data", "ns shop"]
    assert complete("ns s", PLACES) == ["ns shop"]
    assert complete("vms da", PLACES) == ["vms data"]
    assert complete("theme l", PLACES) == ["theme kvtui-light"]


def test_everything_that_is_offered_can_be_meant() -> None:
    for text in ("", "n", "ns ", "vms ", "theme ", "p"):
        for offered in complete(text, PLACES):
            if not offered.endswith(" "):
                understand(offered, PLACES)
