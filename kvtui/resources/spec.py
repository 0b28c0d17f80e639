"""Parts of whole objects that no record has, read without trust in their form."""

from __future__ import annotations

from collections.abc import Mapping

from kvtui.backends.base import Backend
from kvtui.model import Ref
from kvtui.resources.base import objects

Whole = Mapping[str, object]


async def read_whole(backend: Backend, ref: Ref) -> Whole:
    """The object as the server has it. Raises BackendError."""
    return await objects(backend).read(ref)


def find_part(whole: Whole, path: str) -> object:
    """What stands at ``spec.template.spec``; None where there is nothing."""
    value: object = whole
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def items(whole: Whole, path: str) -> list[Whole]:
    """The objects of the list that stands there."""
    found = find_part(whole, path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def text_of(whole: Whole, path: str) -> str:
    """The text that stands there."""
    found = find_part(whole, path)
    return found if isinstance(found, str) else ""
