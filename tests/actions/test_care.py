"""What a confirmation says and asks for because of the objects and the user's settings, whichever the action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from kvtui.actions.batch import Batches
from kvtui.actions.care import why_undeletable
from kvtui.actions.confirm import Confirmer, ImpossibleError, Question, Sheet
from kvtui.backends.base import Permission
from kvtui.model import Care, Ref
from kvtui.records.base import Condition, Meta, Record
from kvtui.records.clusters import ClusterMachine, MachineStatus
from kvtui.records.copies import CloneSpec, Reference, RestoreSpec, SnapshotSpec, VmClone, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Claim, Namespace
from kvtui.records.kubevirt import VirtualMachine
from kvtui.records.libvirt import Disk, Domain, DomainState, Host, StorageVolume
from kvtui.resources import RESOURCES
from kvtui.resources.base import AnyAction, AnyResource
from kvtui.resources.form import Answers, Draft
from kvtui.store import Put
from tests.applications import application
from tests.machines import record_of
from tests.ui.backend import NAME, Stage, recorded

RUNNING = "dv-1"
ARGO = "argocd.argoproj.io/tracking-id"


class Answerer:
    """Says no, and keeps what was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.sheets: list[Sheet] = []

    async def ask(self, question: Question) -> bool:
        self.questions.append(question)
        return False

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        self.sheets.append(sheet)
        return Draft(sheet.form).answers


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.list_all()
    return stage


def find(name: str) -> AnyResource:
    return next(resource for resource in RESOURCES if resource.name == name)


def action(action_id: str) -> AnyAction:
    return next(action for resource in RESOURCES for action in resource.actions if action.id == action_id)


async def ask(
    stage: Stage, action_id: str, *names: str, resource: str = "vms", sessions: Sequence[str] = ()
) -> Question | Sheet | None:
    """What is asked before the action is done to rows by their names; None when nothing is."""
    asker, found = Answerer(), find(resource)
    confirmer = Confirmer(stage.fleet, RESOURCES, Batches(stage.fleet), asker, sessions=lambda _ref: sessions)
    rows = {ref.name: found.row(stage.fleet.view, ref) for ref in found.refs(stage.fleet.view)}
    verb = action(action_id)
    await confirmer.confirm(verb, await confirmer.check(verb, [rows[name] for name in names]))
    asked: list[Question | Sheet] = [*asker.questions, *asker.sheets]
    return asked[0] if asked else None


async def warn(stage: Stage, action_id: str, *names: str, sessions: Sequence[str] = ()) -> Sequence[str]:
    asked = await ask(stage, action_id, *names, sessions=sessions)
    assert asked is not None
    return asked.warnings


def alter(record: Record, **meta: Any) -> Record:
    """The record with other metadata; labels and annotations are added."""
    builtins: Any = msgspec.to_builtins(record)
    builtins["metadata"]["resourceVersion"] += "1"
    for key, value in meta.items():
        builtins["metadata"][key] = {**builtins["metadata"][key], **value} if isinstance(value, dict) else value
    return msgspec.convert(builtins, type(record))


def vm(name: str = RUNNING) -> Record:
    return next(record for record in recorded(VirtualMachine) if record.metadata.name == name)


def careful(stage: Stage, care: Care) -> None:
    stage.fleet._care[NAME] = care


def add_siblings(stage: Stage, states: Mapping[str, bool], **meta: Any) -> None:
    """VMs like dv-1, ready or not."""
    for name, ready in states.items():
        builtins: Any = msgspec.to_builtins(alter(vm(), **meta))
        builtins["metadata"] |= {"name": name, "uid": f"uid-{name}", "resourceVersion": f"{name} {ready}"}
        builtins["status"]["ready"] = ready
        stage.fleet.store.post(Put(NAME, msgspec.convert(builtins, VirtualMachine)))
    stage.fleet.step()


# What it breaks ---------------------------------------------------------------------------------------------------


async def test_a_vm_whose_disk_others_stand_on_is_asked_about_before_it_is_started(stage: Stage) -> None:
    disk = Disk(target="vda", kind="file", source="/images/golden.qcow2")
    domain = Domain(metadata=Meta(name="golden", uid="u"), state=DomainState.SHUTOFF, disks=(disk,))
    stage.put(Host(metadata=Meta(name=NAME), link="connected"), domain)
    assert await ask(stage, "vm.start", "golden") is None
    clone = StorageVolume(metadata=Meta(name="images/clone-1.qcow2"), path="/images/clone-1.qcow2")
    clone.backing = "/images/golden.qcow2"
    stage.put(clone)
    assert await warn(stage, "vm.start", "golden") == ["vda is the base of images/clone-1.qcow2: broken by it"]


# Who undoes it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "annotations", "words"),
    [
        (
            {},
            {ARGO: f"argocd_shop:kubevirt.io/VirtualMachine:shop/{RUNNING}"},
            "your change will be undone by Argo CD application shop",
        ),
        (
            {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"},
            {},
            "your change will be undone by Flux Kustomization flux-system/apps",
        ),
        (
            {"helm.toolkit.fluxcd.io/name": "shop", "app.kubernetes.io/managed-by": "Helm"},
            {"meta.helm.sh/release-name": "shop"},
            "your change will be undone by Flux HelmRelease shop",
        ),
        (
            {"app.kubernetes.io/managed-by": "Helm"},
            {"meta.helm.sh/release-name": "shop"},
            "your change may be undone by the next upgrade of Helm release shop",
        ),
        (
            {"olm.owner": "db.v1", "olm.owner.kind": "ClusterServiceVersion"},
            {},
            "your change will be undone by OLM, for ClusterServiceVersion db.v1",
        ),
        ({"app.kubernetes.io/managed-by": "terraform"}, {}, "terraform manages it, and may undo your change"),
    ],
)
async def test_who_manages_a_vm_is_named_before_it_is_changed_by_hand(
    stage: Stage, labels: dict[str, str], annotations: dict[str, str], words: str
) -> None:
    stage.put(alter(vm(), labels=labels, annotations=annotations))
    said = [line for line in await warn(stage, "vm.stop", RUNNING) if "undo" in line]
    assert said == [words]


async def test_who_marks_what_it_made_and_puts_nothing_back_is_not_named(stage: Stage) -> None:
    stage.put(alter(vm(), labels={"app.kubernetes.io/managed-by": "cdi-controller"}, annotations={}))
    assert [line for line in await warn(stage, "vm.stop", RUNNING) if "undo" in line] == []


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (
            {"annotations": {ARGO: f"streaming:kubevirt.io/VirtualMachine:shop/{RUNNING}"}},
            "Argo CD application streaming will make it anew",
        ),
        (
            {"labels": {"cluster.x-k8s.io/cluster-name": "tenant"}},
            "Cluster API will make it anew: it is a machine of cluster tenant",
        ),
        (
            {"ownerReferences": [{"kind": "VirtualMachinePool", "name": "web", "uid": "pool", "controller": True}]},
            "pool web makes another in its place",
        ),
    ],
)
async def test_who_replaces_a_vm_is_named_before_it_is_deleted(stage: Stage, meta: dict[str, Any], words: str) -> None:
    stage.put(alter(vm(), **meta))
    assert words in await warn(stage, "vm.delete", RUNNING)


async def test_who_made_a_vm_of_a_template_is_said_to_undo_a_change_later(stage: Stage) -> None:
    stage.put(alter(vm(), labels={"cluster.x-k8s.io/cluster-name": "tenant"}, ownerReferences=POOL))
    assert [line for line in await warn(stage, "vm.stop", RUNNING) if "undone" in line] == [
        "your change will be undone by Cluster API when it replaces this machine of cluster tenant",
        "your change will be undone by pool web when its template changes",
    ]


@pytest.mark.parametrize("strategy", ["Manual", "RerunOnFailure"])
async def test_a_stop_that_leaves_the_run_strategy_as_it_is_is_undone_by_nobody(stage: Stage, strategy: str) -> None:
    changed = alter(vm(), annotations={ARGO: f"shop:kubevirt.io/VirtualMachine:shop/{RUNNING}"})
    assert isinstance(changed, VirtualMachine)
    changed.spec.run_strategy, changed.spec.running = strategy, None
    stage.put(changed)
    assert not [line for line in await warn(stage, "vm.stop", RUNNING) if "undone" in line]


async def test_what_leaves_the_declaration_as_it_is_is_undone_by_nobody(stage: Stage) -> None:
    tracked = {ARGO: f"shop:kubevirt.io/VirtualMachine:shop/{RUNNING}"}
    stage.put(alter(vm(), annotations=tracked))
    assert not [line for line in await warn(stage, "vm.restart", RUNNING) if "undone" in line]


async def test_a_tracking_id_that_was_copied_from_another_object_names_nobody(stage: Stage) -> None:
    copied = {ARGO: "shop:pool.kubevirt.io/VirtualMachinePool:shop/web"}
    stage.put(alter(vm(), annotations=copied))
    assert not [line for line in await warn(stage, "vm.stop", RUNNING) if "undone" in line]


@pytest.mark.parametrize(("heals", "undoes"), [(True, True), (False, False)], ids=["heals", "self-heal is off"])
async def test_an_application_that_does_not_heal_is_not_said_to_undo_a_change(
    stage: Stage, *, heals: bool, undoes: bool
) -> None:
    stage.put(alter(vm(), annotations={ARGO: f"web:kubevirt.io/VirtualMachine:shop/{RUNNING}"}))
    written = application("shop", RUNNING, "2026-11-21T01:55:20Z")
    written["spec"]["syncPolicy"]["automated"]["selfHeal"] = heals
    stage.put(record_of(written))
    said = await warn(stage, "vm.stop", RUNNING)
    assert any("undone" in line for line in said) is undoes
    assert ("self-heal of Argo CD application web is off: this lasts until it is synced next" in said) is not undoes


async def test_of_several_vms_only_the_managed_one_is_said_to_be_undone(stage: Stage) -> None:
    stage.put(alter(vm(), annotations={ARGO: f"shop:kubevirt.io/VirtualMachine:shop/{RUNNING}"}))
    said = [line for line in await warn(stage, "vm.stop", RUNNING, "net-1") if "undone" in line]
    assert said == [f"shop/{RUNNING}: your change will be undone by Argo CD application shop"]


MANAGED = {
    "app.kubernetes.io/managed-by": "Helm",
    "argocd.argoproj.io/instance": "shop",
    "kustomize.toolkit.fluxcd.io/name": "apps",
    "cluster.x-k8s.io/cluster-name": "tenant",
}


def copied_by(kind: type[VmRestore] | type[VmClone], asked: str) -> Record:
    """A restore or clone to dv-1, asked for at that time."""
    target = Reference(kind="VirtualMachine", name=RUNNING)
    meta = Meta(name="r", namespace="shop", uid="1", creation_timestamp=asked)
    if kind is VmClone:
        return VmClone(metadata=meta, spec=CloneSpec(target=target))
    return VmRestore(metadata=meta, spec=RestoreSpec(target=target))


@pytest.mark.parametrize("kind", [VmRestore, VmClone])
@pytest.mark.parametrize(
    ("asked", "mark", "is_copy"),
    [
        ("2026-11-20T00:00:00Z", "r-1", True),
        ("2026-11-21T02:00:00Z", "r-1", False),
        ("2026-11-20T00:00:00Z", "", False),
    ],
    ids=["made by it", "taken back by it", "made by somebody else"],
)
async def test_nobody_manages_a_copy_by_what_it_has_from_its_original(
    stage: Stage, kind: type[VmRestore] | type[VmClone], asked: str, mark: str, is_copy: bool
) -> None:
    annotations = {"meta.helm.sh/release-name": "shop", "restore.kubevirt.io/lastRestoreUID": mark}
    made = {"creationTimestamp": "2026-11-21T01:00:00Z", "labels": MANAGED, "annotations": annotations}
    stage.put(alter(vm(), **made), copied_by(kind, asked))
    managers = [line for line in await warn(stage, "vm.delete", RUNNING) if "anew" in line]
    assert (managers == []) is is_copy
    assert ("the next upgrade of Helm release shop will make it anew" in managers) is not is_copy


async def test_a_copy_that_a_pool_took_in_is_one_of_that_pool(stage: Stage) -> None:
    annotations = {"restore.kubevirt.io/lastRestoreUID": "r-1"}
    made = {"creationTimestamp": "2026-11-21T01:00:00Z", "labels": MANAGED, "annotations": annotations}
    stage.put(alter(vm(), **made, ownerReferences=POOL), copied_by(VmRestore, "2026-11-20T00:00:00Z"))
    assert "pool web makes another in its place" in await warn(stage, "vm.delete", RUNNING)


# What falls with it ----------------------------------------------------------------------------------------------

POOL = [{"kind": "VirtualMachinePool", "name": "web", "uid": "pool", "controller": True}]


async def test_the_last_ready_vm_of_a_pool_is_said_to_be_the_last(stage: Stage) -> None:
    add_siblings(stage, {RUNNING: True, "web-2": False}, ownerReferences=POOL)
    assert "pool web is left without a ready VM" in await warn(stage, "vm.restart", RUNNING)
    add_siblings(stage, {"web-3": True}, ownerReferences=POOL)
    assert "pool web is left without a ready VM" not in await warn(stage, "vm.restart", RUNNING)


async def test_two_vms_of_a_pool_that_go_together_are_reckoned_together(stage: Stage) -> None:
    add_siblings(stage, {"web-1": True, "web-2": True}, ownerReferences=POOL)
    assert not [line for line in await warn(stage, "vm.stop", "web-1") if "left without" in line]
    assert "pool web is left without a ready VM" in await warn(stage, "vm.stop", "web-1", "web-2")


async def test_a_control_plane_that_loses_its_quorum_is_told(stage: Stage) -> None:
    cluster = {"cluster.x-k8s.io/cluster-name": "tenant", "cluster.x-k8s.io/role": "control-plane"}
    add_siblings(stage, {"cp-1": True, "cp-2": True, "cp-3": True}, labels=cluster)
    assert not [line for line in await warn(stage, "vm.stop", "cp-1") if "quorum" in line]
    add_siblings(stage, {"cp-3": False}, labels=cluster)
    words = "1 of 3 control-plane machines of cluster tenant stay ready: its etcd has no quorum"
    assert words in await warn(stage, "vm.stop", "cp-1")


async def test_a_machine_without_its_etcd_member_counts_for_no_quorum(stage: Stage) -> None:
    cluster = {"cluster.x-k8s.io/cluster-name": "tenant", "cluster.x-k8s.io/role": "control-plane"}
    add_siblings(stage, {"cp-1": True, "cp-2": True, "cp-3": True}, labels=cluster)
    lost = Condition(type="EtcdMemberHealthy", status="False", reason="NotHealthy")
    machine = ClusterMachine(metadata=Meta(name="cp-2", namespace="shop", uid="m"))
    machine.status = MachineStatus(conditions=(lost,))
    stage.put(machine)
    words = (
        "1 of 3 control-plane machines of cluster tenant stay whole: its etcd has no quorum "
        "(cp-2 has no working etcd member already)"
    )
    assert words in await warn(stage, "vm.stop", "cp-1")
    assert not [line for line in await warn(stage, "vm.stop", "cp-2") if "quorum" in line]


async def test_the_only_control_plane_machine_is_told(stage: Stage) -> None:
    cluster = {"cluster.x-k8s.io/cluster-name": "tenant", "cluster.x-k8s.io/role": "control-plane"}
    add_siblings(stage, {"cp-1": True}, labels=cluster)
    said = [line for line in await warn(stage, "vm.stop", "cp-1") if "control-plane" in line]
    assert said == ["it is the only control-plane machine of cluster tenant: nobody can manage that cluster meanwhile"]


async def test_consoles_of_ours_that_would_end_are_told(stage: Stage) -> None:
    words = "you have its serial console and its shell open"
    assert words in await warn(stage, "vm.stop", RUNNING, sessions=["serial console", "shell"])
    assert words not in await warn(stage, "vm.migrate", RUNNING, sessions=["serial console", "shell"])


# Protection ------------------------------------------------------------------------------------------------------


async def test_a_vm_that_is_protected_from_deletion_cannot_be_deleted_and_says_why(stage: Stage) -> None:
    stage.put(alter(vm(), labels={"kubevirt.io/vm-delete-protection": "True"}))
    with pytest.raises(ImpossibleError, match=r"its label .*vm-delete-protection forbids to delete it"):
        await ask(stage, "vm.delete", RUNNING)
    assert await warn(stage, "vm.restart", RUNNING) is not None


async def test_a_label_that_says_false_forbids_nothing(stage: Stage) -> None:
    labels = {"kubevirt.io/vm-delete-protection": "false", "kvtui.dev/protected": "false"}
    stage.put(alter(vm(), labels=labels))
    asked = await ask(stage, "vm.restart", RUNNING)
    assert isinstance(asked, Question)
    assert (asked.word, [line for line in asked.warnings if "protected" in line]) == ("", [])


async def test_the_label_of_a_vm_makes_a_yes_a_word(stage: Stage) -> None:
    stage.put(alter(vm(), labels={"kvtui.dev/protected": "true"}))
    asked = await ask(stage, "vm.restart", RUNNING)
    assert asked is not None
    assert asked.word == RUNNING
    assert "protected by the label kvtui.dev/protected" in asked.warnings


async def test_the_label_of_a_namespace_protects_what_is_in_it(stage: Stage) -> None:
    stage.put(Namespace(metadata=Meta(name="shop", labels={"kvtui.dev/protected": "on-call"})))
    asked = await ask(stage, "vm.restart", RUNNING)
    assert asked is not None
    assert asked.word == RUNNING
    assert "protected by the label kvtui.dev/protected of namespace shop" in asked.warnings


async def test_a_protected_vm_protects_its_disks(stage: Stage) -> None:
    owner = [{"kind": "VirtualMachine", "name": RUNNING, "uid": vm().metadata.uid}]
    claim = next(record for record in recorded(Claim) if record.metadata.namespace == "shop")
    stage.put(alter(vm(), labels={"kvtui.dev/protected": "true"}), alter(claim, ownerReferences=owner))
    asked = await ask(stage, "pvc.delete", claim.metadata.name, resource="pvcs")
    assert asked is not None
    assert f"protected by the label kvtui.dev/protected of VirtualMachine shop/{RUNNING}" in asked.warnings


async def test_a_protected_vm_protects_its_snapshots(stage: Stage) -> None:
    snapshot = VmSnapshot(
        metadata=Meta(name="before", namespace="shop", uid="s"),
        spec=SnapshotSpec(source=Reference(kind="VirtualMachine", name=RUNNING)),
    )
    stage.put(alter(vm(), labels={"kvtui.dev/protected": "true"}), snapshot)
    asked = await ask(stage, "snapshot.delete", "before", resource="snapshots")
    assert asked is not None
    assert f"protected by the label kvtui.dev/protected of VirtualMachine shop/{RUNNING}" in asked.warnings


@pytest.mark.parametrize(("value", "refused"), [("true", True), ("True", True), ("TRUE", False), ("", False)])
def test_deletion_is_forbidden_by_the_values_that_the_policy_knows(value: str, refused: bool) -> None:
    labelled = alter(vm(), labels={"kubevirt.io/vm-delete-protection": value})
    assert bool(why_undeletable(Permission("delete", "kubevirt.io", "virtualmachines"), labelled)) is refused


@pytest.mark.parametrize("pattern", ["shop", "sh*", f"shop/{RUNNING}", "*/dv-*"])
async def test_patterns_of_the_settings_protect(stage: Stage, pattern: str) -> None:
    careful(stage, Care(protected=(pattern,)))
    asked = await ask(stage, "vm.restart", RUNNING)
    assert asked is not None
    assert asked.word == RUNNING
    assert f"protected in your settings by {pattern!r}" in asked.warnings


@pytest.mark.parametrize("pattern", ["dv-1", "lab", "shop/", "sho"])
def test_other_patterns_do_not(pattern: str) -> None:
    assert Care(protected=(pattern,)).protects(Ref(NAME, "VirtualMachine", "shop", RUNNING)) == ""


# Production ------------------------------------------------------------------------------------------------------


async def test_in_production_what_is_harmless_asks_and_what_asks_wants_a_word(stage: Stage) -> None:
    assert await ask(stage, "vm.start", "batch-1") is None
    careful(stage, Care(production=True))
    start = await ask(stage, "vm.start", "batch-1")
    restart = await ask(stage, "vm.restart", RUNNING)
    assert isinstance(start, Question)
    assert isinstance(restart, Question)
    assert (start.word, restart.word) == ("", RUNNING)
    assert start.production == restart.production == f"PRODUCTION {NAME}"


async def test_a_form_in_production_says_so(stage: Stage) -> None:
    careful(stage, Care(production=True))
    asked = await ask(stage, "vm.snapshot", RUNNING)
    assert isinstance(asked, Sheet)
    assert (asked.production, asked.asks) == (f"PRODUCTION {NAME}", True)


# What is touched -------------------------------------------------------------------------------------------------


async def test_a_form_names_its_vm_with_the_namespace_where_there_is_one_cluster(stage: Stage) -> None:
    asked = await ask(stage, "vm.snapshot", RUNNING)
    assert isinstance(asked, Sheet)
    assert asked.names == [vm().ref(NAME).path]
    assert "/" in asked.names[0]


async def test_a_question_about_several_tells_the_namespaces_and_how_many_are_in_each(stage: Stage) -> None:
    add_siblings(stage, {"far-1": True, "far-2": True}, namespace="elsewhere")
    asked = await ask(stage, "vm.stop", RUNNING, "far-1", "far-2")
    assert isinstance(asked, Question)
    assert asked.subjects[0] == f"2 namespaces: elsewhere (2), {vm().metadata.namespace} (1)"
    alone = await ask(stage, "vm.stop", "far-1", "far-2")
    assert isinstance(alone, Question)
    assert list(alone.subjects) == ["elsewhere/far-1", "elsewhere/far-2"]
