"""Disks: when a DataVolume or claim can be made, deleted, retried and made larger, and what is said before."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kvtui.backends.base import Backend
from kvtui.errors import AbsentError, ConflictError, ForbiddenError, KvtuiError
from kvtui.joins.disk import ClaimRow, Import
from kvtui.model import Health, Platform, Ref, Tone
from kvtui.records.storage import StorageClass, StorageProfile
from kvtui.resources import datavolume, pvc
from kvtui.resources.base import Danger, Site
from kvtui.resources.datavolume_actions import data_volume_body
from kvtui.resources.datavolume_retry import anew
from kvtui.resources.form import Answers, Choice, Draft, Form
from kvtui.resources.storage import Facts, read_facts
from tests.disks import claim, disk_store, user, volume
from tests.machines import Object

IMPORTS = {action.id.removeprefix("datavolume."): action for action in datavolume.RESOURCE.verbs}
CLAIMS = {action.id.removeprefix("pvc."): action for action in pvc.RESOURCE.verbs}
SITE = Site("c", "shop")
FAILING = [{"type": "Running", "status": "False", "reason": "Error", "message": "expected status code 200, got 404"}]


def storage_class(name: str, *, default: str = "", waits: bool = False, grows: bool = True) -> StorageClass:
    marks = {f"{default}.kubernetes.io/is-default-class": "true"} if default == "storageclass" else {}
    if default == "virt":
        marks = {"storageclass.kubevirt.io/is-default-virt-class": "true"}
    return msgspec.convert(
        {
            "metadata": {"name": name, "annotations": marks},
            "provisioner": "csi.example.org",
            "volumeBindingMode": "WaitForFirstConsumer" if waits else "Immediate",
            "allowVolumeExpansion": grows,
        },
        StorageClass,
    )


def profile(name: str, *sets: tuple[str, str]) -> StorageProfile:
    given = [{"accessModes": [access], "volumeMode": mode} for access, mode in sets]
    return msgspec.convert({"metadata": {"name": name}, "status": {"claimPropertySets": given}}, StorageProfile)


FACTS = Facts(
    {
        "slow": storage_class("slow", default="storageclass"),
        "local": storage_class("local", waits=True, grows=False),
        "fast": storage_class("fast", default="virt"),
    },
    {
        "fast": profile("fast", ("ReadWriteMany", "Block"), ("ReadWriteOnce", "Filesystem")),
        "local": profile("local", ("ReadWriteOnce", "Filesystem")),
        "slow": profile("slow"),
    },
)


def import_of(*items: Object) -> Import:
    row = datavolume.RESOURCE.row(disk_store(*items), Ref("c", "DataVolume", "shop", "web"))
    assert row is not None
    return row


def claim_of(*items: Object) -> ClaimRow:
    row = pvc.RESOURCE.row(disk_store(*items), Ref("c", "PersistentVolumeClaim", "shop", "web"))
    assert row is not None
    return row


def create_form(*items: Object, facts: Facts = FACTS) -> Draft:
    form = IMPORTS["create"].form
    assert form is not None
    return Draft(form(disk_store(*items), [SITE], facts))


def fill(draft: Draft, **answers: str | bool) -> Draft:
    for name, answer in answers.items():
        draft.put(name, answer)
    return draft


def options(form: Form, name: str, answers: Answers) -> list[str]:
    field = next(field for field in form.fields if field.name == name)
    assert isinstance(field, Choice)
    return [option.value for option in field.offer(answers)]


def asked(draft: Draft) -> list[str]:
    return [field.name for field in draft.asked]


# Create


def test_each_source_is_asked_for_what_it_needs() -> None:
    draft = create_form(claim("golden"))
    common = ["name", "namespace", "source"]
    where = ["class", "access", "mode"]
    fetched = ["url", "secret", "ca", "size"]
    assert asked(draft) == [*common, "url", "checksum", "secret", "ca", "size", *where]
    assert asked(fill(draft, source="registry")) == [*common, *fetched, *where]
    assert asked(fill(draft, source="s3")) == [*common, *fetched, *where]
    assert asked(fill(draft, source="pvc")) == [*common, "from", "grow_to", *where]
    assert asked(fill(draft, source="blank")) == [*common, "size", *where]
    assert asked(fill(draft, source="upload")) == [*common, "size", *where]


def test_binding_at_once_is_asked_where_a_class_waits_for_its_first_user() -> None:
    assert "bind" not in asked(create_form())
    assert "bind" in asked(fill(create_form(), **{"class": "local"}))


def test_the_default_class_of_vms_comes_first_and_is_marked() -> None:
    draft = create_form()
    field = next(field for field in draft.form.fields if field.name == "class")
    assert isinstance(field, Choice)
    offered = field.offer(draft.answers)
    assert [option.value for option in offered] == ["fast", "local", "slow"]
    assert offered[0].note.startswith("the default")
    assert "waits for its first user" in offered[1].note
    assert not offered[2].note.startswith("the default")


def test_modes_are_those_of_the_classes_profile() -> None:
    draft = create_form()
    assert options(draft.form, "access", draft.answers) == ["", "ReadWriteMany", "ReadWriteOnce"]
    assert options(draft.form, "mode", fill(draft, access="ReadWriteOnce").answers) == ["", "Filesystem"]


def test_a_class_whose_profile_names_no_mode_wants_one_to_be_chosen() -> None:
    draft = fill(create_form(), name="a", source="blank", **{"class": "slow"})
    assert draft.refusal == ""
    assert draft.answers.text("access") == "ReadWriteOnce"
    assert "" not in options(draft.form, "access", draft.answers)


def test_an_account_that_sees_no_classes_types_one_or_leaves_it() -> None:
    draft = fill(create_form(facts=Facts()), name="a", source="blank")
    assert draft.refusal == ""
    assert "class" in asked(draft)
    assert "storageClassName" not in str(data_volume_body(draft.answers))


@pytest.mark.parametrize(
    ("source", "url", "refusal"),
    [
        ("http", "https://images.example.org/a.qcow2", ""),
        ("http", "ftp://images.example.org/a", "must begin with http: or https:"),
        ("http", "https:///a", "names no server"),
        ("http", "https://[::1", "no URL"),
        ("registry", "docker://quay.io/containerdisks/fedora:44", ""),
        ("registry", "quay.io/containerdisks/fedora:44", "must begin with docker: or oci-archive:"),
        ("s3", "s3://bucket/key", ""),
        ("http", "https://ada@images.example.org/a.qcow2", ""),
        ("http", "https://ada:hunter2@images.example.org/a.qcow2", "name that as secret"),
        ("s3", "https://ada:@s3.example.org/bucket/key", "has a password in it"),
        ("registry", "docker://ada:hunter2@quay.io/fedora", "has a password in it"),
        ("registry", "docker://fedora:44@sha256:0123", ""),
    ],
)
def test_a_url_must_fit_its_source(source: str, url: str, refusal: str) -> None:
    told = fill(create_form(), name="a", source=source, url=url).refusal
    assert refusal in told
    assert bool(told) == bool(refusal)
    assert "hunter2" not in told


@pytest.mark.parametrize("name", ["Web", "a_b", "-a", "a-", "a..b", "", "x" * 254, "a/b"])
def test_a_name_that_no_server_takes_is_refused(name: str) -> None:
    assert "name" in fill(create_form(), name=name, source="blank").troubles


def test_a_name_is_taken_in_its_own_namespace_only() -> None:
    draft = fill(create_form(volume("web"), claim("data")), source="blank", namespace="shop")
    for name in ("web", "data"):
        assert "there is" in fill(draft, name=name).troubles["name"]
    assert "name" not in fill(draft, name="web", namespace="lab").troubles


def test_a_checksum_has_the_length_of_its_kind() -> None:
    draft = fill(create_form(), name="a", url="https://h/a")
    assert fill(draft, checksum="sha256:" + "a" * 64).refusal == ""
    assert "checksum" in fill(draft, checksum="sha256:abc").troubles


def test_what_is_made_says_what_was_asked_and_leaves_the_rest_to_cdi() -> None:
    draft = fill(create_form(), name="a", url="https://h/a", checksum="md5:" + "0" * 32, secret="login", size="20")
    assert data_volume_body(draft.answers) == {
        "spec": {
            "source": {"http": {"url": "https://h/a", "checksum": "md5:" + "0" * 32, "secretRef": "login"}},
            "storage": {"resources": {"requests": {"storage": "20Gi"}}, "storageClassName": "fast"},
        }
    }


def test_a_copy_is_as_large_as_its_source_unless_it_is_to_be_larger() -> None:
    draft = fill(create_form(claim("golden")), name="a", source="pvc", access="ReadWriteOnce", mode="Filesystem")
    spec: Any = data_volume_body(draft.answers)["spec"]
    assert spec["source"] == {"pvc": {"namespace": "shop", "name": "golden"}}
    assert spec["storage"] == {
        "storageClassName": "fast",
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Filesystem",
    }
    larger: Any = data_volume_body(fill(draft, grow_to="40").answers)["spec"]
    assert larger["storage"]["resources"] == {"requests": {"storage": "40Gi"}}


def test_what_is_bound_at_once_bears_the_annotation_for_it() -> None:
    draft = fill(create_form(), name="a", source="blank", bind=True, **{"class": "local"})
    body: Any = data_volume_body(draft.answers)
    assert body["metadata"]["annotations"] == {"cdi.kubevirt.io/storage.bind.immediate.requested": ""}


def test_nothing_of_kubernetes_is_made_on_a_host_of_libvirt() -> None:
    for maker in (*datavolume.RESOURCE.makers, *pvc.RESOURCE.makers):
        assert maker.when(SITE) == ""
        assert "kvm1" in maker.when(Site("kvm1", "", Platform.LIBVIRT))


class Storage:
    """A backend whose classes or profiles may be forbidden or not installed."""

    name = "c"

    def __init__(self, answers: dict[str, list[Object] | KvtuiError]) -> None:
        self._answers = answers

    async def read_all(self, ref: Ref) -> list[Object]:
        answer = self._answers[ref.kind]
        if isinstance(answer, KvtuiError):
            raise answer
        return answer

    read = create = patch = replace = delete = call = read_all


@pytest.mark.parametrize("error", [ForbiddenError("no"), AbsentError("not installed")])
async def test_classes_that_may_not_be_listed_are_known_by_their_profiles(error: KvtuiError) -> None:
    profiles: list[Object] = [{"metadata": {"name": "fast"}, "status": {}}]
    backend: Any = Storage({"StorageClass": error, "StorageProfile": profiles})
    facts = await read_facts(backend)
    assert (facts.names, facts.default()) == (["fast"], "")


# Delete, retry


def test_deleting_a_datavolume_says_what_goes_with_it_and_who_uses_it() -> None:
    action = IMPORTS["delete"]
    assert action.danger is Danger.TYPE
    said = action.warn(import_of(volume(owner="db"), claim(owned=True), *user("db", "web", running=True)))
    assert said == (
        "its claim of 10Gi and all data on it go with it",
        "VirtualMachine db made it and makes it anew, with nothing on it that was written since",
        "VM db uses it and runs: the claim goes only when nothing uses it any more",
    )
    assert action.warn(import_of(volume(), claim(), *user("db", "web"))) == (
        "its claim stays, with all data",
        "VM db uses it: without it it does not start",
    )
    assert action.warn(import_of(volume(phase="Pending"))) == ("nothing was stored yet",)
    assert action.when(import_of(volume(deleted=True))) == "it is being deleted already"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (volume(phase="ImportInProgress", conditions=FAILING), ""),
        (volume(phase="Failed"), ""),
        (volume(phase="ImportInProgress"), "it has not failed"),
        (volume(), "it is done"),
        (volume(phase="UploadReady", source={"upload": {}}), "send the image again: kvtui upload"),
        (volume(phase="Failed", source={"blank": {}}), "nothing is fetched from anywhere"),
        (volume(phase="Failed", deleted=True), "it is being deleted already"),
    ],
)
def test_only_an_import_that_failed_can_be_tried_again(item: Object, reason: str) -> None:
    assert IMPORTS["retry"].when(import_of(item)) == reason


def test_before_it_is_tried_again_it_is_said_what_is_deleted_for_that() -> None:
    warn = IMPORTS["retry"].warn
    assert "importer pod is deleted" in warn(import_of(volume(phase="ImportInProgress", conditions=FAILING)))[0]
    assert "deleted with its claim and made anew" in warn(import_of(volume(phase="Failed")))[0]


def tried(phase: str, running: str, at: str, message: str = "got 404") -> Import:
    """An import whose worker came into its state at that time."""
    condition = {"type": "Running", "status": running, "reason": "Error", "message": message, "lastTransitionTime": at}
    return import_of(volume(phase=phase, conditions=[condition] if running else []))


@pytest.mark.parametrize(
    ("now", "shown", "settled", "failure"),
    [
        (tried("ImportInProgress", "False", "2026-11-21T01:50:00Z"), False, False, ""),
        (tried("ImportScheduled", "", ""), True, False, ""),
        (tried("ImportInProgress", "True", "2026-11-21T01:51:00Z"), True, False, ""),
        (tried("Succeeded", "False", "2026-11-21T01:52:00Z", "Import Complete"), True, True, ""),
        (tried("ImportInProgress", "False", "2026-11-21T01:52:00Z", "got 403"), False, True, "got 403"),
        (tried("Failed", "False", "2026-11-21T01:52:00Z", "checksum mismatch"), False, True, "checksum mismatch"),
    ],
)
def test_an_import_that_is_tried_again_is_followed_to_its_end(
    now: Import, shown: bool, settled: bool, failure: str
) -> None:
    action, before = IMPORTS["retry"], tried("ImportInProgress", "False", "2026-11-21T01:50:00Z")
    assert action.shown(before, now) is shown
    assert action.settled(before, now) is settled
    assert action.outcome(before, now) == failure


def test_what_is_made_anew_keeps_what_somebody_wrote_and_nothing_of_the_servers() -> None:
    found = {
        "metadata": {"name": "web", "uid": "1", "resourceVersion": "7", "labels": {"a": "b"}, "managedFields": []},
        "spec": {"source": {"blank": {}}},
        "status": {"phase": "Failed"},
    }
    assert anew(found) == {"metadata": {"labels": {"a": "b"}}, "spec": {"source": {"blank": {}}}}


# Claims


def test_deleting_a_claim_says_who_uses_it_and_who_made_it() -> None:
    said = CLAIMS["delete"].warn(claim_of(claim(owned=True), volume(), *user("db", "web", running=True)))
    assert said == (
        "all data on its 10Gi is lost, unless the class keeps volumes",
        "DataVolume web made it and is left without it: delete that one instead",
        "VM db uses it and runs: the claim goes only when nothing uses it any more",
    )
    assert CLAIMS["delete"].warn(claim_of(claim(phase="Pending"))) == ("no volume was bound to it yet",)


def test_a_deleted_claim_tells_which_vm_keeps_it_and_is_not_gone_before_that_ends() -> None:
    going = claim()
    going["metadata"] |= {"deletionTimestamp": "2026-11-21T01:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}
    before, now = claim_of(claim(), *user("db", "web", running=True)), claim_of(going, *user("db", "web", running=True))
    words = "VM db runs on it: the claim goes when that ends, and its data unless the class keeps volumes"
    assert not CLAIMS["delete"].settled(before, now)
    assert CLAIMS["delete"].vanishes(before)
    assert CLAIMS["delete"].holds(disk_store(), before, now, 0.0) == words
    assert pvc.RESOURCE.health(now, 0.0) == Health(Tone.WARN, "Terminating", words)
    assert pvc.RESOURCE.health(claim_of(going), 0.0) == Health(Tone.BUSY, "Terminating")


def test_a_claim_grows_only_while_it_is_bound() -> None:
    assert CLAIMS["resize"].when(claim_of(claim())) == ""
    assert "bound" in CLAIMS["resize"].when(claim_of(claim(phase="Pending")))


def test_a_claim_is_asked_for_more_than_it_has() -> None:
    form = CLAIMS["resize"].form
    assert form is not None
    draft = Draft(form(disk_store(), [claim_of(claim())], FACTS))
    assert draft.answers.number("size") == 11
    assert "not less than 11 GiB" in fill(draft, size="10").refusal
    assert list(draft.warnings) == [
        "it cannot be made smaller again",
        "the file system that holds the image grows when a pod uses it, and then the image",
        "the guest has to grow the file system on it itself",
    ]
    assert fill(draft, size="40960").warnings[0] == "it cannot be made smaller again: 4096 times of what it has"


async def test_a_class_that_lets_no_claim_grow_is_told_before_anything_is_asked() -> None:
    classes: list[Object] = [{"metadata": {"name": "fast"}, "provisioner": "x"}]
    backend: Any = Storage({"StorageClass": classes, "StorageProfile": []})
    prepare = CLAIMS["resize"].prepare
    assert prepare is not None
    known: dict[str, Backend] = {"c": backend}
    with pytest.raises(ConflictError, match="fast lets no claim grow"):
        await prepare(known, disk_store(), [claim_of(claim())])


def test_a_claim_whose_file_system_has_yet_to_grow_says_so() -> None:
    waiting = [{"type": "FileSystemResizePending", "status": "True"}]
    row = claim_of(claim(conditions=waiting))
    assert "file system grows when a pod uses it next" in pvc.RESOURCE.health(row, 0.0).reason
    assert CLAIMS["resize"].settled(claim_of(claim()), row)
