"""The least of OpenAPI v3 that kubectl asks for before it creates or applies.

kubectl 1.32 reads the index and the document of the kind's group, and looks whether PATCH takes ``fieldValidation``;
if so it leaves the validation to the server. Strategic merge is left out of the accepted bodies on purpose: kubectl
then computes patches from its own types, which need no schema. OpenAPI v2 is served in protobuf by real servers, and
only asked for when v3 does not answer; here it is absent.
"""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.demo.metadata import Kind, Object
from kvtui.demo.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

_FIELD_VALIDATION = {
    "name": "fieldValidation",
    "in": "query",
    "description": "How the server answers unknown or duplicate fields: Ignore, Warn or Strict.",
    "schema": {"type": "string", "uniqueItems": True},
}
_PLACES = (("namespace", "object name and auth scope, such as for teams and projects"), ("name", "name of the object"))


def document(path: str, kinds: Iterable[Kind]) -> Object | None:
    """The document below ``/openapi/``: ``v3`` is the index, ``v3/apis/GROUP/VERSION`` a group; None for any other."""
    groups: dict[str, list[Kind]] = {}
    for kind in kinds:
        groups.setdefault(_group_path(kind), []).append(kind)
    version, _, group = path.strip("/").partition("/")
    if version != "v3":
        return None
    if not group:
        return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in groups}}
    return _group_document(groups[group]) if group in groups else None


def _group_path(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _group_document(kinds: list[Kind]) -> Object:
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": dict(_object_path(kind) for kind in kinds),
        "components": {"schemas": {_schema_name(kind): _schema(kind) for kind in kinds}},
    }


def _object_path(kind: Kind) -> tuple[str, Object]:
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    places = [
        {"name": name, "in": "path", "required": True, "description": words, "schema": {"type": "string"}}
        for name, words in _PLACES
        if kind.namespaced or name == "name"
    ]
    reference = {"$ref": f"#/components/schemas/{_schema_name(kind)}"}
    bodies = {media: {"schema": {"type": "object"}} for media in (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)}
    patch = {
        "description": f"partially update the specified {kind.kind}",
        "parameters": [_FIELD_VALIDATION],
        "requestBody": {"content": bodies},
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": _identity(kind),
    }
    return f"/{_group_path(kind)}{namespace}/{kind.plural}/{{name}}", {"patch": patch, "parameters": places}


def _schema_name(kind: Kind) -> str:
    """As the server names the schemas of CRDs: ``io.kubevirt.v1.VirtualMachine``."""
    reversed_group = ".".join(reversed(kind.group.split("."))) if kind.group else "io.k8s.api.core"
    return f"{reversed_group}.{kind.version}.{kind.kind}"


def _schema(kind: Kind) -> Object:
    properties: Object = {name: {"type": "string"} for name in ("apiVersion", "kind")}
    properties["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "type": "object",
        "description": kind.kind,
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-group-version-kind": [_identity(kind)],
    }


def _identity(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
