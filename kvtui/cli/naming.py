"""The object that a command is about: ``[KIND/][NAMESPACE/]NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from kvtui.cli.spaces import check_namespace
from kvtui.errors import AbsentError, ConfigError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.model import Platform, Ref
from kvtui.resources import find
from kvtui.resources.base import AnyResource
from kvtui.text import clean_line

_NAMED: Final = 5
"""Objects that a sentence names before it counts the rest."""
_KINDS: Final = ("vms", "nodes", "migrations", "imports")
"""Where a name without a kind is looked for first."""


class Named(NamedTuple):
    """An object that was found, with its row."""

    resource: AnyResource
    ref: Ref
    row: Any


def read_name(text: str, fleet: Fleet) -> tuple[AnyResource | None, str]:
    """``NAME``, ``NAMESPACE/NAME``, ``KIND/NAME`` or ``KIND/NAMESPACE/NAME``. Raises ConfigError."""
    kind, slash, rest = text.partition("/")
    resource = find(kind, fleet.resources) if slash else None
    if resource is None and rest.count("/"):
        known = ", ".join(resource.name for resource in fleet.resources)
        raise ConfigError(f"there is no kind {clean_line(kind)}", f"known are {known}")
    return (resource, rest) if resource is not None else (None, text)


def find_named(
    fleet: Fleet, kind: AnyResource | None, name: str, namespace: str | None, missing: Sequence[str]
) -> Named:
    """The object of that name. Raises AbsentError, ConfigError when it is the name of several."""
    for resource in _candidates(fleet, kind):
        refs = [ref for ref in resource.refs(fleet.view) if name in (ref.path, ref.name)]
        if namespace:
            refs = [ref for ref in refs if ref.namespace in ("", namespace)]
        # While a VM moves it stands on two hosts: what runs is meant.
        refs = [ref for ref in refs if not _stands_aside(fleet, resource, ref)] or refs
        if len(refs) > 1:
            where = ", ".join(fleet.name(ref) for ref in refs[:_NAMED])
            raise ConfigError(f"{clean_line(name)} is the name of several", where, _tell_choice(fleet))
        row = resource.row(fleet.view, refs[0]) if refs else None
        if row is not None:
            return Named(resource, refs[0], row)
    check_namespace(fleet, namespace or _namespace_in(fleet, name))
    label = kind.label if kind is not None else "object"
    if missing:
        raise UnreachableError(f"no {label} named {clean_line(name)} is known", missing[0])
    raise AbsentError(f"there is no {label} named {clean_line(name)}", code=404)


def _namespace_in(fleet: Fleet, name: str) -> str:
    """The namespace that a name begins with; on hosts that may be a pool or a VM."""
    platforms = {backend.info.platform for backend in fleet.backends.values()}
    return name.rpartition("/")[0] if platforms == {Platform.KUBERNETES} else ""


def _tell_choice(fleet: Fleet) -> str:
    platforms = {backend.info.platform for backend in fleet.backends.values()}
    ways = "NAMESPACE/NAME, --context or --host" if Platform.KUBERNETES in platforms else "--host"
    return f"say which by {ways}"


def _stands_aside(fleet: Fleet, resource: AnyResource, ref: Ref) -> bool:
    """Whether it is only the other end of a move, which is shown in another row, or is yet to come."""
    row = resource.row(fleet.view, ref)
    return row is None or resource.arriving(row)


def _candidates(fleet: Fleet, kind: AnyResource | None) -> list[AnyResource]:
    if kind is not None:
        return [kind]
    return sorted(
        (resource for resource in fleet.resources if resource.name != "events"),
        key=lambda resource: _KINDS.index(resource.name) if resource.name in _KINDS else len(_KINDS),
    )
