"""The past of an object is asked for where it is, and what cannot be had is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from kvtui.actions.recall import Recall
from kvtui.audit import Act, AuditLog
from kvtui.errors import AbsentError, ForbiddenError, UnservedError
from kvtui.model import Feed, FeedState, Platform, Ref
from kvtui.records.base import Record
from kvtui.records.kubernetes import Claim, Event, Pod
from kvtui.records.kubevirt import VirtualMachine
from kvtui.records.past import Past
from kvtui.store import Put
from tests.ui.backend import NAME, Stage

ENDED = {
    "metadata": {"creationTimestamp": "2026-11-21T01:50:00Z"},
    "status": {
        "containerStatuses": [
            {"name": "importer", "restartCount": 1,
             "state": {"terminated": {"startedAt": "2026-11-21T01:50:02Z", "finishedAt": "2026-11-21T01:50:30Z",
                                      "exitCode": 137, "reason": "OOMKilled"}}}
        ]
    },
}  # fmt: skip


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.list_all()
    return stage


def find(stage: Stage, type_: type[Record], name: str) -> Ref:
    return next(ref for ref, _ in stage.fleet.view.items(type_) if ref.name == name)


def recall(stage: Stage, tmp_path: Path, name: str = "dv-1") -> Recall:
    return Recall(stage.fleet, find(stage, VirtualMachine, name), AuditLog(tmp_path / "audit.jsonl"))


async def test_the_pods_that_fill_a_disk_are_asked_for_with_how_they_ended(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = find(stage, Claim, "dv-1-root")
    owner = {"kind": "PersistentVolumeClaim", "name": claim.name, "uid": claim.uid, "controller": True}
    importer, other = (
        msgspec.convert({"metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owners}}, Pod)
        for name, owners in (("importer-dv-1-root", [owner]), ("importer-of-others", []))
    )

    async def fetch_pods(namespace: str, selector: str) -> Sequence[Pod]:
        assert (namespace, selector) == ("shop", "app=containerized-data-importer")
        return importer, other

    monkeypatch.setattr(stage.backend, "fetch_pods", fetch_pods)
    stage.backend.pasts["Pod/importer-dv-1-root"] = msgspec.convert(ENDED, Past)
    past = recall(stage, tmp_path)
    await past.look()
    told = [(one.what, one.detail) for one in past.moments() if one.subject.name.startswith("importer")]
    assert ("container importer ended", "OOMKilled, exit code 137") in told
    assert not [one for one in past.moments() if one.subject.name == "importer-of-others"]


async def test_where_events_are_not_kept_live_each_object_is_asked_for_its_own(stage: Stage, tmp_path: Path) -> None:
    vm = find(stage, VirtualMachine, "dv-1")
    told = {"metadata": {"name": "a.1", "uid": "a"}, "reason": "Odd", "lastTimestamp": "2026-11-21T01:55:00Z",
            "involvedObject": {"kind": vm.kind, "namespace": "shop", "name": "dv-1"}}  # fmt: skip
    stage.fleet.store.post(Feed(NAME, Event.KIND, FeedState.FORBIDDEN))
    stage.fleet.step()
    stage.backend.events["dv-1"] = [msgspec.convert(told, Event)]
    past = recall(stage, tmp_path)
    await past.look()
    assert [one.layer.value for one in past.moments() if one.what == "Odd"] == ["vm"]


async def test_layers_that_are_forbidden_and_requests_that_fail_are_one_sentence_each(
    stage: Stage, tmp_path: Path
) -> None:
    for kind in ("Node", "StorageClass"):
        stage.fleet.store.post(Feed(NAME, kind, FeedState.FORBIDDEN))
    stage.fleet.step()
    stage.backend.pasts["VirtualMachine/dv-1"] = ForbiddenError("no")
    past = recall(stage, tmp_path)
    await past.look()
    past.moments()
    assert f"{NAME}: Node, StorageClass forbidden to this account" in past.notes
    assert "who wrote VirtualMachine objects: forbidden to this account" in past.notes
    assert past.troubled


async def test_a_kind_that_cannot_be_read_is_said_and_an_object_that_went_is_not(stage: Stage, tmp_path: Path) -> None:
    stage.backend.pasts["VirtualMachine/dv-1"] = UnservedError("kubevirt.io is not installed", code=404)
    stage.backend.pasts["PersistentVolumeClaim/dv-1-root"] = AbsentError("there is no such claim", code=404)
    past = recall(stage, tmp_path)
    await past.look()
    assert [note for note in past.notes if "who wrote" in note] == [
        "who wrote VirtualMachine objects: kubevirt.io is not installed"
    ]
    assert past.troubled


async def test_acts_on_any_layer_are_told_once_with_their_end(stage: Stage, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    act = Act("migrate", find(stage, VirtualMachine, "dv-1"), "jo", Platform.KUBERNETES)
    other = Act("stop", find(stage, VirtualMachine, "db-2"), "jo", Platform.KUBERNETES)
    for one, result in ((act, "asked"), (act, "refused"), (other, "asked"), (other, "accepted")):
        log.write(one, result, "no node" if result == "refused" else "")
    past = recall(stage, tmp_path)
    await past.look()
    done = [one for one in past.moments() if one.source == "audit"]
    assert [one.what for one in done] == ["migrate"]
    assert done[0].detail.endswith("as jo, refused, no node")


async def test_a_log_that_cannot_be_read_is_said(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    past = recall(stage, tmp_path)
    await past.look()
    assert any("audit log" in note and "cannot be read" in note for note in past.notes)


async def test_of_many_events_none_hides_the_oldest(stage: Stage, tmp_path: Path) -> None:
    vm = find(stage, VirtualMachine, "dv-1")
    about = {"kind": vm.kind, "namespace": "shop", "name": "dv-1", "uid": vm.uid}
    for number in range(6_000):
        told = {"metadata": {"name": f"e.{number}", "namespace": "shop", "uid": f"e{number}"}, "reason": f"R{number}",
                "lastTimestamp": "2026-11-21T01:55:00Z", "involvedObject": about}  # fmt: skip
        stage.fleet.store.post(Put(NAME, msgspec.convert(told, Event)))
    stage.fleet.step()
    past = recall(stage, tmp_path)
    await past.look()
    for _ in range(2):
        found = past.moments()
        assert sum(one.source == "event" for one in found) >= 6_000
        assert found[0].what == "created"
