"""Label and field selectors of lists and watches, with the API server's answers to bad ones.

Sources, of kubernetes 1.36: apimachinery ``pkg/labels/selector.go``, ``pkg/fields/selector.go`` and
``pkg/api/validate/content/kube.go``. Fields: ``pkg/apis/core/v1/conversion.go``, the ``strategy.go`` of each kind in
``pkg/registry/core``, and for custom resources apiextensions-apiserver ``pkg/apiserver/conversion/converter.go``. The
old name ``spec.host`` of ``spec.nodeName`` is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kvtui.demo.metadata import SUBDOMAIN_RULE, Kind, bad_request

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+)")
_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_SYMBOLS = {">": "gt", "<": "lt"}
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_ALLOWED = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_KEY_WORDS = f"must {_ALLOWED} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
_VALUE_WORDS = (
    f"a valid label must be an empty string or {_ALLOWED} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_NAME})?')"
)
_LONGEST = 63
_TOO_LONG = f"must be no more than {_LONGEST} bytes"
_EMPTY_PREFIX = "prefix part must be non-empty"
_INTEGER = re.compile(r"[-+]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term: `operator` is one of in, notin, =, ==, !=, gt, lt, exists and !."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy it; != and notin hold for a label that is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "!=" | "notin":
                return value not in self.values
            case "gt" | "lt":
                return self._compares(value)
            case _:
                return value in self.values

    def _compares(self, value: str | None) -> bool:
        (bound,) = self.values
        found, limit = _integer(value or ""), _integer(bound)
        if found is None or limit is None:
            return False
        return found > limit if self.operator == "gt" else found < limit


def _integer(text: str) -> int | None:
    """A decimal number of 64 bits, or None."""
    if not _INTEGER.fullmatch(text) or len(text) > _LONGEST:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All terms of a ``labelSelector``; without terms everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy every term."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_labels(text: str) -> LabelSelector:
    """Read a ``labelSelector``. Raises StorageError 400 in the words of the API server."""
    parser = _LabelParser(text)
    return LabelSelector(tuple(parser.requirements()))


class _LabelParser:
    """Recursive descent over the tokens; "" stands for the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._peek():
            if not self._begins(self._peek()):
                raise bad_request(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except ValueError as error:
                raise bad_request(f"unable to parse requirement: {error}") from error
            follower = self._next()
            if follower not in ("", ","):
                raise bad_request(f"found '{follower}', expected: ',' or 'end of string'")
            if follower == "," and not self._begins(self._peek()):
                raise bad_request(f"found '{self._peek()}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next()
            return Requirement(self._key(), "!")
        key = self._key()
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        token = self._next()
        operator = _SYMBOLS.get(token, token)
        if operator not in _OPERATORS or token in _SYMBOLS.values():
            raise ValueError(f"found '{token}', expected: {', '.join(_OPERATORS)}")
        values = self._values() if operator in ("in", "notin") else {self._value()}
        _check_values(key, operator, sorted(values))
        return Requirement(key, operator, frozenset(values))

    def _key(self) -> str:
        key = self._next()
        if not self._is_word(key):
            raise ValueError(f"found '{key}', expected: identifier")
        if faults := key_faults(key):
            # The server does not name the field here.
            raise ValueError(f'<nil>: Invalid value: "{key}": {"; ".join(faults)}')
        return key

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._next()
        if not self._is_word(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def _values(self) -> set[str]:
        opening = self._next()
        if opening != "(":
            raise ValueError(f"found '{opening}' expected: '('")
        if self._peek() not in (",", ")") and not self._is_word(self._peek()):
            raise ValueError(f"found '{self._peek()}', expected: ',', ')' or identifier")
        values = {self._listed()}
        while (separator := self._next()) == ",":
            if self._peek() not in (",", ")") and not self._is_word(self._peek()):
                raise ValueError(f"found '{self._peek()}', expected: ',', or identifier")
            values.add(self._listed())
        if separator != ")":
            raise ValueError(f"found '{separator}', expected: ',' or ')'")
        return values

    def _listed(self) -> str:
        return self._next() if self._is_word(self._peek()) else ""

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    @classmethod
    def _begins(cls, token: str) -> bool:
        return token == "!" or cls._is_word(token)

    @staticmethod
    def _is_word(token: str) -> bool:
        return bool(token) and token[0] not in "=!(),<>"


def key_faults(key: str) -> list[str]:
    """What is wrong with the key of a label."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_KEY_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    faults = []
    if slash:
        faults = [f"prefix part {fault}" for fault in SUBDOMAIN_RULE.faults(prefix)] if prefix else [_EMPTY_PREFIX]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > _LONGEST:
        faults.append(f"name part {_TOO_LONG}")
    return faults if re.fullmatch(_NAME, name) else [*faults, f"name part {_KEY_WORDS}"]


def value_faults(value: str) -> list[str]:
    """What is wrong with the value of a label."""
    wrong = [_TOO_LONG] if len(value.encode()) > _LONGEST else []
    return [*wrong, _VALUE_WORDS] if value and not re.fullmatch(_NAME, value) else wrong


def _check_values(key: str, operator: str, values: list[str]) -> None:
    """Raise ValueError for values that no label can have, or that are no numbers where numbers are compared."""
    faults = []
    if operator in ("gt", "lt") and _integer(values[0]) is None:
        words = "for 'Gt', 'Lt' operators, the value must be an integer"
        faults.append(f'values[0]: Invalid value: "{values[0]}": {words}')
    for position, value in enumerate(values):
        wrong = value_faults(value)
        if wrong:
            faults.append(f'values[{position}][{key}]: Invalid value: "{value}": {"; ".join(wrong)}')
    if faults:
        raise ValueError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


_EVERYWHERE = ("metadata.name", "metadata.namespace")
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    "events": (*(f"involvedObject.{name}" for name in _INVOLVED), "reason", "reportingComponent", "source", "type"),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
}
"""Beside name and namespace; by the resource of the kind."""

_FALSE_WHEN_ABSENT = frozenset({"spec.unschedulable", "spec.hostNetwork"})
_FIELD_TERM = re.compile(r"(?P<field>.*?)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)
_FIELD_PART = re.compile(r"(?:\\.|[^\\,]|\\\Z)+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.?)|([,=])", re.DOTALL)

_sections: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector."""

    field: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms of a ``fieldSelector``; without terms everything matches."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, namespace: str, name: str, raw: bytes) -> bool:
        """Whether the object satisfies every term; it is decoded only for fields beside its name and namespace."""
        known = {"metadata.name": name, "metadata.namespace": namespace}
        for term in self.terms:
            value = known[term.field] if term.field in known else _field(raw, term.field)
            if (value == term.value) == term.negated:
                return False
        return True

    @property
    def name(self) -> str:
        """The name that every match must have, or "": a list of one object needs no scan."""
        names = (term.value for term in self.terms if term.field == "metadata.name" and not term.negated)
        return next(names, "")


def parse_fields(kind: Kind, text: str) -> FieldSelector:
    """Read a ``fieldSelector`` for a kind. Raises StorageError 400 for nonsense and for fields it does not support."""
    read = [_field_term(text, part) for part in sorted(_FIELD_PART.findall(text))]
    # The server skips a term of which both sides are empty.
    terms = [term for term in read if term.field or term.value]
    for term in terms:
        _check_field(kind, term.field)
    return FieldSelector(tuple(terms))


def _field_term(text: str, part: str) -> FieldTerm:
    match = _FIELD_TERM.fullmatch(part)
    if match is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
    return FieldTerm(match["field"], _ESCAPED.sub(_unescaped, match["value"]), match["operator"] == "!=")


def _unescaped(match: re.Match[str]) -> str:
    if match[2]:
        # The server shows the code of the character.
        raise bad_request(f"invalid field selector: unescaped character in value: {ord(match[2])}")
    if match[1] not in ("\\", ",", "="):
        raise bad_request(f"invalid field selector: invalid escape sequence: {match[0]}")
    return match[1]


def _check_field(kind: Kind, field: str) -> None:
    named = kind.custom or kind.resource in _FIELDS
    everywhere = _EVERYWHERE if kind.namespaced or not named else _EVERYWHERE[:1]
    if field in everywhere or field in _FIELDS.get(kind.resource, ()):
        return
    if named:
        raise bad_request(f"field label not supported: {field}")
    listed = ", ".join(f'"{name}"' for name in _EVERYWHERE)
    raise bad_request(f'"{field}" is not a known field selector: only {listed}')


def _field(raw: bytes, path: str) -> str:
    """The text of a field, "" when it is absent."""
    first, *rest = path.split(".")
    sections = _sections(raw)
    if path == "source":
        component = _value(sections, "source", ["component"])
        return _text(component or _value(sections, "reportingComponent", []))
    if path == "status.podIPs":
        # The server accepts the field and never fills it.
        return ""
    if path == "status.podIP":
        addresses = _value(sections, "status", ["podIPs"])
        return str(addresses[0].get("ip", "")) if addresses else ""
    value = _value(sections, first, rest)
    return "false" if value is None and path in _FALSE_WHEN_ABSENT else _text(value)


def _value(sections: dict[str, msgspec.Raw], first: str, rest: list[str]) -> Any:
    if first not in sections:
        return None
    value = msgspec.json.decode(sections[first])
    for name in rest:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
