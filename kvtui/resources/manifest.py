"""Whole objects as YAML that is edited: without what only the server writes, judged by it before it is stored."""

from __future__ import annotations

from typing import Any, Final

from kvtui.backends.base import Backend
from kvtui.backends.objects import Rehearser
from kvtui.errors import BackendError, ChangedError, ConflictError
from kvtui.model import Ref
from kvtui.resources.base import objects
from kvtui.resources.spec import find_part
from kvtui.text import clean_line

_SERVERS: Final = ("status",)
_SAME: Final = ("kind", "metadata.name", "metadata.namespace")


async def read_manifest(backend: Backend, ref: Ref) -> str:
    """The object as YAML, secrets and all: for an editor alone. Raises BackendError."""
    import yaml  # only here: it is slow to load, and the first frame does not need it

    whole = await objects(backend).read(ref)
    metadata = whole.get("metadata")
    shown = {key: value for key, value in whole.items() if key not in _SERVERS}
    if isinstance(metadata, dict):
        shown["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=10_000)


async def write_manifest(backend: Backend, ref: Ref, text: str, before: str) -> None:
    """Store the text in the place of what it was. The server tries it first.

    Raises ChangedError when the object is not what it was any more, BackendError with the server's words.
    """
    body, old = parse_manifest(text), parse_manifest(before)
    for path in _SAME:
        if find_part(body, path) != find_part(old, path):
            raise BackendError(f"{path} cannot be changed", f"it is {find_part(old, path)!r}")
    metadata = {**body["metadata"], "resourceVersion": find_part(old, "metadata.resourceVersion")}
    body = {**body, "metadata": metadata}
    try:
        if isinstance(backend, Rehearser):
            await objects(backend.rehearse()).replace(ref, body)
        await objects(backend).replace(ref, body)
    except ConflictError as error:
        now = await read_manifest(backend, ref)
        if now == before:
            raise
        raise ChangedError(f"{ref.path} is not what was edited any more", now) from error


def parse_manifest(text: str) -> dict[str, Any]:
    """The object of a YAML text. Raises BackendError with the line that makes no sense."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Times stay texts, as the API has them; of a field that is given twice nobody knows which is meant."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            names = set()
            keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
            for key in keys:
                if isinstance(key, yaml.ScalarNode) and key.value in names:
                    words = f"{key.value} is given twice"
                    raise yaml.constructor.ConstructorError(problem=words, problem_mark=key.start_mark)
                if isinstance(key, yaml.ScalarNode):
                    names.add(key.value)
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        found = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise BackendError("the text is no YAML", _tell_fault(error, text)) from error
    except RecursionError as error:
        raise BackendError("the text is no YAML that can be read", "it is nested too deeply") from error
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
        raise BackendError("the text is no object of Kubernetes", "it has no metadata")
    return found


def _tell_fault(error: Exception, text: str) -> str:
    """What is wrong, with the line itself: an editor may show it under another number."""
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines):
        return " ".join(str(error).split())
    return clean_line(f"{getattr(error, 'problem', '') or 'it ends too early'}, at: {lines[mark.line].strip()}")
