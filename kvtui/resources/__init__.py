"""All resources: one kind, one file."""

from __future__ import annotations

from typing import Final

from kvtui.resources import (
    cdi,
    datavolume,
    event,
    kubevirt,
    migration,
    namespace,
    node,
    pod,
    pvc,
    vm,
)
from kvtui.resources.base import AnyResource

RESOURCES: Final[tuple[AnyResource, ...]] = (
    node.RESOURCE,
    vm.RESOURCE,
    migration.RESOURCE,
    datavolume.RESOURCE,
    pod.RESOURCE,
    pvc.RESOURCE,
    event.RESOURCE,
    namespace.RESOURCE,
    kubevirt.RESOURCE,
    cdi.RESOURCE,
)

_BY_NAME: Final = {name: resource for resource in RESOURCES for name in (resource.name, *resource.aliases)}


def find(name: str) -> AnyResource | None:
    """The resource of that name or alias, in whatever case."""
    return _BY_NAME.get(name.lower())
