"""Where files have holes, which are not sent, and what counts while they are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvtui.backends.libvirt.transfers import Transfers
from kvtui.backends.libvirt.uploads import find_hole

PAGE = 65536


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A page of data, three of a hole, one of data, one of a hole."""
    number = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    for page in (0, 4):
        os.pwrite(number, b"x" * PAGE, page * PAGE)
    os.truncate(number, 6 * PAGE)
    if os.fstat(number).st_blocks * 512 >= 6 * PAGE:
        pytest.skip("this file system keeps no holes")
    yield number
    os.close(number)


@pytest.mark.parametrize(("page", "hole"), [(0, 0), (1, 3), (2, 2), (4, 0), (5, 1), (6, 0), (7, 0)])
def test_a_hole_is_as_long_as_nothing_was_written(file: int, page: int, hole: int) -> None:
    os.lseek(file, 7, os.SEEK_SET)
    assert find_hole(file, page * PAGE, 9 * PAGE) == hole * PAGE
    assert os.lseek(file, 0, os.SEEK_CUR) == 7


def test_a_hole_ends_where_the_upload_does(file: int) -> None:
    assert find_hole(file, PAGE, 2 * PAGE) == PAGE


def test_what_cannot_be_searched_is_data() -> None:
    reader, writer = os.pipe()
    assert find_hole(reader, 0, PAGE) == 0
    os.close(reader)
    os.close(writer)


def test_a_hole_is_progress_and_no_rate() -> None:
    now = [100.0]
    transfers = Transfers(lambda: now[0])
    transfer = transfers.begin("fast/a", "upload", 100)
    transfer.skip(50)
    now[0] += 2
    transfer.advance(60)
    (job,) = transfers.jobs()
    assert (job.done, job.rate) == (60, 5.0)
