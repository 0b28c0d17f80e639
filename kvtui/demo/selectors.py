"""Label and field selectors of lists and watches, with the API server's answers to bad ones.

Sources: apimachinery ``pkg/labels/selector.go`` and ``pkg/fields/selector.go``;
the fields of ``core/v1/conversion.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kvtui.demo.metadata import Kind, bad_request

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_SYMBOLS = {">": "gt", "<": "lt"}
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_NAME_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_LONGEST_NAME = 63


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
        try:
            found, limit = int(value or ""), int(bound)
        except ValueError:
            return False
        return found > limit if self.operator == "gt" else found < limit


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
            try:
                found.append(self._requirement())
            except ValueError as error:
                raise bad_request(f"unable to parse requirement: {error}") from error
            follower = self._next()
            if follower not in ("", ","):
                raise bad_request(f"found '{follower}', expected: ',' or 'end of string'")
            if follower == "," and not self._is_word(self._peek()) and self._peek() != "!":
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
        if operator not in _OPERATORS:
            raise ValueError(f"found '{token}', expected: {', '.join(_OPERATORS)}")
        values = self._values() if operator in ("in", "notin") else frozenset({self._value()})
        if operator in ("gt", "lt") and not all(re.fullmatch(r"[-+]?\d+", value) for value in values):
            (value,) = values
            raise ValueError(
                f"values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        for value in values:
            if value and (len(value) > _LONGEST_NAME or not re.fullmatch(_NAME, value)):
                words = (
                    f"a valid label must be an empty string or consist of{_NAME_WORDS.removeprefix('must consist of')}"
                )
                raise ValueError(f'values[0][{key}]: Invalid value: "{value}": {words}')
        return Requirement(key, operator, values)

    def _key(self) -> str:
        key = self._next()
        if not self._is_word(key):
            raise ValueError(f"found '{key}', expected: identifier")
        name = key.rpartition("/")[2]
        if len(name) > _LONGEST_NAME or not re.fullmatch(_NAME, name):
            raise ValueError(f'key: Invalid value: "{key}": name part {_NAME_WORDS}')
        return key

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._next()
        if not self._is_word(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def _values(self) -> frozenset[str]:
        opening = self._next()
        if opening != "(":
            raise ValueError(f"found '{opening}' expected: '('")
        values = {self._listed()}
        while (separator := self._next()) == ",":
            values.add(self._listed())
        if separator != ")":
            raise ValueError(f"found '{separator}', expected: ')'")
        return frozenset(values)

    def _listed(self) -> str:
        return self._next() if self._is_word(self._peek()) else ""

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    @staticmethod
    def _is_word(token: str) -> bool:
        return bool(token) and token[0] not in "=!(),<>"


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
_FIELD_TERM = re.compile(r"(?P<field>[^=!]*)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)
_UNESCAPE = re.compile(r"\\([\\,=])")

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
    terms = []
    for part in _split(text):
        match = _FIELD_TERM.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field = match["field"].strip()
        _check_field(kind, field)
        terms.append(FieldTerm(field, _UNESCAPE.sub(r"\1", match["value"]), match["operator"] == "!="))
    return FieldSelector(tuple(terms))


def _split(text: str) -> list[str]:
    """The terms between commas that no backslash precedes."""
    return [part for part in re.split(r"(?<!\\),", text) if part]


def _check_field(kind: Kind, field: str) -> None:
    if field in _EVERYWHERE[: 2 if kind.namespaced else 1] or field in _FIELDS.get(kind.resource, ()):
        return
    if kind.custom or kind.resource in _FIELDS:
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
        return ",".join(entry.get("ip", "") for entry in _value(sections, first, rest) or ())
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
