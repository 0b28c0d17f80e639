"""What becomes of fields that nobody knows, or that are given twice: ``fieldValidation`` of what a client sends.

Sources: apiserver 0.36 ``pkg/endpoints/handlers`` (``create.go``, ``patch.go``, ``rest.go``), apimachinery
``pkg/runtime/error.go`` and ``pkg/apis/meta/v1/validation``. Only JSON is looked through for fields given twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from kvtui.demo.known_fields import prune
from kvtui.demo.metadata import Kind, Object, StorageError, bad_request

_DIRECTIVES: Final = ("Ignore", "Strict", "Warn")
_WARNINGS: Final = web.RequestKey("warnings", list[str])


def keep_known(request: web.BaseRequest, kind: Kind, obj: Any, twice: list[str], *, patched: bool = False) -> Any:
    """The object without the fields that its kind does not have; of these and those given `twice` the answer will warn.

    Raises StorageError where the client wants strictness: 400, and 422 for an object that is what a patch made.
    """
    directive = _directive(request)
    if not isinstance(obj, dict):
        return obj
    kept, unknown = prune(kind, obj)
    faults = [*(f'duplicate field "{path}"' for path in twice), *(f'unknown field "{path}"' for path in unknown)]
    if directive == "Strict" and faults:
        raise _refusal(kind, obj, f"strict decoding error: {', '.join(faults)}", patched=patched)
    if directive == "Warn":
        warn(request, faults)
    return kept


def warn(request: web.BaseRequest, told: list[str]) -> None:
    """Have the answer to the request warn of something."""
    request[_WARNINGS] = [*request.get(_WARNINGS, ()), *told]


def find_twice(data: bytes) -> list[str]:
    """The paths of fields that JSON gives twice in one object: ``spec.runStrategy``."""
    found: dict[int, list[str]] = {}
    whole: list[Object] = []

    def note(pairs: list[tuple[str, Any]]) -> Object:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            # Kept, so that no other object gets its id.
            whole.append(made)
            found[id(made)] = [name for name in made if names.count(name) > 1]
        return made

    try:
        decoded = json.loads(data, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return []
    return list(_paths(decoded, "", found)) if found else []


def warning_headers(request: web.BaseRequest) -> list[str]:
    """The values of ``Warning``, one for each thing that the answer warns of."""
    told = dict.fromkeys(request.get(_WARNINGS, ()))
    return ['299 - "{}"'.format(words.replace("\\", r"\\").replace('"', r"\"")) for words in told]


def _directive(request: web.BaseRequest) -> str:
    given: str = request.query.get("fieldValidation", "") or "Warn"
    if given not in _DIRECTIVES:
        options = {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(request.method, "PatchOptions")
        supported = ", ".join(f'"{name}"' for name in _DIRECTIVES)
        words = f'fieldValidation: Unsupported value: "{given}": supported values: {supported}'
        raise StorageError(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: {words}')
    return given


def _refusal(kind: Kind, obj: Object, words: str, *, patched: bool) -> StorageError:
    if not patched:
        return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {words}')
    told = f"Invalid value: {json.dumps(json.dumps(obj, separators=(',', ':')))}: {words}"
    causes = [{"reason": "FieldValueInvalid", "message": told, "field": "patch"}]
    return StorageError(422, "Invalid", f' "" is invalid: patch: {told}', {"causes": causes})


def _paths(value: Any, path: str, found: dict[int, list[str]]) -> Iterator[str]:
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _paths(item, f"{path}[{at}]", found)
    elif isinstance(value, dict):
        lead = f"{path}." if path else ""
        yield from (f"{lead}{name}" for name in found.get(id(value), ()))
        for name, item in value.items():
            yield from _paths(item, f"{lead}{name}", found)
