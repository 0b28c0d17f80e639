"""What a request asks for, read from its method and path by the rules of kube-apiserver's RequestInfo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_OF_NAMESPACES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Target:
    """One request in RBAC's terms. `resource` is empty for discovery, health and the like."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    """The first part below the name: all that kube-apiserver's authorization looks at."""
    rest: str = ""
    """Everything below the name: ``vnc/screenshot``."""

    @property
    def qualified(self) -> str:
        """``virtualmachines.kubevirt.io``, as messages name the resource."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


def _is_true(value: str | None) -> bool:
    return value is not None and value.lower() in ("true", "1", "")


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    if method in ("GET", "HEAD"):
        if name:
            return "get"
        return "watch" if _is_true(query.get("watch")) else "list"
    return _VERBS.get(method, method.lower())


def parse(method: str, path: str, query: Mapping[str, str]) -> Target:
    """The target of a request. Nothing is checked against what exists."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, parts = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return Target("get" if method in ("GET", "HEAD") else method.lower(), path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and not (group == "" and parts[2] in _OF_NAMESPACES):
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    verb = _verb(method, name, query)
    selected = query.get("fieldSelector", "")
    if verb in ("list", "watch", "deletecollection") and selected.startswith("metadata.name=") and "," not in selected:
        # Authorization by resourceNames works on lists of one name.
        listed = selected.removeprefix("metadata.name=").removeprefix("=")
        return Target(verb, path, group, version, namespace, parts[0], listed)
    return Target(verb, path, group, version, namespace, parts[0], name, subresource, "/".join(parts[2:]))
