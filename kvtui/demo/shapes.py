"""Types of fields, and the check of an object against them in the API server's words.

A field that no shape names is taken as it is; null counts as absent, as Go's decoder has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Plain:
    """A value without parts: its JSON types, the first of which names it, and its type in Go."""

    types: tuple[str, ...]
    go: str


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Map:
    """An object with keys of any name."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Struct:
    """An object with known fields; `name` is that of Go's struct."""

    name: str
    fields: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()


Shape = Plain | Many | Map | Struct


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong with an object."""

    kind: Literal["type", "required"]
    path: str
    """With positions: ``spec.volumes[0].name``."""
    fields: str = ""
    """Without positions, after the name of the innermost struct, as Go tells it: ``Volume.spec.volumes.name``."""
    wanted: str = ""
    go: str = ""
    given: str = ""
    """The JSON type that was given; whole numbers are ``integer``."""


class MismatchError(Exception):
    """An object does not fit its shape."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.path)
        self.fault = fault


def json_type(value: Any) -> str:
    """The name of a JSON value's type."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _go(shape: Shape) -> str:
    match shape:
        case Plain():
            return shape.go
        case Many():
            return f"[]{_go(shape.item)}"
        case Map():
            return f"map[string]{_go(shape.value)}"
        case Struct():
            return f"v1.{shape.name}"


def _types(shape: Shape) -> tuple[str, ...]:
    match shape:
        case Plain():
            return shape.types
        case Many():
            return ("array",)
        case _:
            return ("object",)


@dataclass(frozen=True, slots=True)
class _Place:
    path: str = ""
    names: str = ""
    struct: str = ""

    def member(self, name: str, struct: str = "") -> _Place:
        return _Place(
            f"{self.path}.{name}" if self.path else name,
            f"{self.names}.{name}" if self.names else name,
            struct or self.struct,
        )

    def entry(self, position: int) -> _Place:
        return _Place(f"{self.path}[{position}]", self.names, self.struct)


def fitted(value: Any, shape: Shape) -> Any:
    """`value` without the nulls that stand for absent fields. Raises MismatchError for the first misfit."""
    return _fitted(value, shape, _Place())


def _fitted(value: Any, shape: Shape, place: _Place) -> Any:
    types = _types(shape)
    given = json_type(value)
    if given not in types and not (given == "integer" and "number" in types):
        fields = f"{place.struct}.{place.names}"
        raise MismatchError(Fault("type", place.path, fields, types[0], _go(shape), given))
    match shape:
        case Plain():
            return value
        case Many():
            return [_fitted(item, shape.item, place.entry(position)) for position, item in enumerate(value)]
        case Map():
            return {
                name: _fitted(item, shape.value, place.member(name)) for name, item in value.items() if item is not None
            }
        case Struct():
            return _members(value, shape, place)


def _members(value: dict[str, Any], shape: Struct, place: _Place) -> dict[str, Any]:
    found = {}
    for name, item in value.items():
        known = shape.fields.get(name)
        if known is None:
            found[name] = item
        elif item is not None:
            found[name] = _fitted(item, known, place.member(name, shape.name))
    for name in shape.required:
        if name not in found:
            raise MismatchError(Fault("required", place.member(name).path))
    return found
