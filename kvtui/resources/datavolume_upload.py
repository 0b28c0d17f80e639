"""Sending an image of this machine into a new DataVolume."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.backends.images import Image, read_image
from kvtui.backends.uploads import ImageUpload, Uploads, UploadTransfer
from kvtui.errors import BackendError
from kvtui.model import Ref
from kvtui.records.cdi import DataVolume
from kvtui.resources import storage
from kvtui.resources.base import Action, Site, able
from kvtui.resources.form import Answers, Form, Text
from kvtui.resources.storage import BIND, Facts, taken_names
from kvtui.store import View
from kvtui.text import size

_GIB: Final = 2**30


def _upload_form(view: View, sites: Sequence[Site], facts: Facts) -> Form:
    (site,) = sites
    return Form(
        f"upload an image of this machine to {site.backend}",
        (
            Text("file", "file", hint="raw, qcow2, or packed with gz or xz", check=_check_file),
            storage.name_field(taken_names(view, site.backend), "a DataVolume or PVC"),
            storage.namespace_field(view, site),
            storage.size_field(hint="of the disk as the guest sees it, not of a packed image"),
            storage.class_field(facts),
            *storage.mode_fields(facts),
        ),
        about=("the disk is made first; Imports shows how far the image is",),
        warn=_warn_small,
    )


def _path(answers: Answers) -> Path:
    return Path(answers.text("file")).expanduser()


def _image(answers: Answers) -> Image | None:
    """The file that is meant; None where it cannot be sent."""
    with suppress(BackendError):
        return read_image(_path(answers))
    return None


def _check_file(answers: Answers) -> str:
    try:
        image = read_image(_path(answers))
    except BackendError as error:
        return error.detail
    return "it only holds what differs from another image" if image.backed else ""


def _warn_small(answers: Answers) -> Sequence[str]:
    wanted, image = answers.number("size"), _image(answers)
    if wanted is None or image is None or image.disk is None or image.disk <= wanted * _GIB:
        return ()
    return (f"the disk of the {image.format} image has {size(image.disk)}: it will not fit",)


def upload_body(answers: Answers) -> dict[str, object]:
    """The DataVolume that an upload goes to: bound at once, for nobody uses it yet."""
    return {
        "metadata": {"annotations": {BIND: ""}},
        "spec": {"source": {"upload": {}}, "storage": storage.storage_spec(answers, answers.number("size"))},
    }


def _begin(backend: Backend, site: Site, answers: Answers) -> UploadTransfer:
    ref = Ref(site.backend, DataVolume.KIND, answers.text("namespace") or site.namespace, answers.text("name"))
    uploads = able(backend, Uploads)  # type: ignore[type-abstract]
    return UploadTransfer(uploads, ImageUpload(ref, _path(answers), upload_body(answers)))


async def _upload(backend: Backend, site: Site, answers: Answers) -> None:
    await _begin(backend, site, answers).carry()


UPLOAD: Final[Action[Site]] = Action(
    id="datavolume.upload",
    key="U",
    label="upload",
    help="Send an image of this machine into a new DataVolume.",
    needs=Permission("create", "upload.cdi.kubevirt.io", "uploadtokenrequests"),
    when=storage.on_kubernetes,
    prepare=storage.prepare_facts,
    form=_upload_form,
    run=_upload,
    transfer=_begin,
    settled=lambda _before, _now: True,
    awaits="uploading",
)
