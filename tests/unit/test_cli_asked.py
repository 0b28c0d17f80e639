"""What ``kvtui get`` asks a cluster for, and for which of it it waits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import pytest

from kvtui.backends.base import Inbox, Source
from kvtui.cli import get as get_module
from kvtui.cli import main
from kvtui.cli.judging import judging_kinds
from kvtui.fleet import Fleet, all_sources
from kvtui.model import FeedState
from kvtui.resources import RESOURCES, find
from kvtui.resources.verdicts import STANDS_ON
from tests.unit.test_cli import RecordedBackend, everything

EVERY_KIND = {source.kind for source in all_sources()}


class AskedBackend(RecordedBackend):
    """Keeps which kinds it is asked for; those of `slow` never come."""

    def __init__(self, slow: Iterable[str] = ()) -> None:
        super().__init__(everything(), states=dict.fromkeys(slow, FeedState.LOADING))
        self.asked: set[str] = set()

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        self.asked = {source.kind for source in sources}
        await super().run(sources, inbox)


def get(monkeypatch: pytest.MonkeyPatch, backend: AskedBackend, *words: str) -> float:
    """Run the command; how many seconds it took."""
    monkeypatch.setattr(get_module, "make_fleet", lambda *_: Fleet([backend]))
    monkeypatch.setattr(get_module, "read_settings", lambda *_: None)
    begun = time.monotonic()
    assert main(["get", *words]) == 0
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("events",), {"Event"}),
        (("quotas", "-o", "name"), {"ResourceQuota"}),
        (("nads", "-o", "name"), {"NetworkAttachmentDefinition", "VirtualMachine", "VirtualMachineInstance"}),
        (("pvs", "-o", "name"), {"PersistentVolume", "PersistentVolumeClaim", "VirtualMachine",
                                 "VirtualMachineInstance"}),
    ],
)  # fmt: skip
def test_rows_that_no_rule_judges_ask_for_what_they_show_alone(
    monkeypatch: pytest.MonkeyPatch, words: Sequence[str], kinds: set[str]
) -> None:
    backend = AskedBackend()
    get(monkeypatch, backend, *words)
    assert backend.asked == kinds


@pytest.mark.parametrize("words", [("pvs",), ("quotas",), ("quotas", "--faults")])
def test_rows_that_show_what_the_rules_find_ask_for_all_that_these_may_look_at(
    monkeypatch: pytest.MonkeyPatch, words: Sequence[str]
) -> None:
    backend = AskedBackend()
    get(monkeypatch, backend, *words)
    assert backend.asked >= {"PersistentVolume", "StorageClass", "ResourceQuota", "Node"}


def test_every_row_with_a_part_that_is_judged_is_judged_by_it() -> None:
    for resource in RESOURCES:
        kinds = judging_kinds(resource)
        parts = {source.kind for source in resource.joined} & STANDS_ON
        assert not kinds or parts <= kinds, resource.name
        assert kinds <= EVERY_KIND | {"Bastion", "MigrationProgress"}, resource.name


def test_a_list_that_does_not_bear_on_the_rows_is_waited_for_a_moment_and_one_that_does_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(get_module, "_FAR_WAIT", 0.0)
    monkeypatch.setattr(get_module, "_NEAR_WAIT", 4.0)
    resource = find("pvs")
    assert resource is not None
    assert "VirtualMachineExport" not in judging_kinds(resource)
    assert "StorageClass" in judging_kinds(resource)
    far = get(monkeypatch, AskedBackend(["VirtualMachineExport"]), "pvs")
    near = get(monkeypatch, AskedBackend(["StorageClass"]), "pvs")
    assert far < 4.0 < near
