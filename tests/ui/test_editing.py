"""Texts in the user's editor: what is refused comes back with the words, and nothing is lost."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kvtui.errors import BackendError, ChangedError, KvtuiError
from kvtui.ui.editing import edit_text, run_editor

TEXT = "<domain>\n  <title>Shop</title>\n</domain>\n"


class Hand:
    """Edits a text as often as it has changes for it."""

    def __init__(self, *changes: Callable[[str], str]) -> None:
        self.changes = list(changes)
        self.seen: list[str] = []

    async def edit(self, path: Path) -> None:
        self.seen.append(rewrite(path, self.changes.pop(0)))


def rewrite(path: Path, change: Callable[[str], str]) -> str:
    text = path.read_text()
    path.write_text(change(text))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    return text


def kept(path: Path) -> tuple[str, int]:
    return path.read_text(), stat.S_IMODE(path.stat().st_mode)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Server:
    """Takes texts, after it has refused some."""

    def __init__(self, *refusals: KvtuiError) -> None:
        self.refusals = list(refusals)
        self.taken: list[tuple[str, str]] = []

    async def write(self, text: str, before: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append((text, before))


def to_till(text: str) -> str:
    return text.replace("Shop", "Till")


def same(text: str) -> str:
    return text


async def test_a_changed_text_is_written() -> None:
    server = Server()
    assert (await edit_text(Hand(to_till), "web", TEXT, server.write)).startswith("stored")
    assert server.taken == [(to_till(TEXT), TEXT)]


@pytest.mark.parametrize("change", [same, lambda _text: "", lambda _text: " \n"])
async def test_a_text_that_is_left_alone_or_emptied_is_not_written(change: Callable[[str], str]) -> None:
    server = Server()
    assert await edit_text(Hand(change), "web", TEXT, server.write) == "nothing was changed"
    assert server.taken == []


async def test_what_is_refused_comes_back_with_the_words_above_the_text() -> None:
    server = Server(BackendError("it was refused", "unknown element --title--"))
    hand = Hand(to_till, lambda text: text.replace("Till", "Desk"))
    assert (await edit_text(hand, "web", TEXT, server.write)).startswith("stored")
    note, _, text = hand.seen[1].partition("-->\n")
    assert text == to_till(TEXT)
    assert "it was refused: unknown element - -title" in note
    assert "--" not in note.removeprefix("<!--")
    assert server.taken == [(TEXT.replace("Shop", "Desk"), TEXT)]


async def test_who_gives_up_keeps_the_text_in_a_file_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    told = await edit_text(Hand(to_till, same), "../we b", TEXT, Server(BackendError("no")).write)
    path = Path(told.removeprefix("given up; your text is kept in "))
    assert path.is_relative_to(tmp_path)
    assert kept(path) == (to_till(TEXT), 0o600)


async def test_what_somebody_else_changed_is_shown_and_overwritten_only_knowingly() -> None:
    theirs = TEXT.replace("<title>Shop</title>", "<title>Shop</title>\n  <description/>")
    server = Server(ChangedError("web is not what was edited any more", theirs))
    hand = Hand(to_till, lambda text: text.replace("Till", "Desk"))
    await edit_text(hand, "web", TEXT, server.write)
    assert "+  <description/>" in hand.seen[1]
    assert to_till(TEXT) in hand.seen[1]
    assert server.taken == [(TEXT.replace("Shop", "Desk"), theirs)]


async def test_what_counts_the_changes_of_an_object_is_none_of_them() -> None:
    before = "metadata:\n  generation: 3\n  name: web\n  resourceVersion: '17'\nspec:\n  running: true\n"
    theirs = before.replace("3", "4").replace("17", "18").replace("true", "false")
    server = Server(ChangedError("web is not what was edited any more", theirs))
    hand = Hand(lambda text: text.replace("web", "web "), same)
    await edit_text(hand, "web", before, server.write)
    diff = [line for line in hand.seen[1].splitlines() if line.startswith(("# -", "# +"))]
    assert diff == ["# -  running: true", "# +  running: false"]


async def test_who_gives_up_after_a_conflict_is_told_that_there_was_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    server = Server(ChangedError("web is not what was edited any more", TEXT.replace("Shop", "Desk")))
    told = await edit_text(Hand(to_till, same), "web", TEXT, server.write)
    assert told.startswith("given up, for somebody changed it meanwhile and nothing was stored; your text is kept in ")


async def test_an_editor_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.setenv("EDITOR", f"{tmp_path}/no-editor -x")
    with pytest.raises(KvtuiError, match="no-editor"):
        await run_editor(tmp_path / "text")


async def test_the_editor_gets_the_file_behind_its_own_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "te xt"
    path.write_text("Shop")
    monkeypatch.setenv("VISUAL", "sed -i s/Shop/Till/")
    await run_editor(path)
    assert path.read_text() == "Till"


class Failing(Hand):
    """Saves what it changed, and fails."""

    def __init__(self, change: Callable[[str], str], error: BaseException) -> None:
        super().__init__(change)
        self.error = error

    async def edit(self, path: Path) -> None:
        await super().edit(path)
        raise self.error


@pytest.mark.parametrize("error", [KvtuiError("the editor failed"), asyncio.CancelledError()])
async def test_what_was_saved_is_kept_and_not_written_where_the_editor_fails_or_the_program_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    server = Server()
    with pytest.raises(type(error)) as raised:
        await edit_text(Failing(to_till, error), "web", TEXT, server.write)
    (path,) = files(tmp_path)
    assert kept(path) == (to_till(TEXT), 0o600)
    assert server.taken == []
    if isinstance(raised.value, KvtuiError):
        assert str(path) in raised.value.hint


async def test_an_editor_that_fails_unsaved_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(KvtuiError, match="the editor failed"):
        await edit_text(Failing(same, KvtuiError("the editor failed")), "web", TEXT, Server().write)
    assert files(tmp_path) == []


@pytest.mark.parametrize(("end", "how"), [("exit 3", "status 3"), ("kill -HUP $$", "signal 1")])
async def test_an_editor_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, how: str
) -> None:
    monkeypatch.setenv("VISUAL", f"sh -c '{end}'")
    with pytest.raises(KvtuiError, match=how):
        await run_editor(tmp_path / "text")
