"""What every stored object has in common: a kind, metadata that the API machinery acts on, errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

Object = dict[str, Any]
"""One API object as decoded JSON. The storage hands out private copies, free to change, but where one only peeks."""

_BUILT_IN = frozenset(
    {
        "",
        "apps",
        "policy",
        "coordination.k8s.io",
        "storage.k8s.io",
        "apiregistration.k8s.io",
        "apiextensions.k8s.io",
        "admissionregistration.k8s.io",
    }
)
_WITHOUT_GENERATION = frozenset({"storage.k8s.io", "apiregistration.k8s.io"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource that is stored: ``kubevirt.io/v1 VirtualMachine`` under ``virtualmachines``."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = True
    """Whether ``/status`` is a subresource of its own: a plain update then leaves ``.status`` alone."""

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The resource as error messages name it: ``virtualmachines.kubevirt.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """The kind as validation messages name it: ``VirtualMachine.kubevirt.io``."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def custom(self) -> bool:
        """Whether a CRD defines it."""
        return self.group not in _BUILT_IN

    @property
    def counts_generations(self) -> bool:
        """Whether its objects carry ``metadata.generation``; of the core kinds only pods do."""
        return self.plural == "pods" if not self.group else self.group not in _WITHOUT_GENERATION


class StorageError(Exception):
    """What the API server would answer: a code, a reason, its words, and the ``details`` of the Status."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> Object:
        """The ``Status`` document that answers the request; the server leaves out a reason that it does not know."""
        document: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        document |= {"message": self.message} | ({"reason": self.reason} if self.reason else {})
        if self.details is not None:
            document["details"] = self.details
        return document | {"code": self.code}


def not_found(kind: Kind, name: str) -> StorageError:
    """404 for an object that is not there."""
    return StorageError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def exists(kind: Kind, name: str) -> StorageError:
    """409 for a second object of the same name."""
    return StorageError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> StorageError:
    """409 for a write that met another state than it named."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return StorageError(409, "Conflict", message, _details(kind, name))


def invalid(kind: Kind, name: str, path: str, reason: str, *messages: str) -> StorageError:
    """422 for one bad field: `reason` as in ``FieldValueInvalid``, each of the `messages` without the path."""
    causes = [{"reason": reason, "message": message, "field": path} for message in messages]
    about = _details(kind, name) | {"kind": kind.kind, "causes": causes}
    told = [f"{path}: {message}" for message in messages]
    words = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return StorageError(422, "Invalid", f'{kind.qualified} "{name}" is invalid: {words}', about)


def bad_request(message: str) -> StorageError:
    """400 in plain words."""
    return StorageError(400, "BadRequest", message)


def _details(kind: Kind, name: str) -> Object:
    about: Object = {"name": name} if name else {}
    if kind.group:
        about["group"] = kind.group
    return about | {"kind": kind.plural}


class Owner(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of ``metadata.ownerReferences``."""

    api_version: str = ""
    kind: str = ""
    uid: str = ""
    block_owner_deletion: bool | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """The metadata that the API machinery itself acts on."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


def metadata_of(kind: Kind, obj: Object) -> Metadata:
    """The metadata of a decoded object. Raises StorageError 400 for fields of a wrong type."""
    try:
        return msgspec.convert(obj.get("metadata") or {}, Metadata)
    except msgspec.ValidationError as error:
        message = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: metadata: {error}'
        raise bad_request(message) from error


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_ENDS = "must start and end with an alphanumeric character"


@dataclass(frozen=True, slots=True)
class NameRule:
    """A form of names, as apimachinery 1.36 ``pkg/util/validation/validation.go`` has it."""

    limit: int
    regex: str
    words: str
    without_dots: bool = False

    def faults(self, name: str) -> list[str]:
        """What is wrong with a name, in the words of the API server."""
        found = []
        if len(name.encode()) > self.limit:
            found.append(f"must be no more than {self.limit} characters")
        if re.fullmatch(self.regex, name):
            return found
        only_dots = self.without_dots and re.fullmatch(_SUBDOMAIN, name)
        return [*found, "must not contain dots" if only_dots else self.words]


SUBDOMAIN_RULE = NameRule(
    253,
    _SUBDOMAIN,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {_ENDS} "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')",
)
_LABEL_RULE = NameRule(
    63,
    _LABEL,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_ENDS} "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')",
    without_dots=True,
)
_NAME_RULES = {"namespaces": _LABEL_RULE, "services": _LABEL_RULE}


def check_name(kind: Kind, name: str) -> None:
    """Raise StorageError 422 for a name that the API server refuses.

    Which kind has which form: ``pkg/apis/core/validation/validation.go`` of kubernetes 1.36. That the name of a
    CustomResourceDefinition and of an APIService must repeat other fields of theirs is not checked.
    """
    if not name:
        words = "Required value: name or generateName is required"
        raise invalid(kind, name, "metadata.name", "FieldValueRequired", words)
    faults = _NAME_RULES.get(kind.resource, SUBDOMAIN_RULE).faults(name)
    if faults:
        told = [f'Invalid value: "{name}": {fault}' for fault in faults]
        raise invalid(kind, name, "metadata.name", "FieldValueInvalid", *told)
