"""What is asked before a file goes into a pool."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kvtui.records.base import Meta
from kvtui.records.libvirt import StoragePool, StorageVolume
from kvtui.resources.form import Draft
from kvtui.resources.pool_upload import name_of, upload_form
from kvtui.store import Put, Store

POOL = StoragePool(metadata=Meta(name="fast", uid="p"), state="running", capacity=1000, free=100)


@pytest.fixture
def draft() -> Draft:
    store = Store()
    volume = StorageVolume(metadata=Meta(name="fast/taken.img", uid="v"), pool="fast")
    other = StorageVolume(metadata=Meta(name="slow/other.img", uid="w"), pool="slow")
    store.apply([Put("kvm1", POOL), Put("kvm1", volume), Put("kvm1", other), Put("kvm2", replace_pool(other))])
    return Draft(upload_form(store, "kvm1", POOL))


def replace_pool(volume: StorageVolume) -> StorageVolume:
    """The same on another host, in a pool of our name."""
    return StorageVolume(metadata=Meta(name="fast/other.img", uid="x"), pool="fast", path=volume.path)


def file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_a_volume_is_called_as_its_file_unless_something_else_is_said(draft: Draft, tmp_path: Path) -> None:
    draft.put("file", file(tmp_path, "other.img", b"x"))
    assert (draft.troubles, name_of(draft.answers)) == ({}, "other.img")
    draft.put("name", "disk")
    assert name_of(draft.answers) == "disk"


def test_what_cannot_be_sent_is_said(draft: Draft, tmp_path: Path) -> None:
    assert "file" in draft.troubles
    draft.put("file", str(tmp_path / "none.img"))
    assert draft.troubles["file"] == "there is no such file"
    draft.put("file", file(tmp_path, "a.img.gz", gzip.compress(b"x")))
    assert draft.troubles["file"] == "it is packed (gz): unpack it first"
    draft.put("file", file(tmp_path, "taken.img", b"x"))
    assert draft.troubles == {"name": "there is a volume taken.img"}
    draft.put("name", "a/b")
    assert draft.troubles == {"name": "may have no /"}


def test_what_will_hardly_work_is_warned_of(draft: Draft, tmp_path: Path) -> None:
    draft.put("file", file(tmp_path, "a.img", bytes(100)))
    assert draft.warnings == []
    draft.put("file", file(tmp_path, "b.img", bytes(101)))
    assert draft.warnings == ["the file has 101B, and libvirt knows of 100B that are free"]
