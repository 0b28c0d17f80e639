"""Transcripts: exact bytes and times, files that asciinema reads, and what goes wrong with files."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.recording import Event, Marker, Output, Recording, Resize
from kvtui.console.transcript import Transcript, create_transcript
from kvtui.errors import KvtuiError
from tests.console.asciicast import played, read_as_asciinema

NAMES = ("prod", "shop", "db-2")
BEGAN = 1_795_572_847.5
"""2026-11-25 02:14:07 UTC."""


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begin(folder: Path, **more: object) -> Transcript:
    return create_transcript(folder, NAMES, 80, 24, wall=lambda: BEGAN, **more)  # type: ignore[arg-type]


def events_of(path: Path) -> list[Event]:
    with Recording(path) as recording:
        return list(recording.events())


def bytes_of(path: Path) -> bytes:
    return b"".join(event.data for event in events_of(path) if isinstance(event, Output))


# What is kept -------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_in_any_pieces_are_read_back_exactly_and_play_as_text(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    transcript = begin(tmp_path_factory.mktemp("casts"))
    for chunk in chunks:
        transcript.write(chunk)
    transcript.close()
    whole = b"".join(chunks)
    assert bytes_of(transcript.path) == whole
    assert played(read_as_asciinema(transcript.path)) == whole.decode("utf-8", "replace")


@given(st.text(), st.integers(1, 7))
def test_text_cut_anywhere_needs_no_bytes_beside_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, size: int
) -> None:
    data = text.encode("utf-8", "replace")
    transcript = begin(tmp_path_factory.mktemp("casts"))
    for start in range(0, len(data), size):
        transcript.write(data[start : start + size])
    transcript.close()
    cast = read_as_asciinema(transcript.path)
    assert {code for _, code, _ in cast[1]} <= {"o"}
    assert played(cast).encode() == data


def test_a_character_stands_with_the_piece_that_completes_it(tmp_path: Path) -> None:
    watch = Watch()
    transcript = Transcript(tmp_path / "a.cast", 80, 24, clock=watch)
    watch.now += 1
    transcript.write(b"caf\xc3")
    watch.now += 1
    transcript.write(b"\xa9!")
    transcript.close()
    assert events_of(transcript.path) == [Output(1.0, b"caf"), Output(2.0, "é!".encode())]


def test_a_large_piece_becomes_several_events_and_no_long_line(tmp_path: Path) -> None:
    transcript = begin(tmp_path)
    data = b"\x00\x1b\xff" * 200_000
    transcript.write(data)
    transcript.close()
    assert max(map(len, transcript.path.read_bytes().splitlines())) < 1_000_000
    assert bytes_of(transcript.path) == data


def test_sizes_and_what_happened_stand_at_their_times(tmp_path: Path) -> None:
    watch = Watch()
    transcript = Transcript(tmp_path / "a.cast", 80, 24, title="prod/shop/db-2", wall=lambda: BEGAN, clock=watch)
    transcript.mark("Connected.\x1b[31m\n")
    watch.now += 0.25
    transcript.resize(132, 43)
    watch.now += 3600
    transcript.write(b"login: ")
    watch.now -= 5
    transcript.write(b"root")
    transcript.close()
    header, _ = read_as_asciinema(transcript.path)
    assert header == {
        "version": 2, "width": 80, "height": 24, "timestamp": 1_795_572_847, "title": "prod/shop/db-2",
        "env": {"TERM": "xterm-256color"},
    }  # fmt: skip
    assert events_of(transcript.path) == [
        Marker(0.0, "Connected.\ufffd[31m"),
        Resize(0.25, 132, 43),
        Output(3600.25, b"login: "),
        Output(3600.25, b"root"),
    ]


def test_someone_who_prints_the_file_is_not_attacked_by_it(tmp_path: Path) -> None:
    transcript = begin(tmp_path)
    transcript.write("\x1b]0;x\x07\x7f\x9b2J\u202e\ufeff".encode())
    transcript.close()
    assert not set("\x1b\x07\x7f\x9b\u202e\ufeff") & set(transcript.path.read_text("utf-8"))
    assert bytes_of(transcript.path) == "\x1b]0;x\x07\x7f\x9b2J\u202e\ufeff".encode()


# Files --------------------------------------------------------------------------------------------------------------


def test_the_file_is_named_by_machine_and_time_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    transcript = begin(tmp_path / "deep" / "er")
    assert transcript.path == tmp_path / "deep" / "er" / "prod_shop_db-2_20261125T021407Z.cast"
    assert stat.S_IMODE(transcript.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(transcript.path.parent.stat().st_mode) == 0o700
    transcript.close()


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    first, second, third = begin(tmp_path), begin(tmp_path), begin(tmp_path)
    stems = [item.path.stem.removeprefix("prod_shop_db-2_") for item in (first, second, third)]
    assert stems == ["20261125T021407Z", "20261125T021407Z_2", "20261125T021407Z_3"]
    for item in (first, second, third):
        item.close()


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    link = tmp_path / "prod_shop_db-2_20261125T021407Z.cast"
    link.symlink_to(target)
    transcript = begin(tmp_path)
    transcript.close()
    assert not target.exists()
    assert transcript.path != link


@pytest.mark.parametrize(
    ("names", "stem"),
    [
        (("../../etc", "..", "passwd"), "etc_passwd"),
        (("admin@prod/fra1:6443", "shop", "a b"), "admin-prod-fra1-6443_shop_a-b"),
        (("…", "\x00\n", "/"), "console"),
        (("arn:aws:eks:eu-west-1:1:cluster/x", "", "vm"), "arn-aws-eks-eu-west-1-1-cluster-x_vm"),
        (("n" * 300, "m" * 300, "v"), "n" * 200),
    ],
)
def test_names_lead_nowhere_else(tmp_path: Path, names: tuple[str, ...], stem: str) -> None:
    transcript = create_transcript(tmp_path / "casts", names, 80, 24, wall=lambda: BEGAN)
    assert transcript.path == tmp_path / "casts" / f"{stem}_20261125T021407Z.cast"
    transcript.close()


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KvtuiError, match=r"nothing is recorded: no file can be made in .*/file") as caught:
        begin(tmp_path / "file")
    assert "record to another" in caught.value.hint


# When it is on the disk ---------------------------------------------------------------------------------------------


async def test_a_crash_loses_a_second_at_most(tmp_path: Path) -> None:
    transcript = begin(tmp_path)
    transcript.write(b"one")
    transcript.write(b"two")
    before = asyncio.get_running_loop().time()
    while not bytes_of(transcript.path).endswith(b"two"):
        assert asyncio.get_running_loop().time() < before + 5
        await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() - before < 2
    transcript.close()


async def test_a_line_after_a_pause_is_there_at_once(tmp_path: Path) -> None:
    watch = Watch()
    transcript = Transcript(tmp_path / "a.cast", 80, 24, clock=watch)
    watch.now += 1.5
    transcript.write(b"panic")
    assert bytes_of(transcript.path) == b"panic"
    transcript.close()


async def test_a_flood_is_written_in_large_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = begin(tmp_path)
    sizes: list[int] = []
    write = os.write

    def count(file: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(file, data)

    monkeypatch.setattr(os, "write", count)
    for _ in range(1000):
        transcript.write(b"x" * 1000)
    transcript.close()
    assert len(sizes) < 20
    assert transcript.path.stat().st_size > 1_000_000


def test_closing_twice_and_writing_afterwards_do_nothing(tmp_path: Path) -> None:
    transcript = begin(tmp_path)
    transcript.write(b"\xc3")
    transcript.close()
    transcript.close()
    transcript.write(b"late")
    assert bytes_of(transcript.path) == b"\xc3"
    assert not transcript.is_open


# What goes wrong ----------------------------------------------------------------------------------------------------


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file may grow beyond `size`, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_recording_with_a_sentence_and_leaves_whole_lines(tmp_path: Path) -> None:
    told: list[KvtuiError] = []
    transcript = begin(tmp_path, failed=told.append)
    with file_limit(1000):
        for _ in range(100):
            transcript.write(b"x" * 70)
        transcript.write(b"after it")
    assert len(told) == 1
    assert str(transcript.path) in told[0].title
    assert os.strerror(errno.EFBIG) in told[0].detail
    assert "can be replayed" in told[0].hint
    assert transcript.failure is told[0]
    assert not transcript.is_open
    cast = read_as_asciinema(transcript.path)
    assert set(played(cast)) == {"x"}
    assert transcript.path.stat().st_size <= 1000
    transcript.close()
    assert len(told) == 1


@pytest.mark.parametrize("room", [0, 40])
def test_without_room_for_the_first_line_nothing_is_recorded_and_no_file_is_left(tmp_path: Path, room: int) -> None:
    told: list[KvtuiError] = []
    with file_limit(room), pytest.raises(KvtuiError, match="nothing is recorded") as caught:
        begin(tmp_path, failed=told.append)
    assert caught.value.detail == os.strerror(errno.EFBIG)
    assert "have room" in caught.value.hint
    assert not list(tmp_path.iterdir())
    assert not told


def test_a_recording_that_ends_before_the_guest_says_a_thing_is_not_called_one_to_replay(tmp_path: Path) -> None:
    told: list[KvtuiError] = []
    transcript = begin(tmp_path, failed=told.append)
    with file_limit(transcript.path.stat().st_size):
        transcript.write(b"x")
        transcript.flush()
    assert [error.hint for error in told] == ["the console goes on; nothing of it was kept"]


def test_a_file_that_was_removed_ends_the_recording_with_a_sentence(tmp_path: Path) -> None:
    told: list[KvtuiError] = []
    transcript = begin(tmp_path / "casts", failed=told.append)
    transcript.path.unlink()
    transcript.path.parent.rmdir()
    transcript.write(b"x")
    transcript.flush()
    assert [error.detail for error in told] == ["the file was removed"]
    assert "replayed" not in told[0].hint
    assert not transcript.is_open
