"""The house rules that the linters do not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = sorted((ROOT / "kvtui").rglob("*.py"))
SOURCES = [*PROGRAM, *sorted((ROOT / "tests").rglob("*.py"))]
LONGEST = 500
BOUNDARY = "# noqa: BLE001 - boundary: "
BROAD = {"Exception", "BaseException"}
LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def told(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def broad_handlers(source: str) -> Iterator[int]:
    """Lines that catch everything and do not say at which boundary."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else BROAD
            if names & BROAD and BOUNDARY not in lines[node.lineno - 1]:
                yield node.lineno


def queries_in_loops(source: str) -> Iterator[int]:
    """Lines that search the tree of widgets again and again."""
    for loop in ast.walk(ast.parse(source)):
        if isinstance(loop, LOOPS):
            for node in ast.walk(loop):
                if isinstance(node, ast.Attribute) and node.attr == "query_one":
                    yield node.lineno


def untyped(source: str) -> Iterator[int]:
    """Lines that name Any."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="Any") | ast.Attribute(attr="Any") | ast.alias(name="Any"):
                yield node.lineno


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not [told(path, length) for path, length in lengths.items() if length > LONGEST]


def test_everything_is_caught_at_named_boundaries_only() -> None:
    assert not [told(path, line) for path in SOURCES for line in broad_handlers(path.read_text(encoding="utf-8"))]


def test_no_loop_searches_the_widgets() -> None:
    assert not [told(path, line) for path in PROGRAM for line in queries_in_loops(path.read_text(encoding="utf-8"))]


def test_records_are_typed_throughout() -> None:
    records = sorted((ROOT / "kvtui" / "records").glob("*.py"))
    assert records
    assert not [told(path, line) for path in records for line in untyped(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("try:\n    pass\nexcept Exception:\n    pass", [3]),
        ("try:\n    pass\nexcept (OSError, BaseException):\n    pass", [3]),
        ("try:\n    pass\nexcept:\n    pass", [3]),
        (f"try:\n    pass\nexcept Exception:  {BOUNDARY}a plugin\n    pass", []),
        ("try:\n    pass\nexcept Exception:  # noqa: BLE001\n    pass", [3]),
        ("try:\n    pass\nexcept OSError:\n    pass", []),
    ],
)
def test_broad_handlers_are_found(source: str, lines: list[int]) -> None:
    assert list(broad_handlers(source)) == lines


def test_queries_and_untyped_places_are_found() -> None:
    assert list(queries_in_loops("for key in keys:\n    self.query_one(key)")) == [2]
    assert list(queries_in_loops("[self.query_one(key) for key in keys]")) == [1]
    assert list(queries_in_loops("self.query_one('#a')")) == []
    assert sorted(untyped("from typing import Any\nx: list[Any] = []\ny: typing.Any")) == [1, 2, 3]
