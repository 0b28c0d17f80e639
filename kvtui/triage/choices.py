"""The storage class that a DataVolume asks for, where there is none: kubevirt-api.md 6.4 and row 35.

CDI says the same of a class that does not exist and of a default that is missing: which it is shows in the DataVolume
and in the classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kvtui.joins.causes import Cause, Theme
from kvtui.model import Evidence
from kvtui.records.cdi import DataVolume
from kvtui.records.kubevirt import VirtualMachine
from kvtui.records.storage import StorageClass
from kvtui.store import View


def explain_choice(view: View, backend: str, volume: DataVolume, told: Evidence | None) -> Cause | None:
    """Why there is no storage class for a DataVolume without a claim, in a sentence of its own; None where there is.

    `told` is the event by which CDI says that it finds none: where no class is seen, nothing else is known.
    """
    asked = volume.spec.storage
    if asked is None or asked.storage_class_name == "" or (asked.access_modes and told is None):
        return None
    name = asked.storage_class_name
    classes = {ref.name: found for ref, found in view.items(StorageClass, backend)}
    chosen = name if name in classes else None if name else _default(volume, classes)
    if told is None and (chosen or not classes):
        return None
    evidence = Evidence(f"DataVolume {volume.metadata.name}", "spec.storage.storageClassName", name or "not set")
    cause = Cause(Theme.IMPORT, "", evidence, more=(told,) if told is not None else ())
    if name:
        cause = replace(cause, culprit=(StorageClass.KIND, "", name))
    if chosen:
        which = f'StorageClass "{name}"' if name else "default StorageClass"
        words = f"CDI found no {which} when it tried last; {'it is there' if name else f'{chosen} is that'} now"
        return replace(cause, sentence=words, culprit=None, step="wait: CDI tries again by itself", over=True)
    if not classes:
        sentence = (
            f'CDI finds no StorageClass "{name}"' if name else "it names no storageClass, and CDI finds no default"
        )
        step = f"have somebody who may list StorageClasses {'look for that name' if name else 'make one the default'}"
        return replace(cause, sentence=sentence, step=step)
    listed = ", ".join(sorted(classes))
    if not name:
        sentence = "it names no storageClass, and none of the cluster is the default"
        step = f"make one of {listed} the default, or name one in spec.storage.storageClassName"
        return replace(cause, sentence=sentence, step=step)
    step = f"create StorageClass {name}, or {_tell_correction(volume, listed)}"
    return replace(cause, sentence=f'there is no StorageClass "{name}"', step=step)


def _default(volume: DataVolume, classes: dict[str, StorageClass]) -> str | None:
    """The class that CDI takes where none is named; for anything but disks of VMs the mark for those does not count."""
    for_vms = volume.spec.content_type != _ARCHIVE
    marked = (name for name, one in classes.items() if one.is_default or (for_vms and one.is_default_for_vms))
    return next(marked, None)


_ARCHIVE: Final = "archive"


def _tell_correction(volume: DataVolume, listed: str) -> str:
    """How to have it with another class: its spec cannot be changed, and its VM makes it anew as its template says."""
    owner = volume.controller
    if owner is None or owner.kind != VirtualMachine.KIND:
        return f"make the DataVolume anew with one of {listed}"
    return f"name one of {listed} in the dataVolumeTemplates of the VM and delete the DataVolume"
