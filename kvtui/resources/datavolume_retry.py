"""Beginning a failed import again: CDI tries most again by itself, ever more seldom, and some never.

While it tries (kubevirt-api.md 2.5), the importer pod is deleted and CDI makes another at once. A DataVolume in phase
Failed is final: it is deleted and made anew from what it was. One that a VM made is made anew by that VM.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, cast

from kvtui.backends.base import Backend
from kvtui.backends.objects import Body, Objects, Rehearser
from kvtui.errors import AbsentError, BackendError, ConflictError, KvtuiError
from kvtui.joins.disk import Import
from kvtui.model import Ref
from kvtui.resources.base import objects

_POD_NAME: Final = "cdi.kubevirt.io/storage.import.importPodName"
_PATIENCE: Final = 60.0
"""Seconds that a DataVolume and its claim may take to go."""
_PAUSE: Final = 0.5
_OURS: Final = ("labels", "annotations", "ownerReferences")
"""What of the metadata somebody wrote; the rest is the server's."""


async def retry(backend: Backend, row: Import) -> Ref | None:
    """Begin it again; the DataVolume that was made anew for that, if one was.

    Raises BackendError, with what was done, when that comes to nothing.
    """
    there = objects(backend)
    if row.volume.status.phase == "Failed":
        return await _make_anew(there, row)
    await _delete_importer(there, row)
    return None


async def _delete_importer(there: Objects, row: Import) -> None:
    if row.claim is None:
        raise ConflictError(f"{row.ref.path} has no claim yet", "there is no importer pod to begin again")
    for name in await _pod_names(there, row, row.claim.metadata.uid):
        ref = Ref(row.backend, "Pod", row.ref.namespace, name)
        with suppress(AbsentError):
            found = await there.read(ref)
            await there.delete(ref._replace(uid=str(_metadata(found).get("uid", ""))), verb="delete importer pod")
            return
    raise AbsentError(f"{row.ref.path} has no importer pod", "CDI has not made one yet; see its events")


async def _pod_names(there: Objects, row: Import, uid: str) -> list[str]:
    """What its importer may be called (kubevirt-api.md 2.6): long names are cut, and noted on the claim."""
    names = []
    prime = f"prime-{uid}"
    for claim in (prime, row.ref.name):
        with suppress(AbsentError):
            found = await there.read(Ref(row.backend, "PersistentVolumeClaim", row.ref.namespace, claim))
            noted = _metadata(found).get("annotations")
            names.append(str(noted.get(_POD_NAME, "")) if isinstance(noted, Mapping) else "")
        names.append(f"importer-{claim}")
    return [name for name in dict.fromkeys(names) if name]


async def _make_anew(there: Objects, row: Import) -> Ref | None:
    body = anew(await there.read(row.ref))
    await there.delete(row.ref)
    if isinstance(there, Rehearser) and there.rehearses:
        return None
    await _await_gone(there, row)
    owner = row.volume.controller
    if owner is not None and owner.kind == "VirtualMachine":
        return await _await_new(there, row, owner.name)
    try:
        return await there.create(row.ref._replace(uid=""), body)
    except KvtuiError as error:
        raise BackendError(f"{row.ref.path} is deleted, but was not made anew", str(error)) from error


async def _await_gone(there: Objects, row: Import) -> None:
    deadline = time.monotonic() + _PATIENCE
    claim = Ref(row.backend, "PersistentVolumeClaim", row.ref.namespace, row.ref.name)
    for ref, uid in ((row.ref, row.ref.uid), (claim, row.claim.metadata.uid if row.claim is not None else "")):
        while await _is_there(there, ref, uid):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"{row.ref.path} is deleted, but was not made anew",
                    f"its {'claim' if ref is claim else 'object'} is still there: something uses it",
                    "make it anew once it is gone",
                )
            await asyncio.sleep(_PAUSE)


async def _await_new(there: Objects, row: Import, owner: str) -> Ref:
    """The DataVolume that the VM makes in place of the one that is gone."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(AbsentError):
            uid = str(_metadata(await there.read(row.ref._replace(uid=""))).get("uid", ""))
            if uid and uid != row.ref.uid:
                return row.ref._replace(uid=uid)
        await asyncio.sleep(_PAUSE)
    raise BackendError(
        f"{row.ref.path} is deleted, but was not made anew",
        f"VM {owner} has not made it again within {_PATIENCE:.0f}s",
        "its events tell why; start the VM",
    )


async def _is_there(there: Objects, ref: Ref, uid: str) -> bool:
    """Whether the very object is there still; of a claim that nobody saw any is meant."""
    with suppress(AbsentError):
        found = _metadata(await there.read(ref)).get("uid", "")
        return not uid or found == uid
    return False


def _metadata(obj: Mapping[str, object]) -> Mapping[str, object]:
    found = obj.get("metadata")
    return found if isinstance(found, Mapping) else {}


def anew(obj: Mapping[str, object]) -> Body:
    """A body that makes the same object again: what somebody wrote of it, and nothing of the server's."""
    kept = {key: value for key, value in _metadata(obj).items() if key in _OURS}
    return cast("Body", {"metadata": kept, "spec": obj.get("spec", {})})
