"""Which kinds the API serves at the moment: the built-in ones, and the custom ones whose definition is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import msgspec

from kvtui.demo.kinds import CRD, KINDS
from kvtui.demo.metadata import invalid
from kvtui.demo.storage import Change, Kind, Object, Storage

_SERVED_TOO: tuple[Kind, ...] = (
    # Clients ask for these as a matter of course: drain for budgets and sets, describe node for leases.
    Kind("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",), status=False),
    Kind("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), ("all",)),
    Kind("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",), ("all",)),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True, ("pdb",)),
    Kind("coordination.k8s.io", "v1", "Lease", "leases", status=False),
)


def definition_name(kind: Kind) -> str:
    """The name of its CustomResourceDefinition."""
    return f"{kind.plural}.{kind.group}"


def definition(kind: Kind) -> Object:
    """A CustomResourceDefinition of the kind, established."""
    established = {"reason": "InitialNamesAccepted", "message": "the initial names have been accepted"}
    names = {
        "kind": kind.kind,
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "listKind": f"{kind.kind}List",
        "shortNames": list(kind.short),
        "categories": list(kind.categories),
    }
    version: Object = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    if kind.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": definition_name(kind)},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
            "conversion": {"strategy": "None"},
        },
        "status": {
            "acceptedNames": names,
            "storedVersions": [kind.version],
            "conditions": [
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
                {"type": "Established", "status": "True", **established},
            ],
        },
    }


class _Names(msgspec.Struct, rename="camel"):
    plural: str
    kind: str
    short_names: list[str] = []
    categories: list[str] = []


class _Version(msgspec.Struct):
    name: str
    storage: bool = False
    subresources: dict[str, object] = {}


class _Spec(msgspec.Struct):
    group: str
    names: _Names
    scope: Literal["Namespaced", "Cluster"]
    versions: Annotated[list[_Version], msgspec.Meta(min_length=1)]


class _Definition(msgspec.Struct):
    spec: _Spec


def kind_of(crd: Object) -> Kind:
    """The kind that a CustomResourceDefinition defines. Raises StorageError 422 for one that cannot be served."""
    name = crd["metadata"].get("name", "")
    try:
        spec = msgspec.convert(crd, _Definition).spec
    except msgspec.ValidationError as error:
        raise invalid(CRD, name, "spec", "FieldValueInvalid", f"Invalid value: {error}") from None
    names = spec.names
    version = next((version for version in spec.versions if version.storage), spec.versions[0])
    kind = Kind(
        spec.group,
        version.name,
        names.kind,
        names.plural,
        spec.scope == "Namespaced",
        tuple(names.short_names),
        tuple(names.categories),
        "status" in version.subresources,
    )
    if name != definition_name(kind):
        words = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        raise invalid(CRD, name, "metadata.name", "FieldValueInvalid", words)
    return kind


class ServedKinds:
    """The served kinds, kept in step with the CustomResourceDefinitions in the storage.

    A definition that is deleted hides its kind; the objects stay in the storage, so that they are back when the
    definition is.
    """

    def __init__(self, storage: Storage) -> None:
        """Definitions that the world did not bring for the kinds of this package are added."""
        self._storage = storage
        self._known = {definition_name(kind): kind for kind in KINDS if kind.custom}
        self._built_in = [kind for kind in (*KINDS, *_SERVED_TOO) if not kind.custom]
        present = {crd["metadata"]["name"] for crd in storage.list(CRD)}
        storage.load(CRD, [definition(kind) for name, kind in self._known.items() if name not in present])
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self._listeners: list[Callable[[Kind], object]] = []
        self._read()
        self._unsubscribe = storage.subscribe(self._on_change)

    def close(self) -> None:
        """Stop following the storage."""
        self._unsubscribe()

    def on_removed(self, listener: Callable[[Kind], object]) -> None:
        """Call `listener` with every kind that is served no more."""
        self._listeners.append(listener)

    def _read(self) -> None:
        definitions = [crd for crd in self._storage.list(CRD) if "deletionTimestamp" not in crd["metadata"]]
        custom = [self._known.get(crd["metadata"]["name"]) or kind_of(crd) for crd in definitions]
        before = set(self._kinds.values())
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in (*self._built_in, *custom)}
        for kind in before - set(self._kinds.values()):
            for listener in self._listeners:
                listener(kind)

    def _on_change(self, change: Change) -> None:
        if change.kind == CRD:
            self._read()

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The served kind at ``/apis/GROUP/VERSION/PLURAL``, or None."""
        return self._kinds.get((group, version, plural))

    @property
    def kinds(self) -> Iterable[Kind]:
        """All served kinds."""
        return self._kinds.values()
