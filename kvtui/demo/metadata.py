"""What every stored object has in common: a kind, metadata that the API machinery acts on, errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

Object = dict[str, Any]
"""One API object as decoded JSON. The storage hands out private copies: change them freely."""

_BUILT_IN = frozenset(
    {
        "",
        "apps",
        "policy",
        "coordination.k8s.io",
        "storage.k8s.io",
        "apiregistration.k8s.io",
        "apiextensions.k8s.io",
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
        """The ``Status`` document that answers the request."""
        document: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        document |= {"message": self.message, "reason": self.reason}
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


def invalid(kind: Kind, name: str, path: str, reason: str, message: str) -> StorageError:
    """422 for one bad field: `reason` as in ``FieldValueInvalid``, `message` without the path."""
    cause = {"reason": reason, "message": message, "field": path}
    about = _details(kind, name) | {"kind": kind.kind, "causes": [cause]}
    return StorageError(422, "Invalid", f'{kind.qualified} "{name}" is invalid: {path}: {message}', about)


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
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_ENDS = "must start and end with an alphanumeric character"


@dataclass(frozen=True, slots=True)
class _NameRule:
    limit: int
    regex: str
    words: str


_SUBDOMAIN_RULE = _NameRule(
    253,
    _SUBDOMAIN,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {_ENDS} "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')",
)
_LABEL_RULE = _NameRule(
    63,
    _LABEL,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_ENDS} "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')",
)
_SERVICE_RULE = _NameRule(
    63,
    _DNS_1035,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character "
    f"(e.g. 'my-name',  or 'abc-123', regex used for validation is '{_DNS_1035}')",
)
_NAME_RULES = {"namespaces": _LABEL_RULE, "services": _SERVICE_RULE}


def check_name(kind: Kind, name: str) -> None:
    """Raise StorageError 422 for a name that the API server refuses."""
    if not name:
        words = "Required value: name or generateName is required"
        raise invalid(kind, name, "metadata.name", "FieldValueRequired", words)
    rule = _NAME_RULES.get(kind.resource, _SUBDOMAIN_RULE)
    if len(name) > rule.limit:
        words = f'Invalid value: "{name}": must be no more than {rule.limit} characters'
    elif re.fullmatch(rule.regex, name):
        return
    else:
        words = f'Invalid value: "{name}": {rule.words}'
    raise invalid(kind, name, "metadata.name", "FieldValueInvalid", words)
