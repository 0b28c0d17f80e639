"""What can be done to DataVolumes, and how they are made. What CDI refuses, and why: kubevirt-api.md 6."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from kvtui.backends.base import Backend, Permission
from kvtui.joins.causes import find_import_cause
from kvtui.joins.disk import Import
from kvtui.model import Ref
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim
from kvtui.resources import products, storage
from kvtui.resources.base import Action, Danger, Progress, Site, objects
from kvtui.resources.datavolume_retry import retry
from kvtui.resources.datavolume_upload import UPLOAD
from kvtui.resources.disk_users import warn_users
from kvtui.resources.form import Answers, Choice, Form, Option, Text, Toggle
from kvtui.resources.storage import BIND, Facts, taken_names
from kvtui.store import View
from kvtui.text import quantity, size

CREATE: Final = Permission("create", "cdi.kubevirt.io", "datavolumes")
_GIB: Final = 2**30
_CHECKSUM: Final = re.compile(r"(md5:[0-9a-fA-F]{32}|sha256:[0-9a-fA-F]{64})\Z")
_SCHEMES: Final[Mapping[str, Collection[str]]] = {
    "http": ("http", "https"),
    "s3": ("http", "https", "s3"),
    "registry": ("docker", "oci-archive"),
}
_IMPORTED: Final = ("http", "s3", "gcs", "registry", "imageio", "vddk")
"""Sources that an importer pod fetches."""


# Create ------------------------------------------------------------------------------------------------------------


def _create_form(view: View, sites: Sequence[Site], facts: Facts) -> Form:
    (site,) = sites
    fetched = frozenset(_SCHEMES)
    claims = sorted(ref.path for ref, claim in view.items(Claim, site.backend) if claim.status.phase == "Bound")

    return Form(
        f"new import in {site.backend}",
        (
            storage.name_field(taken_names(view, site.backend), "a DataVolume or PVC"),
            storage.namespace_field(view, site),
            Choice("source", "source", named=True, options=(
                Option("http", note="an image behind a URL"),
                Option("registry", note="a container image with a disk"),
                Option("s3", note="an image in a bucket"),
                Option("pvc", note="a copy of another disk"),
                Option("blank", note="an empty disk"),
                Option("upload", note="waits for an image that somebody sends"),
            )),
            Text("url", "URL", hint="http: https://...  registry: docker://...  s3: s3://BUCKET/KEY",
                 check=_check_url, asked=lambda answers: answers.text("source") in fetched),
            Text("checksum", "checksum", needed=False, check=_check_checksum,
                 hint="sha256:... or md5:...; empty: not checked",
                 asked=lambda answers: answers.text("source") == "http"),
            Text("secret", "secret", needed=False, hint="with accessKeyId and secretKey; empty: none",
                 asked=lambda answers: answers.text("source") in fetched),
            Text("ca", "CA config map", needed=False, hint="with the CA of the server; empty: the well-known ones",
                 asked=lambda answers: answers.text("source") in fetched),
            _copied_field(claims),
            storage.size_field(named=True, asked=lambda answers: answers.text("source") != "pvc",
                               hint="of the disk as the guest sees it, not of a packed image"),
            storage.size_field("", name="grow_to", needed=False, hint="empty: as large as the source",
                               check=lambda answers: _check_larger(view, site, answers),
                               asked=lambda answers: answers.text("source") == "pvc"),
            storage.class_field(facts),
            *storage.mode_fields(facts),
            _bind_field(facts),
        ),
    )  # fmt: skip


def _copied_field(claims: Sequence[str]) -> Choice | Text:
    def asked(answers: Answers) -> bool:
        return answers.text("source") == "pvc"

    def check(answers: Answers) -> str:
        return "" if answers.text("from").count("/") == 1 else "NAMESPACE/NAME"

    if claims:
        return Choice("from", "copy of", options=[Option(path) for path in claims], asked=asked, named=True)
    return Text("from", "copy of", hint="NAMESPACE/NAME", check=check, asked=asked)


def _check_larger(view: View, site: Site, answers: Answers) -> str:
    """CDI refuses a copy that is smaller than what it is of, late: when it begins to copy."""
    namespace, _, name = answers.text("from").partition("/")
    claim, wanted = view.get(Claim, site.backend, namespace, name), answers.number("grow_to")
    if claim is None or wanted is None:
        return ""
    has = quantity(claim.spec.resources.requests.get("storage")) or 0.0
    return f"{answers.text('from')} has {size(has)}: a copy cannot be smaller" if wanted * _GIB < has else ""


def _bind_field(facts: Facts) -> Toggle:
    return Toggle(
        "bind",
        "bind at once",
        hint="else it waits until a VM uses it, and is made where that VM runs",
        asked=lambda answers: facts.waits(answers.text("class")),
    )


def _check_url(answers: Answers) -> str:
    schemes = _SCHEMES.get(answers.text("source"), ())
    try:
        parts = urlsplit(answers.text("url"))
    except ValueError as error:
        return f"no URL: {error}"
    if parts.scheme not in schemes:
        return f"must begin with {' or '.join(f'{scheme}:' for scheme in schemes)}"
    # A tag before the digest of an image looks like one.
    if parts.password is not None and not parts.netloc.rpartition("@")[2].startswith("sha256:"):
        return (
            "it has a password in it, which all could read who may see the DataVolume: "
            "put it into a Secret and name that as secret"
        )
    return "" if parts.netloc or parts.scheme == "oci-archive" else "names no server"


def _check_checksum(answers: Answers) -> str:
    given = answers.text("checksum")
    return "" if not given or _CHECKSUM.match(given) else "sha256: and 64 hexadecimal digits, or md5: and 32"


def data_volume_body(answers: Answers) -> dict[str, object]:
    """The DataVolume that a form asks for."""
    source = answers.text("source") or "upload"
    told: dict[str, object] = {}
    if source in _SCHEMES:
        told["url"] = answers.text("url")
        told |= {
            key: answers.text(name)
            for key, name in (("checksum", "checksum"), ("secretRef", "secret"), ("certConfigMap", "ca"))
            if answers.text(name)
        }
    amount = answers.number("size")
    if source == "pvc":
        namespace, _, name = answers.text("from").partition("/")
        told = {"namespace": namespace, "name": name}
        amount = answers.number("grow_to")
    body: dict[str, object] = {"spec": {"source": {source: told}, "storage": storage.storage_spec(answers, amount)}}
    if answers.flag("bind"):
        body["metadata"] = {"annotations": {BIND: ""}}
    return body


def _new(site: Site, answers: Answers) -> Ref:
    return Ref(site.backend, DataVolume.KIND, answers.text("namespace") or site.namespace, answers.text("name"))


async def _create(backend: Backend, site: Site, answers: Answers) -> Ref:
    return await objects(backend).create(_new(site, answers), data_volume_body(answers))


# Delete, retry -----------------------------------------------------------------------------------------------------


def _why_gone(row: Import) -> str:
    return "it is being deleted already" if row.volume.metadata.deletion_timestamp else ""


def _warn_delete(row: Import) -> Sequence[str]:
    said = [_loss(row)]
    owner = row.volume.controller
    if owner is not None:
        said.append(f"{owner.kind} {owner.name} made it and makes it anew, with nothing on it that was written since")
    return (*said, *warn_users(row.users))


def _loss(row: Import) -> str:
    if row.claim is None:
        return "nothing was stored yet"
    if any(owner.uid == row.volume.metadata.uid for owner in row.claim.metadata.owner_references):
        return f"its claim of {size(row.size)} and all data on it go with it"
    return "its claim stays, with all data"


async def _delete(backend: Backend, row: Import) -> None:
    await objects(backend).delete(row.ref)


def _retry_when(row: Import) -> str:
    if _why_gone(row):
        return _why_gone(row)
    source = row.volume.spec.source
    if source is not None and source.upload is not None:
        return "send the image again: kvtui upload"
    if source is None or all(getattr(source, kind) is None for kind in _IMPORTED):
        return "nothing is fetched from anywhere"
    if row.volume.status.phase == "Succeeded":
        return "it is done"
    return "" if find_import_cause(row.volume) is not None else "it has not failed"


def _warn_retry(row: Import) -> Sequence[str]:
    if row.volume.status.phase == "Failed":
        return ("CDI has given it up: it is deleted with its claim and made anew", *warn_users(row.users))
    return ("its importer pod is deleted; CDI starts another at once, which begins from the beginning",)


def _has_begun_anew(before: Import, now: Import) -> bool:
    if now.volume.metadata.uid != before.volume.metadata.uid:
        return True
    return now.volume.status.phase != "Failed" and find_import_cause(now.volume) is None


def _judge_retry(before: Import, now: Import) -> Progress:
    """How far the import is that was begun anew; nothing while what is seen is still the failure of before."""
    cause, is_new = find_import_cause(now.volume), now.volume.metadata.uid != before.volume.metadata.uid
    if cause is not None and not is_new and _failed_at(now.volume) == _failed_at(before.volume):
        return Progress("")
    progress = products.judge_disk(now.volume)
    if cause is None or progress.failure:
        return progress
    return Progress(progress.words, failure=cause.evidence.value or cause.sentence)


def _failed_at(volume: DataVolume) -> str | None:
    running = find_condition(volume.status.conditions, "Running")
    return running.last_transition_time if running is not None else None


def _is_retried(before: Import, now: Import) -> bool:
    progress = _judge_retry(before, now)
    return progress.over or bool(progress.failure)


ACTIONS: tuple[Action[Import], ...] = (
    Action(
        id="datavolume.retry",
        command="retry",
        key="R",
        label="retry",
        help="Begin an import that failed again, from the beginning.",
        needs=Permission("delete", "", "pods"),
        when=_retry_when,
        run=retry,
        settled=_is_retried,
        outcome=lambda before, now: _judge_retry(before, now).failure,
        shown=_has_begun_anew,
        makes=products.DISK,
        lasts=600.0,
        vanishes=lambda _row: True,
        awaits="beginning again",
        danger=Danger.ASK,
        warn=lambda row: tuple(_warn_retry(row)),
        usual=120.0,
    ),
    Action(
        id="datavolume.delete",
        command="delete",
        key="ctrl+d",
        label="delete",
        help="Delete the DataVolume, with its claim and all data.",
        needs=Permission("delete", "cdi.kubevirt.io", "datavolumes"),
        when=_why_gone,
        run=_delete,
        settled=lambda _before, now: bool(now.volume.metadata.deletion_timestamp),
        vanishes=lambda _row: True,
        awaits="deleting",
        danger=Danger.TYPE,
        warn=lambda row: tuple(_warn_delete(row)),
    ),
)

MAKERS: tuple[Action[Site], ...] = (
    Action(
        id="datavolume.create",
        command="create",
        key="n",
        label="new",
        help="Make a DataVolume: import an image, copy a disk, make an empty one.",
        needs=CREATE,
        when=storage.on_kubernetes,
        prepare=storage.prepare_facts,
        form=_create_form,
        run=_create,
        settled=lambda _before, _now: True,
        makes=products.DISK,
        lasts=600.0,
        awaits="creating",
    ),
    UPLOAD,
)
