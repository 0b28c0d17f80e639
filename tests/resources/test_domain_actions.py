"""What can be done to a domain: when, with which warnings, and what the forms ask and refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kvtui.joins.domain import Guest
from kvtui.records.base import Meta
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import Disk, Domain, DomainJob, DomainState, Host, Nic, StoragePool, StorageVolume
from kvtui.resources.base import Action, Danger
from kvtui.resources.domain_actions import ACTIONS
from kvtui.resources.form import Choice, Draft
from kvtui.resources.vm_actions import ACTIONS as KUBEVIRT
from kvtui.store import Put, Store

HOST = Host(metadata=Meta(name="kvm1"), link="connected")
DISK = Disk(target="vda", source="/pool/web.qcow2", kind="file")
WEB = Domain(
    metadata=Meta(name="web", uid="u-web"), state=DomainState.RUNNING, id=1, vcpus=2, vcpus_most=4, memory=512 << 20,
    memory_most=1 << 30, disks=(DISK, Disk(target="sda", device="cdrom")), nics=(Nic(mac="52:54:00:00:00:01"),),
    agent=True, driver="kvm",
)  # fmt: skip


def guest(**changes: Any) -> Guest:
    return Guest("kvm1", msgspec.structs.replace(WEB, **changes), HOST)


def off(**changes: Any) -> Guest:
    return guest(state=DomainState.SHUTOFF, id=None, **changes)


def action(name: str) -> Action[Guest]:
    return next(found for found in ACTIONS if found.id == f"vm.{name}")


def draft(act: str, /, *guests: Guest, store: Store | None = None, **answers: str | bool) -> Draft:
    form = action(act).form
    assert form is not None
    filled = Draft(form(store or Store(), guests))
    for field, typed in answers.items():
        filled.put(field.replace("__", " "), typed)
    return filled


RUNNING_ONLY = {"stop", "kill", "restart", "reset", "pause", "save", "nmi"}
OFF_ONLY = {"start", "clone", "undefine"}


@pytest.mark.parametrize("name", sorted(RUNNING_ONLY | OFF_ONLY))
def test_an_action_is_possible_in_its_state_and_says_why_not_in_the_other(name: str) -> None:
    fits, other = (guest(), off()) if name in RUNNING_ONLY else (off(), guest())
    assert action(name).when(fits) == ""
    assert action(name).when(other) != ""


@pytest.mark.parametrize("found", [found for found in ACTIONS if found.id != "vm.cancel_migration"], ids=lambda a: a.id)
def test_nothing_is_done_on_a_host_that_is_not_connected(found: Action[Guest]) -> None:
    lost = msgspec.structs.replace(HOST, link="lost")
    for domain in (guest(), off(saved=True, snapshots=1), guest(state=DomainState.PAUSED)):
        assert "kvm1 is not connected" in found.when(replace(domain, host=lost))


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("restart", DomainState.CRASHED, "reset boots it anew"),
        ("stop", DomainState.CRASHED, "reset boots it anew"),
        ("start", DomainState.CRASHED, "reset boots it anew"),
        ("pause", DomainState.CRASHED, "reset boots it anew"),
        ("save", DomainState.CRASHED, "reset boots it anew"),
        ("nmi", DomainState.CRASHED, "reset boots it anew"),
        ("unpause", DomainState.CRASHED, "reset boots it anew"),
        ("nmi", DomainState.PAUSED, "unpaused"),
        ("reset", DomainState.SUSPENDED, "unpause wakes it"),
        ("restart", DomainState.PAUSED, "unpause it"),
        ("restart", DomainState.SUSPENDED, "unpause it"),
    ],
)
def test_a_guest_that_stands_still_is_not_asked_in_vain(name: str, state: DomainState, words: str) -> None:
    still = guest(state=state)
    assert words in action(name).when(still)
    already = action(name).already
    assert already is None or not already(still)
    assert not action("kill").when(still)


def test_a_paused_vm_is_not_started_but_unpaused() -> None:
    paused, already = guest(state=DomainState.PAUSED), action("start").already
    assert "unpause it" in action("start").when(paused)
    assert not already(paused)
    assert already(guest())
    assert action("start").when(guest()) == "already running"


def test_a_job_stops_all_but_the_plug() -> None:
    job = DomainJob(metadata=Meta(name="web"), operation="save")
    busy = replace(guest(), job=job)
    possible = {found.id for found in ACTIONS if found.when(busy) == ""}
    assert possible == {"vm.kill", "vm.cancel_migration", "vm.autostart", "vm.edit"}
    assert "its save ends too" in action("kill").warn(busy)


def test_keys_and_danger_are_those_of_the_other_vms_of_the_pane() -> None:
    theirs = {found.id: found for found in KUBEVIRT}
    shared = [found for found in ACTIONS if found.id in theirs]
    assert len(shared) >= 6
    for found in shared:
        assert found.key == theirs[found.id].key
        assert found.danger is theirs[found.id].danger


def test_what_loses_data_wants_the_name_typed() -> None:
    assert {found.id for found in ACTIONS if found.danger is Danger.TYPE} == {
        "vm.kill", "vm.reset", "vm.start_afresh", "vm.drop_save", "vm.revert", "vm.delete_snapshot", "vm.undefine",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "subject", "words"),
    [
        ("stop", guest(agent=False), "ignores the power button"),
        ("stop", guest(state=DomainState.PAUSED), "paused and cannot shut down"),
        ("stop", guest(persistent=False), "gone for good"),
        ("stop", guest(differs=("CPUs 2 > 4",)), "its next start is as stored: CPUs 2 > 4"),
        ("restart", guest(differs=("CPUs 2 > 4",)), "only stop and start brings"),
        ("kill", guest(), "no chance to write"),
        (
            "reset",
            guest(state=DomainState.PAUSED, reason="I/O error"),
            "it is paused (I/O error): after the reset it runs",
        ),
        ("reset", guest(state=DomainState.CRASHED), "virsh dump keeps it before"),
        ("reset", guest(differs=("CPUs 2 > 4",)), "without what is stored: CPUs 2 > 4"),
        ("save", guest(), "clock is behind"),
        ("start_afresh", off(saved=True), "in memory is lost"),
    ],
)
def test_what_is_lost_is_said_first(name: str, subject: Guest, words: str) -> None:
    assert any(words in warning for warning in action(name).warn(subject))


def starved(**pool: Any) -> tuple[Store, Guest]:
    """A guest that found no space in a pool at 100."""
    full = StoragePool(metadata=Meta(name="pool"), type="dir", path="/pool", state="running", capacity=100 << 20)
    store = Store()
    store.post(Put("kvm1", msgspec.structs.replace(full, **pool)))
    store.drain()
    disk = msgspec.structs.replace(DISK, error="no space")
    return store, guest(state=DomainState.PAUSED, reason="I/O error", since=100.0, disks=(disk,))


def test_a_start_of_a_vm_that_is_larger_than_its_host_is_warned_of() -> None:
    large = replace(off(memory=29 << 30), host=msgspec.structs.replace(HOST, memory=24 << 30))
    assert action("start").warn(large) == ("it wants 29Gi of memory, and kvm1 has 24Gi",)
    assert action("start").warn(off()) == ()


@pytest.mark.parametrize("name", ["unpause", "reset"])
def test_who_unpauses_a_vm_in_a_full_pool_is_told_that_the_next_write_pauses_it_again(name: str) -> None:
    store, paused = starved(free=0, looked=200.0)
    assert list(action(name).breaks(store, paused)) == ["pool pool is full (0 left): the next write pauses it again"]
    store, paused = starved(free=50 << 20, looked=50.0)
    (words,) = action(name).breaks(store, paused)
    assert "libvirt has not looked into the pool since: unless room was made" in words


def test_room_that_was_seen_since_is_no_reason_against_unpausing() -> None:
    assert list(action("unpause").breaks(*starved(free=50 << 20, looked=200.0))) == []
    store, _ = starved(free=0, looked=200.0)
    assert list(action("unpause").breaks(store, guest(state=DomainState.PAUSED, reason="user"))) == []


@pytest.mark.parametrize(
    ("name", "before", "now"),
    [
        ("start", off(), guest()),
        ("stop", guest(), off()),
        ("kill", guest(), off()),
        ("pause", guest(), guest(state=DomainState.PAUSED)),
        ("unpause", guest(state=DomainState.PAUSED), guest()),
        ("save", guest(), off(saved=True)),
        ("reset", guest(state=DomainState.CRASHED), guest()),
        ("restart", guest(), guest(rebooted=9.0)),
        ("restart", guest(), guest(id=99)),
        ("drop_save", off(saved=True), off()),
    ],
)
def test_an_effect_is_awaited_until_the_row_shows_it(name: str, before: Guest, now: Guest) -> None:
    assert not action(name).settled(before, before)
    assert action(name).settled(before, now)


# Forms


def test_the_running_machine_has_only_room_for_its_maximum() -> None:
    cpus = draft("cpus", guest(), cpus="8")
    assert "room for 4" in cpus.refusal
    cpus.put("scope", "stored")
    assert cpus.refusal == ""
    memory = draft("memory", guest(), memory="2Gi")
    assert "at most 1Gi" in memory.refusal
    memory.put("scope", "stored")
    assert memory.refusal == "memory: more than it has at most"
    memory.put("most", "4Gi")
    assert memory.refusal == ""


def test_what_is_off_or_transient_narrows_what_a_change_applies_to() -> None:
    assert draft("cpus", off()).answers.text("scope") == "stored"
    assert draft("cpus", guest(persistent=False)).answers.text("scope") == "live"
    assert draft("cpus", guest(), off()).answers.text("scope") == "stored"


def test_less_memory_than_the_guest_uses_is_warned_of() -> None:
    assert "swaps" in "".join(draft("memory", guest(used=400 << 20), memory="300").warnings)
    assert not draft("memory", guest(used=400 << 20), memory="500").warnings


@pytest.fixture
def store() -> Store:
    """A host with a pool of two volumes, of which web has one, and a domain that stands on web's."""
    store = Store()
    other = Domain(metadata=Meta(name="db", uid="u-db"), disks=(Disk(target="vda", source="/pool/db.qcow2"),))
    for record in (
        WEB, other, StoragePool(metadata=Meta(name="pool"), state="running", free=5 << 30),
        StorageVolume(metadata=Meta(name="pool/web.qcow2"), pool="pool", path="/pool/web.qcow2"),
        StorageVolume(metadata=Meta(name="pool/free.qcow2"), pool="pool", path="/pool/free.qcow2"),
        DomainSnapshot(metadata=Meta(name="web/a"), domain_uid="u-web", snapshot="a"),
        DomainSnapshot(metadata=Meta(name="web/b"), domain_uid="u-web", snapshot="b", parent="a", current=True),
        DomainSnapshot(metadata=Meta(name="web/c"), domain_uid="u-web", snapshot="c", parent="b"),
    ):  # fmt: skip
        store.post(Put("kvm1", record))
    store.drain()
    return store


def test_a_volume_that_is_used_cannot_be_attached_again(store: Store) -> None:
    form = draft("attach_disk", guest(), store=store, **{"from": "volume", "volume": "web.qcow2"})
    assert form.refusal == "volume: used by web"
    form.put("volume", "free.qcow2")
    assert form.refusal == ""


def test_a_new_volume_needs_a_name_that_is_free(store: Store) -> None:
    form = draft("attach_disk", guest(), store=store, name="free.qcow2")
    assert "the pool has one of that name" in form.refusal
    form.put("name", "web-data.qcow2")
    assert form.refusal == ""


def test_a_medium_is_offered_unless_a_vm_writes_to_it_and_images_of_discs_come_first(store: Store) -> None:
    tools = StorageVolume(metadata=Meta(name="pool/tools.iso"), pool="pool", path="/pool/tools.iso", format="iso")
    store.post(Put("kvm1", tools))
    store.drain()
    form = draft("medium", guest(), store=store, medium="volume")
    field = next(field for field in form.asked if field.name == "volume")
    assert isinstance(field, Choice)
    offered = {option.label: option.reason for option in field.offer(form.answers)}
    assert next(iter(offered.items())) == ("tools.iso", "")
    assert offered["web.qcow2"] == "web writes to it"
    assert form.answers.text("volume") == "/pool/tools.iso"


def test_a_medium_taken_by_force_is_asked_for_and_warned_of_only_while_the_vm_runs() -> None:
    forced = draft("medium", guest(), medium="none", force=True)
    assert "mounted gets errors" in " ".join(forced.warnings)
    later = draft("medium", guest(), medium="none", scope="stored")
    assert "force" not in {field.name for field in later.asked}
    assert draft("medium", guest(), medium="none").warnings == ()


def test_without_pools_a_file_is_attached() -> None:
    form = draft("attach_disk", guest())
    assert form.answers.text("from") == "file"
    assert form.refusal == "path: must not be empty"
    form.put("path", "data.img")
    assert form.refusal == "path: begins with /"
    form.put("path", "/data.img")
    assert form.refusal == ""
    form.put("device", "cdrom")
    assert "needs sata" in form.refusal


@pytest.mark.parametrize(
    ("mac", "words"),
    [("", ""), ("52:54:00:00:00:02", ""), ("5254", "is written as"), ("52:54:00:00:00:zz", "is written as"),
     ("52:54:00:00:00:01", "web has that address")],
)  # fmt: skip
def test_an_address_is_written_in_full_and_given_once(store: Store, mac: str, words: str) -> None:
    assert words in draft("attach_nic", guest(), store=store, mac=mac).refusal
    assert words or draft("attach_nic", guest(), store=store, mac=mac).refusal == ""


@pytest.mark.parametrize(("bridge", "told"), [("br0", True), ("br1", False)])
def test_a_second_interface_in_one_network_is_told_of(bridge: str, told: bool) -> None:
    there = guest(nics=(Nic(mac="52:54:00:00:00:01", kind="bridge", source="br0"),))
    words = "it is on br0 already, by its interface 52:54:00:00:00:01: this is a second one"
    assert (words in draft("attach_nic", there, kind="bridge", bridge=bridge).warnings) is told


def test_a_clone_gets_a_name_that_is_free(store: Store) -> None:
    store.post(Put("kvm1", Domain(metadata=Meta(name="web-clone", uid="u2"))))
    store.drain()
    form = draft("clone", off(), store=store)
    assert form.answers.text("name") == "web-clone2"
    assert "there is a VM of that name" in draft("clone", off(), store=store, name="db").refusal
    assert any("may not write to its disks" in words for words in draft("clone", off(), kind="linked").warnings)


def test_nothing_goes_with_a_vm_unless_it_is_chosen(store: Store) -> None:
    form = draft("undefine", off(firmware="efi"), store=store)
    assert [form.answers.flag(field.name) for field in form.asked] == [False, False]
    assert form.refusal == ""
    assert list(form.warnings) == ["volumes that are not chosen stay, without a VM"]
    form.put("volume vda", True)
    assert list(form.warnings) == ["/pool/web.qcow2 is deleted for good"]


def test_what_libvirt_would_not_keep_must_go_too() -> None:
    form = draft("undefine", off(saved=True, snapshots=2))
    assert "must go too" in form.refusal
    form.put("save", True)
    form.put("snapshots", True)
    assert form.refusal == ""


def test_a_volume_on_which_others_stand_stays(store: Store) -> None:
    clone = Domain(metadata=Meta(name="twin", uid="u3"), disks=(Disk(target="vda", backing="/pool/web.qcow2"),))
    store.post(Put("kvm1", clone))
    store.drain()
    form = draft("undefine", off(), store=store, volume__vda=True)
    assert "twin needs it too" in form.refusal


def test_volumes_of_several_vms_stay() -> None:
    assert [field.name for field in draft("undefine", off(), off()).asked] == []


def test_snapshots_are_chosen_among_those_there_are(store: Store) -> None:
    form = draft("delete_snapshot", guest(snapshots=3), store=store)
    assert form.answers.text("snapshot") == "b"
    form.put("snapshot", "a")
    form.put("children", True)
    assert list(form.warnings) == ["goes too: b, c"]


def test_a_snapshot_of_disks_is_only_quiesced_with_an_agent() -> None:
    form = draft("snapshot", guest(agent=False), holds="disks", quiesce=True)
    assert "no guest agent" in form.refusal
    without = draft("snapshot", guest(agent=None), guest(), holds="disks", quiesce=True)
    assert without.refusal == "quiesce: web: it has no channel for a guest agent"
    assert draft("snapshot", guest(), holds="disks", quiesce=True).refusal == ""
    assert [field.name for field in draft("snapshot", off()).asked] == ["name", "description"]


def test_a_volume_stays_while_anything_stands_on_what_stands_on_it() -> None:
    store = Store()
    chain = {"/pool/web.qcow2": "", "/pool/middle.qcow2": "/pool/web.qcow2", "/pool/top.qcow2": "/pool/middle.qcow2"}
    for path, base in chain.items():
        name = f"pool/{path.rpartition('/')[2]}"
        store.post(Put("kvm1", StorageVolume(metadata=Meta(name=name), pool="pool", path=path, backing=base)))
    top = Disk(target="vda", source="pool/top.qcow2", kind="volume")
    store.post(Put("kvm1", Domain(metadata=Meta(name="far", uid="u-far"), disks=(top,))))
    store.drain()
    refusal = draft("undefine", off(), store=store, volume__vda=True).refusal
    assert "far needs it too" in refusal
    assert "pool/middle.qcow2, pool/top.qcow2 stand on it" in refusal
    assert draft("undefine", off(), store=store).refusal == ""


def test_a_volume_stays_while_a_vm_runs_on_layers_that_no_pool_knows() -> None:
    store = Store()
    deep = Disk(target="vda", source="/else/top.qcow2", backing="/else/middle.qcow2", below=("/pool/web.qcow2",))
    store.post(Put("kvm1", Domain(metadata=Meta(name="far", uid="u-far"), disks=(deep,))))
    store.drain()
    assert "far needs it too" in draft("undefine", off(), store=store, volume__vda=True).refusal


def test_what_stands_on_a_volume_in_a_pool_that_is_off_is_said_to_be_unknown() -> None:
    store = Store()
    store.post(Put("kvm1", StoragePool(metadata=Meta(name="cold"), state="inactive")))
    store.drain()
    form = draft("undefine", off(), store=store, volume__vda=True)
    assert "what in pool cold stands on it nobody knows: not active" in form.warnings
    assert not any("cold" in warning for warning in draft("undefine", off(), store=store).warnings)
