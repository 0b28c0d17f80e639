"""Sending a file of this machine into a new volume of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kvtui.backends.base import Backend
from kvtui.backends.images import Image, read_image
from kvtui.backends.volumes import VolumeTransfer, VolumeUpload, VolumeUploads
from kvtui.errors import BackendError
from kvtui.model import Ref
from kvtui.records.libvirt import StoragePool, StorageVolume
from kvtui.resources.base import able
from kvtui.resources.form import Answers, Form, Text
from kvtui.store import View
from kvtui.text import size

_PACKED: Final = frozenset({"gz", "xz", "zst"})


def path_of(answers: Answers) -> Path:
    """The file that is meant."""
    return Path(answers.text("file")).expanduser()


def name_of(answers: Answers) -> str:
    """What the volume is called: as the file, where nothing else is said."""
    return answers.text("name") or path_of(answers).name


def upload_form(view: View, backend: str, pool: StoragePool) -> Form:
    """What is asked: the file, and the name of the volume."""
    title = pool.metadata.name
    taken = {found.metadata.name for _, found in view.linked(StorageVolume, backend, "pool", title)}

    def check_name(answers: Answers) -> str:
        name = name_of(answers)
        if "/" in name:
            return "may have no /"
        return f"there is a volume {name}" if f"{title}/{name}" in taken else ""

    def warn(answers: Answers) -> Sequence[str]:
        image = _image(answers)
        if image is None:
            return ()
        said = []
        if pool.capacity and not pool.outgrown and image.size > pool.left:
            said.append(f"the file has {size(image.size)}B, and libvirt knows of {size(pool.left)}B that are free")
        if image.backed:
            said.append("it only holds what differs from another image, which has to be on the host as well")
        return said

    return Form(
        f"upload a file to pool {title}",
        (
            Text("file", "file", hint="of this machine: an image (raw, qcow2) or an ISO", check=_check_file),
            Text("name", "name", needed=False, hint="of the new volume; empty: as the file", check=check_name),
        ),
        about=("it is sent byte for byte; Imports shows how far it is",),
        warn=warn,
    )


def _check_file(answers: Answers) -> str:
    try:
        image = read_image(path_of(answers))
    except BackendError as error:
        return error.detail
    return f"it is packed ({image.format}): unpack it first" if image.format in _PACKED else ""


def _image(answers: Answers) -> Image | None:
    with suppress(BackendError):
        return read_image(path_of(answers))
    return None


def begin_upload(backend: Backend, pool: Ref, answers: Answers) -> VolumeTransfer:
    """The transfer, not begun yet. Raises BackendError."""
    file = path_of(answers)
    uploads = able(backend, VolumeUploads)  # type: ignore[type-abstract]
    return VolumeTransfer(uploads, VolumeUpload(pool, name_of(answers), file, read_image(file).size))
