"""Discovery: which groups, versions, resources and subresources there are, in the plain and the aggregated form."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from kvtui.demo.served import ServedKinds
from kvtui.demo.storage import Kind, Object

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_CORE_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_STATUS_VERBS = ["get", "patch", "update"]

_Resource = Object
"""An entry of an APIResourceList; ``group`` and ``version`` only where they differ from the list's."""

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "8e16b12fda5b1dccc41a6de48b3e356cc7d5048b",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""``/version`` as the recorded server answers it."""

_VMI_SUBRESOURCES = [
    "vnc",
    "vnc/screenshot",
    "console",
    "portforward",
    "pause",
    "unpause",
    "freeze",
    "unfreeze",
    "reset",
    "softreboot",
    "guestosinfo",
    "userlist",
    "filesystemlist",
    "objectgraph",
    "evacuate/cancel",
]
_VM_SUBRESOURCES = ["start", "stop", "restart", "migrate", "expand-spec", "objectgraph", "evacuate/cancel"]
_POD_SUBRESOURCES: list[_Resource] = [
    {"name": "pods/eviction", "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]},
    {"name": "pods/log", "kind": "Pod", "verbs": ["get"]},
    {"name": "pods/proxy", "kind": "PodProxyOptions", "verbs": ["get"]},
]


def _plain(name: str, kind: str, verbs: list[str] | None, namespaced: bool) -> _Resource:
    return {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs}


def _resources_of(kind: Kind) -> list[_Resource]:
    entry: _Resource = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _CUSTOM_VERBS if kind.custom else _CORE_VERBS,
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    found = [entry]
    if kind.group == "" and kind.plural == "pods":
        found += [{"singularName": "", "namespaced": True, **sub} for sub in _POD_SUBRESOURCES]
    if kind.status:
        found.append(_plain(f"{kind.plural}/status", kind.kind, _STATUS_VERBS, kind.namespaced))
    return found


def _subresource_group() -> list[_Resource]:
    return [
        _plain("expand-vm-spec", "", None, True),
        *(_plain(f"virtualmachineinstances/{sub}", "", None, True) for sub in _VMI_SUBRESOURCES),
        *(_plain(f"virtualmachines/{sub}", "", None, True) for sub in _VM_SUBRESOURCES),
    ]


_VIRTUAL: dict[tuple[str, str], list[_Resource]] = {
    ("authentication.k8s.io", "v1"): [_plain("selfsubjectreviews", "SelfSubjectReview", ["create"], False)],
    ("authorization.k8s.io", "v1"): [
        _plain("selfsubjectaccessreviews", "SelfSubjectAccessReview", ["create"], False),
        _plain("selfsubjectrulesreviews", "SelfSubjectRulesReview", ["create"], False),
    ],
    ("metrics.k8s.io", "v1beta1"): [
        _plain("nodes", "NodeMetrics", ["get", "list"], False),
        _plain("pods", "PodMetrics", ["get", "list"], True),
    ],
    ("upload.cdi.kubevirt.io", "v1beta1"): [_plain("uploadtokenrequests", "UploadTokenRequest", ["create"], True)],
    ("subresources.kubevirt.io", "v1"): _subresource_group(),
}
"""Groups that are answered without being stored."""


class Discovery:
    """The discovery documents, made from what is served now."""

    def __init__(self, served: ServedKinds) -> None:
        self._served = served

    def _groups(self) -> dict[str, dict[str, list[_Resource]]]:
        """Resources by group and version."""
        groups: dict[str, dict[str, list[_Resource]]] = {}
        for kind in self._served.kinds:
            groups.setdefault(kind.group, {}).setdefault(kind.version, []).extend(_resources_of(kind))
        for (group, version), resources in _VIRTUAL.items():
            groups.setdefault(group, {})[version] = resources
        return groups

    def core_versions(self, address: str) -> Object:
        """``/api``."""
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        }

    def group_list(self) -> Object:
        """``/apis``."""
        groups = [_group(name, versions) for name, versions in self._groups().items() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, name: str) -> Object | None:
        """``/apis/GROUP``, or None."""
        versions = self._groups().get(name)
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None

    def resource_list(self, group: str, version: str) -> Object | None:
        """``/api/v1`` and ``/apis/GROUP/VERSION``, or None."""
        resources = self._groups().get(group, {}).get(version)
        if resources is None:
            return None
        group_version = f"{group}/{version}" if group else version
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": sorted(resources, key=lambda entry: str(entry["name"])),
        }

    def aggregated(self, *, core: bool) -> Object:
        """``/api`` or ``/apis`` as an APIGroupDiscoveryList."""
        items = [
            {
                "metadata": {"name": name} if name else {},
                "versions": [
                    {
                        "version": version,
                        "resources": list(_nested(name, version, resources)),
                        "freshness": "Current",
                    }
                    for version, resources in versions.items()
                ],
            }
            for name, versions in self._groups().items()
            if (name == "") == core
        ]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group(name: str, versions: Iterable[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _response_kind(group: str, version: str, entry: _Resource) -> Object:
    if not entry["kind"]:
        return {"group": "", "version": "", "kind": ""}
    return {"group": entry.get("group", group), "version": entry.get("version", version), "kind": entry["kind"]}


def _nested(group: str, version: str, resources: list[_Resource]) -> Iterable[Object]:
    """Resources with their subresources below them, as the aggregated form has them."""
    ordered = sorted(resources, key=lambda entry: str(entry["name"]))
    for plural, entries in groupby(ordered, key=lambda entry: str(entry["name"]).partition("/")[0]):
        found = list(entries)
        own = next((entry for entry in found if entry["name"] == plural), None)
        head = own or _plain(plural, "", None, bool(found[0]["namespaced"]))
        nested: Object = {
            "resource": plural,
            "responseKind": _response_kind(group, version, head),
            "scope": "Namespaced" if head["namespaced"] else "Cluster",
            "singularResource": head["singularName"],
            "verbs": head["verbs"],
        }
        nested |= {key: head[key] for key in ("shortNames", "categories") if key in head}
        subresources = [
            {
                "subresource": str(entry["name"]).partition("/")[2],
                "responseKind": _response_kind(group, version, entry),
                "verbs": entry["verbs"],
            }
            for entry in found
            if entry is not own
        ]
        if subresources:
            nested["subresources"] = subresources
        yield nested
